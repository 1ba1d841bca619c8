"""The rule beside a second, naive one: written from the specification's words alone, and compared over all that may be.

Where the two disagree, one of them has misread the specification.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from accounts.enums import Basis, OperatorRole, Refusal
from accounts.login_access import Facts, Grant, Running, Verdict, may_impersonate
from accounts.models import Profile, User
from orgs.editions import Edition
from orgs.permissions import Permission, to_bits

# The same examples each time, so that a red test is everybody's.
settings.register_profile("portal", derandomize=True, max_examples=400, deadline=None, database=None)
PORTAL = settings.get_profile("portal")

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


# --- one situation, in the specification's words ---------------------------------------------------------------------


@dataclass(frozen=True)
class Given:
    """A grant: until when, and when it was revoked."""

    until: datetime
    revoked: datetime | None = None


@dataclass(frozen=True)
class Group:
    """A delegated group of which the actor is a delegate."""

    login_access: bool
    reaches_target: bool


@dataclass(frozen=True)
class Situation:
    """Everything that section 4 speaks of."""

    target_known: bool
    same_organization: bool
    same_person: bool
    actor_permissions: frozenset[Permission]
    works_for_support: bool
    groups: tuple[Group, ...]
    inside_already: bool
    target_active: bool
    target_external: bool
    target_permissions: frozenset[Permission]
    edition: str
    provisioned: bool
    ticked: bool
    protect_administrators: bool
    # The last that the target gave to this actor's kind: the company's administrators, or that support organization.
    grant: Given | None
    available_to_users: bool


# --- section 4, naively ----------------------------------------------------------------------------------------------

ELIGIBLE = {"enterprise", "performance", "unlimited", "developer"}
CLIMBS = {
    Permission.MODIFY_ALL_DATA,
    Permission.MANAGE_USERS,
    Permission.MANAGE_PROFILES,
    Permission.CUSTOMIZE_APPLICATION,
    Permission.MANAGE_LOGIN_ACCESS_POLICIES,
}


def is_administrator(permissions: frozenset[Permission]) -> bool:
    """Section 1: a profile that holds Modify All Data and Manage Users."""
    return Permission.MODIFY_ALL_DATA in permissions and Permission.MANAGE_USERS in permissions


def kind_of(now: Situation) -> str:
    """Which of the three an actor is, or none. DESIGN: administrator before delegated. Section 11: with View Setup."""
    if not now.same_organization:
        return "agent" if now.works_for_support else "nobody"
    if is_administrator(now.actor_permissions):
        return "administrator"
    is_delegate = any(group.login_access for group in now.groups) and Permission.VIEW_SETUP in now.actor_permissions
    return "delegate" if is_delegate else "nobody"


def in_effect(now: Situation) -> bool:
    """Section 2: eligible and provisioned and ticked."""
    return now.edition in ELIGIBLE and now.provisioned and now.ticked


def counts(now: Situation, at: datetime) -> bool:
    """Whether the target has a live grant for this actor's kind that counts (section 5, table 2)."""
    live = now.grant is not None and now.grant.revoked is None and at < now.grant.until
    return live and (kind_of(now) != "agent" or is_available(now))


def is_available(now: Situation) -> bool:
    """Whether the support organization is available to this target."""
    return now.available_to_users or is_administrator(now.target_permissions)


def ran_out(now: Situation, at: datetime) -> bool:
    """Whether the latest grant ran out; a revoked one counts as none."""
    return now.grant is not None and now.grant.revoked is None and now.grant.until <= at


def which_of_the_last(now: Situation, at: datetime) -> Refusal:
    """DESIGN's words of refusal 11. A grant that may no longer be given counts as none, as a revoked one does."""
    if kind_of(now) == "agent":
        return Refusal.GRANT_EXPIRED if ran_out(now, at) and is_available(now) else Refusal.NO_GRANT
    if not now.provisioned:
        return Refusal.NOT_PROVISIONED
    return Refusal.GRANT_EXPIRED if ran_out(now, at) else Refusal.OFF


Asked = tuple[Callable[[Situation, datetime], bool], Callable[[Situation, datetime], Refusal]]


