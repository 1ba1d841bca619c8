"""What matters now in an organization, for whoever opens Setup: who is logged in as whom, what waits, what changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Q

from orgs.audit import name_in
from orgs.models import ActivationRequest, ActivationState, AuditEvent
from orgs.models.activation_request import PENDING
from orgs.permissions import Permission
from orgs.querysets import events_of
from orgs.services.activation_requests import latest_request_of
from orgs.services.login_access_policies import Availability, may_switch

from .enums import Basis, GrantDuration
from .models import AccessRequest, Impersonation, Session, User
from .presence import LiveSession, length_in_words, with_limits
from .services.access_answers import open_requests

if TYPE_CHECKING:
    from orgs.http import Origin
    from orgs.models import Organization

SHOWN = 5
# For how long an answer of the vendor's is news.
NEWS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class VisitNow:
    """One visit that goes on."""

    id: int
    actor: str
    target: str
    basis: str
    lasted: str

    @classmethod
    def of(cls, live: LiveSession, *, at: datetime) -> "VisitNow":
        """Read a live worn session."""
        visit: Impersonation = live.session.impersonation
        basis = str(Basis(visit.basis).label)
        return cls(visit.pk, visit.actor_name, visit.target_name, basis, length_in_words(visit.started_at, at))


@dataclass(frozen=True, slots=True)
class VisitsNow:
    """The latest visits that go on, and whether there are more."""

    shown: Sequence[VisitNow]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Question:
    """An open question for access: who asks whom, and for how long."""

    asker: str
    asked: User
    duration: str
    created_at: datetime

    @classmethod
    def of(cls, row: AccessRequest, reader: User) -> "Question":
        """Read a row with both people."""
        asker = name_in(reader.organization_id, row.requester)
        return cls(asker, row.user, GrantDuration(row.duration).in_a_sentence, row.created_at)


@dataclass(frozen=True, slots=True)
class OpenRequests:
    """What waits: for the reader's own act, for others', and for the vendor's."""

    to_answer: Sequence[Question]
    asked: Sequence[Question]
    # Between others of the organization, the latest first, and whether there are more.
    of_others: Sequence[Question]
    has_more_of_others: bool
    activation: ActivationRequest | None
    # It was provisioned, nobody has switched it on, and the reader may.
    may_enable: bool

    def __bool__(self) -> bool:
        return bool(self.to_answer or self.asked or self.of_others or self.activation)


@dataclass(frozen=True, slots=True)
class Overview:
    """What Setup's first page begins with. A part that the reader may not read is None."""

    visits: VisitsNow | None
    requests: OpenRequests
    events: Sequence[AuditEvent] | None


def overview_of(reader: User, *, origin: "Origin", at: datetime) -> Overview:
    """Return what matters now to ``reader``, each part for whoever may open the page that it leads to.

    A query each for visits, the limits that end them, one's own questions, those of others, activation and events; what
    one may not read is not asked for.
    """
    organization = reader.organization
    may_see_visits = reader.has_permission(Permission.MONITOR_LOGIN_HISTORY)
    may_see_trail = reader.has_permission(Permission.VIEW_SETUP)
    return Overview(
        visits=_visits_in(organization, at=at) if may_see_visits else None,
        requests=_requests_for(reader, origin=origin, at=at),
        events=list(events_of(organization).order_by("-created_at", "-id")[:SHOWN]) if may_see_trail else None,
    )


def _visits_in(organization: "Organization", *, at: datetime) -> VisitsNow:
    """Return who is logged in as someone of the organization, the latest first. One query."""
    settings = organization.session_settings
    # In the order of the index of open visits: an organization's live sessions may be many.
    open_visits = {"organization": organization, "ended_at": None, "ends_at__gt": at}
    condition = {f"impersonation__{name}": value for name, value in open_visits.items()}
    worn = Session.objects.filter(impersonation__isnull=False, **condition).going_on(settings, at)
    rows = with_limits(worn).order_by("-impersonation__started_at", "-impersonation__session")
    live = [VisitNow.of(LiveSession.of(row, settings), at=at) for row in rows[: SHOWN + 1]]
    return VisitsNow(live[:SHOWN], has_more=len(live) > SHOWN)


def _requests_for(reader: User, *, origin: "Origin", at: datetime) -> OpenRequests:
    """Return what waits for an answer: what ``reader`` has a part in, and what those see who see all users."""
    rows = open_requests(at=at).filter(Q(user=reader) | Q(requester=reader)).order_by("-id")
    people = rows.select_related("requester__organization", "user")[: 2 * SHOWN]
    questions = [(row.user_id == reader.pk, Question.of(row, reader)) for row in people]
    of_others = _questions_of_others(reader, at=at) if reader.has_permission(Permission.VIEW_ALL_USERS) else []
    activation = _activation_of(reader.organization, at=at)
    is_done = activation is not None and activation.state == ActivationState.DONE
    return OpenRequests(
        to_answer=[question for is_mine, question in questions if is_mine],
        asked=[question for is_mine, question in questions if not is_mine],
        of_others=of_others[:SHOWN],
        has_more_of_others=len(of_others) > SHOWN,
        activation=activation,
        may_enable=is_done and may_switch(origin, reader.organization),
    )


def _questions_of_others(reader: User, *, at: datetime) -> list[Question]:
    """Return the latest open questions of the organization that ``reader`` has no part in, and one more than is shown.

    Whoever asks is of the organization, where the reader sees everyone, or of Support. One query, by an index that ends
    where the first lapsed one would stand: all of them are open for equally long.
    """
    rows = open_requests(at=at, organization=reader.organization).exclude(Q(user=reader) | Q(requester=reader))
    rows = rows.order_by("-lapses_at", "-id").select_related("requester__organization", "user")
    return [Question.of(row, reader) for row in rows[: SHOWN + 1]]


def _activation_of(organization: "Organization", *, at: datetime) -> ActivationRequest | None:
    """Return the request for activation while it is under way, or its answer while that is news."""
    asked = latest_request_of(organization)
    if asked is None or asked.state in PENDING:
        return asked
    is_news = at - (asked.done_at or asked.answered_at or asked.created_at) < NEWS
    is_switched_on = organization.login_access_policy.any_user_login
    has_it = Availability.of(organization) is Availability.AVAILABLE
    if asked.state == ActivationState.DONE:
        return asked if is_news and has_it and not is_switched_on else None
    return asked if is_news and not has_it else None
