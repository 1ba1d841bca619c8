"""A support agent logged in as a customer's user: the customer's policy and trail, and two organizations' settings."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.enums import Basis, EndCause, LoginType, Refusal
from accounts.models import Impersonation, Login, LoginAccessGrant, Profile, Session, User
from accounts.services.impersonation import ImpersonationRefused, TargetNotFound
from accounts.services.sessions import end_session
from accounts.services.users import UserDetails, update_user
from accounts.services.visits import VisitsOf, end_lost_visits
from accounts.testing import PortalClient
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import AuditEvent, LoginAccessPolicy, Organization, SessionSettings
from orgs.permissions import Permission, RefusedToGuest
from tests.factories import LoginAccessGrantFactory
from tests.queries import captured_queries

pytestmark = pytest.mark.urls("tests.probe")

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ClientOf = Callable[[User], PortalClient]


@pytest.fixture
def grant(acme: Organization, support: Organization, grace: User) -> LoginAccessGrant:
    """Grace lets Portal Support in for a day."""
    given: LoginAccessGrant = LoginAccessGrantFactory.create(user=grace, support_organization=support)
    return given


@pytest.fixture
def inside(grant: LoginAccessGrant, sam: User, grace: User) -> PortalClient:
    """Sam's browser, logged in as Grace, and used once."""
    client = PortalClient()
    client.login_as(grace, actor=sam)
    client.get("/probe/")
    return client


def visit() -> Impersonation:
    row: Impersonation = Impersonation.objects.select_related("actor_session", "session").get()
    return row


def settings_of(organization: Organization, **values: Any) -> None:
    SessionSettings.objects.filter(organization=organization).update(**values)


def who(client: PortalClient) -> str:
    name: str = client.get("/probe/open/").json()["user"]
    return name


def ended() -> tuple[Any, ...]:
    """Return how the visit ended, and whether the agent's own session did too."""
    row = visit()
    return (row.end_cause, row.ended_at, row.actor_session.ended_at is not None)


def long_ago(row: Session, ago: timedelta) -> None:
    now = timezone.now()
    Session.objects.filter(pk=row.pk).update(last_active_at=now - ago)
    Impersonation.objects.update(started_at=now - 2 * ago)


# --- start -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edition", [Edition.ENTERPRISE, Edition.ESSENTIALS])
def test_agent_starts_by_the_grant_whatever_the_edition(
    grant: LoginAccessGrant, sam: User, grace: User, acme: Organization, edition: Edition
) -> None:
    Organization.objects.filter(pk=acme.pk).update(edition=edition, provisioned=False)
    client = PortalClient()

    started = client.login_as(grace, actor=sam)

    assert client.get("/probe/").json() == {
        "user": "Grace Hopper",
        "actor": "Sam Spade",
        "visit": started.pk,
        "messages": [],
    }
    row = visit()
    assert (row.basis, row.grant, row.group, row.is_limited) == (Basis.SUPPORT_GRANT, grant, None, True)
    assert (row.organization, row.actor, row.target) == (acme, sam, grace)
    assert (row.actor_name, row.target_name) == ("Sam Spade (Portal Support)", "Grace Hopper")


def test_trail_and_login_history_are_the_customers(inside: PortalClient, acme: Organization, grace: User) -> None:
    (event,) = AuditEvent.objects.all()
    row = Login.objects.get(type=LoginType.LOGIN_AS)

    assert (event.organization_id, event.sentence) == (acme.pk, "Logged in using Login-As access for Grace Hopper")
    assert (event.user_name, event.delegate_user_name) == ("Sam Spade (Portal Support)", "")
    assert event.after["basis"] == "support_grant"
    assert (row.organization, row.user, row.delegate_user_name) == (acme, grace, "Sam Spade (Portal Support)")


def test_start_and_leave_cost_what_an_administrators_do(
    grant: LoginAccessGrant, sam: User, grace: User, client_of: ClientOf
) -> None:
    client = client_of(sam)

    with captured_queries() as start_it:
        client.post(f"/setup/users/{grace.pk}/login-as/")
    client.get("/probe/")
    with captured_queries() as who_is_it_inside:
        client.get("/probe/")
    with captured_queries() as leave_it:
        client.post("/logout/")

    assert [len(one) for one in (start_it, who_is_it_inside, leave_it)] == [7, 1, 5]


