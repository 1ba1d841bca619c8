"""The URLs that are asked for: three tiny views, then what the contender brings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from tests.benchmarks.contenders import CONTENDERS

if TYPE_CHECKING:
    from django.urls import URLPattern, URLResolver


@login_not_required  # so that "nobody" gets an answer too
def whoami(request: HttpRequest) -> HttpResponse:
    """Answer with the account's key: the least a view can do that has to know who is asking."""
    return HttpResponse(request.user.pk, content_type="text/plain")


@login_not_required
def untouched(_request: HttpRequest) -> HttpResponse:
    """Answer without asking who it is: what the handler and the middleware cost by themselves."""
    return HttpResponse("untouched", content_type="text/plain")


@login_not_required
def page(request: HttpRequest) -> HttpResponse:
    """Answer as HTML, which is where django-hijack puts its banner into the response."""
    return HttpResponse(f"<!doctype html><title>Who</title><body>{request.user.pk}</body>")


contender = CONTENDERS[os.environ["CONTENDER"]]
urlpatterns: list[URLPattern | URLResolver] = [
    path("whoami/", whoami),
    path("untouched/", untouched),
    path("page/", page),
    *([path(contender.mount, include(contender.urls))] if contender.urls else []),
]
