"""The right to be inside, lost in the middle of a visit: it is over at the next request, with its own cause.

Two browsers each time: the one in which somebody's account is worn, and whoever takes the right away. Twice each: by
the service, which ends the visit in the transaction of the change; and behind the services' back, where the rows alone
have changed and the next request is the first to notice.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.http import HttpResponse
from django.utils import timezone

from accounts.enums import Basis, EndCause, OperatorRole
from accounts.models import DelegatedGroup, Impersonation, LoginAccessGrant, Profile, Role, Session, User
from accounts.services.delegated_groups import GroupDetails, delete_delegated_group, update_delegated_group
from accounts.services.grants import save_grants
from accounts.services.passwords import password_was_changed
from accounts.services.profiles import update_profile
from accounts.services.roles import move_role
from accounts.services.users import UserDetails, activate_user, deactivate_user, freeze_user, unfreeze_user, update_user
from accounts.testing import PortalClient
from orgs.audit import name_in
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import AuditEvent, LoginAccessPolicy, Organization, SessionSettings, SupportAccess
from orgs.permissions import Permission, with_needs
from orgs.services.login_access_policies import save_login_access_policy
from orgs.services.organizations import change_edition, deprovision_organization, provision_organization
from tests.factories import (
    DelegatedGroupFactory,
    LoginAccessGrantFactory,
    ProfileFactory,
    RoleFactory,
    UserFactory,
)
from tests.guards import unguarded
from tests.queries import captured_queries

pytestmark = pytest.mark.urls("tests.probe")

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
RETURN = "portal_return"
IDENTITY_STATEMENT = "WHERE s.key_hash = "


@dataclass
class World:
    """Acme, Portal Support, and one visit that runs."""

    acme: Organization
    support: Organization
    people: dict[str, User]
    roles: dict[str, Role]
    group: DelegatedGroup
    client: PortalClient = field(default_factory=PortalClient)

    def person(self, name: str) -> User:
        """Return somebody as they now are."""
        user: User = User.objects.select_related("profile", "organization", "role").get(pk=self.people[name].pk)
        return user

    def origin(self, name: str) -> Origin:
        """Return the origin of what somebody does from another browser."""
        return Origin(user=self.person(name), actor=self.person(name), address="192.0.2.99")

    @property
    def visit(self) -> Impersonation:
        first: Impersonation = Impersonation.objects.select_related("actor", "target", "ended_by").earliest("pk")
        return first


Act = Callable[[World], Any]
Make = Callable[..., User]


@pytest.fixture
def world(acme: Organization, ada: User, alan: User, support: Organization, sam: User, make: Make) -> World:
    """Everybody who may lose something, with any-user login on."""
    LoginAccessPolicy.objects.filter(organization=acme).update(any_user_login=True)
    sales = RoleFactory.create(organization=acme, name="Sales")
    roles = {
        "Sales": sales,
        "Sales Rep": RoleFactory.create(organization=acme, name="Sales Rep", parent=Role.objects.get(pk=sales.pk)),
        "Service": RoleFactory.create(organization=acme, name="Service"),
    }
    # A profile of her own, so that it changes for nobody else.
    delegates = ProfileFactory.create(organization=acme, name="Delegate", permissions=(Permission.VIEW_SETUP,))
    own = ProfileFactory.create(organization=acme, name="Representative")
    actors = ProfileFactory.create(organization=acme, name="Chief", permissions=tuple(Permission))
    grace = make("Grace", "Hopper", role=roles["Sales Rep"])
    User.objects.filter(pk=grace.pk).update(profile=own)
    barbara = make("Barbara", "Liskov")
    User.objects.filter(pk=barbara.pk).update(profile=delegates)
    User.objects.filter(pk=ada.pk).update(profile=actors)
    sally = UserFactory.create(organization=support, first_name="Sally", last_name="Ride", operator_role="sales")
    group = DelegatedGroupFactory.create(
        organization=acme, name="Sales delegates", delegates=[barbara], roles=[roles["Sales"]], login_access=True
    )
    people = {"ada": ada, "alan": alan, "grace": grace, "barbara": barbara, "sam": sam, "sally": sally}
    return World(acme, support, people, roles, group)


# --- what a visit rests on -------------------------------------------------------------------------------------------


def log_in(world: World, actor: str, target: str = "grace") -> None:
    world.client.login_as(world.person(target), actor=world.person(actor))
    world.client.get("/probe/")


def switch_off(world: World) -> None:
    LoginAccessPolicy.objects.filter(organization=world.acme).update(any_user_login=False)


def grant(world: World, **to: Any) -> None:
    at = timezone.now() - HOUR
    LoginAccessGrantFactory.create(
        user=world.person("grace"), granted_at=at, expires_at=timezone.now() + 30 * MINUTE, **to
    )


def on_any_user(world: World) -> None:
    log_in(world, "ada")


def on_any_user_as_administrator(world: World) -> None:
    log_in(world, "ada", "alan")


def on_a_grant(world: World) -> None:
    switch_off(world)
    grant(world)
    log_in(world, "ada")


def on_a_group(world: World) -> None:
    log_in(world, "barbara")


def on_a_group_and_a_grant(world: World) -> None:
    switch_off(world)
    grant(world)
    log_in(world, "barbara")


def on_a_grant_to_support(world: World) -> None:
    grant(world, support_organization=world.support)
    log_in(world, "sam")


BASIS = {
    on_any_user: Basis.ANY_USER,
    on_any_user_as_administrator: Basis.ANY_USER,
    on_a_grant: Basis.GRANT,
    on_a_group: Basis.ANY_USER,
    on_a_group_and_a_grant: Basis.GRANT,
    on_a_grant_to_support: Basis.SUPPORT_GRANT,
}


# --- what takes it away: rows alone ----------------------------------------------------------------------------------


def set_policy(**values: Any) -> Act:
    return lambda world: LoginAccessPolicy.objects.filter(organization=world.acme).update(**values)


def set_organization(**values: Any) -> Act:
    return lambda world: Organization.objects.filter(pk=world.acme.pk).update(**values)


def set_user(name: str, **values: Any) -> Act:
    return lambda world: User.objects.filter(pk=world.people[name].pk).update(**values)


def set_bits(name: str, bits: int) -> Act:
    return lambda world: Profile.objects.filter(users=world.people[name]).update(permission_bits=bits)


def set_profile(name: str, profile: str) -> Act:
    return lambda world: User.objects.filter(pk=world.people[name].pk).update(
        profile=Profile.objects.get(organization=world.acme, name=profile)
    )


def set_role(role: str | None) -> Act:
    return lambda world: User.objects.filter(pk=world.people["grace"].pk).update(
        role=world.roles[role] if role else None
    )


def revoke(world: World) -> None:
    LoginAccessGrant.objects.update(revoked_at=timezone.now())


def run_out(world: World) -> None:
    """Let an hour have passed: the grant's end, and with it the visit's, is a minute ago."""
    end = timezone.now() - MINUTE
    LoginAccessGrant.objects.update(granted_at=end - 2 * HOUR, expires_at=end)
    with unguarded():
        Impersonation.objects.update(started_at=end - 30 * MINUTE, ends_at=end)


def move_sales_rep_away(world: World) -> None:
    rep, service = (Role.objects.get(pk=world.roles[name].pk) for name in ("Sales Rep", "Service"))
    Role.objects.move(rep, service, "last-child")


def change_password(name: str) -> Act:
    def change(world: World) -> None:
        person = world.person(name)
        person.set_password("another long enough password")
        person.save()

    return change


# --- what takes it away: the services --------------------------------------------------------------------------------


def save_policy(**values: Any) -> Act:
    def save(world: World) -> None:
        version = LoginAccessPolicy.objects.get(organization=world.acme).version
        save_login_access_policy(world.acme, version=version, origin=world.origin("alan"), **values)

    return save


def make_support_available_to(who: str) -> Act:
    def save(world: World) -> None:
        only = {world.support.pk} if who == "administrators" else set()
        save_policy(administrators_only=frozenset(only))(world)

    return save


def save_edition(edition: Edition) -> Act:
    return lambda world: change_edition(world.acme, edition, origin=world.origin("sally"))


def deprovision(world: World) -> None:
    deprovision_organization(world.acme, origin=world.origin("sally"))


def provision(world: World) -> None:
    provision_organization(world.acme, origin=world.origin("sally"))


def save_grant(duration: str, *, support: bool = False) -> Act:
    def save(world: World) -> None:
        key = str(world.support.pk) if support else "company"
        save_grants(world.person("grace"), {key: duration}, origin=world.origin("grace"))

    return save


def save_group(**values: Any) -> Act:
    def save(world: World) -> None:
        group = DelegatedGroup.objects.get(pk=world.group.pk)
        given = {name: value(world) if callable(value) else value for name, value in values.items()}
        details = replace(GroupDetails.of(group), **given)
        update_delegated_group(group, details, version=group.version, origin=world.origin("alan"))

    return save


def delete_group(world: World) -> None:
    delete_delegated_group(world.group, origin=world.origin("alan"))


def move_sales_rep(above: str) -> Act:
    return lambda world: move_role(
        Role.objects.get(pk=world.roles["Sales Rep"].pk), parent=world.roles[above], origin=world.origin("alan")
    )


def save_user(name: str, **values: Any) -> Act:
    def save(world: World) -> None:
        person = world.person(name)
        given = {key: value(world) for key, value in values.items()}
        update_user(person, replace(UserDetails.of(person), **given), origin=world.origin("alan"))

    return save


def save_profile(name: str, *permissions: Permission) -> Act:
    def save(world: World) -> None:
        profile = world.person(name).profile
        update_profile(profile, name=profile.name, permissions=permissions, origin=world.origin("alan"))

    return save


def act_on(name: str, act: Callable[..., Any]) -> Act:
    return lambda world: act(world.person(name), origin=world.origin("alan"))


def save_password(name: str) -> Act:
    def save(world: World) -> None:
        change_password(name)(world)
        password_was_changed(world.person(name), origin=world.origin(name))

    return save


def profile(name: str) -> Callable[[World], Profile]:
    return lambda world: Profile.objects.get(organization=world.acme, name=name)


def role(name: str | None) -> Callable[[World], Role | None]:
    return lambda world: Role.objects.get(pk=world.roles[name].pk) if name else None


# --- the ways --------------------------------------------------------------------------------------------------------

OWN, SIGN_IN = "in their own session", "to sign in"


@dataclass(frozen=True)
class Way:
    """One way to lose the right: what the visit rests on, what changes, and what is said of it."""

    begins: Act
    rows: Act
    cause: EndCause
    service: Act | None = None
    # Who takes it away by the service, and what gives it back.
    by: str = "alan"
    back: Act | None = None
    # Where the actor is afterwards, and on which page: the target's, the console's, or Home.
    goes: str = OWN
    lands: str = "user"
    before: Act = lambda _: None


SALES_REP = role("Sales Rep")
MANAGES_USERS = tuple(with_needs({Permission.MANAGE_USERS}))

WAYS: dict[str, Way] = {
    "policy off": Way(
        on_any_user,
        set_policy(any_user_login=False),
        EndCause.POLICY_CHANGED,
        service=save_policy(any_user_login=False),
        back=save_policy(any_user_login=True),
    ),
    "policy off, of a delegate": Way(
        on_a_group,
        set_policy(any_user_login=False),
        EndCause.POLICY_CHANGED,
        service=save_policy(any_user_login=False),
        back=save_policy(any_user_login=True),
    ),
    "downgrade": Way(
        on_any_user,
        set_organization(edition=Edition.PROFESSIONAL),
        EndCause.EDITION_CHANGED,
        service=save_edition(Edition.PROFESSIONAL),
        by="sally",
        back=save_edition(Edition.ENTERPRISE),
    ),
    "downgrade, on a grant": Way(
        on_a_grant,
        set_organization(edition=Edition.ESSENTIALS),
        EndCause.EDITION_CHANGED,
        service=save_edition(Edition.ESSENTIALS),
        by="sally",
        back=save_edition(Edition.UNLIMITED),
    ),
    "downgrade, of a delegate": Way(
        on_a_group,
        set_organization(edition=Edition.GROUP),
        EndCause.EDITION_CHANGED,
        service=save_edition(Edition.GROUP),
        by="sally",
        back=save_edition(Edition.ENTERPRISE),
        # Delegated administration went with the edition, and the page with it.
        lands="home",
    ),
    "deprovisioned": Way(
        on_any_user,
        set_organization(provisioned=False),
        EndCause.DEPROVISIONED,
        service=deprovision,
        by="sally",
        back=provision,
    ),
    "grant revoked": Way(
        on_a_grant,
        revoke,
        EndCause.GRANT_REVOKED,
        service=save_grant("none"),
        by="grace",
        back=save_grant("day"),
    ),
    "grant revoked, of a delegate": Way(
        on_a_group_and_a_grant,
        revoke,
        EndCause.GRANT_REVOKED,
        service=save_grant("none"),
        by="grace",
        back=save_grant("year"),
    ),
    "grant to support revoked": Way(
        on_a_grant_to_support,
        revoke,
        EndCause.GRANT_REVOKED,
        service=save_grant("none", support=True),
        by="grace",
        back=save_grant("3_days", support=True),
        lands="home",
    ),
    "grant expired": Way(on_a_grant, run_out, EndCause.GRANT_EXPIRED),
    "grant expired, of a delegate": Way(on_a_group_and_a_grant, run_out, EndCause.GRANT_EXPIRED),
    "grant to support expired": Way(on_a_grant_to_support, run_out, EndCause.GRANT_EXPIRED, lands="home"),
    "delegate removed from the group": Way(
        on_a_group,
        lambda world: world.group.delegates.clear(),
        EndCause.DELEGATE_REMOVED,
        service=save_group(delegates=frozenset()),
        back=save_group(delegates=lambda world: frozenset({world.person("barbara")})),
        lands="home",
    ),
    "group without login access": Way(
        on_a_group,
        lambda world: DelegatedGroup.objects.update(login_access=False),
        EndCause.DELEGATE_REMOVED,
        service=save_group(login_access=False),
        back=save_group(login_access=True),
        lands="home",
    ),
    "group deleted": Way(
        on_a_group, lambda world: world.group.delete(), EndCause.DELEGATE_REMOVED, service=delete_group, lands="home"
    ),
    "role taken from the group": Way(
        on_a_group,
        lambda world: world.group.roles.clear(),
        EndCause.OUT_OF_REACH,
        service=save_group(roles=frozenset()),
        back=save_group(roles=lambda world: frozenset({world.roles["Sales"]})),
        lands="home",
    ),
    "role moved": Way(
        on_a_group,
        move_sales_rep_away,
        EndCause.OUT_OF_REACH,
        service=move_sales_rep("Service"),
        back=move_sales_rep("Sales"),
        lands="home",
    ),
    "target's role changed": Way(
        on_a_group,
        set_role("Service"),
        EndCause.OUT_OF_REACH,
        service=save_user("grace", role=role("Service")),
        back=save_user("grace", role=SALES_REP),
        lands="home",
    ),
    "target's role taken": Way(
        on_a_group,
        set_role(None),
        EndCause.OUT_OF_REACH,
        service=save_user("grace", role=role(None)),
        back=save_user("grace", role=SALES_REP),
        lands="home",
    ),
    "target manages users, under a delegate": Way(
        on_a_group,
        set_bits("grace", Permission.MANAGE_USERS.bit),
        EndCause.BECAME_PROTECTED,
        service=save_profile("grace", *MANAGES_USERS),
        back=save_profile("grace"),
    ),
    "target's profile, under a delegate": Way(
        on_a_group,
        set_profile("grace", "User Manager"),
        EndCause.BECAME_PROTECTED,
        service=save_user("grace", profile=profile("User Manager")),
        back=save_user("grace", profile=profile("Representative")),
    ),
    "actor loses Modify All Data": Way(
        on_any_user,
        set_bits("ada", Permission.MANAGE_USERS.bit | Permission.VIEW_ALL_USERS.bit | Permission.VIEW_SETUP.bit),
        EndCause.ACTOR_LOST_PERMISSION,
        service=save_profile("ada", *MANAGES_USERS),
        back=save_profile("ada", *Permission),
    ),
    "actor loses everything": Way(
        on_a_grant,
        set_bits("ada", 0),
        EndCause.ACTOR_LOST_PERMISSION,
        service=save_profile("ada"),
        back=save_profile("ada", *Permission),
        lands="home",
    ),
    "actor's profile": Way(
        on_any_user,
        set_profile("ada", "Standard User"),
        EndCause.ACTOR_LOST_PERMISSION,
        service=save_user("ada", profile=profile("Standard User")),
        back=save_user("ada", profile=profile("Chief")),
        lands="home",
    ),
    "delegate loses View Setup": Way(
        on_a_group,
        set_bits("barbara", 0),
        EndCause.ACTOR_LOST_PERMISSION,
        service=save_profile("barbara"),
        back=save_profile("barbara", Permission.VIEW_SETUP),
        lands="home",
    ),
    "target becomes external": Way(
        on_any_user,
        set_profile("grace", "External User"),
        EndCause.TARGET_BECAME_EXTERNAL,
        service=save_user("grace", profile=profile("External User")),
        back=save_user("grace", profile=profile("Representative")),
    ),
    "target becomes a protected administrator": Way(
        on_any_user,
        set_profile("grace", "System Administrator"),
        EndCause.BECAME_PROTECTED,
        service=save_user("grace", profile=profile("System Administrator")),
        back=save_user("grace", profile=profile("Representative")),
        before=set_policy(protect_administrators=True),
    ),
    "protect administrators": Way(
        on_any_user_as_administrator,
        set_policy(protect_administrators=True),
        EndCause.BECAME_PROTECTED,
        service=save_policy(protect_administrators=True),
        back=save_policy(protect_administrators=False),
    ),
    "support for administrators only": Way(
        on_a_grant_to_support,
        lambda world: SupportAccess.objects.create(
            organization=world.acme, support_organization=world.support, availability="administrators"
        ),
        EndCause.POLICY_CHANGED,
        service=make_support_available_to("administrators"),
        back=make_support_available_to("users"),
        lands="home",
    ),
    "support agent no more": Way(
        on_a_grant_to_support,
        set_user("sam", operator_role=OperatorRole.NONE),
        EndCause.ACTOR_LOST_PERMISSION,
        lands="home",
    ),
    "support agent in Sales": Way(
        on_a_grant_to_support,
        set_user("sam", operator_role=OperatorRole.SALES),
        EndCause.ACTOR_LOST_PERMISSION,
        lands="home",
    ),
    "target deactivated": Way(
        on_any_user,
        set_user("grace", is_active=False),
        EndCause.TARGET_DEACTIVATED,
        service=act_on("grace", deactivate_user),
        back=act_on("grace", activate_user),
    ),
    "target deactivated, under support": Way(
        on_a_grant_to_support,
        set_user("grace", is_active=False),
        EndCause.TARGET_DEACTIVATED,
        service=act_on("grace", deactivate_user),
        back=act_on("grace", activate_user),
        lands="console",
    ),
    "actor deactivated": Way(
        on_any_user,
        set_user("ada", is_active=False),
        EndCause.ACTOR_DEACTIVATED,
        service=act_on("ada", deactivate_user),
        back=act_on("ada", activate_user),
        goes=SIGN_IN,
    ),
    "actor frozen": Way(
        on_any_user,
        set_user("ada", is_frozen=True),
        EndCause.ACTOR_FROZEN,
        service=act_on("ada", freeze_user),
        back=act_on("ada", unfreeze_user),
        goes=SIGN_IN,
    ),
    "delegate frozen": Way(
        on_a_group,
        set_user("barbara", is_frozen=True),
        EndCause.ACTOR_FROZEN,
        service=act_on("barbara", freeze_user),
        back=act_on("barbara", unfreeze_user),
        goes=SIGN_IN,
    ),
    "target's password": Way(
        on_any_user,
        change_password("grace"),
        EndCause.PASSWORD_CHANGED,
        service=save_password("grace"),
        by="grace",
    ),
    "actor's password": Way(
        on_any_user,
        change_password("ada"),
        EndCause.PASSWORD_CHANGED,
        service=save_password("ada"),
        by="ada",
        goes=SIGN_IN,
    ),
}
BY_SERVICE = {name: way for name, way in WAYS.items() if way.service is not None}
GIVEN_BACK = {name: way for name, way in BY_SERVICE.items() if way.back is not None}


@pytest.fixture(params=[False, True], ids=["goes on", "force relogin"])
def force_relogin(request: pytest.FixtureRequest, db: None) -> bool:
    """Whether leaving ends both sessions. An end by someone else's act ends only the second, whichever holds."""
    return bool(request.param)


