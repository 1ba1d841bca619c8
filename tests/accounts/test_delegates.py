"""What a delegated administrator sees, makes and edits, and where that ends."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from accounts.login_access import MORE_THAN_DELEGATED
from accounts.models import DelegatedGroup, Profile, Role, User
from accounts.services.delegated_groups import delete_delegated_group
from accounts.services.guards import NotInOrganization, edits_users, sees_users, visible_to
from accounts.services.users import (
    Delegation,
    NotDelegated,
    UserAct,
    UserDetails,
    create_user,
    delegation_of,
    refusal_of,
    update_user,
)
from orgs.editions import Edition
from orgs.http import Origin
from orgs.permissions import Permission, PermissionMissing
from tests.factories import DelegatedGroupFactory, ProfileFactory, RoleFactory
from tests.origins import origin_of
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from orgs.models import Organization

    Make = Callable[..., User]
    Profiles = dict[str, Profile]
    Roles = dict[str, Role]

OUT_OF_REACH = "is not in reach of a group in which you are a delegated administrator."


def fresh(user: User) -> User:
    """Return a user as another request would."""
    found: User = User.objects.select_related("profile", "organization", "role").get(pk=user.pk)
    return found


def give(user: User, *permissions: Permission) -> User:
    """Give a user a profile that holds these."""
    user.profile = ProfileFactory.create(organization=user.organization, permissions=permissions)
    user.save()
    return fresh(user)


def with_changes(user: User, **changes: Any) -> UserDetails:
    return replace(UserDetails.of(user), **changes)


def new_details(profile: Profile, role: Role | None) -> UserDetails:
    return UserDetails(
        username="mary@acme.example", email="mary@acme.example", last_name="Jackson", profile=profile, role=role
    )


# --- who is one --------------------------------------------------------------------------------------------------


def test_delegate_sees_and_edits_users(barbara: User, grace: User) -> None:
    people = (barbara, grace)

    assert [sees_users(person) for person in people] == [True, False]
    assert [edits_users(person) for person in people] == [True, False]


def test_without_view_setup_a_delegate_is_none(barbara: User, profiles: "Profiles") -> None:
    barbara.profile = profiles["Standard User"]

    assert (sees_users(barbara), edits_users(barbara)) == (False, False)


def test_in_an_edition_that_has_no_delegates_there_are_none(barbara: User) -> None:
    barbara.organization.edition = Edition.PROFESSIONAL

    assert (sees_users(barbara), edits_users(barbara)) == (False, False)


def test_who_holds_the_permission_needs_no_group(hedy: User, audrey: User) -> None:
    assert [sees_users(person) for person in (hedy, audrey)] == [True, True]
    assert [edits_users(person) for person in (hedy, audrey)] == [True, False]


# --- whom one sees -----------------------------------------------------------------------------------------------


def test_delegate_sees_those_in_reach_alone(
    acme: "Organization", barbara: User, rosalind: User, make: "Make", sales_roles: "Roles", stranger: User
) -> None:
    alan = make("Alan", "Turing", "System Administrator", role=sales_roles["Sales Manager"])
    make("Grace", "Hopper", role=sales_roles["Engineering"])
    make("Linus", "Pauling")
    make("Margaret", "Hamilton", "External User", role=sales_roles["Sales Clerk"])

    assert set(visible_to(barbara)) == {rosalind, alan}
    assert set(visible_to(give(barbara, Permission.VIEW_ALL_USERS))) == set(User.objects.filter(organization=acme))


def test_delegate_of_a_group_without_roles_sees_nobody(
    barbara: User, rosalind: User, sales_group: DelegatedGroup
) -> None:
    sales_group.roles.clear()

    assert list(visible_to(barbara)) == []


def test_who_is_no_delegate_sees_nobody(rosalind: User, grace: User) -> None:
    assert list(visible_to(grace)) == []


def test_reach_grows_with_each_group(barbara: User, rosalind: User, make: "Make", sales_roles: "Roles") -> None:
    grace = make("Grace", "Hopper", role=sales_roles["Engineering"])
    DelegatedGroupFactory.create(
        organization=barbara.organization, delegates=[barbara], roles=[sales_roles["Engineering"]]
    )

    with captured_queries() as queries:
        assert set(visible_to(barbara)) == {rosalind, grace}
    assert len(queries) == 3  # is she a delegate, what does she reach, whom


# --- what one may do to whom -------------------------------------------------------------------------------------


def test_delegate_edits_and_does_nothing_else(barbara: User, rosalind: User) -> None:
    refused = {act: refusal_of(act, rosalind, origin=origin_of(barbara)) for act in UserAct}

    assert refused.pop(UserAct.EDIT) is None
    assert {type(refusal) for refusal in refused.values()} == {PermissionMissing}


def test_out_of_reach_is_refused(barbara: User, rosalind: User, sales_roles: "Roles", profiles: "Profiles") -> None:
    def edit() -> Exception | None:
        return refusal_of(UserAct.EDIT, fresh(rosalind), origin=origin_of(barbara))

    assert edit() is None
    for change in ({"role": sales_roles["Engineering"]}, {"role": None}, {"profile": profiles["External User"]}):
        User.objects.filter(pk=rosalind.pk).update(
            **{"role": sales_roles["Sales"], "profile": profiles["Standard User"], **change}
        )
        refusal = edit()
        assert (type(refusal), str(refusal)) == (NotDelegated, f"Rosalind Franklin {OUT_OF_REACH}")


def test_another_organizations_delegate_finds_nobody(barbara: User, stranger: User) -> None:
    assert isinstance(refusal_of(UserAct.EDIT, stranger, origin=origin_of(barbara)), NotInOrganization)


@pytest.mark.parametrize("permission", Permission)
def test_whoever_may_administer_more_is_not_touched(barbara: User, rosalind: User, permission: Permission) -> None:
    rosalind.profile.permission_bits = permission.bit

    refusal = refusal_of(UserAct.EDIT, rosalind, origin=origin_of(barbara))

    climbs = permission in MORE_THAN_DELEGATED
    assert str(refusal) == ("Rosalind Franklin may administer more than you do as a delegate." if climbs else "None")


def test_delegate_does_not_edit_oneself(barbara: User, rosalind: User, sales_roles: "Roles") -> None:
    barbara.role = sales_roles["Sales Clerk"]

    refusal = refusal_of(UserAct.EDIT, barbara, origin=origin_of(barbara))

    assert str(refusal).startswith("A delegated administrator edits others")


def test_reach_at_hand_is_not_asked_for(barbara: User, rosalind: User) -> None:
    assert (barbara.is_delegate, rosalind.role is not None) == (True, True)

    with captured_queries() as queries:
        refusal = refusal_of(UserAct.EDIT, rosalind, origin=origin_of(barbara), reaches=[])

    assert (type(refusal), queries) == (NotDelegated, [])


# --- what one may give -------------------------------------------------------------------------------------------


def test_only_a_delegate_is_limited_by_groups(barbara: User, hedy: User, grace: User, profiles: "Profiles") -> None:
    unlimited = (
        origin_of(hedy),
        origin_of(grace),
        origin_of(give(barbara, Permission.MANAGE_INTERNAL_USERS)),
        Origin.automated("seed_demo"),
    )

    assert [delegation_of(origin) for origin in unlimited] == [None] * 4


def test_delegation_holds_roles_and_profiles_of_all_groups(
    barbara: User, sales_group: DelegatedGroup, sales_roles: "Roles", profiles: "Profiles"
) -> None:
    engineering = sales_roles["Engineering"]
    second = DelegatedGroupFactory.create(
        organization=barbara.organization,
        delegates=[barbara],
        roles=[engineering],
        profiles=[profiles["Standard User"], profiles["Read Only"]],
    )
    # Reaches nobody, so it gives nothing.
    DelegatedGroupFactory.create(
        organization=barbara.organization, delegates=[barbara], profiles=[profiles["User Manager"]]
    )

    delegation = delegation_of(origin_of(barbara))

    assert isinstance(delegation, Delegation)
    assert delegation.paths == (sales_roles["Sales"].path, engineering.path)
    assert delegation.profile_ids == {profiles["Standard User"].pk, profiles["Read Only"].pk}
    assert delegation.profiles[second.pk] == {profiles["Standard User"].pk, profiles["Read Only"].pk}


def test_delegate_creates_a_user_in_reach(
    acme: "Organization", barbara: User, sales_roles: "Roles", profiles: "Profiles"
) -> None:
    details = new_details(profiles["Standard User"], sales_roles["Sales Clerk"])

    mary = create_user(acme, details, origin=origin_of(barbara))

    assert (mary.profile, mary.role, mary.created_by_name) == (
        profiles["Standard User"],
        sales_roles["Sales Clerk"],
        "Barbara Liskov",
    )


NOT_ASSIGNABLE = "is not a profile that you may give as a delegate to users in the role Sales Clerk."


@pytest.mark.parametrize(
    ("profile", "role", "words"),
    [
        ("Standard User", None, "Choose a role that you administer as a delegate."),
        ("Standard User", "Engineering", "Choose a role that you administer as a delegate."),
        ("Read Only", "Sales Clerk", f"Read Only {NOT_ASSIGNABLE}"),
        ("System Administrator", "Sales Clerk", f"System Administrator {NOT_ASSIGNABLE}"),
    ],
)
def test_delegate_gives_what_the_group_has_alone(
    acme: "Organization",
    barbara: User,
    rosalind: User,
    sales_roles: "Roles",
    profiles: "Profiles",
    profile: str,
    role: str | None,
    words: str,
) -> None:
    new = new_details(profiles[profile], sales_roles[role] if role else None)
    changed = with_changes(rosalind, profile=new.profile, role=new.role)

    with pytest.raises(NotDelegated) as in_new:
        create_user(acme, new, origin=origin_of(barbara))
    with pytest.raises(NotDelegated) as in_changed:
        update_user(rosalind, changed, origin=origin_of(barbara))

    for refused in (in_new, in_changed):
        assert (str(refused.value), refused.value.field) == (words, "role" if "role that" in words else "profile")
    assert not User.objects.filter(username="mary@acme.example").exists()


@pytest.mark.parametrize("profile", ["System Administrator", "External User"])
def test_what_a_group_should_not_have_is_never_given(
    acme: "Organization",
    barbara: User,
    sales_group: DelegatedGroup,
    sales_roles: "Roles",
    profiles: "Profiles",
    profile: str,
) -> None:
    sales_group.profiles.add(profiles[profile], profiles["Read Only"])
    role = sales_roles["Sales Clerk"]

    with pytest.raises(NotDelegated, match="is not a profile that you may give"):
        create_user(acme, new_details(profiles[profile], role), origin=origin_of(barbara))

    assert create_user(acme, new_details(profiles["Read Only"], role), origin=origin_of(barbara)).role == role


def test_profile_comes_from_a_group_that_reaches_the_new_role(
    barbara: User, rosalind: User, sales_roles: "Roles", profiles: "Profiles"
) -> None:
    DelegatedGroupFactory.create(
        organization=barbara.organization,
        delegates=[barbara],
        roles=[sales_roles["Engineering"]],
        profiles=[profiles["Read Only"]],
    )
    wanted = with_changes(rosalind, profile=profiles["Read Only"])

    with pytest.raises(NotDelegated, match="to users in the role Sales Clerk"):
        update_user(rosalind, wanted, origin=origin_of(barbara))

    moved = update_user(rosalind, replace(wanted, role=sales_roles["Engineering"]), origin=origin_of(barbara))
    assert (moved.profile, moved.role) == (profiles["Read Only"], sales_roles["Engineering"])


def test_profile_that_a_user_has_is_kept(
    barbara: User, rosalind: User, sales_roles: "Roles", profiles: "Profiles"
) -> None:
    rosalind.profile = profiles["Read Only"]
    rosalind.save()

    saved = update_user(
        rosalind, with_changes(rosalind, alias="rosa", role=sales_roles["Sales"]), origin=origin_of(barbara)
    )

    assert (saved.alias, saved.profile, saved.role) == ("rosa", profiles["Read Only"], sales_roles["Sales"])


def test_where_a_role_stands_now_decides(
    acme: "Organization", barbara: User, sales_roles: "Roles", profiles: "Profiles"
) -> None:
    stale = Role.objects.get(pk=sales_roles["Sales Clerk"].pk)
    Role.objects.move(Role.objects.get(pk=stale.pk), Role.objects.get(name="Engineering"), "last-child")

    with pytest.raises(NotDelegated, match="Choose a role"):
        create_user(acme, new_details(profiles["Standard User"], stale), origin=origin_of(barbara))


def test_delegate_of_a_group_that_is_gone_is_none(ada: User, barbara: User, rosalind: User) -> None:
    known = fresh(barbara)
    assert known.is_delegate
    delete_delegated_group(DelegatedGroup.objects.get(), origin=origin_of(ada))

    # By what one request knew, and by what the next does.
    with pytest.raises(NotDelegated, match="not in reach"):
        update_user(rosalind, with_changes(rosalind, alias="rosa"), origin=origin_of(known))
    with pytest.raises(PermissionMissing):
        update_user(rosalind, with_changes(rosalind, alias="rosa"), origin=origin_of(fresh(barbara)))


def test_who_may_not_create_users_does_not(acme: "Organization", audrey: User, profiles: "Profiles") -> None:
    with pytest.raises(PermissionMissing, match="Manage Internal Users"):
        create_user(acme, new_details(profiles["Standard User"], None), origin=origin_of(audrey))


def test_another_organizations_role_is_unknown_to_a_delegate(
    acme: "Organization", barbara: User, profiles: "Profiles"
) -> None:
    with pytest.raises(NotInOrganization):
        create_user(acme, new_details(profiles["Standard User"], RoleFactory.create()), origin=origin_of(barbara))
