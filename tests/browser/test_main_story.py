"""The story that everything is for, clicked in a real browser: with scripts, and without them."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Impersonation, Session
from orgs.models import AuditEvent, SessionSettings
from tests.factories import PASSWORD

from .conftest import key_of, sign_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from orgs.models import Organization

    from .conftest import Be, Hold, OpenWindow

    Keep = Callable[[Page, str], None]

pytestmark = pytest.mark.browser

MOST_PAGES_BACK = 20
BANNER = "Ada Lovelace, you are logged in as Grace Hopper."


def banner_of(page: Page) -> "str":
    """Return what the banner says, or nothing."""
    banner = page.locator("section.banner")
    return " ".join(banner.inner_text().split()) if banner.count() else ""


def log_in_as_grace(page: Page) -> None:
    """Press Login in the users list."""
    page.goto("/setup/users/")
    page.get_by_role("button", name="Login as Grace Hopper").click()
    expect(page.get_by_role("heading", name="Welcome, Grace")).to_be_visible()


def show_nothing(page: Page) -> None:
    """Hold that a page is the login page and tells of nobody."""
    expect(page.get_by_role("heading", name="Log in", exact=True)).to_be_visible()
    words = page.locator("body").inner_text()
    assert [name for name in ("Ada", "Grace", "Acme") if name in words] == []


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_main_story(
    open_window: "OpenWindow", hold: "Hold", ada: "User", grace: "User", keep: "Keep", scripts: bool
) -> None:
    page = open_window(java_script_enabled=scripts)
    sign_in(page, ada)
    own_key = key_of(page)

    # Gear → Setup; "login access pol" in Quick Find; Login Access Policies; tick Enabled; Save
    page.get_by_role("link", name="Open Setup").click()
    find = page.get_by_role("searchbox", name="Quick Find")
    find.fill("login access pol")
    if not scripts:
        find.press("Enter")
    tree = page.get_by_role("navigation", name="Setup pages")
    expect(tree.get_by_role("link")).to_have_count(1)
    tree.get_by_role("link", name="Login Access Policies").click()
    page.get_by_label("Enabled").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Login access policies saved.")).to_be_visible()
    keep_as = f"main-story-{'with' if scripts else 'without'}-scripts"
    keep(page, f"{keep_as}-1-saved")

    # Users; Login beside a Standard User: that user's home page, with the banner
    page.get_by_role("link", name="Users", exact=True).click()
    keep(page, f"{keep_as}-2-users")
    row = page.get_by_role("row").filter(has=page.get_by_role("cell", name="Standard User"))
    row.get_by_role("button", name="Login as Grace Hopper").click()
    page.wait_for_url("/")
    expect(page.get_by_role("heading", name="Welcome, Grace")).to_be_visible()
    worn_key = key_of(page)
    assert banner_of(page) == f"{BANNER} 60 minutes left Log out as Grace Hopper"
    assert page.title() == "Home as Grace Hopper · Portal"
    # No script, ours or planted, reads a cookie.
    assert page.evaluate("document.cookie") == ""
    keep(page, f"{keep_as}-3-inside")

    # Setup is refused
    page.goto("/setup/")
    expect(page.get_by_role("heading", name="Not allowed as Grace Hopper")).to_be_visible()
    keep(page, f"{keep_as}-4-refused")

    # Log out as: the login page, and nothing behind it
    page.get_by_role("button", name="Log out as Grace Hopper").first.click()
    show_nothing(page)
    expect(page.get_by_role("status").filter(has_text="Your own session was ended too.")).to_be_visible()
    keep(page, f"{keep_as}-5-logged-out")
    go_back_and_find_nothing(page)
    for key in (own_key, worn_key):
        other = open_window()
        hold(other, key)
        other.goto("/setup/users/")
        show_nothing(other)

    assert list(AuditEvent.objects.order_by("id").values_list("action", "user_name", "delegate_user_name")) == [
        ("login_access_policy.changed", "Ada Lovelace", ""),
        ("impersonation.started", "Ada Lovelace", ""),
        ("impersonation.ended", "Ada Lovelace", ""),
    ]


def go_back_and_find_nothing(page: Page) -> None:
    """Press Back as often as there is anything behind; each page must be asked for again, and answered with nothing."""
    for _ in range(MOST_PAGES_BACK):
        page.go_back()
        if page.url == "about:blank":
            return
        show_nothing(page)
    pytest.fail("there was no end to going back")


def test_without_force_relogin_one_lands_on_the_users_page_as_oneself(
    any_user_login: "Organization", window: Page, be: "Be", ada: "User", grace: "User", keep: "Keep"
) -> None:
    any_user_login.session_settings.force_relogin = False
    any_user_login.session_settings.save()
    be(window, ada)
    own_key = key_of(window)
    log_in_as_grace(window)

    window.get_by_role("button", name="Log out as Grace Hopper").first.click()

    window.wait_for_url(re.compile(rf"/setup/users/{grace.pk}/"))
    expect(window.get_by_role("heading", name="Grace Hopper", exact=True)).to_be_visible()
    keep(window, "back-on-the-users-page")
    assert banner_of(window) == ""
    assert key_of(window) not in {own_key, ""}
    window.get_by_role("link", name="Back to Users").click()
    expect(window.get_by_role("heading", name="Users", exact=True).first).to_be_visible()
    # Back in the browser, past the visit: asked for again, and answered to Ada.
    window.go_back()
    window.go_back()
    expect(window.get_by_role("heading", name="Welcome, Ada")).to_be_visible()
    assert banner_of(window) == ""


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
@pytest.mark.usefixtures("any_user_login")
def test_double_click_on_login_lands_inside(
    open_window: "OpenWindow", be: "Be", ada: "User", grace: "User", scripts: bool
) -> None:
    page = open_window(java_script_enabled=scripts)
    be(page, ada)
    page.goto("/setup/users/")

    page.get_by_role("button", name="Login as Grace Hopper").dblclick()

    expect(page.get_by_role("heading", name="Welcome, Grace")).to_be_visible()
    page.reload()
    assert banner_of(page).startswith(BANNER)
    assert Impersonation.objects.count() == 1
    assert AuditEvent.objects.filter(action="impersonation.started").count() == 1


@pytest.mark.usefixtures("any_user_login")
def test_double_click_on_log_out_lands_on_the_login_page(window: Page, be: "Be", ada: "User", grace: "User") -> None:
    be(window, ada)
    log_in_as_grace(window)

    window.get_by_role("button", name="Log out as Grace Hopper").first.dblclick()

    show_nothing(window)
    assert AuditEvent.objects.filter(action="impersonation.ended").count() == 1
    assert not Session.objects.live().filter(user__in=[ada, grace]).exists()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
@pytest.mark.usefixtures("any_user_login")
def test_tab_opened_before_the_start_saves_nothing(
    open_window: "OpenWindow", be: "Be", ada: "User", grace: "User", keep: "Keep", scripts: bool
) -> None:
    tab = open_window(java_script_enabled=scripts)
    be(tab, ada)
    stale = tab.context.new_page()
    stale.goto(f"/setup/users/{grace.pk}/edit/")
    log_in_as_grace(tab)

    stale.get_by_label("First name").fill("Admiral Grace")
    stale.get_by_role("button", name="Save").click()

    words = "This tab was opened as Ada Lovelace. You are now logged in as Grace Hopper. Nothing was saved."
    expect(stale.get_by_text(words)).to_be_visible()
    expect(stale.get_by_label("First name")).to_have_value("Admiral Grace")
    assert banner_of(stale).startswith(BANNER)
    keep(stale, f"stale-tab-{'with' if scripts else 'without'}-scripts")
    grace.refresh_from_db()
    assert grace.first_name == "Grace"


@pytest.mark.usefixtures("any_user_login")
def test_second_login_of_two_tabs_is_told(window: Page, be: "Be", ada: "User", grace: "User", alan: "User") -> None:
    be(window, ada)
    other = window.context.new_page()
    other.goto("/setup/users/")
    log_in_as_grace(window)

    other.get_by_role("button", name="Login as Alan Turing").click()

    expect(other.get_by_text("You are now logged in as Grace Hopper. Nothing was saved.")).to_be_visible()
    assert [str(visit) for visit in Impersonation.objects.all()] == ["Ada Lovelace as Grace Hopper"]


@pytest.mark.usefixtures("any_user_login")
def test_visit_that_is_ended_elsewhere_is_told_on_the_next_page(
    open_window: "OpenWindow", be: "Be", ada: "User", alan: "User", grace: "User", keep: "Keep"
) -> None:
    adas, graces = open_window(), open_window()
    be(adas, ada)
    log_in_as_grace(adas)
    be(graces, grace)
    graces.goto("/")
    keep(graces, "home-of-the-target")
    graces.get_by_role("button", name="End the visit of Ada Lovelace").click()
    expect(graces.get_by_text("The visit has been ended.")).to_be_visible()

    adas.get_by_role("link", name="Home", exact=True).first.click()

    expect(adas.get_by_text("Your visit as Grace Hopper has ended: the user ended it.")).to_be_visible()
    assert banner_of(adas) == ""
    keep(adas, "told-that-the-visit-has-ended")
    adas.goto("/")
    expect(adas.get_by_role("heading", name="Welcome, Ada")).to_be_visible()


@pytest.mark.usefixtures("any_user_login")
def test_signing_in_again_leads_to_the_users_page(window: Page, be: "Be", ada: "User", grace: "User") -> None:
    be(window, ada)
    log_in_as_grace(window)
    window.get_by_role("button", name="Log out as Grace Hopper").first.click()

    window.get_by_label("Username").fill(ada.username)
    window.get_by_label("Password").fill(PASSWORD)
    window.get_by_role("button", name="Log in", exact=True).click()

    window.wait_for_url(re.compile(rf"/setup/users/{grace.pk}/"))
    expect(window.get_by_role("heading", name="Grace Hopper", exact=True)).to_be_visible()


# --- what scripts add --------------------------------------------------------------------------------------------


def test_quick_find_narrows_the_tree_while_one_types(window: Page, be: "Be", ada: "User", keep: "Keep") -> None:
    be(window, ada)
    window.goto("/setup/company/")
    links = window.get_by_role("navigation", name="Setup pages").get_by_role("link")

    window.keyboard.press("/")
    expect(window.get_by_role("searchbox", name="Quick Find")).to_be_focused()
    window.keyboard.type("a")
    expect(links).to_have_text(
        [
            "Users",
            "Login Access Policies",
            "Login Access Grants",
            "Session Settings",
            "Session Management",
            "Delegated Administration",
            "Impersonations",
            "View Setup Audit Trail",
            "Login History",
            "Company Information",
        ]
    )
    window.keyboard.type("udit")
    expect(links).to_have_text(["View Setup Audit Trail"])
    expect(window.locator("#quick-find-status")).to_have_text("1 page")
    keep(window, "quick-find")
    window.keyboard.type("zebra")
    expect(window.get_by_text("No Setup page matches “auditzebra”.")).to_be_visible()

    assert window.url.endswith("/setup/company/")
    window.get_by_role("searchbox", name="Quick Find").fill("")
    expect(links).to_have_count(12)


@pytest.mark.usefixtures("any_user_login")
def test_users_list_narrows_while_one_types_and_login_still_works(
    window: Page, be: "Be", ada: "User", grace: "User", alan: "User"
) -> None:
    be(window, ada)
    window.goto("/setup/users/")

    window.get_by_role("searchbox", name="Search").press_sequentially("hopp")
    expect(window.get_by_role("table").get_by_role("row")).to_have_count(2)
    expect(window).to_have_url(re.compile(r"/setup/users/\?q=hopp$"))
    window.get_by_role("button", name="Login as Grace Hopper").click()

    expect(window.get_by_role("heading", name="Welcome, Grace")).to_be_visible()
    assert Impersonation.objects.get().back == "/setup/users/?q=hopp"


@pytest.mark.usefixtures("any_user_login")
def test_time_left_counts_down_and_is_said_aloud_at_moments_only(
    window: Page, be: "Be", ada: "User", grace: "User"
) -> None:
    # With the warning the page would leave when the time is up (test_timeout_warning.py).
    SessionSettings.objects.update(warn_before_timeout=False)
    be(window, ada)
    window.clock.install()
    log_in_as_grace(window)
    left, said = window.locator("[data-seconds-left]"), window.locator("[data-time-said]")

    expect(left).to_have_text("60 minutes left")
    window.clock.run_for("20:00")
    expect(left).to_have_text("40 minutes left")
    expect(said).to_have_text("")
    window.clock.run_for("35:30")
    expect(left).to_have_text("5 minutes left")
    expect(said).to_have_text("5 minutes left")
    window.clock.run_for("05:00")
    expect(left).to_have_text("Time is up")


@pytest.mark.usefixtures("any_user_login")
def test_minutes_that_were_passed_between_two_pages_are_said_on_the_second(
    window: Page, be: "Be", ada: "User", grace: "User"
) -> None:
    be(window, ada)
    window.clock.install()
    log_in_as_grace(window)
    said = window.locator("[data-time-said]")
    window.clock.run_for("00:02")
    visit = Impersonation.objects.get()
    Impersonation.objects.update(ends_at=visit.started_at + timedelta(minutes=5))

    window.goto("/settings/")
    window.clock.run_for("00:02")
    expect(said).to_have_text("5 minutes left")
    window.goto("/")
    window.clock.run_for("00:02")

    expect(said).to_have_text("")


# --- Setup after the visit's end, while the page still stands ----------------------------------------------------


def test_part_of_a_page_is_never_the_login_page(window: Page, be: "Be", ada: "User") -> None:
    """A part is asked for after one's session has ended elsewhere: the whole page goes to sign in, and back."""
    be(window, ada)
    window.goto("/setup/company/")
    Session.objects.update(key_hash=None)

    window.get_by_role("searchbox", name="Quick Find").fill("audit")

    expect(window.get_by_role("heading", name="Log in", exact=True)).to_be_visible()
    assert window.url.endswith("/login/?next=/setup/company/")
