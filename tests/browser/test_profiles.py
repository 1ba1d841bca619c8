"""Profiles, edited in a real browser: what a tick brings along, by mouse, by keyboard alone, and without scripts."""

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Profile
from orgs.permissions import Permission
from tests.factories import ProfileFactory, UserFactory

from .test_accessibility import look_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from orgs.models import Organization

    from .conftest import Be, OpenWindow

    Keep = Callable[[Page, str], None]

pytestmark = pytest.mark.browser

P = Permission
ALONG = "Also ticked: View Setup and Configuration, because Manage Roles needs it."
REFUSED = "View Setup and Configuration cannot be taken away: Manage Roles needs it."


@pytest.fixture
def keepers(acme: "Organization") -> Profile:
    """A profile of Acme's own that permits nothing yet."""
    profile: Profile = ProfileFactory.create(organization=acme, name="Keepers")
    return profile


def permitted(profile: Profile) -> frozenset[Permission]:
    profile.refresh_from_db()
    return profile.permissions


def test_clone_tick_what_comes_along_shows_save(window: Page, be: "Be", ada: "User", keep: "Keep") -> None:
    be(window, ada)

    # Setup → Profiles; Clone beside a standard one, which has no Edit; its page; Edit
    window.goto("/setup/")
    window.get_by_role("navigation", name="Setup pages").get_by_role("link", name="Profiles").click()
    expect(window.get_by_role("button", name="Edit Standard User")).to_have_attribute("aria-disabled", "true")
    keep(window, "profiles-1-list")
    window.get_by_role("link", name="Clone Standard User").click()
    window.get_by_label("Profile name").fill("Keepers")
    window.get_by_role("button", name="Create profile").click()
    expect(window.get_by_role("heading", name="Keepers", level=1)).to_be_visible()
    window.get_by_role("link", name="Edit", exact=True).click()
    expect(window.get_by_text("0 users have this profile.")).to_be_visible()

    # Tick one: what it needs is ticked before anything is saved, said beside it and to those who listen
    roles = window.get_by_role("checkbox", name="Manage Roles")
    setup = window.get_by_role("checkbox", name="View Setup and Configuration")
    roles.check()
    expect(setup).to_be_checked()
    expect(window.locator("#permissions-status")).to_have_text(ALONG)
    expect(window.locator(".said")).to_have_text(ALONG)
    expect(roles).to_be_focused()
    keep(window, "profiles-2-ticked")
    assert permitted(Profile.objects.get(name="Keepers")) == frozenset()

    # Untick what it needs: refused, named, and still ticked
    setup.click()
    expect(window.locator("#permissions-status")).to_have_text(REFUSED)
    expect(setup).to_be_checked()
    expect(setup).to_be_focused()
    keep(window, "profiles-3-refused")

    window.get_by_role("button", name="Save").click()
    expect(window.get_by_role("status").filter(has_text="The profile Keepers has been saved.")).to_be_visible()
    keep(window, "profiles-4-saved")
    assert permitted(Profile.objects.get(name="Keepers")) == {P.VIEW_SETUP, P.MANAGE_ROLES}


def test_by_keyboard_alone(window: Page, be: "Be", ada: "User", keepers: Profile) -> None:
    be(window, ada)
    window.goto(f"/setup/profiles/{keepers.pk}/edit/")

    # From the name into the boxes, in the order that is read
    window.get_by_label("Profile name").focus()
    window.keyboard.press("Tab")
    expect(window.get_by_role("checkbox", name="View Setup and Configuration")).to_be_focused()
    for _ in range(7):
        window.keyboard.press("Tab")
    expect(window.get_by_role("checkbox", name="Manage Roles")).to_be_focused()
    window.keyboard.press("Space")
    expect(window.locator("#permissions-status")).to_have_text(ALONG)

    # The focus is where it was, and going on from there is as before
    expect(window.get_by_role("checkbox", name="Manage Roles")).to_be_focused()
    window.keyboard.press("Tab")
    expect(window.get_by_role("checkbox", name="Manage Users")).to_be_focused()
    window.get_by_label("Profile name").focus()
    window.keyboard.press("Enter")

    expect(window.get_by_role("status").filter(has_text="The profile Keepers has been saved.")).to_be_visible()
    assert permitted(keepers) == {P.VIEW_SETUP, P.MANAGE_ROLES}


def test_boxes_that_are_ticked_fast_are_all_kept(window: Page, be: "Be", ada: "User", keepers: Profile) -> None:
    be(window, ada)
    window.goto(f"/setup/profiles/{keepers.pk}/edit/")

    window.evaluate(
        """() => {
          for (const value of ["freeze_users", "manage_roles", "modify_all_data"]) {
            document.getElementById(`id_permissions_${value}`).click();
          }
        }"""
    )

    expect(window.locator("#permissions-status")).to_contain_text("Also ticked: View Setup and Configuration")
    names = ("Freeze Users", "Manage Roles", "Modify All Data", "View All Data", "View All Users")
    for name in names:
        expect(window.get_by_role("checkbox", name=name)).to_be_checked()


def test_what_a_click_leaves_is_accessible(window: Page, be: "Be", ada: "User", keepers: Profile) -> None:
    be(window, ada)
    window.goto(f"/setup/profiles/{keepers.pk}/edit/")

    window.get_by_role("checkbox", name="Manage Roles").check()
    expect(window.locator(".said")).to_be_visible()
    found = look_at(window, "ticked")
    window.get_by_label("Profile name").fill("")
    window.get_by_role("button", name="Save").click()
    expect(window.get_by_role("alert")).to_have_text(
        "Nothing was saved. What is wrong is said beside each field below."
    )
    found += look_at(window, "not saved")
    window.goto("/setup/profiles/new/")
    window.get_by_role("button", name="Create profile").click()
    expect(window.locator(".invalid-feedback").first).to_be_visible()
    found += look_at(window, "new, nothing typed")

    assert found == []


def test_without_scripts(open_window: "OpenWindow", be: "Be", ada: "User", keepers: Profile, keep: "Keep") -> None:
    UserFactory.create(organization=keepers.organization, profile=keepers)
    page = open_window(java_script_enabled=False)
    be(page, ada)
    page.goto(f"/setup/profiles/{keepers.pk}/edit/")

    # Each box says what it needs; Save ticks that and says so
    expect(
        page.get_by_text("1 user has this profile. What you save counts for everyone who has it, at once.")
    ).to_be_visible()
    expect(page.get_by_text("Edit the role tree. Needs: View Setup and Configuration.")).to_be_visible()
    page.get_by_role("checkbox", name="Manage Roles").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text=ALONG)).to_be_visible()

    # Or refuses, naming the other
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_role("checkbox", name="View Setup and Configuration").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(REFUSED)).to_be_visible()
    keep(page, "profiles-without-scripts-refused")
    assert permitted(keepers) == {P.VIEW_SETUP, P.MANAGE_ROLES}
