"""Rights that are given and taken at the same moment, on PostgreSQL: nobody deadlocks, and no visit outlives its right.

A start that has asked the rule and has not committed cannot be seen by whoever takes the right away. Then the next
request of that visit ends it.
"""

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction

from accounts.enums import Access, EndCause
from accounts.models import DelegatedGroup, Impersonation, Login, LoginAccessGrant, Profile, Session, User
from accounts.services.delegated_groups import (
    GroupChangedMeanwhile,
    GroupDetails,
    GroupRefused,
    create_delegated_group,
    update_delegated_group,
)
from accounts.services.grants import COMPANY, save_grants
from accounts.services.sign_in import confirm_sign_in
from accounts.services.step_up import step_up
from accounts.services.users import UserDetails, deactivate_user, end_user_sessions, update_user
from accounts.services.visits import end_visit_as_target
from accounts.session_store import SessionStore
from accounts.testing import PortalClient
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import (
    ActivationRequest,
    ActivationState,
    AuditEvent,
    LoginAccessPolicy,
    Organization,
    SessionSettings,
)
from orgs.services.activation_requests import (
    ActivationAnswered,
    ActivationPending,
    approve_activation_request,
    decline_activation_request,
    request_activation,
)
from orgs.services.login_access_policies import save_login_access_policy
from orgs.services.organizations import NotEligible, change_edition, provision_organization
from tests.factories import ActivationRequestFactory, LoginAccessGrantFactory

from .test_ends_midway import BY_SERVICE, GIVEN_BACK, Way, World, world
from .test_postgres_concurrency import (
    SESSION,
    WAITING,
    alone,
    log_in_as,
    log_out,
    meeting,
    nothing_is_half_done,
    wait_until,
    who,
)
from .test_postgres_grants import outcome_of, own

if TYPE_CHECKING:
    from django.db.models import QuerySet

# Fixtures.
__all__ = ["nothing_is_half_done", "world"]

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.probe"),
]

FOR_SESSIONS = '"accounts_session"."ended_at" IS NULL%FOR UPDATE'


@contextmanager
def holding(rows: "QuerySet[Any]") -> Generator[Callable[[], None]]:
    """Hold ``rows`` in a connection of its own, against all but those who refer to them, until told to let go."""
    held, go = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            list(rows.select_for_update(no_key=True))
            held.set()
            assert go.wait(60)

    with ThreadPoolExecutor(1) as pool:
        kept = pool.submit(alone, hold)
        assert held.wait(60)

        def let_go() -> None:
            go.set()
            kept.result()

        try:
            yield let_go
        finally:
            let_go()


def settle(act: "Future[Any]", *, waits_for: str = "") -> None:
    """Return when ``act`` is done, or when it waits too: two do, or one whose statement names ``waits_for``."""
    count = f"{WAITING} AND query LIKE %s"
    with connection.cursor() as cursor:
        for _ in range(3000):
            cursor.execute(count, [f"%{waits_for}%"])
            if act.done() or cursor.fetchone()[0] > (not waits_for):
                return
            cursor.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.01)")
    raise AssertionError("It neither came to its end nor waits.")


# --- a start that has asked the rule, and then its right is taken ----------------------------------------------------