def always(refusal: Refusal) -> Callable[[Situation, datetime], Refusal]:
    return lambda _now, _at: refusal


SECTION_4: list[Asked] = [
    (
        lambda now, _: not now.target_known or (not now.same_organization and not now.works_for_support),
        always(Refusal.NOT_FOUND),
    ),
    (lambda now, _: kind_of(now) == "nobody", always(Refusal.NO_PERMISSION)),
    (lambda now, _: now.same_person, always(Refusal.SELF)),
    (lambda now, _: now.inside_already, always(Refusal.NESTED)),
    (lambda now, _: not now.target_active, always(Refusal.INACTIVE)),
    (lambda now, _: now.target_external, always(Refusal.EXTERNAL)),
    (
        lambda now, _: (
            kind_of(now) == "delegate" and not any(group.login_access and group.reaches_target for group in now.groups)
        ),
        always(Refusal.OUT_OF_REACH),
    ),
    (lambda now, _: kind_of(now) == "delegate" and bool(CLIMBS & now.target_permissions), always(Refusal.NO_CLIMBING)),
    (lambda now, _: kind_of(now) != "agent" and now.edition not in ELIGIBLE, always(Refusal.EDITION)),
    (lambda now, at: is_protected(now) and not counts(now, at), always(Refusal.PROTECTED)),
    (lambda now, at: (kind_of(now) == "agent" or not in_effect(now)) and not counts(now, at), which_of_the_last),
]


def is_protected(now: Situation) -> bool:
    """Whether refusal 10 may apply to the target."""
    return now.protect_administrators and is_administrator(now.target_permissions)


def naive(now: Situation, at: datetime) -> Refusal | None:
    """Return the first refusal that applies."""
    return next((word(now, at) for applies, word in SECTION_4 if applies(now, at)), None)


def naive_basis(now: Situation) -> Basis:
    """What a yes rests on. A protected administrator's is the grant: any-user login alone would be refused."""
    if kind_of(now) == "agent":
        return Basis.SUPPORT_GRANT
    return Basis.ANY_USER if in_effect(now) and not is_protected(now) else Basis.GRANT


# --- a visit that goes on, naively -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Visit:
    """What a running visit has recorded, and what stands written down of what was lost and when."""

    basis: Basis
    by_group: bool
    started: datetime
    # Whether the actor is still a delegate of that group with login access, and whether it still has the target.
    group_holds: bool
    group_reaches: bool
    # When each was last lost; it may be back by now.
    edition_lost: datetime | None
    deprovisioned: datetime | None
    switched_off: datetime | None
    group_lost: datetime | None
    support_lost: datetime | None


def held(now: bool, lost: datetime | None, visit: Visit) -> bool:
    """Whether something held unbroken since the visit began (DESIGN, "The rule, asked again")."""
    return now and (lost is None or lost < visit.started)


def may_go_on(now: Situation, visit: Visit, at: datetime) -> bool:
    """Section 7 with DESIGN: only the recorded basis counts, and it must have held unbroken."""
    is_agent = visit.basis == Basis.SUPPORT_GRANT
    # To an administrator a support organization was available all along.
    barred = is_agent and not is_administrator(now.target_permissions)
    asked = [now.target_active, not now.target_external]
    if is_agent:
        asked += [now.works_for_support]
    else:
        asked += [held(now.edition in ELIGIBLE, visit.edition_lost, visit)]
    if visit.by_group:
        asked += [
            Permission.VIEW_SETUP in now.actor_permissions,
            held(visit.group_holds, visit.group_lost, visit),
            visit.group_reaches,
            not CLIMBS & now.target_permissions,
        ]
    elif not is_agent:
        asked += [is_administrator(now.actor_permissions)]
    if visit.basis == Basis.ANY_USER:
        asked += [
            not is_protected(now),
            held(now.provisioned, visit.deprovisioned, visit),
            held(now.ticked, visit.switched_off, visit),
        ]
    else:
        asked += [
            now.grant is not None and now.grant.revoked is None and at < now.grant.until,
            not barred or held(now.available_to_users, visit.support_lost, visit),
        ]
    return all(asked)