@pytest.mark.parametrize(
    ("of_agent", "of_customer", "limit", "grant_left", "expected"),
    [
        (12, 12, 60, 24 * HOUR, HOUR),
        (12, 12, 480, 2 * HOUR, 2 * HOUR),
        (3, 12, 480, 24 * HOUR, 3 * HOUR),
        (12, 2, 480, 24 * HOUR, 2 * HOUR),
    ],
    ids=["time limit", "grant", "the agent's absolute limit", "the customer's absolute limit"],
)
def test_visit_ends_at_the_earliest_of_what_both_say(
    grant: LoginAccessGrant,
    sam: User,
    grace: User,
    of_agent: int,
    of_customer: int,
    limit: int,
    grant_left: timedelta,
    expected: timedelta,
) -> None:
    client = PortalClient()
    client.force_login(sam)
    own = Session.objects.get()
    at = own.created_at
    settings_of(sam.organization, absolute_hours=of_agent, idle_minutes=60)
    settings_of(grace.organization, absolute_hours=of_customer, idle_minutes=60)
    LoginAccessPolicy.objects.update(time_limit_minutes=limit)
    LoginAccessGrant.objects.update(expires_at=at + grant_left)

    started = client.login_as(grace, at=at)

    assert started.ends_at == at + expected


# --- refused ---------------------------------------------------------------------------------------------------------


def test_refusal_stands_in_the_customers_trail(
    sam: User, grace: User, acme: Organization, support: Organization, client_of: ClientOf
) -> None:
    client = client_of(sam)

    with pytest.raises(ImpersonationRefused) as caught:
        client.login_as(grace)

    assert caught.value.refusal == Refusal.NO_GRANT
    event = AuditEvent.objects.get()
    assert event.organization_id == acme.pk
    assert event.sentence == (
        "Was refused Login-As access for Grace Hopper: This user has not granted your organization access."
    )
    assert (event.user_name, event.about_name) == ("Sam Spade (Portal Support)", "Grace Hopper")


@pytest.mark.parametrize("any_user_login", [False, True])
def test_any_user_login_never_helps_an_agent(sam: User, grace: User, any_user_login: bool) -> None:
    LoginAccessPolicy.objects.update(any_user_login=any_user_login)

    with pytest.raises(ImpersonationRefused) as caught:
        PortalClient().login_as(grace, actor=sam)

    assert caught.value.refusal == Refusal.NO_GRANT


def test_grant_to_another_support_organization_is_none(sam: User, grace: User, stranger: User) -> None:
    Organization.objects.filter(pk=stranger.organization_id).update(kind="operator")
    LoginAccessGrantFactory.create(user=grace, support_organization=stranger.organization)

    with pytest.raises(ImpersonationRefused):
        PortalClient().login_as(grace, actor=sam)


@pytest.mark.parametrize("role", ["sales", ""])
def test_whoever_is_no_agent_finds_nobody_there(grant: LoginAccessGrant, sam: User, grace: User, role: str) -> None:
    User.objects.filter(pk=sam.pk).update(operator_role=role)

    with pytest.raises(TargetNotFound):
        PortalClient().login_as(grace, actor=sam)

    assert not AuditEvent.objects.exists()


def test_agent_does_not_go_on_from_there(inside: PortalClient, grace: User, alan: User, acme: Organization) -> None:
    # Grace is an administrator now, with any-user login on: Sam inside her account is as far as Sam gets.
    Profile.objects.filter(users=grace).update(permission_bits=alan.profile.permission_bits)
    LoginAccessPolicy.objects.update(any_user_login=True)

    response = inside.post(f"/setup/users/{alan.pk}/login-as/")

    assert response.status_code in {403, 404}
    assert Impersonation.objects.get().ended_at is None
    assert who(inside) == "Grace Hopper"


def test_nesting_into_one_who_granted_too_is_recorded_with_the_customer(
    inside: PortalClient, alan: User, support: Organization, acme: Organization
) -> None:
    LoginAccessGrantFactory.create(user=alan, support_organization=support)

    response = inside.post(f"/setup/users/{alan.pk}/login-as/")

    assert response.status_code == 403
    event = AuditEvent.objects.latest("id")
    assert (event.organization_id, event.after) == (acme.pk, {"refusal": "nested"})
    assert (event.user_name, event.about_name) == ("Sam Spade (Portal Support)", "Alan Turing")


# --- what is done inside ---------------------------------------------------------------------------------------------


