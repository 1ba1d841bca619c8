"""Ending a visit that is going on, by something else than the person who is inside."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Self

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.enums import EndCause
from accounts.identity import live_sessions
from accounts.models import Impersonation, Session
from orgs.audit import AuditAction, record

from .batches import batches
from .expiry import end_fallen, with_relatives
from .sessions import End, end_each, end_sessions, end_sessions_of, lock_ids, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from accounts.models import DelegatedGroup, LoginAccessGrant, User
    from orgs.http import Origin
    from orgs.models import Organization


@dataclass(frozen=True, slots=True)
class VisitsOf:
    """Which open visits a change may have taken the ground from."""

    condition: Q

    @classmethod
    def organization(cls, organization: "Organization | int") -> Self:
        """Tell the visits in an organization."""
        return cls(Q(organization=organization))

    @classmethod
    def person(cls, user: "User") -> Self:
        """Tell the visits that a person makes, and those in that person's account."""
        return cls(Q(actor=user) | Q(target=user))

    @classmethod
    def grant(cls, grant: "LoginAccessGrant") -> Self:
        """Tell the visits that rest on a grant."""
        return cls(Q(grant=grant))

    @classmethod
    def group(cls, group: "DelegatedGroup") -> Self:
        """Tell the visits that rest on a delegated group, which may be deleted after this."""
        # Open visits have an index by organization.
        return cls(Q(organization=group.organization_id, group=group.pk))

    def ids(self) -> list[int]:
        """Return the ids of the visits, which are those of the worn sessions, in their order."""
        # Sorted here: to have them in order the database would walk along all visits there ever were.
        return sorted(Impersonation.objects.open().filter(self.condition).values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class Lost:
    """A visit that the rule refuses now: its sessions, and its end."""

    worn: int
    parent: int
    ends_parent: bool
    end: End


def end_lost_visits(visits: VisitsOf, *, origin: "Origin", at: datetime, among: "Collection[int] | None" = None) -> int:
    """Ask the rule again for running ``visits`` and end those that it refuses now, each with its own cause.

    For whoever changed what a visit may rest on, in the transaction of the change. Actors keep their own sessions.
    Returns how many it refuses. What was started at the same moment, unseen here, the next request asks.

    The first batch ends in that transaction. The others follow once it is committed, each in one of its own: a change
    must not hang, or fail, by how many visits there are. Nobody is let in meanwhile, since every request asks the rule
    by itself; a process that is killed leaves rows that the next request closes, or the sweep.

    Whoever has changed rows that a leave or a sign-in wants too has locked the sessions before, and gives them as
    ``among``: to wait for another, of a visit begun since, could be to wait for someone who waits for that change.
    """
    lost = [one for one in _lost(visits, origin=origin, at=at) if among is None or one.worn in among]
    for number, some in enumerate(batches(lost)):
        end = partial(_end, some, origin=origin)
        if number:
            transaction.on_commit(end, robust=True)
        else:
            end()
    return len(lost)


def _lost(visits: VisitsOf, *, origin: "Origin", at: datetime) -> "Iterator[Lost]":
    """Yield the visits that the rule refuses, each with the moment at which its right was lost."""
    for some in batches(visits.ids()):
        for identity in live_sessions(some):
            fault, visit = identity.fault(address=None, at=at, asks_address=False), identity.impersonation
            if fault is None or visit is None:
                continue
            # A limit that fell before was nobody's doing.
            by = origin.actor if fault.at >= at else None
            end = End(fault.cause, fault.at, noticed_at=max(fault.at, at), by=by)
            yield Lost(visit.pk, visit.actor_session_id, fault.ends_parent, end)


@transaction.atomic
def _end(lost: "Collection[Lost]", *, origin: "Origin") -> None:
    """End those of some lost visits that go on, and the actor's own session where that is over with the visit."""
    # All at once and in one order, before any is touched (accounts/services/sessions.py).
    locked = set(lock_ids(pk for one in lost for pk in (one.worn, one.parent)))
    worn = {one.worn: one for one in lost if one.worn in locked}
    own = {one.parent: one.end for one in worn.values() if one.ends_parent and one.parent in locked}
    end_each(own, {pk: one.end for pk, one in worn.items()}, origin=origin)


def _always(cause: EndCause) -> "Callable[[Session], EndCause]":
    return lambda _: cause


def end_fallen_of(condition: Q, *, origin: "Origin", at: datetime) -> None:
    """End those of the live sessions that meet ``condition`` that a limit has ended, before somebody ends them all.

    What a limit had ended unnoticed was over at that moment, and was nobody's doing.
    """
    ids = list(Session.objects.live().filter(condition).order_by("id").values_list("pk", flat=True))
    several = list(batches(ids))
    if len(several) > 1:
        # All in one order, before the first are touched.
        lock_ids(with_relatives(ids))
    for some in several:
        end_fallen(some, origin=origin, at=at)


def end_every_session(user: "User", *, as_actor: EndCause, as_target: EndCause, origin: "Origin", at: datetime) -> int:
    """End all sessions of a person, and visits in or from one, all but the one that asks; return how many.

    In the transaction of whoever asked whether that may be, with the row of the trail where any ended.
    """
    end_fallen_of(Q(user=user), origin=origin, at=at)
    ended = end_sessions_of(
        user, as_actor=as_actor, as_target=as_target, origin=origin, by=origin.actor, keep=session_of(origin), at=at
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


@transaction.atomic
def end_visit_as_target(target: "User", *, visit_id: int, origin: "Origin", at: datetime | None = None) -> bool:
    """End a visit in ``target``'s own account, because they say so. The actor is back in their own session, told why.

    Returns False where there is no such open visit (any more). Other people's visits are not found.
    """
    at = at or timezone.now()
    is_that_visit = Q(pk=visit_id, user=target, parent__isnull=False)
    end_fallen_of(is_that_visit, origin=origin, at=at)
    cause = _always(EndCause.ENDED_BY_TARGET)
    return end_sessions(is_that_visit, cause=cause, origin=origin, by=target, at=at, noticed_at=at) > 0