def begin(world: World, way: Way, *, force_relogin: bool = True) -> None:
    way.before(world)
    way.begins(world)
    SessionSettings.objects.update(force_relogin=force_relogin)
    assert world.visit.basis == BASIS[way.begins]  # type: ignore[index]
    assert world.client.get("/probe/").json()["visit"] == world.visit.pk


def landing(world: World, way: Way) -> str:
    target = world.visit.target_id
    return {"user": f"/setup/users/{target}/", "console": f"/admin/accounts/user/{target}/change/", "home": "/"}[
        way.lands
    ]


def next_request(world: World) -> tuple[HttpResponse, list[str]]:
    """Ask for a page, and return the answer with the identity statements that it cost."""
    with captured_queries() as queries:
        response: HttpResponse = world.client.get("/probe/")  # type: ignore[assignment]
    return response, [sql for sql in queries if IDENTITY_STATEMENT in sql]


def assert_actor_is_where_they_belong(world: World, way: Way, response: HttpResponse) -> None:
    visit = world.visit
    own = Session.objects.get(pk=visit.actor_session_id)
    assert response.status_code == 302
    if way.goes == SIGN_IN:
        assert response.headers["Location"].startswith("/login/?")
        assert re.search(rf"ended=(visit_)?{way.cause}&?", response.headers["Location"])
        assert own.ended_at is not None
        assert world.client.get("/probe/open/").json()["user"] == "AnonymousUser"
        return
    assert response.headers["Location"] == landing(world, way)
    assert own.ended_at is None
    page = world.client.get(landing(world, way))
    assert page.status_code == 200
    assert f"Your visit as {visit.target_name} has ended: {way.cause.label}." in unescape(page.content.decode())
    told = world.client.get("/probe/").json()
    assert (told["user"], told["actor"], told["visit"]) == (str(visit.actor), str(visit.actor), None)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_right_that_is_gone_is_noticed_by_the_next_request(world: World, way: Way, force_relogin: bool) -> None:
    begin(world, way, force_relogin=force_relogin)
    before = timezone.now()
    way.rows(world)

    assert world.visit.ended_at is None
    response, identity_statements = next_request(world)

    visit, after = world.visit, timezone.now()
    assert len(identity_statements) == 1
    assert visit.end_cause == way.cause
    assert visit.ended_at is not None
    assert visit.noticed_at is not None
    assert before <= visit.noticed_at <= after
    # The clock, unlike a row, says when.
    lost = visit.ends_at if way.cause == EndCause.GRANT_EXPIRED else None
    assert visit.ended_at == lost if lost else before <= visit.ended_at <= visit.noticed_at
    assert visit.ended_by is None
    assert Session.objects.get(pk=visit.pk).ended_at == visit.ended_at
    assert AuditEvent.objects.filter(action="impersonation.ended", impersonation_id=visit.pk).count() == 1
    assert_actor_is_where_they_belong(world, way, response)


