"""Each session setting, in force at once for those who are signed in already, and not where it is off."""

import re
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from django.utils.html import strip_tags

from accounts.enums import EndCause
from accounts.models import Impersonation, Session
from tests.factories import PASSWORD

from .browsing import Browser, Page

if TYPE_CHECKING:
    from accounts.models import User
    from orgs.models import Organization

SETTINGS = "/setup/session-settings/"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
IDLE = "Your session has ended: there was no activity for too long. Log in again to go on."
IDLE_VISIT = (
    "Your visit has ended: there was no activity for too long. Your own session ended with it. Log in again to go on."
)
LIMIT = "Your session has ended: the time limit was reached. Log in again to go on."
ADDRESS = "Your session has ended: the network address changed. Log in again to go on."
PASSWORD_CHANGED = "Your session has ended: a password was changed. Log in again to go on."
HERS = "/settings/login-access/"


@pytest.fixture
def graces(grace: "User") -> Browser:
    """Grace's browser: she has signed in."""
    browser = Browser()
    browser.sign_in(grace)
    return browser


def save(browser: Browser, **settings: Any) -> Page:
    """Save the page with these settings, as Ada does."""
    page = browser.open(SETTINGS).press("Save", **settings)
    assert page.alerts == ["Session settings saved."]
    return page


def age(user: "User", *, active: timedelta = timedelta(0), created: timedelta = timedelta(0)) -> None:
    """Let the sessions of someone have begun, and been active last, that long ago."""
    now = timezone.now()
    sessions = Session.objects.filter(user=user)
    sessions.update(created_at=now - max(created, active), last_active_at=now - active)


def is_signed_out(page: Page, why: str, *, at: str = HERS) -> bool:
    """Tell whether a page asks to sign in, says why, and would lead back."""
    return (page.heading, page.alerts, page.place) == ("Log in", [why], "/login/") and f"next={at}" in unquoted(page)


def unquoted(page: Page) -> str:
    return page.path.replace("%2F", "/")


@pytest.mark.parametrize(("minutes", "is_over"), [("30", True), ("60", False)])
def test_shorter_timeout_holds_from_the_next_request(
    adas: Browser, graces: Browser, grace: "User", minutes: str, *, is_over: bool
) -> None:
    age(grace, active=31 * MINUTE)

    save(adas, idle_minutes=minutes)

    page = graces.open(HERS)
    assert is_signed_out(page, IDLE) is is_over
    assert (page.heading == "Grant Account Login Access") is not is_over


def test_longer_timeout_holds_for_those_who_are_signed_in(adas: Browser, graces: Browser, grace: "User") -> None:
    save(adas, idle_minutes=240)

    age(grace, active=3 * HOUR)

    assert graces.open(HERS).heading == "Grant Account Login Access"


@pytest.mark.parametrize(("ago", "is_over"), [(3 * HOUR, True), (HOUR, False)])
def test_longer_timeout_brings_back_nobody_who_was_out_already(
    adas: Browser, graces: Browser, grace: "User", ago: timedelta, *, is_over: bool
) -> None:
    age(grace, active=ago)
    fell_at = timezone.now() - ago + 2 * HOUR

    save(adas, idle_minutes=240)

    page = graces.open(HERS)
    session = Session.objects.get(user=grace, parent=None)
    assert (page.heading == "Log in") is is_over
    assert (session.ended_at is not None) is is_over
    assert session.ended_at is None or abs(session.ended_at - fell_at) < MINUTE


@pytest.mark.parametrize(("hours", "is_over"), [("4", True), ("6", False)])
def test_shorter_absolute_limit_holds_whatever_was_done(
    adas: Browser, graces: Browser, grace: "User", hours: str, *, is_over: bool
) -> None:
    age(grace, created=5 * HOUR)

    save(adas, absolute_hours=hours)

    assert is_signed_out(graces.open(HERS), LIMIT) is is_over


def test_whoever_saves_a_limit_that_they_have_passed_is_signed_out_themselves(adas: Browser, ada: "User") -> None:
    age(ada, created=5 * HOUR)

    page = adas.open(SETTINGS).press("Save", absolute_hours="4")

    assert is_signed_out(page, LIMIT, at=SETTINGS)
    again = page.press("Log in", Username=ada.username, Password=PASSWORD)
    assert (again.path, again.heading) == (SETTINGS, "Session Settings")


