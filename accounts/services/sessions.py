"""Ending sessions. Whatever ends one, ends the worn session below it in the same statement and closes the visit.

Lock first, always: all session rows that will be touched, parents included, in the order of their ids. Leave against
deactivate would deadlock on PostgreSQL otherwise; on SQLite the transaction itself is the lock.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Case, Q, Value, When
from django.utils import timezone

from accounts.enums import SESSION_END, EndCause, SessionEnd
from accounts.metrics import count_ends
from accounts.models import Impersonation, Session
from orgs.audit import AuditAction, build_event, name_in
from orgs.models import AuditEvent

from .batches import batches, update_each

if TYPE_CHECKING:
    from accounts.models import User
    from orgs.http import Origin


# What the trail says of a visit's people.
_PERSON = ("first_name", "last_name", "username", "organization")
_NAMED = (
    *("organization", "actor__organization__name"),
    *(f"{person}__{name}" for person in ("actor", "target") for name in _PERSON),
)


@dataclass(frozen=True, slots=True)
class End:
    """Why something ended, when its right was lost, when that was noticed, and whose doing it was, if somebody's."""

    cause: EndCause
    at: datetime
    noticed_at: datetime
    by: "User | None" = None


def lock_sessions(condition: Q) -> list[Session]:
    """Lock the live sessions that meet ``condition``, in id order, and return each with its visit if it is worn."""
    rows = Session.objects.live().filter(condition).select_related("impersonation").order_by("id")
    return list(rows.select_for_update(of=("self",)))


def lock_ids(ids: Iterable[int]) -> list[int]:
    """Lock those of some sessions that are live, in id order, and return which they are."""
    live = Session.objects.live().order_by("id").select_for_update().values_list("pk", flat=True)
    return [pk for some in batches(sorted(set(ids))) for pk in live.filter(pk__in=some)]


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
    end = End(cause, at, noticed_at, by)
    _close({visit: end for visit in visits if visit.ended_at is None}, origin=origin)


def _close(ends: Mapping[Impersonation, End], *, origin: "Origin") -> None:
    """Close open visits, each with its own end."""
    for by in dict.fromkeys(end.by for end in ends.values()):
        each = {
            visit.pk: {"ended_at": end.at, "end_cause": end.cause, "noticed_at": end.noticed_at}
            for visit, end in ends.items()
            if end.by == by
        }
        update_each(Impersonation, each, {"ended_by": by and by.pk})
    for visit, end in ends.items():
        visit.ended_at, visit.end_cause, visit.noticed_at = end.at, end.cause, end.noticed_at
    AuditEvent.objects.bulk_create([_event(visit, end, origin) for visit, end in ends.items()])
    count_ends(end.cause for end in ends.values())


def _event(visit: Impersonation, end: End, origin: "Origin") -> AuditEvent:
    """Return the unsaved row of the trail of a visit's end."""
    return build_event(
        AuditAction.IMPERSONATION_ENDED,
        origin=origin,
        organization_id=visit.organization_id,
        user=visit.actor,
        about=visit.target,
        impersonation_id=visit.pk,
        at=end.noticed_at,
        after={
            "cause": end.cause.value,
            "ended_at": end.at.isoformat(),
            "ended_by": name_in(visit.organization_id, end.by) if end.by else "",
        },
        why=_why(visit, end.cause, end.by),
    )


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
        ends = {row: End(cause(row), at, noticed_at, by) for row in rows}
        end_each(
            {row.pk: end for row, end in ends.items() if not row.is_worn},
            {row.pk: end for row, end in ends.items() if row.is_worn},
            origin=origin,
        )
    return len(rows)


def _lock_with_children(condition: Q) -> list[Session]:
    """Lock the live sessions that meet ``condition`` and those worn below them, all in one order."""
    live = Session.objects.live()
    # Ids first: one condition across parent and child is one that no index answers.
    found = dict(live.filter(condition).values_list("pk", "parent"))
    own = [pk for pk, parent in found.items() if parent is None]
    children = [pk for some in batches(own) for pk in live.filter(parent__in=some).values_list("pk", flat=True)]
    lockable = live.only("user", "parent").order_by("id").select_for_update()
    rows = {row.pk: row for some in batches(sorted({*found, *children})) for row in lockable.filter(pk__in=some)}
    for some in batches(pk for pk in own if pk in rows):
        # A start that held its parent while this waited has committed by now: its worn session is seen only here.
        rows |= {row.pk: row for row in lockable.filter(parent__in=some)}
    return list(rows.values())


def end_each(own: Mapping[int, End], worn: Mapping[int, End], *, origin: "Origin") -> None:
    """End locked sessions, people's own and worn ones, each with its own end, and close the visits of the latter."""
    for some in batches({**own, **worn}.items()):
        # Of a worn one its visit's row tells why.
        each = {
            pk: {"ended_at": end.at, "end_cause": SESSION_END.get(end.cause) if pk in own else None} for pk, end in some
        }
        update_each(Session, each, {"data": "", "previous_key_hash": None})
    for ids in batches(worn):
        visits = Impersonation.objects.open().filter(pk__in=ids).select_related("actor__organization", "target")
        _close({visit: worn[visit.pk] for visit in visits.only(*_NAMED).order_by("pk")}, origin=origin)


def stamp_ended(ids: Collection[int], *, at: datetime, own: SessionEnd | None) -> None:
    """Stamp locked rows as ended, all in one statement, and delete what they hold.

    ``own`` is why people's own among them ended; of worn ones their visits tell.
    """
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
