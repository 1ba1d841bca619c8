"""Two who grant, ask or answer at once, on PostgreSQL: one after the other, and never two latest rows."""

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from accounts.models import AccessRequest, Impersonation, LoginAccessGrant, Session, User
from accounts.services.access_requests import AlreadyAsked, RequestIsClosed, answer_request, ask_for_access
from accounts.services.grants import COMPANY, save_grants
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import Organization
from tests.factories import AccessRequestFactory

from .test_postgres_concurrency import meeting

if TYPE_CHECKING:
    from concurrent.futures import Future

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def own(user: User) -> Origin:
    return Origin(user=user, actor=user)


def outcome_of(act: "Future[Any]") -> str:
    error = act.exception()
    return type(error).__name__ if error else "done"


def test_two_tabs_that_grant_at_once_leave_one_latest_grant(acme: Organization, grace: User) -> None:
    with meeting(Organization.objects.filter(pk=acme.pk), of=2) as send:
        tabs = [send(lambda: save_grants(grace, {COMPANY: "week"}, origin=own(grace))) for _ in range(2)]

    assert [outcome_of(tab) for tab in tabs] == ["done", "done"]
    rows = LoginAccessGrant.objects.order_by("id")
    assert [(row.is_latest, row.revoked_at is None) for row in rows] == [(False, False), (True, True)]


def test_two_questions_at_once_are_one(acme: Organization, ada: User, grace: User) -> None:
    def ask() -> AccessRequest:
        return ask_for_access(ada, grace, reason="Ticket 7", duration="week", origin=own(ada))

    with meeting(Organization.objects.filter(pk=acme.pk), of=2) as send:
        asked = [send(ask) for _ in range(2)]

    assert sorted(outcome_of(one) for one in asked) == [AlreadyAsked.__name__, "done"]


def test_two_answers_at_once_are_one(acme: Organization, ada: User, grace: User) -> None:
    request = AccessRequestFactory.create(user=grace, requester=ada)

    def answer(*, grants: bool) -> AccessRequest:
        return answer_request(grace, request.pk, grants=grants, origin=own(grace))

    with meeting(Organization.objects.filter(pk=acme.pk), of=2) as send:
        answers = [send(partial(answer, grants=grants)) for grants in (True, False)]

    assert sorted(outcome_of(one) for one in answers) == [RequestIsClosed.__name__, "done"]
    request.refresh_from_db()
    assert LoginAccessGrant.objects.exists() == (request.state == "granted")


def test_revoking_while_the_visit_is_left_ends_it_once(ada: User, grace: User) -> None:
    save_grants(grace, {COMPANY: "week"}, origin=own(grace))
    client = PortalClient()
    visit = client.login_as(grace, actor=ada)
    sessions = Session.objects.filter(pk__in=[visit.pk, visit.actor_session_id]).order_by("id")

    with meeting(sessions, of=2) as send:
        acts = [send(lambda: save_grants(grace, {COMPANY: "none"}, origin=own(grace))), send(client.log_out_as)]

    assert [outcome_of(act) for act in acts] == ["done", "done"]
    row = Impersonation.objects.get()
    assert row.end_cause in {"grant_revoked", "logged_out"}
    assert LoginAccessGrant.objects.get().revoked_at is not None
