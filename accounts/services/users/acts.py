"""Acts on a user that are one click each: shut out, let in, unlock, reset, end."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.enums import EndCause
from accounts.models import User
from accounts.services.passwords import RESET, send_password_mail
from accounts.services.sessions import end_sessions_of, session_of
from accounts.services.visits import end_every_session, end_fallen_of
from orgs.audit import AuditAction, record

from .refusals import UserAct, UserIsInactive, begin, leave_an_administrator, needless_because, save

if TYPE_CHECKING:
    from orgs.http import Origin


@transaction.atomic
def activate_user(user: User, *, origin: "Origin", at: datetime | None = None) -> User:
    """Let a user sign in again."""
    user = begin(UserAct.ACTIVATE, user, origin)
    return _switch(user, "is_active", AuditAction.USER_ACTIVATED, on=True, origin=origin, at=at or timezone.now())


@transaction.atomic
def deactivate_user(user: User, *, origin: "Origin", at: datetime | None = None) -> User:
    """Shut a user out. Every session ends at once, those in which another wears the account too."""
    at = at or timezone.now()
    user = begin(UserAct.DEACTIVATE, user, origin)
    leave_an_administrator(user)
    end_fallen_of(Q(user=user), origin=origin, at=at)
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
    user = begin(UserAct.FREEZE, user, origin)
    leave_an_administrator(user)
    end_fallen_of(Q(user=user), origin=origin, at=at)
    end_sessions_of(user, as_actor=EndCause.ACTOR_FROZEN, origin=origin, by=origin.actor, at=at)
    return _switch(user, "is_frozen", AuditAction.USER_FROZEN, on=True, origin=origin, at=at)


@transaction.atomic
def unfreeze_user(user: User, *, origin: "Origin", at: datetime | None = None) -> User:
    """Let a frozen user sign in again."""
    user = begin(UserAct.UNFREEZE, user, origin)
    return _switch(user, "is_frozen", AuditAction.USER_UNFROZEN, on=False, origin=origin, at=at or timezone.now())


@transaction.atomic
def unlock_user(user: User, *, origin: "Origin", at: datetime | None = None) -> User:
    """Forget the wrong passwords that locked an account."""
    at = at or timezone.now()
    user = begin(UserAct.UNLOCK, user, origin)
    if not user.is_locked(at):
        return user
    user.failed_logins, user.locked_until = 0, None
    save(user, ["failed_logins", "locked_until"], origin=origin, at=at)
    record(AuditAction.USER_UNLOCKED, origin=origin, organization=user.organization_id, about=user, at=at)
    return user


@transaction.atomic
def send_password_reset(user: User, *, origin: "Origin", site: str, at: datetime | None = None) -> User:
    """Mail a user a link to choose a new password; the old one stays until then.

    Where the organization wants it, their sessions end at once, all but the one that asks.
    """
    at = at or timezone.now()
    user = begin(UserAct.RESET_PASSWORD, user, origin)
    if words := needless_because(UserAct.RESET_PASSWORD, user, at=at):
        raise UserIsInactive(words)
    if user.organization.session_settings.end_on_password_reset:
        cause = EndCause.PASSWORD_CHANGED
        end_fallen_of(Q(user=user), origin=origin, at=at)
        end_sessions_of(
            user, as_actor=cause, as_target=cause, origin=origin, by=origin.actor, keep=session_of(origin), at=at
        )
    record(AuditAction.PASSWORD_RESET_SENT, origin=origin, organization=user.organization_id, about=user, at=at)
    send_password_mail(user, kind=RESET, site=site, by=origin.doer_name)
    return user


@transaction.atomic
def end_user_sessions(user: User, *, origin: "Origin", at: datetime | None = None) -> int:
    """End every session of a user, and every visit in or from one, all but the one that asks; return how many."""
    at = at or timezone.now()
    user = begin(UserAct.END_SESSIONS, user, origin)
    cause = EndCause.ENDED_BY_ADMINISTRATOR
    return end_every_session(user, as_actor=cause, as_target=cause, origin=origin, at=at)


def _switch(user: User, name: str, action: AuditAction, *, on: bool, origin: "Origin", at: datetime) -> User:
    """Set a flag; nothing is written where it already is as asked, as after a double click."""
    if getattr(user, name) == on:
        return user
    setattr(user, name, on)
    save(user, [name], origin=origin, at=at)
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
