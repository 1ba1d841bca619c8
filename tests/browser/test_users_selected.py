"""Selecting users in a real browser: by mouse and by keyboard, with scripts and without; and the way back."""

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from tests.factories import UserFactory

from .test_accessibility import look_at

if TYPE_CHECKING:
    from orgs.models import Organization

    from .conftest import Be, OpenWindow

pytestmark = pytest.mark.browser

USERS = "/setup/users/"


def box_of(page: Page, name: str) -> Locator:
    return page.get_by_role("checkbox", name=f"Select {name}", exact=True)


def rows_of(page: Page) -> Locator:
    return page.get_by_role("table").locator("tbody tr")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_select_look_and_confirm(
    open_window: "OpenWindow", be: "Be", ada: "User", alan: "User", grace: "User", *, scripts: bool
) -> None:
    page = open_window(java_script_enabled=scripts)
    be(page, ada)
    page.goto(f"{USERS}?view=active")

    # The box for all needs a script, and is not there without one.
    expect(page.get_by_label("Select all on this page")).to_be_visible(visible=scripts)
    for name in ("Ada Lovelace", "Grace Hopper"):
        box_of(page, name).check()
    page.get_by_role("button", name="Deactivate: selected users").click()
    expect(page.get_by_role("heading", name="Deactivate 1 user?")).to_be_visible()
    expect(page.get_by_role("region", name="Nothing will happen to 1 user")).to_contain_text("You cannot deactivate")
    page.get_by_role("button", name="Deactivate: 1 user").click()

    expect(page).to_have_url(re.compile(r"/setup/users/\?view=active$"))
    expect(page.get_by_text("Inactive, with every session ended: Grace Hopper.")).to_be_visible()
    expect(rows_of(page)).to_have_count(2)
    assert list(User.objects.filter(is_active=False)) == [grace]


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_by_keyboard_alone(open_window: "OpenWindow", be: "Be", ada: "User", grace: "User", *, scripts: bool) -> None:
    page = open_window(java_script_enabled=scripts)
    be(page, ada)
    page.goto(USERS)

    box_of(page, "Grace Hopper").focus()
    page.keyboard.press("Space")
    expect(box_of(page, "Grace Hopper")).to_be_checked()
    button = page.get_by_role("button", name="Freeze: selected users")
    for _ in range(60):
        page.keyboard.press("Shift+Tab")
        if button.evaluate("(one) => one === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Freeze 1 user?")).to_be_visible()
    page.get_by_role("button", name="Freeze: 1 user").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_text("Frozen, and signed out: Grace Hopper.")).to_be_visible()


def test_count_and_box_for_all_follow_the_boxes(
    window: Page, be: "Be", ada: "User", alan: "User", grace: "User"
) -> None:
    be(window, ada)
    window.goto(USERS)
    every, count = window.get_by_label("Select all on this page"), window.locator("[data-selected-count]")

    expect(count).to_have_text("Nobody selected")
    expect(count).to_have_role("status")
    box_of(window, "Alan Turing").check()
    expect(count).to_have_text("1 selected")
    assert every.evaluate("(one) => one.indeterminate")
    every.check()
    expect(count).to_have_text("3 selected")
    expect(box_of(window, "Grace Hopper")).to_be_checked()
    every.uncheck()
    expect(count).to_have_text("Nobody selected")
    expect(box_of(window, "Grace Hopper")).not_to_be_checked()


def test_after_a_swap_nobody_is_selected_and_it_works_on(
    window: Page, be: "Be", ada: "User", alan: "User", grace: "User"
) -> None:
    be(window, ada)
    window.goto(USERS)
    count = window.locator("[data-selected-count]")
    box_of(window, "Grace Hopper").check()
    expect(count).to_have_text("1 selected")

    window.get_by_role("searchbox", name="Search").press_sequentially("a")
    window.get_by_role("searchbox", name="Search").press_sequentially("da")
    expect(rows_of(window)).to_have_count(1)
    expect(count).to_have_text("Nobody selected")
    window.get_by_label("Select all on this page").check()
    expect(count).to_have_text("1 selected")
    window.get_by_role("button", name="Reset passwords: selected users").click()

    expect(window.get_by_role("heading", name="Reset the password of 1 user?")).to_be_visible()
    window.get_by_role("link", name="Cancel").click()
    expect(window).to_have_url(re.compile(r"/setup/users/\?q=ada$"))


