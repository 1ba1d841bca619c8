"""Every page, light and dark, wide and narrow, with and without the banner: axe finds nothing, nothing is cut off."""

from typing import TYPE_CHECKING, Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings
from playwright.sync_api import Page, expect

from accounts.services.start_policy import StartDetails
from accounts.testing import PortalClient
from orgs.models import AccessMode, OrganizationKind, SupportAccess, SupportAvailability
from tests.factories import AccessRequestFactory, LoginAccessGrantFactory, OrganizationFactory

from .pages import PAGES, Keys, furnish
from .pages import Page as TablePage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from accounts.models import User
    from orgs.models import Organization

    from .conftest import Be, Hold

    Keep = Callable[[Page, str], None]

pytestmark = pytest.mark.browser

# Nothing is fetched again for axe: the page's policy would rightly refuse.
EVERYTHING: dict[str, Any] = {
    "preload": False,
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    # Off in axe until asked for: targets of 24 px (WCAG 2.5.8).
    "rules": {"target-size": {"enabled": True}},
}
# All that a scheme can change.
COLOURS: dict[str, Any] = {
    "preload": False,
    "resultTypes": ["violations"],
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
}
Look = tuple[int, Literal["light", "dark"], dict[str, Any]]
LOOKS: tuple[Look, ...] = (
    (1280, "light", EVERYTHING),
    (1280, "dark", COLOURS),
    (320, "light", EVERYTHING),
    (320, "dark", COLOURS),
)
# What lies below the banner has had all four.
LOOKS_INSIDE: tuple[Look, ...] = ((1280, "dark", EVERYTHING), (320, "light", EVERYTHING))
# A table that is stacked, each cell on a line of its own, has no reason left to be wider than its frame.
IS_CUT_OFF = """() => [document.documentElement,
  ...(innerWidth < 768 ? document.querySelectorAll(".table-wrap:has(.table-stack)") : [])]
  .some((part) => part.scrollWidth > part.clientWidth)"""
# Letters of twice the size in a window of half the width, and what then has no room for its words. What is cut on
# purpose (an ellipsis, words for screen readers alone) and what scrolls by itself is left out.
ENLARGED = """() => {
  const root = document.documentElement;
  root.style.fontSize = "200%";
  const cut = [...document.querySelectorAll("body *")].filter((part) => {
    const style = getComputedStyle(part);
    return part.scrollWidth > part.clientWidth + 1 && ["hidden", "clip"].includes(style.overflowX)
      && style.textOverflow !== "ellipsis" && part.clientWidth > 1 && part.checkVisibility();
  }).map((part) => `${part.tagName.toLowerCase()}.${part.className} is cut off`);
  if (root.scrollWidth > root.clientWidth) cut.push("the page is wider than the window");
  root.style.fontSize = "";
  return cut;
}"""
# How much of what was shown already has moved since, by nobody's act: Chromium's own measure. A tenth of what counts as
# good (0.1, https://web.dev/articles/cls) is allowed.
MOST_MOVED = 0.01
MOVED = """() => new Promise((done) => {
  let moved = 0;
  new PerformanceObserver((list) => {
    for (const shift of list.getEntries()) moved += shift.hadRecentInput ? 0 : shift.value;
  }).observe({type: "layout-shift", buffered: true});
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(moved), 0)));
})"""
# A list's rows come from one template: looking at fifty of them takes most of the time, and finds what eight have.
FEWER_ROWS = "document.querySelectorAll('tbody > tr:nth-child(n+9)').forEach((row) => row.remove())"
PARTS = 4


def look_at(page: Page, what: str, looks: "Sequence[Look]" = LOOKS) -> list[str]:
    """Return what is wrong with the page that is open, in each look."""
    # Evaluated, not added to the page as a script: its policy forbids that.
    page.evaluate(AXE_SCRIPT)
    page.evaluate(FEWER_ROWS)
    found = []
    for width, scheme, options in looks:
        page.set_viewport_size({"width": width, "height": 800})
        # Colours that are still on their way from one scheme to the other would be measured.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        result: dict[str, Any] = page.evaluate("(options) => axe.run(document, options)", options)
        found += [f"{what}, {scheme}, {width}: {_words(one)}" for one in result["violations"]]
        if options is EVERYTHING and page.evaluate(IS_CUT_OFF):
            found.append(f"{what}, {width}: is wider than the window")
    page.set_viewport_size({"width": 640, "height": 400})
    found += [f"{what}, at 200 %: {words}" for words in page.evaluate(ENLARGED)]
    page.set_viewport_size({"width": 1280, "height": 800})
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


# --- each page of the table --------------------------------------------------------------------------------------


def look_at_each(window: Page, hold: "Hold", pages: "Sequence[TablePage]") -> "Iterator[str]":
    """Look at each page outside a visit, and inside one with the banner, and yield what is wrong with it."""
    keys = Keys()
    for page in pages:
        for inside in page.ways:
            window.context.clear_cookies()
            hold(window, keys.to(page, inside=inside))
            answer = window.goto(page.address)
            assert answer is not None
            assert (page.label, inside, answer.status) == (page.label, inside, page.status)
            assert (page.label, window.locator("section.banner").count()) == (page.label, int(inside))
            what = f"{page.label}, {'inside' if inside else 'outside'}"
            if window.evaluate(MOVED) > MOST_MOVED:
                yield f"{what}: moves while it is loaded"
            yield from look_at(window, what, LOOKS_INSIDE if inside else LOOKS)


