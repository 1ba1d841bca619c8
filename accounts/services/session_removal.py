"""Ending a session by hand: somebody else's in Setup, one's own in settings."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.enums import EndCause
from accounts.models import Session
from orgs.audit import AuditAction, record
from orgs.permissions import RefusedInside

from .expiry import end_fallen
from .guards import NotInOrganization
from .sessions import end_session
from .users.refusals import UserAct, begin
from .visits import end_every_session

if TYPE_CHECKING:
    from uuid import UUID

    from accounts.models import User
    from orgs.http import Origin


@transaction.atomic
def remove_session(public_id: "UUID", *, origin: "Origin", at: datetime | None = None) -> int:
    """End a session of someone in one's organization, and the visit in or from it; return how many sessions ended.

    None where it had ended before. Who may is asked as for ending all of the person's (``UserAct.END_SESSIONS``). Of a
    worn session the actor's own goes on. Another organization's is :class:`NotInOrganization`.
    """
    at = at or timezone.now()
    session = _find(Q() if origin.user is None else Q(organization=origin.user.organization_id), public_id)
    begin(UserAct.END_SESSIONS, _user_of(session), origin)
    return _end(session, cause=EndCause.ENDED_BY_ADMINISTRATOR, origin=origin, at=at)


@transaction.atomic
def end_own_session(public_id: "UUID", *, origin: "Origin", at: datetime | None = None) -> int:
    """End a session of one's own, and the visit from it; return how many sessions ended, as above.

    Not from inside a visit, and not one in which another wears the account: that is a visit to end
    (accounts/services/visits.py).
    """
    user, at = _own(origin), at or timezone.now()
    session = _find(Q(user=user, parent=None), public_id)
    return _end(session, cause=EndCause.PARENT_SESSION_ENDED, origin=origin, at=at)


@transaction.atomic
def end_other_sessions(*, origin: "Origin", at: datetime | None = None) -> int:
    """End every session of one's own account but the one that asks, visits of others in it too; return how many."""
    user, at = _own(origin), at or timezone.now()
    return end_every_session(
        user, as_actor=EndCause.PARENT_SESSION_ENDED, as_target=EndCause.ENDED_BY_TARGET, origin=origin, at=at
    )


def _own(origin: "Origin") -> "User":
    """Return whose sessions are one's own. Inside a visit nobody's are."""
    if origin.user is None:
        raise NotInOrganization
    if origin.is_impersonating:
        raise RefusedInside(str(origin.user))
    return origin.user


def _find(condition: Q, public_id: "UUID") -> Session:
    """Return a person's session, live or ended; all others are not found, like one that never was."""
    rows = Session.objects.filter(condition, public_id=public_id, user__isnull=False)
    session: Session | None = rows.select_related("user__profile").first()
    if session is None:
        raise NotInOrganization
    return session


def _user_of(session: Session) -> "User":
    user: User = session.user  # type: ignore[assignment]  # _find() found none of nobody
    return user


def _end(session: Session, *, cause: EndCause, origin: "Origin", at: datetime) -> int:
    """End a session and the one worn below it, with the row of the trail; none where it had ended before."""
    # A limit that fell unnoticed was first: then nobody ended it, and it was over at that moment.
    end_fallen([session.pk], origin=origin, at=at)
    ended = end_session(session, cause=cause, origin=origin, by=origin.actor, at=at, noticed_at=at)
    if ended:
        record(
            AuditAction.SESSION_ENDED,
            origin=origin,
            organization=_user_of(session).organization_id,
            about=session.user,
            at=at,
            after={"session": str(session.public_id), "type": session.type, "sessions": ended},
        )
    return ended
