"""Every visit closes exactly once, whatever happens in whatever order: random days at Acme beside a simple model.

Hypothesis makes up the days: who signs in, starts, leaves, comes back, is removed, loses a right, lets a limit fall,
and when the sweep runs. The model (``Own``, ``Visit``) is written from the specification's words and knows the moment
at which each session and visit is over. The database may notice later, where only a clock has struck; it must never say
anything else. After every step the rows are asked by themselves, too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.enums import EndCause
from accounts.identity import Identity, identify
from accounts.middleware import touch
from accounts.models import DelegatedGroup, Impersonation, LoginAccessGrant, Profile, Role, Session, User
from accounts.services.delegated_groups import GroupDetails, update_delegated_group
from accounts.services.expiry import close_expired
from accounts.services.grants import COMPANY, GrantRefused, save_grants
from accounts.services.impersonation import (
    ImpersonationRefused,
    Started,
    TargetNotFound,
    end_lost_visit,
    hand_back,
    leave_impersonation,
    rejoin_impersonation,
    start_impersonation,
)
from accounts.services.passwords import password_was_changed
from accounts.services.refusals import TooManyRefusals
from accounts.services.roles import move_role
from accounts.services.session_removal import end_other_sessions, end_own_session, remove_session
from accounts.services.sessions import end_session
from accounts.services.users import (
    UserDetails,
    activate_user,
    deactivate_user,
    end_user_sessions,
    freeze_user,
    unfreeze_user,
    update_user,
)
from accounts.services.visits import end_visit_as_target
from accounts.session_store import SessionStore
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import LoginAccessPolicy, Organization, OrganizationKind, SessionSettings
from orgs.permissions import Permission
from orgs.services.login_access_policies import save_login_access_policy
from orgs.services.organizations import change_edition, deprovision_organization, provision_organization
from tests.factories import (
    DelegatedGroupFactory,
    LoginAccessPolicyFactory,
    OrganizationFactory,
    ProfileFactory,
    RoleFactory,
    SessionSettingsFactory,
    UserFactory,
)

MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
ADDRESS = "192.0.2.7"
BACKEND = "accounts.backends.PasswordBackend"

# Who is where. Olga and Sally only do things to others, so that there is always someone to do them.
CUSTOMERS = ("ada", "alan", "barbara", "grace", "linus")
ACTORS = ("ada", "alan", "barbara", "sam")
TARGETS = ("grace", "linus", "ada", "alan")
IDLE = {"acme": 30 * MINUTE, "support": 50 * MINUTE}
ABSOLUTE = {"acme": 3 * HOUR, "support": 2 * HOUR}
TIME_LIMIT = 45 * MINUTE
SHORT_GRANT = 20 * MINUTE
DOUBLE_CLICK = 30 * SECOND
MOST_SESSIONS = 8

C = EndCause


# --- the model -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Over:
    """Why something is over, since when, and whose doing that was; nobody's where a limit fell."""

    cause: EndCause
    at: datetime
    by: str = ""
    is_by_clock: bool = False


@dataclass
class Grant:
    to: str
    until: datetime


@dataclass
class Own:
    """A session that somebody signed in to, in one browser."""

    pk: int
    person: str
    created: datetime
    active: datetime
    # What opens it; nothing does while another account is worn.
    key: str = ""
    over: Over | None = None

    @property
    def house(self) -> str:
        return "support" if self.person == "sam" else "acme"


@dataclass
class Visit:
    """One time that ``own.person`` is logged in as ``target``."""

    pk: int
    own: Own
    target: str
    # "any", "grant" or "support"; and whether as a delegate.
    rests_on: str
    started: datetime
    ends: datetime
    key: str
    token: str
    grant: Grant | None = None
    active: datetime | None = None
    is_handed_back: bool = False
    over: Over | None = None

    @property
    def is_delegated(self) -> bool:
        return self.own.person == "barbara"


@dataclass
class Browser:
    """What one browser holds: its key, the return cookie, the key before the last click on Login, and whose it is."""

    own: Own
    key: str
    token: str = ""
    clicked_with: str = ""
    visit: Visit | None = None


@dataclass
class Acme:
    """What the rule reads, as the specification has it."""

    is_ticked: bool = True
    is_provisioned: bool = True
    is_eligible: bool = True
    protects: bool = False
    forces_relogin: bool = False
    is_support_for_users: bool = True
    has_delegate: bool = True
    inactive: set[str] = field(default_factory=set)
    frozen: set[str] = field(default_factory=set)
    administrators: set[str] = field(default_factory=lambda: {"ada", "alan"})
    in_sales: set[str] = field(default_factory=lambda: {"grace"})
    is_sales_rep_in_reach: bool = True
    grants: dict[tuple[str, str], Grant] = field(default_factory=dict)

    @property
    def in_effect(self) -> bool:
        return self.is_ticked and self.is_provisioned and self.is_eligible

    def grant(self, target: str, to: str, at: datetime) -> Grant | None:
        grant = self.grants.get((target, to))
        return grant if grant is not None and at < grant.until else None

    def in_reach(self, target: str) -> bool:
        return target in self.in_sales and self.is_sales_rep_in_reach

    def rests_on(self, actor: str, target: str, at: datetime) -> str:  # noqa: PLR0911  # one condition each
        """Section 4: what a visit would rest on, or nothing where it is refused."""
        if actor == target or target in self.inactive:
            return ""
        if actor == "sam":
            available = self.is_support_for_users or target in self.administrators
            return "support" if available and self.grant(target, "support", at) else ""
        if actor == "barbara":
            if not self.has_delegate or not self.in_reach(target) or target in self.administrators:
                return ""
        elif actor not in self.administrators:
            return ""
        if not self.is_eligible:
            return ""
        is_protected = self.protects and target in self.administrators
        if self.in_effect and not is_protected:
            return "any"
        return "grant" if self.grant(target, COMPANY, at) else ""