# --- what is drawn ---------------------------------------------------------------------------------------------------

# Few moments, so that two that are drawn are often the same one, or a moment apart.
moments = st.sampled_from([NOON + minutes * MINUTE for minutes in (-10, -5, -1, 0, 1, 5)])
now_and_then = st.none() | moments
often = st.sampled_from([True] * 7 + [False])
seldom = st.sampled_from([False] * 7 + [True])
VIEW_SETUP = frozenset({Permission.VIEW_SETUP})
ADMINISTRATOR = frozenset({Permission.MODIFY_ALL_DATA, Permission.MANAGE_USERS}) | VIEW_SETUP
permissions = st.one_of(
    st.just(frozenset()),
    st.just(ADMINISTRATOR),
    st.just(VIEW_SETUP),
    st.frozensets(st.sampled_from(Permission), max_size=4),
    st.frozensets(st.sampled_from(Permission), min_size=len(Permission) - 2),
)
grants = st.none() | st.builds(Given, until=moments) | st.builds(Given, until=moments, revoked=moments)
groups = st.lists(st.builds(Group, often, often), max_size=3).map(tuple)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Draw a situation that can be, not too far from a yes. Nobody is oneself in another organization."""
    kind = draw(st.sampled_from(["administrator", "delegate", "agent", "anyone"]))
    same_organization = draw(often) if kind != "agent" else draw(seldom)
    same_person = same_organization and draw(seldom)
    actor_permissions = {"administrator": ADMINISTRATOR, "delegate": VIEW_SETUP}.get(kind) or draw(permissions)
    return Situation(
        target_known=draw(often),
        same_organization=same_organization,
        same_person=same_person,
        actor_permissions=actor_permissions,
        works_for_support=draw(often) if kind == "agent" else draw(seldom),
        groups=draw(groups) if same_organization and kind != "administrator" else (),
        inside_already=draw(seldom),
        target_active=draw(often),
        target_external=draw(seldom),
        target_permissions=actor_permissions if same_person else draw(permissions),
        edition=draw(st.sampled_from([*Edition.values, *["enterprise"] * 9])),
        provisioned=draw(st.booleans()),
        ticked=draw(st.booleans()),
        protect_administrators=draw(st.booleans()),
        grant=draw(grants),
        available_to_users=draw(often),
    )


@st.composite
def visits(draw: st.DrawFn) -> tuple[Situation, Visit]:
    """Draw a visit and what holds now; what it began on fits the people whom it is between."""
    now = draw(situations())
    now = replace(now, target_known=True, same_person=False, inside_already=True)
    basis = draw(st.sampled_from([Basis.ANY_USER, Basis.GRANT])) if now.same_organization else Basis.SUPPORT_GRANT
    visit = Visit(
        basis=basis,
        by_group=now.same_organization and draw(st.booleans()),
        started=draw(moments.filter(lambda moment: moment <= NOON)),
        group_holds=draw(often),
        group_reaches=draw(often),
        edition_lost=draw(now_and_then),
        deprovisioned=draw(now_and_then),
        switched_off=draw(now_and_then),
        group_lost=draw(now_and_then),
        support_lost=draw(now_and_then),
    )
    return now, visit


# --- the same situation, as the portal reads it ----------------------------------------------------------------------


def people(now: Situation) -> tuple[User, User]:
    actor = User(
        pk=1,
        organization_id=1,
        profile=Profile(permission_bits=to_bits(now.actor_permissions)),
        operator_role=OperatorRole.SUPPORT if now.works_for_support else "",
    )
    target = User(
        pk=1 if now.same_person else 2,
        organization_id=1 if now.same_organization else 2,
        profile=Profile(permission_bits=to_bits(now.target_permissions), is_external=now.target_external),
        is_active=now.target_active,
    )
    return actor, target


def facts_of(now: Situation) -> Facts:
    places = [place for place, group in enumerate(now.groups, 1) if group.login_access and group.reaches_target]
    return Facts(
        edition=now.edition,
        provisioned=now.provisioned,
        any_user_login=now.ticked,
        protect_administrators=now.protect_administrators,
        grant=Grant(9, now.grant.until, now.grant.revoked) if now.grant else None,
        is_delegate=any(group.login_access for group in now.groups),
        group_id=places[0] if places else None,
        is_support_available_to_users=now.available_to_users,
        is_impersonating=now.inside_already,
    )


def ask(now: Situation, at: datetime) -> Verdict:
    actor, target = people(now)
    return may_impersonate(actor=actor, target=target if now.target_known else None, facts=facts_of(now), at=at)


def ask_again(now: Situation, visit: Visit, at: datetime) -> Verdict:
    actor, target = people(now)
    facts = replace(
        facts_of(now),
        edition_lost_at=visit.edition_lost,
        deprovisioned_at=visit.deprovisioned,
        login_access_lost_at=visit.switched_off,
        is_delegate=visit.group_holds,
        group_id=3 if visit.group_reaches else None,
        group_lost_at=visit.group_lost,
        support_lost_at=visit.support_lost,
    )
    running = Running(visit.basis, visit.started, 3 if visit.by_group else None)
    return may_impersonate(actor=actor, target=target, facts=facts, at=at, running=running)


# --- compared --------------------------------------------------------------------------------------------------------


@given(now=situations(), at=moments)
@settings(parent=PORTAL)
def test_rule_is_the_specifications(now: Situation, at: datetime) -> None:
    verdict = ask(now, at)

    event(str(verdict.refusal))
    assert verdict.refusal == naive(now, at)


@given(now=situations(), at=moments)
@settings(parent=PORTAL)
def test_yes_rests_on_what_the_specification_names_first(now: Situation, at: datetime) -> None:
    verdict = ask(now, at)

    if verdict:
        basis = naive_basis(now)
        assert verdict.basis == basis
        assert (verdict.grant_id is not None) == (basis != Basis.ANY_USER)
        assert (verdict.group_id is not None) == (kind_of(now) == "delegate")
    else:
        assert (verdict.basis, verdict.grant_id, verdict.group_id) == (None, None, None)


@given(seen=visits())
@settings(parent=PORTAL)
def test_visit_goes_on_where_the_specification_lets_it(seen: tuple[Situation, Visit]) -> None:
    now, visit = seen

    verdict = ask_again(now, visit, NOON)

    event(f"{visit.basis}: {verdict.refusal}")
    assert bool(verdict) == may_go_on(now, visit, NOON)
    if verdict:
        assert (verdict.basis, verdict.group_id is not None) == (visit.basis, visit.by_group)


@given(seen=visits())
@settings(parent=PORTAL)
def test_right_was_lost_while_the_visit_ran(seen: tuple[Situation, Visit]) -> None:
    now, visit = seen
    # No start rests on a grant that has run out.
    assume(now.grant is None or now.grant.until > visit.started)

    verdict = ask_again(now, visit, NOON)

    assert verdict.since is None or visit.started <= verdict.since


@given(now=situations(), at=moments)
@settings(parent=PORTAL)
def test_visit_that_may_start_may_go_on_the_moment_after(now: Situation, at: datetime) -> None:
    started = ask(now, at)
    if not started:
        return
    actor, target = people(now)
    facts = replace(facts_of(now), is_impersonating=True, group_id=started.group_id)
    if started.grant_id is None:
        facts = replace(facts, grant=None)

    again = may_impersonate(
        actor=actor, target=target, facts=facts, at=at, running=Running(str(started.basis), at, started.group_id)
    )

    assert again == started


def test_specification_is_drawn_in_full() -> None:
    """Every refusal of a start can be drawn for the comparison, and so can a yes of every basis."""
    told: set[object] = set()

    @given(now=situations(), at=moments)
    @settings(parent=PORTAL, max_examples=1500)
    def draw(now: Situation, at: datetime) -> None:
        verdict = ask(now, at)
        told.add(verdict.refusal or verdict.basis)

    draw()
    assert told == {*Refusal, *Basis} - {Refusal.NOT_DELEGATE, Refusal.NOT_AVAILABLE}
