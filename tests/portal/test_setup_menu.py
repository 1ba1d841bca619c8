from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.urls import resolve, reverse

from accounts.models import User
from orgs.permissions import Permission
from portal.setup_menu import SETUP_PAGES, SetupPage, clean_query, found_in_words, setup_menu

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from accounts.models import DelegatedGroup


class Holder:
    """Someone who holds these permissions and nothing else."""

    is_delegate = False

    def __init__(self, *permissions: Permission) -> None:
        self.held = permissions

    def has_permission(self, permission: Permission) -> bool:
        return permission in self.held


def labels(person: Holder, query: str = "") -> list[tuple[str, list[str]]]:
    return [(group.label, [page.label for page in group.pages]) for group in setup_menu(person, query=query)]


def test_setup_menu_holds_what_one_may_open() -> None:
    everything = labels(Holder(Permission.VIEW_SETUP, Permission.VIEW_ALL_USERS))
    without_users = labels(Holder(Permission.VIEW_SETUP))
    nothing = labels(Holder())

    assert everything == [
        ("Users", ["Users", "Profiles", "Roles"]),
        ("Security", ["Login Access Policies", "Login Access Grants", "Session Settings", "View Setup Audit Trail"]),
        ("Company Settings", ["Company Information"]),
    ]
    assert without_users == [
        ("Users", ["Profiles", "Roles"]),
        ("Security", ["Login Access Policies", "Session Settings", "View Setup Audit Trail"]),
        everything[2],
    ]
    assert nothing == []


def test_setup_menu_shows_delegated_administration_to_those_who_customize() -> None:
    shown = labels(Holder(Permission.CUSTOMIZE_APPLICATION))

    assert shown == [("Security", ["Delegated Administration"])]


def test_setup_menu_shows_users_to_a_delegate(barbara: "User", sales_group: "DelegatedGroup") -> None:
    def users() -> list[str]:
        return [page.label for page in setup_menu(get_user_model().objects.get(pk=barbara.pk))[0].pages]

    of_a_delegate = users()
    sales_group.delegates.clear()

    assert (of_a_delegate, users()) == (["Users", "Profiles", "Roles"], ["Profiles", "Roles"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("login acc", ["Delegated Administration", "Login Access Grants", "Login Access Policies"]),
        ("LOGIN ACC", ["Delegated Administration", "Login Access Grants", "Login Access Policies"]),
        ("acc log", ["Delegated Administration", "Login Access Grants", "Login Access Policies", "Users"]),
        ("audit", ["View Setup Audit Trail"]),
        ("hierarchy", ["Roles"]),
        ("permissions", ["Profiles"]),
        ("impersonate", ["Impersonations", "Login Access Policies"]),
        ("what was done inside", ["Impersonations"]),
        ("login hist", ["Login History"]),
        ("identity", ["Login History"]),
        ("wrong password", ["Login History"]),
        ("signed in", ["Session Management"]),
        (
            "security",
            [
                "Delegated Administration",
                "Impersonations",
                "Login Access Grants",
                "Login Access Policies",
                "Session Management",
                "Session Settings",
                "View Setup Audit Trail",
            ],
        ),
        ("edition", ["Company Information"]),
        ("ogin", []),
        ("login zebra", []),
        ("%_'\"", []),
    ],
)
def test_quick_find_matches_each_typed_word_with_the_beginning_of_a_word(query: str, found: list[str]) -> None:
    assert sorted(page.label for page in SETUP_PAGES if page.matches(query)) == found


@pytest.mark.parametrize(
    ("path", "current"),
    [("/setup/users/", "page"), ("/setup/users/7/edit/", "true"), ("/setup/company/", ""), ("/setup/", "")],
)
def test_setup_menu_marks_where_one_is(path: str, current: str) -> None:
    (users,) = setup_menu(Holder(Permission.VIEW_ALL_USERS), path=path)[0].pages

    assert (users.url, users.current, users.active) == ("/setup/users/", current, bool(current))


def test_clean_query_orders_spaces_and_cuts() -> None:
    assert clean_query("  login \t acc ") == "login acc"
    assert clean_query("x" * 1000) == "x" * 100


@pytest.mark.parametrize(
    ("pages", "users", "has_more", "words"),
    [
        (0, 0, False, ""),
        (1, 0, False, "1 page"),
        (0, 1, False, "1 user"),
        (2, 3, False, "2 pages and 3 users"),
        (1, 5, True, "1 page and more than 5 users"),
    ],
)
def test_what_was_found_is_counted(
    pages: int,
    users: int,
    has_more: bool,
    words: str,
) -> None:
    assert found_in_words(pages, users, has_more_users=has_more) == words


def test_setup_pages_of_one_group_stand_together() -> None:
    groups = [group.label for group in setup_menu(Holder(*Permission))]

    assert len(groups) == len(set(groups))


@pytest.mark.parametrize("page", SETUP_PAGES, ids=lambda page: page.url_name)
def test_setup_page_asks_for_the_permission_that_shows_its_link(
    page: SetupPage, ada: User, grace: User, client_of: "Callable[[User], Client]"
) -> None:
    url = reverse(page.url_name)

    assert resolve(url).url_name == page.url_name
    assert client_of(ada).get(url).status_code == 200
    assert client_of(grace).get(url).status_code == 403
