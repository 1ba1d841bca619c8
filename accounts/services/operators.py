"""What the vendor's own staff may do in the operator console: two of Django's groups, and these rights exactly."""

from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

from accounts.enums import OperatorRole
from orgs.rights import (
    ADD_ORGANIZATIONS,
    ANSWER_REQUESTS,
    CHANGE_ORGANIZATIONS,
    READ_ORGANIZATIONS,
    READ_PEOPLE,
    READ_REQUESTS,
)

RIGHTS: dict[OperatorRole, frozenset[str]] = {
    OperatorRole.SALES: frozenset({READ_ORGANIZATIONS, ADD_ORGANIZATIONS, CHANGE_ORGANIZATIONS, READ_REQUESTS}),
    OperatorRole.SUPPORT: frozenset({READ_ORGANIZATIONS, READ_REQUESTS, ANSWER_REQUESTS, READ_PEOPLE}),
}


def make_operator_groups(*, using: str) -> None:
    """Make the two groups and give each its rights and no others. What is as it should be is left alone.

    Run after every migrate: the rows of Django's permissions are made then, and not by a migration.
    """
    with transaction.atomic(using=using):
        for role, rights in RIGHTS.items():
            group, _ = Group.objects.using(using).get_or_create(name=role.label)
            group.permissions.set(Permission.objects.using(using).filter(_any_of(rights)))


def _any_of(rights: Iterable[str]) -> Q:
    wanted = Q()
    for right in rights:
        app_label, _, codename = right.partition(".")
        wanted |= Q(content_type__app_label=app_label, codename=codename)
    return wanted