@pytest.mark.parametrize("way", BY_SERVICE.values(), ids=BY_SERVICE)
def test_right_that_someone_takes_away_ends_the_visit_there_and_then(
    world: World, way: Way, force_relogin: bool
) -> None:
    begin(world, way, force_relogin=force_relogin)
    before = timezone.now()
    assert way.service is not None
    way.service(world)

    visit, after = world.visit, timezone.now()
    assert visit.end_cause == way.cause
    assert visit.ended_at is not None
    assert before <= visit.ended_at == visit.noticed_at <= after  # type: ignore[operator]
    assert visit.ended_by == world.people[way.by]
    assert Session.objects.get(pk=visit.pk).ended_at == visit.ended_at
    (event,) = AuditEvent.objects.filter(action="impersonation.ended")
    assert (event.impersonation_id, event.organization_id) == (visit.pk, world.acme.pk)
    assert event.after["ended_by"] == name_in(world.acme.pk, world.person(way.by))
    response, identity_statements = next_request(world)
    assert len(identity_statements) == 1
    assert_actor_is_where_they_belong(world, way, response)
    assert world.visit == visit
    assert world.visit.ended_at == visit.ended_at


@pytest.mark.parametrize("way", GIVEN_BACK.values(), ids=GIVEN_BACK)
def test_right_that_was_given_back_is_another_one(world: World, way: Way) -> None:
    begin(world, way)
    assert way.service is not None
    assert way.back is not None
    way.service(world)
    lost = world.visit.ended_at

    way.back(world)
    next_request(world)

    visit = world.visit
    assert (visit.ended_at, visit.end_cause) == (lost, way.cause)
    assert world.client.get("/probe/open/").json()["visit"] is None


