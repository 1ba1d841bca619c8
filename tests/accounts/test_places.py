"""Where a page says that it stands, and what a list says of an address that asks for what is not there."""

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.factories import DelegatedGroupFactory, RoleFactory

from .reading import html_of, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from accounts.testing import PortalClient
    from orgs.models import Organization

    ClientOf = Callable[[User], PortalClient]

LIST = "/setup/users/?view=active"


def crumbs(page: str) -> list[tuple[str, str]]:
    """Return the breadcrumbs, each with where it leads."""
    found = re.search(r'<nav class="crumbs" aria-label="Breadcrumb">(.*?)</nav>', page, re.DOTALL)
    assert found
    items = re.findall(r"<li[^>]*>(.*?)</li>", found[1], re.DOTALL)
    return [(words_of(one), "".join(re.findall(r'href="([^"]*)"', one))) for one in items]


@pytest.mark.parametrize(
    ("path", "here"),
    [
        ("edit/", "Edit"),
        ("summary/", "Summary"),
        ("deactivate/", "Deactivate"),
        ("who-can-log-in/", "Who can log in"),
        ("ask-for-access/", "Ask for access"),
    ],
)
def test_pages_of_a_user_stand_below_the_user_and_the_list_as_it_was_left(
    client_of: "ClientOf", acme: "Organization", ada: "User", grace: "User", path: str, here: str
) -> None:
    acme.provisioned = True
    acme.save()
    back = urlencode({"back": LIST})

    page = html_of(client_of(ada).get(f"/setup/users/{grace.pk}/{path}?{back}"))

    assert crumbs(page) == [
        ("Setup", "/setup/"),
        ("Users", LIST),
        ("Grace Hopper", f"/setup/users/{grace.pk}/?{back}"),
        (here, ""),
    ]


def test_pages_of_other_things_stand_below_the_thing_and_its_list(
    client_of: "ClientOf", acme: "Organization", ada: "User", grace: "User"
) -> None:
    role, group = RoleFactory.create(organization=acme), DelegatedGroupFactory.create(organization=acme)
    client, profile = client_of(ada), grace.profile
    roles, groups, place = "/setup/roles/", "/setup/delegated-groups/", f"?role={role.pk}#role-{role.pk}"
    paths = [
        f"{roles}{role.pk}/edit/",
        f"{roles}{role.pk}/delete/",
        f"{groups}{group.pk}/",
        f"{groups}{group.pk}/delete/",
    ]

    found = [crumbs(html_of(client.get(path)))[2:] for path in paths]
    clone = crumbs(html_of(client.get(f"/setup/profiles/new/?from={profile.pk}")))[2:]
    new = crumbs(html_of(client.get("/setup/profiles/new/?from=bogus")))[2:]

    assert found == [
        [("Roles", roles), (role.name, f"{roles}{place}"), ("Edit", "")],
        [("Roles", roles), (role.name, f"{roles}{place}"), ("Delete", "")],
        [("Delegated Administration", groups), (group.name, ""), ("Edit", "")],
        [("Delegated Administration", groups), (group.name, ""), ("Delete", "")],
    ]
    page = ("Standard User", f"/setup/profiles/{profile.pk}/")
    assert clone == [("Profiles", "/setup/profiles/"), page, ("Clone", "")]
    assert new == [("Profiles", "/setup/profiles/"), ("New profile", "")]


def test_users_list_is_called_as_its_group_once(client_of: "ClientOf", ada: "User") -> None:
    assert crumbs(html_of(client_of(ada).get("/setup/users/"))) == [("Setup", "/setup/"), ("Users", "")]


def warnings_of(page: str) -> list[str]:
    return [words_of(one) for one in re.findall(r'<p class="alert alert-warning">(.*?)</p>', page)]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", []),
        ("view=all&sort=-name&letter=A&columns=email", []),
        ("view=bogus", ["There is no such view as this address asks for. Everyone is listed."]),
        ("letter=7", ["There is no such letter as this address asks for. The list is not narrowed by it."]),
        (
            "profile=999999&role=x",
            [
                "The profile in this address is not there, or not any more. The list is not narrowed by it.",
                "The role in this address is not there, or not any more. The list is not narrowed by it.",
            ],
        ),
        ("sort=bogus", ["There is no such order as this address asks for. The list is sorted by name."]),
        ("columns=all", []),
        ("columns=email,bogus", ["There is no such column as this address asks for."]),
    ],
)
def test_users_list_says_what_it_leaves_out_of_an_address(
    client_of: "ClientOf", ada: "User", query: str, words: list[str]
) -> None:
    assert warnings_of(html_of(client_of(ada).get(f"/setup/users/?{query}"))) == words


def test_other_lists_say_so_too(client_of: "ClientOf", ada: "User") -> None:
    client, role = client_of(ada), RoleFactory.create(organization=ada.organization)
    paths = [
        *("/setup/login-access-grants/?grantee=7x", "/setup/login-access-grants/?grantee=company"),
        *("/setup/roles/?role=999999", f"/setup/roles/?role={role.pk}"),
    ]

    assert [warnings_of(html_of(client.get(path))) for path in paths] == [
        ["The grantee in this address is not there, or not any more. The list is not narrowed by it."],
        [],
        ["The role in this address is not there, or not any more."],
        [],
    ]
