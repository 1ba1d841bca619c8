"""The story that everything is for: an administrator logs in as a user, and on logging out both sessions end."""

from typing import TYPE_CHECKING

import pytest

from accounts.models import Session
from orgs.models import AuditEvent
from tests.factories import PASSWORD

from .browsing import Browser

if TYPE_CHECKING:
    from accounts.models import User
    from orgs.models import Organization


def trail() -> list[tuple[str, str, str, str]]:
    """Return what the trail says happened, oldest first: action, User, Delegate User, the sentence."""
    rows = AuditEvent.objects.order_by("id").values_list("action", "user_name", "delegate_user_name", "sentence")
    return list(rows)


ON = "Changed Administrators Can Log in as Any User from off to on"
IN = "Logged in using Login-As access for Grace Hopper"
OUT = "Logged out using Login-As access for Grace Hopper"


def test_administrator_logs_in_as_a_user_and_both_sessions_end(ada: "User", grace: "User") -> None:
    browser = Browser()
    home = browser.sign_in(ada)
    own_key = browser.key

    # Gear → Setup; "login acc" in Quick Find; Login Access Policies; tick Enabled; Save
    found = home.click("Open Setup").press("Find", **{"Quick Find": "login acc"})
    policies = found.click("Login Access Policies")
    saved = policies.press("Save", Enabled=True)
    assert [page.heading for page in (home, found, policies)] == ["Welcome, Ada", "Quick Find", "Login Access Policies"]
    assert saved.alerts == ["Login access policies saved."]

    # Users; Login beside a Standard User: that user's home page, with the banner
    inside = saved.click("Users").press("Login", row="Grace Hopper")
    worn_key = browser.key
    assert (inside.path, inside.heading, inside.title) == ("/", "Welcome, Grace", "Home as Grace Hopper · Portal")
    assert inside.banner == ("Ada Lovelace, you are logged in as Grace Hopper. 60 minutes left Log out as Grace Hopper")

    # Setup is refused, as it would be to that user
    refused = browser.open("/setup/")
    graces = Browser()
    graces.sign_in(grace)
    assert refused.status == 403
    assert refused.text == graces.open("/setup/").text.replace("Not allowed", "Not allowed as Grace Hopper")
    assert refused.banner == inside.banner

    # Log out as: the login page
    out = refused.press("Log out as Grace Hopper")
    assert (out.heading, out.banner) == ("Log in", "")
    assert out.alerts == ["You have logged out as that user. Your own session was ended too. Log in again to go on."]
    assert browser.key == ""

    # The back button, and a second browser with the old key or the worn key, show nothing
    for jar in (browser, Browser().hold(portal_session=own_key), Browser().hold(portal_session=worn_key)):
        for path in ("/", "/setup/", "/setup/users/", f"/setup/users/{grace.pk}/"):
            page = jar.open(path)
            assert (page.heading, page.banner) == ("Log in", "")
            assert "Grace" not in page.text
            assert "Ada" not in page.text
    assert not Session.objects.live().filter(user=ada).exists()

    # Three rows
    assert trail() == [
        ("login_access_policy.changed", "Ada Lovelace", "", ON),
        ("impersonation.started", "Ada Lovelace", "", IN),
        ("impersonation.ended", "Ada Lovelace", "", OUT),
    ]

    # After signing in one is at the target's page in Setup, and the trail's page shows the three
    again = out.press("Log in", Username=ada.username, Password=PASSWORD)
    assert again.path == f"/setup/users/{grace.pk}/?back=%2Fsetup%2Fusers%2F"
    rows = browser.open("/setup/audit-trail/").rows
    assert [[row[1], row[2], row[4]] for row in rows] == [
        ["Ada Lovelace", OUT, ""],
        ["Ada Lovelace", IN, ""],
        ["Ada Lovelace", ON, ""],
    ]


