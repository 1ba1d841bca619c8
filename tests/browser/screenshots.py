"""``make screenshots``: each page of the table in light, dark and narrow, and the few that the README shows.

It runs as a test, and is none: a suite collects what is called ``test_…``, and this where it is named. So it has the
tests' server, a furnished demo in their database, and the watch that is kept on every window. The pictures of all pages
go to ``screenshots/``, those of the README to ``docs/screenshots/``.
"""

from typing import TYPE_CHECKING, Literal, NamedTuple

import pytest

from .conftest import ROOT
from .pages import PAGES, Keys, Page, furnish

if TYPE_CHECKING:
    from playwright.sync_api import Page as Window

    from .conftest import Hold, OpenWindow

pytestmark = pytest.mark.browser

ALL, BEST = ROOT / "screenshots", ROOT / "docs" / "screenshots"
Scheme = Literal["light", "dark"]


class Look(NamedTuple):
    """How a picture is taken."""

    name: str
    scheme: Scheme
    width: int
    height: int = 800


LOOKS = (Look("light", "light", 1280), Look("dark", "dark", 1280), Look("narrow", "light", 320))
# Of the README: what it is called there, the page, whether inside a visit, and in which scheme.
CHOSEN: tuple[tuple[str, str, bool, Scheme], ...] = (
    ("users", "user_list", False, "light"),
    ("inside-a-visit", "home", True, "light"),
    ("what-was-done-inside", "impersonation_detail", False, "light"),
    ("audit-trail", "audit_trail", False, "dark"),
)


def open_page(window: "Window", hold: "Hold", key: str, page: Page) -> None:
    window.context.clear_cookies()
    hold(window, key)
    window.goto(page.address)


def take(window: "Window", look: Look) -> bytes:
    """Take a picture of the whole page, as one reads it: nothing has the focus, nothing moves."""
    window.set_viewport_size({"width": look.width, "height": look.height})
    window.emulate_media(color_scheme=look.scheme, reduced_motion="reduce")
    return window.screenshot(full_page=True, caret="initial")


def test_every_page_in_every_look(open_window: "OpenWindow", hold: "Hold") -> None:
    furnish()
    window, keys = open_window(), Keys()
    ALL.mkdir(exist_ok=True)
    for old in ALL.glob("*.png"):
        old.unlink()
    for page in PAGES:
        for inside in page.ways:
            open_page(window, hold, keys.to(page, inside=inside), page)
            # Inside a visit the banner is all that is new.
            for look in LOOKS[:1] if inside and not page.read_only else LOOKS:
                name = f"{page.label}{'-inside' if inside else ''}-{look.name}.png"
                (ALL / name).write_bytes(take(window, look))


def test_the_few_of_the_readme(open_window: "OpenWindow", hold: "Hold") -> None:
    furnish()
    # Three quarters of the size, so that a picture takes no more than 120 kB of the repository.
    window, keys = open_window(viewport={"width": 1280, "height": 800}, device_scale_factor=0.75), Keys()
    pages = {page.label: page for page in PAGES}
    BEST.mkdir(parents=True, exist_ok=True)
    for name, label, inside, scheme in CHOSEN:
        open_page(window, hold, keys.to(pages[label], inside=inside), pages[label])
        window.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        window.screenshot(path=BEST / f"{name}.png", caret="initial")
