"""What a page tells of when one is signed out if nothing more is done. When that is, the identity itself says."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Self

from django.utils import timezone

from orgs.moments import NOBODY, Reader, read_by, reader_of, write_minute, write_time

from .enums import EndCause

if TYPE_CHECKING:
    from django.http import HttpRequest

    from .identity import Fault, Identity

# A time of day that is further away may be taken for that of another day.
HALF_A_DAY = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Timeout:
    """When the session, or the visit, is over: in words, and in seconds from now, so that no clock but ours counts."""

    words: str
    seconds: int
    # Whether doing something puts it off.
    extends: bool

    @classmethod
    def of(cls, identity: "Identity", *, at: datetime) -> Self:
        """Return what is true at ``at`` for the person that ``identity`` is."""
        end = identity.next_end()
        seconds = max(0, ceil((end.at - at) / timedelta(seconds=1)))
        # The middleware that says it of a part of a page (htmx) stands before the one that knows who reads.
        with read_by(_reader_of(identity)):
            words = _words(end, at=at)
        return cls(words=words, seconds=seconds, extends=end.cause == EndCause.IDLE)

    def as_json(self) -> str:
        """Write it for timeout.js."""
        return json.dumps(asdict(self))


def timeout_of(request: "HttpRequest") -> Timeout | None:
    """Return what the pages of ``request`` tell; None where nobody is signed in, or the settings want no warning."""
    identity: Identity | None = getattr(request, "identity", None)
    if identity is None or getattr(request, "session_row", None) is None or not identity.warns:
        return None
    return Timeout.of(identity, at=timezone.now())


def _reader_of(identity: "Identity") -> Reader:
    user = identity.user
    return NOBODY if user is None else reader_of(user.time_zone, user.date_language)


def _words(end: "Fault", *, at: datetime) -> str:
    """Write it as a person reads it; the minute that is begun, so that it is never earlier than said."""
    moment = write_time(end.at) if end.at - at < HALF_A_DAY else write_minute(end.at)
    if end.cause == EndCause.IDLE:
        over = "you are signed out" if end.ends_parent else "this visit ends"
        return f"Without activity {over} at {moment}."
    return f"This {'session' if end.ends_parent else 'visit'} ends at {moment} and cannot be extended."
