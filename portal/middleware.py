"""What stands last: it sees each answer of a view first."""

from http import HTTPStatus
from typing import TYPE_CHECKING

from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


class NotAllowedPageMiddleware(MiddlewareMixin):
    """Words an answer that Django leaves empty: the address of a form that was opened like a page, or bookmarked."""

    def process_response(self, request: "HttpRequest", response: "HttpResponseBase") -> "HttpResponseBase":
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED or request.method != "GET":
            return response
        page = render(request, "405.html", status=response.status_code)
        page.headers["Allow"] = response.headers["Allow"]
        return page
