"""What the policy asks before a visit and inside it, clicked in a real browser: with scripts, and without them."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import Impersonation, Session
from orgs.models import AccessMode, AuditEvent, LoginAccessPolicy
from tests.factories import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User

    from .conftest import Be, OpenWindow

    Keep = Callable[[Page, str], None]

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("any_user_login")]

WAYS = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])


def ask(**settings: Any) -> None:
    LoginAccessPolicy.objects.update(**settings)


def press_login(page: Page, path: str = "/setup/users/?q=lamarr") -> None:
    page.goto(path)
    page.get_by_role("button", name="Login as Hedy Lamarr").click()


@WAYS
def test_visit_that_asks_for_everything(
    open_window: "OpenWindow", be: "Be", ada: "User", hedy: "User", grace: "User", keep: "Keep", scripts: bool
) -> None:
    ask(
        reason_required=True,
        ticket_pattern="T-[0-9]+",
        access_mode=AccessMode.READ_ONLY_FIRST,
        mail_at_start=True,
        sign_in_again_minutes=10,
    )
    page = open_window(java_script_enabled=scripts)
    be(page, ada)
    Session.objects.update(authenticated_at=timezone.now() - timedelta(hours=1))
    keep_as = f"policy-settings-{'with' if scripts else 'without'}-scripts"

    # The password, then the form
    press_login(page)
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    keep(page, f"{keep_as}-1-password")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Log in as Hedy Lamarr")).to_be_visible()
    keep(page, f"{keep_as}-2-form")

    # What is wrong stands beside the fields, and what was typed stays
    page.get_by_label("Ticket number").fill("42")
    page.get_by_role("button", name="Login", exact=True).click()
    expect(page.get_by_text("Say why. The reason is kept with the visit, and the user reads it.")).to_be_visible()
    expect(page.get_by_text("This does not look like a ticket number here. One looks like T-123.")).to_be_visible()
    expect(page.get_by_label("Ticket number")).to_have_value("42")
    keep(page, f"{keep_as}-3-refused")
    page.get_by_label("Reason").fill("She cannot see Grace's orders")
    page.get_by_label("Ticket number").fill("T-42")
    page.get_by_role("button", name="Login", exact=True).click()
    expect(page.get_by_role("heading", name="Welcome, Hedy")).to_be_visible()
    banner = page.get_by_role("region", name="Logged in as Hedy Lamarr")
    expect(banner).to_contain_text("Read-only.")
    keep(page, f"{keep_as}-4-read-only")

    # A change is refused and what was typed comes back; after the step it is saved
    page.goto(f"/setup/users/{grace.pk}/edit/")
    page.get_by_label("First name").fill("Admiral")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This visit is read-only: nothing was changed.")).to_be_visible()
    expect(page.get_by_label("First name")).to_have_value("Admiral")
    keep(page, f"{keep_as}-5-nothing-changed")
    page.get_by_role("main").get_by_role("link", name="Step up to full access").click()
    keep(page, f"{keep_as}-6-step-up")
    page.get_by_label("Reason").fill("Her name is wrong")
    page.get_by_role("button", name="Step up").click()
    page.wait_for_url(re.compile(rf"/setup/users/{grace.pk}/edit/$"))
    expect(page.get_by_text("You have full access as Hedy Lamarr now.")).to_be_visible()
    expect(banner).not_to_contain_text("Read-only.")
    page.get_by_label("First name").fill("Admiral")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Admiral Hopper", exact=True)).to_be_visible()
    visit = Impersonation.objects.get()
    assert (visit.reason, visit.ticket, visit.step_up_reason, visit.back) == (
        "She cannot see Grace's orders",
        "T-42",
        "Her name is wrong",
        "/setup/users/?q=lamarr",
    )


@WAYS
def test_double_click_on_the_forms_login_lands_inside(
    open_window: "OpenWindow", be: "Be", ada: "User", hedy: "User", scripts: bool
) -> None:
    ask(access_mode=AccessMode.READ_ONLY_FIRST)
    page = open_window(java_script_enabled=scripts)
    be(page, ada)
    press_login(page)

    page.get_by_role("button", name="Login", exact=True).dblclick()

    expect(page.get_by_role("heading", name="Welcome, Hedy")).to_be_visible()
    page.reload()
    expect(page.get_by_role("region", name="Logged in as Hedy Lamarr")).to_contain_text("Read-only.")
    assert Impersonation.objects.count() == 1
    assert AuditEvent.objects.filter(action="impersonation.started").count() == 1


@WAYS
def test_double_click_on_step_up_steps_once(
    open_window: "OpenWindow", be: "Be", ada: "User", hedy: "User", scripts: bool
) -> None:
    ask(access_mode=AccessMode.READ_ONLY_FIRST)
    page = open_window(java_script_enabled=scripts)
    be(page, ada)
    press_login(page)
    page.get_by_role("button", name="Login", exact=True).click()
    page.goto("/setup/users/?q=lamarr")
    page.get_by_role("link", name="Step up to full access").click()
    page.get_by_label("Reason").fill("Her name is wrong")

    page.get_by_role("button", name="Step up").dblclick()

    page.wait_for_url(re.compile(r"/setup/users/\?q=lamarr$"))
    assert AuditEvent.objects.filter(action="impersonation.stepped_up").count() == 1


def test_stale_form_gives_back_the_reason(
    window: Page, be: "Be", ada: "User", hedy: "User", grace: "User", keep: "Keep"
) -> None:
    ask(reason_required=True)
    be(window, ada)
    stale = window.context.new_page()
    press_login(stale)
    window.goto(f"/setup/users/{grace.pk}/login-as/")
    window.get_by_label("Reason").fill("Another")
    window.get_by_role("button", name="Login", exact=True).click()
    expect(window.get_by_role("heading", name="Welcome, Grace")).to_be_visible()

    stale.get_by_label("Reason").fill("A long story")
    stale.get_by_role("button", name="Login", exact=True).click()

    words = "This tab was opened as Ada Lovelace. You are now logged in as Grace Hopper. Nothing was saved."
    expect(stale.get_by_text(words)).to_be_visible()
    expect(stale.get_by_label("Reason")).to_have_value("A long story")
    keep(stale, "stale-login-form")
    assert Impersonation.objects.count() == 1


def test_cancel_leads_back_to_the_list_as_it_was_narrowed(window: Page, be: "Be", ada: "User", hedy: "User") -> None:
    ask(reason_required=True)
    be(window, ada)
    window.goto("/setup/users/")
    window.get_by_role("searchbox", name="Search").press_sequentially("lam")
    expect(window).to_have_url(re.compile(r"\?q=lam$"))
    window.get_by_role("button", name="Login as Hedy Lamarr").click()

    window.get_by_role("link", name="Cancel").click()

    expect(window).to_have_url(re.compile(r"/setup/users/\?q=lam$"))
    assert AuditEvent.objects.count() == 0
