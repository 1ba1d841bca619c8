"""Settings: the tiles of what one decides oneself."""

import re
from typing import TYPE_CHECKING

from .reading import Answer, html_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from accounts.testing import PortalClient
    from orgs.models import Organization

    Browser = Callable[[], PortalClient]
    ClientOf = Callable[[User], PortalClient]


def tiles_of(response: Answer) -> list[tuple[str, str]]:
    found = re.findall(r'<li class="tile"><h2[^>]*><a href="([^"]*)">([^<]*)<', html_of(response))
    return [(words, url) for url, words in found]


PERSONAL = ("Personal settings", "/settings/personal/")
GRANT = ("Grant Account Login Access", "/settings/login-access/")
PASSWORD = ("Change password", "/account/password/change/")
READ = [
    ("Who can log in as me", "/settings/who-can-log-in/"),
    ("Who logged in as me", "/#visits-heading"),
    ("Your sessions", "/settings/sessions/"),
    ("Login history", "/settings/login-history/"),
]


def test_tiles_lead_to_ones_settings(
    client_of: "ClientOf", browser: "Browser", any_user_login: "Organization", ada: "User", grace: "User"
) -> None:
    inside = browser()
    inside.login_as(grace, actor=ada)

    assert tiles_of(client_of(grace).get("/settings/")) == [PERSONAL, GRANT, *READ, PASSWORD]
    # What is refused inside is not offered there.
    assert tiles_of(inside.get("/settings/")) == READ
    ends = "A visit that goes on can be ended there."
    assert [ends in html_of(one.get("/settings/")) for one in (client_of(grace), inside)] == [True, False]


def test_external_users_have_no_grant_page(client_of: "ClientOf", margaret: "User") -> None:
    assert tiles_of(client_of(margaret).get("/settings/")) == [PERSONAL, *READ, PASSWORD]


def test_every_tile_opens(client_of: "ClientOf", grace: "User") -> None:
    client = client_of(grace)

    assert {client.get(url).status_code for _, url in tiles_of(client.get("/settings/"))} == {200}


def test_menu_leads_to_settings(client_of: "ClientOf", grace: "User") -> None:
    assert '<a href="/settings/">Settings</a>' in html_of(client_of(grace).get("/"))
