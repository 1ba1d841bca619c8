"""Two at once, on PostgreSQL: one wins, the other is told, and nothing is left half done.

Each test holds a row lock until everyone who is to meet there waits for it, so that what is raced is raced each time.
"""

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import close_old_connections, connection, connections, transaction
from django.utils import timezone

from accounts.enums import EndCause
from accounts.models import Impersonation, Session, User
from accounts.services.impersonation import hand_back, leave_impersonation, start_impersonation
from accounts.services.passwords import password_was_changed
from accounts.services.sessions import end_session, end_sessions_of
from accounts.services.visits import VisitsOf, end_lost_visits
from accounts.session_store import SessionStore
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import AuditEvent, LoginAccessPolicy, Organization, SessionSettings

if TYPE_CHECKING:
    from django.db.models import QuerySet

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.probe"),
]

SESSION, RETURN = "portal_session", "portal_return"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@contextmanager
def meeting(rows: "QuerySet[Any]", *, of: int) -> Generator[Callable[[Callable[[], Any]], "Future[Any]"]]:
    """Hold ``rows`` until as many as ``of`` who were sent there wait for them, then let all go at once."""
    sent: list[Future[Any]] = []

    def send(act: Callable[[], Any]) -> "Future[Any]":
        sent.append(pool.submit(alone, act))
        return sent[-1]

    with ThreadPoolExecutor(of) as pool, transaction.atomic():
        list(rows.select_for_update())
        yield send
        wait_until(of, sent)


