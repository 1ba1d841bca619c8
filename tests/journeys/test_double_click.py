"""A double click on Login lands inside, once; two different clicks from one session are one visit and one refusal."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db.models import F

from accounts.models import Impersonation, Login, Session
from orgs.models import AuditEvent

from .browsing import Browser

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from orgs.models import Organization

    Make = Callable[..., User]

pytestmark = pytest.mark.usefixtures("any_user_login")


@pytest.fixture
def linus(make: "Make") -> "User":
    return make("Linus", "Pauling")


def login_as(browser: Browser, target: "User", token: dict[str, str]) -> tuple[int, str]:
    """Send what the Login button sends, and return what comes back before anything is followed."""
    _, response = browser.send_once("post", f"/setup/users/{target.pk}/login-as/", token)
    return response.status_code, response.headers.get("Location", "")


def what_happened() -> dict[str, int]:
    """Count the visits, and what was written of their starts."""
    return {
        "visits": Impersonation.objects.count(),
        "open": Impersonation.objects.open().count(),
        "started": AuditEvent.objects.filter(action="impersonation.started").count(),
        "logins": Login.objects.filter(type="login_as").count(),
    }


ONE_VISIT = {"visits": 1, "open": 1, "started": 1, "logins": 1}


def test_two_clicks_that_cross_on_their_way_land_in_one_visit(adas: Browser, grace: "User") -> None:
    token = adas.open("/setup/").token
    second = adas.twin()

    answers = [login_as(adas, grace, token), login_as(second, grace, token)]
    page = second.open("/")

    assert answers == [(302, "/"), (302, "/")]
    assert page.banner.startswith("Ada Lovelace, you are logged in as Grace Hopper.")
    assert what_happened() == ONE_VISIT


def test_first_key_of_a_double_click_opens_nothing(adas: Browser, grace: "User") -> None:
    token = adas.open("/setup/").token
    second = adas.twin()
    login_as(adas, grace, token)
    login_as(second, grace, token)

    late = adas.open("/")

    assert (late.path, late.banner) == ("/login/?next=/", "")
    assert second.open("/").banner != ""


def test_second_click_with_the_new_cookies_lands_inside_too(adas: Browser, grace: "User") -> None:
    token = adas.open("/setup/").token
    login_as(adas, grace, token)

    again = login_as(adas, grace, token)

    assert again == (302, "/")
    assert adas.open("/").banner.startswith("Ada Lovelace, you are logged in as Grace Hopper.")
    assert what_happened() == ONE_VISIT


def test_second_click_after_the_visit_was_used_asks_to_sign_in(adas: Browser, grace: "User") -> None:
    token = adas.open("/setup/").token
    second = adas.twin()
    login_as(adas, grace, token)
    adas.open("/")

    late = login_as(second, grace, token)

    assert late == (302, f"/login/?next=%2Fsetup%2Fusers%2F{grace.pk}%2F")
    assert adas.open("/").banner != ""
    assert what_happened() == ONE_VISIT


def test_second_click_half_a_minute_later_asks_to_sign_in(adas: Browser, grace: "User") -> None:
    token = adas.open("/setup/").token
    second = adas.twin()
    login_as(adas, grace, token)
    Session.objects.filter(type="SubstituteUser").update(created_at=F("created_at") - timedelta(seconds=31))

    late = login_as(second, grace, token)

    assert late == (302, f"/login/?next=%2Fsetup%2Fusers%2F{grace.pk}%2F")
    assert what_happened() == ONE_VISIT


def test_two_clicks_on_different_people_are_one_visit(adas: Browser, grace: "User", linus: "User") -> None:
    token = adas.open("/setup/").token
    second = adas.twin()

    answers = [login_as(adas, grace, token), login_as(second, linus, token)]

    assert answers == [(302, "/"), (302, f"/login/?next=%2Fsetup%2Fusers%2F{linus.pk}%2F")]
    assert adas.open("/").banner.startswith("Ada Lovelace, you are logged in as Grace Hopper.")
    assert what_happened() == ONE_VISIT


def test_second_click_of_someone_elses_browser_starts_nothing(adas: Browser, grace: "User") -> None:
    token = adas.open("/setup/").token
    login_as(adas, grace, token)
    stranger = Browser()
    forged = stranger.hold(portal_session="a" * 43).open("/login/").token

    answer = login_as(stranger, grace, forged)

    assert answer == (302, f"/login/?next=%2Fsetup%2Fusers%2F{grace.pk}%2F")
    assert what_happened() == ONE_VISIT


def test_second_leave_of_a_double_click_lands_where_the_first_did(adas: Browser, grace: "User") -> None:
    login_as(adas, grace, adas.open("/setup/").token)
    token = adas.open("/").token
    second = adas.twin()

    leads = [browser.send_once("post", "/logout/", token)[1].headers["Location"] for browser in (adas, second)]

    assert leads[0] == leads[1] == f"/login/?ended=logged_out&next=%2Fsetup%2Fusers%2F{grace.pk}%2F"
    assert AuditEvent.objects.filter(action="impersonation.ended").count() == 1


def test_second_leave_without_relogin_keeps_the_first_ones_key(
    any_user_login: "Organization", adas: Browser, grace: "User"
) -> None:
    any_user_login.session_settings.force_relogin = False
    any_user_login.session_settings.save()
    login_as(adas, grace, adas.open("/setup/").token)
    token = adas.open("/").token
    second = adas.twin()

    leads = [browser.send_once("post", "/logout/", token)[1].headers["Location"] for browser in (adas, second)]

    assert leads == [f"/setup/users/{grace.pk}/"] * 2
    assert adas.open("/").heading == "Welcome, Ada"
    # The loser's answer sets no cookie, so whichever comes last the browser keeps the winner's.
    assert second.key != adas.key
    assert second.open("/").heading == "Log in"
