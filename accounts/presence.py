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

from orgs.tickets import ticket_url

from .enums import Access, EndCause, MailOutcome
from .models import Impersonation, Session

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from orgs.models import LoginAccessPolicy, SessionSettings

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

    row: Impersonation
    lasted: str
    is_live: bool
    ended: str
    # Where the ticket is to be read, if the policy says where.
    ticket_url: str = ""

    @classmethod
    def of(
        cls,
        row: Impersonation,
        settings: "SessionSettings",
        *,
        at: datetime,
        policy: "LoginAccessPolicy | None" = None,
    ) -> Self:
        """Read a visit's row that :func:`with_ends` fetched. ``settings`` and ``policy`` are the target's."""
        ended_at, cause = _end_of(row, settings, at=at)
        return cls(
            row=row,
            lasted=length_in_words(row.started_at, ended_at or at),
            is_live=ended_at is None,
            ended="" if cause is None else str(cause.label),
            ticket_url=ticket_url(policy.ticket_url, row.ticket) if policy else "",
        )

    @property
    def basis(self) -> str:
        """What it rests on, in words."""
        words = self.row.get_basis_display()
        return f"{words}; delegated group {self.row.group_name}" if self.row.group_name else words

    @property
    def access(self) -> str:
        """What may be done in it, or might have been."""
        if self.row.stepped_up_at is not None:
            return "Read-only, stepped up to full access"
        return str(Access(self.row.access).label)

    @property
    def mail_trouble(self) -> str:
        """What became of the mail that tells of it, where it did not go out."""
        is_trouble = self.row.mail in {MailOutcome.FAILED, MailOutcome.WAITING}
        return str(MailOutcome(self.row.mail).label) if is_trouble else ""


def with_ends(rows: "QuerySet[Impersonation]") -> "QuerySet[Impersonation]":
    """Fetch with visits what can have ended them unnoticed: grant, both sessions, and the settings of the actor's."""
    return rows.select_related("grant", "session", "actor_session", "actor__organization__session_settings")


def _end_of(
    row: Impersonation, settings: "SessionSettings", *, at: datetime
) -> tuple[datetime | None, EndCause | None]:
    """Return when and why a visit ended; for one that nobody closed yet, whether a limit has done so since."""
    if row.ended_at is not None:
        return row.ended_at, EndCause(row.end_cause)
    idle_at, absolute_at = _limits_of_worn(row.session, row.actor_session, row.actor, settings)
    ends_with_grant = row.grant is not None and row.grant.expires_at <= row.ends_at
    own_end = EndCause.GRANT_EXPIRED if ends_with_grant else EndCause.TIME_LIMIT
    ends = [(row.ends_at, own_end), (idle_at, EndCause.IDLE), (absolute_at, EndCause.TIME_LIMIT)]
    ended_at, cause = min(ends, key=lambda end: end[0])
    return (ended_at, cause) if ended_at <= at else (None, None)


def _limits_of(session: Session, settings: "SessionSettings") -> tuple[datetime, datetime]:
    """Return when a session that somebody opened falls idle, and when it reaches its absolute end."""
    return session.idle_end(settings.idle), session.absolute_end(settings.absolute)


def _limits_of_worn(
    worn: Session, parent: Session, actor: "User", settings: "SessionSettings"
) -> tuple[datetime, datetime]:
    """Return the same of a visit: limits are each session's own organization's, and these differ for support agents.

    At home the actor's own session says it all: activity inside counts for both (accounts/identity.py).
    """
    if actor.organization_id == settings.organization_id:
        return _limits_of(parent, settings)
    idle_at, absolute_at = _limits_of(parent, actor.organization.session_settings)
    return min(idle_at, worn.idle_end(settings.idle)), absolute_at


def visits_of(
    target: "User",
    settings: "SessionSettings",
    *,
    at: datetime,
    limit: int,
    policy: "LoginAccessPolicy | None" = None,
) -> list[Visit]:
    """Return who was logged in as ``target``, the latest first. One query."""
    rows = with_ends(Impersonation.objects.filter(target=target)).order_by("-started_at")[:limit]
    return [Visit.of(row, settings, at=at, policy=policy) for row in rows]


def live_sessions_of(user: "User", settings: "SessionSettings", *, at: datetime) -> list[LiveSession]:
    """Return the sessions of an account that go on, the latest active first. One query.

    Of a support agent's visit that is the worn one alone: the agent's own is in their own organization.
    """
    rows = Session.objects.live().filter(user=user)
    rows = rows.select_related("impersonation", "parent__user__organization__session_settings")
    live = [_live(row) for row in rows.order_by("-id")[:SESSIONS_READ] if min(_ends_of(row, settings)) > at]
    return sorted(live, key=lambda one: one.active_at, reverse=True)


def _ends_of(row: Session, settings: "SessionSettings") -> Sequence[datetime]:
    if row.parent is None or row.parent.user is None:
        return _limits_of(row, settings)
    return (*_limits_of_worn(row, row.parent, row.parent.user, settings), row.impersonation.ends_at)


def _live(row: Session) -> LiveSession:
    worn_by = "" if row.parent is None else row.impersonation.actor_name
    return LiveSession(row, browser=browser_words(row.agent), worn_by=worn_by)


def last_active(sessions: Iterable[LiveSession]) -> datetime | None:
    """Return when the person last did something in a session of their own, or None where nobody is signed in."""
    return max((one.active_at for one in sessions if not one.worn_by), default=None)


def worn_now(sessions: Iterable[LiveSession], *, at: datetime) -> list[tuple[str, str]]:
    """Return who is logged in as the person, of their live sessions, and for how long: "Alan Turing", "12 minutes"."""
    return [(one.worn_by, length_in_words(one.session.created_at, at)) for one in sessions if one.worn_by]
