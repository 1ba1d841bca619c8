"""Who is there now, and who was: sessions and visits as a page tells them.

A limit that fell without anyone noticing has ended them all the same: rows are read here with the clock beside them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Self

import ua_parser
from django.db.models import OuterRef, Subquery
from django.utils.timesince import timesince

from orgs.tickets import ticket_url

from .enums import Access, Basis, EndCause, MailOutcome
from .models import Impersonation, Session

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from orgs.models import LoginAccessPolicy, SessionSettings

    from .models import User
    from .querysets import SessionQuerySet

SESSIONS_READ = 50


UNKNOWN = "Unknown"


@lru_cache(maxsize=1024)
def _read(agent: str) -> tuple[str, str]:
    """Return a browser and its platform, of the name that it gives itself; empty where that does not tell."""
    read = ua_parser.parse(agent)
    return (read.user_agent.family if read.user_agent else "", read.os.family if read.os else "")


def browser_of(agent: str) -> str:
    """Return which browser it is: "Firefox"."""
    return _read(agent)[0] or UNKNOWN


def platform_of(agent: str) -> str:
    """Return what it runs on: "Windows"."""
    return _read(agent)[1] or UNKNOWN


def browser_words(agent: str) -> str:
    """Return both as people say them: "Firefox on Windows"."""
    return " on ".join(filter(None, _read(agent))) or "Unknown browser"


class Limit(Enum):
    """What ends a session by the clock alone, in words."""

    IDLE = "inactivity"
    ABSOLUTE = "absolute limit"
    VISIT = "end of the visit"


class Ending(NamedTuple):
    """When a limit falls, and which."""

    at: datetime
    limit: Limit

    @property
    def words(self) -> str:
        """Which one it is."""
        return self.limit.value


def length_in_words(start: datetime, end: datetime) -> str:
    """Return how long something lasted: "12 minutes"."""
    if end - start < timedelta(minutes=1):
        return "less than a minute"
    return timesince(start, end, depth=1).replace("\xa0", " ")


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that goes on: one's own, or one in which another wears the account."""

    session: Session
    worn_by: str
    # The first limit that falls, unless something is done before.
    ends: Ending

    @classmethod
    def of(cls, row: Session, settings: "SessionSettings") -> Self:
        """Read a live row that :func:`with_limits` fetched. ``settings`` are its organization's."""
        if row.parent is None or row.parent.user is None:
            return cls(row, worn_by="", ends=_first(_limits_of(row, settings)))
        visit = row.impersonation
        ends = [*_limits_of_worn(row, row.parent, row.parent.user, settings), Ending(visit.ends_at, Limit.VISIT)]
        return cls(row, worn_by=visit.actor_name, ends=_first(ends))

    @property
    def browser(self) -> str:
        """Its browser."""
        return browser_of(self.session.agent)

    @property
    def platform(self) -> str:
        """What that runs on."""
        return platform_of(self.session.agent)

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
    # When it ended; where nobody closed it yet, when the limit fell.
    ended_at: datetime | None = None
    # Where the ticket is to be read, if the policy says where.
    ticket_url: str = ""
    # Whether a page of the target's own tells it.
    to_target: bool = False

    @classmethod
    def of(
        cls,
        row: Impersonation,
        settings: "SessionSettings",
        *,
        at: datetime,
        policy: "LoginAccessPolicy | None" = None,
        to_target: bool = False,
    ) -> Self:
        """Read a visit's row that :func:`with_ends` fetched. ``settings`` and ``policy`` are the target's."""
        ended_at, cause = _end_of(row, settings, at=at)
        return cls(
            row=row,
            lasted=length_in_words(row.started_at, ended_at or at),
            is_live=ended_at is None,
            ended="" if cause is None else cause.to_target if to_target else str(cause.label),
            ended_at=ended_at,
            ticket_url=ticket_url(policy.ticket_url, row.ticket) if policy else "",
            to_target=to_target,
        )

    @property
    def basis(self) -> str:
        """What it rests on, in words."""
        basis = Basis(self.row.basis)
        words = basis.to_target if self.to_target else str(basis.label)
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
    """Fetch with visits what can have ended them unnoticed: grant, both sessions, and the settings of the actor's.

    Of the sessions their times while they live. A visit that has ended needs none, and outlives their rows.
    """
    times = {
        f"{session}_{name}": Subquery(Session.objects.live().filter(pk=OuterRef(session)).values(name))
        for session in ("session", "actor_session")
        for name in ("created_at", "last_active_at")
    }
    return rows.annotate(**times).select_related("grant", "actor__organization__session_settings")


