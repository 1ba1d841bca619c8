"""The sweep: what a limit has ended is closed at the moment it fell, once, and nothing else is."""

from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from typing import Any, NamedTuple

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.enums import EndCause
from accounts.keys import hash_key
from accounts.models import Impersonation, Session, User
from accounts.services import expiry
from accounts.services.expiry import Closed, close_expired, end_fallen
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import AuditEvent, Organization, OrganizationKind, SessionSettings
from tests.factories import LoginAccessGrantFactory, OrganizationFactory, UserFactory
from tests.queries import captured_queries

pytestmark = pytest.mark.django_db

ClientOf = Callable[[User], PortalClient]
Browser = Callable[[], PortalClient]

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
AUTOMATED = Origin(command="close_expired", system_user="root")


def row_of(client: PortalClient) -> Session:
    return Session.objects.get(key_hash=hash_key(client.cookies[django_settings.SESSION_COOKIE_NAME].value))


def limits(organization: Organization | None, **changes: Any) -> None:
    SessionSettings.objects.filter(organization=organization).update(**changes)


def age(session: Session, *, created: timedelta, active: timedelta, at: datetime) -> None:
    Session.objects.filter(pk=session.pk).update(created_at=at - created, last_active_at=at - active)


def ends() -> dict[int, datetime | None]:
    return dict(Session.objects.values_list("pk", "ended_at"))


class Visit(NamedTuple):
    """A visit that goes on, with both sessions."""

    row: Impersonation
    worn: Session
    parent: Session

    def end(self) -> tuple[str, datetime | None, datetime | None, datetime | None, datetime | None]:
        """Return cause, moment, when it was noticed, and when the two sessions ended."""
        row = Impersonation.objects.get(pk=self.row.pk)
        worn, parent = (Session.objects.get(pk=one.pk).ended_at for one in (self.worn, self.parent))
        return row.end_cause, row.ended_at, row.noticed_at, worn, parent


NOT_ENDED = ("", None, None, None, None)


@pytest.fixture
def at() -> datetime:
    """When it is swept: visits that begin now have gone on for a while, and no limit of theirs has fallen by itself."""
    return timezone.now() + 40 * MINUTE


@pytest.fixture
def visit(any_user_login: Organization, ada: User, grace: User, browser: Browser) -> Visit:
    """Ada as Grace."""
    row = browser().login_as(grace, actor=ada)
    return Visit(row, Session.objects.get(pk=row.pk), Session.objects.get(pk=row.actor_session_id))


@pytest.fixture
def abroad(acme: Organization, grace: User, browser: Browser) -> Visit:
    """A support agent as Grace."""
    house = OrganizationFactory.create(name="Portal Support", kind=OrganizationKind.OPERATOR)
    sam = UserFactory.create(organization=house, operator_role="support", first_name="Sam", last_name="Shore")
    LoginAccessGrantFactory.create(user=grace, support_organization=house)
    row = browser().login_as(grace, actor=sam)
    return Visit(row, Session.objects.get(pk=row.pk), Session.objects.get(pk=row.actor_session_id))


# --- people's own sessions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("created", "active", "over_for"),
    [
        (3 * HOUR, 2 * HOUR, timedelta()),
        (3 * HOUR, 2 * HOUR + MINUTE, MINUTE),
        (3 * HOUR, 2 * HOUR - MINUTE, None),
        (12 * HOUR, MINUTE, timedelta()),
        (12 * HOUR + 3 * MINUTE, MINUTE, 3 * MINUTE),
        (12 * HOUR - MINUTE, MINUTE, None),
        # The one that fell first.
        (13 * HOUR, 3 * HOUR, HOUR),
    ],
)
def test_session_ends_at_the_moment_its_limit_fell(
    created: timedelta, active: timedelta, over_for: timedelta | None, ada: User, client_of: ClientOf, at: datetime
) -> None:
    session = row_of(client_of(ada))
    Session.objects.update(data="something", previous_key_hash="0" * 64)
    age(session, created=created, active=active, at=at)

    closed = close_expired(origin=AUTOMATED, at=at)

    session.refresh_from_db()
    if over_for is None:
        assert (closed, session.ended_at, session.data) == (Closed(0, 0), None, "something")
    else:
        assert (closed, session.ended_at, session.data) == (Closed(1, 0), at - over_for, "")
    assert AuditEvent.objects.count() == 0


