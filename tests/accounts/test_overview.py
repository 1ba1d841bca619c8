"""What matters now, for whoever opens Setup."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from accounts.enums import AccessRequestState
from accounts.models import AccessRequest, Session, User
from accounts.overview import OpenRequests, Overview, VisitNow, VisitsNow, overview_of
from orgs.audit import AuditAction, record
from orgs.http import Origin
from orgs.models import ActivationState, OrganizationKind
from orgs.permissions import Permission
from tests.factories import (
    AccessRequestFactory,
    ActivationRequestFactory,
    OrganizationFactory,
    ProfileFactory,
    UserFactory,
)
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient
    from orgs.models import ActivationRequest, Organization

    Make = Callable[..., User]
    NewBrowser = Callable[[], PortalClient]

AT = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
HOUR, DAYS = timedelta(hours=1), timedelta(days=1)


def reader_of(user: User) -> User:
    """Return someone as the identity statement brings them."""
    related = ("profile", "organization__login_access_policy", "organization__session_settings")
    reader: User = User.objects.select_related(*related).get(pk=user.pk)
    return reader


def seen_by(user: User, *, at: datetime) -> Overview:
    reader = reader_of(user)
    return overview_of(reader, origin=Origin(user=reader, actor=reader), at=at)


# --- who reads what ----------------------------------------------------------------------------------------------


def test_nothing_yet_is_nothing(ada: User) -> None:
    assert seen_by(ada, at=AT) == Overview(
        visits=VisitsNow([], has_more=False),
        requests=OpenRequests([], [], [], has_more_of_others=False, activation=None, may_enable=False),
        events=[],
    )
    assert not seen_by(ada, at=AT).requests


@pytest.mark.parametrize(
    ("permission", "parts", "asked"),
    [
        (Permission.MONITOR_LOGIN_HISTORY, (True, True), 5),
        (Permission.VIEW_ALL_USERS, (False, True), 4),
        (Permission.VIEW_SETUP, (False, True), 3),
        (Permission.VIEW_ALL_DATA, (False, False), 2),
    ],
)
def test_each_part_is_for_those_who_may_read_its_page(
    acme: "Organization",
    make: "Make",
    permission: Permission,
    parts: tuple[bool, bool],
    asked: int,
) -> None:
    profile = ProfileFactory.create(organization=acme, name="One permission", permissions=(permission,))
    reader = make("Emmy", "Noether")
    User.objects.filter(pk=reader.pk).update(profile=profile)
    reader = reader_of(reader)

    with captured_queries() as statements:
        overview = overview_of(reader, origin=Origin(user=reader, actor=reader), at=AT)

    assert (overview.visits is not None, overview.events is not None) == parts
    assert len(statements) == asked


# --- who is logged in as whom ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("any_user_login")
def test_visits_that_go_on_are_told_the_latest_first(
    ada: User, alan: User, grace: User, hedy: User, audrey: User, browser: "NewBrowser"
) -> None:
    first = browser().login_as(grace, actor=ada)
    second = browser().login_as(hedy, actor=alan)
    left = browser()
    left.login_as(audrey, actor=ada)
    left.log_out_as()

    visits = seen_by(ada, at=second.started_at + timedelta(minutes=12)).visits

    basis = "Administrators Can Log in as Any User"
    assert visits == VisitsNow(
        [
            VisitNow(second.pk, "Alan Turing", "Hedy Lamarr", basis, "12 minutes"),
            VisitNow(first.pk, "Ada Lovelace", "Grace Hopper", basis, "12 minutes"),
        ],
        has_more=False,
    )


@pytest.mark.usefixtures("any_user_login")
def test_a_visit_whose_limit_fell_unnoticed_is_over(ada: User, grace: User, browser: "NewBrowser") -> None:
    visit = browser().login_as(grace, actor=ada)
    day_long = Session.objects.filter(pk__in=[visit.pk, visit.actor_session_id])

    before = seen_by(ada, at=visit.ends_at - timedelta(seconds=1)).visits
    after = seen_by(ada, at=visit.ends_at).visits
    day_long.update(last_active_at=visit.started_at - timedelta(hours=3))
    idle = seen_by(ada, at=visit.started_at).visits

    assert [len(visits.shown) for visits in (before, after, idle) if visits] == [1, 0, 0]


@pytest.mark.usefixtures("any_user_login")
def test_five_visits_are_told_in_as_many_queries_as_one(ada: User, make: "Make", browser: "NewBrowser") -> None:
    def visits() -> tuple[int, bool, int]:
        reader = reader_of(ada)
        with captured_queries() as statements:
            now = overview_of(reader, origin=Origin(user=reader, actor=reader), at=last.started_at).visits
        assert now
        return len(now.shown), now.has_more, len(statements)

    last = browser().login_as(make("Emmy0", "Noether"), actor=ada)
    one = visits()
    for number in range(1, 6):
        last = browser().login_as(make(f"Emmy{number}", "Noether"), actor=ada)

    assert (one, visits()) == ((1, False, 5), (5, True, 5))


# --- what waits --------------------------------------------------------------------------------------------------


def test_questions_are_told_apart_by_who_answers(ada: User, alan: User, grace: User) -> None:
    AccessRequestFactory.create(user=ada, requester=alan, created_at=AT)
    AccessRequestFactory.create(user=grace, requester=ada, duration="week", created_at=AT)
    AccessRequestFactory.create(user=grace, requester=alan, created_at=AT)
    AccessRequestFactory.create(user=alan, requester=ada, created_at=AT - timedelta(days=8))

    requests = seen_by(ada, at=AT).requests

    assert [(one.asker, str(one.asked), one.duration) for one in requests.to_answer] == [
        ("Alan Turing", "Ada Lovelace", "3 days")
    ]
    assert [(one.asker, str(one.asked), one.duration) for one in requests.asked] == [
        ("Ada Lovelace", "Grace Hopper", "1 week")
    ]
    assert requests


def of_others(user: User, *, at: datetime = AT) -> list[tuple[str, str, datetime]]:
    requests = seen_by(user, at=at).requests
    return [(one.asker, str(one.asked), one.created_at) for one in requests.of_others]


def test_open_questions_between_others_are_for_those_who_see_all_users(
    ada: User, alan: User, grace: User, hedy: User, audrey: User, stranger: User, make: "Make"
) -> None:
    house = OrganizationFactory.create(name="Portal Support", kind=OrganizationKind.OPERATOR)
    sam = UserFactory.create(organization=house, operator_role="support", first_name="Sam", last_name="Shore")
    for hours, requester, user in (
        (3, alan, grace),
        (1, sam, hedy),
        (2, sam, audrey),
        # One's own are told apart; lapsed and answered ones, and those of other organizations, are none of these.
        (1, ada, grace),
        (1, alan, ada),
        (24 * 7, alan, hedy),
        (0, sam, stranger),
    ):
        AccessRequestFactory.create(user=user, requester=requester, created_at=AT - hours * HOUR)
    answered = {"state": AccessRequestState.DECLINED, "answered_at": AT}
    AccessRequestFactory.create(user=hedy, requester=ada, created_at=AT, **answered)
    AccessRequestFactory.create(user=hedy, requester=make("Emmy", "Noether"), created_at=AT, **answered)

    told = [
        ("Sam Shore (Portal Support)", "Hedy Lamarr", AT - HOUR),
        ("Sam Shore (Portal Support)", "Audrey Tang", AT - 2 * HOUR),
        ("Alan Turing", "Grace Hopper", AT - 3 * HOUR),
    ]
    assert of_others(ada) == told
    assert seen_by(ada, at=AT).requests
    assert not seen_by(ada, at=AT).requests.has_more_of_others


def test_open_questions_between_others_are_five_at_most(ada: User, grace: User, make: "Make") -> None:
    def told() -> tuple[int, bool, int]:
        reader = reader_of(ada)
        with captured_queries() as statements:
            requests = overview_of(reader, origin=Origin(user=reader, actor=reader), at=AT).requests
        return len(requests.of_others), requests.has_more_of_others, len(statements)

    counts = []
    for number in range(6):
        AccessRequestFactory.create(user=grace, requester=make(f"Emmy{number}", "Noether"), created_at=AT)
        counts.append(told())

    assert counts == [*((number, False, 5) for number in range(1, 6)), (5, True, 5)]


def test_open_questions_of_an_organization_are_read_by_their_index(ada: User, acme: "Organization") -> None:
    """No sort, and nothing of the lapsed, however many they are."""
    users = User.objects.bulk_create(
        User(organization=acme, profile=ada.profile, username=f"u{n}@acme.example", last_name="N") for n in range(2000)
    )
    AccessRequest.objects.bulk_create(
        AccessRequest(
            organization=acme,
            requester=ada if number % 2 else one,
            user=users[number - 1],
            reason="To see",
            duration="week",
            created_at=AT - 30 * DAYS,
            lapses_at=AT - 23 * DAYS,
        )
        for number, one in enumerate(users)
    )
    is_postgresql = connection.vendor == "postgresql"
    reader = reader_of(ada)

    with captured_queries() as asked:
        overview_of(reader, origin=Origin(user=reader, actor=reader), at=AT)
    (statement,) = [one for one in asked if 'ORDER BY "accounts_accessrequest"."lapses_at"' in one]
    with connection.cursor() as cursor:
        if is_postgresql:
            cursor.execute("ANALYZE accounts_accessrequest")
        cursor.execute(f"EXPLAIN {'(COSTS OFF)' if is_postgresql else 'QUERY PLAN'} {statement}")
        plan = " | ".join(str(row[-1]) for row in cursor.fetchall())

    assert ("access_request_open" in plan, "Sort" in plan or "TEMP B-TREE" in plan) == (True, False), plan
    assert "Index Cond: ((organization_id" in plan or "(organization_id=? AND lapses_at>?)" in plan, plan


@pytest.mark.parametrize(
    ("is_provisioned", "is_on", "state", "times", "is_told"),
    [
        (False, False, ActivationState.OPEN, {}, True),
        (False, False, ActivationState.APPROVED, {"answered_at": AT - 90 * DAYS}, True),
        (False, False, ActivationState.DECLINED, {"answered_at": AT - 29 * DAYS}, True),
        (False, False, ActivationState.DECLINED, {"answered_at": AT - 30 * DAYS}, False),
        (True, False, ActivationState.DECLINED, {"answered_at": AT - 29 * DAYS}, False),
        (True, False, ActivationState.DONE, {"done_at": AT - 29 * DAYS}, True),
        (True, False, ActivationState.DONE, {"done_at": AT - 30 * DAYS}, False),
        (True, True, ActivationState.DONE, {"done_at": AT - 29 * DAYS}, False),
        (False, False, ActivationState.DONE, {"done_at": AT - 29 * DAYS}, False),
    ],
)
def test_activation_is_told_while_it_is_under_way_or_news(
    acme: "Organization",
    ada: User,
    audrey: User,
    is_provisioned: bool,
    is_on: bool,
    state: ActivationState,
    times: dict[str, Any],
    is_told: bool,
) -> None:
    asked: ActivationRequest = ActivationRequestFactory.create(
        requested_by=ada, state=state, created_at=AT - 100 * DAYS, **times
    )
    acme.provisioned = is_provisioned
    acme.save()
    acme.login_access_policy.any_user_login = is_on
    acme.login_access_policy.save()

    of_ada, of_audrey = (seen_by(reader, at=AT).requests for reader in (ada, audrey))

    told = asked if is_told else None
    assert (of_ada.activation, of_audrey.activation) == (told, told)
    assert (of_ada.may_enable, of_audrey.may_enable) == (is_told and state == ActivationState.DONE, False)


# --- what changed ------------------------------------------------------------------------------------------------


def test_the_last_five_events_are_told_the_latest_first(ada: User, acme: "Organization", stranger: User) -> None:
    for minute in range(6):
        record(
            AuditAction.USER_FROZEN,
            origin=Origin(user=ada, actor=ada),
            organization=acme,
            about=ada,
            at=AT + timedelta(minutes=minute),
        )
    record(AuditAction.USER_FROZEN, origin=Origin(), organization=stranger.organization, about=stranger, at=AT)

    events = seen_by(ada, at=AT).events

    assert [event.created_at.minute for event in events or ()] == [5, 4, 3, 2, 1]
