"""Ending sessions goes by index, among many that go on and visits that are long over."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.enums import Basis, EndCause, SessionType
from accounts.models import DelegatedGroup, Impersonation, LoginAccessGrant, Session, User
from accounts.services.expiry import end_fallen
from accounts.services.users import deactivate_user
from accounts.services.visits import VisitsOf
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import Organization
from tests.queries import captured_queries

pytestmark = pytest.mark.django_db

MANY = 1500
NOW = timezone.now()
DAY = timedelta(days=1)
# A whole table read, or all of an index of it. Those of the visits that are open hold nothing else.
OPEN = "impersonation_open|impersonation_one_open_per_actor_session"
READS_ALL = re.compile(
    "Seq Scan on accounts_(?:session|impersonation)|"
    f"SCAN accounts_(?:session|impersonation)(?! USING (?:COVERING )?INDEX (?:{OPEN}))"
)
# What writes a row; and the identity statement, prepared on PostgreSQL: it names its sessions by their ids.
NOT_ASKED = ("INSERT", "SELECT s.")
ABOUT = ('"accounts_session"', '"accounts_impersonation"')


@pytest.fixture
def crowd(acme: Organization, ada: User, alan: User, hedy: User) -> None:
    """Many live sessions, and as many visits that are over, of three people."""
    people = (ada, alan, hedy)
    own = Session.objects.bulk_create(
        Session(user=people[number % 3], organization=acme, created_at=NOW, last_active_at=NOW)
        for number in range(MANY)
    )
    worn = Session.objects.bulk_create(
        Session(
            user=people[(number + 1) % 3],
            organization=acme,
            parent=parent,
            type=SessionType.SUBSTITUTE_USER,
            created_at=NOW - DAY,
            ended_at=NOW - DAY,
        )
        for number, parent in enumerate(own)
    )
    Impersonation.objects.bulk_create(
        Impersonation(
            session=session,
            actor_session=parent,
            organization=acme,
            actor=people[number % 3],
            target=people[(number + 1) % 3],
            basis=Basis.ANY_USER,
            started_at=NOW - DAY,
            ends_at=NOW - DAY,
            ended_at=NOW - DAY,
            end_cause=EndCause.LOGGED_OUT,
        )
        for number, (session, parent) in enumerate(zip(worn, own, strict=True))
    )
    with connection.cursor() as cursor:
        for model in (Session, Impersonation):
            cursor.execute(f"ANALYZE {model._meta.db_table}")


@contextmanager
def plans() -> Iterator[list[str]]:
    """Collect how the database answers each query of sessions and visits; the list fills when the block ends."""
    found: list[str] = []
    with captured_queries() as queries:
        yield found
    explain = "EXPLAIN (COSTS OFF)" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        for query in queries:
            if any(name in query for name in ABOUT) and not query.startswith(NOT_ASKED):
                cursor.execute(f"{explain} {query}")
                found.append(f"{query}\n" + "\n".join(str(row[-1]) for row in cursor.fetchall()))


@pytest.mark.usefixtures("crowd")
def test_deactivating_one_among_many_reads_only_their_rows(
    any_user_login: Organization, ada: User, grace: User, client_of: Callable[[User], PortalClient]
) -> None:
    client_of(grace)
    PortalClient().login_as(grace, actor=ada)

    with plans() as found:
        deactivate_user(grace, origin=Origin(user=ada, actor=ada))

    assert not Session.objects.live().filter(user=grace).exists()
    assert Session.objects.live().exclude(user=grace).count() == MANY + 1
    assert len(found) >= 8
    assert [plan for plan in found if READS_ALL.search(plan)] == []


@pytest.mark.usefixtures("crowd")
def test_visits_and_what_has_fallen_are_found_by_index(acme: Organization, ada: User, grace: User) -> None:
    visits = (
        VisitsOf.organization(acme),
        VisitsOf.person(grace),
        VisitsOf.grant(LoginAccessGrant(pk=1)),
        VisitsOf.group(DelegatedGroup(pk=1, organization=acme)),
    )
    late = list(Session.objects.filter(user=ada).values_list("pk", flat=True)[:3])
    Session.objects.filter(pk__in=late).update(last_active_at=NOW - DAY)

    with plans() as found:
        ids = [one.ids() for one in visits]
        fallen = end_fallen(late, origin=Origin.automated("close_expired"), at=NOW)

    assert (ids, fallen.sessions) == ([[]] * 4, 3)
    assert [bool(re.search(f"{OPEN}|impersonation_by_actor", plan)) for plan in found[:4]] == [True] * 4
    assert [plan for plan in found if READS_ALL.search(plan)] == []
