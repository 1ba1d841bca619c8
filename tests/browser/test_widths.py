"""From a phone to a wide screen: lists fit beside the tree, filters fold, and nothing stands alone or out of line."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.enums import LoginStatus
from accounts.models import Login, User

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from accounts.models import Role

    from .conftest import Be, OpenWindow

pytestmark = pytest.mark.browser

IS_WHOLE = "(wrap => wrap.scrollWidth <= wrap.clientWidth)(document.querySelector('.table-wrap'))"
# How many fields and buttons stand in each line of the filters.
LINES = """(() => {
  const lines = {};
  const parts = ".toolbar :is(input, select, .btn):not(.columns-list *, [type=hidden])";
  for (const one of document.querySelectorAll(parts)) {
    const bottom = Math.round(one.getBoundingClientRect().bottom / 8);
    lines[bottom] = (lines[bottom] ?? 0) + 1;
  }
  return Object.values(lines);
})()"""
HEADINGS = """[...new Set([...document.querySelectorAll(".panel > h2")].map((one) =>
  Math.round(one.getBoundingClientRect().left + parseFloat(getComputedStyle(one).paddingLeft))))]"""
# Words with an "@" or a hyphen in them that take more than one line in a piece.
BROKEN = """[...document.querySelectorAll("tbody td")].flatMap((cell) => [...cell.childNodes])
  .filter((node) => node.nodeType === Node.TEXT_NODE && !node.data.trim().includes(" ")).filter((node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return range.getClientRects().length > 1;
  }).map((node) => node.data)"""


@pytest.mark.parametrize("width", [1024, 1100, 1200, 1280])
def test_login_history_fits_beside_the_tree(window: "Page", be: "Be", ada: User, width: int) -> None:
    be(window, ada)
    Login.objects.all().update(
        address="203.0.113.225", status=LoginStatus.WRONG_PASSWORD, delegate_user_name="Alexandra Robertson"
    )
    window.set_viewport_size({"width": width, "height": 800})

    window.goto("/setup/login-history/")

    assert window.evaluate(IS_WHOLE)


FILTERED = ("audit-trail", "impersonations", "login-history", "sessions", "users")


@pytest.mark.parametrize("path", FILTERED)
def test_filters_take_two_lines_at_most_and_none_stands_alone(window: "Page", be: "Be", ada: User, path: str) -> None:
    be(window, ada)
    window.goto(f"/setup/{path}/")

    for width in range(1024, 1921, 64):
        window.set_viewport_size({"width": width, "height": 800})
        lines = window.evaluate(LINES)
        assert (width, len(lines) <= 2, min(lines) > 1) == (width, True, True)


@pytest.mark.parametrize("scripts", [True, False])
def test_filters_are_folded_on_a_narrow_screen_alone_until_one_is_in_use(
    *, open_window: "OpenWindow", be: "Be", ada: User, scripts: bool
) -> None:
    page = open_window(java_script_enabled=scripts)
    be(page, ada)
    status, fold = page.get_by_label("Status"), page.locator("summary", has_text="More filters")

    seen = {}
    for width in (320, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto("/setup/login-history/")
        seen[width] = (page.get_by_label("Person").is_visible(), status.is_visible(), fold.is_visible())
    page.set_viewport_size({"width": 320, "height": 800})
    page.goto("/setup/login-history/")
    fold.click()
    status.select_option("Success")
    page.get_by_role("button", name="Filter").click()

    assert seen == {320: (True, False, True), 1280: (True, True, False)}
    expect(page).to_have_url(re.compile("status=success"))
    expect(status).to_be_visible()


def test_first_user_stands_on_the_first_screen_of_a_phone(window: "Page", be: "Be", ada: User) -> None:
    be(window, ada)
    window.set_viewport_size({"width": 320, "height": 800})

    window.goto("/setup/users/?letter=A")

    box = window.get_by_role("link", name="Ada Lovelace", exact=True).bounding_box()
    assert box
    assert box["y"] < 740
    window.locator("summary", has_text="View: All, A").click()
    window.get_by_role("link", name="Active", exact=True).click()
    expect(window.locator("summary", has_text="View: Active")).to_be_visible()


@pytest.mark.parametrize(("width", "query"), [(1440, "?columns=email,created,modified"), (1024, "")])
def test_users_fit_beside_the_tree_and_break_before_the_at_alone(
    window: "Page", be: "Be", ada: User, width: int, query: str
) -> None:
    be(window, ada)
    User.objects.update(last_login=timezone.now() - timedelta(minutes=47), modified_at=timezone.now())
    window.set_viewport_size({"width": width, "height": 800})

    window.goto(f"/setup/users/{query}")

    assert window.evaluate(IS_WHOLE)
    # No line of an address or a day begins inside a word.
    assert window.evaluate(BROKEN) == []


def test_lists_take_the_width_that_there_is_and_forms_do_not(window: "Page", be: "Be", ada: User) -> None:
    be(window, ada)
    window.set_viewport_size({"width": 1920, "height": 800})

    widths = []
    for path in ("login-history/", "users/", "session-settings/"):
        window.goto(f"/setup/{path}")
        widths.append(window.evaluate("document.querySelector('.setup-main').clientWidth"))

    assert widths[:2] == [1920 - 248] * 2
    assert widths[2] < 1400


def test_headings_of_all_panels_begin_in_one_line(window: "Page", be: "Be", ada: User) -> None:
    be(window, ada)
    for width in (320, 1280):
        window.set_viewport_size({"width": width, "height": 800})
        window.goto(f"/setup/users/{ada.pk}/")

        assert len(window.evaluate(HEADINGS)) == 1


@pytest.mark.parametrize("width", [320, 1280])
def test_mark_that_opens_a_role_stands_beside_its_name(
    window: "Page", be: "Be", ada: User, sales_roles: "dict[str, Role]", width: int
) -> None:
    be(window, ada)
    window.set_viewport_size({"width": width, "height": 800})
    window.goto("/setup/roles/")

    mark = window.locator("summary", has_text="1 role below Sales Manager").bounding_box()
    name = window.get_by_role("link", name="Sales Manager", exact=True).bounding_box()

    assert mark
    assert name
    assert abs((mark["y"] + mark["height"] / 2) - (name["y"] + name["height"] / 2)) < 6
    assert mark["x"] + mark["width"] <= name["x"]


def test_way_to_setup_is_seen_on_a_phone(window: "Page", be: "Be", ada: User) -> None:
    be(window, ada)
    window.set_viewport_size({"width": 320, "height": 640})
    window.goto("/")

    window.get_by_role("link", name="Open Setup").click()

    expect(window.get_by_role("heading", name="Setup", level=1)).to_be_visible()
    assert window.evaluate("document.documentElement.scrollWidth") == 320


def test_key_of_quick_find_is_shown_where_there_are_keys(open_window: "OpenWindow", be: "Be", ada: User) -> None:
    shown = []
    for options in ({}, {"has_touch": True, "is_mobile": True}, {"java_script_enabled": False}):
        page = open_window(viewport={"width": 1280, "height": 800}, **options)
        be(page, ada)
        page.goto("/setup/roles/")
        shown.append(page.locator(".quick-find-key").is_visible())
        page.get_by_label("Quick Find").focus()
        expect(page.locator(".quick-find-key")).to_be_hidden()

    assert shown == [True, False, False]
