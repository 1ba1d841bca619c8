"""Who is there now, and who was: sessions and visits as a page tells them.

A limit that fell without anyone noticing has ended them all the same: rows are read here with the clock beside them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Self

import ua_parser
from django.utils.timesince import timesince

from .enums import EndCause
from .models import Impersonation, Session

if TYPE_CHECKING:
    from orgs.models import SessionSettings

    from .models import User

SESSIONS_READ = 50


@lru_cache(maxsize=1024)
def browser_words(agent: str) -> str:
    """Return a browser's name for itself as people say it: "Firefox on Windows"."""
    read = ua_parser.parse(agent)
    parts = [part.family for part in (read.user_agent, read.os) if part is not None]
    return " on ".join(parts) or "Unknown browser"


def length_in_words(start: datetime, end: datetime) -> str:
    """Return how long something lasted: "12 minutes"."""
    if end - start < timedelta(minutes=1):
        return "less than a minute"
    return timesince(start, end, depth=1).replace("\xa0", " ")


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that goes on: one's own, or one in which another wears the account."""

    session: Session
    browser: str
    worn_by: str

    @property
    def active_at(self) -> datetime:
        """When something was last done in it."""
        return self.session.last_active_at or self.session.created_at


@dataclass(frozen=True, slots=True)
class Visit:
    """One time that someone was logged in as someone, as a page tells it."""

    id: int
    actor_name: str
    target_name: str
    started_at: datetime
    lasted: str
    is_live: bool
    ended: str

    @classmethod
    def of(cls, row: Impersonation, settings: "SessionSettings", *, at: datetime) -> Self:
        """Read a visit's row, whose actor's own session was fetched with it."""
        ended_at, cause = _end_of(row, settings, at=at)
        return cls(
            id=row.pk,
            actor_name=row.actor_name,
            target_name=row.target_name,
            started_at=row.started_at,
            lasted=length_in_words(row.started_at, ended_at or at),
            is_live=ended_at is None,
            ended="" if cause is None else str(cause.label),
        )


def _end_of(
    row: Impersonation, settings: "SessionSettings", *, at: datetime
) -> tuple[datetime | None, EndCause | None]:
    """Return when and why a visit ended; for one that nobody closed yet, whether a limit has done so since."""
    if row.ended_at is not None:
        return row.ended_at, EndCause(row.end_cause)
    idle_at, absolute_at = _limits_of(row.actor_session, settings)
    ends = [(row.ends_at, EndCause.TIME_LIMIT), (idle_at, EndCause.IDLE), (absolute_at, EndCause.TIME_LIMIT)]
    ended_at, cause = min(ends, key=lambda end: end[0])
    return (ended_at, cause) if ended_at <= at else (None, None)


def _limits_of(session: Session, settings: "SessionSettings") -> tuple[datetime, datetime]:
    """Return when a session that somebody opened falls idle, and when it reaches its absolute end."""
    return session.idle_end(settings.idle), session.absolute_end(settings.absolute)


def visits_of(target: "User", settings: "SessionSettings", *, at: datetime, limit: int) -> list[Visit]:
    """Return who was logged in as ``target``, the latest first. One query."""
    rows = Impersonation.objects.filter(target=target).select_related("actor_session").order_by("-started_at")[:limit]
    return [Visit.of(row, settings, at=at) for row in rows]


def live_sessions_of(user: "User", settings: "SessionSettings", *, at: datetime) -> list[LiveSession]:
    """Return the sessions of an account that go on, the latest active first. One query."""
    rows = Session.objects.live().filter(user=user).select_related("parent", "impersonation")
    live = [_live(row) for row in rows.order_by("-id")[:SESSIONS_READ] if min(_ends_of(row, settings)) > at]
    return sorted(live, key=lambda one: one.active_at, reverse=True)


def _ends_of(row: Session, settings: "SessionSettings") -> Sequence[datetime]:
    if row.parent is None:
        return _limits_of(row, settings)
    return (*_limits_of(row.parent, settings), row.impersonation.ends_at)


def _live(row: Session) -> LiveSession:
    worn_by = "" if row.parent is None else row.impersonation.actor_name
    return LiveSession(row, browser=browser_words(row.agent), worn_by=worn_by)


def last_active(sessions: Iterable[LiveSession]) -> datetime | None:
    """Return when the person last did something in a session of their own, or None where nobody is signed in."""
    return max((one.active_at for one in sessions if not one.worn_by), default=None)
