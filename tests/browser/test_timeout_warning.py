"""The warning before a timeout, in a browser whose clock is moved: nobody waits, and the rows are aged with it."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db.models import F
from playwright.sync_api import Page, expect

from accounts.models import Session
from tests.factories import PASSWORD

from .test_accessibility import look_at

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

    from accounts.models import User
    from orgs.models import Organization

    from .conftest import Be, OpenWindow

pytestmark = pytest.mark.browser

STAY = "Stay signed in"


def later(page: Page, **how_much: float) -> None:
    """Let time pass: for the rows here, and for the clock there."""
    passed = timedelta(**how_much)
    Session.objects.update(last_active_at=F("last_active_at") - passed, created_at=F("created_at") - passed)
    page.clock.fast_forward(int(passed.total_seconds() * 1000))


def open_at(page: Page, path: str) -> None:
    """Open a page in a window whose clock can be moved."""
    page.clock.install()
    page.goto(path)


def said(page: Page) -> str:
    return page.locator("#timeout").inner_text()


def test_two_minutes_before_one_is_asked_and_stays(window: Page, be: "Be", ada: "User") -> None:
    be(window, ada)
    open_at(window, "/setup/users/")
    dialog = window.get_by_role("alertdialog", name="Are you still there?")
    before = said(window)

    later(window, minutes=117, seconds=50)
    expect(dialog).to_be_hidden()
    later(window, seconds=15)

    expect(dialog).to_be_visible()
    expect(dialog).to_have_accessible_description(before)
    expect(window.get_by_role("button", name=STAY)).to_be_focused()
    expect(dialog.locator("[data-timeout-left]")).to_have_text(re.compile(r"^1 minute 5\d seconds left$"))
    later(window, seconds=60)
    expect(dialog.get_by_role("status")).to_have_text(re.compile(r"^5\d seconds left$"))
    assert look_at(window, "asked before a timeout") == []
    window.get_by_role("button", name=STAY).click()

    expect(dialog).to_be_hidden()
    expect(window.locator("#timeout")).to_have_text(re.compile("^Without activity you are signed out at "))
    later(window, minutes=100)
    expect(dialog).to_be_hidden()
    window.reload()
    expect(window.get_by_role("heading", name="Users", level=1)).to_be_visible()


def test_escape_stays(window: Page, be: "Be", ada: "User") -> None:
    be(window, ada)
    open_at(window, "/settings/")
    later(window, minutes=119)
    expect(window.get_by_role("alertdialog")).to_be_visible()

    window.keyboard.press("Escape")

    expect(window.get_by_role("alertdialog")).to_be_hidden()
    later(window, minutes=100)
    expect(window.get_by_role("alertdialog")).to_be_hidden()
    window.goto("/")
    expect(window.get_by_role("heading", name="Welcome, Ada")).to_be_visible()


def test_activity_in_one_tab_silences_the_others(window: Page, be: "Be", ada: "User") -> None:
    be(window, ada)
    open_at(window, "/settings/")
    other = window.context.new_page()
    other.goto("/setup/")
    later(window, minutes=119)
    for tab in (window, other):
        expect(tab.get_by_role("alertdialog")).to_be_visible()

    other.get_by_role("button", name=STAY).click()

    for tab in (window, other):
        expect(tab.get_by_role("alertdialog")).to_be_hidden()


def test_part_of_a_page_that_is_fetched_is_activity_too(window: Page, be: "Be", ada: "User") -> None:
    be(window, ada)
    open_at(window, "/setup/users/")
    later(window, minutes=110)
    with window.expect_response(lambda answer: "Portal-Timeout" in str(answer.headers).title()):
        window.get_by_role("searchbox", name="Search").press_sequentially("lo")
        window.clock.run_for(1000)

    later(window, minutes=9)

    expect(window.get_by_role("alertdialog")).to_be_hidden()


def test_at_the_end_one_is_led_to_sign_in_and_back(window: Page, be: "Be", ada: "User") -> None:
    be(window, ada)
    open_at(window, "/setup/users/?q=ada&view=active")

    later(window, minutes=119)
    expect(window.get_by_role("alertdialog")).to_be_visible()
    later(window, minutes=1, seconds=5)

    window.wait_for_url("/login/?next=*")
    expect(window.get_by_text("there was no activity for too long")).to_be_visible()
    window.get_by_label("Username").fill(ada.username)
    window.get_by_label("Password").fill(PASSWORD)
    window.get_by_role("button", name="Log in", exact=True).click()
    window.wait_for_url("/setup/users/?q=ada&view=active")


def test_the_end_never_leads_to_another_site(window: Page, be: "Be", ada: "User", live_server: "LiveServer") -> None:
    """With two slashes in front a path of this site would be the address of another one."""
    be(window, ada)
    open_at(window, f"{live_server.url}//elsewhere.invalid/")

    with window.expect_navigation():
        later(window, hours=2, seconds=5)

    assert window.url == f"{live_server.url}//elsewhere.invalid/"


def test_the_absolute_end_is_told_and_cannot_be_put_off(window: Page, be: "Be", ada: "User") -> None:
    be(window, ada)
    Session.objects.update(created_at=F("created_at") - timedelta(hours=11, minutes=50))
    open_at(window, "/settings/")
    told = re.compile(r"^This session ends at (\d{4}-\d\d-\d\d )?\d\d:\d\d UTC and cannot be extended\.")
    expect(window.locator("#timeout")).to_have_text(told)
    dialog = window.get_by_role("alertdialog", name="Your time is nearly up")

    later(window, minutes=9)

    expect(dialog).to_have_accessible_description(told)
    expect(window.get_by_role("button", name=STAY)).to_be_hidden()
    expect(window.get_by_role("button", name="Close")).to_be_focused()
    assert look_at(window, "told before the end") == []
    window.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    later(window, seconds=20)
    expect(dialog).to_be_hidden()
    later(window, minutes=1)
    window.wait_for_url("/login/?next=*")


def test_where_staying_fails_one_is_told(window: Page, be: "Be", ada: "User") -> None:
    be(window, ada)
    open_at(window, "/settings/")
    later(window, minutes=119)
    window.context.clear_cookies(name="csrftoken")

    window.get_by_role("button", name=STAY).click()

    words = "That did not work. Copy what you have typed, then load this page again."
    expect(window.get_by_role("alert")).to_have_text(words)
    expect(window.get_by_role("alertdialog")).to_be_visible()


@pytest.mark.usefixtures("any_user_login")
def test_inside_a_visit_staying_counts_for_both_sessions(
    window: Page, be: "Be", any_user_login: "Organization", ada: "User", grace: "User"
) -> None:
    policy = any_user_login.login_access_policy
    policy.time_limit_minutes = 480
    policy.save()
    be(window, ada)
    open_at(window, "/setup/users/")
    window.get_by_role("button", name="Login as Grace Hopper").click()
    expect(window.get_by_role("heading", name="Welcome, Grace")).to_be_visible()
    later(window, minutes=119)

    window.get_by_role("button", name=STAY).click()

    expect(window.get_by_role("alertdialog")).to_be_hidden()
    later(window, minutes=100)
    window.reload()
    expect(window.get_by_role("heading", name="Welcome, Grace")).to_be_visible()


def test_without_scripts_the_page_tells_the_time(open_window: "OpenWindow", be: "Be", ada: "User") -> None:
    window = open_window(java_script_enabled=False)
    be(window, ada)
    window.goto("/")

    expect(window.locator("#timeout")).to_have_text(re.compile("^Without activity you are signed out at "))
    expect(window.get_by_role("alertdialog")).to_be_hidden()
