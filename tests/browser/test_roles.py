"""The tree of roles by keyboard, where scripts run; and the same by the role's own page, where they do not."""

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Role
from tests.factories import RoleFactory

if TYPE_CHECKING:
    from accounts.models import User
    from orgs.models import Organization

    from .conftest import Be, OpenWindow

pytestmark = pytest.mark.browser

ROLES = "/setup/roles/"


def tree_of(organization: "Organization") -> list[tuple[int, str]]:
    return list(Role.objects.filter(organization=organization).order_by("path").values_list("depth", "name"))


def on(page: Page) -> str:
    """Return what has the focus."""
    return str(page.evaluate("document.activeElement.textContent")).strip()


def press(page: Page, *keys: str) -> list[str]:
    """Press keys, and return where each led."""
    led = []
    for key in keys:
        page.keyboard.press(key)
        led.append(on(page))
    return led


@pytest.fixture
def tree(window: Page, be: "Be", ada: "User", sales_roles: dict[str, Role]) -> Page:
    """The tree, with the focus on its first role: Sales, Sales Manager, Sales Clerk; Engineering."""
    be(window, ada)
    window.goto(ROLES)
    window.get_by_role("link", name="Sales", exact=True).focus()
    return window


def test_arrows_go_through_what_is_open(tree: Page) -> None:
    assert press(tree, "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown") == [
        "Sales Manager",
        "Sales Clerk",
        "Engineering",
        "Engineering",
    ]
    assert press(tree, "Home", "ArrowUp", "ArrowRight", "ArrowRight", "ArrowRight") == [
        "Sales",
        "Sales",
        "Sales Manager",
        "Sales Clerk",
        "Sales Clerk",
    ]
    assert press(tree, "ArrowLeft", "ArrowLeft", "End", "ArrowUp") == [
        "Sales Manager",
        "Sales Manager",
        "Engineering",
        "Sales Manager",
    ]
    expect(tree.get_by_role("link", name="Sales Clerk", exact=True)).to_be_hidden()
    assert press(tree, "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowDown") == ["Sales", "Sales", "Sales", "Engineering"]
    assert press(tree, "ArrowUp", "ArrowRight", "ArrowDown") == ["Sales", "Sales", "Sales Manager"]


def test_role_goes_up_a_level_by_keys(tree: Page, acme: "Organization") -> None:
    said = tree.locator("#roles-said")
    press(tree, "End", "ArrowUp")

    tree.keyboard.press("Alt+Shift+ArrowLeft")
    expect(said).to_have_text("Sales Clerk is below Sales now.")
    assert on(tree) == "Sales Clerk"
    tree.keyboard.press("Alt+Shift+ArrowLeft")
    expect(said).to_have_text("Sales Clerk is at the top now.")
    assert on(tree) == "Sales Clerk"
    tree.keyboard.press("Alt+Shift+ArrowLeft")
    expect(said).to_have_text("Sales Clerk is at the top already.")

    assert tree_of(acme) == [(1, "Sales"), (2, "Sales Manager"), (1, "Engineering"), (1, "Sales Clerk")]


def test_role_is_picked_up_and_put_below_another(tree: Page, acme: "Organization") -> None:
    said = tree.locator("#roles-said")
    press(tree, "ArrowDown", "m")
    expect(said).to_contain_text("Sales Manager is picked up.")

    press(tree, "End")
    tree.keyboard.press("Enter")

    expect(said).to_have_text("Sales Manager is below Engineering now.")
    assert on(tree) == "Sales Manager"
    assert tree_of(acme) == [(1, "Sales"), (1, "Engineering"), (2, "Sales Manager"), (3, "Sales Clerk")]
    # Nothing is picked up any more: Enter opens the role.
    tree.keyboard.press("Enter")
    expect(tree.get_by_role("heading", name="Edit Sales Manager")).to_be_visible()


def test_role_that_is_left_stays_where_it_is(tree: Page, acme: "Organization") -> None:
    said, before = tree.locator("#roles-said"), tree_of(acme)
    press(tree, "m", "Escape")
    expect(said).to_have_text("It is left where it is.")
    press(tree, "m")
    expect(said).to_contain_text("Sales is picked up.")
    tree.keyboard.press("Enter")
    expect(said).to_have_text("It is left where it is.")

    press(tree, "m", "ArrowDown")
    tree.keyboard.press("Enter")

    expect(said).to_have_text("Sales cannot be moved below Sales Manager, which is Sales itself or below it.")
    assert (on(tree), tree_of(acme)) == ("Sales", before)


def test_what_was_closed_stays_closed_after_a_move(tree: Page, acme: "Organization") -> None:
    RoleFactory.create(organization=acme, name="Welder", parent=Role.objects.get(name="Engineering"))
    tree.reload()
    tree.get_by_role("link", name="Sales", exact=True).focus()
    press(tree, "ArrowLeft", "End")

    tree.keyboard.press("Alt+Shift+ArrowLeft")

    expect(tree.locator("#roles-said")).to_have_text("Welder is at the top now.")
    expect(tree.get_by_role("link", name="Sales Manager", exact=True)).to_be_hidden()


def test_tab_that_is_out_of_date_shows_the_page_that_says_so(
    tree: Page, acme: "Organization", any_user_login: "Organization"
) -> None:
    before = tree_of(acme)
    tree.context.clear_cookies()

    tree.keyboard.press("End")
    tree.keyboard.press("ArrowUp")
    tree.keyboard.press("Alt+Shift+ArrowLeft")

    expect(tree.get_by_role("heading", name="This page is out of date")).to_be_visible()
    assert tree_of(acme) == before


def test_without_scripts_the_tree_opens_and_closes_and_a_form_moves(
    open_window: "OpenWindow", be: "Be", ada: "User", acme: "Organization", sales_roles: dict[str, Role]
) -> None:
    page = open_window(java_script_enabled=False)
    be(page, ada)
    page.goto(ROLES)
    expect(page.locator("#role-keys")).to_be_hidden()

    page.locator("summary", has_text="1 role below Sales Manager").click()
    expect(page.get_by_role("link", name="Sales Clerk", exact=True)).to_be_hidden()
    page.get_by_role("link", name="Sales Manager", exact=True).click()
    page.get_by_label("Below").select_option("Engineering")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("The role Sales Manager has been saved.")).to_be_visible()
    assert tree_of(acme) == [(1, "Sales"), (1, "Engineering"), (2, "Sales Manager"), (3, "Sales Clerk")]
    page.get_by_role("link", name="Delete Sales Clerk").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The role Sales Clerk has been deleted.")).to_be_visible()


def test_deep_tree_fits_a_narrow_window(open_window: "OpenWindow", be: "Be", ada: "User", acme: "Organization") -> None:
    role = None
    for number in range(20):
        role = RoleFactory.create(organization=acme, name=f"Level {number} of a deep tree", parent=role)
    page = open_window(viewport={"width": 320, "height": 640})
    be(page, ada)

    page.goto(ROLES)

    assert page.evaluate("document.documentElement.scrollWidth") == 320
