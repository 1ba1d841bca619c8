"""Logging in as another user, and out again: each one transaction, or nothing.

Starting keeps the actor's session on the server without a key, and makes a second one, *SubstituteUser*, whose key the
browser gets instead. So a leaked worn key never becomes an administrator's, and a kept old key opens nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, TextField, Value, When
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.enums import EndCause, LoginType, Refusal, SessionType
from accounts.identity import Fault, Identity
from accounts.keys import hash_key, new_key
from accounts.login_access import Facts, may_impersonate
from accounts.models import Impersonation, Login, Session, User
from orgs.audit import AuditAction, record

from .sessions import close_visits, end_sessions, lock_ids, lock_sessions, stamp_ended

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
        self.help_url, self.help_label = help_for(refusal)
        super().__init__(str(refusal.label))


def help_for(refusal: Refusal) -> tuple[str, str]:
    """Return the address and the words of what would help against ``refusal``; empty where nothing on a page would."""
    if refusal in {Refusal.EDITION, Refusal.NOT_PROVISIONED, Refusal.OFF, Refusal.PROTECTED}:
        return reverse("login_access_policies"), "Login Access Policies"
    return "", ""


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


def start_impersonation(
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
        return _start_once(
            actor=actor, session=session, target_id=target_id, origin=origin, reason=reason, back=back, at=at
        )
    except ImpersonationRefused as refused:
        if refused.refusal == Refusal.NESTED and not session.is_worn:
            # The other of two clicks on Login took the key while this one waited for it.
            first = _rejoin(str(session.key_hash), target_id=target_id, at=at)
            if first is not None:
                return first
        _record_refusal(refused, actor=actor, origin=origin)
        raise


def _start_once(*, session: Session, target_id: int, **rest: Any) -> Started:
    """Start in one transaction. What the database's own constraint refuses is *already logged in* too."""
    try:
        with transaction.atomic():
            return _start(session=session, target_id=target_id, **rest)
    except IntegrityError as error:
        if not Impersonation.objects.open().filter(actor_session=session).exists():
            raise
        raise ImpersonationRefused(Refusal.NESTED, User.objects.filter(pk=target_id).first()) from error


def _start(
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
    target = next(iter(User.objects.filter(pk=target_id).with_start_facts()), None)
    if target is None:
        raise TargetNotFound
    facts = Facts.of(target.organization, target.organization.login_access_policy, is_impersonating=not took_key)
    verdict = may_impersonate(actor=actor, target=target, facts=facts, at=at)
    if verdict.refusal == Refusal.NOT_FOUND:
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


def _end_of_visit(organization: "Organization", session: Session, at: datetime) -> datetime:
    """Return the earliest of the time limit and the absolute end of the actor's own session."""
    limit = timedelta(minutes=organization.login_access_policy.time_limit_minutes)
    return min(at + limit, session.absolute_end(organization.session_settings.absolute))


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
    return _rejoin(hash_key(key), target_id=target_id, at=at or timezone.now())


def _rejoin(previous_key_hash: str, *, target_id: int, at: datetime) -> Started | None:
    with transaction.atomic():
        parent = Session.objects.live().filter(previous_key_hash=previous_key_hash).only("pk").first()
        rows = lock_sessions(Q(pk=parent.pk) | Q(parent=parent.pk)) if parent else []
        if len(rows) != 2 or rows[0].previous_key_hash != previous_key_hash:  # noqa: PLR2004  # a parent and its child
            return None
        parent, worn = rows
        if worn.user_id != target_id or worn.last_active_at is not None or worn.created_at <= at - DOUBLE_CLICK:
            return None
        key, return_token = new_key(), new_key()
        Session.objects.filter(pk=worn.pk).update(key_hash=hash_key(key))
        Session.objects.filter(pk=parent.pk).update(return_hash=hash_key(return_token))
    return Started(worn.impersonation, worn, key, return_token)


def leave_impersonation(
    identity: Identity, *, return_token: str, origin: "Origin", at: datetime | None = None
) -> Left | None:
    """Log out as the target. With *Force relogin after Login-As-User* both sessions end, otherwise only the second.

    The seed article: "their current session will also be terminated and they may be forced to login again". In the
    latter case the actor's own session goes on under a new key, for the browser that holds the return cookie: the worn
    key alone never becomes the actor's, so without it both end. None where someone else was faster.
    """
    visit, limits = identity.impersonation, identity.limits
    if visit is None or limits is None:
        return None
    at = at or timezone.now()
    ends_parent = limits.force_relogin or not _may_return(identity.parent, return_token)
    with transaction.atomic():
        if visit.pk not in (locked := lock_ids([visit.pk, visit.actor_session_id])):
            return None
        key = None if ends_parent else new_key()
        if key is None:
            stamp_ended(locked, at=at)
        else:
            _end_worn_and_rekey(visit, key, at=at)
        close_visits([visit], cause=EndCause.LOGGED_OUT, origin=origin, at=at, noticed_at=at, by=visit.actor)
    return Left(visit, key)


def _may_return(parent: Session | None, return_token: str) -> bool:
    """Tell whether a browser holds the return cookie that it got when the visit began."""
    if parent is None or not parent.return_hash:
        return False
    return constant_time_compare(parent.return_hash, hash_key(return_token))


def _end_worn_and_rekey(visit: Impersonation, key: str, *, at: datetime) -> None:
    """End the worn session and give its parent a new key, in one statement."""
    is_worn = Q(pk=visit.pk)
    Session.objects.filter(pk__in=[visit.pk, visit.actor_session_id]).update(
        ended_at=Case(When(is_worn, then=Value(at)), default=F("ended_at")),
        data=Case(When(is_worn, then=Value("", output_field=TextField())), default=F("data")),
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
    return end_sessions(Q(pk__in=worn), cause=lambda _: cause, origin=origin, at=at, noticed_at=at, by=origin.actor)


def hand_back(identity: Identity, return_token: str, *, at: datetime | None = None) -> str | None:
    """Give the actor's own session a new key after an end that nobody at the keyboard asked for, or return None.

    The worn key and the return cookie together are exchanged once; ``handed_back_at`` decides between two who try.
    """
    visit, parent = identity.impersonation, identity.parent
    at = at or timezone.now()
    if visit is None or parent is None or visit.end_cause == EndCause.LOGGED_OUT:
        return None
    if not _may_return(parent, return_token):
        return None
    if Identity(parent, identity.actor, identity.actor, limits=identity.limits).fault(address=parent.address, at=at):
        return None
    key = new_key()
    with transaction.atomic():
        is_waiting = bool(lock_sessions(Q(pk=parent.pk, key_hash=None)))
        handed_back = Impersonation.objects.filter(pk=visit.pk, handed_back_at=None)
        if not is_waiting or not handed_back.update(handed_back_at=at):
            return None
        Session.objects.filter(pk=parent.pk).update(
            key_hash=hash_key(key), previous_key_hash=None, return_hash="", last_active_at=at
        )
    return key
