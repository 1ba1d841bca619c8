"""Requests through Django's own WSGI handler, their time, and what is asked again and again."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpResponse


class UncheckedRequest(WSGIRequest):
    """A request that is excused from the CSRF check, as those of Django's test client are: it is not measured."""

    _dont_enforce_csrf_checks = True


class Handler(WSGIHandler):
    """What a server runs, with the middleware that the settings name at this moment."""

    request_class = UncheckedRequest


class WrongAnswerError(AssertionError):
    """The application took someone for someone else: then its speed is of no interest."""


def ignore(*_args: object) -> Any:  # noqa: ANN401  # stands for WSGI's start_response, which returns a callable
    """Do nothing."""


@dataclass(slots=True)
class Browser:
    """A person at the keyboard: cookies, kept as responses set them."""

    handler: Handler
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, expected: str) -> int:
        """GET the path, insist on the answer, and return the nanoseconds."""
        elapsed, response = self.send("GET", path)
        answer = response.content.decode()
        if response.status_code != HTTPStatus.OK or expected not in answer:
            raise WrongAnswerError(f"GET {path}: {response.status_code} {answer[:200]!r}, not {expected!r}")
        return elapsed

    def act(self, path: str, data: dict[str, str]) -> int:
        """POST the form, insist on a redirect, and return the nanoseconds."""
        elapsed, response = self.send("POST", path, data)
        if response.status_code != HTTPStatus.FOUND:
            raise WrongAnswerError(f"POST {path}: {response.status_code} {response.content[:200]!r}, not a redirect")
        return elapsed

    def send(
        self, method: str, path: str, data: dict[str, str] | None = None, *, query: str = ""
    ) -> tuple[int, HttpResponse]:
        """Send it, keep its cookies, and return the nanoseconds from environ to closed response."""
        environ = self.environ(method, path, data) | {"QUERY_STRING": query}
        started = perf_counter_ns()
        response = cast("HttpResponse", self.handler(environ, ignore))  # none of these streams
        b"".join(response)
        response.close()
        elapsed = perf_counter_ns() - started
        for name, morsel in response.cookies.items():
            if morsel["max-age"] == 0:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value
        return elapsed, response

    def environ(self, method: str, path: str, data: dict[str, str] | None) -> dict[str, Any]:
        """Return what a server makes of such a request."""
        body = urlencode(data or {}).encode()
        return {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "testserver",
            "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.url_scheme": "https",
            "wsgi.input": BytesIO(body),
        }


@dataclass(frozen=True, slots=True)
class Step:
    """One measured request, and what is looked at after it without being measured."""

    name: str
    do: Callable[[], int]
    then: Callable[[], object] = ignore


Case = tuple[Step, ...]


def page_case(browser: Browser, path: str, expected: str) -> Case:
    """Return the case of a page that is asked for again and again."""
    return (Step("request", lambda: browser.ask(path, expected)),)
