"""The tree of roles: who may change it, and what it refuses."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError

from accounts.enums import EndCause
from accounts.models import Impersonation, Role
from accounts.services.guards import NameTaken, NotInOrganization
from accounts.services.roles import (
    LEVELS,
    RoleBelowItself,
    RoleInUse,
    RoleTooDeep,
    change_role,
    create_role,
    delete_role,
    move_role,
    placed,
    rename_role,
)
from orgs.http import Origin
from orgs.models import AuditEvent
from orgs.permissions import PermissionMissing, RefusedToGuest
from tests.factories import DelegatedGroupFactory, RoleFactory
from tests.origins import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from accounts.testing import PortalClient
    from orgs.models import Organization


def tree_of(organization: "Organization") -> list[tuple[int, str]]:
    roles = Role.objects.filter(organization=organization).order_by("path")
    return [(role.depth, role.name) for role in roles]


def trail() -> list[tuple[str, dict[str, str], dict[str, str]]]:
    return [(event.sentence, event.before, event.after) for event in AuditEvent.objects.order_by("id")]


def test_role_is_created_at_the_top_and_below_another(acme: "Organization", ada: "User") -> None:
    sales = create_role(acme, name="Sales", origin=origin_of(ada))
    create_role(acme, name="Sales Rep", parent=sales, origin=origin_of(ada))

    assert tree_of(acme) == [(1, "Sales"), (2, "Sales Rep")]
    assert trail() == [
        ("Created role Sales", {}, {"name": "Sales", "below": ""}),
        ("Created role Sales Rep", {}, {"name": "Sales Rep", "below": "Sales"}),
    ]


def test_role_is_not_created_without_manage_roles(acme: "Organization", audrey: "User") -> None:
    with pytest.raises(PermissionMissing, match="Manage Roles"):
        create_role(acme, name="Sales", origin=origin_of(audrey))

    assert tree_of(acme) == []


def test_role_is_not_created_below_another_organizations(acme: "Organization", ada: "User") -> None:
    elsewhere = RoleFactory.create(name="Elsewhere")

    with pytest.raises(NotInOrganization):
        create_role(acme, name="Sales", parent=elsewhere, origin=origin_of(ada))


def test_role_is_not_created_in_another_organization(ada: "User", stranger: "User") -> None:
    with pytest.raises(NotInOrganization):
        create_role(stranger.organization, name="Sales", origin=origin_of(ada))


def test_name_is_unique_in_an_organization_and_ignores_case(acme: "Organization", ada: "User") -> None:
    RoleFactory.create(name="Sales")
    create_role(acme, name="Sales", origin=origin_of(ada))

    with pytest.raises(NameTaken):
        create_role(acme, name="sALES", origin=origin_of(ada))


def test_role_is_renamed(acme: "Organization", ada: "User") -> None:
    role = RoleFactory.create(organization=acme, name="Sales")

    renamed = rename_role(role, name="SALES", origin=origin_of(ada))
    rename_role(renamed, name="SALES", origin=origin_of(ada))

    assert tree_of(acme) == [(1, "SALES")]
    assert trail() == [("Changed role SALES", {"name": "Sales"}, {"name": "SALES"})]


def test_role_is_not_renamed_to_a_name_that_is_taken(acme: "Organization", ada: "User") -> None:
    RoleFactory.create(organization=acme, name="Support")
    role = RoleFactory.create(organization=acme, name="Sales")

    with pytest.raises(NameTaken, match="A role of this name is there already"):
        rename_role(role, name="support", origin=origin_of(ada))


def test_role_moves_with_everything_below_it(acme: "Organization", ada: "User") -> None:
    sales, support = (RoleFactory.create(organization=acme, name=name) for name in ("Sales", "Support"))
    manager = RoleFactory.create(organization=acme, name="Manager", parent=sales)
    RoleFactory.create(organization=acme, name="Rep", parent=manager)

    move_role(manager, parent=support, origin=origin_of(ada))

    assert tree_of(acme) == [(1, "Sales"), (1, "Support"), (2, "Manager"), (3, "Rep")]
    assert trail() == [("Changed role Manager", {"below": "Sales"}, {"below": "Support"})]


def test_role_moves_to_the_top(acme: "Organization", ada: "User") -> None:
    sales = RoleFactory.create(organization=acme, name="Sales")
    manager = RoleFactory.create(organization=acme, name="Manager", parent=sales)

    moved = move_role(manager, parent=None, origin=origin_of(ada))
    move_role(moved, parent=None, origin=origin_of(ada))

    assert tree_of(acme) == [(1, "Sales"), (1, "Manager")]
    assert trail() == [("Changed role Manager", {"below": "Sales"}, {"below": ""})]


@pytest.mark.parametrize("below", ["Sales", "Manager"])
def test_role_never_moves_below_itself(acme: "Organization", ada: "User", below: str) -> None:
    sales = RoleFactory.create(organization=acme, name="Sales")
    RoleFactory.create(organization=acme, name="Manager", parent=sales)

    with pytest.raises(RoleBelowItself, match=f"Sales cannot be moved below {below}"):
        move_role(sales, parent=Role.objects.get(name=below), origin=origin_of(ada))

    assert tree_of(acme) == [(1, "Sales"), (2, "Manager")]


def test_role_does_not_move_below_another_organizations(acme: "Organization", ada: "User") -> None:
    role, elsewhere = RoleFactory.create(organization=acme), RoleFactory.create()

    with pytest.raises(NotInOrganization):
        move_role(role, parent=elsewhere, origin=origin_of(ada))


def test_tree_has_a_last_level(acme: "Organization", ada: "User") -> None:
    deep: list[Role] = []
    for _ in range(LEVELS):
        deep.append(RoleFactory.create(organization=acme, parent=deep[-1] if deep else None))
    sales = RoleFactory.create(organization=acme, name="Sales")
    RoleFactory.create(organization=acme, name="Manager", parent=sales)

    with pytest.raises(RoleTooDeep, match="There are at most 63 levels"):
        create_role(acme, name="Deeper", parent=deep[-1], origin=origin_of(ada))
    with pytest.raises(RoleTooDeep):
        # It would fit, and what is below it would not.
        move_role(sales, parent=deep[-2], origin=origin_of(ada))
    move_role(sales, parent=deep[-3], origin=origin_of(ada))

    assert Role.objects.get(name="Manager").depth == 63


def test_role_is_moved_and_renamed_or_neither(acme: "Organization", ada: "User", sales_roles: dict[str, Role]) -> None:
    clerk, engineering = sales_roles["Sales Clerk"], sales_roles["Engineering"]

    with pytest.raises(NameTaken):
        change_role(clerk, name="Sales", parent=engineering, origin=origin_of(ada))
    before = tree_of(acme)
    change_role(clerk, name="Tester", parent=engineering, origin=origin_of(ada))

    assert before == [(1, "Sales"), (2, "Sales Manager"), (3, "Sales Clerk"), (1, "Engineering")]
    assert tree_of(acme) == [(1, "Sales"), (2, "Sales Manager"), (1, "Engineering"), (2, "Tester")]
    assert trail() == [
        ("Changed role Sales Clerk", {"below": "Sales Manager"}, {"below": "Engineering"}),
        ("Changed role Tester", {"name": "Sales Clerk"}, {"name": "Tester"}),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(("failures", "is_made"), [(2, True), (3, False)])
def test_place_in_the_tree_that_was_taken_meanwhile_is_looked_for_again(failures: int, *, is_made: bool) -> None:
    attempts: list[int] = []

    def place() -> Role:
        attempts.append(1)
        if len(attempts) <= failures:
            raise IntegrityError
        return Role(name="Sales")

    if is_made:
        assert placed(place).name == "Sales"
    else:
        with pytest.raises(IntegrityError):
            placed(place)
    assert len(attempts) == 3


@pytest.mark.parametrize(("to", "cause"), [("Engineering", EndCause.OUT_OF_REACH), ("Sales", "")])
def test_move_out_of_a_delegates_reach_ends_the_visit(
    any_user_login: "Organization",
    ada: "User",
    barbara: "User",
    rosalind: "User",
    sales_roles: dict[str, Role],
    browser: "Callable[[], PortalClient]",
    to: str,
    cause: str,
) -> None:
    browser().login_as(rosalind, actor=barbara)

    move_role(sales_roles["Sales Clerk"], parent=sales_roles[to], origin=origin_of(ada))

    visit = Impersonation.objects.get()
    assert (visit.end_cause, visit.ended_by) == (cause, ada if cause else None)


def test_guest_of_a_visit_changes_no_role(ada: "User", barbara: "User", sales_roles: dict[str, Role]) -> None:
    inside = Origin(user=ada, actor=barbara, impersonation_id=1)
    clerk, engineering = sales_roles["Sales Clerk"], sales_roles["Engineering"]

    with pytest.raises(RefusedToGuest):
        move_role(clerk, parent=engineering, origin=replace(inside, is_limited=True))

    with pytest.raises(RefusedToGuest):
        create_role(ada.organization, name="New", origin=replace(inside, is_limited=True))
    with pytest.raises(RefusedToGuest):
        rename_role(clerk, name="New", origin=replace(inside, is_limited=True))

    move_role(clerk, parent=engineering, origin=inside)
    assert Role.objects.get_parent(Role.objects.get(pk=clerk.pk)) == engineering


# --- delete ------------------------------------------------------------------------------------------------------


def test_role_on_which_nothing_hangs_is_deleted(
    acme: "Organization", ada: "User", sales_roles: dict[str, Role]
) -> None:
    delete_role(sales_roles["Sales Clerk"], origin=origin_of(ada))
    delete_role(sales_roles["Engineering"], origin=origin_of(ada))

    assert tree_of(acme) == [(1, "Sales"), (2, "Sales Manager")]
    assert Role.objects.get(name="Sales Manager").numchild == 0
    assert trail() == [
        ("Deleted role Sales Clerk", {"name": "Sales Clerk", "below": "Sales Manager"}, {}),
        ("Deleted role Engineering", {"name": "Engineering", "below": ""}, {}),
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Sales Manager", "There are roles below Sales Manager. Move or delete them first."),
        ("Sales Clerk", "There are users in the role Sales Clerk. Give them another role first."),
        (
            "Engineering",
            "The delegated group Builders administers the role Engineering. Take it out of the group first.",
        ),
    ],
)
def test_role_that_is_used_is_kept(
    acme: "Organization", ada: "User", rosalind: "User", sales_roles: dict[str, Role], name: str, words: str
) -> None:
    DelegatedGroupFactory.create(organization=acme, name="Builders", roles=[sales_roles["Engineering"]])
    before = tree_of(acme)

    with pytest.raises(RoleInUse) as refused:
        delete_role(sales_roles[name], origin=origin_of(ada))

    assert (str(refused.value), tree_of(acme), trail()) == (words, before, [])


def test_role_is_deleted_by_whoever_manages_roles_of_the_same_organization(
    audrey: "User", ada: "User", stranger: "User", sales_roles: dict[str, Role]
) -> None:
    elsewhere = RoleFactory.create(organization=stranger.organization)

    with pytest.raises(PermissionMissing, match="Manage Roles"):
        delete_role(sales_roles["Engineering"], origin=origin_of(audrey))
    with pytest.raises(NotInOrganization):
        delete_role(elsewhere, origin=origin_of(ada))
    with pytest.raises(RefusedToGuest):
        delete_role(sales_roles["Engineering"], origin=replace(origin_of(ada), impersonation_id=1, is_limited=True))
