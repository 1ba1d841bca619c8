"""Delegated groups: who may change them, what is refused, what the trail keeps, and which visits end."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from accounts.enums import EndCause
from accounts.models import DelegatedGroup, Impersonation, Profile, Role, User
from accounts.services.delegated_groups import (
    GroupChangedMeanwhile,
    GroupDetails,
    GroupRefused,
    NoDelegatedAdministration,
    create_delegated_group,
    delete_delegated_group,
    update_delegated_group,
)
from accounts.services.guards import NotInOrganization
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import AuditEvent
from orgs.permissions import Permission, PermissionMissing, RefusedToGuest
from tests.factories import DelegatedGroupFactory, ProfileFactory, RoleFactory
from tests.origins import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient
    from orgs.models import Organization

    Make = Callable[..., User]

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def guest(actor: User, target: User) -> Origin:
    """Return where what ``actor``, no administrator, does while logged in as ``target`` comes from."""
    return Origin(user=target, actor=actor, impersonation_id=1, is_limited=True)


def events() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    rows = AuditEvent.objects.filter(action__startswith="delegated_group.").order_by("id")
    return [(event.sentence, event.before, event.after) for event in rows]


def faults_of(error: "pytest.ExceptionInfo[GroupRefused]") -> list[tuple[str, str]]:
    return list(error.value.faults)


@pytest.fixture
def details(barbara: User, sales_roles: dict[str, Role], profiles: dict[str, Profile]) -> GroupDetails:
    """A group that may be made."""
    return GroupDetails(
        name="Clerks",
        delegates=frozenset({barbara}),
        roles=frozenset({sales_roles["Sales Clerk"], sales_roles["Engineering"]}),
        profiles=frozenset({profiles["Standard User"]}),
        login_access=True,
    )


# --- create ------------------------------------------------------------------------------------------------------


def test_group_is_created_with_its_row_of_the_trail(acme: "Organization", ada: User, details: GroupDetails) -> None:
    group = create_delegated_group(acme, details, origin=origin_of(ada), at=AT)

    stored = DelegatedGroup.objects.get(pk=group.pk)
    assert (GroupDetails.of(stored), stored.version, stored.created_at, stored.created_by_name) == (
        details,
        1,
        AT,
        "Ada Lovelace",
    )
    assert events() == [
        (
            "Created delegated group Clerks",
            {},
            {
                "name": "Clerks",
                "delegates": ["Barbara Liskov"],
                "roles": ["Engineering", "Sales Clerk"],
                "profiles": ["Standard User"],
                "login_access": True,
            },
        )
    ]


def test_changing_groups_needs_customize_application(
    acme: "Organization", hedy: User, details: GroupDetails, sales_group: DelegatedGroup
) -> None:
    for act in acts(acme, details, sales_group):
        with pytest.raises(PermissionMissing, match="Customize Application"):
            act(origin_of(hedy))

    assert events() == []


def test_groups_of_another_organization_are_not_found(
    acme: "Organization", stranger: User, details: GroupDetails, sales_group: DelegatedGroup
) -> None:
    stranger.profile = ProfileFactory.create(organization=stranger.organization, permissions=tuple(Permission))

    for act in acts(acme, details, sales_group):
        with pytest.raises(NotInOrganization):
            act(origin_of(stranger))


def test_guest_of_a_visit_changes_no_group(
    acme: "Organization", ada: User, barbara: User, details: GroupDetails, sales_group: DelegatedGroup
) -> None:
    inside = guest(barbara, ada)

    for act in acts(acme, details, sales_group):
        with pytest.raises(RefusedToGuest):
            act(inside)
        # An administrator's visit is no guest's.
    create_delegated_group(acme, details, origin=replace(inside, is_limited=False))


def acts(acme: "Organization", details: GroupDetails, group: DelegatedGroup) -> "list[Callable[[Origin], object]]":
    return [
        lambda origin: create_delegated_group(acme, details, origin=origin),
        lambda origin: update_delegated_group(group, details, version=1, origin=origin),
        lambda origin: delete_delegated_group(group, origin=origin),
    ]


def test_edition_without_delegated_administration_saves_no_group(
    acme: "Organization", ada: User, details: GroupDetails, sales_group: DelegatedGroup
) -> None:
    acme.edition = Edition.PROFESSIONAL
    acme.save()
    create, update, delete = acts(acme, details, sales_group)

    for act in (create, update):
        with pytest.raises(NoDelegatedAdministration, match=r"Professional Edition .* Enterprise, Performance, Unlim"):
            act(origin_of(ada))

    # To tidy up is allowed.
    delete(origin_of(ada))
    assert DelegatedGroup.objects.count() == 0


# --- what may be in a group --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "   ", "\u2800"])
def test_group_needs_a_name(acme: "Organization", ada: User, details: GroupDetails, name: str) -> None:
    with pytest.raises(GroupRefused) as refused:
        create_delegated_group(acme, replace(details, name=name), origin=origin_of(ada))

    assert faults_of(refused) == [("name", "Give the group a name.")]


def test_name_is_unique_in_an_organization_and_ignores_case(
    acme: "Organization", ada: User, details: GroupDetails, sales_group: DelegatedGroup
) -> None:
    DelegatedGroupFactory.create(name="Clerks")
    create_delegated_group(acme, details, origin=origin_of(ada))

    for act in (
        lambda: create_delegated_group(acme, replace(details, name="CLERKS"), origin=origin_of(ada)),
        lambda: update_delegated_group(
            sales_group, replace(GroupDetails.of(sales_group), name="clerks"), version=1, origin=origin_of(ada)
        ),
    ):
        with pytest.raises(GroupRefused) as refused:
            act()
        assert faults_of(refused) == [("name", "A delegated group of this name is there already.")]
    assert [sentence for sentence, _, _ in events()] == ["Created delegated group Clerks"]


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_saved(
    acme: "Organization",
    ada: User,
    katherine: User,
    margaret: User,
    grace: User,
    barbara: User,
    sales_roles: dict[str, Role],
    profiles: dict[str, Profile],
) -> None:
    before = DelegatedGroup.objects.count()
    wrong = GroupDetails(
        name="",
        delegates=frozenset({barbara, katherine, margaret, grace}),
        roles=frozenset(sales_roles.values()),
        profiles=frozenset(profiles.values()),
    )

    with pytest.raises(GroupRefused) as refused:
        create_delegated_group(acme, wrong, origin=origin_of(ada))

    needs = "needs View Setup and Configuration on the profile Standard User to be a delegated administrator."
    assert faults_of(refused) == [
        ("name", "Give the group a name."),
        ("delegates", f"Grace Hopper {needs}"),
        ("delegates", "Katherine Johnson is inactive. Only active users can be delegated administrators."),
        ("delegates", "Margaret Hamilton is an external user. External users are no delegated administrators."),
        ("roles", "Sales Manager is below Sales, which is in this group already with everything below it."),
        ("roles", "Sales Clerk is below Sales, which is in this group already with everything below it."),
        ("profiles", "External User is a profile of external users, who are in no group's reach."),
        ("profiles", "System Administrator holds Modify All Data, which no delegated administrator hands out."),
    ]
    assert str(refused.value).startswith("Give the group a name. Grace Hopper needs")
    assert (DelegatedGroup.objects.count(), events()) == (before, [])


@pytest.mark.parametrize("name", ["delegates", "roles", "profiles"])
def test_what_is_another_organizations_is_not_found(
    acme: "Organization", ada: User, stranger: User, details: GroupDetails, name: str
) -> None:
    foreign = {"delegates": stranger, "roles": RoleFactory.create(), "profiles": stranger.profile}[name]
    wrong = replace(details, **{name: getattr(details, name) | {foreign}})

    with pytest.raises(NotInOrganization):
        create_delegated_group(acme, wrong, origin=origin_of(ada))
    create_delegated_group(acme, details, origin=origin_of(ada))


def test_what_a_group_has_already_keeps_nobody_from_saving(
    ada: User, barbara: User, sales_group: DelegatedGroup, profiles: dict[str, Profile], sales_roles: dict[str, Role]
) -> None:
    sales_group.roles.add(sales_roles["Sales Clerk"])
    sales_group.profiles.add(profiles["System Administrator"])
    User.objects.filter(pk=barbara.pk).update(is_active=False)
    had = GroupDetails.of(sales_group)

    saved = update_delegated_group(
        sales_group, replace(had, login_access=False), version=1, origin=origin_of(ada), at=AT
    )

    assert (saved.group.login_access, saved.group.login_access_lost_at) == (False, AT)
    with pytest.raises(GroupRefused, match="Sales Clerk is below Sales"):
        update_delegated_group(
            sales_group,
            replace(had, roles=had.roles | {sales_roles["Engineering"]}),
            version=2,
            origin=origin_of(ada),
        )


# --- change ------------------------------------------------------------------------------------------------------


def test_change_is_written_with_what_was_and_what_is(
    ada: User, alan: User, sales_group: DelegatedGroup, sales_roles: dict[str, Role]
) -> None:
    had = GroupDetails.of(sales_group)
    wanted = replace(had, name="Engineers", roles=frozenset({sales_roles["Engineering"]}), login_access=False)

    saved = update_delegated_group(sales_group, wanted, version=1, origin=origin_of(ada), at=AT)

    stored = DelegatedGroup.objects.get()
    assert (GroupDetails.of(stored), stored.version, stored.modified_at, stored.modified_by_name) == (
        wanted,
        2,
        AT,
        "Ada Lovelace",
    )
    assert (saved.group, saved.visits_ended) == (stored, 0)
    assert events() == [
        (
            "Changed delegated group Engineers",
            {"name": "Sales people", "roles": ["Sales"], "login_access": True},
            {"name": "Engineers", "roles": ["Engineering"], "login_access": False},
        )
    ]


def test_save_that_changes_nothing_writes_nothing(ada: User, sales_group: DelegatedGroup) -> None:
    saved = update_delegated_group(sales_group, GroupDetails.of(sales_group), version=1, origin=origin_of(ada))

    assert (saved.group.version, events()) == (1, [])


def test_second_of_two_who_save_at_once_is_told(ada: User, alan: User, sales_group: DelegatedGroup) -> None:
    had = GroupDetails.of(sales_group)
    update_delegated_group(sales_group, replace(had, name="First"), version=1, origin=origin_of(alan))

    with pytest.raises(GroupChangedMeanwhile, match="Alan Turing changed First meanwhile") as changed:
        update_delegated_group(sales_group, replace(had, name="Second"), version=1, origin=origin_of(ada))

    assert (changed.value.group.name, changed.value.group.version) == ("First", 2)
    update_delegated_group(sales_group, replace(had, name="Second"), version=2, origin=origin_of(ada))


def test_group_that_was_deleted_meanwhile_is_not_found(ada: User, sales_group: DelegatedGroup) -> None:
    had = GroupDetails.of(sales_group)
    delete_delegated_group(DelegatedGroup.objects.get(), origin=origin_of(ada))

    with pytest.raises(NotInOrganization):
        update_delegated_group(sales_group, replace(had, name="Late"), version=1, origin=origin_of(ada))
    with pytest.raises(NotInOrganization):
        delete_delegated_group(sales_group, origin=origin_of(ada))


def test_group_is_deleted_with_its_row_of_the_trail(ada: User, sales_group: DelegatedGroup) -> None:
    assert delete_delegated_group(sales_group, origin=origin_of(ada)) == 0

    assert DelegatedGroup.objects.count() == 0
    assert events() == [
        (
            "Deleted delegated group Sales people",
            {
                "name": "Sales people",
                "delegates": ["Barbara Liskov"],
                "roles": ["Sales"],
                "profiles": ["Standard User"],
                "login_access": True,
            },
            {},
        )
    ]


# --- visits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"delegates": frozenset()}, EndCause.DELEGATE_REMOVED),
        ({"login_access": False}, EndCause.DELEGATE_REMOVED),
        ({"roles": frozenset()}, EndCause.OUT_OF_REACH),
        ({"name": "Another name"}, ""),
        ({"profiles": frozenset()}, ""),
        (None, EndCause.DELEGATE_REMOVED),
    ],
)
def test_visits_end_with_what_they_rest_on(
    any_user_login: "Organization",
    ada: User,
    barbara: User,
    rosalind: User,
    sales_group: DelegatedGroup,
    browser: "Callable[[], PortalClient]",
    change: dict[str, Any] | None,
    cause: str,
) -> None:
    by_ada = browser().login_as(rosalind, actor=ada)
    by_barbara = browser().login_as(rosalind, actor=barbara)
    assert by_barbara.group_id == sales_group.pk

    if change is None:
        ended = delete_delegated_group(sales_group, origin=origin_of(ada))
    else:
        details = replace(GroupDetails.of(sales_group), **change)
        ended = update_delegated_group(sales_group, details, version=1, origin=origin_of(ada)).visits_ended

    ends = dict(Impersonation.objects.values_list("pk", "end_cause"))
    assert (ended, ends) == (int(bool(cause)), {by_ada.pk: "", by_barbara.pk: cause})
    # Barbara is back in her own session.
    assert barbara.sessions.live().count() == 1
    by_barbara.refresh_from_db()
    assert by_barbara.ended_by == (ada if cause else None)
