"""What can be done to users, why someone may not, and what every such act begins and ends with."""

from enum import Enum
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from accounts.facts import reaches_of
from accounts.login_access import MORE_THAN_DELEGATED_BITS
from accounts.models import User
from accounts.services.guards import (
    ModifyAllDataNeeded,
    NameTaken,
    NotInOrganization,
    holds,
    holds_modify_all_data,
    is_acting_delegate,
    require_administrator_beside,
)
from orgs.permissions import Permission, PermissionMissing, RefusedInside, RefusedToGuest
from orgs.services.guards import lock_organization

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from accounts.facts import Reach
    from orgs.http import Origin

USERNAME_TAKEN = "This username is taken. Usernames are unique everywhere, and ignore case."


class UserAct(Enum):
    """What can be done to a user. The value is the permission that it needs, with a number to tell them apart."""

    EDIT = (1, Permission.MANAGE_INTERNAL_USERS)
    RESET_PASSWORD = (2, Permission.RESET_USER_PASSWORDS)
    UNLOCK = (3, Permission.RESET_USER_PASSWORDS)
    FREEZE = (4, Permission.FREEZE_USERS)
    UNFREEZE = (5, Permission.FREEZE_USERS)
    ACTIVATE = (6, Permission.MANAGE_INTERNAL_USERS)
    DEACTIVATE = (7, Permission.MANAGE_INTERNAL_USERS)
    END_SESSIONS = (8, Permission.MANAGE_USERS)

    @property
    def permission(self) -> Permission:
        """The permission that the act needs."""
        return self.value[1]


class NotToOneself(PermissionDenied):
    """Nobody shuts out the account they are signed in with, or the one they came from."""


class UserIsInactive(PermissionDenied):
    """Something that makes sense for an active user only."""


class NotDelegated(PermissionDenied):
    """Something that a delegate's groups do not give; ``field`` is the form's field that it speaks of, if it is one."""

    def __init__(self, words: str, *, field: str = "") -> None:
        self.field = field
        super().__init__(words)


def refusal_of(
    act: UserAct, user: User, *, origin: "Origin", reaches: "Sequence[Reach] | None" = None
) -> Exception | None:
    """Return why ``origin`` may not do ``act`` to ``user``, or None.

    The services and every button ask it. Whether an administrator would be left is asked under the lock alone. It asks
    the database nothing, but of a delegate who edits: what that one ``reaches``, unless it is handed in.
    """
    if origin.user is not None and origin.user.organization_id != user.organization_id:
        return NotInOrganization()
    if not holds(origin, act.permission):
        if act is UserAct.EDIT and origin.user is not None and is_acting_delegate(origin.user):
            return _refusal_to_delegate(user, origin.user, reaches)
        return refusal_to_all(act, origin)
    if holds_modify_all_data(user.profile) and not holds(origin, Permission.MODIFY_ALL_DATA):
        return ModifyAllDataNeeded(f"do this to {user}, who holds it")
    if act in {UserAct.DEACTIVATE, UserAct.FREEZE} and user in {origin.user, origin.actor}:
        return NotToOneself("You cannot deactivate or freeze the account that you are signed in with.")
    return _refusal_inside(act, user, origin)


def refusal_to_all(act: UserAct, origin: "Origin") -> Exception | None:
    """Return why ``origin`` may do ``act`` to nobody, whoever it is, or None. Whom delegates edit is asked of each."""
    if not holds(origin, act.permission):
        return PermissionMissing((act.permission,))
    if act is UserAct.RESET_PASSWORD and origin.is_limited:
        return RefusedToGuest()
    return None


