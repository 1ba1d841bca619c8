"""Logging in as another user, and out again: each one transaction, or nothing.

Starting keeps the actor's session on the server without a key, and makes a second one, *SubstituteUser*, whose key the
browser gets instead. So a leaked worn key never becomes an administrator's, and a kept old key opens nothing.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, TextField, Value, When
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.enums import Access, EndCause, LoginType, MailOutcome, Refusal, SessionEnd, SessionType
from accounts.facts import Target, find_target
from accounts.identity import Fault, Identity
from accounts.keys import hash_key, new_key
from accounts.login_access import Verdict, may_impersonate
from accounts.metrics import count_refusal, count_start
from accounts.models import Impersonation, Login, Session, User
from orgs.audit import AuditAction, name_in, record
from orgs.mails import send_mail_now
from orgs.models import AccessMode

from .refusals import note_refusal
from .sessions import close_visits, end_sessions, lock_ids, lock_sessions, stamp_ended
from .start_policy import StartDetails, settings_at_start, what_the_policy_asks

if TYPE_CHECKING:
    from accounts.enums import Basis
    from orgs.http import Origin

logger = logging.getLogger(__name__)

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
    details: StartDetails | None = None,
    back: str = "",
    at: datetime | None = None,
) -> Started:
    """Log ``actor``, whose own session is ``session``, in as the user ``target_id``.

    One transaction: take the key from the actor's session (which locks it and holds only for one of two starts), ask
    the rule, make the worn session and the impersonation, write the trail and the login row. If any of these can't be
    written nothing starts. Raises :class:`TargetNotFound` or :class:`ImpersonationRefused`; a refusal is recorded,
    outside what rolls back, and too many are :class:`accounts.services.refusals.TooManyRefusals`. Where the policy asks
    for more than one click: :class:`DetailsNeeded` without ``details``, :class:`DetailsWrong` with ones that won't do,
    :class:`SignInNeeded`.
    """
    at = at or timezone.now()
    try:
        return _start_once(
            actor=actor, session=session, target_id=target_id, origin=origin, details=details, back=back, at=at
        )
    except ImpersonationRefused as refused:
        if refused.refusal == Refusal.NESTED and not session.is_worn:
            # The other of two clicks on Login took the key while this one waited for it.
            first = _rejoin(str(session.key_hash), target_id=target_id, at=at)
            if first is not None:
                return first
        count_refusal(refused.refusal)
        note_refusal(refused.refusal, refused.target, actor=actor, session=session, origin=origin, at=at)
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
    *,
    actor: User,
    session: Session,
    target_id: int,
    origin: "Origin",
    details: StartDetails | None,
    back: str,
    at: datetime,
) -> Started:
    key, return_token = new_key(), new_key()
    took_key = _take_key(session, return_token)
    target, verdict = find_startable(actor, target_id, is_impersonating=not took_key, at=at)
    details = what_the_policy_asks(target.policy, session, details, at=at)
    worn = _wear(target.user, key=key, session=session, origin=origin, at=at)
    visit = Impersonation.objects.create(
        session=worn,
        actor_session=session,
        organization=target.user.organization,
        actor=actor,
        target=target.user,
        actor_name=name_in(target.user.organization_id, actor),
        target_name=str(target.user),
        basis=cast("Basis", verdict.basis),
        grant_id=verdict.grant_id,
        group_id=verdict.group_id,
        group_name=target.group_name if verdict.group_id else "",
        reason=details.reason,
        ticket=details.ticket,
        access=Access.READ_ONLY if target.policy.access_mode == AccessMode.READ_ONLY_FIRST else Access.FULL,
        mail=MailOutcome.WAITING if target.policy.mail_at_start else "",
        ran_under=settings_at_start(target, session),
        records_pages=target.policy.record_pages_opened,
        back=back,
        address=origin.address,
        agent=origin.agent,
        started_at=at,
        ends_at=_end_of_visit(target, verdict, session, at),
    )
    _write_start(visit, actor, target.user, origin=origin, at=at)
    count_start(visit.basis)
    if visit.mail:
        transaction.on_commit(partial(_tell_target, visit, target.user), robust=True)
    return Started(visit, worn, key, return_token)


def find_startable(actor: User, target_id: int, *, is_impersonating: bool, at: datetime) -> tuple[Target, Verdict]:
    """Return a user as whom ``actor`` may log in, with the rule's yes. Raises what :func:`start_impersonation` does."""
    target = find_target(actor, target_id, is_impersonating=is_impersonating)
    if target is None:
        raise TargetNotFound
    verdict = may_impersonate(actor=actor, target=target.user, facts=target.facts, at=at)
    if verdict.refusal == Refusal.NOT_FOUND:
        raise TargetNotFound
    if verdict.refusal is not None:
        raise ImpersonationRefused(verdict.refusal, target.user)
    return target, verdict


def _take_key(session: Session, return_token: str) -> bool:
    """Take the key from the actor's own session; False where it is a worn one, or another start was faster."""
    if session.is_worn:
        return False
    mine = Session.objects.live().filter(pk=session.pk, key_hash=session.key_hash)
    return mine.update(key_hash=None, previous_key_hash=session.key_hash, return_hash=hash_key(return_token)) == 1


