from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import AnonymousUser
from django.middleware.csrf import rotate_token
from django.template import Context, RequestContext, Template
from django.utils import timezone

from orgs.moments import read_by, reader_of
from portal.form_mark import Opener, mark_of, read_mark
from portal.templatetags.portal import (
    ago,
    ago_title,
    ago_words,
    alert_kind,
    exact,
    may_break,
    moment,
    moment_now,
    time_left,
)

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.test import RequestFactory

    from accounts.models import User

FORM = Template("{% load portal %}{% form_token %}")


def opened_as(request: "HttpRequest", user: "User | AnonymousUser") -> "HttpRequest":
    request.user = user
    return request


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=3, seconds=20), "3 minutes ago"),
        (timedelta(hours=1, minutes=20), "1 hour ago"),
        (timedelta(days=3), "3 days ago"),
        (timedelta(seconds=-5), "in a moment"),
        (timedelta(minutes=-10, seconds=-20), "in 10 minutes"),
    ],
)
def test_ago_says_how_long_ago_in_words(distance: timedelta, words: str) -> None:
    at = timezone.now() - distance

    assert ago(at) == f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}" title="{exact(at)}">{words}</time>'


def test_ago_says_never_where_there_was_nothing() -> None:
    assert (ago(None), ago(None, never="–")) == ("Never", "–")


def test_words_and_title_of_ago_stand_alone_too() -> None:
    at = timezone.now() - timedelta(days=3)

    assert (ago_words(at), ago_title(at), ago_words(None)) == ("3 days ago", exact(at), "Never")


@pytest.mark.parametrize(
    ("address", "rendered"),
    [("ada@acme.example", "ada<wbr>@acme.example"), ("a<b@c@d", "a&lt;b<wbr>@c@d"), ("root", "root<wbr>")],
)
def test_addresses_may_be_broken_before_the_at(address: str, rendered: str) -> None:
    assert may_break(address) == rendered


def test_moment_now_is_when_the_page_was_made() -> None:
    before = timezone.now().replace(microsecond=0)

    rendered = moment_now()

    assert rendered in {moment(before + timedelta(seconds=later)) for later in range(3)}


AT = datetime(2026, 11, 22, 23, 17, 3, tzinfo=UTC)
MOMENTS = Template(
    "{% load portal %}{% moment at %}|{{ at|exact }}|{{ at|minute }}|{{ at|day }}|{% time_zone %}|{{ at|date:'H:i' }}"
)


def moments_of(time_zone: str, language: str) -> list[str]:
    """Return a point in time in each way that a template has."""
    with read_by(reader_of(time_zone, language)):
        return MOMENTS.render(Context({"at": AT})).split("|")


def test_moments_are_utc_where_nobody_chose_another_zone() -> None:
    assert moments_of("UTC", "iso") == [
        '<time datetime="2026-11-22T23:17:03Z">2026-11-22 23:17:03 UTC</time>',
        "2026-11-22 23:17:03 UTC",
        "2026-11-22 23:17 UTC",
        "2026-11-22",
        "UTC",
        "23:17",
    ]


def test_moments_are_the_readers_with_utc_at_hand() -> None:
    assert moments_of("Europe/Berlin", "de") == [
        '<time datetime="2026-11-22T23:17:03Z" title="2026-11-22 23:17:03 UTC">23.11.2026, 00:17:03 CET</time>',
        "23.11.2026, 00:17:03 CET",
        "23.11.2026, 00:17 CET",
        "23.11.2026",
        "Europe/Berlin",
        "00:17",
    ]


def test_ago_has_the_readers_time_and_utc_at_hand() -> None:
    with read_by(reader_of("Europe/Berlin", "de")):
        rendered = ago(AT)

    assert 'title="23.11.2026, 00:17:03 CET, 2026-11-22 23:17:03 UTC">' in rendered


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(minutes=59, seconds=30), "60 minutes left"),
        (timedelta(seconds=30), "1 minute left"),
        (timedelta(seconds=-30), "Time is up"),
    ],
)
def test_time_left_counts_whole_minutes(left: timedelta, words: str) -> None:
    rendered = time_left(timezone.now() + left)

    seconds = max(0, int(left.total_seconds()))
    assert rendered == f'<span data-seconds-left="{seconds}">{words}</span>'


@pytest.mark.parametrize(
    ("level", "kind"), [("error", "danger"), ("debug", "secondary"), ("success", "success"), ("", "info")]
)
def test_alert_kind_is_bootstraps_word(level: str, kind: str) -> None:
    assert alert_kind(level) == kind


def test_form_token_says_who_the_page_was_opened_as(rf: "RequestFactory", ada: "User") -> None:
    request = opened_as(rf.get("/"), ada)

    rendered = FORM.render(RequestContext(request))

    assert rendered.startswith('<input type="hidden" name="csrfmiddlewaretoken" value="')
    assert rendered.endswith(f'<input type="hidden" name="opened_as" value="{mark_of(request)}">')


def test_forms_of_one_page_share_a_token_until_somebody_else_signs_in(rf: "RequestFactory", ada: "User") -> None:
    request = opened_as(rf.get("/"), ada)
    first, second = FORM.render(RequestContext(request)), FORM.render(RequestContext(request))
    secret = request.META["CSRF_COOKIE"]

    rotate_token(request)
    third = FORM.render(RequestContext(request))

    assert first == second
    assert first != third
    assert request.META["CSRF_COOKIE"] != secret


def test_form_token_needs_a_request() -> None:
    assert FORM.render(Context()) == ""


def test_mark_names_the_account_and_the_person(rf: "RequestFactory", ada: "User", grace: "User") -> None:
    own = opened_as(rf.get("/"), ada)
    worn = opened_as(rf.get("/"), grace)
    worn.actor = ada  # type: ignore[attr-defined]

    marks = [read_mark(rf.post("/", {"opened_as": mark_of(request)})) for request in (own, worn)]

    assert marks == [
        Opener(user_id=ada.pk, user_name="Ada Lovelace", actor_id=ada.pk),
        Opener(user_id=grace.pk, user_name="Grace Hopper", actor_id=ada.pk),
    ]


def test_mark_of_nobody_names_nobody(rf: "RequestFactory") -> None:
    bare, anonymous = rf.get("/"), opened_as(rf.get("/"), AnonymousUser())

    assert read_mark(rf.post("/", {"opened_as": mark_of(bare)})) == Opener()
    assert read_mark(rf.post("/", {"opened_as": mark_of(anonymous)})) == Opener()


@pytest.mark.parametrize("mark", ["", "nonsense", "WzEsIkFkYSIsMSxudWxsXQ:1tAbCd:forged"])
def test_mark_that_is_not_ours_is_none(rf: "RequestFactory", mark: str) -> None:
    assert read_mark(rf.post("/", {"opened_as": mark})) is None


@pytest.mark.parametrize(
    ("origin", "counts"), [("http://testserver", True), ("https://evil.example", False), ("null", False)]
)
def test_mark_counts_only_from_this_site(rf: "RequestFactory", origin: str, counts: bool) -> None:
    mark = mark_of(opened_as(rf.get("/"), AnonymousUser()))

    opener = read_mark(rf.post("/", {"opened_as": mark}, headers={"Origin": origin}))

    assert (opener is not None) is counts
