"""The request as the portal's middleware leaves it, for type checkers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

if TYPE_CHECKING:
    from accounts.enums import EndCause, SessionEnd
    from accounts.identity import Identity
    from accounts.models import Impersonation, Session, User


class PortalRequest(HttpRequest):
    """``user`` is whose account it is, ``actor`` whose hands; they differ while ``impersonation`` is not None."""

    user: "User"
    actor: "User"
    impersonation: "Impersonation | None"
    session_row: "Session | None"
    identity: "Identity | None"
    # Why the session that the browser still has the key of is over.
    ended: "EndCause | SessionEnd | None"
    # Why something is refused inside a visit before its view is reached.
    refused_because: str
    # Why an unsafe request did nothing (orgs/http.py).
    nothing_done_because: str
    auser: Callable[[], Any]
    request_id: str
