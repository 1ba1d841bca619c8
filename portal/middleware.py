"""What stands around the rest: a line of the log for each request, the probes' own way in, and the last word."""

import logging
from http import HTTPStatus
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, cast

from django.shortcuts import render
from django.urls import resolve
from django.utils.deprecation import MiddlewareMixin

from orgs.http import client_address

from .logs import at_hand, route_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

# What machines ask over and over.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})

logger = logging.getLogger("portal.requests")


class RequestLogMiddleware(MiddlewareMixin):
    """Says of every line of the log to which request it belongs, and writes one of its own when that is answered.

    A probe that is well has none. Of a download the time is that until its first byte.
    """

    def __call__(self, request: "HttpRequest") -> "HttpResponseBase | Awaitable[HttpResponseBase]":
        if self.async_mode:
            return self.__acall__(request)
        at_hand.set(request)
        began = perf_counter_ns()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        try:
            response = cast("HttpResponseBase", self.get_response(request))
            status = response.status_code
            return response
        finally:
            # Also where the page that owns up to an error fails, and the server has to answer.
            _log(request, status, began)

    async def __acall__(self, request: "HttpRequest") -> "HttpResponseBase":
        at_hand.set(request)
        began = perf_counter_ns()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        try:
            response = await cast("Awaitable[HttpResponseBase]", self.get_response(request))
            status = response.status_code
            return response
        finally:
            _log(request, status, began)


def _log(request: "HttpRequest", status: int, began: int) -> None:
    """Write the request's line. Its address is told by the route: what stands in it, or after it, may be a key."""
    if (request.path_info in PROBES and status == HTTPStatus.OK) or not logger.isEnabledFor(logging.INFO):
        return
    duration = perf_counter_ns() - began
    fields: dict[str, Any] = {"http.response.status_code": status, "event.duration": duration}
    if address := client_address(request):
        fields["client.ip"] = address
    words = (request.method, route_of(request), status, duration / 1e6)
    logger.info("%s %s %s in %.1f ms", *words, extra={"fields": fields})


class ProbeMiddleware(MiddlewareMixin):
    """Answers probes before a host's name, a session or a person is asked for.

    They come from the machine or the orchestrator, which ask by an address that is no name of the portal's. What is
    answered depends on no host.
    """

    def process_request(self, request: "HttpRequest") -> "HttpResponseBase | None":
        if request.path_info not in PROBES or request.method not in {"GET", "HEAD"}:
            return None
        request.resolver_match = resolve(request.path_info)
        return cast("HttpResponseBase", request.resolver_match.func(request))


class NotAllowedPageMiddleware(MiddlewareMixin):
    """Words an answer that Django leaves empty: the address of a form that was opened like a page, or bookmarked."""

    def process_response(self, request: "HttpRequest", response: "HttpResponseBase") -> "HttpResponseBase":
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED or request.method != "GET":
            return response
        page = render(request, "405.html", status=response.status_code)
        page.headers["Allow"] = response.headers["Allow"]
        return page