@pytest.mark.parametrize("is_locked", [True, False])
def test_lock_to_address(adas: Browser, graces: Browser, *, is_locked: bool) -> None:
    save(adas, lock_to_address=is_locked)

    elsewhere = Browser(address="198.51.100.7").hold(portal_session=graces.key)

    assert is_signed_out(elsewhere.open(HERS), ADDRESS) is is_locked
    # The one session is over everywhere, or nowhere.
    assert (graces.open("/").heading == "Log in") is is_locked


def test_lock_to_address_leaves_those_who_stayed(adas: Browser, graces: Browser) -> None:
    save(adas, lock_to_address=True)

    assert graces.open(HERS).heading == "Grant Account Login Access"


@pytest.mark.parametrize("ends", [True, False])
def test_password_reset_ends_sessions(adas: Browser, graces: Browser, grace: "User", *, ends: bool) -> None:
    save(adas, end_on_password_reset=ends)

    adas.open(f"/setup/users/{grace.pk}/").press("Reset Password")

    assert is_signed_out(graces.open(HERS), PASSWORD_CHANGED) is ends


@pytest.mark.parametrize("forces", [True, False])
def test_force_relogin_holds_for_a_visit_that_runs(
    any_user_login: "Organization", adas: Browser, ada: "User", alan: "User", *, forces: bool
) -> None:
    ada_elsewhere = Browser()
    ada_elsewhere.sign_in(ada)
    inside = adas.open("/setup/users/").press("Login", row="Alan Turing")
    save(ada_elsewhere, force_relogin=not forces)
    save(ada_elsewhere, force_relogin=forces)

    out = inside.press("Log out as Alan Turing")

    assert (out.heading == "Log in") is forces
    assert (out.heading == "Alan Turing") is not forces


@pytest.mark.parametrize("warns", [True, False])
def test_pages_warn(adas: Browser, graces: Browser, *, warns: bool) -> None:
    save(adas, warn_before_timeout=warns)

    assert ("Without activity you are signed out at " in foot_of(graces.open("/"))) is warns


def foot_of(page: Page) -> str:
    return unescape(strip_tags("".join(re.findall(r"<footer>.*?</p>", page.html, re.DOTALL))))


# --- after a timeout ---------------------------------------------------------------------------------------------


def test_after_a_timeout_signing_in_returns_to_the_page_one_was_at(adas: Browser, ada: "User") -> None:
    page = adas.open("/setup/users/?q=lovelace&view=active")
    age(ada, active=2 * HOUR)

    out = adas.open(page.path)
    again = out.press("Log in", Username=ada.username, Password=PASSWORD)

    assert out.alerts == [IDLE]
    assert (again.path, again.heading) == (page.path, "Users")


def test_what_is_sent_after_the_timeout_is_refused_and_given_back(adas: Browser, ada: "User") -> None:
    page = adas.open(SETTINGS)
    age(ada, active=2 * HOUR)

    late = page.press("Save", idle_minutes="30")

    assert late.status == 403
    assert ada.organization.session_settings.idle_minutes == 120


def test_staying_pushes_the_timeout_out(adas: Browser, ada: "User") -> None:
    page = adas.open("/settings/")
    age(ada, active=2 * HOUR - MINUTE)

    stayed = adas.send("post", "/session/stay/", page.token, Referer="http://testserver/settings/")
    age(ada, active=2 * HOUR - MINUTE)

    assert (stayed.path, stayed.heading) == ("/settings/", page.heading)
    assert adas.open("/").heading == "Welcome, Ada"


def test_a_tab_from_before_a_start_extends_nothing(
    any_user_login: "Organization", adas: Browser, grace: "User"
) -> None:
    stale = adas.open("/settings/")
    adas.open("/setup/users/").press("Login", row="Grace Hopper")

    refused = adas.send("post", "/session/stay/", stale.token)

    assert refused.status == 403
    assert "You are now logged in as Grace Hopper." in refused.text


@pytest.mark.parametrize("forces", [True, False])
def test_a_visit_that_falls_idle_ends_both_sessions_where_the_actors_own_does(
    any_user_login: "Organization", adas: Browser, grace: "User", *, forces: bool
) -> None:
    save(adas, force_relogin=forces)
    adas.open("/setup/users/").press("Login", row="Grace Hopper")
    long_ago = timezone.now() - 2 * HOUR
    Session.objects.update(created_at=long_ago, last_active_at=long_ago)

    page = adas.open("/")

    assert (page.heading, page.alerts) == ("Log in", [IDLE_VISIT])
    assert Impersonation.objects.get().end_cause == EndCause.IDLE
