"""Logging in as another user, and out again: each one transaction, or nothing.

Starting keeps the actor's session on the server without a key, and makes a second one, *SubstituteUser*, whose key the
browser gets instead. So a leaked worn key never becomes an administrator's, and a kept old key opens nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.enums import Basis, EndCause, LoginType, Refusal, SessionType
from accounts.identity import Fault, Identity
from accounts.keys import hash_key, new_key
from accounts.login_access import Facts, may_impersonate
from accounts.models import Impersonation, Login, Session, User
from orgs.audit import AuditAction, record
from orgs.models import SessionSettings

from .sessions import close_visits, end_session, end_sessions, lock_sessions, stamp_ended

if TYPE_CHECKING:
    from orgs.http import Origin
    from orgs.models import Organization

DOUBLE_CLICK = timedelta(seconds=30)


class TargetNotFound(Exception):  # noqa: N818  # said as a page says it
    """No such user in the actor's organization: answered as *not found*, whichever of the two it is."""


class ImpersonationRefused(PermissionDenied):
    """The rule said no. A PermissionDenied, so that a forgotten handler still means 403."""

    def __init__(self, refusal: Refusal, target: User | None = None) -> None:
        self.refusal = refusal
        self.target = target
        super().__init__(str(refusal.label))


@dataclass(frozen=True, slots=True)
class Started:
    """What the browser gets: the worn session with its key, and the return token."""

    impersonation: Impersonation
    session: Session
    key: str
    return_token: str


@dataclass(frozen=True, slots=True)
class Left:
    """What a leave leads to: a new key for the actor's own session, or none where one must sign in again."""

    impersonation: Impersonation
    key: str | None = None


def start_impersonation(  # noqa: PLR0913
    *,
    actor: User,
    session: Session,
    target_id: int,
    origin: "Origin",
    reason: str = "",
    back: str = "",
    at: datetime | None = None,
) -> Started:
    """Log ``actor``, whose own session is ``session``, in as the user ``target_id``.

    One transaction: take the key from the actor's session (which locks it and holds only for one of two starts), ask
    the rule, make the worn session and the impersonation, write the trail and the login row. If any of these can't be
    written nothing starts. Raises :class:`TargetNotFound` or :class:`ImpersonationRefused`; a refusal is recorded,
    outside what rolls back.
    """
    at = at or timezone.now()
    try:
        with transaction.atomic():
            return _start(
                actor=actor, session=session, target_id=target_id, origin=origin, reason=reason, back=back, at=at
            )
    except ImpersonationRefused as refused:
        _record_refusal(refused, actor=actor, origin=origin)
        raise
    except IntegrityError as error:
        if not session.impersonations.open().exists():  # type: ignore[attr-defined]
            raise
        refused = ImpersonationRefused(Refusal.NESTED, User.objects.filter(pk=target_id).first())
        _record_refusal(refused, actor=actor, origin=origin)
        raise refused from error


def _start(  # noqa: PLR0913
    *, actor: User, session: Session, target_id: int, origin: "Origin", reason: str, back: str, at: datetime
) -> Started:
    key, return_token = new_key(), new_key()
    took_key = (
        not session.is_worn
        and Session.objects.live()
        .filter(pk=session.pk, key_hash=session.key_hash)
        .update(key_hash=None, previous_key_hash=session.key_hash, return_hash=hash_key(return_token))
        == 1
    )
    target = (
        User.objects.filter(pk=target_id)
        .select_related("profile", "organization__login_access_policy", "organization__session_settings")
        .first()
    )
    facts = _facts_for(target.organization if target else actor.organization, is_impersonating=not took_key)
    verdict = may_impersonate(actor=actor, target=target, facts=facts, at=at)
    if target is None or verdict.refusal == Refusal.NOT_FOUND:
        raise TargetNotFound
    if verdict.refusal is not None or verdict.basis is None:
        raise ImpersonationRefused(verdict.refusal or Refusal.NO_PERMISSION, target)
    worn = Session.objects.create(
        key_hash=hash_key(key),
        user=target,
        parent=session,
        type=SessionType.SUBSTITUTE_USER,
        backend=session.backend,
        auth_hash=target.get_session_auth_hash(),
        address=origin.address,
        agent=origin.agent,
        created_at=at,
        authenticated_at=session.authenticated_at,
    )
    visit = Impersonation.objects.create(
        session=worn,
        actor_session=session,
        organization=target.organization,
        actor=actor,
        target=target,
        actor_name=str(actor),
        target_name=str(target),
        basis=verdict.basis,
        reason=reason,
        back=back,
        address=origin.address,
        agent=origin.agent,
        started_at=at,
        ends_at=_end_of_visit(target.organization, session, at),
    )
    record(
        AuditAction.IMPERSONATION_STARTED,
        origin=origin,
        organization=target.organization,
        user=actor,
        about=target,
        impersonation_id=visit.pk,
        at=at,
        after={"basis": visit.basis, "ends_at": visit.ends_at.isoformat(), "reason": reason},
    )
    Login.objects.create(
        organization=target.organization,
        user=target,
        username=target.username,
        created_at=at,
        type=LoginType.LOGIN_AS,
        address=origin.address,
        agent=origin.agent,
        delegate_user_name=str(actor),
    )
    return Started(visit, worn, key, return_token)


def _facts_for(organization: "Organization", *, is_impersonating: bool) -> Facts:
    return Facts.of(organization, organization.login_access_policy, is_impersonating=is_impersonating)


def _end_of_visit(organization: "Organization", session: Session, at: datetime) -> datetime:
    """Return the earliest of the time limit and the absolute end of the actor's own session."""
    limit = timedelta(minutes=organization.login_access_policy.time_limit_minutes)
    absolute = timedelta(hours=organization.session_settings.absolute_hours)
    return min(at + limit, session.created_at + absolute)


