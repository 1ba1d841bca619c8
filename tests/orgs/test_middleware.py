"""Each request has a name."""

import re

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from orgs.middleware import RequestIdMiddleware


def answer_to(given: str | None) -> tuple[str, str]:
    """Return the id that the view saw, and the one in the answer."""

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.request_id)  # type: ignore[attr-defined]

    headers = {} if given is None else {"X-Request-ID": given}
    response = RequestIdMiddleware(view)(RequestFactory().get("/", headers=headers))
    assert isinstance(response, HttpResponse)
    return response.content.decode(), response.headers["X-Request-ID"]


@pytest.mark.parametrize("given", ["0123abcd", "a" * 64, "Root=1-67891233.abcdef_012"[5:]])
def test_a_well_formed_id_of_the_proxy_is_kept(given: str) -> None:
    assert answer_to(given) == (given, given)


@pytest.mark.parametrize("given", [None, "", "short", "a" * 65, "has space", "new\nline-12345", "<script>alert"])
def test_anything_else_gets_an_id_of_our_own(given: str | None) -> None:
    seen, answered = answer_to(given)

    assert seen == answered
    assert re.fullmatch("[0-9a-f]{32}", seen)


def test_two_requests_have_two_ids() -> None:
    assert answer_to(None) != answer_to(None)