# --- the world -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Acme, the vendor's support, and their people: rows, made once for all days."""

    acme: Organization
    support: Organization
    people: dict[str, int]
    roles: dict[str, int]
    profiles: dict[str, Profile]
    group: int

    def person(self, name: str) -> User:
        """Return somebody as they now are."""
        user: User = User.objects.select_related("profile", "organization", "role").get(pk=self.people[name])
        return user

    def origin(self, name: str, session: Session | None = None) -> Origin:
        person = self.person(name)
        public_id = session.public_id if session else None
        return Origin(user=person, actor=person, address=ADDRESS, session_public_id=public_id)

    def role(self, name: str) -> Role:
        role: Role = Role.objects.get(pk=self.roles[name])
        return role


@pytest.fixture
def world(db: None) -> World:
    acme, support = (
        OrganizationFactory.create(name=name, kind=kind, policy=None, settings=None)
        for name, kind in (("Acme", OrganizationKind.CUSTOMER), ("Portal Support", OrganizationKind.OPERATOR))
    )
    limits = {"time_limit_minutes": int(TIME_LIMIT / MINUTE)}
    LoginAccessPolicyFactory.create(organization=acme, any_user_login=True, **limits)
    LoginAccessPolicyFactory.create(organization=support)
    for organization, house in ((acme, "acme"), (support, "support")):
        SessionSettingsFactory.create(
            organization=organization,
            idle_minutes=int(IDLE[house] / MINUTE),
            absolute_hours=int(ABSOLUTE[house] / HOUR),
            force_relogin=False,
        )
    profiles = {
        "all": ProfileFactory.create(organization=acme, permissions=tuple(Permission)),
        "setup": ProfileFactory.create(organization=acme, permissions=(Permission.VIEW_SETUP,)),
        "none": ProfileFactory.create(organization=acme),
        "vendor": ProfileFactory.create(organization=support),
    }
    sales = RoleFactory.create(organization=acme, name="Sales")
    roles = {
        "Sales": sales,
        "Sales Rep": RoleFactory.create(organization=acme, name="Sales Rep", parent=sales),
        "Service": RoleFactory.create(organization=acme, name="Service"),
    }
    has = {"ada": "all", "alan": "all", "olga": "all", "barbara": "setup", "sam": "vendor", "sally": "vendor"}
    people = {
        name: UserFactory.create(
            organization=support if name in {"sam", "sally"} else acme,
            profile=profiles[has.get(name, "none")],
            username=f"{name}@example.com",
            operator_role={"sam": "support", "sally": "sales"}.get(name, ""),
            role=roles["Sales Rep"] if name == "grace" else None,
        )
        for name in (*CUSTOMERS, "olga", "sam", "sally")
    }
    group = DelegatedGroupFactory.create(
        organization=acme, delegates=[people["barbara"]], roles=[sales], login_access=True
    )
    return World(
        acme,
        support,
        {name: user.pk for name, user in people.items()},
        {name: role.pk for name, role in roles.items()},
        profiles,
        group.pk,
    )


# --- the machine -----------------------------------------------------------------------------------------------------

which = st.integers(0, 11)
# Most of what is taken away is given back at once: a visit that began before is over all the same.
is_given_back = st.sampled_from([True, True, False])
# Before somebody does something to a visit in which nobody moves; a limit may fall unnoticed.
pauses = st.sampled_from([SECOND, SECOND, 31 * MINUTE, 46 * MINUTE])
some_actor, some_target = st.sampled_from(ACTORS), st.sampled_from(TARGETS)
# Around each limit, so that it has just fallen or is about to.
waits = st.sampled_from(
    [SECOND, 29 * SECOND, 61 * SECOND, 10 * MINUTE, 19 * MINUTE, 31 * MINUTE, 46 * MINUTE, 2 * HOUR]
)


def is_inside(browser: Browser) -> bool:
    return browser.visit is not None and browser.visit.over is None


def is_back_outside(browser: Browser) -> bool:
    return browser.visit is not None and browser.visit.over is not None and browser.own.over is None


# What visits rest on, taken away and given back: methods of the machine.
POLICY = ("tick_or_untick", "protect_or_not", "support_for_users_or_not")
BOUGHT = ("buy_down_or_up", "provision_or_not")
REACH = ("take_or_give_login_access", "take_or_give_the_delegate", "change_the_role", "move_the_role")


