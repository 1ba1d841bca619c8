"""What is done to users. Each act is one transaction: lock, ask, change, and its rows of the trail."""

from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from allauth.account.models import EmailAddress
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.enums import EndCause
from accounts.models import Profile, Role, Session, User
from orgs.audit import AuditAction, record
from orgs.permissions import Permission, PermissionMissing, RefusedInside

from .guards import (
    ModifyAllDataNeeded,
    NameTaken,
    NotInOrganization,
    holds,
    holds_modify_all_data,
    lock_organization,
    require,
    require_administrator_beside,
    require_for_profile,
    require_own,
)
from .mails import mail_after_commit
from .passwords import NEW_ACCOUNT, RESET, send_password_mail
from .sessions import end_sessions, end_sessions_of

if TYPE_CHECKING:
    from orgs.http import Origin
    from orgs.models import Organization

ALIAS_OF_LAST_NAME = 4
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


class UserChangedMeanwhile(Exception):  # noqa: N818  # said as a page says it
    """Someone changed the user between the reading of the form and this save. ``user`` is what holds now."""

    def __init__(self, user: User) -> None:
        self.user = user
        super().__init__(f"{user.modified_by_name} changed {user} meanwhile.")


@dataclass(frozen=True, slots=True)
class UserDetails:
    """What is edited of a user."""

    username: str
    email: str
    last_name: str
    profile: Profile
    first_name: str = ""
    alias: str = ""
    role: Role | None = None

    @classmethod
    def of(cls, user: User) -> "UserDetails":
        """Return what a user has now."""
        return cls(**{field.name: getattr(user, field.name) for field in fields(cls)})

    def normalized(self) -> "UserDetails":
        """Return the same as it is stored: both addresses in lower case, as they are looked up."""
        username = User._meta.get_field("username").get_prep_value(self.username)
        return replace(self, username=username, email=self.email.strip().lower())

    def different_from(self, other: "UserDetails") -> list[str]:
        """Return the names of what is not the same in both."""
        return [field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)]


def refusal_of(act: UserAct, user: User, *, origin: "Origin") -> Exception | None:
    """Return why ``origin`` may not do ``act`` to ``user``, or None. Asks the database nothing.

    The services and every button ask it. Whether an administrator would be left is asked under the lock alone.
    """
    if origin.user is not None and origin.user.organization_id != user.organization_id:
        return NotInOrganization()
    if not holds(origin, act.permission):
        return PermissionMissing((act.permission,))
    if holds_modify_all_data(user.profile) and not holds(origin, Permission.MODIFY_ALL_DATA):
        return ModifyAllDataNeeded(f"do this to {user}, who holds it")
    if act in {UserAct.RESET_PASSWORD, UserAct.END_SESSIONS} and is_worn(user, origin):
        return RefusedInside(str(user))
    if act in {UserAct.DEACTIVATE, UserAct.FREEZE} and user in {origin.user, origin.actor}:
        return NotToOneself("You cannot deactivate or freeze the account that you are signed in with.")
    return None


def is_worn(user: User, origin: "Origin") -> bool:
    """Tell whether ``user`` is the account that someone else is logged in as here."""
    return origin.is_impersonating and user == origin.user


def version_of(user: User) -> str:
    """Return what changes with every change of ``user``, for a form to remember."""
    return user.modified_at.isoformat() if user.modified_at else ""


# --- create and edit ---------------------------------------------------------------------------------------------


@transaction.atomic
def create_user(
    organization: "Organization", details: UserDetails, *, origin: "Origin", site: str = "", at: datetime | None = None
) -> User:
    """Create a user without a password, and mail them a link to choose one.

    ``site`` is the address of this site, which the link begins with; without one no mail goes out, for commands that
    set a password themselves. Raises :class:`~accounts.services.guards.NameTaken` for a taken username.
    """
    at = at or timezone.now()
    organization = lock_organization(organization.pk)
    require_own(origin, organization.pk)
    require(origin, Permission.MANAGE_INTERNAL_USERS)
    details = details.normalized()
    profile = _profile_to_give(details, organization, origin)
    user = User(
        organization=organization,
        username=details.username,
        email=details.email,
        first_name=details.first_name,
        last_name=details.last_name,
        alias=details.alias or f"{details.first_name[:1]}{details.last_name[:ALIAS_OF_LAST_NAME]}".lower(),
        profile=profile,
        role=details.role,
        created_at=at,
        created_by_name=origin.doer_name,
    )
    user.set_unusable_password()
    _save_unique(user)
    after = _words_of(UserDetails.of(user))
    record(AuditAction.USER_CREATED, origin=origin, organization=organization, about=user, at=at, after=after)
    if site:
        send_password_mail(user, kind=NEW_ACCOUNT, site=site, by=origin.doer_name)
    return user