def test_limits_are_the_organizations_own(
    ada: User, stranger: User, acme: Organization, client_of: ClientOf, at: datetime
) -> None:
    limits(acme, idle_minutes=15)
    own, other = (row_of(client_of(person)) for person in (ada, stranger))
    for session in (own, other):
        age(session, created=HOUR, active=20 * MINUTE, at=at)

    closed = close_expired(origin=AUTOMATED, at=at)

    assert (closed, ends()) == (Closed(1, 0), {own.pk: at - 5 * MINUTE, other.pk: None})


def test_one_organizations_are_swept_alone_if_asked(
    ada: User, stranger: User, acme: Organization, client_of: ClientOf, at: datetime
) -> None:
    own, other = (row_of(client_of(person)) for person in (ada, stranger))
    for session in (own, other):
        age(session, created=3 * HOUR, active=3 * HOUR, at=at)

    closed = close_expired(origin=AUTOMATED, at=at, organization=acme)

    assert (closed, ends()) == (Closed(1, 0), {own.pk: at - HOUR, other.pk: None})


def test_sessions_of_nobody_are_left_to_clearsessions(
    anonymous: PortalClient, acme: Organization, at: datetime
) -> None:
    session = Session.objects.create(key_hash="0" * 64, created_at=at - 90 * HOUR, last_active_at=at - 90 * HOUR)

    assert (close_expired(origin=AUTOMATED, at=at), ends()) == (Closed(0, 0), {session.pk: None})


@pytest.mark.parametrize("batch", [1, 2, 500])
def test_every_batch_is_gone_through(batch: int, ada: User, client_of: ClientOf, at: datetime) -> None:
    sessions = [row_of(client_of(ada)) for _ in range(5)]
    for number, session in enumerate(sessions):
        age(session, created=5 * HOUR, active=2 * HOUR + number * MINUTE, at=at)
    age(sessions[2], created=HOUR, active=MINUTE, at=at)

    closed = close_expired(origin=AUTOMATED, at=at, batch=batch)

    over = {session.pk: at - number * MINUTE for number, session in enumerate(sessions)} | {sessions[2].pk: None}
    assert (closed, ends()) == (Closed(4, 0), over)


# --- visits ------------------------------------------------------------------------------------------------------


def test_visit_that_goes_on_is_left_alone(visit: Visit, at: datetime) -> None:
    assert (close_expired(origin=AUTOMATED, at=at), visit.end()) == (Closed(0, 0), NOT_ENDED)


@pytest.mark.parametrize("force_relogin", [False, True])
def test_time_limit_ends_a_visit_as_a_request_would(
    force_relogin: bool, visit: Visit, acme: Organization, at: datetime
) -> None:
    limits(acme, force_relogin=force_relogin)
    fell = visit.row.ends_at
    later = fell + 5 * MINUTE

    closed = close_expired(origin=AUTOMATED, at=later)

    assert closed == Closed(1 + force_relogin, 1)
    assert visit.end() == (EndCause.TIME_LIMIT, fell, later, fell, fell if force_relogin else None)
    event = AuditEvent.objects.latest("id")
    assert (event.user_name, event.delegate_user_name, event.about_name) == ("Ada Lovelace", "", "Grace Hopper")
    assert event.sentence == "Logged out using Login-As access for Grace Hopper: the time limit was reached"
    assert (event.created_at, event.address, event.session_public_id) == (later, None, None)
    assert event.after == {"cause": "time_limit", "ended_at": fell.isoformat(), "ended_by": ""}


@pytest.mark.parametrize("force_relogin", [False, True])
def test_each_of_both_ends_at_its_own_moment(
    force_relogin: bool, visit: Visit, acme: Organization, at: datetime
) -> None:
    """The visit was over first. With force relogin that was the end of both; otherwise the parent fell idle later."""
    limits(acme, force_relogin=force_relogin)
    Session.objects.update(last_active_at=visit.parent.created_at)
    fell, idle = visit.row.ends_at, visit.parent.created_at + 2 * HOUR

    closed = close_expired(origin=AUTOMATED, at=idle + HOUR)

    assert closed == Closed(2, 1)
    assert visit.end() == (EndCause.TIME_LIMIT, fell, idle + HOUR, fell, fell if force_relogin else idle)