def test_nobody_selected_is_said(window: Page, be: "Be", ada: "User") -> None:
    be(window, ada)
    window.goto(f"{USERS}?view=administrators")

    window.get_by_role("button", name="Freeze: selected users").click()

    expect(window.get_by_text("Nobody is selected. Tick users in the list")).to_be_visible()
    expect(window).to_have_url(re.compile(r"\?view=administrators$"))


# --- Back --------------------------------------------------------------------------------------------------------


def test_back_from_a_user_is_the_search_and_back_again_the_whole_list(
    window: Page, be: "Be", ada: "User", alan: "User", grace: "User"
) -> None:
    be(window, ada)
    window.goto("/setup/")
    window.goto(USERS)
    search = window.get_by_role("searchbox", name="Search")
    search.press_sequentially("hop")
    expect(rows_of(window)).to_have_count(1)
    search.press_sequentially("per")
    expect(window).to_have_url(re.compile(r"\?q=hopper$"))

    window.get_by_role("link", name="Grace Hopper", exact=True).click()
    expect(window.get_by_role("heading", name="Grace Hopper", exact=True)).to_be_visible()
    window.go_back()
    expect(window).to_have_url(re.compile(r"\?q=hopper$"))
    expect(rows_of(window)).to_have_count(1)
    expect(search).to_have_value("hopper")

    # However many letters it took, the search is one step.
    window.go_back()
    expect(window).to_have_url(re.compile(r"/setup/users/$"))
    expect(rows_of(window)).to_have_count(3)
    expect(search).to_have_value("")
    window.go_back()
    expect(window).to_have_url(re.compile(r"/setup/$"))


def test_back_from_a_filter_and_a_column_is_one_step_each(
    window: Page, be: "Be", ada: "User", audrey: "User", grace: "User"
) -> None:
    be(window, ada)
    window.goto(USERS)
    profile = window.get_by_label("Profile", exact=True)
    profile.select_option(label="Read Only")
    expect(rows_of(window)).to_have_count(1)
    window.get_by_text("Columns", exact=True).click()
    window.get_by_label("E-mail").check()
    expect(window.get_by_role("columnheader", name="E-mail")).to_be_visible()

    window.go_back()
    expect(window.get_by_role("columnheader", name="E-mail")).to_have_count(0)
    expect(rows_of(window)).to_have_count(1)
    window.go_back()
    expect(rows_of(window)).to_have_count(3)
    expect(profile).to_have_value("")


def test_columns_without_scripts(open_window: "OpenWindow", be: "Be", ada: "User") -> None:
    page = open_window(java_script_enabled=False)
    be(page, ada)
    page.goto(f"{USERS}?view=active")

    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("Created").check()
    page.get_by_role("button", name="Show these columns").click()

    expect(page.get_by_role("columnheader", name="Created")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?view=active&q=&profile=&role=&columns=created$"))


# --- looks -------------------------------------------------------------------------------------------------------


def test_bar_menu_and_preview_are_fine_in_every_look(
    window: Page, be: "Be", acme: "Organization", ada: "User", grace: "User", dennis: "User"
) -> None:
    UserFactory.create(
        organization=acme,
        profile=grace.profile,
        username=f"{'long' * 15}@acme.example",
        first_name="Maximiliane",
        last_name="Featherstonehaugh-Cholmondeley",
    )
    be(window, ada)
    window.goto(f"{USERS}?columns=email,created,modified")
    window.get_by_label("Select all on this page").check()
    window.get_by_text("Columns", exact=True).click()
    found = look_at(window, "list")
    window.get_by_role("button", name="Reset passwords: selected users").click()
    found += look_at(window, "preview of resets")
    window.goto(USERS)
    window.get_by_label("Select all on this page").check()
    window.get_by_role("button", name="Freeze: selected users").click()

    found += look_at(window, "preview")

    assert found == []