@pytest.mark.parametrize("way", GIVEN_BACK.values(), ids=GIVEN_BACK)
def test_right_that_was_given_back_lets_one_start_anew(world: World, way: Way) -> None:
    begin(world, way)
    assert way.service is not None
    assert way.back is not None
    way.service(world)
    way.back(world)

    again = PortalClient()
    again.login_as(
        world.person("alan" if way.begins is on_any_user_as_administrator else "grace"), actor=world.visit.actor
    )

    assert again.get("/probe/").json()["actor"] == str(world.visit.actor)


# What a change writes down, so that a visit that it did not see is over all the same though the right came back.
STAMPS: dict[str, tuple[Act, Callable[[World, datetime], Any], EndCause]] = {
    "policy": (
        on_any_user,
        lambda world, at: set_policy(login_access_lost_at=at)(world),
        EndCause.POLICY_CHANGED,
    ),
    "edition": (on_a_grant, lambda world, at: set_organization(edition_lost_at=at)(world), EndCause.EDITION_CHANGED),
    "provisioning": (
        on_any_user,
        lambda world, at: set_organization(deprovisioned_at=at)(world),
        EndCause.DEPROVISIONED,
    ),
    "group": (
        on_a_group_and_a_grant,
        lambda world, at: DelegatedGroup.objects.update(login_access_lost_at=at),
        EndCause.DELEGATE_REMOVED,
    ),
    "availability": (
        on_a_grant_to_support,
        lambda world, at: SupportAccess.objects.create(
            organization=world.acme, support_organization=world.support, availability="users", login_access_lost_at=at
        ),
        EndCause.POLICY_CHANGED,
    ),
}