@transaction.atomic
def update_user(
    user: User, details: UserDetails, *, origin: "Origin", version: str | None = None, at: datetime | None = None
) -> User:
    """Change what is edited of a user, and return the user as it now is.

    A changed e-mail address is told to the old one. Raises :class:`UserChangedMeanwhile` where ``version`` (of
    :func:`version_of`) is no more what it was, and :class:`~accounts.services.guards.NameTaken`.
    """
    at = at or timezone.now()
    user = _begin(UserAct.EDIT, user, origin)
    if version is not None and version != version_of(user):
        raise UserChangedMeanwhile(user)
    before, details = UserDetails.of(user), details.normalized()
    changed = details.different_from(before)
    if not changed:
        return user
    if is_worn(user, origin) and {"username", "email"} & set(changed):
        raise RefusedInside(str(user))
    details = replace(details, profile=_profile_to_give(details, user.organization, origin, before=before.profile))
    _leave_an_administrator(user, unless=details.profile.is_administrator)
    _end_what_the_profile_ends(user, details.profile, origin=origin, at=at)
    for name in changed:
        setattr(user, name, getattr(details, name))
    _save(user, changed, origin=origin, at=at)
    _record_changes(user, before, details, origin=origin, at=at)
    if "email" in changed:
        _tell_old_address(user, before.email, origin=origin)
    return user


def _profile_to_give(
    details: UserDetails, organization: "Organization", origin: "Origin", *, before: Profile | None = None
) -> Profile:
    """Return the profile as it is under the lock; refuse one that is not there, and Modify All Data to non-holders."""
    profile = Profile.objects.filter(organization=organization, pk=details.profile.pk).first()
    if profile is None or (details.role is not None and details.role.organization_id != organization.pk):
        raise NotInOrganization
    if profile != before:
        require_for_profile(origin, profile, what=f"give someone the profile {profile}, which holds it")
    return profile


def _end_what_the_profile_ends(user: User, profile: Profile, *, origin: "Origin", at: datetime) -> None:
    """End at once the visits that a new profile takes the ground from. The rest is the middleware's to find."""
    if profile.is_external and not user.is_external:
        _end_visits(Q(user=user, parent__isnull=False), EndCause.TARGET_BECAME_EXTERNAL, origin=origin, at=at)
    if user.is_administrator and not profile.is_administrator:
        _end_visits(Q(parent__user=user), EndCause.ACTOR_LOST_PERMISSION, origin=origin, at=at)


def _end_visits(worn: Q, cause: EndCause, *, origin: "Origin", at: datetime) -> None:
    end_sessions(worn, cause=lambda _: cause, origin=origin, by=origin.actor, at=at)


def _record_changes(user: User, before: UserDetails, after: UserDetails, *, origin: "Origin", at: datetime) -> None:
    """Write one row for each of e-mail, profile and role, and one for the rest together."""
    old, new = _words_of(before), _words_of(after)
    actions = {
        "email": AuditAction.USER_EMAIL_CHANGED,
        "profile": AuditAction.USER_PROFILE_CHANGED,
        "role": AuditAction.USER_ROLE_CHANGED,
    }
    changed = after.different_from(before)
    for name in changed:
        if name in actions:
            record(
                actions[name],
                origin=origin,
                organization=user.organization_id,
                about=user,
                at=at,
                before={name: old[name]},
                after={name: new[name]},
                old=old[name] or "none",
                new=new[name] or "none",
            )
    if rest := [name for name in changed if name not in actions]:
        record(
            AuditAction.USER_CHANGED,
            origin=origin,
            organization=user.organization_id,
            about=user,
            at=at,
            before={name: old[name] for name in rest},
            after={name: new[name] for name in rest},
            fields=", ".join(name.replace("_", " ") for name in rest),
        )


def _words_of(details: UserDetails) -> dict[str, str]:
    values = {field.name: getattr(details, field.name) for field in fields(details)}
    return {name: "" if value is None else str(value) for name, value in values.items()}


def _tell_old_address(user: User, old: str, *, origin: "Origin") -> None:
    """Forget the old address wherever it could still reset the password, and tell whoever reads it."""
    EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()
    mail_after_commit("email_changed", to=old, user=user, old=old, by=origin.doer_name)


# --- acts --------------------------------------------------------------------------------------------------------


@transaction.atomic
def activate_user(user: User, *, origin: "Origin", at: datetime | None = None) -> User:
    """Let a user sign in again."""
    user = _begin(UserAct.ACTIVATE, user, origin)
    return _switch(user, "is_active", AuditAction.USER_ACTIVATED, on=True, origin=origin, at=at or timezone.now())


@transaction.atomic
def deactivate_user(user: User, *, origin: "Origin", at: datetime | None = None) -> User:
    """Shut a user out. Every session ends at once, those in which another wears the account too."""
    at = at or timezone.now()
    user = _begin(UserAct.DEACTIVATE, user, origin)
    _leave_an_administrator(user)
    end_sessions_of(
        user,
        as_actor=EndCause.ACTOR_DEACTIVATED,
        as_target=EndCause.TARGET_DEACTIVATED,
        origin=origin,
        by=origin.actor,
        at=at,
    )
    return _switch(user, "is_active", AuditAction.USER_DEACTIVATED, on=False, origin=origin, at=at)