def test_idle_parent_ends_its_visit(visit: Visit, acme: Organization, at: datetime) -> None:
    limits(acme, idle_minutes=15)
    for session in (visit.worn, visit.parent):
        age(session, created=HOUR, active=20 * MINUTE, at=at)
    fell = at - 5 * MINUTE

    closed = close_expired(origin=AUTOMATED, at=at)

    assert (closed, visit.end()) == (Closed(2, 1), (EndCause.IDLE, fell, at, fell, fell))


def test_absolute_limit_of_the_parent_ends_its_visit(visit: Visit, acme: Organization, at: datetime) -> None:
    limits(acme, idle_minutes=60, absolute_hours=1)
    age(visit.parent, created=70 * MINUTE, active=MINUTE, at=at)
    fell = at - 10 * MINUTE

    closed = close_expired(origin=AUTOMATED, at=at)

    assert (closed, visit.end()) == (Closed(2, 1), (EndCause.TIME_LIMIT, fell, at, fell, fell))


def test_many_who_ended_at_different_moments_keep_their_own(
    any_user_login: Organization, ada: User, alan: User, grace: User, hedy: User, browser: Browser, at: datetime
) -> None:
    """The parent of one falls idle at the very moment at which another's did, and after its own visit was over."""
    limits(any_user_login, force_relogin=False)
    first, second = browser().login_as(grace, actor=ada), browser().login_as(hedy, actor=alan)
    idle = at + 2 * HOUR
    Session.objects.update(created_at=at, last_active_at=at)
    Impersonation.objects.filter(pk=first.pk).update(ends_at=idle + HOUR)
    Impersonation.objects.filter(pk=second.pk).update(ends_at=idle - HOUR)

    closed = close_expired(origin=AUTOMATED, at=idle + 3 * HOUR)

    assert closed == Closed(4, 2)
    assert list(Impersonation.objects.order_by("pk").values_list("end_cause", "ended_at")) == [
        (EndCause.IDLE, idle),
        (EndCause.TIME_LIMIT, idle - HOUR),
    ]
    assert ends() == {
        first.actor_session_id: idle,
        first.pk: idle,
        second.actor_session_id: idle,
        second.pk: idle - HOUR,
    }


def test_grant_that_ran_out_is_the_cause(ada: User, grace: User, acme: Organization, browser: Browser) -> None:
    grant = LoginAccessGrantFactory.create(user=grace, expires_at=timezone.now() + 20 * MINUTE)
    row = browser().login_as(grace, actor=ada)
    later = grant.expires_at + MINUTE

    closed = close_expired(origin=AUTOMATED, at=later)

    row.refresh_from_db()
    assert (closed, row.end_cause, row.ended_at) == (Closed(1, 1), EndCause.GRANT_EXPIRED, grant.expires_at)


def test_right_that_was_lost_before_the_limit_fell_is_the_cause(visit: Visit, acme: Organization) -> None:
    limits(acme, force_relogin=False)
    lost_at = visit.row.started_at + MINUTE
    policy = acme.login_access_policy
    policy.any_user_login, policy.login_access_lost_at = False, lost_at
    policy.save()

    closed = close_expired(origin=AUTOMATED, at=visit.row.ends_at + MINUTE)

    assert (closed, visit.end()[:2]) == (Closed(1, 1), (EndCause.POLICY_CHANGED, lost_at))


def test_what_no_limit_has_ended_goes_on_whatever_else_speaks_against_it(
    abroad: Visit, grace: User, at: datetime
) -> None:
    """A guest's visit is always asked about, and one whose right is gone is for whoever took it."""
    User.objects.filter(pk=grace.pk).update(is_active=False)

    assert (close_expired(origin=AUTOMATED, at=at), abroad.end()) == (Closed(0, 0), NOT_ENDED)


