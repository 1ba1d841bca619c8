"""A name for each request, so that its rows and log lines can be found together; and for whom its times are written."""

import re
from secrets import token_hex
from typing import TYPE_CHECKING, cast

from django.utils.deprecation import MiddlewareMixin

from .moments import NOBODY, Reader, read_by, reader_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestIdMiddleware(MiddlewareMixin):
    """Take ``X-Request-ID`` from the proxy in front where it is well formed, else make one; answer with it."""

    def process_request(self, request: "HttpRequest") -> None:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request.request_id = given if _GOOD_ID.fullmatch(given) else token_hex(16)  # type: ignore[attr-defined]

    def process_response(self, request: "HttpRequest", response: "HttpResponseBase") -> "HttpResponseBase":
        response.headers["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        return response


class MomentsMiddleware(MiddlewareMixin):
    """Write every point in time as whoever is signed in has chosen, until the request is answered. No query.

    Inside a visit that is the account that is worn: its pages are as its owner sees them. What streams after the
    answer has begun, a download, is outside and stays in UTC.
    """

    def __call__(self, request: "HttpRequest") -> "HttpResponseBase | Awaitable[HttpResponseBase]":
        if self.async_mode:
            return self.__acall__(request)
        with read_by(_reader_of(request)):
            return cast("HttpResponseBase", self.get_response(request))

    async def __acall__(self, request: "HttpRequest") -> "HttpResponseBase":
        with read_by(_reader_of(request)):
            return await cast("Awaitable[HttpResponseBase]", self.get_response(request))


def _reader_of(request: "HttpRequest") -> Reader:
    user = request.user
    return reader_of(user.time_zone, user.date_language) if user.is_authenticated else NOBODY