def _end_of(
    row: Impersonation, settings: "SessionSettings", *, at: datetime
) -> tuple[datetime | None, EndCause | None]:
    """Return when and why a visit ended; for one that nobody closed yet, whether a limit has done so since."""
    if row.ended_at is not None:
        return row.ended_at, EndCause(row.end_cause)
    ends = [Ending(row.ends_at, Limit.VISIT)]
    worn, parent = _times_of(row, "session"), _times_of(row, "actor_session")
    if worn is not None and parent is not None:
        ends += _limits_of_worn(worn, parent, row.actor, settings)
    first = _first(ends)
    return (first.at, _cause_of(first, row)) if first.at <= at else (None, None)


def _times_of(row: Impersonation, session: str) -> Session | None:
    """Return a session of a visit with its times alone, while it lives, as it does while the visit is open."""
    created_at = getattr(row, f"{session}_created_at")
    last_active_at = getattr(row, f"{session}_last_active_at")
    return None if created_at is None else Session(created_at=created_at, last_active_at=last_active_at)


def _first(ends: Iterable[Ending]) -> Ending:
    return min(ends, key=lambda ending: ending.at)


def _cause_of(ending: Ending, row: Impersonation) -> EndCause:
    """Return the cause with which a visit ends at a limit (accounts/identity.py)."""
    if ending.limit is Limit.VISIT and row.grant is not None and row.grant.expires_at <= row.ends_at:
        return EndCause.GRANT_EXPIRED
    return EndCause.IDLE if ending.limit is Limit.IDLE else EndCause.TIME_LIMIT


def _limits_of(session: Session, settings: "SessionSettings") -> list[Ending]:
    """Return when a session that somebody opened falls idle, and when it reaches its absolute end."""
    return [
        Ending(session.idle_end(settings.idle), Limit.IDLE),
        Ending(session.absolute_end(settings.absolute), Limit.ABSOLUTE),
    ]


def _limits_of_worn(worn: Session, parent: Session, actor: "User", settings: "SessionSettings") -> list[Ending]:
    """Return the same of a visit: limits are each session's own organization's, and these differ for support agents.

    At home the actor's own session says it all: activity inside counts for both (accounts/identity.py).
    """
    if actor.organization_id == settings.organization_id:
        return _limits_of(parent, settings)
    own = _limits_of(parent, actor.organization.session_settings)
    return [*own, Ending(worn.idle_end(settings.idle), Limit.IDLE)]


def visits_of(
    target: "User",
    settings: "SessionSettings",
    *,
    at: datetime,
    limit: int,
    policy: "LoginAccessPolicy | None" = None,
    to_target: bool = False,
) -> list[Visit]:
    """Return who was logged in as ``target``, the latest first, told to them where ``to_target`` says so. One query."""
    rows = with_ends(Impersonation.objects.filter(target=target)).order_by("-started_at")[:limit]
    return [Visit.of(row, settings, at=at, policy=policy, to_target=to_target) for row in rows]


def live_sessions_of(user: "User", settings: "SessionSettings", *, at: datetime) -> list[LiveSession]:
    """Return the sessions of an account that go on, the latest active first. One query.

    Of a support agent's visit that is the worn one alone: the agent's own is in their own organization.
    """
    rows = live_rows_of(user, settings, at=at).order_by("-id")
    live = [LiveSession.of(row, settings) for row in rows[:SESSIONS_READ]]
    return sorted(live, key=lambda one: one.active_at, reverse=True)


def live_rows_of(user: "User", settings: "SessionSettings", *, at: datetime) -> "SessionQuerySet":
    """Return the sessions of an account that go on, as :meth:`LiveSession.of` reads them."""
    return with_limits(Session.objects.filter(user=user).going_on(settings, at))


def with_limits(rows: "SessionQuerySet") -> "SessionQuerySet":
    """Fetch with sessions what :meth:`LiveSession.of` reads: the visit, and the settings of the actor's."""
    return rows.select_related("user__profile", "impersonation", "parent__user__organization__session_settings")


def last_active(sessions: Iterable[LiveSession]) -> datetime | None:
    """Return when the person last did something in a session of their own, or None where nobody is signed in."""
    return max((one.active_at for one in sessions if not one.worn_by), default=None)


def worn_now(sessions: Iterable[LiveSession], *, at: datetime) -> list[tuple[str, str]]:
    """Return who is logged in as the person, of their live sessions, and for how long: "Alan Turing", "12 minutes".

    Whoever is there from two browsers is one person, there since the first.
    """
    since: dict[tuple[int | None, str], datetime] = {}
    for session in (one.session for one in sessions if one.worn_by):
        visit = session.impersonation
        who = (visit.actor_id, visit.actor_name)
        since[who] = min(since.get(who, session.created_at), session.created_at)
    return [(name, length_in_words(began, at)) for (_, name), began in since.items()]
