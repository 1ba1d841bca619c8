"""Ending sessions. Whatever ends one, ends the worn session below it in the same statement and closes the visit.

Lock first, always: all session rows that will be touched, parents included, in the order of their ids. Leave against
deactivate would deadlock on PostgreSQL otherwise; on SQLite the transaction itself is the lock.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Case, Q, Value, When, prefetch_related_objects
from django.utils import timezone

from accounts.enums import SESSION_END, EndCause, SessionEnd
from accounts.models import Impersonation, Session
from orgs.audit import AuditAction, build_event, name_in
from orgs.models import AuditEvent

if TYPE_CHECKING:
    from accounts.models import User
    from orgs.http import Origin


def lock_sessions(condition: Q) -> list[Session]:
    """Lock the live sessions that meet ``condition``, in id order, and return each with its visit if it is worn."""
    rows = Session.objects.live().filter(condition).select_related("impersonation").order_by("id")
    return list(rows.select_for_update(of=("self",)))


def lock_ids(ids: Collection[int]) -> list[int]:
    """Lock those of some sessions that are live, in id order, and return which they are."""
    rows = Session.objects.live().filter(pk__in=ids).order_by("id").select_for_update()
    return list(rows.values_list("pk", flat=True))


def close_visits(  # when, why and by whom are three facts
    visits: Iterable[Impersonation],
    *,
    cause: EndCause,
    origin: "Origin",
    at: datetime,
    noticed_at: datetime,
    by: "User | None" = None,
) -> None:
    """Close open visits, once each, with their cause and the row of the trail. The session rows must be locked."""
    still_open = [visit for visit in visits if visit.ended_at is None]
    if not still_open:
        return
    Impersonation.objects.open().filter(pk__in=[visit.pk for visit in still_open]).update(
        ended_at=at, end_cause=cause, ended_by=by, noticed_at=noticed_at
    )
    events = []
    for visit in still_open:
        visit.ended_at, visit.end_cause, visit.noticed_at = at, cause, noticed_at
        events.append(
            build_event(
                AuditAction.IMPERSONATION_ENDED,
                origin=origin,
                organization_id=visit.organization_id,
                user=visit.actor,
                about=visit.target,
                impersonation_id=visit.pk,
                at=noticed_at,
                after={
                    "cause": cause.value,
                    "ended_at": at.isoformat(),
                    "ended_by": name_in(visit.organization_id, by) if by else "",
                },
                why=_why(visit, cause, by),
            )
        )
    AuditEvent.objects.bulk_create(events)


def _why(visit: Impersonation, cause: EndCause, by: "User | None") -> str:
    """Return the sentence's end: why, and whose doing that was, where it was neither of the two."""
    if cause == EndCause.LOGGED_OUT:
        return ""
    if by is None or by.pk in {visit.actor_id, visit.target_id}:
        return f": {cause.label}"
    return f": {cause.label} ({name_in(visit.organization_id, by)})"


def end_sessions(
    condition: Q,
    *,
    cause: Callable[[Session], EndCause],
    origin: "Origin",
    by: "User | None" = None,
    at: datetime | None = None,
    noticed_at: datetime | None = None,
) -> int:
    """End the live sessions that meet ``condition``, and those worn below them.

    ``cause`` says of each why it ended: of a worn one its visit, of one's own what the next page tells
    (``SESSION_END``), the same of all of one's own that end together. ``at`` is the moment the right was lost,
    ``noticed_at`` when that was seen; now, unless told. Returns how many sessions ended.
    """
    noticed_at = noticed_at or timezone.now()
    at = at or noticed_at
    with transaction.atomic():
        rows = _lock_with_children(condition)
        own = next((row for row in rows if not row.is_worn), None)
        stamp_ended([row.pk for row in rows], at=at, own=SESSION_END.get(cause(own)) if own else None)
        by_cause: dict[EndCause, list[Impersonation]] = {}
        for row in rows:
            if row.is_worn:
                by_cause.setdefault(cause(row), []).append(row.impersonation)
        for one, visits in by_cause.items():
            _name_people(visits)
            close_visits(visits, cause=one, origin=origin, at=at, noticed_at=noticed_at, by=by)
    return len(rows)


def _lock_with_children(condition: Q) -> list[Session]:
    """Lock the live sessions that meet ``condition`` and those worn below them, all in one order."""
    # Ids first: one condition across parent and child is one that no index answers.
    own = Session.objects.live().filter(condition, parent=None).values_list("pk", flat=True)
    rows = lock_sessions(condition | Q(parent__in=list(own)))
    if locked := [row.pk for row in rows if not row.is_worn]:
        # A start that held its parent while this waited has committed by now: its worn session is seen only here.
        rows += lock_sessions(Q(parent__in=locked) & ~Q(pk__in=[row.pk for row in rows]))
    return rows


def stamp_ended(ids: Collection[int], *, at: datetime, own: SessionEnd | None) -> None:
    """Stamp locked rows as ended, all in one statement, and delete what they hold.

    ``own`` is why people's own among them ended; of worn ones their visits tell.
    """
    if ids:
        end_cause = Case(When(parent=None, then=Value(own)), default=None)
        Session.objects.filter(pk__in=ids).update(ended_at=at, end_cause=end_cause, data="", previous_key_hash=None)


def end_session(
    session: Session,
    *,
    cause: EndCause = EndCause.PARENT_SESSION_ENDED,
    origin: "Origin",
    by: "User | None" = None,
    at: datetime | None = None,
    noticed_at: datetime | None = None,
) -> int:
    """End one session and the one worn below it. ``cause`` is the visit's, and as ``SESSION_END`` has it one's own."""
    return end_sessions(Q(pk=session.pk), cause=lambda _: cause, origin=origin, by=by, at=at, noticed_at=noticed_at)


def end_sessions_of(
    user: "User",
    *,
    as_actor: EndCause,
    as_target: EndCause | None = None,
    origin: "Origin",
    by: "User | None" = None,
    keep: Session | None = None,
    at: datetime | None = None,
) -> int:
    """End a person's own sessions and what was worn from them (``as_actor``).

    With ``as_target`` also the sessions in which another wears the account. ``keep`` and its parent stay. ``at`` is
    when somebody did it, and so when it was noticed too.
    """
    condition = Q(user=user) if as_target is not None else Q(user=user, parent=None)
    if keep is not None:
        condition &= ~Q(pk__in=[keep.pk, keep.parent_id or keep.pk])

    def cause(row: Session) -> EndCause:
        is_entered = row.is_worn and row.user_id == user.pk
        return as_target if as_target is not None and is_entered else as_actor

    return end_sessions(condition, cause=cause, origin=origin, by=by, at=at, noticed_at=at)


def session_of(origin: "Origin") -> Session | None:
    """Return the session that asks, if one does: what is kept where all of a person's end."""
    if origin.session_public_id is None:
        return None
    return Session.objects.filter(public_id=origin.session_public_id).first()


def _name_people(visits: Sequence[Impersonation]) -> None:
    """Fetch the people of many visits in two queries, for the trail's sentences."""
    prefetch_related_objects(list(visits), "actor", "target")
