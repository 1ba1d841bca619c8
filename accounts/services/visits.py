"""Ending a visit that is going on, by something else than the person who is inside."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.enums import EndCause
from accounts.identity import Fault, Identity, open_visits
from accounts.models import Session
from orgs.audit import AuditAction, record

from .expiry import end_fallen
from .sessions import end_sessions, end_sessions_of, lock_ids, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from accounts.models import DelegatedGroup, LoginAccessGrant, User
    from orgs.http import Origin
    from orgs.models import Organization


@dataclass(frozen=True, slots=True)
class VisitsOf:
    """Which visits a change may have taken the ground from, as the identity statement asks for them."""

    where: str
    parameters: dict[str, Any]

    @classmethod
    def organization(cls, organization: "Organization | int") -> Self:
        """Tell the visits in an organization."""
        key = organization if isinstance(organization, int) else organization.pk
        return cls("i.organization_id = %(organization_id)s", {"organization_id": key})

    @classmethod
    def person(cls, user: "User") -> Self:
        """Tell the visits that a person makes, and those in that person's account."""
        return cls("(i.actor_id = %(user_id)s OR i.target_id = %(user_id)s)", {"user_id": user.pk})

    @classmethod
    def grant(cls, grant: "LoginAccessGrant") -> Self:
        """Tell the visits that rest on a grant."""
        return cls("i.grant_id = %(grant_id)s", {"grant_id": grant.pk})

    @classmethod
    def group(cls, group: "DelegatedGroup | int") -> Self:
        """Tell the visits that rest on a delegated group."""
        key = group if isinstance(group, int) else group.pk
        return cls("i.group_id = %(group_id)s", {"group_id": key})


def end_lost_visits(visits: VisitsOf, *, origin: "Origin", at: datetime, among: "Collection[int] | None" = None) -> int:
    """Ask the rule again for running ``visits`` and end those that it refuses now, each with its own cause.

    For whoever changed what a visit may rest on, in the transaction of the change. Actors keep their own sessions.
    Returns how many ended. What was started at the same moment, unseen here, the next request asks.

    Whoever has changed rows that a leave or a sign-in wants too has locked the sessions before, and gives them as
    ``among``: to wait for another, of a visit begun since, could be to wait for someone who waits for that change.
    """
    lost: defaultdict[Fault, list[Identity]] = defaultdict(list)
    for identity in open_visits(visits.where, visits.parameters):
        if among is not None and identity.session.pk not in among:
            continue
        if fault := identity.fault(address=None, at=at, asks_address=False):
            lost[fault].append(identity)
    # All at once and in one order, before any is touched (accounts/services/sessions.py).
    lock_ids([pk for lost_now in lost.values() for identity in lost_now for pk in _rows_of(identity)])
    for fault, lost_now in lost.items():
        ids = [pk for identity in lost_now for pk in _rows_of(identity)[: 2 if fault.ends_parent else 1]]
        end_sessions(
            Q(pk__in=ids),
            cause=_always(fault.cause),
            origin=origin,
            # A limit that fell before was nobody's doing.
            by=origin.actor if fault.at >= at else None,
            at=fault.at,
            noticed_at=max(fault.at, at),
        )
    return sum(map(len, lost.values()))


def _rows_of(identity: Identity) -> tuple[int, ...]:
    """Return the ids of a worn session and its parent."""
    return identity.session.pk, identity.session.parent_id or identity.session.pk


def _always(cause: EndCause) -> "Callable[[Session], EndCause]":
    return lambda _: cause


def end_fallen_of(condition: Q, *, origin: "Origin", at: datetime) -> None:
    """End those of the live sessions that meet ``condition`` that a limit has ended, before somebody ends them all.

    What a limit had ended unnoticed was over at that moment, and was nobody's doing.
    """
    ids = Session.objects.live().filter(condition).values_list("pk", flat=True)
    end_fallen(list(ids), origin=origin, at=at)


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
