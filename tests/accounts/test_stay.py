"""What pages tell of when one is signed out, and staying signed in."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from accounts.enums import Access, EndCause
from accounts.identity import Fault, Identity, identify
from accounts.models import Impersonation, ImpersonationActivity, LoginAccessGrant, Session
from accounts.timeout import Timeout, timeout_of
from orgs.models import LoginAccessPolicy, SessionSettings
from tests.factories import LoginAccessGrantFactory
from tests.guards import unguarded
from tests.queries import captured_queries

if TYPE_CHECKING:
    from accounts.models import User
    from accounts.testing import PortalClient
    from orgs.models import Organization

ClientOf = Callable[["User"], "PortalClient"]
Browser = Callable[[], "PortalClient"]

STAY = "/session/stay/"
AT = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
AS_JSON = {"Accept": "application/json"}


def identity_of(client: "PortalClient") -> Identity:
    identity = identify(client.cookies[django_settings.SESSION_COOKIE_NAME].value)
    assert identity is not None
    return identity


def told_by(client: "PortalClient", at: datetime = AT) -> dict[str, Any]:
    return asdict(Timeout.of(identity_of(client), at=at))


def foot_of(html: str) -> str:
    """Return what the foot of a page says; nothing where it has none."""
    found = re.search(r'<p class="timeout".*?</p>', html)
    return unescape(strip_tags(found[0])) if found else ""


@pytest.fixture
def adas(ada: "User", client_of: ClientOf) -> "PortalClient":
    """Ada's browser: she signed in two hours ago and did something at noon."""
    client = client_of(ada)
    Session.objects.update(created_at=AT - 2 * HOUR, last_active_at=AT - 30 * timedelta(seconds=1))
    return client


# --- when it ends ------------------------------------------------------------------------------------------------


def test_without_activity_one_is_signed_out(adas: "PortalClient") -> None:
    assert told_by(adas) == {
        "words": "Without activity you are signed out at 14:00 UTC.",
        "seconds": 7170,
        "extends": True,
    }


def test_where_the_absolute_limit_comes_first_it_cannot_be_extended(adas: "PortalClient") -> None:
    SessionSettings.objects.update(absolute_hours=3)

    assert told_by(adas) == {
        "words": "This session ends at 13:00 UTC and cannot be extended.",
        "seconds": 3600,
        "extends": False,
    }


def test_what_is_far_away_is_told_with_its_day(adas: "PortalClient") -> None:
    SessionSettings.objects.update(idle_minutes=780, absolute_hours=24)

    assert told_by(adas)["words"] == "Without activity you are signed out at 2026-03-03 01:00 UTC."


def test_when_it_ends_is_told_as_the_reader_has_chosen(adas: "PortalClient", ada: "User") -> None:
    ada.time_zone, ada.date_language = "Europe/Berlin", "de"
    ada.save()

    near = told_by(adas)["words"]
    SessionSettings.objects.update(idle_minutes=780, absolute_hours=24)

    assert near == "Without activity you are signed out at 15:00 CET."
    assert told_by(adas)["words"] == "Without activity you are signed out at 03.03.2026, 02:00 CET."


@pytest.mark.parametrize(
    ("ends_at", "forces", "words"),
    [
        (AT + HOUR, True, "This session ends at 13:00 UTC and cannot be extended."),
        (AT + HOUR, False, "This visit ends at 13:00 UTC and cannot be extended."),
        (AT + 5 * HOUR, True, "Without activity you are signed out at 14:00 UTC."),
    ],
)
def test_a_visit_ends_with_its_own_limit_or_idle_whichever_comes_first(
    any_user_login: "Organization", adas: "PortalClient", grace: "User", ends_at: datetime, *, forces: bool, words: str
) -> None:
    visit = adas.login_as(grace, at=AT)
    SessionSettings.objects.update(force_relogin=forces)
    with unguarded():
        Impersonation.objects.filter(pk=visit.pk).update(ends_at=ends_at)

    assert told_by(adas)["words"] == words


def test_a_visit_ends_with_the_grant_it_rests_on(acme: "Organization", adas: "PortalClient", grace: "User") -> None:
    LoginAccessGrantFactory.create(user=grace, granted_at=AT - HOUR, expires_at=AT + 20 * MINUTE)
    adas.login_as(grace, at=AT)

    assert told_by(adas)["words"] == "This visit ends at 12:20 UTC and cannot be extended."
    assert identity_of(adas).fault(address=None, at=AT + 20 * MINUTE) == identity_of(adas).next_end()


