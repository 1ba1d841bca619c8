"""The sweep beside others, on PostgreSQL: run twice at once, against a request's touch, against a leave."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from accounts.enums import EndCause
from accounts.middleware import touch
from accounts.models import Impersonation, Session, User
from accounts.services.expiry import Closed, close_expired
from accounts.services.impersonation import leave_impersonation
from accounts.services.sessions import end_sessions_of
from accounts.session_store import SessionStore
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import Organization, SessionSettings

from .test_postgres_concurrency import RETURN, SESSION, meeting, nothing_is_half_done

if TYPE_CHECKING:
    from accounts.identity import Identity

# Fixtures.
__all__ = ["nothing_is_half_done"]

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

AUTOMATED = Origin(command="close_expired", system_user="root")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def visits(any_user_login: Organization, ada: User, alan: User, grace: User, hedy: User) -> list[PortalClient]:
    """Two who are logged in as others, whose limits all fall in two hours."""
    SessionSettings.objects.update(force_relogin=False)
    made = []
    for actor, target in ((ada, grace), (alan, hedy), (ada, hedy)):
        made.append(PortalClient())
        made[-1].login_as(target, actor=actor)
    return made


@pytest.fixture
def later() -> datetime:
    return timezone.now() + 3 * HOUR


def sweep(at: datetime, batch: int = 500) -> Callable[[], Closed]:
    return lambda: close_expired(origin=AUTOMATED, at=at, batch=batch)


def identity_of(client: PortalClient) -> "Identity":
    identity = SessionStore(client.cookies[SESSION].value).identify()
    assert identity is not None
    return identity


def causes() -> list[str]:
    return list(Impersonation.objects.order_by("pk").values_list("end_cause", flat=True))


@pytest.mark.parametrize("batch", [1, 500])
def test_two_sweeps_at_once_close_each_once(batch: int, visits: list[PortalClient], later: datetime) -> None:
    with meeting(Session.objects.all(), of=2) as send:
        swept = [send(sweep(later, batch)), send(sweep(later, batch))]

    first, second = (one.result() for one in swept)
    assert first + second == Closed(6, 3)
    assert causes() == [EndCause.TIME_LIMIT] * 3
    assert not Session.objects.live().exists()


def test_sweep_that_waited_for_a_touch_ends_nothing(visits: list[PortalClient], later: datetime) -> None:
    """At the last moment somebody did something: the sweep reads again once it has the lock."""
    Impersonation.objects.update(ends_at=later + HOUR)
    moment = later - MINUTE
    with meeting(Session.objects.all(), of=2) as send:
        swept = send(sweep(later))
        # It comes second to the rows, and would wait for the sweep: so it is done by whoever holds them.
        send(lambda: touch(identity_of(visits[0]), at=moment))
        mine = identity_of(visits[0]).impersonation
        assert mine is not None
        Session.objects.filter(pk__in=[mine.pk, mine.actor_session_id]).update(last_active_at=moment)

    assert swept.result() == Closed(4, 2)
    assert causes() == ["", EndCause.IDLE, EndCause.IDLE]


def test_touch_that_waited_for_the_sweep_revives_nothing(visits: list[PortalClient], later: datetime) -> None:
    identity = identity_of(visits[0])
    with meeting(Session.objects.all(), of=1) as send:
        swept = send(sweep(later))
    touch(identity, at=later)

    assert swept.result() == Closed(6, 3)
    assert not Session.objects.live().exists()
    assert not Session.objects.filter(last_active_at=later).exists()


@pytest.mark.parametrize("is_leave_first", [False, True])
def test_sweep_against_a_leave(is_leave_first: bool, visits: list[PortalClient], later: datetime) -> None:
    client = visits[0]
    identity, token = identity_of(client), client.cookies[RETURN].value

    def leave() -> bool:
        return leave_impersonation(identity, return_token=token, origin=Origin(), at=later - 2 * HOUR) is not None

    with meeting(Session.objects.all(), of=2) as send:
        sent = [send(act) for act in ((leave, sweep(later)) if is_leave_first else (sweep(later), leave))]

    left, swept = (one.result() for one in (sent if is_leave_first else reversed(sent)))
    assert causes()[0] == (EndCause.LOGGED_OUT if left else EndCause.TIME_LIMIT)
    assert causes()[1:] == [EndCause.TIME_LIMIT] * 2
    assert swept.visits == (2 if left else 3)


@pytest.mark.parametrize("batch", [1, 500])
def test_sweep_against_everything_that_ends_many(
    batch: int, visits: list[PortalClient], ada: User, hedy: User, later: datetime
) -> None:
    cause = EndCause.ENDED_BY_ADMINISTRATOR

    def end(user: User) -> Callable[[], int]:
        return lambda: end_sessions_of(user, as_actor=cause, as_target=cause, origin=Origin())

    with meeting(Session.objects.all(), of=4) as send:
        sent = [send(act) for act in (sweep(later, batch), end(ada), end(hedy), sweep(later, batch))]

    for one in sent:
        one.result()
    assert all(causes())
    assert not Session.objects.live().exists()