def test_changes_name_both_people_and_where_the_agent_is_from(
    inside: PortalClient, grace: User, make: Callable[..., User], acme: Organization
) -> None:
    Profile.objects.filter(users=grace).update(
        permission_bits=sum(p.bit for p in (Permission.MANAGE_INTERNAL_USERS, Permission.VIEW_ALL_USERS))
    )
    joan = make("Joan", "Clarke", "Read Only")
    page = inside.get(f"/setup/users/{joan.pk}/edit/")
    fields = {"username": joan.username, "email": joan.email, "profile": joan.profile_id, "alias": joan.alias}

    response = inside.post(
        f"/setup/users/{joan.pk}/edit/",
        {**fields, "first_name": "Joan", "last_name": "Murray", "version": page.context["form"]["version"].value()},
    )

    joan.refresh_from_db()
    assert (response.status_code, joan.last_name) == (302, "Murray")
    assert joan.modified_by_name == "Grace Hopper (by Sam Spade, Portal Support)"
    event = AuditEvent.objects.get(action="user.changed")
    assert (event.user_name, event.delegate_user_name) == ("Grace Hopper", "Sam Spade (Portal Support)")
    assert (event.organization_id, event.impersonation_id) == (acme.pk, visit().pk)


def test_agent_is_a_guest_inside(inside: PortalClient, sam: User, grace: User, ada: User) -> None:
    Profile.objects.filter(users=grace).update(permission_bits=ada.profile.permission_bits)
    grace = User.objects.select_related("profile", "organization").get(pk=grace.pk)
    origin = Origin(user=grace, actor=sam, impersonation_id=visit().pk, is_limited=True)
    details = UserDetails.of(ada)
    changed = UserDetails(**{**{name: getattr(details, name) for name in details.__slots__}, "email": "x@acme.example"})

    with pytest.raises(RefusedToGuest):
        update_user(ada, changed, origin=origin)


# --- leave -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of_agent", "of_customer", "both_end"),
    [(False, False, False), (True, False, True), (False, True, True), (True, True, True)],
)
def test_relogin_is_forced_where_either_says_so(
    inside: PortalClient, sam: User, acme: Organization, of_agent: bool, of_customer: bool, both_end: bool
) -> None:
    settings_of(sam.organization, force_relogin=of_agent)
    settings_of(acme, force_relogin=of_customer)

    response = inside.post("/logout/")

    console = f"/admin/accounts/user/{visit().target_id}/change/"
    assert (response.headers["Location"] == console) is not both_end
    assert ended()[0::2] == (EndCause.LOGGED_OUT, both_end)
    assert who(inside) == ("AnonymousUser" if both_end else "Sam Spade")
    event = AuditEvent.objects.latest("id")
    assert (event.organization_id, event.user_name) == (acme.pk, "Sam Spade (Portal Support)")


# --- limits of two organizations -------------------------------------------------------------------------------------


@pytest.mark.parametrize("force_relogin", [False, True])
def test_customers_idle_limit_ends_the_worn_session(
    inside: PortalClient, sam: User, acme: Organization, force_relogin: bool
) -> None:
    settings_of(sam.organization, idle_minutes=120, force_relogin=False)
    settings_of(acme, idle_minutes=15, force_relogin=force_relogin)
    row = visit()
    long_ago(row.session, 20 * MINUTE)
    long_ago(row.actor_session, 20 * MINUTE)
    fell = Session.objects.get(pk=row.pk).last_active_at + 15 * MINUTE  # type: ignore[operator]

    inside.get("/probe/")

    assert ended() == (EndCause.IDLE, fell, force_relogin)
    assert who(inside) == ("AnonymousUser" if force_relogin else "Sam Spade")


def test_agents_own_idle_limit_ends_both(inside: PortalClient, sam: User, acme: Organization) -> None:
    settings_of(sam.organization, idle_minutes=15, force_relogin=False)
    settings_of(acme, idle_minutes=120, force_relogin=False)
    row = visit()
    long_ago(row.session, 20 * MINUTE)
    long_ago(row.actor_session, 20 * MINUTE)
    fell = Session.objects.get(pk=row.actor_session_id).last_active_at + 15 * MINUTE  # type: ignore[operator]

    inside.get("/probe/")

    assert ended() == (EndCause.IDLE, fell, True)


def test_activity_inside_counts_for_both(inside: PortalClient, sam: User, acme: Organization) -> None:
    settings_of(sam.organization, idle_minutes=15)
    settings_of(acme, idle_minutes=15)
    row = visit()
    for session in (row.session, row.actor_session):
        long_ago(session, 14 * MINUTE)

    inside.get("/probe/")

    recent = Session.objects.filter(last_active_at__gt=timezone.now() - MINUTE)
    assert set(recent) == {row.session, row.actor_session}


def test_agents_own_absolute_limit_ends_both(inside: PortalClient, sam: User, acme: Organization) -> None:
    settings_of(sam.organization, absolute_hours=2, idle_minutes=120, force_relogin=False)
    settings_of(acme, absolute_hours=12, force_relogin=False)
    row = visit()
    Session.objects.filter(pk=row.actor_session_id).update(created_at=timezone.now() - 2 * HOUR)
    fell = Session.objects.get(pk=row.actor_session_id).created_at + 2 * HOUR

    inside.get("/probe/")

    assert ended() == (EndCause.TIME_LIMIT, fell, True)