@transaction.atomic
def freeze_user(user: User, *, origin: "Origin", at: datetime | None = None) -> User:
    """Keep a user from signing in without giving up their place.

    Their own sessions end, and what was worn from them. Visits in which another wears the account go on.
    """
    at = at or timezone.now()
    user = _begin(UserAct.FREEZE, user, origin)
    _leave_an_administrator(user)
    end_sessions_of(user, as_actor=EndCause.ACTOR_FROZEN, origin=origin, by=origin.actor, at=at)
    return _switch(user, "is_frozen", AuditAction.USER_FROZEN, on=True, origin=origin, at=at)


@transaction.atomic
def unfreeze_user(user: User, *, origin: "Origin", at: datetime | None = None) -> User:
    """Let a frozen user sign in again."""
    user = _begin(UserAct.UNFREEZE, user, origin)
    return _switch(user, "is_frozen", AuditAction.USER_UNFROZEN, on=False, origin=origin, at=at or timezone.now())


@transaction.atomic
def unlock_user(user: User, *, origin: "Origin", at: datetime | None = None) -> User:
    """Forget the wrong passwords that locked an account."""
    at = at or timezone.now()
    user = _begin(UserAct.UNLOCK, user, origin)
    if not user.is_locked(at):
        return user
    user.failed_logins, user.locked_until = 0, None
    _save(user, ["failed_logins", "locked_until"], origin=origin, at=at)
    record(AuditAction.USER_UNLOCKED, origin=origin, organization=user.organization_id, about=user, at=at)
    return user


@transaction.atomic
def send_password_reset(user: User, *, origin: "Origin", site: str, at: datetime | None = None) -> User:
    """Mail a user a link to choose a new password; the old one stays until then.

    Where the organization wants it, their sessions end at once, all but the one that asks.
    """
    at = at or timezone.now()
    user = _begin(UserAct.RESET_PASSWORD, user, origin)
    if not user.is_active:
        raise UserIsInactive(f"{user} is inactive, and could not sign in with a new password. Activate {user} first.")
    if user.organization.session_settings.end_on_password_reset:
        cause = EndCause.PASSWORD_CHANGED
        end_sessions_of(
            user, as_actor=cause, as_target=cause, origin=origin, by=origin.actor, keep=_session_of(origin), at=at
        )
    record(AuditAction.PASSWORD_RESET_SENT, origin=origin, organization=user.organization_id, about=user, at=at)
    send_password_mail(user, kind=RESET, site=site, by=origin.doer_name)
    return user


@transaction.atomic
def end_user_sessions(user: User, *, origin: "Origin", at: datetime | None = None) -> int:
    """End every session of a user, and every visit in or from one, all but the one that asks; return how many."""
    at = at or timezone.now()
    user = _begin(UserAct.END_SESSIONS, user, origin)
    cause = EndCause.ENDED_BY_ADMINISTRATOR
    ended = end_sessions_of(
        user, as_actor=cause, as_target=cause, origin=origin, by=origin.actor, keep=_session_of(origin), at=at
    )
    if ended:
        record(
            AuditAction.SESSIONS_ENDED,
            origin=origin,
            organization=user.organization_id,
            about=user,
            at=at,
            after={"sessions": ended},
        )
    return ended


# --- what they share ---------------------------------------------------------------------------------------------


def _begin(act: UserAct, user: User, origin: "Origin") -> User:
    """Lock the organization, read the user anew, and refuse what may not be done."""
    organization = lock_organization(user.organization_id)
    fresh: User = User.objects.select_related("profile", "role").get(pk=user.pk)
    fresh.organization = organization
    if (refusal := refusal_of(act, fresh, origin=origin)) is not None:
        raise refusal
    return fresh


def _leave_an_administrator(user: User, *, unless: bool = False) -> None:
    """Refuse what would take the organization's last administrator who can sign in, ``unless`` it takes nothing."""
    counts = user.is_active and not user.is_frozen and user.is_administrator
    if counts and not unless:
        require_administrator_beside(user.organization, user=user)


def _switch(user: User, name: str, action: AuditAction, *, on: bool, origin: "Origin", at: datetime) -> User:
    """Set a flag; nothing is written where it already is as asked, as after a double click."""
    if getattr(user, name) == on:
        return user
    setattr(user, name, on)
    _save(user, [name], origin=origin, at=at)
    record(
        action,
        origin=origin,
        organization=user.organization_id,
        about=user,
        at=at,
        before={name: not on},
        after={name: on},
    )
    return user


def _save(user: User, names: list[str], *, origin: "Origin", at: datetime) -> None:
    """Write these columns alone, with who and when: a sign-in writes others of the same row at any time."""
    user.modified_at, user.modified_by_name = at, origin.doer_name
    _save_unique(user, [*names, "name_key", "alias_key", "modified_at", "modified_by_name"])


def _save_unique(user: User, names: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            user.save(update_fields=names)
    except IntegrityError as error:
        if not User.objects.filter(username=user.username).exclude(pk=user.pk).exists():
            raise
        raise NameTaken(USERNAME_TAKEN) from error


def _session_of(origin: "Origin") -> Session | None:
    """Return the session that asks, if one does."""
    if origin.session_public_id is None:
        return None
    return Session.objects.filter(public_id=origin.session_public_id).first()
