"""Writes down what is done inside a visit: every unsafe request, every refusal, and pages opened where that is on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.utils.deprecation import MiddlewareMixin

from .middleware import SAFE_METHODS
from .services.activity import begin_activity, finish_activity, record_opened, record_refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from portal.http import PortalRequest

    from .models import Impersonation, ImpersonationActivity

OK, FORBIDDEN, TOO_MANY = 200, 403, 429
OBJECT_LENGTH = 80


@dataclass(slots=True)
class _Log:
    """What is written of one request: in which visit, of what, and whether the view was reached."""

    visit: "Impersonation"
    view: str = ""
    about: str = ""
    activity: "ImpersonationActivity | None" = None
    records_itself: bool = False
    refused_because: str = ""


class VisitLogMiddleware(MiddlewareMixin):
    """Keeps the list of what was done inside. A write that can't be written down is not done: the error goes on.

    It keeps the URL's name and the numbers of its path; never a body, a query, a header or a token.
    """

    def process_request(self, request: "HttpRequest") -> None:
        visit = cast("PortalRequest", request).impersonation
        _set(request, None if visit is None else _Log(visit))

    def process_view(
        self,
        request: "HttpRequest",
        view_func: "Callable[..., HttpResponseBase]",
        view_args: tuple[Any, ...],  # noqa: ARG002
        view_kwargs: dict[str, Any],
    ) -> None:
        log = _log_of(request)
        if log is None:
            return
        _name(log, request, view_kwargs)
        log.records_itself = getattr(view_func, "records_itself", False)
        if request.method not in SAFE_METHODS and not log.records_itself:
            log.activity = begin_activity(log.visit, method=str(request.method), view=log.view, about=log.about)

    def process_exception(self, request: "HttpRequest", exception: Exception) -> None:
        log = _log_of(request)
        if log is not None and isinstance(exception, PermissionDenied):
            log.refused_because = str(exception)

    def process_response(self, request: "HttpRequest", response: "HttpResponseBase") -> "HttpResponseBase":
        log = _log_of(request)
        if log is None or log.records_itself:
            return response
        status, detail = response.status_code, log.refused_because
        if log.activity is not None:
            detail = detail or getattr(request, "nothing_done_because", "")
            finish_activity(log.activity, status=status, detail=detail)
            return response
        _name(log, request, request.resolver_match.kwargs if request.resolver_match else {})
        if status in {FORBIDDEN, TOO_MANY} or request.method not in SAFE_METHODS:
            detail = detail or getattr(request, "refused_because", "")
            method = str(request.method)
            record_refused(log.visit, method=method, view=log.view, about=log.about, status=status, detail=detail)
        elif log.visit.records_pages and request.method == "GET" and status == OK:
            # Of a part of a page too (htmx): any browser may say that it wants a part, and get all that it shows.
            record_opened(log.visit, view=log.view, about=log.about)
        return response


def _name(log: _Log, request: "HttpRequest", kwargs: "Mapping[str, Any]") -> None:
    """Name the view, and of what: by numbers and public ids. Whatever else a path holds may be a secret."""
    match = request.resolver_match
    log.view = match.view_name if match else ""
    named = (f"{name.removesuffix('_id')} {value}" for name, value in kwargs.items() if isinstance(value, int | UUID))
    log.about = ", ".join(named)[:OBJECT_LENGTH]


def _log_of(request: "HttpRequest") -> _Log | None:
    return getattr(request, "visit_log", None)


def _set(request: "HttpRequest", log: _Log | None) -> None:
    request.visit_log = log  # type: ignore[attr-defined]
