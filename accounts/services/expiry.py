"""The sweep: what a limit has ended and no browser came back for, ended at the moment the limit fell.

Requests need it not: the identity statement asks of every one whether a limit fell. It closes the rows of browsers that
were simply closed. Safe to run anywhere, any number of times, at once.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.enums import EndCause
from accounts.identity import Fault, Identity, live_sessions
from accounts.models import Session
from orgs.models import SessionSettings

from .batches import BATCH, batches
from .sessions import End, end_each, lock_ids

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from orgs.http import Origin
    from orgs.models import Organization

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
    locked = lock_ids(with_relatives(ids))
    late = _with_late_children(locked)
    identities = live_sessions([pk for pk in locked if pk not in late])
    own, worn = _fallen(identities, at=at)
    end_each(own, worn, origin=origin)
    return Closed(len(own) + len(worn), len(worn))


def with_relatives(ids: "Collection[int]") -> set[int]:
    """Return some sessions, those that they are worn from, and those worn from them."""
    found = set(ids)
    for some in batches(ids):
        worn = Session.objects.filter(pk__in=some, parent__isnull=False)
        found.update(worn.values_list("parent", flat=True))
        found.update(Session.objects.live().filter(parent__in=some).values_list("pk", flat=True))
    return found


def _with_late_children(locked: "Collection[int]") -> set[int]:
    """Return those from which an account has come to be worn since they were looked up: someone is there."""
    late = Session.objects.live().filter(parent__in=locked).exclude(pk__in=locked)
    return set(late.values_list("parent", flat=True))


def _fallen(identities: "Iterable[Identity]", *, at: datetime) -> tuple[dict[int, End], dict[int, End]]:
    """Return what has ended, people's own sessions and worn ones, each with its end."""
    own: dict[int, End] = {}
    worn: dict[int, End] = {}
    # Worn sessions first: the end of one may be that of its parent too.
    for identity in sorted(identities, key=lambda one: one.parent is None):
        session, parent = identity.session, identity.parent
        fault = None if session.pk in own else _limit_of(identity, at=at)
        if fault is None:
            continue
        end = End(fault.cause, fault.at, noticed_at=at)
        if parent is None:
            own[session.pk] = end
            continue
        worn[session.pk] = end
        if fault.ends_parent and parent.ended_at is None:
            own[parent.pk] = end
    return own, worn


def _limit_of(identity: Identity, *, at: datetime) -> Fault | None:
    """Return the first of what ends a session, if a limit is among it.

    :meth:`Identity.fault` ends the actor's own session with the visit where that one's limit has fallen too, at
    whatever moment. Here it waits for its own, as if its browser had come back in between.
    """
    own, of_visit = identity.faults(address=None, at=at, asks_address=False)
    if not any(fault.cause in LIMITS for fault in (*own, *of_visit)):
        return None
    return min((*own, *of_visit), key=lambda fault: fault.at)
