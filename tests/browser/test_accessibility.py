"""Every page, light and dark, wide and narrow, with and without the banner: axe finds nothing, nothing is cut off."""

from typing import TYPE_CHECKING, Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings
from playwright.sync_api import Page, expect

from accounts.services.start_policy import StartDetails
from accounts.testing import PortalClient
from orgs.audit import AuditAction, record
from orgs.http import Origin
from orgs.models import AccessMode, OrganizationKind, SupportAccess, SupportAvailability
from tests.factories import AccessRequestFactory, LoginAccessGrantFactory, OrganizationFactory

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from orgs.models import Organization

    from .conftest import Be, Hold

    Keep = Callable[[Page, str], None]

pytestmark = pytest.mark.browser

# Each scheme and each width once: all four would take twice the time, and find the same.
LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1280), ("dark", 320))
# Nothing is fetched again for axe: the page's policy would rightly refuse.
OPTIONS = {
    "preload": False,
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
IS_CUT_OFF = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def look_at(page: Page, what: str) -> list[str]:
    """Return what is wrong with the page that is open, in each look."""
    # Evaluated, not added to the page as a script: its policy forbids that.
    page.evaluate(AXE_SCRIPT)
    found = []
    for scheme, width in LOOKS:
        page.set_viewport_size({"width": width, "height": 800})
        # Colours that are still on their way from one scheme to the other would be measured.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        result: dict[str, Any] = page.evaluate("(options) => axe.run(document, options)", OPTIONS)
        found += [f"{what}, {scheme}, {width}: {_words(one)}" for one in result["violations"]]
        if page.evaluate(IS_CUT_OFF):
            found.append(f"{what}, {width}: is wider than the window")
    return found


def _words(violation: dict[str, Any]) -> str:
    return f"{violation['id']}: {', '.join(' '.join(node['target']) for node in violation['nodes'])}"


def look_through(page: Page, paths: dict[str, str]) -> list[str]:
    """Open each path and return what is wrong anywhere."""
    found = []
    for what, path in paths.items():
        page.goto(path)
        found += look_at(page, what)
    return found


@pytest.fixture
def paths(acme: "Organization", ada: "User", grace: "User") -> dict[str, str]:
    """The pages that a reader of Setup has, by their names."""
    event = record(
        AuditAction.USER_CHANGED,
        origin=Origin(user=ada, actor=ada, address="192.0.2.1", agent="Mozilla/5.0"),
        organization=acme,
        about=grace,
        before={"alias": "gh"},
        after={"alias": "grace"},
        fields="alias",
    )
    user = f"/setup/users/{grace.pk}/"
    return {
        "home": "/",
        "setup": "/setup/",
        "quick find": "/setup/?q=login",
        "quick find, nothing": "/setup/?q=zebra",
        "users": "/setup/users/",
        "users, nobody": "/setup/users/?q=zebra",
        "user": user,
        "summary": f"{user}summary/",
        "roles": "/setup/roles/",
        "policies": "/setup/login-access-policies/",
        "session settings": "/setup/session-settings/",
        "company": "/setup/company/",
        "trail": "/setup/audit-trail/",
        "trail, narrowed wrongly": "/setup/audit-trail/?person=a&section=x&start=2026-11-22&end=2026-11-21",
        "impersonations": "/setup/impersonations/",
        "event": f"/setup/audit-trail/{event.pk}/",
        "not found": "/nowhere/",
    }


def test_open_pages(window: Page) -> None:
    found = look_through(
        window,
        {
            "log in": "/login/",
            "log in, after a visit": "/login/?ended=logged_out",
            "reset": "/account/password/reset/",
            "reset, mail sent": "/account/password/reset/done/",
            "reset, link too old": "/account/password/reset/key/x-y/",
            "reset, done": "/account/password/reset/key/done/",
            "address, link too old": "/account/email/confirm/x/",
            "address, confirmed": "/account/email/confirmed/",
            "inactive": "/account/inactive/",
            "not found": "/nowhere/",
        },
    )
    window.goto("/login/")
    window.get_by_label("Username").fill("nobody@acme.example")
    window.get_by_label("Password").fill("wrong")
    window.get_by_role("button", name="Log in", exact=True).click()
    expect(window.get_by_text("are not correct")).to_be_visible()
    found += look_at(window, "log in, wrong password")

    assert found == []


@pytest.mark.usefixtures("katherine", "dennis", "margaret", "any_user_login")
def test_administrators_pages(window: Page, be: "Be", ada: "User", grace: "User", paths: dict[str, str]) -> None:
    be(window, ada)
    user = f"/setup/users/{grace.pk}/"
    only_hers = {
        "new user": "/setup/users/new/",
        "edit": f"{user}edit/",
        "deactivate": f"{user}deactivate/",
        "new role": "/setup/roles/new/",
        "edit role": f"/setup/roles/{grace.role_id}/edit/",
        "change password": "/account/password/change/",
        "sign in again": "/account/reauthenticate/",
    }

    found = look_through(window, paths | only_hers)
    window.goto("/setup/users/new/")
    window.get_by_role("button", name="Create user").click()
    expect(window.locator(".invalid-feedback").first).to_be_visible()
    found += look_at(window, "new user, nothing typed")
    window.goto("/setup/login-access-policies/")
    window.get_by_role("button", name="Save").click()
    found += look_at(window, "policies, saved")
    window.goto("/setup/session-settings/")
    window.get_by_label("Absolute limit").fill("1")
    window.get_by_role("button", name="Save").click()
    expect(window.locator(".invalid-feedback").first).to_be_visible()
    found += look_at(window, "session settings, wrong")

    assert found == []


@pytest.mark.usefixtures("any_user_login")
def test_pages_inside_a_visit(  # with the banner, on pages that this target may read
    window: Page, hold: "Hold", ada: "User", audrey: "User", paths: dict[str, str], keep: "Keep"
) -> None:
    hold(window, key_inside(ada, audrey))

    found = look_through(window, paths | {"refused": "/account/password/change/"})
    window.goto("/")
    found += look_at(window, "inside")
    keep(window, "inside-dark-narrow")

    assert found == []


def test_pages_about_who_may_log_in(
    window: Page, be: "Be", acme: "Organization", ada: "User", hedy: "User", grace: "User"
) -> None:
    support = OrganizationFactory.create(name="Portal Support", kind=OrganizationKind.OPERATOR)
    LoginAccessGrantFactory.create(user=grace)
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    SupportAccess.objects.create(
        organization=acme, support_organization=support, availability=SupportAvailability.ADMINISTRATORS
    )
    AccessRequestFactory.create(user=grace, requester=ada)
    PortalClient().login_as(grace, actor=ada)
    user = f"/setup/users/{grace.pk}/"

    be(window, grace)
    own = (
        "/",
        "/settings/",
        "/settings/login-access/",
        "/settings/who-can-log-in/",
        "/settings/login-history/",
        "/settings/sessions/",
    )
    found = look_through(window, {f"Grace's {path}": path for path in own})
    be(window, ada)
    setup = (user, f"{user}who-can-log-in/", f"/setup/users/{hedy.pk}/ask-for-access/", "/setup/login-access-grants/")
    history = ("/setup/login-history/", "/setup/login-history/?person=e&start=x&end=2020-01-01&status=locked")
    found += look_through(window, {path: path for path in (*setup, *history, "/setup/sessions/")})
    window.goto(setup[2])
    window.get_by_role("button", name="Ask for access").click()
    expect(window.locator(".invalid-feedback").first).to_be_visible()
    found += look_at(window, "asked without a reason")

    assert found == []


def test_pages_where_nobody_can_be_logged_in_as(window: Page, be: "Be", acme: "Organization", ada: "User") -> None:
    be(window, ada)
    users, policies, company = "/setup/users/", "/setup/login-access-policies/", "/setup/company/"
    found = look_through(window, {"users, off": users, "policies, off": policies})

    states: dict[str, dict[str, Any]] = {
        "not provisioned": {"provisioned": False},
        "not eligible": {"edition": "professional"},
    }
    for state, facts in states.items():
        become(acme, **facts)
        found += look_through(window, {f"users, {state}": users, f"policies, {state}": policies})
    become(acme, account_executive_name="Erin Vale", account_executive_email="erin@portal.example")
    found += look_through(window, {"policies, with an executive": policies, "company, with an executive": company})

    assert found == []


def become(organization: "Organization", **facts: Any) -> None:
    type(organization).objects.filter(pk=organization.pk).update(**facts)


def test_pages_of_what_the_policy_asks(
    window: Page, be: "Be", hold: "Hold", any_user_login: "Organization", ada: "User", hedy: "User", grace: "User"
) -> None:
    policy = any_user_login.login_access_policy
    policy.reason_required, policy.access_mode, policy.ticket_pattern = True, AccessMode.READ_ONLY_FIRST, "T-[0-9]+"
    policy.mail_at_start = True
    policy.save()
    be(window, ada)
    form = f"/setup/users/{hedy.pk}/login-as/"

    found = look_through(window, {"login form": form})
    window.get_by_role("button", name="Login", exact=True).click()
    expect(window.locator(".invalid-feedback").first).to_be_visible()
    found += look_at(window, "login form, nothing typed")
    hold(window, key_inside(ada, hedy, details=StartDetails("Because", "T-1")))
    found += look_through(window, {"read-only": "/", "read-only, users": "/setup/users/", "step up": "/visit/step-up/"})
    window.get_by_role("button", name="Step up").click()
    found += look_at(window, "step up, nothing typed")
    window.goto(f"/setup/users/{grace.pk}/edit/")
    window.get_by_label("First name").fill("Admiral " * 9)
    window.get_by_role("button", name="Save").click()
    expect(window.get_by_text("This visit is read-only")).to_be_visible()
    found += look_at(window, "read-only, refused")

    assert found == []


@pytest.mark.usefixtures("any_user_login")
def test_page_of_a_stale_tab(window: Page, be: "Be", hold: "Hold", ada: "User", audrey: "User") -> None:
    be(window, ada)
    window.goto("/account/password/change/")
    window.goto(f"/setup/users/{audrey.pk}/edit/")
    window.get_by_label("First name").fill("Audrey " * 11)
    hold(window, key_inside(ada, audrey))
    window.context.clear_cookies(name="csrftoken")

    window.get_by_role("button", name="Save").click()

    expect(window.get_by_role("heading", name="This page is out of date")).to_be_visible()
    assert look_at(window, "stale tab") == []


def key_inside(actor: "User", target: "User", **start: Any) -> str:
    """Return the key of a visit."""
    client = PortalClient()
    client.login_as(target, actor=actor, **start)
    key: str = client.cookies[settings.SESSION_COOKIE_NAME].value
    return key


def test_keyboard_comes_to_the_content_first(window: Page, be: "Be", ada: "User") -> None:
    be(window, ada)
    window.goto("/setup/users/")

    window.keyboard.press("Tab")
    expect(window.get_by_role("link", name="Skip to content")).to_be_focused()
    window.keyboard.press("Enter")
    expect(window.locator("main")).to_be_focused()