@pytest.mark.parametrize(
    ("theirs", "own", "forces", "words"),
    [
        (30, 60, True, "Without activity you are signed out at 12:30 UTC."),
        (30, 60, False, "Without activity this visit ends at 12:30 UTC."),
        (60, 30, False, "Without activity you are signed out at 12:30 UTC."),
    ],
)
def test_of_two_organizations_limits_the_earliest_counts(  # each fact by name
    *, grace: "User", sam: "User", browser: Browser, theirs: int, own: int, forces: bool, words: str
) -> None:
    LoginAccessPolicy.objects.update(time_limit_minutes=480)
    until = AT + 9 * HOUR
    LoginAccessGrantFactory.create(user=grace, support_organization=sam.organization, granted_at=AT, expires_at=until)
    client = browser()
    client.force_login(sam)
    client.login_as(grace, at=AT)
    Session.objects.update(created_at=AT, last_active_at=AT)
    SessionSettings.objects.update(idle_minutes=own, force_relogin=forces)
    SessionSettings.objects.filter(organization=grace.organization).update(idle_minutes=theirs)

    assert told_by(client)["words"] == words


# What is set, and what then comes first.
ENDS: tuple[tuple[dict[str, Any], EndCause], ...] = (
    ({}, EndCause.IDLE),
    ({"idle_minutes": 15}, EndCause.IDLE),
    ({"absolute_hours": 3, "idle_minutes": 180}, EndCause.TIME_LIMIT),
)


@pytest.mark.parametrize(("limits", "cause"), ENDS)
@pytest.mark.parametrize("is_inside", [False, True])
def test_what_is_told_is_what_will_be_found(
    *, any_user_login: "Organization", adas: "PortalClient", grace: "User", limits: dict[str, Any], cause: EndCause,
    is_inside: bool,
) -> None:  # fmt: skip
    LoginAccessPolicy.objects.update(time_limit_minutes=480)
    if is_inside:
        adas.login_as(grace, at=AT)
        Session.objects.update(last_active_at=AT)
    SessionSettings.objects.update(**limits)
    identity = identity_of(adas)

    end = identity.next_end()

    moment = timedelta(microseconds=1)
    assert end.cause == cause
    assert identity.fault(address=None, at=end.at - moment) is None
    assert identity.fault(address=None, at=end.at) == Fault(end.cause, end.at, ends_parent=True)


# --- on every page -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/setup/users/", "/settings/", "/nowhere/"])
def test_every_page_tells(ada: "User", client_of: ClientOf, path: str) -> None:
    client = client_of(ada)

    html = client.get(path).content.decode()

    ends = identity_of(client).next_end().at
    assert foot_of(html) == f"Without activity you are signed out at {moment_of(ends)}."
    assert html.count("<dialog") == 1
    assert 'role="alertdialog" aria-labelledby="timeout-title" aria-describedby="timeout-words"' in html


def moment_of(at: datetime) -> str:
    return f"{at:%H:%M} UTC"


@pytest.mark.parametrize("path", ["/", "/admin/"])
def test_the_console_tells_too(sally: "User", client_of: ClientOf, path: str) -> None:
    assert foot_of(client_of(sally).get(path).content.decode()).startswith("Without activity you are signed out at ")


def test_where_the_setting_is_off_nothing_is_told(ada: "User", client_of: ClientOf) -> None:
    SessionSettings.objects.update(warn_before_timeout=False)

    html = client_of(ada).get("/").content.decode()

    assert "timeout" not in html
    assert "<dialog" not in html


@pytest.mark.parametrize(("own", "theirs", "tells"), [(True, False, True), (False, True, True), (False, False, False)])
def test_in_a_visit_abroad_either_organization_may_want_it_told(
    *, grace: "User", sam: "User", browser: Browser, own: bool, theirs: bool, tells: bool
) -> None:
    LoginAccessGrantFactory.create(user=grace, support_organization=sam.organization)
    client = browser()
    client.login_as(grace, actor=sam)
    SessionSettings.objects.update(warn_before_timeout=own)
    SessionSettings.objects.filter(organization=grace.organization).update(warn_before_timeout=theirs)

    assert bool(foot_of(client.get("/").content.decode())) is tells


def test_the_anonymous_are_told_nothing_and_no_session_is_touched(db: None, anonymous: "PortalClient") -> None:
    with captured_queries() as queries:
        response = anonymous.get("/login/")

    assert foot_of(response.content.decode()) == ""
    assert queries == []


def test_a_request_that_no_middleware_saw_is_told_nothing() -> None:
    assert timeout_of(RequestFactory().get("/")) is None


def test_a_nobodys_session_is_told_nothing(db: None, anonymous: "PortalClient") -> None:
    anonymous.session.save()

    assert foot_of(anonymous.get("/login/").content.decode()) == ""


def test_a_page_that_answers_a_form_says_where_one_was(ada: "User", client_of: ClientOf) -> None:
    client = client_of(ada)

    shown = client.get("/setup/session-settings/").content.decode()
    refused = client.post("/setup/session-settings/", headers={"Referer": "http://testserver/setup/users/?q=a&b=c"})
    nowhere = client.post("/setup/session-settings/")

    assert "data-page" not in shown
    assert 'data-page="/setup/users/?q=a&amp;b=c"' in refused.content.decode()
    assert "data-page" not in nowhere.content.decode()


