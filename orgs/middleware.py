"""A name for each request, so that its rows and log lines can be found together."""

import re
import uuid
from typing import TYPE_CHECKING

from django.utils.deprecation import MiddlewareMixin

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestIdMiddleware(MiddlewareMixin):
    """Take ``X-Request-ID`` from the proxy in front where it is well formed, else make one; answer with it."""

    def process_request(self, request: "HttpRequest") -> None:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request.request_id = given if _GOOD_ID.fullmatch(given) else uuid.uuid4().hex  # type: ignore[attr-defined]

    def process_response(self, request: "HttpRequest", response: "HttpResponseBase") -> "HttpResponseBase":
        response.headers["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        return response
