"""Permissions: bits, needs, and the gates."""

from typing import TYPE_CHECKING

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from orgs.permissions import (
    ADMINISTRATOR,
    ADMINISTRATOR_BITS,
    PERMISSION_GROUPS,
    Permission,
    PermissionMissing,
    RefusedInside,
    from_bits,
    in_order,
    needing,
    permission_required,
    refused_inside,
    to_bits,
    with_needs,
)

if TYPE_CHECKING:
    from django.http import HttpRequest

    from accounts.models import User

P = Permission

# What ticking each one ticks, itself aside.
NEEDED = {
    P.VIEW_SETUP: set(),
    P.VIEW_ALL_USERS: {P.VIEW_SETUP},
    P.MANAGE_INTERNAL_USERS: {P.VIEW_ALL_USERS, P.VIEW_SETUP},
    P.RESET_USER_PASSWORDS: {P.VIEW_ALL_USERS, P.VIEW_SETUP},
    P.FREEZE_USERS: {P.VIEW_ALL_USERS, P.VIEW_SETUP},
    P.MANAGE_PROFILES: {P.VIEW_SETUP},
    P.MANAGE_ROLES: {P.VIEW_SETUP},
    P.MANAGE_LOGIN_ACCESS_POLICIES: {P.VIEW_SETUP},
    P.MONITOR_LOGIN_HISTORY: {P.VIEW_ALL_USERS, P.VIEW_SETUP},
    P.MANAGE_USERS: {
        P.VIEW_SETUP,
        P.VIEW_ALL_USERS,
        P.MANAGE_INTERNAL_USERS,
        P.RESET_USER_PASSWORDS,
        P.FREEZE_USERS,
        P.MANAGE_PROFILES,
        P.MANAGE_ROLES,
        P.MANAGE_LOGIN_ACCESS_POLICIES,
        P.MONITOR_LOGIN_HISTORY,
    },
    P.CUSTOMIZE_APPLICATION: {P.VIEW_SETUP},
    P.VIEW_ALL_DATA: set(),
    P.MODIFY_ALL_DATA: {P.VIEW_ALL_DATA},
}


@pytest.mark.parametrize("permission", Permission)
def test_needs_are_followed_to_the_end(permission: Permission) -> None:
    assert with_needs({permission}) == {permission} | NEEDED[permission]


def test_needs_of_several_are_put_together() -> None:
    assert with_needs({P.MODIFY_ALL_DATA, P.MANAGE_ROLES}) == {
        P.MODIFY_ALL_DATA,
        P.VIEW_ALL_DATA,
        P.MANAGE_ROLES,
        P.VIEW_SETUP,
    }


def test_every_permission_has_a_bit_of_its_own_that_never_changes() -> None:
    assert {permission.value: permission.bit for permission in Permission} == {
        "view_setup": 1,
        "view_all_users": 2,
        "manage_internal_users": 4,
        "reset_user_passwords": 8,
        "freeze_users": 16,
        "manage_profiles": 32,
        "manage_roles": 64,
        "manage_login_access_policies": 128,
        "monitor_login_history": 256,
        "manage_users": 512,
        "customize_application": 1024,
        "view_all_data": 2048,
        "modify_all_data": 4096,
    }


@pytest.mark.parametrize("permissions", [frozenset(), {P.VIEW_SETUP}, ADMINISTRATOR, frozenset(Permission)])
def test_bits_stand_for_the_permissions_they_were_made_of(permissions: frozenset[Permission]) -> None:
    assert from_bits(to_bits(permissions)) == permissions


@pytest.mark.parametrize(
    ("permission", "among", "needing_it"),
    [
        (P.VIEW_SETUP, {P.FREEZE_USERS, P.VIEW_ALL_DATA, P.VIEW_SETUP}, (P.FREEZE_USERS,)),
        (P.FREEZE_USERS, {P.MODIFY_ALL_DATA, P.MANAGE_USERS, P.VIEW_SETUP}, (P.MANAGE_USERS,)),
        (P.VIEW_ALL_USERS, {P.MANAGE_USERS, P.FREEZE_USERS}, (P.FREEZE_USERS, P.MANAGE_USERS)),
        (P.MANAGE_USERS, frozenset(Permission), ()),
        (P.VIEW_SETUP, (), ()),
    ],
)
def test_needing_follows_needs_and_answers_in_order(
    permission: Permission, among: set[Permission], needing_it: tuple[Permission, ...]
) -> None:
    assert needing(permission, among) == needing_it


def test_every_permission_stands_in_one_group_after_what_it_needs_there() -> None:
    grouped = [permission for _, permissions in PERMISSION_GROUPS for permission in permissions]

    assert sorted(grouped) == sorted(Permission)
    assert all(permissions == in_order(permissions) for _, permissions in PERMISSION_GROUPS)


def test_administrators_hold_salesforces_pair() -> None:
    assert {P.MODIFY_ALL_DATA, P.MANAGE_USERS} == ADMINISTRATOR
    assert ADMINISTRATOR_BITS == 4096 + 512


def test_every_permission_says_what_it_lets_one_do() -> None:
    described = [permission.description for permission in Permission]

    assert len(set(described)) == len(Permission)
    assert all(words.endswith(".") for words in described)


# --- gates -------------------------------------------------------------------------------------------------------


@permission_required(P.VIEW_SETUP, P.VIEW_ALL_USERS)
def users_page(request: "HttpRequest", number: int) -> HttpResponse:
    return HttpResponse(f"page {number}")


def request_of(user: "User") -> "HttpRequest":
    request = RequestFactory().get("/")
    request.user = user
    return request


def test_whoever_holds_all_permissions_passes_the_gate(audrey: "User") -> None:
    assert users_page(request_of(audrey), 3).content == b"page 3"


def test_whoever_lacks_one_does_not_and_is_told_which(grace: "User") -> None:
    with pytest.raises(PermissionMissing) as refused:
        users_page(request_of(grace), 3)

    assert str(refused.value) == (
        "You need View Setup and Configuration and View All Users on your profile. Ask your administrator."
    )
    assert refused.value.permissions == (P.VIEW_SETUP, P.VIEW_ALL_USERS)


def test_a_gate_shows_what_it_asks_for() -> None:
    assert users_page.permissions_required == (P.VIEW_SETUP, P.VIEW_ALL_USERS)  # type: ignore[attr-defined]


def test_refused_inside_marks_the_view_and_leaves_it_as_it_is() -> None:
    def view(request: "HttpRequest") -> HttpResponse:
        return HttpResponse("done")

    marked = refused_inside(view)

    assert marked is view
    assert view.refused_inside is True  # type: ignore[attr-defined]


def test_refused_inside_names_the_account_to_log_out_of() -> None:
    assert str(RefusedInside("Grace Hopper")) == (
        "This is not available while you are logged in as Grace Hopper. Log out as Grace Hopper first."
    )
