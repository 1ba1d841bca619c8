"""What log lines say, and of which request: whose hands, whose account, which visit.

In production a line is one JSON object with the field names of the Elastic Common Schema: ``user`` is whoever sits at
the keyboard, ``user.effective`` whose account is worn. Never a query, a body, a header, or an address as it was asked
for: a reset link's path is a key. What was asked for is told by its route.
"""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.core.signals import request_finished
from django.dispatch import receiver

from orgs.http import actor_of

if TYPE_CHECKING:
    from django.http import HttpRequest

FORBIDDEN = 403
ECS_VERSION = "8.17.0"
LOG_FORMATS = ("json", "line")
NO_ROUTE = "(no route)"
# What would end a line, or steer a terminal.
CONTROL = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}

# Of this thread or task. It outlives the middleware that sets it (portal.middleware.RequestLogMiddleware), since
# Django logs an answer, and streams a download, after the last middleware is done.
at_hand: "ContextVar[HttpRequest | None]" = ContextVar("at_hand", default=None)


@receiver(request_finished)
def let_go(**kwargs: Any) -> None:  # noqa: ARG001
    """Name nobody on the lines that come after a request."""
    at_hand.set(None)


def logging_config(form: str, level: str) -> dict[str, Any]:
    """Return the configuration of Django's loggers and gunicorn's: all to standard error, as "json" or as "line".

    A terminal gets no line for each request.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {"()": "portal.logs.JsonFormatter"},
            "line": {
                "()": "portal.logs.LineFormatter",
                "format": "{asctime} {levelname} {name} {message}",
                "style": "{",
            },
        },
        "filters": {"refusals": {"()": "portal.logs.WithoutTraceOfRefusals"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": form, "filters": ["refusals"]}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "gunicorn.error": {"propagate": True},
            **({"portal.requests": {"level": "WARNING"}} if form == "line" else {}),
        },
    }


class WithoutTraceOfRefusals(logging.Filter):
    """A refusal is an answer, not a fault: one line for it, and no traceback as Django would add."""

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "status_code", None) == FORBIDDEN:
            record.exc_info = None
        return True


class LineFormatter(logging.Formatter):
    """Words, for a person at a terminal. What a client sent can't begin a line of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the standard library's name
        record.message = record.message.translate(CONTROL)
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line. ``extra={"fields": {...}}`` adds fields."""

    def format(self, record: logging.LogRecord) -> str:
        request = at_hand.get()
        fields: dict[str, Any] = {
            "@timestamp": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "log.level": record.levelname.lower(),
            "message": _message_of(record, request),
            "ecs.version": ECS_VERSION,
            "log.logger": record.name,
            "process.pid": record.process,
        }
        if request is not None:
            fields |= fields_of(request)
        fields |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            fields["error.type"] = type(record.exc_info[1]).__qualname__
            fields["error.message"] = str(record.exc_info[1])
            fields["error.stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


def fields_of(request: "HttpRequest") -> dict[str, Any]:
    """Return what a line says of the request that it belongs to, as far as that is known by now. No query."""
    fields = {"http.request.id": getattr(request, "request_id", ""), "http.request.method": request.method}
    if request.resolver_match is not None:
        fields["http.route"] = route_of(request)
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return fields
    actor, visit = actor_of(request), getattr(request, "impersonation", None)
    fields |= {"user.id": str(actor.pk), "user.name": actor.username, "organization.id": str(user.organization_id)}
    if visit is not None:
        fields |= {
            "user.effective.id": str(user.pk),
            "user.effective.name": user.username,
            "portal.impersonation.id": str(visit.pk),
        }
    return fields


def route_of(request: "HttpRequest") -> str:
    """Return the pattern of the address that was asked for, without what stood in it."""
    return NO_ROUTE if request.resolver_match is None else f"/{request.resolver_match.route}"


def _message_of(record: logging.LogRecord, request: "HttpRequest | None") -> str:
    """Return the message, with the route where Django or gunicorn say the address."""
    if not isinstance(record.args, tuple) or not record.args:
        return record.getMessage()
    said = NO_ROUTE if request is None else route_of(request)
    if record.name == "gunicorn.error":
        return str(record.msg) % tuple(said if str(arg).startswith("/") else arg for arg in record.args)
    # Django escapes what it says.
    paths = set() if request is None else {request.path, request.path.encode("unicode_escape").decode("ascii")}
    return str(record.msg) % tuple(said if arg in paths else arg for arg in record.args)
