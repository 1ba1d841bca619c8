"""The sweep: what a limit has ended and no browser came back for, ended at the moment the limit fell.

Requests need it not: the identity statement asks of every one whether a limit fell. It closes the rows of browsers that
were simply closed. Safe to run anywhere, any number of times, at once.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.enums import SESSION_END, EndCause
from accounts.identity import Fault, Identity, live_sessions
from accounts.models import Session
from orgs.models import SessionSettings

from .sessions import end_sessions, lock_ids, stamp_ended

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from orgs.http import Origin
    from orgs.models import Organization

BATCH = 500
# What falls by the clock alone.
LIMITS = frozenset({EndCause.IDLE, EndCause.TIME_LIMIT, EndCause.GRANT_EXPIRED})


@dataclass(frozen=True, slots=True)
class Closed:
    """How many sessions were ended, worn ones among them, and how many visits with them."""

    sessions: int = 0
    visits: int = 0

    def __add__(self, other: "Closed") -> "Closed":
        return Closed(self.sessions + other.sessions, self.visits + other.visits)


def close_expired(
    *, origin: "Origin", at: datetime | None = None, batch: int = BATCH, organization: "Organization | None" = None
) -> Closed:
    """End every session and visit, or those of one organization, of which a limit has fallen; return how many.

    Each ``batch`` is a transaction of its own, so that nobody waits for long, and one that breaks off loses nothing.
    """
    at = at or timezone.now()
    closed = Closed()
    for settings in _settings_of(organization):
        after = 0
        while ids := _candidates(settings, at=at, after=after, batch=batch):
            closed += end_fallen(ids, origin=origin, at=at)
            after = ids[-1]
    return closed


def _settings_of(organization: "Organization | None") -> "Iterable[SessionSettings]":
    rows = SessionSettings.objects.only("organization", "idle_minutes", "absolute_hours").order_by("organization")
    return list(rows if organization is None else rows.filter(organization=organization))


def _candidates(settings: SessionSettings, *, at: datetime, after: int, batch: int) -> list[int]:
    """Return the next sessions of an organization of which a limit may have fallen, by their ids.

    Coarsely: :func:`end_fallen` asks. Limits of a support agent's visit are those of two organizations, so that each
    such visit is one.
    """
    rows = Session.objects.live().filter(organization=settings.organization_id, pk__gt=after)
    rows = rows.alias(active_at=Coalesce("last_active_at", "created_at"))
    own = Q(active_at__lte=at - settings.idle) | Q(created_at__lte=at - settings.absolute)
    worn = Q(impersonation__ends_at__lte=at) | ~Q(parent__organization=F("organization"))
    rows = rows.filter(Q(parent=None) & own | Q(parent__isnull=False) & worn)
    return list(rows.order_by("id").values_list("pk", flat=True)[:batch])


@transaction.atomic
def end_fallen(ids: "Collection[int]", *, origin: "Origin", at: datetime) -> Closed:
    """End those of some sessions, and of those worn from them, that a limit has ended by ``at``; return how many.

    Each is stamped with the moment it fell, and its visit closed with the cause that a request would have found. What
    no limit has ended goes on, whatever else speaks against it: that is for whoever took the right away.
    """
    locked = lock_ids(_with_relatives(ids))
    late = _with_late_children(locked)
    identities = live_sessions([pk for pk in locked if pk not in late])
    groups, visits = _fallen(identities, at=at)
    # A visit that was over before its actor's own session goes first: it keeps its own cause and moment.
    for (fell_at, cause), (own, worn) in sorted(groups.items(), key=lambda group: group[0][0]):
        if worn:
            _end_worn(own + worn, cause=cause, at=fell_at, noticed_at=at, origin=origin)
        else:
            # Locked, and nothing is worn from them: there is only the row to stamp. Nearly all are such.
            stamp_ended(own, at=fell_at, own=SESSION_END.get(cause))
    return Closed(sum(len(own) + len(worn) for own, worn in groups.values()), visits)


def _end_worn(ids: "Collection[int]", *, cause: EndCause, at: datetime, noticed_at: datetime, origin: "Origin") -> None:
    """End visits that ended at the same moment, for the same reason, and the actors' own sessions that did."""
    end_sessions(Q(pk__in=ids), cause=lambda _: cause, origin=origin, at=at, noticed_at=noticed_at)


def _with_relatives(ids: "Collection[int]") -> set[int]:
    """Return some sessions, those that they are worn from, and those worn from them."""
    parents = Session.objects.filter(pk__in=ids, parent__isnull=False).values_list("parent", flat=True)
    children = Session.objects.live().filter(parent__in=ids).values_list("pk", flat=True)
    return {*ids, *parents, *children}


def _with_late_children(locked: "Collection[int]") -> set[int]:
    """Return those from which an account has come to be worn since they were looked up: someone is there."""
    late = Session.objects.live().filter(parent__in=locked).exclude(pk__in=locked)
    return set(late.values_list("parent", flat=True))


_Groups = dict[tuple[datetime, EndCause], tuple[list[int], list[int]]]


def _fallen(identities: "Iterable[Identity]", *, at: datetime) -> tuple[_Groups, int]:
    """Return what has ended, by moment and cause: people's own sessions and worn ones; and the number of visits."""
    groups: _Groups = defaultdict(lambda: ([], []))
    over: set[int] = set()
    visits = 0
    # Worn sessions first: the end of one may be that of its parent too.
    for identity in sorted(identities, key=lambda one: one.parent is None):
        session, parent = identity.session, identity.parent
        fault = None if session.pk in over else _limit_of(identity, at=at)
        if fault is None:
            continue
        own, worn = groups[fault.at, fault.cause]
        if parent is None:
            own.append(session.pk)
            continue
        worn.append(session.pk)
        visits += 1
        if fault.ends_parent and parent.ended_at is None:
            own.append(parent.pk)
            over.add(parent.pk)
    return groups, visits


def _limit_of(identity: Identity, *, at: datetime) -> Fault | None:
    """Return the first of what ends a session, if a limit is among it.

    :meth:`Identity.fault` ends the actor's own session with the visit where that one's limit has fallen too, at
    whatever moment. Here it waits for its own, as if its browser had come back in between.
    """
    own, of_visit = identity.faults(address=None, at=at, asks_address=False)
    if not any(fault.cause in LIMITS for fault in (*own, *of_visit)):
        return None
    return min((*own, *of_visit), key=lambda fault: fault.at)
