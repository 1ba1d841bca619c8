"""A tab that was opened as someone else: its late write is refused, changes nothing, and gives back what was typed."""

from typing import TYPE_CHECKING, Any

import pytest

from accounts.models import User
from orgs.models import AuditEvent, LoginAccessPolicy
from tests.factories import PASSWORD

from .browsing import Browser, Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from orgs.models import Organization

    Make = Callable[..., User]

pytestmark = pytest.mark.usefixtures("any_user_login")

POLICIES = "/setup/login-access-policies/"
TYPED = {"First name": "Admiral <Grace>", "Last name": "Murray Hopper"}


@pytest.fixture
def linus(make: "Make") -> User:
    return make("Linus", "Pauling")


def log_in_as(browser: Browser, target: User) -> Page:
    """Press Login on the user's page."""
    return browser.open(f"/setup/users/{target.pk}/").press("Login")


def log_out_as(browser: Browser, target: User) -> Page:
    """Press the banner's button."""
    return browser.open("/").press(f"Log out as {target.full_name}")


def everything() -> tuple[Any, ...]:
    """Return what a late write could have changed, and what would tell of it."""
    return (
        list(User.objects.order_by("pk").values_list("username", "first_name", "last_name", "password", "is_active")),
        list(LoginAccessPolicy.objects.values_list("organization", "any_user_login", "version")),
        AuditEvent.objects.count(),
    )


def press_late(tab: Page, button: str, **typed: Any) -> Page:
    """Press a button of a stale tab, hold that it changed nothing, and return the page that says so."""
    before = everything()
    page = tab.press(button, **typed)
    assert (page.status, page.heading) == (403, "This page is out of date")
    assert everything() == before
    return page


def sentence(page: Page) -> str:
    return page.root.find("main")[0].find("p")[1].text


# --- opened before the start, sent inside ------------------------------------------------------------------------


def test_form_opened_before_the_start_is_refused_inside(adas: Browser, grace: User) -> None:
    stale = adas.open(POLICIES)
    log_in_as(adas, grace)

    page = press_late(stale, "Save", Enabled=False)

    assert sentence(page) == (
        "This tab was opened as Ada Lovelace. You are now logged in as Grace Hopper. Nothing was saved."
    )
    assert page.banner.startswith("Ada Lovelace, you are logged in as Grace Hopper.")


def test_what_was_typed_comes_back_to_be_copied(adas: Browser, grace: User) -> None:
    stale = adas.open(f"/setup/users/{grace.pk}/edit/")
    log_in_as(adas, grace)

    page = press_late(stale, "Save", **TYPED)

    assert TYPED.items() <= page.typed.items()


def test_secrets_do_not_come_back(adas: Browser, grace: User) -> None:
    stale = adas.open("/account/password/change/")
    log_in_as(adas, grace)

    new = "correct horse battery staple"
    page = press_late(stale, "Save password", oldpassword=PASSWORD, password1=new, password2=new)

    assert page.typed == {}
    assert (PASSWORD in page.html, new in page.html) == (False, False)


def test_login_of_a_tab_opened_before_the_start_is_no_second_visit(adas: Browser, grace: User, linus: User) -> None:
    stale = adas.open(f"/setup/users/{linus.pk}/")
    log_in_as(adas, grace)

    page = press_late(stale, "Login")

    assert sentence(page) == (
        "This tab was opened as Ada Lovelace. You are now logged in as Grace Hopper. Nothing was saved."
    )


def test_log_out_of_a_tab_opened_before_the_start_ends_nothing(adas: Browser, grace: User) -> None:
    stale = adas.open("/")
    log_in_as(adas, grace)

    press_late(stale, "Log out")

    assert adas.open("/").banner != ""


def test_login_page_that_lay_open_is_refused_inside(ada: User, alan: User, grace: User) -> None:
    browser = Browser()
    stale = browser.open("/login/")
    browser.sign_in(ada)
    log_in_as(browser, grace)

    page = press_late(stale, "Log in", Username=alan.username, Password=PASSWORD)

    assert (
        sentence(page)
        == "This tab was opened before you logged in. You are now logged in as Grace Hopper. Nothing was saved."
    )
    assert page.typed == {"Username": "alan@acme.example"}


