"""Ending a visit that is going on, by someone else than who is inside."""

from typing import TYPE_CHECKING

from django.db.models import Q

from accounts.enums import EndCause

from .sessions import end_sessions

if TYPE_CHECKING:
    from accounts.models import User
    from orgs.http import Origin


def end_visit_as_target(target: "User", *, visit_id: int, origin: "Origin") -> bool:
    """End a visit in ``target``'s own account, because they say so. The actor is back in their own session, told why.

    Returns False where there is no such open visit (any more). Other people's visits are not found.
    """
    is_that_visit = Q(pk=visit_id, user=target, parent__isnull=False)
    return end_sessions(is_that_visit, cause=lambda _: EndCause.ENDED_BY_TARGET, origin=origin, by=target) > 0
