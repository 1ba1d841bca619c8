"""Quick Find by keyboard, and without scripts."""

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from accounts.models import User

    from .conftest import Be, OpenWindow

pytestmark = pytest.mark.browser

FOCUSED = "document.activeElement.innerText.split('\\n')[0]"


def focused_after(page: Page, *keys: str) -> list[str]:
    """Return which words have the focus after each key; the field's value in brackets where it has it."""
    found = []
    for key in keys:
        page.keyboard.press(key)
        in_field = page.evaluate("document.activeElement.id === 'quick-find'")
        found.append(f"[{page.locator('#quick-find').input_value()}]" if in_field else page.evaluate(FOCUSED).strip())
    return found


def test_arrow_keys_lead_through_what_was_found(window: Page, be: "Be", ada: "User", grace: "User") -> None:
    be(window, ada)
    window.goto("/setup/audit-trail/")
    window.keyboard.press("/")
    window.keyboard.type("gr")
    expect(window.get_by_role("link", name="Grace Hopper")).to_be_visible()
    expect(window.locator("#quick-find-status")).to_have_text("2 pages and 1 user")

    moved = focused_after(
        window, "ArrowUp", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "Home", "End", "ArrowUp"
    )

    assert moved == [
        "[gr]",
        "Login Access Grants",
        "Delegated Administration",
        "Grace Hopper",
        "All users matching “gr”",
        "All users matching “gr”",
        "Login Access Grants",
        "All users matching “gr”",
        "Grace Hopper",
    ]
    window.keyboard.press("Enter")
    window.wait_for_url(f"/setup/users/{grace.pk}/")


def test_arrow_keys_lead_back_to_the_field_and_tab_goes_on_working(window: Page, be: "Be", ada: "User") -> None:
    be(window, ada)
    window.goto("/setup/")
    window.keyboard.press("/")

    moved = focused_after(window, "ArrowDown", "ArrowUp", "Tab", "Tab", "Tab", "Shift+Tab", "Control+ArrowDown")

    assert moved == ["Users", "[]", "Find", "Users", "Profiles", "Users", "Users"]


def test_escape_clears_and_returns_to_the_field(window: Page, be: "Be", ada: "User") -> None:
    be(window, ada)
    window.goto("/setup/")
    window.keyboard.press("/")
    window.keyboard.type("audit")
    expect(window.locator("#setup-tree a")).to_have_count(1)

    assert focused_after(window, "ArrowDown", "Escape") == ["View Setup Audit Trail", "[]"]
    expect(window.locator("#setup-tree").get_by_role("link", name="Roles")).to_be_visible()
    window.keyboard.type("audit")
    expect(window.locator("#setup-tree a")).to_have_count(1)
    assert focused_after(window, "Escape", "Escape") == ["[]", "[]"]
    expect(window.locator("#setup-tree").get_by_role("link", name="Roles")).to_be_visible()


def test_an_arrow_that_comes_before_what_was_found_waits_for_it(window: Page, be: "Be", ada: "User") -> None:
    be(window, ada)
    window.goto("/setup/")
    window.keyboard.press("/")

    window.keyboard.type("audit")
    window.keyboard.press("ArrowDown")

    expect(window.get_by_role("link", name="View Setup Audit Trail").first).to_be_focused()
    window.keyboard.press("Enter")
    window.wait_for_url("/setup/audit-trail/")


def test_enter_in_the_field_shows_all_that_was_found(window: Page, be: "Be", ada: "User", grace: "User") -> None:
    be(window, ada)
    window.goto("/setup/company/")
    window.keyboard.press("/")
    window.keyboard.type("grace")
    window.keyboard.press("Enter")

    window.wait_for_url("/setup/?q=grace")
    expect(window.get_by_role("heading", name="Quick Find")).to_be_visible()
    window.locator(".tile").get_by_role("link", name="Grace Hopper").click()
    window.wait_for_url(f"/setup/users/{grace.pk}/")


def test_on_a_small_screen_the_arrow_finds_nothing_before_something_is_typed(
    open_window: "OpenWindow", be: "Be", ada: "User"
) -> None:
    window = open_window(viewport={"width": 320, "height": 640})
    be(window, ada)
    window.goto("/setup/roles/")
    window.keyboard.press("/")

    assert focused_after(window, "ArrowDown") == ["[]"]
    window.keyboard.type("audit")
    window.keyboard.press("ArrowDown")
    expect(window.get_by_role("link", name="View Setup Audit Trail")).to_be_focused()


def test_quick_find_needs_no_script(open_window: "OpenWindow", be: "Be", ada: "User", grace: "User") -> None:
    window = open_window(java_script_enabled=False)
    be(window, ada)
    window.goto("/setup/company/")
    window.get_by_role("searchbox", name="Quick Find").fill("gr")
    window.keyboard.press("Enter")

    window.wait_for_url("/setup/?q=gr")
    expect(window.get_by_text("2 pages and 1 user for “gr”")).to_be_visible()
    window.locator("#setup-tree").get_by_role("link", name="All users matching").click()
    window.wait_for_url("/setup/users/?q=gr")
    expect(window.get_by_role("link", name=str(grace), exact=True)).to_be_visible()