def needless_because(act: UserAct, user: User, *, at: "datetime") -> str:
    """Return why ``act`` would change nothing that matters of ``user`` as they are, or nothing."""
    reasons: dict[UserAct, tuple[tuple[bool, str], ...]] = {
        UserAct.RESET_PASSWORD: (
            (
                not user.is_active,
                f"{user} is inactive, and could not sign in with a new password. Activate {user} first.",
            ),
        ),
        UserAct.UNLOCK: ((not user.is_locked(at), f"{user} is not locked."),),
        UserAct.FREEZE: (
            (not user.is_active, f"{user} is inactive, and cannot sign in anyway."),
            (user.is_frozen, f"{user} is frozen already."),
        ),
        UserAct.UNFREEZE: ((not user.is_frozen, f"{user} is not frozen."),),
        UserAct.ACTIVATE: ((user.is_active, f"{user} is active already."),),
        UserAct.DEACTIVATE: ((not user.is_active, f"{user} is inactive already."),),
        UserAct.END_SESSIONS: ((not user.is_active, f"{user} is inactive, and has no session."),),
    }
    return next((words for is_so, words in reasons.get(act, ()) if is_so), "")


def _refusal_inside(act: UserAct, user: User, origin: "Origin") -> Exception | None:
    """Return why ``act`` is not done to ``user`` inside the visit that ``origin`` comes from, or None."""
    if act in {UserAct.RESET_PASSWORD, UserAct.END_SESSIONS} and is_worn(user, origin):
        return RefusedInside(str(user))
    return refusal_to_all(act, origin)


def _refusal_to_delegate(user: User, delegate: User, reaches: "Sequence[Reach] | None") -> Exception | None:
    """Return why a delegate may not edit ``user``, whose role must be at hand, or None."""
    if user == delegate:
        return NotDelegated("A delegated administrator edits others, not the account that they are signed in with.")
    reaches = reaches_of(delegate, login_access=False) if reaches is None else reaches
    path = user.role.path if user.role else None
    if user.is_external or not any(reach.has(path) for reach in reaches):
        return NotDelegated(f"{user} is not in reach of a group in which you are a delegated administrator.")
    if user.profile.permission_bits & MORE_THAN_DELEGATED_BITS:
        # No climbing: with this user's e-mail address one would have this user's permissions.
        return NotDelegated(f"{user} may administer more than you do as a delegate.")
    return None


def is_worn(user: User, origin: "Origin") -> bool:
    """Tell whether ``user`` is the account that someone else is logged in as here."""
    return origin.is_impersonating and user == origin.user


# --- what every act begins and ends with -------------------------------------------------------------------------


def begin(act: UserAct, user: User, origin: "Origin") -> User:
    """Lock the organization, read the user anew, and refuse what may not be done."""
    organization = lock_organization(user.organization_id)
    fresh: User = User.objects.select_related("profile", "role").get(pk=user.pk)
    fresh.organization = organization
    if (refusal := refusal_of(act, fresh, origin=origin)) is not None:
        raise refusal
    return fresh


def leave_an_administrator(user: User, *, unless: bool = False) -> None:
    """Refuse what would take the organization's last administrator who can sign in, ``unless`` it takes nothing."""
    if counts_as_administrator(user) and not unless:
        require_administrator_beside(user.organization, users=[user])


def counts_as_administrator(user: User) -> bool:
    """Tell whether ``user`` is one of those administrators of whom one must be left."""
    return user.is_active and not user.is_frozen and user.is_administrator


def save(user: User, names: list[str], *, origin: "Origin", at: "datetime") -> None:
    """Write these columns alone, with who and when: a sign-in writes others of the same row at any time."""
    user.modified_at, user.modified_by_name = at, origin.doer_name
    save_unique(user, [*names, "name_key", "alias_key", "modified_at", "modified_by_name"])


def save_unique(user: User, names: list[str] | None = None) -> None:
    """Save a user, or these columns; a username that is somebody's is told from every other fault."""
    try:
        with transaction.atomic():
            user.save(update_fields=names)
    except IntegrityError as error:
        if not User.objects.filter(username=user.username).exclude(pk=user.pk).exists():
            raise
        raise NameTaken(USERNAME_TAKEN) from error