class Days(RuleBasedStateMachine):
    """Acme's days, one example each, in a savepoint that is rolled back."""

    world: World
    # The causes that were met, over all days.
    seen: set[EndCause]

    def __init__(self) -> None:
        super().__init__()
        self.now = MORNING
        self.acme = Acme()
        self.owns: list[Own] = []
        self.visits: list[Visit] = []
        self.browsers: list[Browser] = []
        # Every key that was ever given out.
        self.keys: set[str] = set()
        self._day = self._begin()
        next(self._day)

    def _begin(self) -> Iterator[None]:
        with transaction.atomic():
            yield
            transaction.set_rollback(True)

    def teardown(self) -> None:
        for visit in self.visits:
            self.seen.update({visit.over.cause} if visit.over else ())
        next(self._day, None)

    # --- the clock, and what it ends ---

    def tick(self, time: timedelta = SECOND) -> datetime:
        """Let time pass, and the model's limits fall."""
        self.now += time
        for visit in self.visits:
            ends = sorted(self._ends_of(visit), key=lambda end: end[0]) if visit.over is None else []
            if ends and ends[0][0] <= self.now:
                at, cause, ends_own = ends[0]
                visit.over = Over(cause, at, is_by_clock=True)
                if ends_own:
                    self._end_own(visit.own, visit.over)
        for own in self.owns:
            at, cause = min(self._ends_of_own(own), key=lambda end: end[0])
            if own.over is None and at <= self.now:
                self._end_own(own, Over(cause, at, is_by_clock=True))
        return self.now

    @staticmethod
    def _ends_of_own(own: Own) -> Iterator[tuple[datetime, EndCause]]:
        yield own.created + ABSOLUTE[own.house], C.TIME_LIMIT
        yield own.active + IDLE[own.house], C.IDLE

    def _ends_of(self, visit: Visit) -> Iterator[tuple[datetime, EndCause, bool]]:
        for at, cause in self._ends_of_own(visit.own):
            yield at, cause, True
        if visit.grant is not None and visit.grant.until <= visit.ends:
            yield visit.grant.until, C.GRANT_EXPIRED, False
        else:
            yield visit.ends, C.TIME_LIMIT, self.acme.forces_relogin
        if visit.own.house != "acme":
            yield (visit.active or visit.started) + IDLE["acme"], C.IDLE, self.acme.forces_relogin

    def _end_own(self, own: Own, over: Over) -> None:
        if own.over is None:
            own.over = over

    # --- what somebody ends ---

    def end(self, cause: EndCause, by: str, those: Callable[[Visit], bool]) -> None:
        """Let the model's visits end that go on, now."""
        for visit in self.visits:
            if visit.over is None and those(visit):
                visit.over = Over(cause, self.now, by)

    def end_owns(self, cause: EndCause, by: str, those: Callable[[Own], bool]) -> None:
        """Let the model's own sessions end that go on, now, and the visits from them."""
        for own in self.owns:
            if own.over is None and those(own):
                own.over = Over(cause, self.now, by)
        self.end(cause, by, lambda visit: those(visit.own))

    # --- browsers ---

    def browser(self, number: int, those: Callable[[Browser], bool] = lambda _: True) -> Browser:
        """Return one of ``those``, or, where there are none, any."""
        some = [browser for browser in self.browsers if those(browser)] or self.browsers
        return some[number % len(some)]

    def ask(self, key: str) -> Identity | None:
        """Do what the middleware does with a request that brings ``key``; return who it is, or None."""
        identity = identify(key)
        if identity is None or identity.session.ended_at is not None:
            return None
        fault = identity.fault(address=ADDRESS, at=self.now)
        if fault is None:
            touch(identity, at=self.now)
            self._touched(key)
            return identity
        origin = Origin(user=identity.actor, actor=identity.actor, address=ADDRESS)
        if identity.parent is None:
            end_session(identity.session, origin=origin, at=fault.at, noticed_at=self.now)
        else:
            end_lost_visit(identity, fault, origin=origin, at=self.now)
        return None

    def _touched(self, key: str) -> None:
        for visit in self.visits:
            if visit.key == key and (visit.active is None or self.now - visit.active >= MINUTE):
                visit.active = visit.own.active = self.now
        for own in self.owns:
            if own.key == key and self.now - own.active >= MINUTE:
                own.active = self.now

    def opens(self, key: str) -> Own | Visit | None:
        """Return what a key opens by the model."""
        both: list[Own | Visit] = [*self.owns, *self.visits]
        for one in both:
            if one.key == key and one.over is None:
                return one
        return None

    def use(self, browser: Browser) -> Identity | None:
        """Ask for a page, and compare who one is."""
        identity, expected = self.ask(browser.key), self.opens(browser.key)
        assert (identity is not None) == (expected is not None), (identity, expected)
        if identity is not None and expected is not None:
            assert identity.session.pk == expected.pk
        return identity

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Let what a service raises roll back what it did, as one request's does."""
        with transaction.atomic():
            yield

    # --- rules: coming and going ---

    @initialize(forces_relogin=st.booleans())
    def morning(self, forces_relogin: bool) -> None:
        self._force_relogin(forces_relogin)
        for person in ACTORS:
            self.sign_in(person)
        self.grant("grace", "support", is_short=False)
        self.start(0, "grace")

    @rule(person=some_actor)
    def sign_in(self, person: str) -> None:
        at = self.tick()
        live = [own for own in self.owns if own.over is None]
        if person in self.acme.inactive | self.acme.frozen or len(live) >= MOST_SESSIONS:
            return
        store = SessionStore()
        store.bind(self.world.person(person), backend=BACKEND, at=at, address=ADDRESS, agent="")
        store.save()
        key = str(store.session_key)
        own = Own(Session.objects.latest("pk").pk, person, created=at, active=at, key=key)
        self.owns.append(own)
        self.browsers.append(Browser(own, key))
        self.keys.add(key)

    @rule(time=waits)
    def wait(self, time: timedelta) -> None:
        self.tick(time)

    @rule(actor=some_actor, person=some_target, times=st.lists(waits, max_size=3))
    def work(self, actor: str, person: str, times: list[timedelta]) -> None:
        """Be inside for a while, with pauses, until perhaps a limit falls."""
        self.log_in_as(actor, person)
        for time in times:
            self.tick(time)
            for browser in filter(is_inside, self.browsers):
                self.use(browser)

    @rule(number=which)
    @precondition(lambda self: self.browsers)
    def look(self, number: int) -> None:
        self.tick()
        self.use(self.browser(number))

    @rule(actor=some_actor, person=some_target)
    def log_in_and_look(self, actor: str, person: str) -> None:
        self.log_in_as(actor, person)
        for browser in filter(is_inside, self.browsers):
            self.use(browser)

    @rule(actor=some_actor, person=some_target)
    def log_in_as(self, actor: str, person: str) -> None:
        """Start in a browser that is free for it, of someone who signs in first where none is."""
        for browser in self.browsers:
            if browser.own.person == actor and is_back_outside(browser):
                self.come_back_in(browser, has_cookie=True)
        free = [number for number, browser in enumerate(self.browsers) if self._is_free(browser, actor)]
        if not free:
            self.sign_in(actor)
            free = [number for number, browser in enumerate(self.browsers) if self._is_free(browser, actor)]
        if free:
            self.start(free[-1], person)

    @staticmethod
    def _is_free(browser: Browser, actor: str) -> bool:
        return browser.own.person == actor and browser.own.over is None and browser.visit is None

    @rule(number=which, person=some_target)
    @precondition(lambda self: self.browsers)
    def start(self, number: int, person: str) -> None:
        at, browser = self.tick(), self.browser(number)
        identity = self.use(browser)
        if identity is None:
            return
        own = browser.own
        rests_on = (
            ""
            if browser.visit is not None and browser.visit.over is None
            else self.acme.rests_on(own.person, person, at)
        )
        started = self._start(identity, person)
        assert (started is not None) == bool(rests_on), (own.person, person, rests_on)
        if started is None:
            return
        to = "support" if rests_on == "support" else COMPANY
        grant = None if rests_on == "any" else self.acme.grant(person, to, at)
        ends = min(at + TIME_LIMIT, at + ABSOLUTE["acme"], own.created + ABSOLUTE[own.house])
        visit = Visit(
            started.impersonation.pk,
            own,
            person,
            rests_on,
            started=at,
            ends=min(ends, grant.until) if grant else ends,
            key=started.key,
            token=started.return_token,
            grant=grant,
        )
        self.visits.append(visit)
        own.key, browser.clicked_with, browser.visit = "", browser.key, visit
        self._got(browser, started)

    def _start(self, identity: Identity, target: str) -> Started | None:
        assert identity.actor is not None
        origin = Origin(user=identity.user, actor=identity.actor, address=ADDRESS)
        try:
            return start_impersonation(
                actor=identity.actor,
                session=identity.session,
                target_id=self.world.people[target],
                origin=origin,
                at=self.now,
            )
        except (ImpersonationRefused, TargetNotFound, TooManyRefusals):
            return None

    def _got(self, browser: Browser, started: Started) -> None:
        browser.key, browser.token = started.key, started.return_token
        self.keys.add(started.key)

    @rule(
        actor=some_actor,
        person=some_target,
        other=some_target,
        number=which,
        pause=st.sampled_from([SECOND, 31 * SECOND]),
    )
    def click_again(self, actor: str, person: str, other: str, number: int, pause: timedelta) -> None:
        """The second half of a double click on Login: soon or late, for the same target or another."""
        self.log_in_as(actor, person)
        at, browser = self.tick(pause), self.browser(number, is_inside)
        visit = browser.visit
        if visit is None:
            return
        target = other if number % 3 == 0 else visit.target
        again = rejoin_impersonation(key=browser.clicked_with, target_id=self.world.people[target], at=at)
        is_in_time = visit.active is None and at - visit.started < DOUBLE_CLICK
        if visit.over is None or not visit.over.is_by_clock:
            assert (again is not None) == (visit.over is None and is_in_time and target == visit.target)
        if again is not None:
            assert again.impersonation.pk == visit.pk
            visit.key, visit.token = again.key, again.return_token
            self._got(browser, again)

    @rule(number=which, has_cookie=st.booleans())
    @precondition(lambda self: self.visits)
    def leave(self, number: int, has_cookie: bool) -> None:
        """*Log out as NAME*, from a browser that holds the return cookie or has lost it."""
        at, browser = self.tick(), self.browser(number, is_inside)
        identity = self.use(browser)
        if identity is None or identity.impersonation is None or browser.visit is None:
            return
        token = browser.token if has_cookie else ""
        origin = self.world.origin(browser.own.person)
        left = leave_impersonation(identity, return_token=token, origin=origin, at=at)
        assert left is not None
        ends_own = self.acme.forces_relogin or not has_cookie
        assert (left.key is None) == ends_own
        browser.visit.over = Over(C.LOGGED_OUT, at, browser.own.person)
        if left.key is None:
            browser.own.over = browser.visit.over
            return
        self._is_back(browser, left.key)

    def _is_back(self, browser: Browser, key: str) -> None:
        browser.key = browser.own.key = key
        browser.own.active, browser.visit, browser.clicked_with, browser.token = self.now, None, "", ""
        self.keys.add(key)

    @rule(number=which, has_cookie=st.booleans())
    @precondition(lambda self: any(visit.over for visit in self.visits))
    def come_back(self, number: int, has_cookie: bool) -> None:
        """The next page after an end that nobody at the keyboard asked for."""
        self.come_back_in(self.browser(number, is_back_outside), has_cookie=has_cookie)

    def come_back_in(self, browser: Browser, *, has_cookie: bool) -> None:
        at, visit = self.tick(), browser.visit
        if visit is None or visit.over is None:
            return
        assert self.use(browser) is None
        identity, late = identify(browser.key), identify(browser.key)
        assert identity is not None
        assert late is not None
        token = browser.token if has_cookie else ""
        key = hand_back(identity, token, at=at)
        may = has_cookie and visit.over.cause != C.LOGGED_OUT and visit.own.over is None and not visit.is_handed_back
        assert (key is not None) == may, visit
        if key is not None:
            visit.is_handed_back = True
            self._is_back(browser, key)
            assert hand_back(late, token, at=at) is None

    @rule(number=which)
    @precondition(lambda self: self.browsers)
    def sign_out(self, number: int) -> None:
        """What Django's ``logout()`` does: of a worn session it ends both."""
        at, browser = self.tick(), self.browser(number)
        identity = self.use(browser)
        if identity is None:
            return
        visit, person = identity.impersonation, browser.own.person
        end_session(
            identity.parent or identity.session,
            cause=C.LOGGED_OUT if visit else C.PARENT_SESSION_ENDED,
            origin=self.world.origin(person),
            by=visit.actor if visit else None,
            at=at,
            noticed_at=at,
        )
        self.end_owns(C.LOGGED_OUT, person, lambda own: own is browser.own)

    # --- rules: ended by someone ---

    @rule(number=which)
    @precondition(lambda self: self.owns)
    def remove(self, number: int) -> None:
        """*Remove* in Session Management, of an own session or of a worn one."""
        at = self.tick()
        rows: list[Own | Visit] = [*(own for own in self.owns if own.house == "acme"), *self.visits]
        some = [row for row in rows if row.over is None] or rows
        if not some:
            return
        one = some[number % len(some)]
        remove_session(Session.objects.get(pk=one.pk).public_id, origin=self.world.origin("olga"), at=at)
        if isinstance(one, Own):
            self.end_owns(C.ENDED_BY_ADMINISTRATOR, "olga", lambda own: own is one)
        else:
            self.end(C.ENDED_BY_ADMINISTRATOR, "olga", lambda visit: visit is one)

    @rule(number=which)
    @precondition(lambda self: self.owns)
    def end_ones_own(self, number: int) -> None:
        """*End* in one's own settings, from another browser."""
        at, one = self.tick(), self.owns[number % len(self.owns)]
        end_own_session(Session.objects.get(pk=one.pk).public_id, origin=self.world.origin(one.person), at=at)
        self.end_owns(C.PARENT_SESSION_ENDED, one.person, lambda own: own is one)

    @rule(number=which)
    @precondition(lambda self: self.owns)
    def end_all_others(self, number: int) -> None:
        """All of one's own but this one, and the visits of others in one's account."""
        at, browser = self.tick(), self.browser(number)
        identity = self.use(browser)
        if identity is None or identity.impersonation is not None:
            return
        person = browser.own.person
        end_other_sessions(origin=self.world.origin(person, identity.session), at=at)
        self.end(C.ENDED_BY_TARGET, person, lambda visit: visit.target == person)
        self.end_owns(C.PARENT_SESSION_ENDED, person, lambda own: own.person == person and own is not browser.own)

    @rule(actor=some_actor, person=some_target, is_target=st.booleans(), pause=pauses)
    def end_all_of(self, actor: str, person: str, is_target: bool, pause: timedelta) -> None:
        self.log_in_as(actor, person)
        self.tick(pause)
        self.end_all(person if is_target or actor == "sam" else actor)

    @rule(actor=some_actor, person=some_target, is_target=st.booleans(), pause=pauses, comes_back=is_given_back)
    def shut_out(self, actor: str, person: str, is_target: bool, comes_back: bool, pause: timedelta) -> None:
        self.log_in_as(actor, person)
        self.tick(pause)
        self._do_to("shut_out_or_let_in", person if is_target or actor == "sam" else actor, comes_back=comes_back)

    @rule(actor=some_actor, person=some_target, is_target=st.booleans(), pause=pauses, comes_back=is_given_back)
    def freeze(self, actor: str, person: str, is_target: bool, comes_back: bool, pause: timedelta) -> None:
        self.log_in_as(actor, person)
        self.tick(pause)
        self._do_to("freeze_or_thaw", person if is_target or actor == "sam" else actor, comes_back=comes_back)

    def _do_to(self, what: str, person: str, *, comes_back: bool) -> None:
        """Do something to a person; and undo it."""
        getattr(self, what)(person)
        if comes_back:
            getattr(self, what)(person)

    def end_all(self, person: str) -> None:
        at = self.tick()
        end_user_sessions(self.world.person(person), origin=self.world.origin("olga"), at=at)
        self.end(C.ENDED_BY_ADMINISTRATOR, "olga", lambda visit: visit.target == person)
        self.end_owns(C.ENDED_BY_ADMINISTRATOR, "olga", lambda own: own.person == person)

    @rule(number=which, pause=pauses)
    @precondition(lambda self: self.visits)
    def end_as_target(self, number: int, pause: timedelta) -> None:
        some = [visit for visit in self.visits if visit.over is None] or self.visits
        one = some[number % len(some)]
        at = self.tick(pause)
        origin = self.world.origin(one.target)
        end_visit_as_target(self.world.person(one.target), visit_id=one.pk, origin=origin, at=at)
        self.end(C.ENDED_BY_TARGET, one.target, lambda visit: visit is one)

    def shut_out_or_let_in(self, person: str) -> None:
        at, user, origin = self.tick(), self.world.person(person), self.world.origin("olga")
        if person in self.acme.inactive:
            activate_user(user, origin=origin, at=at)
            self.acme.inactive.discard(person)
            return
        deactivate_user(user, origin=origin, at=at)
        self.acme.inactive.add(person)
        self.end(C.TARGET_DEACTIVATED, "olga", lambda visit: visit.target == person)
        self.end_owns(C.ACTOR_DEACTIVATED, "olga", lambda own: own.person == person)

    def freeze_or_thaw(self, person: str) -> None:
        at, user, origin = self.tick(), self.world.person(person), self.world.origin("olga")
        if person in self.acme.frozen:
            unfreeze_user(user, origin=origin, at=at)
            self.acme.frozen.discard(person)
            return
        freeze_user(user, origin=origin, at=at)
        self.acme.frozen.add(person)
        self.end_owns(C.ACTOR_FROZEN, "olga", lambda own: own.person == person)

    @rule(person=st.sampled_from((*CUSTOMERS, "sam")), number=which, from_inside=st.booleans())
    def change_password(self, person: str, number: int, from_inside: bool) -> None:
        """By the link in a mail, which ends all; or from one of one's sessions, which goes on."""
        at = self.tick()
        browser = self.browser(number) if self.browsers else None
        keep: Session | None = None
        if from_inside and browser is not None and browser.visit is None and browser.own.person == person:
            identity = self.use(browser)
            keep = identity.session if identity else None
        user = self.world.person(person)
        user.set_password(f"another long enough password {self.now}")
        user.save(update_fields=["password"])
        if keep is not None:
            Session.objects.filter(pk=keep.pk).update(auth_hash=user.get_session_auth_hash())
        origin = self.world.origin(person, keep) if keep else Origin(address=ADDRESS)
        password_was_changed(user, origin=origin, keep=keep, at=at)
        by, kept = person if keep else "", keep.pk if keep else None
        self.end(C.PASSWORD_CHANGED, by, lambda visit: visit.target == person)
        self.end_owns(C.PASSWORD_CHANGED, by, lambda own: own.person == person and own.pk != kept)

    # --- rules: what visits rest on ---

    @rule(what=st.sampled_from(POLICY), comes_back=is_given_back, actor=some_actor, person=some_target, pause=pauses)
    def change_the_policy(self, what: str, comes_back: bool, actor: str, person: str, pause: timedelta) -> None:
        self.log_in_as(actor, person)
        self.tick(pause)
        self._change(what, comes_back=comes_back)

    @rule(what=st.sampled_from(BOUGHT), comes_back=is_given_back, actor=some_actor, person=some_target)
    def change_what_is_bought(self, what: str, comes_back: bool, actor: str, person: str) -> None:
        self.log_in_as(actor, person)
        self._change(what, comes_back=comes_back)

    @rule(what=st.sampled_from(REACH), comes_back=is_given_back)
    def change_the_reach(self, what: str, comes_back: bool) -> None:
        self.log_in_as("barbara", "grace")
        self._change(what, comes_back=comes_back)

    @rule(comes_back=is_given_back, person=some_target)
    def change_a_profile(self, comes_back: bool, person: str) -> None:
        self.log_in_as("ada" if person == "alan" else "alan", person)
        self._change("promote_or_demote", comes_back=comes_back)

    def _change(self, what: str, *, comes_back: bool) -> None:
        """Take something away, or give it back; or one after the other."""
        getattr(self, what)()
        if comes_back:
            getattr(self, what)()

    def _save_policy(self, **values: Any) -> None:
        version = LoginAccessPolicy.objects.get(organization=self.world.acme).version
        origin = self.world.origin("olga")
        save_login_access_policy(self.world.acme, version=version, origin=origin, at=self.now, **values)

    def tick_or_untick(self) -> None:
        self.tick()
        if not (self.acme.is_eligible and self.acme.is_provisioned):
            return
        self.acme.is_ticked = not self.acme.is_ticked
        self._save_policy(any_user_login=self.acme.is_ticked)
        if not self.acme.is_ticked:
            self.end(C.POLICY_CHANGED, "olga", lambda visit: visit.rests_on == "any")

    def protect_or_not(self) -> None:
        self.tick()
        self.acme.protects = not self.acme.protects
        self._save_policy(protect_administrators=self.acme.protects)
        if self.acme.protects:
            self._end_protected()

    def _end_protected(self) -> None:
        self.end(
            C.BECAME_PROTECTED,
            "olga",
            lambda visit: visit.rests_on == "any" and visit.target in self.acme.administrators,
        )

    def support_for_users_or_not(self) -> None:
        self.tick()
        self.acme.is_support_for_users = not self.acme.is_support_for_users
        only = frozenset() if self.acme.is_support_for_users else frozenset({self.world.support.pk})
        self._save_policy(administrators_only=only)
        if not self.acme.is_support_for_users:
            self._end_barred()

    def _end_barred(self) -> None:
        self.end(
            C.POLICY_CHANGED,
            "olga",
            lambda visit: visit.rests_on == "support" and visit.target not in self.acme.administrators,
        )

    def buy_down_or_up(self) -> None:
        at = self.tick()
        self.acme.is_eligible = not self.acme.is_eligible
        edition = Edition.ENTERPRISE if self.acme.is_eligible else Edition.PROFESSIONAL
        change_edition(self.world.acme, edition, origin=self.world.origin("sally"), at=at)
        if not self.acme.is_eligible:
            self.end(C.EDITION_CHANGED, "sally", lambda visit: visit.rests_on != "support")

    def provision_or_not(self) -> None:
        at, origin = self.tick(), self.world.origin("sally")
        if self.acme.is_provisioned:
            deprovision_organization(self.world.acme, origin=origin, at=at)
            self.end(C.DEPROVISIONED, "sally", lambda visit: visit.rests_on == "any")
        elif self.acme.is_eligible:
            provision_organization(self.world.acme, origin=origin, at=at)
        else:
            return
        self.acme.is_provisioned = not self.acme.is_provisioned

    @rule(person=some_target, to=st.sampled_from([COMPANY, "support"]), is_short=st.booleans())
    def grant(self, person: str, to: str, is_short: bool) -> None:
        """A day, or, which no page offers, some minutes: so that it runs out before all else."""
        at = self.tick()
        try:
            with self._kept():
                self._choose(person, to, "day")
        except GrantRefused:
            return
        until = at + 24 * HOUR
        if is_short:
            until = at + SHORT_GRANT
            LoginAccessGrant.objects.filter(user=self.world.people[person], granted_at=at).update(expires_at=until)
        new, old = Grant(to, until), self.acme.grants.get((person, to))
        self.acme.grants[person, to] = new
        for visit in self.visits:
            if old is not None and visit.over is None and visit.grant is old:
                # It goes on resting on the new one, and lasts no longer than it would have.
                visit.grant, visit.ends = new, min(visit.ends, at + 24 * HOUR)

    @rule(person=some_target, to=st.sampled_from([COMPANY, "support"]))
    def revoke(self, person: str, to: str) -> None:
        actor = "sam" if to == "support" else "barbara"
        if self.acme.grant(person, to, self.tick()) is None:
            return
        self.log_in_as(actor, person)
        if self.acme.grant(person, to, self.tick()) is None:
            return
        self._choose(person, to, "none")
        grant = self.acme.grants.pop((person, to))
        self.end(C.GRANT_REVOKED, person, lambda visit: visit.grant is grant)

    def _choose(self, target: str, to: str, duration: str) -> None:
        key = str(self.world.support.pk) if to == "support" else COMPANY
        save_grants(self.world.person(target), {key: duration}, origin=self.world.origin(target), at=self.now)

    def take_or_give_login_access(self) -> None:
        self._change_group({"login_access": False})

    def take_or_give_the_delegate(self) -> None:
        self._change_group({"delegates": frozenset()})

    def _change_group(self, changes: dict[str, Any]) -> None:
        """Take something from the group; or give Barbara back all that was taken."""
        at = self.tick()
        group = DelegatedGroup.objects.get(pk=self.world.group)
        if not self.acme.is_eligible:
            return
        barbara = frozenset({self.world.person("barbara")})
        if not self.acme.has_delegate:
            if "barbara" in self.acme.inactive:
                return
            changes = {"login_access": True, "delegates": barbara}
        details = replace(GroupDetails.of(group), **changes)
        update_delegated_group(group, details, version=group.version, origin=self.world.origin("olga"), at=at)
        self.acme.has_delegate = not self.acme.has_delegate
        if not self.acme.has_delegate:
            self.end(C.DELEGATE_REMOVED, "olga", lambda visit: visit.is_delegated)

    def change_the_role(self) -> None:
        self.tick()
        self.acme.in_sales ^= {"grace"}
        self._update("grace", role=self.world.role("Sales Rep") if "grace" in self.acme.in_sales else None)
        self._end_out_of_reach()

    def move_the_role(self) -> None:
        at = self.tick()
        self.acme.is_sales_rep_in_reach = not self.acme.is_sales_rep_in_reach
        above = self.world.role("Sales" if self.acme.is_sales_rep_in_reach else "Service")
        move_role(self.world.role("Sales Rep"), parent=above, origin=self.world.origin("olga"), at=at)
        self._end_out_of_reach()

    def _end_out_of_reach(self) -> None:
        self.end(C.OUT_OF_REACH, "olga", lambda visit: visit.is_delegated and not self.acme.in_reach(visit.target))

    def promote_or_demote(self) -> None:
        """Give Alan another profile: as an actor he loses the right, as a target he may be protected, or barred."""
        self.tick()
        self.acme.administrators ^= {"alan"}
        is_administrator = "alan" in self.acme.administrators
        self._update("alan", profile=self.world.profiles["all" if is_administrator else "none"])
        if not is_administrator:
            self.end(C.ACTOR_LOST_PERMISSION, "olga", lambda visit: visit.own.person == "alan")
        if is_administrator and self.acme.protects:
            self._end_protected()
        if not self.acme.is_support_for_users:
            self._end_barred()

    def _update(self, person: str, **values: Any) -> None:
        user = self.world.person(person)
        update_user(user, replace(UserDetails.of(user), **values), origin=self.world.origin("olga"), at=self.now)

    # --- rules: the settings, the sweep, old keys ---

    @rule(on=st.booleans())
    def force_relogin(self, on: bool) -> None:
        self.sweep()
        self._force_relogin(on)

    def _force_relogin(self, on: bool) -> None:
        self.acme.forces_relogin = on
        SessionSettings.objects.filter(organization=self.world.acme).update(force_relogin=on)

    @rule()
    def sweep(self) -> None:
        """After it nothing is left that a limit has ended; and a second one finds nothing."""
        at = self.tick()
        close_expired(origin=Origin.automated("close_expired"), at=at)
        open_now = set(Impersonation.objects.open().values_list("pk", flat=True))
        live_now = set(Session.objects.live().filter(parent=None).values_list("pk", flat=True))
        assert open_now == {visit.pk for visit in self.visits if visit.over is None}
        assert live_now == {own.pk for own in self.owns if own.over is None}
        again = close_expired(origin=Origin.automated("close_expired"), at=at)
        assert (again.sessions, again.visits) == (0, 0)

    # --- what always holds ---

    @invariant()
    def no_row_says_anything_else_than_the_model(self) -> None:
        names = {pk: name for name, pk in self.world.people.items()}
        rows = {row.pk: row for row in Impersonation.objects.all()}
        assert set(rows) == {visit.pk for visit in self.visits}
        for visit in self.visits:
            row = rows[visit.pk]
            if row.ended_at is None:
                assert visit.over is None or visit.over.is_by_clock, visit
                continue
            assert visit.over is not None, (row.end_cause, row.ended_at)
            said = (row.end_cause, row.ended_at, names.get(row.ended_by_id or 0, ""))
            assert said == (visit.over.cause, visit.over.at, visit.over.by)
        ended = dict(Session.objects.filter(parent=None).values_list("pk", "ended_at"))
        for own in self.owns:
            if ended[own.pk] is None:
                assert own.over is None or own.over.is_by_clock, own
            else:
                assert own.over is not None, own
                assert own.created <= ended[own.pk] <= self.now

    @invariant()
    def the_rows_hold_together(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(NEVER_AT_ALL)
            found = sorted({list(NEVER)[number] for (number,) in cursor.fetchall()})
        assert found == []

    @invariant()
    def keys_open_what_they_should_and_nothing_else(self) -> None:
        for key in self.keys:
            expected = self.opens(key)
            identity = identify(key)
            is_open = (
                identity is not None
                and identity.session.ended_at is None
                and identity.fault(address=ADDRESS, at=self.now) is None
            )
            assert is_open == (expected is not None)
            if expected is not None and identity is not None:
                assert identity.session.pk == expected.pk


# What no database of ours ever answers a row to.
NEVER = {
    "a closed visit without its one event": """
        SELECT i.id FROM accounts_impersonation i WHERE i.ended_at IS NOT NULL AND 1 <> (
            SELECT COUNT(*) FROM orgs_auditevent e WHERE e.impersonation_id = i.id AND e.action = 'impersonation.ended')
    """,
    "an open visit with an event of its end": """
        SELECT i.id FROM accounts_impersonation i WHERE i.ended_at IS NULL AND EXISTS (
            SELECT 1 FROM orgs_auditevent e WHERE e.impersonation_id = i.id AND e.action = 'impersonation.ended')
    """,
    "an end without a cause, or a cause without an end": """
        SELECT id FROM accounts_impersonation WHERE (ended_at IS NULL) <> (end_cause = '')
    """,
    "an end before the start, or noticed before it fell": """
        SELECT id FROM accounts_impersonation
        WHERE ended_at IS NOT NULL AND (noticed_at IS NULL OR ended_at < started_at OR noticed_at < ended_at)
    """,
    "an open visit whose session has ended": """
        SELECT i.id FROM accounts_impersonation i JOIN accounts_session s ON s.id = i.id
        WHERE i.ended_at IS NULL AND s.ended_at IS NOT NULL
    """,
    "an open visit whose actor's own session has ended, or has a key": """
        SELECT i.id FROM accounts_impersonation i JOIN accounts_session p ON p.id = i.actor_session_id
        WHERE i.ended_at IS NULL AND (p.ended_at IS NOT NULL OR p.key_hash IS NOT NULL)
    """,
    "a live worn session without an open visit": """
        SELECT s.id FROM accounts_session s LEFT JOIN accounts_impersonation i ON i.id = s.id AND i.ended_at IS NULL
        WHERE s.parent_id IS NOT NULL AND s.ended_at IS NULL AND i.id IS NULL
    """,
    "a live session below one that has ended": """
        SELECT s.id FROM accounts_session s JOIN accounts_session p ON p.id = s.parent_id
        WHERE s.ended_at IS NULL AND p.ended_at IS NOT NULL
    """,
    "two open visits from one session": """
        SELECT actor_session_id FROM accounts_impersonation WHERE ended_at IS NULL
        GROUP BY actor_session_id HAVING COUNT(*) > 1
    """,
    "a visit and its session that ended at two moments": """
        SELECT i.id FROM accounts_impersonation i JOIN accounts_session s ON s.id = i.id
        WHERE i.ended_at IS NOT NULL AND i.ended_at <> s.ended_at
    """,
    "a key that opens two things": """
        SELECT s.id FROM accounts_session s JOIN accounts_session t
        ON t.key_hash = s.previous_key_hash OR (t.key_hash = s.key_hash AND t.id <> s.id)
    """,
    "an ended session that still holds something": """
        SELECT id FROM accounts_session
        WHERE ended_at IS NOT NULL AND (data <> '' OR previous_key_hash IS NOT NULL)
    """,
}

# All in one statement.
NEVER_AT_ALL = " UNION ALL ".join(
    f"SELECT {number} FROM ({sql}) t"  # noqa: S608  # the texts above
    for number, sql in enumerate(NEVER.values())
)

# The same days each time, so that a red test is everybody's.
SUITE = settings(
    derandomize=True,
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_every_visit_closes_once_at_its_moment_with_its_cause(world: World) -> None:
    seen: set[EndCause] = set()
    machine = type("DaysAtAcme", (Days,), {"world": world, "seen": seen})

    run_state_machine_as_test(machine, settings=SUITE)

    # Days on which nothing ends would prove nothing.
    assert len(seen) >= 8, seen


# --- each thing by itself --------------------------------------------------------------------------------------------

# What random days may leave out once: each thing alone, to a visit that goes on.
WHO = (("ada", "alan"), ("barbara", "grace"), ("sam", "grace"))
ALONE: dict[str, Callable[[Days, str, str], None]] = {
    **{
        what: lambda day, actor, person, what=what: day.change_the_policy(  # type: ignore[misc]
            what=what, comes_back=True, actor=actor, person=person, pause=SECOND
        )
        for what in POLICY
    },
    **{
        what: lambda day, actor, person, what=what: day.change_what_is_bought(  # type: ignore[misc]
            what=what, comes_back=True, actor=actor, person=person
        )
        for what in BOUGHT
    },
    **{
        what: lambda day, actor, person, what=what: day.change_the_reach(what=what, comes_back=True)  # type: ignore[misc]
        for what in REACH
    },
    "another profile": lambda day, actor, person: day.change_a_profile(comes_back=True, person=person),
    "actor shut out": lambda day, actor, person: day.shut_out(actor, person, False, True, SECOND),
    "target shut out": lambda day, actor, person: day.shut_out(actor, person, True, True, SECOND),
    "actor frozen": lambda day, actor, person: day.freeze(actor, person, False, True, SECOND),
    "target frozen": lambda day, actor, person: day.freeze(actor, person, True, True, SECOND),
    "all sessions": lambda day, actor, person: day.end_all_of(actor, person, False, 46 * MINUTE),
    "actor's password": lambda day, actor, person: day.change_password(actor, 0, from_inside=False),
    "target's password": lambda day, actor, person: day.change_password(person, 0, from_inside=False),
    "the target's End": lambda day, actor, person: day.end_as_target(0, SECOND),
    "the target's End, too late": lambda day, actor, person: day.end_as_target(0, 46 * MINUTE),
    "removed": lambda day, actor, person: day.remove(11),
    "revoked": lambda day, actor, person: day.revoke(person, "support"),
}


@pytest.mark.parametrize("alone", ALONE.values(), ids=ALONE)
def test_each_thing_alone_ends_what_it_ends(world: World, alone: Callable[[Days, str, str], None]) -> None:
    machine = type("DaysAtAcme", (Days,), {"world": world, "seen": set()})

    for actor, person in WHO:
        day = machine()
        day.morning(forces_relogin=False)
        day.log_in_as(actor, person)
        alone(day, actor, person)
        day.no_row_says_anything_else_than_the_model()
        day.the_rows_hold_together()
        day.sweep()
        day.keys_open_what_they_should_and_nothing_else()
        day.teardown()
