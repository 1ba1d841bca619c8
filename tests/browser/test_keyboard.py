"""By keyboard alone: the main story, and focus that is seen wherever it goes."""

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.factories import PASSWORD

from .pages import ADA, ALAN, furnish, key_of, open_as
from .test_main_story import show_nothing

if TYPE_CHECKING:
    from accounts.models import User

    from .conftest import Hold

pytestmark = pytest.mark.browser

MOST_STEPS = 150
# What has the focus: its name as a person hears it, roughly.
FOCUSED = """() => {
  const part = document.activeElement;
  const words = part.getAttribute("aria-label") ?? (part.labels?.[0]?.textContent || part.textContent);
  return words.replace(/\\s+/g, " ").trim();
}"""
# Of what has the focus: a name to find it by, whether it is marked, and whether all of it can be seen.
SEEN = """() => {
  const part = document.activeElement;
  const marked = [part, part.closest(".tile")].some((one) => one && getComputedStyle(one).outlineStyle !== "none"
    && parseFloat(getComputedStyle(one).outlineWidth) >= 2);
  // Somewhere on it a click would meet it, and not the banner or what lies beyond an edge.
  const isMet = [...part.getClientRects()].some(({left, right, top, bottom}) =>
    [left + 2, (left + right) / 2, right - 2].some((x) =>
      [top + 2, (top + bottom) / 2, bottom - 2].some((y) => part.contains(document.elementFromPoint(x, y)))));
  return {
    name: `${part.tagName} ${part.getAttribute("aria-label") ?? part.textContent.trim().slice(0, 40)}`,
    troubles: [...(marked ? [] : ["is not marked"]), ...(isMet ? [] : ["is covered"])],
  };
}"""


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what is called ``name`` has the focus."""
    for _ in range(MOST_STEPS):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == name:
            return
    pytest.fail(f"Tab never comes to {name!r} on {page.url}")


def press(page: Page, name: str, key: str = "Enter") -> None:
    tab_to(page, name)
    page.keyboard.press(key)


def test_main_story(window: Page, ada: "User", grace: "User") -> None:
    window.goto("/login/")
    for label, typed in (("Username", ada.username), ("Password", PASSWORD)):
        tab_to(window, label)
        window.keyboard.type(typed)
    window.keyboard.press("Enter")
    expect(window.get_by_role("heading", name="Welcome, Ada")).to_be_visible()

    # Setup; the key for Quick Find; the page; tick Enabled; Save
    press(window, "Setup")
    expect(window.get_by_role("heading", name="Setup", level=1)).to_be_visible()
    window.keyboard.press("/")
    window.keyboard.type("login access pol")
    expect(window.get_by_role("navigation", name="Setup pages").get_by_role("link")).to_have_count(1)
    press(window, "Login Access Policies")
    expect(window.get_by_role("heading", name="Login Access Policies", level=1)).to_be_visible()
    enabled = window.get_by_label("Enabled")
    for _ in range(MOST_STEPS):
        window.keyboard.press("Tab")
        if enabled.evaluate("(box) => box === document.activeElement"):
            break
    window.keyboard.press("Space")
    expect(enabled).to_be_checked()
    press(window, "Save")
    expect(window.get_by_role("status").filter(has_text="Login access policies saved.")).to_be_visible()

    # Users; Login; inside; Log out as
    press(window, "Users")
    expect(window.get_by_role("heading", name="Users", level=1)).to_be_visible()
    press(window, "Login as Grace Hopper")
    expect(window.get_by_role("heading", name="Welcome, Grace")).to_be_visible()
    press(window, "Log out as Grace Hopper")
    show_nothing(window)


# At 200 % of 1280 px, and as it is.
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1024, 500), (640, 400)])
def test_focus_is_seen_and_never_under_the_banner(window: Page, hold: "Hold", width: int, height: int) -> None:
    furnish()
    hold(window, key_of(open_as(ADA, ALAN)))
    window.set_viewport_size({"width": width, "height": height})
    # Otherwise the page would still be on its way to what has the focus.
    window.emulate_media(reduced_motion="reduce")
    window.goto("/setup/users/")
    window.evaluate("document.querySelectorAll('tbody > tr:nth-child(n+16)').forEach((row) => row.remove())")

    troubles, forward = [], [*["Tab"] * 110, *["Shift+Tab"] * 60]
    for key in forward:
        window.keyboard.press(key)
        if window.evaluate("document.activeElement !== document.body"):
            seen = window.evaluate(SEEN)
            troubles += [f"{seen['name']} {trouble} after {key}" for trouble in seen["troubles"]]

    assert sorted(set(troubles)) == []
