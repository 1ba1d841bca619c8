"""What a WSGI server runs. It refuses to start where the portal would not be safe."""

import codecs
import os
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import django
from django.core.handlers.wsgi import LimitedStream, WSGIHandler, WSGIRequest
from django.http import HttpResponseBadRequest

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from django.http.response import HttpResponseBase

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup(set_prefix=False)

# What browsers write forms in, and what stands in for it where nothing else is needed, by Python's names.
CHARSETS = frozenset({"utf-8", "ascii", "iso8859-1"})
NOT_READ = "Request not understood: its Content-Type names an encoding that is not read here. Nothing was saved.\n"


class UnreadableRequest(Exception):  # noqa: N818  # said as a page says it
    """The request says that it is written in something that is not read here."""


class WholeBody(LimitedStream):
    """Raises where the connection broke before all came that was announced: half of a form is not what someone sent."""

    def read(self, size: int | None = -1, /) -> bytes:
        left = self.limit - self._pos  # type: ignore[attr-defined]  # the stubs leave it out
        wanted = left if size is None or size < 0 else min(size, left)
        parts = []
        while wanted > 0:
            part = super().read(wanted)
            if not part:
                raise OSError("The request broke off.")
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)


class Request(WSGIRequest):
    """A request that says what it is written in, where it says so, and is read as a whole or not at all."""

    def __init__(self, environ: "WSGIEnvironment") -> None:
        super().__init__(environ)
        stream = cast("LimitedStream", self._stream)
        self._stream = cast("BinaryIO", WholeBody(environ["wsgi.input"], stream.limit))

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]  # the stubs leave it out
            charset = codecs.lookup(self.content_params.get("charset", "utf-8") if self.content_params else "utf-8")
        except (LookupError, ValueError) as error:
            raise UnreadableRequest from error
        if charset.name not in CHARSETS:
            raise UnreadableRequest


class Handler(WSGIHandler):
    """Django's, with an answer for a request that can't even be made of what was sent.

    Django reads the charset before any middleware: there an error has no page. And one that Python knows but that is no
    text's ("rot13") breaks whatever reads the query, the error pages among it.
    """

    request_class = Request

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> "HttpResponseBase":
        """Answer a request."""
        try:
            return super().__call__(environ, start_response)
        except UnreadableRequest:
            response = HttpResponseBadRequest(NOT_READ, content_type="text/plain; charset=utf-8")
            start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
            return response


application = Handler()

from portal.checks import refuse_unsafe_start  # noqa: E402  # needs the applications to be loaded

refuse_unsafe_start()