# --- opened inside, sent after the end ---------------------------------------------------------------------------


def opened_inside(browser: Browser, hedy: User, about: User) -> Page:
    """Log in as Hedy, who may edit users, and open the edit page of one."""
    log_in_as(browser, hedy)
    page = browser.open(f"/setup/users/{about.pk}/edit/")
    assert page.banner.startswith("Ada Lovelace, you are logged in as Hedy Lamarr.")
    return page


def test_form_opened_inside_is_refused_after_leaving(adas: Browser, hedy: User, grace: User) -> None:
    stale = opened_inside(adas, hedy, grace)
    log_out_as(adas, hedy)

    page = press_late(stale, "Save", **TYPED)

    assert sentence(page) == "This tab was opened as Hedy Lamarr. You are now logged out. Nothing was saved."
    assert TYPED.items() <= page.typed.items()


def test_form_opened_inside_is_refused_after_signing_in_again(
    adas: Browser, ada: User, hedy: User, grace: User
) -> None:
    stale = opened_inside(adas, hedy, grace)
    log_out_as(adas, hedy).press("Log in", Username=ada.username, Password=PASSWORD)

    page = press_late(stale, "Save", **TYPED)

    assert sentence(page) == (
        "This tab was opened as Hedy Lamarr. You are now logged in as Ada Lovelace. Nothing was saved."
    )


def test_form_opened_inside_is_refused_after_a_leave_without_relogin(
    any_user_login: "Organization", adas: Browser, hedy: User, grace: User
) -> None:
    any_user_login.session_settings.force_relogin = False
    any_user_login.session_settings.save()
    stale = opened_inside(adas, hedy, grace)
    log_out_as(adas, hedy)

    page = press_late(stale, "Save", **TYPED)

    assert sentence(page) == (
        "This tab was opened as Hedy Lamarr. You are now logged in as Ada Lovelace. Nothing was saved."
    )


def test_form_opened_inside_is_refused_after_being_handed_back(
    adas: Browser, alan: User, hedy: User, grace: User
) -> None:
    stale = opened_inside(adas, hedy, grace)
    alans = Browser()
    alans.sign_in(alan)
    alans.open(POLICIES).press("Save", Enabled=False)
    assert adas.open("/").alerts[0].startswith("Your visit as Hedy Lamarr has ended")

    page = press_late(stale, "Save", **TYPED)

    assert sentence(page) == (
        "This tab was opened as Hedy Lamarr. You are now logged in as Ada Lovelace. Nothing was saved."
    )
    assert TYPED.items() <= page.typed.items()


def test_form_opened_inside_is_refused_inside_another_visit(
    any_user_login: "Organization", adas: Browser, hedy: User, grace: User, linus: User
) -> None:
    any_user_login.session_settings.force_relogin = False
    any_user_login.session_settings.save()
    stale = opened_inside(adas, hedy, grace)
    log_out_as(adas, hedy)
    log_in_as(adas, linus)

    page = press_late(stale, "Save", **TYPED)

    assert sentence(page) == (
        "This tab was opened as Hedy Lamarr. You are now logged in as Linus Pauling. Nothing was saved."
    )


# --- without a visit ---------------------------------------------------------------------------------------------


def test_form_of_someone_who_signed_out_is_refused_to_the_next(adas: Browser, ada: User, alan: User) -> None:
    stale = adas.open(POLICIES)
    adas.open("/").press("Log out")
    adas.sign_in(alan)

    page = press_late(stale, "Save", Enabled=False)

    assert sentence(page) == (
        "This tab was opened as Ada Lovelace. You are now logged in as Alan Turing. Nothing was saved."
    )


def test_form_sent_in_time_is_saved(adas: Browser, any_user_login: "Organization") -> None:
    fresh = adas.open(POLICIES)
    adas.open("/")

    page = fresh.press("Save", Enabled=False)

    assert page.alerts == ["Login access policies saved."]
    any_user_login.login_access_policy.refresh_from_db()
    assert any_user_login.login_access_policy.any_user_login is False
