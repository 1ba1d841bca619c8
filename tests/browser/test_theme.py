"""Light and dark: as the system has it, or as someone has chosen, with scripts and without; never on paper."""

from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import Page, expect

from accounts.enums import Theme
from accounts.models import User

from .test_accessibility import look_at

if TYPE_CHECKING:
    from .conftest import Be, OpenWindow

pytestmark = pytest.mark.browser

Scheme = Literal["light", "dark"]
# What is seen: the ground, the words on it, a panel, a link.
LIGHT = ["rgb(243, 245, 248)", "rgb(28, 37, 48)", "rgb(255, 255, 255)", "rgb(10, 88, 202)"]
DARK = ["rgb(19, 26, 35)", "rgb(223, 229, 236)", "rgb(26, 35, 46)", "rgb(139, 185, 254)"]
COLOURS = """() => {
  const of = (selector, name) => getComputedStyle(document.querySelector(selector))[name];
  return [
    of("body", "backgroundColor"), of("h1", "color"),
    of("input.form-control", "backgroundColor"), of("main a", "color"),
  ];
}"""
PAGE = "/settings/personal/"


def colours(page: Page, scheme: Scheme, media: Literal["screen", "print"] = "screen") -> list[str]:
    """Return what is seen where the system is ``scheme``; the test asks, not a script of the page."""
    page.emulate_media(color_scheme=scheme, media=media, reduced_motion="reduce")
    found: list[str] = page.evaluate(COLOURS)
    return found


@pytest.mark.parametrize(
    ("theme", "expected"),
    [
        (Theme.SYSTEM, {"light": LIGHT, "dark": DARK}),
        (Theme.LIGHT, {"light": LIGHT, "dark": LIGHT}),
        (Theme.DARK, {"light": DARK, "dark": DARK}),
    ],
)
@pytest.mark.parametrize("scripts", [True, False])
def test_pages_are_as_chosen_and_paper_is_light(
    *, open_window: "OpenWindow", be: "Be", grace: User, theme: Theme, expected: dict[str, list[str]], scripts: bool
) -> None:
    User.objects.update(theme=theme)
    page = open_window(java_script_enabled=scripts)
    be(page, grace)
    page.goto(PAGE)

    schemes: tuple[Scheme, Scheme] = ("light", "dark")
    seen = {scheme: colours(page, scheme) for scheme in schemes}

    assert seen == expected
    # Paper has no ground, and its links look like the words around them.
    assert [colours(page, scheme, media="print")[1:3] for scheme in schemes] == [LIGHT[1:3], LIGHT[1:3]]


def test_whoever_is_not_signed_in_sees_the_systems(window: Page) -> None:
    window.goto("/login/")

    assert [colours(window, "light"), colours(window, "dark")] == [LIGHT, DARK]


@pytest.mark.parametrize("scripts", [True, False])
def test_choosing_dark_is_seen_at_once(*, open_window: "OpenWindow", be: "Be", grace: User, scripts: bool) -> None:
    page = open_window(java_script_enabled=scripts)
    be(page, grace)
    page.goto(PAGE)

    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_label("Dates and times are written as in").select_option("Deutsch")
    page.get_by_label("Colours").select_option("Dark")
    if scripts:
        expect(page.locator("#now")).to_contain_text("CE")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("Your settings have been saved.")).to_be_visible()
    assert colours(page, "light") == DARK
    expect(page.locator("#now")).to_contain_text("CE")
    expect(page.locator(".timeout")).to_contain_text("CE")


@pytest.mark.parametrize("theme", [Theme.LIGHT, Theme.DARK])
def test_axe_finds_nothing_where_the_theme_is_not_the_systems(
    window: Page, be: "Be", ada: User, grace: User, theme: Theme
) -> None:
    User.objects.update(theme=theme, time_zone="America/Argentina/Buenos_Aires", date_language="pt_BR")
    be(window, ada)
    paths = ("/", "/settings/", PAGE, "/setup/users/", f"/setup/users/{grace.pk}/", "/setup/audit-trail/", "/nowhere/")
    found = []

    for path in paths:
        window.goto(path)
        found += look_at(window, path)
    window.goto(PAGE)
    window.get_by_label("Last name").fill("")
    window.get_by_label("E-mail address").fill("no address")
    window.get_by_role("button", name="Save").click()
    expect(window.get_by_text("This field is required.")).to_be_visible()
    found += look_at(window, "personal settings, refused")

    assert found == []
