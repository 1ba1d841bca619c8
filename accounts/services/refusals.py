"""Refusals to log in as someone: each is a row of the trail, and whoever goes on and on writes no more of them."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from orgs.audit import AuditAction, record
from orgs.limits import TooMany, count, first_in

if TYPE_CHECKING:
    from accounts.enums import Refusal
    from accounts.models import Session, User
    from orgs.http import Origin

REFUSALS_AN_HOUR = 20
HOUR = timedelta(hours=1)
# The same refusal within it is the same row.
SAME_FOR = timedelta(minutes=1)


class TooManyRefusals(TooMany):
    """Refused, as so often before that it is not even written down."""

    def __init__(self, refusal: "Refusal", *, ends_at: datetime) -> None:
        self.refusal = refusal
        super().__init__(str(refusal.label), ends_at=ends_at)


def note_refusal(
    refusal: "Refusal", target: "User | None", *, actor: "User", session: "Session", origin: "Origin", at: datetime
) -> None:
    """Count what the rule has just refused ``session``, and write it: outside the transaction that was rolled back.

    The same refusal, of the same target for the same reason, is one row a minute. Past so many an hour, whatever they
    were, nothing is written: :class:`TooManyRefusals`. A session is known by its public id, which is never used twice.
    """
    asked = f"refusals:{session.public_id}"
    refused = count(asked, per=HOUR, at=at)
    if refused.number > REFUSALS_AN_HOUR:
        raise TooManyRefusals(refusal, ends_at=refused.ends_at)
    if not first_in(f"{asked}:{target.pk if target else 0}:{refusal.value}", per=SAME_FOR, at=at):
        return
    record(
        AuditAction.IMPERSONATION_REFUSED,
        origin=origin,
        organization=target.organization_id if target else actor.organization_id,
        user=actor,
        about=target,
        at=at,
        after={"refusal": refusal.value},
        reason=str(refusal.label),
    )