@pytest.mark.parametrize("part", range(PARTS))
def test_pages(window: Page, hold: "Hold", part: int) -> None:
    furnish()

    assert list(look_at_each(window, hold, PAGES[part::PARTS])) == []


SMALL = """() => {
  const small = document.createElement("div");
  for (const words of ["a", "b"]) {
    const button = Object.assign(document.createElement("button"), {textContent: words});
    button.style.cssText = "width: 10px; height: 10px; padding: 0; border: 0";
    small.append(button);
  }
  const pale = Object.assign(document.createElement("p"), {textContent: "pale"});
  pale.style.cssText = "color: #aaa; background: #bbb";
  document.querySelector("main").append(small, pale);
}"""


def test_a_target_that_is_too_small_and_words_too_pale_are_found(window: Page) -> None:
    window.goto("/login/")
    assert look_at(window, "log in") == []

    window.evaluate(SMALL)

    assert {trouble.rsplit(": ", 1)[0] for trouble in look_at(window, "log in")} == {
        "log in, light, 1280: target-size",
        "log in, light, 1280: color-contrast",
        "log in, dark, 1280: color-contrast",
        "log in, light, 320: target-size",
        "log in, light, 320: color-contrast",
        "log in, dark, 320: color-contrast",
    }


def test_what_moves_after_it_was_shown_is_found(window: Page) -> None:
    window.goto("/login/")
    assert window.evaluate(MOVED) == 0

    window.evaluate("document.querySelector('main').prepend(Object.assign(new Image(), {height: 300, width: 300}))")

    assert window.evaluate(MOVED) > MOST_MOVED


def test_what_is_wider_than_the_window_and_what_is_cut_off_are_found(window: Page) -> None:
    window.goto("/login/")

    window.evaluate(
        "document.querySelector('h1').style.cssText = 'width: 25rem; overflow: hidden; white-space: nowrap'"
    )

    assert look_at(window, "log in") == [
        "log in, 320: is wider than the window",
        "log in, at 200 %: the page is wider than the window",
    ]


# --- pages as they are at times ----------------------------------------------------------------------------------


def test_pages_where_something_went_wrong(window: Page, be: "Be", ada: "User") -> None:
    found = look_through(window, {"not found": "/nowhere/"})
    window.goto("/login/")
    window.get_by_label("Username").fill("nobody@acme.example")
    window.get_by_label("Password").fill("wrong")
    window.get_by_role("button", name="Log in", exact=True).click()
    expect(window.get_by_text("are not correct")).to_be_visible()
    found += look_at(window, "log in, wrong password")
    be(window, ada)
    found += look_through(window, {"not found, signed in": "/nowhere/"})
    window.goto("/setup/users/new/")
    window.get_by_role("button", name="Create user").click()
    expect(window.locator(".invalid-feedback").first).to_be_visible()
    found += look_at(window, "new user, nothing typed")
    window.goto("/setup/session-settings/")
    window.get_by_label("Absolute limit").fill("1")
    window.get_by_role("button", name="Save").click()
    expect(window.locator(".invalid-feedback").first).to_be_visible()
    found += look_at(window, "session settings, wrong")

    assert found == []


def test_page_that_says_what_was_saved(window: Page, be: "Be", ada: "User") -> None:
    be(window, ada)
    window.goto("/setup/login-access-policies/")

    window.get_by_role("button", name="Save").click()

    # Said aloud: a live region.
    expect(window.get_by_role("status").filter(has_text="Login access policies saved.")).to_be_visible()
    assert look_at(window, "policies, saved") == []


@pytest.mark.usefixtures("any_user_login")
def test_refusals_inside_a_visit(window: Page, hold: "Hold", ada: "User", audrey: "User", keep: "Keep") -> None:
    hold(window, key_inside(ada, audrey))

    found = look_through(window, {"refused": "/account/password/change/", "not found": "/nowhere/", "inside": "/"})
    window.set_viewport_size({"width": 320, "height": 800})
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

    be(window, grace)
    found = look_through(window, {"home, asked": "/", "grants, two": "/settings/login-access/"})
    be(window, ada)
    found += look_through(window, {"users, off": "/setup/users/", "policies, off": "/setup/login-access-policies/"})
    window.goto(f"/setup/users/{hedy.pk}/ask-for-access/")
    window.get_by_role("button", name="Ask for access").click()
    expect(window.locator(".invalid-feedback").first).to_be_visible()
    found += look_at(window, "asked without a reason")

    assert found == []


def test_pages_of_an_organization_that_may_not(window: Page, be: "Be", acme: "Organization", ada: "User") -> None:
    be(window, ada)
    users, policies, company = "/setup/users/", "/setup/login-access-policies/", "/setup/company/"

    become(acme, provisioned=False)
    found = look_through(window, {"users, not provisioned": users})
    become(acme, edition="professional", account_executive_name="Erin Vale", account_executive_email="e@portal.example")
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
