"""Operators' rights: two of Django's groups that follow the role, and nothing for anybody else."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from accounts.backends import PasswordBackend
from accounts.enums import OperatorRole
from accounts.models import User
from accounts.services.operators import make_operator_groups
from orgs.models import Organization, OrganizationKind
from tests.queries import captured_queries

pytestmark = pytest.mark.django_db

SALES = {
    "orgs.view_organization",
    "orgs.add_organization",
    "orgs.change_organization",
    "orgs.view_activationrequest",
}
SUPPORT = {
    "orgs.view_organization",
    "orgs.view_activationrequest",
    "orgs.change_activationrequest",
    "accounts.view_user",
}


def groups() -> dict[str, set[str]]:
    return {
        group.name: {f"{one.content_type.app_label}.{one.codename}" for one in group.permissions.all()}
        for group in Group.objects.all()
    }


# --- the groups --------------------------------------------------------------------------------------------------


def test_migrating_made_the_two_groups_with_their_rights() -> None:
    assert groups() == {"Sales": SALES, "Support": SUPPORT}


def test_second_migrate_changes_nothing() -> None:
    before = list(Group.permissions.through.objects.order_by("id").values_list())

    with captured_queries() as queries:
        call_command("migrate", verbosity=0)

    assert list(Group.permissions.through.objects.order_by("id").values_list()) == before
    assert [sql for sql in queries if sql.startswith(("INSERT", "UPDATE", "DELETE"))] == []


def test_migrate_gives_back_what_was_taken_and_takes_what_was_given() -> None:
    sales = Group.objects.get(name="Sales")
    sales.permissions.set(Permission.objects.filter(codename="delete_user"))
    Group.objects.get(name="Support").delete()

    call_command("migrate", verbosity=0)

    assert groups() == {"Sales": SALES, "Support": SUPPORT}


def test_database_without_any_gets_both() -> None:
    Group.objects.all().delete()

    make_operator_groups(using="default")

    assert groups() == {"Sales": SALES, "Support": SUPPORT}


# --- who has them ------------------------------------------------------------------------------------------------


def test_operators_have_what_their_group_has(sally: User, sam: User) -> None:
    assert (sally.get_all_permissions(), sam.get_all_permissions()) == (SALES, SUPPORT)
    assert sally.has_perm("orgs.add_organization")
    assert not sam.has_perm("orgs.add_organization")
    assert sally.has_perms(["orgs.add_organization", "orgs.view_organization"])
    assert not sam.has_perms(["orgs.add_organization", "orgs.view_organization"])
    assert sam.has_module_perms("accounts")
    assert not sally.has_module_perms("accounts")


def test_role_is_the_column_that_the_group_follows(sam: User) -> None:
    sam.operator_role = OperatorRole.SALES
    sam.save()

    assert User.objects.get(pk=sam.pk).get_all_permissions() == SALES


def test_rights_are_about_everything_and_never_about_one_row(sally: User, acme: Organization) -> None:
    assert not sally.has_perm("orgs.view_organization", acme)


@pytest.mark.parametrize(
    "change",
    [{}, {"operator_role": ""}, {"is_active": False}],
    ids=["as she is", "no operator", "inactive"],
)
def test_operator_is_active_and_has_a_role(sally: User, change: dict[str, Any]) -> None:
    for name, value in change.items():
        setattr(sally, name, value)

    assert sally.is_staff is (not change)
    assert sally.get_all_permissions() == (set() if change else SALES)


@pytest.mark.parametrize("kind", OrganizationKind)
def test_operator_belongs_to_an_organization_of_the_vendor(sally: User, kind: OrganizationKind) -> None:
    sally.organization.kind = kind

    assert sally.is_staff is (kind == OrganizationKind.OPERATOR)
    assert sally.has_module_perms("orgs") is (kind == OrganizationKind.OPERATOR)


def test_customers_have_no_such_permission_not_even_administrators(ada: User) -> None:
    with captured_queries() as queries:
        answers = (ada.is_staff, ada.is_superuser, ada.get_all_permissions(), ada.has_module_perms("orgs"))

    assert answers == (False, False, set(), False)
    assert queries == []


def test_nobody_is_a_superuser(sally: User) -> None:
    assert not sally.is_superuser


def test_rights_are_asked_once(sally: User) -> None:
    with captured_queries() as queries:
        sally.has_perm("orgs.view_organization")
        sally.has_perm("accounts.view_user")
        sally.has_module_perms("orgs")

    assert len(queries) == 1


def test_django_itself_asks_the_backend(sally: User, ada: User) -> None:
    backend = PasswordBackend()

    assert backend.get_all_permissions(sally) == backend.get_group_permissions(sally) == SALES
    assert backend.get_user_permissions(sally) == set()
    assert backend.get_all_permissions(ada) == set()