# --- support agents ----------------------------------------------------------------------------------------------


def test_customers_idle_limit_ends_a_guests_worn_session(abroad: Visit, acme: Organization, at: datetime) -> None:
    limits(acme, idle_minutes=15, force_relogin=False)
    limits(abroad.parent.organization, force_relogin=False)
    for session in (abroad.worn, abroad.parent):
        age(session, created=HOUR, active=20 * MINUTE, at=at)
    fell = at - 5 * MINUTE

    closed = close_expired(origin=AUTOMATED, at=at)

    assert (closed, abroad.end()) == (Closed(1, 1), (EndCause.IDLE, fell, at, fell, None))


@pytest.mark.parametrize("by_customer", [False, True])
def test_own_organizations_idle_limit_ends_both_of_a_guest(
    by_customer: bool, abroad: Visit, acme: Organization, at: datetime
) -> None:
    house = abroad.parent.organization
    limits(house, idle_minutes=15)
    for session in (abroad.worn, abroad.parent):
        age(session, created=HOUR, active=20 * MINUTE, at=at)
    fell = at - 5 * MINUTE

    closed = close_expired(origin=AUTOMATED, at=at, organization=acme if by_customer else house)

    assert (closed, abroad.end()) == (Closed(2, 1), (EndCause.IDLE, fell, at, fell, fell))


# --- any number of times -----------------------------------------------------------------------------------------


def test_second_sweep_finds_nothing(visit: Visit) -> None:
    later = visit.row.ends_at + 5 * MINUTE
    close_expired(origin=AUTOMATED, at=later)
    before = visit.end()

    closed = close_expired(origin=AUTOMATED, at=later + HOUR, organization=visit.worn.organization)

    assert closed.visits == 0
    assert visit.end()[:4] == before[:4]


def test_session_from_which_someone_has_just_started_waits_for_the_next_sweep(
    visit: Visit, acme: Organization, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(acme, idle_minutes=15)
    age(visit.parent, created=HOUR, active=20 * MINUTE, at=at)
    # As it looks to a sweep that looked up who belongs together a moment before the start.
    monkeypatch.setattr(expiry, "with_relatives", set)

    closed = end_fallen([visit.parent.pk], origin=AUTOMATED, at=at)

    assert (closed, visit.end()) == (Closed(0, 0), NOT_ENDED)


def test_sweep_costs_the_same_for_one_or_many_that_ended_at_the_same_moment(
    ada: User, client_of: ClientOf, at: datetime
) -> None:
    def sweep(count: int) -> int:
        for _ in range(count):
            age(row_of(client_of(ada)), created=5 * HOUR, active=3 * HOUR, at=at)
        with captured_queries() as queries:
            close_expired(origin=AUTOMATED, at=at)
        return len(queries)

    assert (sweep(1), sweep(3)) == (9, 9)


# --- the command -------------------------------------------------------------------------------------------------


def run(*options: str) -> str:
    out = StringIO()
    call_command("close_expired", *options, stdout=out)
    return out.getvalue()


def test_command_prints_what_it_closed(visit: Visit, acme: Organization, ada: User, client_of: ClientOf) -> None:
    now = timezone.now()
    limits(acme, force_relogin=False)
    Impersonation.objects.update(ends_at=now - MINUTE)
    age(row_of(client_of(ada)), created=5 * HOUR, active=3 * HOUR, at=now)

    assert run() == "Closed 2 sessions and 1 visit.\n"
    assert run("--organization", "Acme") == "Closed 0 sessions and 0 visits in Acme.\n"


def test_command_closes_one_organizations(ada: User, stranger: User, client_of: ClientOf) -> None:
    now = timezone.now()
    for person in (ada, stranger):
        age(row_of(client_of(person)), created=5 * HOUR, active=3 * HOUR, at=now)

    assert run("--organization", "Acme") == "Closed 1 session and 0 visits in Acme.\n"
    assert set(Session.objects.live().values_list("organization__name", flat=True)) == {stranger.organization.name}


def test_command_names_an_organization_that_is_none() -> None:
    with pytest.raises(CommandError, match=r"There is no organization Nowhere\."):
        run("--organization", "Nowhere")
