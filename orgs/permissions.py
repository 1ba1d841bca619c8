"""What a profile may permit, what each permission needs, and the gates that views stand behind."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.db import models

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

View = TypeVar("View", bound=Callable[..., Any])


class Permission(models.TextChoices):
    """One thing a profile lets its people do. The value is stored nowhere but in bits (:attr:`bit`)."""

    VIEW_SETUP = "view_setup", "View Setup and Configuration"
    VIEW_ALL_USERS = "view_all_users", "View All Users"
    MANAGE_INTERNAL_USERS = "manage_internal_users", "Manage Internal Users"
    RESET_USER_PASSWORDS = "reset_user_passwords", "Reset User Passwords"
    FREEZE_USERS = "freeze_users", "Freeze Users"
    MANAGE_PROFILES = "manage_profiles", "Manage Profiles"
    MANAGE_ROLES = "manage_roles", "Manage Roles"
    MANAGE_LOGIN_ACCESS_POLICIES = "manage_login_access_policies", "Manage Login Access Policies"
    MONITOR_LOGIN_HISTORY = "monitor_login_history", "Monitor Login History"
    MANAGE_USERS = "manage_users", "Manage Users"
    CUSTOMIZE_APPLICATION = "customize_application", "Customize Application"
    VIEW_ALL_DATA = "view_all_data", "View All Data"
    MODIFY_ALL_DATA = "modify_all_data", "Modify All Data"

    @property
    def bit(self) -> int:
        """The stored number of this permission alone, a power of two."""
        return _BITS[self]

    @property
    def description(self) -> str:
        """What it lets one do, in words."""
        return _DESCRIPTIONS[self]

    @property
    def needs(self) -> frozenset["Permission"]:
        """What must be permitted beside it, direct needs only (:func:`with_needs` follows them)."""
        return _NEEDS[self]


P = Permission

# Stored: a number is never given to another permission.
_BITS: dict[Permission, int] = {
    P.VIEW_SETUP: 1 << 0,
    P.VIEW_ALL_USERS: 1 << 1,
    P.MANAGE_INTERNAL_USERS: 1 << 2,
    P.RESET_USER_PASSWORDS: 1 << 3,
    P.FREEZE_USERS: 1 << 4,
    P.MANAGE_PROFILES: 1 << 5,
    P.MANAGE_ROLES: 1 << 6,
    P.MANAGE_LOGIN_ACCESS_POLICIES: 1 << 7,
    P.MONITOR_LOGIN_HISTORY: 1 << 8,
    P.MANAGE_USERS: 1 << 9,
    P.CUSTOMIZE_APPLICATION: 1 << 10,
    P.VIEW_ALL_DATA: 1 << 11,
    P.MODIFY_ALL_DATA: 1 << 12,
}

_SETUP = frozenset({P.VIEW_SETUP})
_USERS = frozenset({P.VIEW_ALL_USERS})
_NEEDS: dict[Permission, frozenset[Permission]] = {
    P.VIEW_SETUP: frozenset(),
    P.VIEW_ALL_USERS: _SETUP,
    P.MANAGE_INTERNAL_USERS: _USERS,
    P.RESET_USER_PASSWORDS: _USERS,
    P.FREEZE_USERS: _USERS,
    P.MANAGE_PROFILES: _SETUP,
    P.MANAGE_ROLES: _SETUP,
    P.MANAGE_LOGIN_ACCESS_POLICIES: _SETUP,
    P.MONITOR_LOGIN_HISTORY: _USERS,
    P.MANAGE_USERS: frozenset(
        {
            P.MANAGE_INTERNAL_USERS,
            P.RESET_USER_PASSWORDS,
            P.FREEZE_USERS,
            P.MANAGE_PROFILES,
            P.MANAGE_ROLES,
            P.MANAGE_LOGIN_ACCESS_POLICIES,
            P.MONITOR_LOGIN_HISTORY,
        }
    ),
    P.CUSTOMIZE_APPLICATION: _SETUP,
    P.VIEW_ALL_DATA: frozenset(),
    P.MODIFY_ALL_DATA: frozenset({P.VIEW_ALL_DATA}),
}

_DESCRIPTIONS: dict[Permission, str] = {
    P.VIEW_SETUP: "Open Setup; read the audit trail, policies, settings and the company page.",
    P.VIEW_ALL_USERS: "See every user of the organization, and live login access grants.",
    P.MANAGE_INTERNAL_USERS: "Create, edit, activate and deactivate users.",
    P.RESET_USER_PASSWORDS: "Send a password reset, and unlock an account.",
    P.FREEZE_USERS: "Freeze and unfreeze users.",
    P.MANAGE_PROFILES: "Edit and clone profiles.",
    P.MANAGE_ROLES: "Edit the role tree.",
    P.MANAGE_LOGIN_ACCESS_POLICIES: "Save the Login Access Policies page.",
    P.MONITOR_LOGIN_HISTORY: "Read everyone's login history, sessions and impersonations.",
    P.MANAGE_USERS: "Do all that its needs allow, end others' sessions, and, with Modify All Data, log in as users.",
    P.CUSTOMIZE_APPLICATION: "Change session settings, delegated groups and the company page's own fields.",
    P.VIEW_ALL_DATA: "Read why someone was logged in as another, and what was done inside.",
    P.MODIFY_ALL_DATA: "Change all data, and, with Manage Users, log in as other users.",
}

# As pages show them: what each part of the portal asks for stands together.
PERMISSION_GROUPS: tuple[tuple[str, tuple[Permission, ...]], ...] = (
    ("Setup", (P.VIEW_SETUP, P.CUSTOMIZE_APPLICATION)),
    (
        "Users",
        (
            P.VIEW_ALL_USERS,
            P.MANAGE_INTERNAL_USERS,
            P.RESET_USER_PASSWORDS,
            P.FREEZE_USERS,
            P.MANAGE_PROFILES,
            P.MANAGE_ROLES,
            P.MANAGE_USERS,
        ),
    ),
    ("Security", (P.MANAGE_LOGIN_ACCESS_POLICIES, P.MONITOR_LOGIN_HISTORY)),
    ("Data", (P.VIEW_ALL_DATA, P.MODIFY_ALL_DATA)),
)

# Salesforce's pair, as the seed article has it: "User Permission Needed: Modify All Data, Manage Users".
ADMINISTRATOR = frozenset({P.MODIFY_ALL_DATA, P.MANAGE_USERS})


def with_needs(permissions: Iterable[Permission]) -> frozenset[Permission]:
    """Return ``permissions`` and everything they need, directly or further on."""
    found: set[Permission] = set()
    waiting = list(permissions)
    while waiting:
        permission = waiting.pop()
        if permission not in found:
            found.add(permission)
            waiting.extend(permission.needs)
    return frozenset(found)


def needing(permission: Permission, among: Iterable[Permission]) -> tuple[Permission, ...]:
    """Return those of ``among`` that need ``permission``, directly or further on."""
    return in_order(other for other in among if other is not permission and permission in with_needs({other}))


def in_order(permissions: Iterable[Permission]) -> tuple[Permission, ...]:
    """Return ``permissions`` as they are listed everywhere: what is needed first."""
    return tuple(sorted(permissions, key=lambda permission: permission.bit))


def to_bits(permissions: Iterable[Permission]) -> int:
    """Return the number that is stored for ``permissions``."""
    bits = 0
    for permission in permissions:
        bits |= permission.bit
    return bits


def from_bits(bits: int) -> frozenset[Permission]:
    """Return the permissions that a stored number stands for."""
    return frozenset(permission for permission in Permission if bits & permission.bit)


ADMINISTRATOR_BITS = to_bits(ADMINISTRATOR)


class PermissionMissing(PermissionDenied):
    """A page or an act asks for a permission that the profile does not hold."""

    def __init__(self, permissions: Iterable[Permission]) -> None:
        self.permissions = tuple(permissions)
        names = " and ".join(str(permission.label) for permission in self.permissions)
        super().__init__(f"You need {names} on your profile. Ask your administrator.")


class RefusedInside(PermissionDenied):
    """Something that is not done while logged in as another."""

    def __init__(self, name: str) -> None:
        super().__init__(f"This is not available while you are logged in as {name}. Log out as {name} first.")


class RefusedToGuest(PermissionDenied):
    """Something that is not done inside a visit by someone who is no administrator of the organization."""

    def __init__(self) -> None:
        super().__init__(
            "This is for the organization's own administrators. You are logged in as a user without being one."
        )


class RefusedReadOnly(PermissionDenied):
    """A change, inside a visit that is read-only so far. What was typed is given back (portal/views.py)."""

    gives_back = True

    def __init__(self, help_url: str) -> None:
        self.help_url, self.help_label = help_url, "Step up to full access"
        super().__init__("This visit is read-only: nothing was changed. To change something, step up first.")


def permission_required(*permissions: Permission) -> Callable[[View], View]:
    """Let a view be reached only by those whose profile holds all of ``permissions``.

    Inside an impersonation these are the target's: ``request.user`` is who is asked.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: "HttpRequest", *args: object, **kwargs: object) -> "HttpResponseBase":
            if not all(request.user.has_permission(permission) for permission in permissions):  # type: ignore[union-attr]
                raise PermissionMissing(permissions)
            response: HttpResponseBase = view(request, *args, **kwargs)
            return response

        wrapped.permissions_required = permissions  # type: ignore[attr-defined]
        return wrapped  # type: ignore[return-value]

    return decorate


def refused_to_guests(view: View) -> View:
    """Mark a view as refused inside a visit whose actor is no administrator of the organization; read as the above."""
    view.refused_to_guests = True  # type: ignore[attr-defined]
    return view


def allowed_read_only(view: View) -> View:
    """Mark a view that takes unsafe methods in a read-only visit too: leaving, stepping up, staying signed in."""
    view.allowed_read_only = True  # type: ignore[attr-defined]
    return view


def refused_inside(view: View) -> View:
    """Mark a view as one that is refused while logged in as someone; the impersonation middleware reads the mark."""
    view.refused_inside = True  # type: ignore[attr-defined]
    return view


def records_itself(view: View) -> View:
    """Mark a view whose every act inside a visit is a row of the trail: the visit's list of requests leaves it out."""
    view.records_itself = True  # type: ignore[attr-defined]
    return view
