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

    from orgs.models import SessionSettings

    from .models import User
    from .querysets import SessionQuerySet


# Of one's own, on a page: below them stands who logged in as oneself.
OWN_SIZE = 25


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
    page = keyset_page(rows, order=("id",), cursor=cursor, size=OWN_SIZE, descending=True)
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
    own, visits = roots.filter(parent=None), Impersonation.objects.open().filter(ends_at__gt=at)
    visits = visits.filter(organization=settings.organization_id)
    if person is not None:
        own, visits = own.filter(user=person), visits.filter(Q(actor=person) | Q(target=person))
    # The session that someone came from; of a support agent the worn one stands for itself.
    in_visits = (roots.filter(pk__in=visits.values(column)) for column in ("actor_session", "session"))
    if kind == SessionType.UI:
        return (own,)
    return tuple(in_visits) if kind == SessionType.SUBSTITUTE_USER else (own, *in_visits)


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
