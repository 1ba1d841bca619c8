"""Each request has a name, and someone who reads its times."""

import asyncio
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from accounts.models import User
from orgs.middleware import MomentsMiddleware, RequestIdMiddleware
from orgs.moments import NOBODY, reader, write

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable


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


# --- for whom times are written ----------------------------------------------------------------------------------

AT = datetime(2026, 11, 23, 15, 5, 33, tzinfo=UTC)


def request_of(user: User | AnonymousUser) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user
    return request


def in_berlin() -> User:
    return User(time_zone="Europe/Berlin", date_language="de")


def now_written(request: HttpRequest) -> HttpResponse:  # a view
    return HttpResponse(write(AT))


@pytest.mark.parametrize(
    ("user", "words"),
    [
        (in_berlin(), "23.11.2026, 16:05:33 CET"),
        (User(), "2026-11-23 15:05:33 UTC"),
        (User(time_zone="Mars/Olympus", date_language="xx"), "2026-11-23 15:05:33 UTC"),
        (AnonymousUser(), "2026-11-23 15:05:33 UTC"),
    ],
)
def test_times_are_written_for_who_is_signed_in_until_the_answer(user: User | AnonymousUser, words: str) -> None:
    answer = MomentsMiddleware(now_written)(request_of(user))

    assert isinstance(answer, HttpResponse)
    assert (answer.content.decode(), reader()) == (words, NOBODY)


def test_after_an_error_nobody_reads() -> None:
    def broken(request: HttpRequest) -> HttpResponse:  # a view
        raise ZeroDivisionError(write(AT))

    with pytest.raises(ZeroDivisionError, match=re.escape("23.11.2026, 16:05:33 CET")):
        MomentsMiddleware(broken)(request_of(in_berlin()))

    assert reader() == NOBODY


def test_an_asynchronous_request_is_no_other() -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return now_written(request)

    async def ask() -> tuple[HttpResponse, HttpResponse]:
        # Two at once do not hear of each other.
        answers = (MomentsMiddleware(view)(request_of(user)) for user in (in_berlin(), User()))
        first, second = await asyncio.gather(*cast("Iterable[Awaitable[HttpResponse]]", answers))
        return first, second

    written = [answer.content.decode() for answer in asyncio.run(ask())]

    assert (written, reader()) == (["23.11.2026, 16:05:33 CET", "2026-11-23 15:05:33 UTC"], NOBODY)