def alone(act: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Do something in a thread of its own, with a connection of its own."""
    try:
        return act()
    finally:
        connections.close_all()


def wait_until(count: int, sent: "list[Future[Any]]") -> None:
    """Return when ``count`` connections wait for a lock. Nobody who was sent there is done before that."""
    with connection.cursor() as cursor:
        for _ in range(3000):
            cursor.execute(WAITING)
            if cursor.fetchone()[0] >= count:
                return
            assert [one.result() for one in sent if one.done()] == []
            cursor.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.01)")
    raise AssertionError(f"Not all of {count} came.")


def copy_of(client: PortalClient) -> PortalClient:
    copy = PortalClient()
    copy.cookies.update(client.cookies)
    return copy


def who(client: PortalClient) -> str:
    name: str = client.get("/probe/open/").json()["user"]
    return name


def log_in_as(client: PortalClient, target: User) -> Callable[[], tuple[int, str]]:
    return lambda: answer(client.post(f"/setup/users/{target.pk}/login-as/"))


def log_out(client: PortalClient) -> Callable[[], tuple[int, str]]:
    return lambda: answer(client.post("/logout/"))


def answer(response: Any) -> tuple[int, str]:  # noqa: ANN401
    return response.status_code, response.headers.get("Location", "")


@pytest.fixture
def at_work(any_user_login: Organization, ada: User, client_of: Callable[[User], PortalClient]) -> PortalClient:
    return client_of(ada)


@pytest.fixture
def inside(at_work: PortalClient, grace: User) -> PortalClient:
    at_work.login_as(grace)
    at_work.get("/probe/")
    return at_work


@pytest.fixture(autouse=True)
def nothing_is_half_done(db: None) -> Generator[None]:
    """Look, after each test, whether sessions, visits and the trail agree."""
    close_old_connections()
    yield
    for visit in Impersonation.objects.select_related("session", "actor_session"):
        ended = AuditEvent.objects.filter(action="impersonation.ended", impersonation_id=visit.pk).count()
        started = AuditEvent.objects.filter(action="impersonation.started", impersonation_id=visit.pk).count()
        assert started == 1
        assert ended == (visit.ended_at is not None)
        assert (visit.session.ended_at is None) == (visit.ended_at is None)
        if visit.ended_at is None:
            assert (visit.actor_session.ended_at, visit.actor_session.key_hash) == (None, None)
    open_visits = Impersonation.objects.open()
    assert open_visits.count() == open_visits.values("actor_session").distinct().count()
    assert not Session.objects.live().filter(parent__ended_at__isnull=False).exists()


# --- two starts ------------------------------------------------------------------------------------------------------


def test_two_starts_for_two_targets_one_wins_and_the_other_is_told(
    at_work: PortalClient, grace: User, alan: User
) -> None:
    first, second = copy_of(at_work), copy_of(at_work)
    with meeting(Session.objects.all(), of=2) as send:
        answers = [send(log_in_as(first, grace)), send(log_in_as(second, alan))]

    assert sorted(one.result() for one in answers) == [(302, "/"), (403, "")]
    (visit,) = Impersonation.objects.all()
    assert {who(first), who(second)} == {visit.target_name, "AnonymousUser"}
    assert AuditEvent.objects.filter(action="impersonation.refused").get().after == {"refusal": "nested"}


def test_two_clicks_for_one_target_land_in_one_visit(at_work: PortalClient, grace: User) -> None:
    first, second = copy_of(at_work), copy_of(at_work)
    with meeting(Session.objects.all(), of=2) as send:
        answers = [send(log_in_as(first, grace)), send(log_in_as(second, grace))]

    assert [one.result() for one in answers] == [(302, "/"), (302, "/")]
    assert Impersonation.objects.count() == 1
    assert sorted([who(first), who(second)]) == ["AnonymousUser", "Grace Hopper"]
    assert not AuditEvent.objects.filter(action="impersonation.refused").exists()


def test_four_starts_leave_one_visit(at_work: PortalClient, grace: User, alan: User, dennis: User, hedy: User) -> None:
    browsers = [copy_of(at_work) for _ in range(4)]
    with meeting(Session.objects.all(), of=4) as send:
        answers = [
            send(log_in_as(client, target))
            for client, target in zip(browsers, (grace, alan, dennis, hedy), strict=True)
        ]

    assert sorted(one.result()[0] for one in answers) == [302, 403, 403, 403]
    assert Impersonation.objects.count() == 1


# --- start against what takes the ground from it ---------------------------------------------------------------------


def test_start_against_signing_out(at_work: PortalClient, grace: User) -> None:
    starter, leaver = copy_of(at_work), copy_of(at_work)
    with meeting(Session.objects.all(), of=2) as send:
        started = send(log_in_as(starter, grace))
        left = send(log_out(leaver))

    assert left.result() == (302, "/login/")
    assert started.result()[0] in {302, 403}
    assert (who(starter), who(leaver)) == ("AnonymousUser", "AnonymousUser")
    assert not Session.objects.live().exists()


def test_start_that_is_faster_than_the_actors_deactivation_ends_with_it(
    at_work: PortalClient, ada: User, grace: User
) -> None:
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        start_impersonation(actor=ada, session=Session.objects.get(), target_id=grace.pk, origin=Origin())
        # It waits for the actor's own session, which this has locked, and has not seen the worn one.
        ended = pool.submit(alone, lambda: end_sessions_of(ada, as_actor=EndCause.ACTOR_DEACTIVATED, origin=Origin()))
        wait_until(1, [ended])

    assert ended.result() == 2
    assert Impersonation.objects.get().end_cause == EndCause.ACTOR_DEACTIVATED


def test_start_against_the_deactivation_of_the_actor(at_work: PortalClient, ada: User, grace: User) -> None:
    def deactivate() -> int:
        with transaction.atomic():
            User.objects.filter(pk=ada.pk).update(is_active=False)
            return end_sessions_of(ada, as_actor=EndCause.ACTOR_DEACTIVATED, origin=Origin())

    with meeting(Session.objects.all(), of=2) as send:
        started, ended = send(log_in_as(at_work, grace)), send(deactivate)

    assert started.result()[0] in {302, 403}
    assert ended.result() in {1, 2}
    assert who(at_work) == "AnonymousUser"


def test_start_against_the_deactivation_of_the_target(at_work: PortalClient, grace: User) -> None:
    def deactivate() -> None:
        with transaction.atomic():
            User.objects.filter(pk=grace.pk).update(is_active=False)
            cause = EndCause.TARGET_DEACTIVATED
            end_sessions_of(grace, as_actor=cause, as_target=cause, origin=Origin())

    with meeting(Session.objects.all(), of=1) as send:
        started = send(log_in_as(at_work, grace))
    deactivate()

    assert started.result() == (302, "/")
    assert at_work.get("/probe/").headers["Location"] == f"/setup/users/{grace.pk}/"
    assert Impersonation.objects.get().end_cause == EndCause.TARGET_DEACTIVATED


# --- leave -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_forced", [False, True])
def test_two_leaves_end_once(inside: PortalClient, grace: User, is_forced: bool) -> None:
    SessionSettings.objects.update(force_relogin=is_forced)
    first, second = copy_of(inside), copy_of(inside)
    with meeting(Session.objects.all(), of=2) as send:
        answers = [send(log_out(first)), send(log_out(second))]

    assert len({one.result() for one in answers}) == 1
    assert sorted([who(first), who(second)]) == ["Ada Lovelace" if not is_forced else "AnonymousUser", "AnonymousUser"]
    assert Impersonation.objects.get().end_cause == EndCause.LOGGED_OUT


@pytest.mark.parametrize("is_forced", [False, True])
def test_leave_against_the_deactivation_of_the_actor(inside: PortalClient, ada: User, is_forced: bool) -> None:
    SessionSettings.objects.update(force_relogin=is_forced)
    with meeting(Session.objects.all(), of=2) as send:
        left = send(log_out(inside))
        ended = send(lambda: end_sessions_of(ada, as_actor=EndCause.ACTOR_DEACTIVATED, origin=Origin()))

    assert left.result()[0] == 302
    assert ended.result() in {0, 1, 2}
    assert not Session.objects.live().exists()


@transaction.atomic
def switch_off(organization: Organization) -> int:
    """Switch any-user login off, and end what rested on it, as a service does: one transaction."""
    LoginAccessPolicy.objects.filter(organization=organization).update(any_user_login=False)
    return end_lost_visits(VisitsOf.organization(organization), origin=Origin(), at=timezone.now())


def test_leave_against_the_policy_and_both_peoples_passwords(
    inside: PortalClient, acme: Organization, ada: User, grace: User
) -> None:
    SessionSettings.objects.update(force_relogin=False)
    with meeting(Session.objects.all(), of=4) as send:
        left = send(log_out(inside))
        rest = [
            send(lambda: switch_off(acme)),
            send(lambda: password_was_changed(ada, origin=Origin())),
            send(lambda: password_was_changed(grace, origin=Origin())),
        ]

    assert left.result()[0] == 302
    assert [one.exception() for one in rest] == [None, None, None]
    assert Impersonation.objects.get().ended_at is not None


def test_start_against_leave(inside: PortalClient, grace: User, alan: User) -> None:
    SessionSettings.objects.update(force_relogin=False)
    starter, leaver = copy_of(inside), copy_of(inside)
    with meeting(Session.objects.all(), of=1) as send:
        left = send(log_out(leaver))
    started = answer(starter.post(f"/setup/users/{alan.pk}/login-as/"))

    assert left.result() == (302, f"/setup/users/{grace.pk}/")
    assert started[0] == 302
    assert who(leaver) == "Ada Lovelace"
    assert Impersonation.objects.open().count() == 0


def test_activity_against_the_end_of_both(inside: PortalClient, ada: User) -> None:
    Session.objects.update(last_active_at=timezone.now() - timedelta(minutes=2))
    with meeting(Session.objects.filter(parent=None), of=2) as send:
        touched = send(lambda: who(inside))
        ended = send(lambda: end_sessions_of(ada, as_actor=EndCause.ACTOR_FROZEN, origin=Origin()))

    assert (ended.result(), touched.result()) == (2, "Grace Hopper")


# --- coming back and signing in --------------------------------------------------------------------------------------


def test_key_is_handed_back_to_one_of_two(inside: PortalClient, ada: User) -> None:
    end_session(Session.objects.get(parent__isnull=False), cause=EndCause.ENDED_BY_TARGET, origin=Origin())
    first, second = copy_of(inside), copy_of(inside)
    with meeting(Session.objects.all(), of=2) as send:
        answers = [send(lambda: answer(first.get("/probe/"))), send(lambda: answer(second.get("/probe/")))]

    assert [one.result()[0] for one in answers] == [302, 302]
    assert sorted([who(first), who(second)]) == ["Ada Lovelace", "AnonymousUser"]


def test_key_is_not_handed_back_against_a_leave(inside: PortalClient) -> None:
    SessionSettings.objects.update(force_relogin=False)
    key, token = inside.cookies[SESSION].value, inside.cookies[RETURN].value
    identity = SessionStore(key).identify()
    assert identity is not None
    with meeting(Session.objects.all(), of=1) as send:
        left = send(lambda: leave_impersonation(identity, return_token=token, origin=Origin()))

    # Whoever read the row while the visit was open must not be handed the key that the leave gave to another.
    assert left.result().key is not None
    assert hand_back(identity, token) is None


def test_two_who_sign_in_from_one_planted_session_never_share_it(
    ada: User, grace: User, browser: Callable[[], PortalClient]
) -> None:
    first = browser()
    first.get("/probe/keep/open/?value=bait")
    second = copy_of(first)

    def sign_in(client: PortalClient, user: User) -> Callable[[], tuple[int, str]]:
        return lambda: answer(client.post("/login/", {"login": user.username, "password": "a long enough password"}))

    with meeting(Session.objects.all(), of=2) as send:
        answers = [send(sign_in(first, ada)), send(sign_in(second, grace))]

    assert [one.result() for one in answers] == [(302, "/"), (302, "/")]
    assert (who(first), who(second)) == ("Ada Lovelace", "Grace Hopper")