@pytest.mark.parametrize(
    ("of_agent", "of_customer", "expected"),
    [
        (False, False, None),
        (True, False, (EndCause.ADDRESS_CHANGED, True)),
        (False, True, (EndCause.ADDRESS_CHANGED, False)),
        (True, True, (EndCause.ADDRESS_CHANGED, True)),
    ],
)
def test_address_is_locked_by_each_for_its_own_session(
    inside: PortalClient,
    sam: User,
    acme: Organization,
    of_agent: bool,
    of_customer: bool,
    expected: tuple[EndCause, bool] | None,
) -> None:
    Session.objects.update(address="127.0.0.1")
    settings_of(sam.organization, lock_to_address=of_agent)
    settings_of(acme, lock_to_address=of_customer)
    assert inside.get("/probe/").json()["visit"] == visit().pk

    inside.get("/probe/", REMOTE_ADDR="198.51.100.1")

    # Whether the agent's own session ended too; the visit's end is told by its cause.
    assert ended()[0::2] == (expected or ("", False))


def test_change_of_the_policy_asks_nobodys_address(inside: PortalClient, acme: Organization) -> None:
    """Who takes a right away sits somewhere else: of the two addresses of a visit neither has changed by that."""
    settings_of(acme, lock_to_address=True)
    row = visit()
    Session.objects.filter(pk=row.pk).update(address="198.51.100.1")
    Session.objects.filter(pk=row.actor_session_id).update(address="198.51.100.2")

    assert end_lost_visits(VisitsOf.organization(acme), origin=Origin(), at=timezone.now()) == 0
    assert visit().ended_at is None


# --- ended by others -------------------------------------------------------------------------------------------------


def test_customers_remove_ends_only_the_worn_session(
    inside: PortalClient, ada: User, sam: User, acme: Organization
) -> None:
    row = visit()

    end_session(row.session, cause=EndCause.ENDED_BY_ADMINISTRATOR, origin=Origin(user=ada, actor=ada), by=ada)

    response = inside.get("/probe/")
    assert response.headers["Location"] == f"/admin/accounts/user/{row.target_id}/change/"
    assert ended()[0::2] == (EndCause.ENDED_BY_ADMINISTRATOR, False)
    assert who(inside) == "Sam Spade"


def test_end_of_the_agents_own_session_ends_the_visit(inside: PortalClient, acme: Organization) -> None:
    row = visit()

    end_session(row.actor_session, origin=Origin())

    assert ended()[0::2] == (EndCause.PARENT_SESSION_ENDED, True)
    assert who(inside) == "AnonymousUser"
    event = AuditEvent.objects.latest("id")
    assert (event.organization_id, event.user_name) == (acme.pk, "Sam Spade (Portal Support)")


def test_visit_that_began_after_the_change_never_ends_before_it_began(inside: PortalClient, acme: Organization) -> None:
    """Whoever takes a right away may have waited for one who started: the clock was read before."""
    LoginAccessGrant.objects.update(revoked_at=visit().started_at - MINUTE)
    at = visit().started_at - MINUTE

    assert end_lost_visits(VisitsOf.organization(acme), origin=Origin(), at=at) == 1

    row = visit()
    assert (row.end_cause, row.ended_at, row.noticed_at) == (EndCause.GRANT_REVOKED, row.started_at, row.started_at)


# --- the form, and pages that are for the organization's own ---------------------------------------------------------


def test_form_before_the_start_leads_back_to_the_console(
    grant: LoginAccessGrant, sam: User, grace: User, client_of: ClientOf
) -> None:
    LoginAccessPolicy.objects.filter(organization=grace.organization).update(reason_required=True)

    page = client_of(sam).get(f"/setup/users/{grace.pk}/login-as/")

    assert (page.status_code, page.context["cancel_url"]) == (200, f"/admin/accounts/user/{grace.pk}/change/")


@pytest.mark.parametrize("is_guest", [False, True])
def test_users_are_not_created_by_a_guest(
    inside: PortalClient, grace: User, ada: User, acme: Organization, is_guest: bool
) -> None:
    Profile.objects.filter(users=grace).update(permission_bits=ada.profile.permission_bits)
    client = inside
    if not is_guest:
        LoginAccessPolicy.objects.filter(organization=acme).update(any_user_login=True)
        client = PortalClient()
        client.login_as(grace, actor=ada)

    response = client.get("/setup/users/new/")

    assert response.status_code == (403 if is_guest else 200)
