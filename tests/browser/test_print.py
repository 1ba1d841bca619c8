"""What stands on paper: the trail, an event, the visits and one of them, in light colours and whole."""

from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from playwright.sync_api import expect

from accounts.testing import PortalClient
from orgs.models import AuditEvent

if TYPE_CHECKING:
    from accounts.models import User
    from orgs.models import Organization

    from .conftest import Hold, OpenWindow

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
