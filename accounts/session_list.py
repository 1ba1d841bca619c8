"""All who are there now: an organization's live sessions as a tree, the actor's session above the one that is worn."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q

from orgs.paging import Page, keyset_page

from .enums import SessionType
from .models import Impersonation, Session
from .presence import LiveSession, live_rows_of, with_limits

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.db.models import QuerySet

    from orgs.models import SessionSettings

    from .models import User
    from .querysets import SessionQuerySet


# Of one's own, on a page: below them stands who logged in as oneself.
OWN_SIZE = 25
# As many visits are asked for by name.
FEW = 200


@dataclass(frozen=True, slots=True)
class SessionTree:
    """A session that stands for itself, and those that are worn from it."""

    root: LiveSession
    worn: tuple[LiveSession, ...] = ()

    @property
    def rows(self) -> tuple[LiveSession, ...]:
        """All of them, as a list shows them below each other."""
        return (self.root, *self.worn)


def session_page(
    settings: "SessionSettings",
    *,
    at: "datetime",
    cursor: str = "",
    person: "User | None" = None,
    kind: str = "",
) -> tuple[Page[Session], list[SessionTree]]:
    """Return a page of an organization's live sessions, the latest first; narrowed to a person, or to a type.

    Of a person these are the trees in which they have a part: by a session of their own, as who is worn, or as who
    wears. *UI* is people's own sessions alone, *SubstituteUser* the trees in which an account is worn.

    A support agent's worn session is a root: their own is in their own organization, and never shown here. There in
    turn nothing is shown below it.
    """
    page = keyset_page(
        *(with_limits(roots) for roots in _roots(settings, at=at, person=person, kind=kind)),
        order=("id",),
        cursor=cursor,
        descending=True,
        # Found by visits that are open.
        sorts=person is not None or kind == SessionType.SUBSTITUTE_USER,
    )
    worn = () if kind == SessionType.UI else _worn_from(page.rows, settings, at=at)
    below: dict[int | None, list[LiveSession]] = {}
    for one in worn:
        below.setdefault(one.session.parent_id, []).append(one)
    roots = (LiveSession.of(row, settings) for row in page.rows)
    return page, [SessionTree(root, tuple(below.get(root.session.pk, ()))) for root in roots]


def own_session_page(
    user: "User", settings: "SessionSettings", *, at: "datetime", cursor: str = ""
) -> tuple[Page[Session], list[LiveSession]]:
    """Return a page of the live sessions of an account, the latest first; of a support agent's visit the worn one."""
    rows = live_rows_of(user, settings, at=at)
    page = keyset_page(rows, order=("id",), cursor=cursor, size=OWN_SIZE, descending=True, sorts=True)
    return page, [LiveSession.of(row, settings) for row in page.rows]


def nobody() -> "tuple[Page[Session], list[SessionTree]]":
    """Return a page of nothing."""
    return Page(rows=()), []


def _roots(
    settings: "SessionSettings", *, at: "datetime", person: "User | None", kind: str
) -> "tuple[SessionQuerySet, ...]":
    """Return the roots that are asked for, as querysets of which each has an index of its own."""
    roots = Session.objects.all().going_on(settings, at).roots()
    if person is None and not kind:
        return (roots,)
    # By their type, not as those without a parent: SQLite would go through all organizations' by the index of parents.
    own, visits = roots.filter(type=SessionType.UI), Impersonation.objects.open().filter(ends_at__gt=at)
    visits = visits.filter(organization=settings.organization_id)
    if person is not None:
        own, visits = own.filter(user=person), visits.filter(Q(actor=person) | Q(target=person))
    if kind == SessionType.UI:
        return (own,)
    in_visits = _in_visits(roots, visits)
    return in_visits if kind == SessionType.SUBSTITUTE_USER else (own, *in_visits)


def _in_visits(
    roots: "SessionQuerySet", visits: "QuerySet[Impersonation]"
) -> "tuple[SessionQuerySet, SessionQuerySet]":
    """Return the sessions that people came from on ``visits``, and of support agents, which stand for themselves.

    Of few visits by what they are, asked beforehand: for none at all PostgreSQL would go through all sessions.
    """
    pairs = list(visits.values_list("actor_session", "session")[: FEW + 1])
    if len(pairs) > FEW:
        return roots.filter(pk__in=visits.values("actor_session")), roots.filter(pk__in=visits.values("session"))
    homes, worn = ([pair[place] for pair in pairs] for place in (0, 1))
    return roots.filter(pk__in=homes), roots.filter(pk__in=worn)


def _worn_from(roots: "Iterable[Session]", settings: "SessionSettings", *, at: "datetime") -> "Iterable[LiveSession]":
    """Return the live sessions that are worn from ``roots``, in one query."""
    parents = [row.pk for row in roots if not row.is_worn]
    if not parents:
        return ()
    # By the index of parents alone: asked for an organization or an order, SQLite goes through all that is live there.
    # Nobody is logged in as two from one session, so that there is nothing to sort.
    rows = with_limits(Session.objects.live().filter(parent__in=parents))
    here = (LiveSession.of(row, settings) for row in rows if row.organization_id == settings.organization_id)
    return [one for one in here if one.ends.at > at]
