"""``next`` leads to a path on this site, or to the default page: for a start, and for a sign-in."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.factories import PASSWORD

from .browsing import Browser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accounts.models import User
    from accounts.testing import PortalClient
    from orgs.models import Organization

PATHS = (
    "/",
    "/setup/",
    "/setup/users/?q=grace&view=active",
    "/nowhere/#part",
    "/%2F%2Fevil.example/",
    "/@evil.example/",
)
TRICKS = {
    "another site": "https://evil.example/",
    "another site, no path": "http://evil.example",
    "this site's name, spelled out": "http://testserver/setup/",
    "scheme-relative": "//evil.example/",
    "three slashes": "///evil.example/",
    "four slashes": "////evil.example/",
    "backslash": "/\\evil.example/",
    "two backslashes": "\\\\evil.example/",
    "backslash and slash": "\\/evil.example/",
    "backslash further on": "/setup\\..\\..\\evil",
    "userinfo": "http://testserver@evil.example/",
    "userinfo with password": "http://testserver:80@evil.example/",
    "userinfo, scheme-relative": "//testserver@evil.example/",
    "scheme without slashes": "https:evil.example",
    "scheme with one slash": "https:/evil.example",
    "scheme with three": "https:///evil.example",
    "a script": "javascript:alert(1)",
    "a script in disguise": "JaVaScRiPt://testserver/%0aalert(1)",
    "data": "data:text/html,hello",
    "tab between": "/\t/evil.example/",
    "newline between": "/\n/evil.example/",
    "carriage return and a header": "/\r\nSet-Cookie: portal_session=planted",
    "null": "/\x00/evil.example/",
    "delete": "/\x7f/evil.example/",
    "tab before": "\t//evil.example/",
    "space before": " //evil.example/",
    "space before a path": " /setup/",
    "fullwidth slashes": "／／evil.example/",
    "a fullwidth slash": "/／evil.example/",
    "division slash": "/∕evil.example/",
    "ideographic full stop": "/evil。example/",
    "line separator": "/\u2028/evil.example/",
    "right to left": "/\u202e/evil.example/",
    "zero width": "/\u200b/evil.example/",
    "no slash": "setup/",
    "only a query": "?next=//evil.example",
    "overlong": "/" + "a" * 4000,
    "nothing": "",
}


def start(browser: Browser, target: "User", next_page: str) -> str:
    """Press Login with ``next`` beside it, and return where that leads."""
    fields = browser.open("/account/password/change/").token | {"next": next_page}
    return lead_of(browser, f"/setup/users/{target.pk}/login-as/", fields)


def sign_in(user: "User", address: str, **carried: str) -> str:
    """Sign in on the login page at ``address`` and return where that leads."""
    browser = Browser()
    page = browser.open(address)
    _, sent_to, fields = page.about_to_press("Log in", Username=user.username, Password=PASSWORD)
    return lead_of(browser, sent_to, fields | carried)


def lead_of(browser: Browser, address: str, fields: "Mapping[str, Any]") -> str:
    _, response = browser.send_once("post", address, fields)
    assert response.status_code == 302, response.content
    return str(response.headers["Location"])


@pytest.mark.parametrize("next_page", PATHS)
def test_start_follows_a_path_on_this_site(
    any_user_login: "Organization", adas: Browser, grace: "User", next_page: str
) -> None:
    assert start(adas, grace, next_page) == next_page


@pytest.mark.parametrize("next_page", TRICKS.values(), ids=TRICKS)
def test_start_follows_nothing_else(
    any_user_login: "Organization", adas: Browser, grace: "User", next_page: str
) -> None:
    assert start(adas, grace, next_page) == "/"


@pytest.mark.parametrize("next_page", PATHS)
def test_sign_in_follows_a_path_on_this_site(grace: "User", next_page: str) -> None:
    query = urlencode({"next": next_page})

    assert sign_in(grace, f"/login/?{query}") == next_page
    assert sign_in(grace, "/login/", next=next_page) == next_page


@pytest.mark.parametrize("next_page", TRICKS.values(), ids=TRICKS)
def test_sign_in_follows_nothing_else(grace: "User", next_page: str) -> None:
    query = urlencode({"next": next_page})

    assert sign_in(grace, f"/login/?{query}") == "/"
    assert sign_in(grace, "/login/", next=next_page) == "/"


@pytest.mark.parametrize("next_page", TRICKS.values(), ids=TRICKS)
def test_login_page_of_other_packages_leads_to_ours_with_a_safe_next_only(
    anonymous: "PortalClient", next_page: str
) -> None:
    to_path = anonymous.get("/account/login/", {"next": "/setup/"})
    elsewhere = anonymous.get("/account/login/", {"next": next_page})

    assert to_path.headers["Location"] == "/login/?next=%2Fsetup%2F"
    assert elsewhere.headers["Location"] == "/login/"
