"""What stands before every change of an organization, and what is locked for it."""

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied

from orgs.models import Organization
from orgs.permissions import PermissionMissing, RefusedInside, RefusedToGuest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accounts.models import User
    from orgs.http import Origin
    from orgs.permissions import Permission

# As accounts stores them in User.operator_role, with how a page names them.
SALES, SUPPORT = "sales", "support"
_ROLES = {SALES: "Sales", SUPPORT: "Support"}


class OperatorNeeded(PermissionDenied):
    """Something that the vendor's own staff do, and of them those of one role alone."""

    def __init__(self, role: str) -> None:
        super().__init__(f"Only a member of {_ROLES[role]} may do this.")


def require_operator(origin: "Origin", role: str) -> None:
    """Raise :class:`OperatorNeeded` unless an operator of ``role`` does it as themselves, or a command does."""
    if origin.user is None:
        if not origin.command:
            raise OperatorNeeded(role)
        return
    if not origin.user.is_staff or origin.user.operator_role != role:
        raise OperatorNeeded(role)
    if origin.is_impersonating:
        raise RefusedInside(str(origin.user))


def holds_all(origin: "Origin", organization: Organization, permissions: "Iterable[Permission]") -> bool:
    """Tell whether something in ``organization`` may be done that needs all of ``permissions``.

    By a user of it who holds them (inside a visit the account that is worn is asked), or by a command.
    """
    if origin.user is None:
        return bool(origin.command)
    is_own = origin.user.organization_id == organization.pk
    return is_own and all(origin.user.has_permission(permission) for permission in permissions)


def require_all(origin: "Origin", organization: Organization, permissions: "Iterable[Permission]") -> None:
    """Raise :class:`~orgs.permissions.PermissionMissing` unless :func:`holds_all`, naming the highest first."""
    if not holds_all(origin, organization, permissions):
        raise _missing(permissions)


def require_person(origin: "Origin", organization: Organization, permissions: "Iterable[Permission]") -> "User":
    """Return the user who holds all of ``permissions``, as above, for what no command does."""
    if origin.user is None or not holds_all(origin, organization, permissions):
        raise _missing(permissions)
    return origin.user


def _missing(permissions: "Iterable[Permission]") -> PermissionMissing:
    return PermissionMissing(sorted(permissions, key=lambda one: one.bit, reverse=True))


def refuse_to_guest(origin: "Origin") -> None:
    """Raise :class:`~orgs.permissions.RefusedToGuest` inside a visit by someone who is no administrator here."""
    if origin.is_limited:
        raise RefusedToGuest


def lock_organization(organization_id: int) -> Organization:
    """Lock an organization's row until the transaction ends: its changes, and those of its people, wait in turn.

    Two who deactivate each other at the same moment would otherwise both find that an administrator is left. Not the
    key: inserting a row that refers to the organization need not wait.
    """
    return Organization.objects.select_for_update(no_key=True).get(pk=organization_id)
