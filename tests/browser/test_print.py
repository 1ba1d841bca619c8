"""What stands on paper: the trail, an event, the visits and one of them, in light colours and whole."""

import re
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from playwright.sync_api import expect

from accounts.testing import PortalClient
from orgs.models import AuditEvent

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from accounts.models import User
    from orgs.models import Organization

    from .conftest import Be, Hold, OpenWindow

pytestmark = pytest.mark.browser

# A4 without its margins, in CSS pixels.
PAPER = {"width": 688, "height": 1000}
NOT_ON_PAPER = (".top", ".setup-side", ".toolbar", ".download", ".banner-leave", ".skip-link", ".timeout")
# Cells that stand below each head, by how many there are: each row has one below each.
CELLS = """[...document.querySelectorAll("table")].map((table) => [...table.rows].map((row) =>
  [...row.cells].filter((cell) => getComputedStyle(cell).display === "table-cell").length))"""
CLIPPED = """[...document.querySelectorAll(".table-wrap")].filter((wrap) =>
  getComputedStyle(wrap).overflowX !== "visible" || wrap.scrollWidth > wrap.clientWidth + 1).length"""
GROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.mark.usefixtures("any_user_login")
def test_pages_of_records_are_printed_whole(
    open_window: "OpenWindow", hold: "Hold", acme: "Organization", ada: "User", alan: "User"
) -> None:
    client = PortalClient()
    visit = client.login_as(alan, actor=ada)
    window = open_window(viewport=PAPER, color_scheme="dark")
    hold(window, client.cookies[settings.SESSION_COOKIE_NAME].value)
    window.emulate_media(media="print")
    event = AuditEvent.objects.filter(organization=acme).latest("id")

    for path in (
        "/setup/audit-trail/",
        f"/setup/audit-trail/{event.pk}/",
        "/setup/impersonations/",
        f"/setup/impersonations/{visit.pk}/",
    ):
        window.goto(path)
        # Whose it is, who printed it and when, and what of it is shown.
        expect(window.locator("body > .on-paper")).to_have_text(
            re.compile(r"^Acme\. Printed by Ada Lovelace, logged in as Alan Turing, [\d-]+ [\d:]+ UTC\.$")
        )
        for part in NOT_ON_PAPER:
            for one in window.locator(part).all():
                expect(one).to_be_hidden()
        banner = window.locator(".banner")
        expect(banner).to_contain_text("Ada Lovelace, you are logged in as Alan Turing.")
        box = banner.bounding_box()
        assert box
        assert box["height"] < 40
        assert window.evaluate(GROUND) == "rgb(255, 255, 255)"
        assert window.evaluate(CLIPPED) == 0
        assert [len(set(rows)) for rows in window.evaluate(CELLS)] == [1] * window.locator("table").count()
        for head in window.locator("thead").all():
            expect(head).to_have_css("display", "table-header-group")
        assert window.evaluate("document.documentElement.scrollWidth") <= PAPER["width"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "Not narrowed by any filter."),
        (
            "?person=ada@acme.example&section=Manage+Users&start=2026-11-01",
            "Only Person: ada@acme.example; Section: Manage Users; From: 2026-11-01.",
        ),
    ],
)
def test_paper_says_what_narrows_the_trail_and_the_screen_shows_the_filters_themselves(
    window: "Page", be: "Be", ada: "User", query: str, words: str
) -> None:
    be(window, ada)
    window.goto(f"/setup/audit-trail/{query}")
    said = window.get_by_text(words, exact=True)

    expect(said).to_be_hidden()
    window.emulate_media(media="print")
    expect(said).to_be_visible()
