"""The answer to whoever tried something too often: why, and when it may be tried again."""

from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.utils import timezone

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from orgs.limits import TooMany


def answer_too_many(
    request: "HttpRequest", refused: "TooMany", *, template: str = "429.html", **context: Any
) -> "HttpResponse":
    """Return the page that says so, or what of it htmx swaps."""
    response = render(request, template, {"refused": refused, **context}, status=HTTPStatus.TOO_MANY_REQUESTS)
    response["Retry-After"] = max(1, ceil((refused.ends_at - timezone.now()).total_seconds()))
    return response