def _record_refusal(refused: ImpersonationRefused, *, actor: User, origin: "Origin") -> None:
    """Write the refusal in a transaction of its own: what it tells of was rolled back."""
    record(
        AuditAction.IMPERSONATION_REFUSED,
        origin=origin,
        organization=actor.organization_id,
        user=actor,
        about=refused.target,
        after={"refusal": refused.refusal.value},
        reason=str(refused.refusal.label),
    )


def rejoin_impersonation(*, key: str, target_id: int, at: datetime | None = None) -> Started | None:
    """Answer the second half of a double click on Login, which comes with the key that the first half took away.

    Until the worn key is first used, and for 30 seconds at most, the same request lands in the same visit under a key
    of its own. None where that is not so; a start for another target never is.
    """
    at = at or timezone.now()
    fresh = Q(
        parent__previous_key_hash=hash_key(key),
        parent__ended_at=None,
        user=target_id,
        last_active_at=None,
        created_at__gt=at - DOUBLE_CLICK,
    )
    with transaction.atomic():
        for worn in lock_sessions(fresh):
            again, return_token = new_key(), new_key()
            Session.objects.filter(pk=worn.pk).update(key_hash=hash_key(again))
            Session.objects.filter(pk=worn.parent_id).update(return_hash=hash_key(return_token))
            return Started(worn.impersonation, worn, again, return_token)
    return None


def leave_impersonation(identity: Identity, *, origin: "Origin", at: datetime | None = None) -> Left | None:
    """Log out as the target. With *Force relogin after Login-As-User* both sessions end, otherwise only the second.

    The seed article: "their current session will also be terminated and they may be forced to login again". In the
    latter case the actor's own session goes on under a new key. None where someone else was faster.
    """
    visit, limits = identity.impersonation, identity.limits
    if visit is None or limits is None:
        return None
    at = at or timezone.now()
    return _end_visit(
        visit, ends_parent=limits.force_relogin, cause=EndCause.LOGGED_OUT, origin=origin, at=at, by=visit.actor
    )


def _end_visit(  # noqa: PLR0913
    visit: Impersonation,
    *,
    ends_parent: bool,
    cause: EndCause,
    origin: "Origin",
    at: datetime,
    by: User | None = None,
) -> Left | None:
    with transaction.atomic():
        rows = lock_sessions(Q(pk__in=[visit.pk, visit.actor_session_id]))
        if visit.pk not in {row.pk for row in rows}:
            return None
        key = None if ends_parent else new_key()
        if key is None:
            stamp_ended(rows, at=at)
        else:
            _end_worn_and_rekey(visit, key, at=at)
        close_visits([visit], cause=cause, origin=origin, at=at, noticed_at=at, by=by)
    return Left(visit, key)


def _end_worn_and_rekey(visit: Impersonation, key: str, *, at: datetime) -> None:
    """End the worn session and give its parent a new key, in one statement."""
    is_worn = Q(pk=visit.pk)
    Session.objects.filter(pk__in=[visit.pk, visit.actor_session_id]).update(
        ended_at=Case(When(is_worn, then=Value(at)), default=F("ended_at")),
        data=Case(When(is_worn, then=Value("")), default=F("data")),
        key_hash=Case(When(is_worn, then=F("key_hash")), default=Value(hash_key(key))),
        last_active_at=Case(When(is_worn, then=F("last_active_at")), default=Value(at)),
        previous_key_hash=None,
        return_hash="",
    )


def end_lost_visit(identity: Identity, fault: Fault, *, origin: "Origin") -> None:
    """End a running visit whose right was lost, at the moment it was lost; the parent too where the fault says so."""
    if identity.impersonation is None:
        return
    condition = Q(pk=identity.session.pk)
    if fault.ends_parent:
        condition |= Q(pk=identity.session.parent_id)
    end_sessions(condition, cause=lambda _: fault.cause, origin=origin, at=fault.at)
    identity.impersonation.refresh_from_db(fields=["ended_at", "end_cause"])


def end_visits_resting_on_any_user_login(
    organization: "Organization", *, cause: EndCause, origin: "Origin", at: datetime
) -> int:
    """End every running visit of an organization that nothing but any-user login allowed. Actors keep their own."""
    worn = Impersonation.objects.open().resting_on_any_user_login(organization).values("pk")
    return end_sessions(Q(pk__in=worn), cause=lambda _: cause, origin=origin, at=at, by=origin.actor)


def hand_back(identity: Identity, return_token: str, *, at: datetime | None = None) -> str | None:
    """Give the actor's own session a new key after an end that nobody at the keyboard asked for, or return None.

    The worn key and the return cookie together are exchanged once; ``handed_back_at`` decides between two who try.
    """
    visit, parent = identity.impersonation, identity.parent
    at = at or timezone.now()
    if visit is None or parent is None or visit.end_cause == EndCause.LOGGED_OUT or not parent.return_hash:
        return None
    if not constant_time_compare(parent.return_hash, hash_key(return_token)):
        return None
    if Identity(parent, identity.actor, identity.actor, limits=identity.limits).fault(address=parent.address, at=at):
        return None
    key = new_key()
    with transaction.atomic():
        rows = lock_sessions(Q(pk=parent.pk, key_hash=None))
        claimed = Impersonation.objects.filter(pk=visit.pk, handed_back_at=None).update(handed_back_at=at)
        if not rows or not claimed:
            return None
        Session.objects.filter(pk=parent.pk).update(
            key_hash=hash_key(key), previous_key_hash=None, return_hash="", last_active_at=at
        )
    return key