def _wear(target: User, *, key: str, session: Session, origin: "Origin", at: datetime) -> Session:
    """Make the session in which ``target`` is worn."""
    return Session.objects.create(
        key_hash=hash_key(key),
        user=target,
        organization_id=target.organization_id,
        parent=session,
        type=SessionType.SUBSTITUTE_USER,
        backend=session.backend,
        auth_hash=target.get_session_auth_hash(),
        address=origin.address,
        agent=origin.agent,
        created_at=at,
        authenticated_at=session.authenticated_at,
    )


def _write_start(visit: Impersonation, actor: User, target: User, *, origin: "Origin", at: datetime) -> None:
    """Write the row of the trail and that of the login history."""
    after = {
        "basis": visit.basis,
        "group": visit.group_name,
        "access": visit.access,
        "ends_at": visit.ends_at.isoformat(),
    }
    record(
        AuditAction.IMPERSONATION_STARTED,
        origin=origin,
        organization=visit.organization_id,
        user=actor,
        about=target,
        impersonation_id=visit.pk,
        at=at,
        after={name: value for name, value in after.items() if value},
    )
    Login.objects.create(
        organization_id=visit.organization_id,
        user=target,
        username=target.username,
        created_at=at,
        type=LoginType.LOGIN_AS,
        address=origin.address,
        agent=origin.agent,
        delegate_user_id=visit.actor_id,
        delegate_user_name=visit.actor_name,
    )


def _end_of_visit(target: Target, verdict: Verdict, session: Session, at: datetime) -> datetime:
    """Return the earliest of time limit, grant's end, and the absolute ends of both sessions."""
    hours, actor_hours = target.absolute_hours
    ends = [
        at + timedelta(minutes=target.policy.time_limit_minutes),
        at + timedelta(hours=hours),
        session.absolute_end(timedelta(hours=actor_hours)),
    ]
    if verdict.grant_id is not None and target.facts.grant is not None:
        ends.append(target.facts.grant.expires_at)
    return min(ends)


def _tell_target(visit: Impersonation, target: User) -> None:
    """Mail the target, after the commit, and write down what became of it. A mail server that is away stops nothing."""
    try:
        is_sent = send_mail_now("accounts/visit_started", to=target.email, user=target, visit=visit)
        outcome = MailOutcome.SENT if is_sent else MailOutcome.FAILED
    except Exception:
        logger.exception("The mail that tells of visit %s could not be sent.", visit.pk)
        outcome = MailOutcome.FAILED
    visit.mail = outcome
    Impersonation.objects.filter(pk=visit.pk).update(mail=outcome)


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
    visit = identity.impersonation
    if visit is None:
        return None
    at = at or timezone.now()
    ends_parent = identity.force_relogin or not may_return(identity.parent, return_token)
    with transaction.atomic():
        if visit.pk not in (locked := lock_ids([visit.pk, visit.actor_session_id])):
            return None
        key = None if ends_parent else new_key()
        if key is None:
            stamp_ended(locked, at=at, own=SessionEnd.SIGNED_OUT)
        else:
            _end_worn_and_rekey(visit, key, at=at)
        close_visits([visit], cause=EndCause.LOGGED_OUT, origin=origin, at=at, noticed_at=at, by=visit.actor)
    return Left(visit, key)


def may_return(parent: Session | None, return_token: str) -> bool:
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


def end_lost_visit(identity: Identity, fault: Fault, *, origin: "Origin", at: datetime | None = None) -> None:
    """End a running visit whose right was lost, at the moment it was lost; the parent too where the fault says so.

    ``at`` is when that was noticed.
    """
    if identity.impersonation is None:
        return
    condition = Q(pk=identity.session.pk)
    if fault.ends_parent:
        condition |= Q(pk=identity.session.parent_id)
    end_sessions(condition, cause=lambda _: fault.cause, origin=origin, at=fault.at, noticed_at=at)
    identity.impersonation.refresh_from_db(fields=["ended_at", "end_cause"])


def hand_back(identity: Identity, return_token: str, *, at: datetime | None = None) -> str | None:
    """Give the actor's own session a new key after an end that nobody at the keyboard asked for, or return None.

    The worn key and the return cookie together are exchanged once; ``handed_back_at`` decides between two who try.
    ``identity.parent`` is the whole row then, with what it holds: nothing need look it up by its new key.
    """
    visit, parent = identity.impersonation, identity.parent
    at = at or timezone.now()
    if visit is None or parent is None or visit.end_cause == EndCause.LOGGED_OUT:
        return None
    if not may_return(parent, return_token):
        return None
    if Identity(parent, identity.actor, identity.actor, limits=identity.limits).fault(address=parent.address, at=at):
        return None
    key = new_key()
    with transaction.atomic():
        waiting = lock_sessions(Q(pk=parent.pk, key_hash=None))
        handed_back = Impersonation.objects.filter(pk=visit.pk, handed_back_at=None)
        if not waiting or not handed_back.update(handed_back_at=at):
            return None
        (identity.parent,) = waiting
        changes = {"key_hash": hash_key(key), "previous_key_hash": None, "return_hash": "", "last_active_at": at}
        Session.objects.filter(pk=parent.pk).update(**changes)
    for name, value in changes.items():
        setattr(identity.parent, name, value)
    return key
