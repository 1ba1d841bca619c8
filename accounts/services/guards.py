"""What stands before every change of a user, a profile or a role, and what is locked for it."""

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.http import Http404

from accounts.models import User
from orgs.models import Organization
from orgs.permissions import Permission, PermissionMissing

if TYPE_CHECKING:
    from accounts.models import Profile
    from orgs.http import Origin


class NotInOrganization(Http404):  # said as a page says it
    """No such row in the organization of whoever asks: answered as *not found*, whichever of the two it is."""


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


def lock_organization(organization_id: int) -> Organization:
    """Lock an organization's row until the transaction ends, so that changes of its people come one after the other.

    Two who deactivate each other at the same moment would otherwise both find that an administrator is left. Not the
    key: inserting a row that refers to the organization need not wait.
    """
    return Organization.objects.select_for_update(no_key=True).get(pk=organization_id)


def require_administrator_beside(
    organization: Organization, *, user: User | None = None, profile: "Profile | None" = None
) -> None:
    """Raise :class:`LastAdministrator` unless one is left beside ``user``, or beside everyone with ``profile``.

    The organization must be locked.
    """
    left = User.objects.in_organization(organization).able_to_sign_in().administrators()
    if user is not None:
        left = left.exclude(pk=user.pk)
    if profile is not None:
        left = left.exclude(profile=profile)
    if not left.exists():
        raise LastAdministrator(organization)
