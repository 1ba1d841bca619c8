"""What stands before every change of a user, a profile or a role, and what is locked for it."""

from typing import TYPE_CHECKING, TypeVar

from django.core.exceptions import PermissionDenied
from django.http import Http404

from accounts.facts import reaches_of
from accounts.models import Profile, Role, User
from orgs.editions import Feature
from orgs.models import Organization
from orgs.permissions import Permission, PermissionMissing

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from django.db.models import QuerySet

    from accounts.facts import Reach
    from accounts.querysets import UserQuerySet
    from orgs.http import Origin

Row = TypeVar("Row", Profile, Role)


class NotInOrganization(Http404):  # said as a page says it
    """No such row in the organization of whoever asks: answered as *not found*, whichever of the two it is."""


def still_there(rows: "QuerySet[Row]", row: "Row") -> "Row":
    """Return ``row`` as it now is; someone may have deleted it since it was looked up."""
    fresh = rows.filter(pk=row.pk).first()
    if fresh is None:
        raise NotInOrganization
    return fresh


class ModifyAllDataNeeded(PermissionDenied):
    """Whoever holds Modify All Data, and whatever gives it, is for its holders alone to change."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Only someone with Modify All Data may {what}.")


class LastAdministrator(PermissionDenied):
    """The change would leave the organization without an active, unfrozen administrator."""

    def __init__(self, organization: Organization) -> None:
        super().__init__(
            f"{organization.name} would be left without an administrator who can sign in. Nothing was changed. "
            "Make someone else an administrator first."
        )


class NameTaken(Exception):  # noqa: N818  # said as a page says it
    """A name or username that must be unique is somebody's already. The message is what stands beside the field."""


# --- who sees and edits users ------------------------------------------------------------------------------------


def is_acting_delegate(user: User) -> bool:
    """Tell whether ``user`` administers others as a delegate: of a group, with View Setup, in an edition that has it.

    Of a person whom the identity statement brought this asks the database nothing.
    """
    may_open_setup = user.has_permission(Permission.VIEW_SETUP)
    return may_open_setup and user.is_delegate and user.organization.has(Feature.DELEGATED_ADMINISTRATION)


def sees_users(user: User) -> bool:
    """Tell whether ``user`` opens the users list and the pages of users at all; :func:`visible_to` says of whom."""
    return user.has_permission(Permission.VIEW_ALL_USERS) or is_acting_delegate(user)


def edits_users(user: User) -> bool:
    """Tell whether ``user`` creates and edits users at all; a delegate does within the group's limits."""
    return user.has_permission(Permission.MANAGE_INTERNAL_USERS) or is_acting_delegate(user)


def visible_to(user: User, reaches: "Sequence[Reach] | None" = None) -> "UserQuerySet":
    """Return the users whom ``user`` sees: all of the organization, or, as a delegate, those in reach.

    ``reaches`` is what a delegate reaches, where it is at hand; otherwise that costs one query.
    """
    users: UserQuerySet = User.objects.in_organization(user.organization_id)
    if user.has_permission(Permission.VIEW_ALL_USERS):
        return users
    if not is_acting_delegate(user):
        return users.none()
    return users.in_reach(reaches_of(user, login_access=False) if reaches is None else reaches)


# --- what a change needs -----------------------------------------------------------------------------------------


def holds(origin: "Origin", permission: Permission) -> bool:
    """Tell whether a change may be made that needs ``permission``: by its holder, or by a command of the system's own.

    Inside a visit the account that is worn is asked, not the person at the keyboard.
    """
    if origin.user is None:
        return bool(origin.command)
    return origin.user.has_permission(permission)


def require(origin: "Origin", permission: Permission) -> None:
    """Raise :class:`~orgs.permissions.PermissionMissing` unless ``origin`` holds ``permission``."""
    if not holds(origin, permission):
        raise PermissionMissing((permission,))


def require_own(origin: "Origin", organization_id: int) -> None:
    """Raise :class:`NotInOrganization` for what is another organization's."""
    if origin.user is not None and origin.user.organization_id != organization_id:
        raise NotInOrganization


def holds_modify_all_data(profile: "Profile") -> bool:
    """Tell whether ``profile`` gives Modify All Data."""
    return bool(profile.permission_bits & Permission.MODIFY_ALL_DATA.bit)


def require_for_profile(origin: "Origin", profile: "Profile", *, what: str) -> None:
    """Raise :class:`ModifyAllDataNeeded` where ``profile`` gives Modify All Data and ``origin`` does not hold it."""
    if holds_modify_all_data(profile) and not holds(origin, Permission.MODIFY_ALL_DATA):
        raise ModifyAllDataNeeded(what)


def require_administrator_beside(
    organization: Organization, *, users: "Collection[User]" = (), profile: "Profile | None" = None
) -> None:
    """Raise :class:`LastAdministrator` unless one is left beside ``users``, or beside everyone with ``profile``.

    The organization must be locked.
    """
    # By the few profiles of administrators: among a million users nobody looks for one.
    profiles = Profile.objects.filter(organization=organization)
    administrators = [one.pk for one in profiles if one.is_administrator]
    left = User.objects.in_organization(organization).able_to_sign_in().filter(profile__in=administrators)
    if users:
        left = left.exclude(pk__in=[user.pk for user in users])
    if profile is not None:
        left = left.exclude(profile=profile)
    if not left.exists():
        raise LastAdministrator(organization)