def test_without_force_relogin_one_lands_on_the_users_page_as_oneself(
    any_user_login: "Organization", adas: Browser, ada: "User", grace: "User"
) -> None:
    any_user_login.session_settings.force_relogin = False
    any_user_login.session_settings.save()
    own_key = adas.key
    inside = adas.open("/setup/users/?view=active&q=grace").press("Login", row="Grace Hopper")
    worn_key = adas.key

    page = inside.press("Log out as Grace Hopper")

    assert (page.status, page.heading, page.banner) == (200, "Grace Hopper", "")
    assert page.path == f"/setup/users/{grace.pk}/?back=%2Fsetup%2Fusers%2F%3Fview%3Dactive%26q%3Dgrace"
    assert page.click("Back to Users").path == "/setup/users/?view=active&q=grace"
    assert adas.open("/").heading == "Welcome, Ada"
    assert len({own_key, worn_key, adas.key, ""}) == 4
    for key in (own_key, worn_key):
        assert Browser().hold(portal_session=key).open("/setup/").heading == "Log in"
    assert Session.objects.live().get(user=ada).parent is None
    assert [row[0] for row in trail()] == ["impersonation.started", "impersonation.ended"]


def test_visit_holds_nothing_of_the_administrators_session(
    any_user_login: "Organization", adas: Browser, ada: "User", grace: "User"
) -> None:
    """A message that waits for Ada is not shown to whoever she is logged in as."""
    any_user_login.session_settings.force_relogin = False
    any_user_login.session_settings.save()
    page = adas.open("/setup/login-access-policies/")
    method, address, fields = page.about_to_press("Save")
    adas.send_once(method, address, fields)

    inside = adas.send("post", f"/setup/users/{grace.pk}/login-as/", page.token)
    back = inside.press("Log out as Grace Hopper")

    assert inside.banner != ""
    assert inside.alerts == []
    assert back.alerts == ["Login access policies saved."]


def test_targets_last_login_stays_and_no_mail_goes_out(
    any_user_login: "Organization", adas: Browser, grace: "User", mailoutbox: list[object]
) -> None:
    adas.open("/setup/users/").press("Login", row="Grace Hopper")

    grace.refresh_from_db()
    assert grace.last_login is None
    assert mailoutbox == []


def test_every_page_inside_opens_with_the_banner(any_user_login: "Organization", adas: Browser, audrey: "User") -> None:
    adas.open("/setup/users/").press("Login", row="Audrey Tang")

    pages = {
        path: adas.open(path)
        for path in (
            "/",
            "/setup/",
            "/setup/?q=login",
            "/setup/users/",
            f"/setup/users/{audrey.pk}/",
            "/setup/login-access-policies/",
            "/setup/audit-trail/",
            "/setup/company/",
            "/account/password/change/",
            "/account/password/reset/done/",
            "/nowhere/",
            f"/setup/users/{audrey.pk}/edit/",
        )
    }

    banner = "Ada Lovelace, you are logged in as Audrey Tang. 60 minutes left Log out as Audrey Tang"
    assert {path: page.banner for path, page in pages.items()} == dict.fromkeys(pages, banner)
    assert [path for path, page in pages.items() if " as Audrey Tang · Portal" not in page.title] == []
    assert {path: page.status for path, page in pages.items() if page.status != 200} == {
        "/account/password/change/": 403,
        "/nowhere/": 404,
        f"/setup/users/{audrey.pk}/edit/": 403,
    }


@pytest.mark.parametrize("path", ["/", "/setup/users/"])
def test_pages_of_a_person_are_kept_by_nobody(
    any_user_login: "Organization", adas: Browser, audrey: "User", path: str
) -> None:
    own = adas.open(path).response.headers["Cache-Control"]
    adas.open("/setup/users/").press("Login", row="Audrey Tang")
    worn = adas.open(path).response.headers["Cache-Control"]

    assert (own, worn) == ("no-store", "no-store")
