"""More of what people live through, in a real browser: a grant given and taken, a refusal with its reason, a limit."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db.models import F
from playwright.sync_api import Page, expect

from accounts.models import Impersonation
from orgs.models import AuditEvent

from .test_main_story import banner_of, log_in_as_grace, show_nothing

if TYPE_CHECKING:
    from accounts.models import User
    from orgs.models import Organization

    from .conftest import Be, OpenWindow

pytestmark = pytest.mark.browser

WAYS = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])


def grant(page: Page, duration: str) -> None:
    """Choose for how long the company's administrators may log in, and save."""
    page.goto("/settings/login-access/")
    page.get_by_label("Your Company's Administrator").select_option(duration)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="saved")).to_be_visible()


@WAYS
def test_grant_lets_an_administrator_in_and_taken_back_it_ends_the_visit(
    open_window: "OpenWindow", be: "Be", ada: "User", grace: "User", scripts: bool
) -> None:
    adas, graces = open_window(java_script_enabled=scripts), open_window(java_script_enabled=scripts)
    be(adas, ada)
    be(graces, grace)
    adas.goto(f"/setup/users/{grace.pk}/")
    expect(adas.get_by_role("button", name="Login", exact=True)).to_be_disabled()

    # Granted: the button works
    grant(graces, "1 Day")
    adas.reload()
    adas.get_by_role("button", name="Login", exact=True).click()
    expect(adas.get_by_role("heading", name="Welcome, Grace")).to_be_visible()

    # Taken back: the next page is one's own, and says why
    grant(graces, "No Access")
    adas.get_by_role("link", name="Settings", exact=True).or_(adas.get_by_role("link", name="Home")).first.click()
    expect(adas.get_by_text("Your visit as Grace Hopper has ended: ")).to_be_visible()
    assert banner_of(adas) == ""
    adas.goto(f"/setup/users/{grace.pk}/")
    expect(adas.get_by_role("button", name="Login", exact=True)).to_be_disabled()
    assert [*Impersonation.objects.values_list("basis", "end_cause")] == [("grant", "grant_revoked")]


@WAYS
@pytest.mark.usefixtures("any_user_login")
def test_login_that_is_refused_says_why(
    open_window: "OpenWindow", be: "Be", ada: "User", grace: "User", katherine: "User", scripts: bool
) -> None:
    page = open_window(java_script_enabled=scripts)
    be(page, ada)

    # Where it cannot be used, the button says why
    page.goto("/setup/users/")
    button = page.get_by_role("button", name="Login as Katherine Johnson")
    expect(button).to_be_disabled()
    expect(button).to_have_accessible_description(re.compile("inactive", re.IGNORECASE))

    # What became so after the page was opened is refused in the same words, and is in the trail
    grace.is_active = False
    grace.save()
    page.get_by_role("button", name="Login as Grace Hopper").click()
    expect(page.get_by_role("main")).to_contain_text(re.compile("inactive", re.IGNORECASE))
    assert banner_of(page) == ""
    assert not Impersonation.objects.exists()
    assert [*AuditEvent.objects.values_list("action", "about_name")] == [("impersonation.refused", "Grace Hopper")]


def let_the_time_pass(page: Page) -> None:
    """Let an hour pass: here for the rows, there for the clock."""
    Impersonation.objects.update(ends_at=F("ends_at") - timedelta(hours=1, seconds=5))
    page.clock.fast_forward("01:00:05")


@pytest.mark.usefixtures("any_user_login")
def test_when_the_time_is_up_both_sessions_end_and_the_login_page_tells(
    window: Page, be: "Be", ada: "User", grace: "User"
) -> None:
    be(window, ada)
    window.clock.install()
    log_in_as_grace(window)

    let_the_time_pass(window)

    expect(window.get_by_role("status").filter(has_text="the time limit was reached")).to_be_visible()
    show_nothing(window)
    window.go_back()
    show_nothing(window)
    assert [*Impersonation.objects.values_list("end_cause", flat=True)] == ["time_limit"]


def test_when_the_time_is_up_and_ones_own_session_goes_on_the_next_page_tells(
    any_user_login: "Organization", window: Page, be: "Be", ada: "User", grace: "User"
) -> None:
    any_user_login.session_settings.force_relogin = False
    any_user_login.session_settings.save()
    be(window, ada)
    window.clock.install()
    log_in_as_grace(window)

    let_the_time_pass(window)

    expect(window.get_by_text("Your visit as Grace Hopper has ended: the time limit was reached.")).to_be_visible()
    assert banner_of(window) == ""


@pytest.mark.usefixtures("any_user_login")
def test_back_after_leaving_shows_nothing(window: Page, be: "Be", ada: "User", grace: "User") -> None:
    be(window, ada)
    log_in_as_grace(window)
    window.goto("/settings/")
    window.get_by_role("button", name="Log out as Grace Hopper").first.click()
    show_nothing(window)

    for _ in range(3):
        window.go_back()
        show_nothing(window)
    window.go_forward()
    show_nothing(window)