class LateClient(PortalClient):
    """A browser whose start has asked and written all but its last row when ``meanwhile`` is done elsewhere."""

    def __init__(self, meanwhile: Callable[[], Any]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    def login_as(self, target: User, *, actor: User | None = None, **start: Any) -> Any:  # noqa: ANN401
        assert actor is not None
        self.force_login(actor)
        log_in = super().login_as
        with ThreadPoolExecutor(2) as pool, transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {Login._meta.db_table} IN SHARE MODE")
            started = pool.submit(alone, partial(log_in, target, **start))
            wait_until(1, [started])
            done = pool.submit(alone, self.meanwhile)
            settle(done)
        done.result()
        return started.result()


@pytest.mark.parametrize("way", BY_SERVICE.values(), ids=BY_SERVICE)
def test_start_that_could_not_see_its_right_go_is_over_at_its_next_request(world: World, way: Way) -> None:
    assert way.service is not None
    world.client = LateClient(partial(way.service, world))
    way.before(world)

    way.begins(world)

    visit = world.visit
    assert visit.end_cause == way.cause
    assert visit.ended_at is not None
    assert visit.ended_at >= visit.started_at
    assert world.client.get("/probe/open/").json()["visit"] is None


STAMPED = {
    name: way
    for name, way in GIVEN_BACK.items()
    if way.cause in {EndCause.POLICY_CHANGED, EndCause.EDITION_CHANGED, EndCause.DEPROVISIONED, EndCause.GRANT_REVOKED}
}


@pytest.mark.parametrize("way", STAMPED.values(), ids=STAMPED)
def test_start_that_saw_its_right_neither_go_nor_come_back_is_over_all_the_same(world: World, way: Way) -> None:
    def go_and_come_back() -> None:
        assert way.service is not None
        assert way.back is not None
        way.service(world)
        way.back(world)

    world.client = LateClient(go_and_come_back)
    way.before(world)

    way.begins(world)

    assert world.visit.end_cause == way.cause
    assert world.client.get("/probe/open/").json()["visit"] is None


# --- what is done to a visit, twice at once --------------------------------------------------------------------------


@pytest.fixture
def inside(any_user_login: Organization, ada: User, grace: User) -> PortalClient:
    """Ada as Grace, read-only so far."""
    client = PortalClient()
    client.login_as(grace, actor=ada)
    client.get("/probe/")
    Impersonation.objects.update(access=Access.READ_ONLY)
    return client


def step(client: PortalClient) -> Callable[[], bool]:
    identity = SessionStore(client.cookies[SESSION].value).identify()
    assert identity is not None
    assert identity.user is not None
    assert identity.actor is not None
    assert identity.impersonation is not None
    origin = Origin(user=identity.user, actor=identity.actor, impersonation_id=identity.impersonation.pk)
    return lambda: step_up(identity, reason="To mend it", origin=origin)


def test_two_steps_up_at_once_are_one(inside: PortalClient) -> None:
    with meeting(Session.objects.all(), of=2) as send:
        steps = [send(step(inside)) for _ in range(2)]

    assert sorted(one.result() for one in steps) == [False, True]
    assert Impersonation.objects.get().access == Access.FULL
    assert AuditEvent.objects.filter(action="impersonation.stepped_up").count() == 1


@pytest.mark.parametrize("how", ["left", "ended by the user", "policy"])
def test_step_up_against_the_end(how: str, inside: PortalClient, grace: User, alan: User) -> None:
    visit, policy = Impersonation.objects.get(), LoginAccessPolicy.objects.get()
    ends = {
        "left": log_out(inside),
        "ended by the user": lambda: end_visit_as_target(grace, visit_id=visit.pk, origin=own(grace)),
        "policy": lambda: save_login_access_policy(
            policy.organization, version=policy.version, origin=own(alan), any_user_login=False
        ),
    }
    with meeting(Session.objects.all(), of=2) as send:
        ended, stepped = send(ends[how]), send(step(inside))

    assert (outcome_of(ended), outcome_of(stepped)) == ("done", "done")
    visit.refresh_from_db()
    assert visit.ended_at is not None
    assert (visit.access == Access.FULL) is stepped.result() is (visit.stepped_up_at is not None)


@pytest.fixture
def granted(acme: Organization, ada: User, grace: User) -> PortalClient:
    """Ada as Grace, by Grace's grant."""
    LoginAccessGrantFactory.create(user=grace)
    client = PortalClient()
    client.login_as(grace, actor=ada)
    client.get("/probe/")
    return client


@pytest.mark.parametrize("duration", ["year", "none"])
@pytest.mark.parametrize("how", ["left", "ended by the user"])
def test_grant_is_renewed_or_taken_while_the_visit_ends(
    how: str, duration: str, granted: PortalClient, grace: User
) -> None:
    visit = Impersonation.objects.get()
    ends = {
        "left": log_out(granted),
        "ended by the user": lambda: end_visit_as_target(grace, visit_id=visit.pk, origin=own(grace)),
    }
    with meeting(Session.objects.all(), of=2) as send:
        acts = [
            send(lambda: save_grants(grace, {COMPANY: duration}, origin=own(grace))),
            send(ends[how]),
        ]

    assert [outcome_of(act) for act in acts] == ["done", "done"]
    assert Impersonation.objects.open().count() == 0
    assert LoginAccessGrant.objects.filter(is_latest=True).count() == 1


def test_renewed_grant_carries_a_visit_that_was_open(granted: PortalClient, grace: User) -> None:
    with meeting(Session.objects.filter(parent=None), of=1) as send:
        saved = send(lambda: save_grants(grace, {COMPANY: "year"}, origin=own(grace)))

    assert outcome_of(saved) == "done"
    assert who(granted) == "Grace Hopper"


# --- a change of a person against those who come and go there --------------------------------------------------------


def rename(user: User, **changes: Any) -> Callable[[], User]:
    """Change a username, which keeps others from referring to the row, and what visits rest on."""
    fresh = User.objects.select_related("profile", "role").get(pk=user.pk)
    details = replace(UserDetails.of(fresh), username=f"new.{fresh.username}", **changes)
    return lambda: update_user(fresh, details, origin=Origin.automated("tests"))


@pytest.mark.parametrize("is_forced", [True, False])
@pytest.mark.parametrize("whose", ["ada", "grace"])
def test_renamed_while_the_visit_is_left(  # what is renamed, and what a leave ends
    whose: str, is_forced: bool, inside: PortalClient, ada: User, alan: User, grace: User, profiles: dict[str, Profile]
) -> None:
    SessionSettings.objects.update(force_relogin=is_forced)
    user = {"ada": ada, "grace": grace}[whose]
    with meeting(Session.objects.all(), of=2) as send:
        acts = [send(rename(user, profile=profiles["Read Only"])), send(log_out(inside))]

    assert [outcome_of(act) for act in acts] == ["done", "done"]
    assert Impersonation.objects.open().count() == 0


def test_renamed_while_one_comes_and_goes(
    any_user_login: Organization, ada: User, alan: User, grace: User, profiles: dict[str, Profile]
) -> None:
    """The visit began after the change had looked for visits, and is left while the change waits."""
    client = PortalClient()
    client.force_login(ada)
    with holding(User.objects.filter(pk=ada.pk)) as let_go, ThreadPoolExecutor(2) as pool:
        renamed = pool.submit(alone, rename(ada, profile=profiles["Standard User"]))
        wait_until(1, [renamed])
        assert log_in_as(client, grace)() == (302, "/")
        with transaction.atomic():
            list(Impersonation.objects.select_for_update())
            left = pool.submit(alone, log_out(client))
            wait_until(2, [renamed, left])
            let_go()
            settle(renamed, waits_for=FOR_SESSIONS)
    assert [outcome_of(act) for act in (renamed, left)] == ["done", "done"]
    assert Impersonation.objects.get().end_cause in {EndCause.LOGGED_OUT, EndCause.ACTOR_LOST_PERMISSION}


def test_start_against_the_new_profile_of_the_actor(
    any_user_login: Organization, ada: User, alan: User, grace: User, profiles: dict[str, Profile]
) -> None:
    client = PortalClient()
    client.force_login(ada)
    with holding(User.objects.filter(pk=ada.pk)) as let_go, ThreadPoolExecutor(1) as pool:
        demoted = pool.submit(alone, rename(ada, profile=profiles["Standard User"]))
        wait_until(1, [demoted])
        assert log_in_as(client, grace)() == (302, "/")
        let_go()
        assert outcome_of(demoted) == "done"

    assert client.get("/probe/").status_code == 302
    assert Impersonation.objects.get().end_cause == EndCause.ACTOR_LOST_PERMISSION
    assert (client.get("/probe/open/").json()["actor"], Impersonation.objects.open().count()) == ("Ada Lovelace", 0)


def test_password_given_again_against_a_start_and_a_change(
    any_user_login: Organization, ada: User, alan: User, grace: User, profiles: dict[str, Profile]
) -> None:
    """Whoever gives the password again holds the session and wants the person; a change holds the person."""
    client = PortalClient()
    client.force_login(ada)
    session = Session.objects.get()
    with holding(User.objects.filter(pk=ada.pk)) as let_go, ThreadPoolExecutor(2) as pool:
        demoted = pool.submit(alone, rename(ada, profile=profiles["Standard User"]))
        wait_until(1, [demoted])
        assert log_in_as(client, grace)() == (302, "/")
        confirmed = pool.submit(alone, partial(confirm_sign_in, ada, session=session, origin=Origin()))
        wait_until(2, [demoted, confirmed])
        let_go()
    assert [outcome_of(act) for act in (demoted, confirmed)] == ["done", "done"]


# --- two organizations at once ---------------------------------------------------------------------------------------


@pytest.fixture
def support_visit(support: Organization, sam: User, grace: User) -> PortalClient:
    """Sam of Portal Support as Grace, by her grant."""
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    client = PortalClient()
    client.login_as(grace, actor=sam)
    client.get("/probe/")
    return client


@pytest.mark.parametrize("customer", ["grant", "deactivated", "policy"])
def test_vendor_and_customer_end_a_visit_at_once(
    customer: str, support_visit: PortalClient, support: Organization, sam: User, alan: User, grace: User
) -> None:
    policy = LoginAccessPolicy.objects.get(organization=grace.organization)
    acts = {
        "grant": lambda: save_grants(grace, {str(support.pk): "none"}, origin=own(grace)),
        "deactivated": lambda: deactivate_user(grace, origin=Origin.automated("tests")),
        "policy": lambda: save_login_access_policy(
            policy.organization,
            version=policy.version,
            origin=own(alan),
            administrators_only=frozenset({support.pk}),
        ),
    }
    by_vendor = partial(end_user_sessions, sam, origin=Origin.automated("tests"))
    with meeting(Session.objects.all(), of=3) as send:
        done = [send(act) for act in (acts[customer], by_vendor, log_out(support_visit))]

    assert [outcome_of(one) for one in done] == ["done"] * 3
    assert Impersonation.objects.open().count() == 0


# --- groups and activation -------------------------------------------------------------------------------------------


def test_two_saves_of_a_group_at_once_one_is_told(sales_group: DelegatedGroup, alan: User) -> None:
    def save(name: str) -> Any:  # noqa: ANN401  # what the service answers
        details = replace(GroupDetails.of(sales_group), name=name)
        return update_delegated_group(sales_group, details, version=1, origin=own(alan))

    with meeting(Organization.objects.all(), of=2) as send:
        saves = [send(partial(save, name)) for name in ("North", "South")]

    assert sorted(outcome_of(one) for one in saves) == [GroupChangedMeanwhile.__name__, "done"]
    sales_group.refresh_from_db()
    assert sales_group.version == 2


def own_group(user: User, details: GroupDetails) -> Callable[[], DelegatedGroup]:
    return lambda: create_delegated_group(user.organization, details, origin=own(user))


def test_two_groups_of_one_name_at_once_are_one(acme: Organization, alan: User) -> None:
    with meeting(Organization.objects.all(), of=2) as send:
        made = [send(own_group(alan, GroupDetails(name=name))) for name in ("Sales", "SALES")]

    assert sorted(outcome_of(one) for one in made) == [GroupRefused.__name__, "done"]


@pytest.fixture
def waiting(acme: Organization) -> Organization:
    """Eligible, and not provisioned."""
    Organization.objects.filter(pk=acme.pk).update(provisioned=False)
    acme.refresh_from_db()
    return acme


def test_two_requests_at_once_are_one(waiting: Organization, ada: User, alan: User) -> None:
    def ask(user: User) -> ActivationRequest:
        return request_activation(waiting, "We need it.", has_read=True, origin=own(user))

    with meeting(Organization.objects.filter(pk=waiting.pk), of=2) as send:
        asked = [send(partial(ask, user)) for user in (ada, alan)]

    assert sorted(outcome_of(one) for one in asked) == [ActivationPending.__name__, "done"]
    assert ActivationRequest.objects.count() == 1


@pytest.mark.parametrize("second", ["approved", "declined"])
def test_two_answers_at_once_are_in_turn(second: str, waiting: Organization, ada: User, sam: User) -> None:
    request = ActivationRequestFactory.create(requested_by=ada)
    answers = {
        "approved": lambda: approve_activation_request(request, origin=own(sam)),
        "declined": lambda: decline_activation_request(request, "No.", origin=own(sam)),
    }
    with meeting(Organization.objects.filter(pk=waiting.pk), of=2) as send:
        done = [send(answers["approved"]), send(answers[second])]

    outcomes = [outcome_of(one) for one in done]
    request.refresh_from_db()
    # What waits for Sales can still be declined; what is declined is not approved any more.
    assert sorted(outcomes) in ([ActivationAnswered.__name__, "done"], ["done", "done"])
    assert request.state == (ActivationState.APPROVED if second == "approved" else ActivationState.DECLINED)
    assert (outcomes == ["done", "done"]) <= (second == "declined")


def test_provisioned_while_it_is_declined(waiting: Organization, ada: User, sam: User, sally: User) -> None:
    request = ActivationRequestFactory.create(requested_by=ada)
    with meeting(Organization.objects.filter(pk=waiting.pk), of=2) as send:
        declined = send(lambda: decline_activation_request(request, "No.", origin=own(sam)))
        provisioned = send(lambda: provision_organization(waiting, origin=own(sally)))

    assert outcome_of(provisioned) == "done"
    request.refresh_from_db()
    is_declined = outcome_of(declined) == "done"
    assert request.state == (ActivationState.DECLINED if is_declined else ActivationState.DONE)


def test_provisioned_while_it_is_downgraded(waiting: Organization, sally: User) -> None:
    with meeting(Organization.objects.filter(pk=waiting.pk), of=2) as send:
        provisioned = send(lambda: provision_organization(waiting, origin=own(sally)))
        downgraded = send(lambda: change_edition(waiting, Edition.GROUP, origin=own(sally)))

    assert outcome_of(downgraded) == "done"
    waiting.refresh_from_db()
    assert outcome_of(provisioned) == ("done" if waiting.provisioned else NotEligible.__name__)