def test_a_part_of_a_page_brings_the_new_end_along(ada: "User", client_of: ClientOf) -> None:
    client = client_of(ada)
    htmx = {"HX-Request": "true", "HX-Target": "user-list"}

    part = client.get("/setup/users/", headers=htmx)
    whole = client.get("/setup/users/")
    SessionSettings.objects.update(warn_before_timeout=False)
    untold = client.get("/setup/users/", headers=htmx)

    said = json.loads(part.headers["Portal-Timeout"])
    assert (said["extends"], said["seconds"] in range(7190, 7201)) == (True, True)
    assert "Portal-Timeout" not in whole.headers
    assert "Portal-Timeout" not in untold.headers


# --- staying -----------------------------------------------------------------------------------------------------


def test_url_is_the_agreed_one() -> None:
    assert reverse("session_stay") == STAY


def ago(**names: datetime) -> None:
    Session.objects.update(**names)


def test_staying_pushes_the_end_out_and_tells_it(ada: "User", client_of: ClientOf) -> None:
    client = client_of(ada)
    ago(last_active_at=timezone.now() - 119 * MINUTE)
    before = identity_of(client).next_end().at

    answer = client.post(STAY, headers=AS_JSON)

    after = identity_of(client).next_end().at
    assert after - before > 118 * MINUTE
    assert answer.headers["Content-Type"] == "application/json"
    said = answer.json()
    assert (said["words"], said["extends"]) == (f"Without activity you are signed out at {moment_of(after)}.", True)
    assert said["seconds"] in range(7190, 7201)


def test_staying_writes_once_a_minute_and_tells_the_true_end(ada: "User", client_of: ClientOf) -> None:
    client = client_of(ada)
    last = timezone.now() - timedelta(seconds=40)
    ago(last_active_at=last)

    with captured_queries() as queries:
        said = client.post(STAY, headers=AS_JSON).json()

    assert len(queries) == 1, queries
    assert identity_of(client).session.last_active_at == last
    assert said["seconds"] in range(7150, 7161)


def test_staying_inside_counts_for_both_sessions(
    any_user_login: "Organization", ada: "User", grace: "User", browser: Browser
) -> None:
    client = browser()
    client.login_as(grace, actor=ada)
    ago(last_active_at=timezone.now() - 30 * MINUTE)

    client.post(STAY, headers=AS_JSON)

    assert all(timezone.now() - row.last_active_at < MINUTE for row in Session.objects.all() if row.last_active_at)
    assert Session.objects.count() == 2


def test_the_absolute_end_stays_where_it_is(ada: "User", client_of: ClientOf) -> None:
    client = client_of(ada)
    ago(created_at=timezone.now() - 11 * HOUR)
    before = identity_of(client).next_end()

    said = client.post(STAY, headers=AS_JSON).json()

    assert identity_of(client).next_end() == before
    assert said["words"] == f"This session ends at {moment_of(before.at)} and cannot be extended."
    assert said["extends"] is False


def test_too_late_is_too_late(ada: "User", client_of: ClientOf) -> None:
    client = client_of(ada)
    ago(last_active_at=timezone.now() - 2 * HOUR)

    answer = client.post(STAY, headers=AS_JSON)

    assert answer.status_code == 403
    assert Session.objects.get().ended_at is not None


@pytest.mark.parametrize(
    ("referer", "led"),
    [
        ("http://testserver/setup/users/?q=grace", "/setup/users/?q=grace"),
        ("https://evil.example/", "/"),
        ("", "/"),
    ],
)
def test_as_a_plain_form_it_leads_back(ada: "User", client_of: ClientOf, referer: str, led: str) -> None:
    answer = client_of(ada).post(STAY, headers={"Accept": "text/html,*/*;q=0.8", "Referer": referer})

    assert (answer.status_code, answer.headers["Location"]) == (302, led)


def test_it_is_a_post_with_a_token(ada: "User", browser: Browser) -> None:
    client = browser()
    client.handler.enforce_csrf_checks = True
    client.force_login(ada)

    assert client.get(STAY).status_code == 405
    assert client.post(STAY, headers=AS_JSON).status_code == 403


def test_a_read_only_visit_may_stay_and_it_is_listed(
    any_user_login: "Organization", ada: "User", grace: "User", browser: Browser
) -> None:
    client = browser()
    visit = client.login_as(grace, actor=ada)
    Impersonation.objects.filter(pk=visit.pk).update(access=Access.READ_ONLY)

    assert client.post(STAY, headers=AS_JSON).status_code == 200
    assert list(ImpersonationActivity.objects.values_list("view", "status")) == [("session_stay", 200)]


def test_a_grant_that_was_cut_short_is_told(acme: "Organization", adas: "PortalClient", grace: "User") -> None:
    LoginAccessGrantFactory.create(user=grace, granted_at=AT - HOUR, expires_at=AT + 9 * HOUR)
    adas.login_as(grace, at=AT)
    LoginAccessGrant.objects.update(expires_at=AT + 10 * MINUTE)

    assert told_by(adas)["words"] == "This visit ends at 12:10 UTC and cannot be extended."