@pytest.mark.parametrize(("begins", "stamp", "cause"), STAMPS.values(), ids=STAMPS)
def test_right_that_was_gone_for_a_moment_is_over_at_that_moment(
    world: World, begins: Act, stamp: Callable[[World, datetime], Any], cause: EndCause
) -> None:
    begins(world)
    with unguarded():
        Impersonation.objects.update(started_at=timezone.now() - 10 * MINUTE)
    lost = timezone.now() - MINUTE
    stamp(world, lost)

    _, identity_statements = next_request(world)

    assert (world.visit.end_cause, world.visit.ended_at) == (cause, lost)
    assert len(identity_statements) == 1


@pytest.mark.parametrize(("begins", "stamp", "cause"), STAMPS.values(), ids=STAMPS)
def test_right_that_was_gone_before_is_nothing_to_a_visit_that_came_after(
    world: World, begins: Act, stamp: Callable[[World, datetime], Any], cause: EndCause
) -> None:
    begins(world)
    stamp(world, world.visit.started_at - timedelta(microseconds=1))

    response, _ = next_request(world)

    assert json.loads(response.content)["visit"] == world.visit.pk


@pytest.mark.parametrize("begins", BASIS)
def test_visit_goes_on_where_nothing_it_rests_on_is_lost(world: World, begins: Act) -> None:
    begins(world)
    target = "alan" if begins is on_any_user_as_administrator else "grace"
    set_user(target, is_frozen=True)(world)
    if begins is not on_any_user:
        save_policy(time_limit_minutes=30, mail_at_start=True)(world)

    response, identity_statements = next_request(world)

    assert json.loads(response.content)["visit"] == world.visit.pk
    assert len(identity_statements) == 1


def give_the_company_a_grant_and_revoke_it(world: World) -> None:
    grant(world)
    save_grant("none")(world)


UNTOUCHED: dict[str, tuple[Act, Act]] = {
    "policy off, on a grant": (on_a_grant, save_policy(any_user_login=False)),
    "policy off, support": (on_a_grant_to_support, save_policy(any_user_login=False)),
    "deprovisioned, on a grant": (on_a_grant, deprovision),
    "deprovisioned, support": (on_a_grant_to_support, deprovision),
    "downgrade, support": (on_a_grant_to_support, save_edition(Edition.ESSENTIALS)),
    "protect administrators, support": (on_a_grant_to_support, save_policy(protect_administrators=True)),
    "support for administrators only, on any user": (on_any_user, make_support_available_to("administrators")),
    "another's group": (on_any_user, save_group(login_access=False)),
    "role moved, on any user": (on_any_user, move_sales_rep("Service")),
    "target manages users, on any user": (on_any_user, save_profile("grace", *MANAGES_USERS)),
    "grant renewed": (on_a_grant, save_grant("week")),
    "another grant revoked": (on_a_grant_to_support, give_the_company_a_grant_and_revoke_it),
}


@pytest.mark.parametrize(("begins", "act"), UNTOUCHED.values(), ids=UNTOUCHED)
def test_visit_goes_on_where_something_else_is_lost(world: World, begins: Act, act: Act) -> None:
    begins(world)
    if act is UNTOUCHED["policy off, on a grant"][1] and begins is on_a_grant:
        # It was off: switched on meanwhile, and off again.
        save_policy(any_user_login=True)(world)
    act(world)

    response, _ = next_request(world)

    assert json.loads(response.content)["visit"] == world.visit.pk


def test_grant_made_shorter_ends_the_visit_when_it_does(world: World) -> None:
    on_a_grant(world)
    LoginAccessPolicy.objects.update(time_limit_minutes=480)
    LoginAccessGrant.objects.update(expires_at=timezone.now() + 10 * HOUR)
    Impersonation.objects.update(ends_at=timezone.now() + 8 * HOUR)

    save_grant("day")(world)

    latest = LoginAccessGrant.objects.get(is_latest=True)
    assert (world.visit.grant, world.visit.ended_at) == (latest, None)


def test_right_of_another_organization_is_another_one(world: World, stranger: User) -> None:
    on_any_user(world)
    LoginAccessPolicy.objects.filter(organization=stranger.organization).update(any_user_login=False)
    Organization.objects.filter(pk=stranger.organization_id).update(provisioned=False, edition=Edition.GROUP)

    response, _ = next_request(world)

    assert json.loads(response.content)["visit"] == world.visit.pk
