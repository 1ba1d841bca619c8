"""The truth table of "may X log in as Y, and why not?".

Everything is asked in one set-up in which the answer is yes, changed in what a row names. No test here touches the
database: the rule is pure.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest

from accounts.enums import END_CAUSE, Basis, EndCause, OperatorRole, Refusal
from accounts.login_access import MORE_THAN_DELEGATED, Facts, Grant, Running, Verdict, may_impersonate
from accounts.models import Profile, User
from orgs.editions import Edition
from orgs.models import LoginAccessPolicy, Organization
from orgs.permissions import ADMINISTRATOR_BITS, Permission, to_bits, with_needs

R = Refusal

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE, TICK = timedelta(minutes=1), timedelta(microseconds=1)
STARTED = AT - 5 * MINUTE
VENDOR, ACME = 1, 2
GROUP = 7

MANAGE_USERS_ALONE = to_bits(with_needs({Permission.MANAGE_USERS}))
MODIFY_ALL_DATA_ALONE = to_bits(with_needs({Permission.MODIFY_ALL_DATA}))
EVERYTHING = to_bits(Permission)
VIEW_SETUP = Permission.VIEW_SETUP.bit

LIVE = Grant(id=5, expires_at=AT + MINUTE)
GRANTS: dict[str, Grant | None] = {
    "none": None,
    "live": LIVE,
    "expired": replace(LIVE, expires_at=AT),
    "revoked": replace(LIVE, revoked_at=AT - MINUTE),
    "revoked, run out": replace(LIVE, expires_at=AT, revoked_at=AT - MINUTE),
}
ANY_USER: dict[str, dict[str, Any]] = {
    "in effect": {},
    "off": {"any_user_login": False},
    "not provisioned": {"provisioned": False},
    "neither": {"provisioned": False, "any_user_login": False},
    "not eligible": {"edition": Edition.PROFESSIONAL},
}


@dataclass(frozen=True)
class Kind:
    """Somebody who wants to log in, and what of the facts is theirs: as whom they ask."""

    organization: int = ACME
    bits: int = 0
    operator_role: str = ""
    is_delegate: bool = False
    group_id: int | None = None

    def facts(self, **changes: Any) -> Facts:
        """Return Acme's facts in which nothing speaks against this actor, any-user login in effect; then changed."""
        grant = LIVE if self.operator_role else None
        facts = Facts(edition=Edition.ENTERPRISE, provisioned=True, any_user_login=True, grant=grant)
        return replace(facts, **{"is_delegate": self.is_delegate, "group_id": self.group_id, **changes})

    def actor(self, **changes: Any) -> User:
        """Return the person."""
        fields = {"organization": self.organization, "bits": self.bits, "operator_role": self.operator_role}
        return person(1, **{**fields, **changes})


KINDS = {
    "administrator": Kind(bits=ADMINISTRATOR_BITS),
    "delegate": Kind(bits=VIEW_SETUP, is_delegate=True, group_id=GROUP),
    "support agent": Kind(organization=VENDOR, operator_role=OperatorRole.SUPPORT),
    "user manager": Kind(bits=MANAGE_USERS_ALONE),
    "plain": Kind(),
}


def person(pk: int, *, organization: int = ACME, bits: int = 0, is_external: bool = False, **fields: Any) -> User:
    """Return somebody with those permissions and nothing else."""
    profile = Profile(pk=pk, permission_bits=bits, is_external=is_external)
    return User(pk=pk, organization_id=organization, profile=profile, **fields)


def ask(
    kind: str = "administrator",
    *,
    running: Running | None = None,
    actor: dict[str, Any] | None = None,
    target: dict[str, Any] | None = None,
    **facts: Any,
) -> Verdict:
    """Ask whether one of a kind may log in as a plain user, where nothing speaks against it but what is changed."""
    one = KINDS[kind]
    wanted = {"pk": 2, **(target or {})}
    return may_impersonate(
        actor=one.actor(**(actor or {})),
        target=person(wanted.pop("pk"), **wanted),
        facts=one.facts(**facts),
        at=AT,
        running=running,
    )


# --- every kind of actor × any-user login × grant --------------------------------------------------------------------

ANY = Verdict(basis=Basis.ANY_USER)
GRANTED = Verdict(basis=Basis.GRANT, grant_id=5)
SUPPORT = Verdict(basis=Basis.SUPPORT_GRANT, grant_id=5)
IN_GROUP = Verdict(basis=Basis.ANY_USER, group_id=GROUP)
GRANTED_IN_GROUP = Verdict(basis=Basis.GRANT, grant_id=5, group_id=GROUP)

# Rows: any-user login. Columns: the target's latest grant to the actor's kind, in the order of GRANTS.
TRUTH: dict[str, dict[str, tuple[Verdict | Refusal, ...]]] = {
    "administrator": {
        #                   none               live      expired            revoked            revoked, run out
        "in effect":       (ANY,               ANY,      ANY,               ANY,               ANY),
        "off":             (R.OFF,             GRANTED,  R.GRANT_EXPIRED,   R.OFF,             R.OFF),
        "not provisioned": (R.NOT_PROVISIONED, GRANTED,  R.NOT_PROVISIONED, R.NOT_PROVISIONED, R.NOT_PROVISIONED),
        "neither":         (R.NOT_PROVISIONED, GRANTED,  R.NOT_PROVISIONED, R.NOT_PROVISIONED, R.NOT_PROVISIONED),
        "not eligible":    (R.EDITION,         R.EDITION, R.EDITION,        R.EDITION,         R.EDITION),
    },
    "delegate": {
        "in effect":       (IN_GROUP,          IN_GROUP, IN_GROUP,          IN_GROUP,          IN_GROUP),
        "off":             (R.OFF,     GRANTED_IN_GROUP, R.GRANT_EXPIRED,   R.OFF,             R.OFF),
        "not provisioned": (R.NOT_PROVISIONED, GRANTED_IN_GROUP, *[R.NOT_PROVISIONED] * 3),
        "neither":         (R.NOT_PROVISIONED, GRANTED_IN_GROUP, *[R.NOT_PROVISIONED] * 3),
        "not eligible":    (R.EDITION,         R.EDITION, R.EDITION,        R.EDITION,         R.EDITION),
    },
    "support agent": {
        "in effect":       (R.NO_GRANT,        SUPPORT,  R.GRANT_EXPIRED,   R.NO_GRANT,        R.NO_GRANT),
        "off":             (R.NO_GRANT,        SUPPORT,  R.GRANT_EXPIRED,   R.NO_GRANT,        R.NO_GRANT),
        "not provisioned": (R.NO_GRANT,        SUPPORT,  R.GRANT_EXPIRED,   R.NO_GRANT,        R.NO_GRANT),
        "neither":         (R.NO_GRANT,        SUPPORT,  R.GRANT_EXPIRED,   R.NO_GRANT,        R.NO_GRANT),
        "not eligible":    (R.NO_GRANT,        SUPPORT,  R.GRANT_EXPIRED,   R.NO_GRANT,        R.NO_GRANT),
    },
    "user manager": {
        "in effect":       (R.NO_PERMISSION,) * 5,
        "off":             (R.NO_PERMISSION,) * 5,
        "not provisioned": (R.NO_PERMISSION,) * 5,
        "neither":         (R.NO_PERMISSION,) * 5,
        "not eligible":    (R.NO_PERMISSION,) * 5,
    },
    "plain": {
        "in effect":       (R.NO_PERMISSION,) * 5,
        "off":             (R.NO_PERMISSION,) * 5,
        "not provisioned": (R.NO_PERMISSION,) * 5,
        "neither":         (R.NO_PERMISSION,) * 5,
        "not eligible":    (R.NO_PERMISSION,) * 5,
    },
}  # fmt: skip


def test_truth_table_has_no_gap() -> None:
    assert list(TRUTH) == list(KINDS)
    for rows in TRUTH.values():
        assert list(rows) == list(ANY_USER)
        assert {len(row) for row in rows.values()} == {len(GRANTS)}


CELLS = [
    (kind, state, grant, expected)
    for kind, rows in TRUTH.items()
    for state, row in rows.items()
    for grant, expected in zip(GRANTS, row, strict=True)
]


@pytest.mark.parametrize(("kind", "state", "grant", "expected"), CELLS)
def test_rule_answers_each_kind_of_actor_by_policy_and_grant(
    kind: str, state: str, grant: str, expected: Verdict | Refusal
) -> None:
    verdict = ask(kind, grant=GRANTS[grant], **ANY_USER[state])

    assert verdict == (Verdict(expected) if isinstance(expected, Refusal) else expected)


# --- every refusal × every kind of actor -----------------------------------------------------------------------------

# In the order of the specification; for each kind, the one fact that turns its yes into this no.
ELSEWHERE: dict[str, Any] = {"target": {"organization": 3}}
ADMINISTRATOR: dict[str, Any] = {"bits": ADMINISTRATOR_BITS}
PROTECTED: dict[str, Any] = {"protect_administrators": True, "target": ADMINISTRATOR}
ONE_FACT: dict[str, list[tuple[Refusal, dict[str, Any]]]] = {
    "administrator": [
        (R.NOT_FOUND, ELSEWHERE),
        (R.NO_PERMISSION, {"actor": {"bits": MANAGE_USERS_ALONE}}),
        (R.SELF, {"target": {"pk": 1}}),
        (R.NESTED, {"is_impersonating": True}),
        (R.INACTIVE, {"target": {"is_active": False}}),
        (R.EXTERNAL, {"target": {"is_external": True}}),
        (R.EDITION, {"edition": Edition.PROFESSIONAL}),
        (R.PROTECTED, PROTECTED),
        (R.NOT_PROVISIONED, {"provisioned": False}),
        (R.OFF, {"any_user_login": False}),
    ],
    "delegate": [
        (R.NOT_FOUND, ELSEWHERE),
        (R.NO_PERMISSION, {"is_delegate": False}),
        (R.SELF, {"target": {"pk": 1}}),
        (R.NESTED, {"is_impersonating": True}),
        (R.INACTIVE, {"target": {"is_active": False}}),
        (R.EXTERNAL, {"target": {"is_external": True}}),
        (R.OUT_OF_REACH, {"group_id": None}),
        (R.NO_CLIMBING, {"target": {"bits": Permission.MANAGE_PROFILES.bit}}),
        (R.EDITION, {"edition": Edition.PROFESSIONAL}),
        # An administrator is protected from a delegate before the policy is asked: no climbing.
        (R.NOT_PROVISIONED, {"provisioned": False}),
        (R.OFF, {"any_user_login": False}),
    ],
    "support agent": [
        # In another organization is where a support agent looks; one who is none finds nobody there.
        (R.NOT_FOUND, {"actor": {"operator_role": ""}}),
        (R.NESTED, {"is_impersonating": True}),
        (R.INACTIVE, {"target": {"is_active": False}}),
        (R.EXTERNAL, {"target": {"is_external": True}}),
        (R.PROTECTED, {**PROTECTED, "grant": None}),
        (R.GRANT_EXPIRED, {"grant": GRANTS["expired"]}),
        (R.NO_GRANT, {"grant": None}),
    ],
    # Those who are refused by the second condition are refused by it whatever else holds; but not found stands before.
    "user manager": [(R.NOT_FOUND, ELSEWHERE), (R.NO_PERMISSION, {})],
    "plain": [(R.NOT_FOUND, ELSEWHERE), (R.NO_PERMISSION, {})],
}
SINGLE = [(kind, refusal, fact) for kind, rows in ONE_FACT.items() for refusal, fact in rows]
PAIRS = [
    (kind, first, second)
    for kind in ("administrator", "delegate", "support agent")
    for first, second in combinations(range(len(ONE_FACT[kind])), 2)
]


def together(*facts: dict[str, Any]) -> dict[str, Any]:
    """Return several facts as one set-up. Of what they change alike, the first holds."""
    merged: dict[str, Any] = {}
    for fact in reversed(facts):
        for name, value in fact.items():
            merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
    return merged


@pytest.mark.parametrize("kind", ["administrator", "delegate", "support agent"])
def test_rule_says_yes_where_nothing_speaks_against_it(kind: str) -> None:
    assert ask(kind)


@pytest.mark.parametrize(("kind", "refusal", "fact"), SINGLE)
def test_rule_refuses_for_one_fact(kind: str, refusal: Refusal, fact: dict[str, Any]) -> None:
    assert ask(kind, **fact) == Verdict(refusal)


@pytest.mark.parametrize(("kind", "first", "second"), PAIRS)
def test_rule_gives_the_first_of_two_refusals(kind: str, first: int, second: int) -> None:
    (refusal, fact), (_, other) = ONE_FACT[kind][first], ONE_FACT[kind][second]

    assert ask(kind, **together(fact, other)) == Verdict(refusal)


@pytest.mark.parametrize("kind", ONE_FACT)
def test_rows_stand_in_the_order_of_the_specification(kind: str) -> None:
    refusals = [refusal for refusal, _ in ONE_FACT[kind]]

    assert refusals == sorted(refusals, key=list(Refusal).index)


def test_every_refusal_of_a_start_has_a_row() -> None:
    # These two are only for a visit that goes on: before it starts, such a one is no delegate, and has no grant.
    assert {refusal for _, refusal, _ in SINGLE} == set(Refusal) - {R.NOT_DELEGATE, R.NOT_AVAILABLE}


# --- one by one ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["administrator", "delegate", "user manager", "plain"])
def test_rule_answers_an_unknown_target_as_a_foreign_one(kind: str) -> None:
    one = KINDS[kind]

    unknown = may_impersonate(actor=one.actor(), target=None, facts=one.facts(), at=AT)

    assert unknown == ask(kind, **ELSEWHERE) == Verdict(R.NOT_FOUND)


def test_rule_finds_no_unknown_target_for_a_support_agent_either() -> None:
    one = KINDS["support agent"]

    assert may_impersonate(actor=one.actor(), target=None, facts=one.facts(), at=AT) == Verdict(R.NOT_FOUND)


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        (ADMINISTRATOR_BITS, ANY),
        (MANAGE_USERS_ALONE, Verdict(R.NO_PERMISSION)),
        (MODIFY_ALL_DATA_ALONE, Verdict(R.NO_PERMISSION)),
        (0, Verdict(R.NO_PERMISSION)),
    ],
)
def test_rule_needs_both_permissions_of_an_administrator(bits: int, expected: Verdict) -> None:
    assert ask(actor={"bits": bits}) == expected


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        (ADMINISTRATOR_BITS, Verdict(R.PROTECTED)),
        (MANAGE_USERS_ALONE, ANY),
        (MODIFY_ALL_DATA_ALONE, ANY),
        (0, ANY),
    ],
)
def test_rule_protects_administrators_only(bits: int, expected: Verdict) -> None:
    assert ask(protect_administrators=True, target={"bits": bits}) == expected


@pytest.mark.parametrize(
    ("kind", "grant", "expected"),
    [
        ("administrator", "none", Verdict(R.PROTECTED)),
        ("administrator", "live", GRANTED),
        ("administrator", "expired", Verdict(R.PROTECTED)),
        ("administrator", "revoked", Verdict(R.PROTECTED)),
        ("support agent", "none", Verdict(R.PROTECTED)),
        ("support agent", "live", SUPPORT),
        ("support agent", "expired", Verdict(R.PROTECTED)),
        ("support agent", "revoked", Verdict(R.PROTECTED)),
    ],
)
def test_protected_administrator_is_entered_by_a_grant_alone(kind: str, grant: str, expected: Verdict) -> None:
    assert ask(kind, grant=GRANTS[grant], **PROTECTED) == expected


@pytest.mark.parametrize("kind", ["administrator", "delegate", "support agent"])
def test_rule_lets_a_frozen_target_be_logged_in_as(kind: str) -> None:
    assert ask(kind, target={"is_frozen": True}) == ask(kind)


@pytest.mark.parametrize(
    ("edition", "expected"),
    [
        (Edition.ESSENTIALS, Verdict(R.EDITION)),
        (Edition.GROUP, Verdict(R.EDITION)),
        (Edition.PROFESSIONAL, Verdict(R.EDITION)),
        (Edition.ENTERPRISE, ANY),
        (Edition.PERFORMANCE, ANY),
        (Edition.UNLIMITED, ANY),
        (Edition.DEVELOPER, ANY),
    ],
)
def test_rule_asks_the_edition(edition: Edition, expected: Verdict) -> None:
    assert ask(edition=edition) == expected


def test_grant_runs_until_its_end_and_not_a_moment_longer() -> None:
    assert ask(any_user_login=False, grant=replace(LIVE, expires_at=AT + TICK)) == GRANTED
    assert ask(any_user_login=False, grant=replace(LIVE, expires_at=AT)) == Verdict(R.GRANT_EXPIRED)


# --- delegates -------------------------------------------------------------------------------------------------------


def test_delegate_never_enters_an_administrator_who_sits_in_the_role() -> None:
    """The known hole: who administers a role would wear an administrator in it, and administer everything."""
    for grant in GRANTS.values():
        assert ask("delegate", target=ADMINISTRATOR, grant=grant) == Verdict(R.NO_CLIMBING)


@pytest.mark.parametrize("permission", Permission)
def test_delegate_does_not_climb(permission: Permission) -> None:
    climbs = {
        Permission.MODIFY_ALL_DATA,
        Permission.MANAGE_USERS,
        Permission.MANAGE_PROFILES,
        Permission.CUSTOMIZE_APPLICATION,
        Permission.MANAGE_LOGIN_ACCESS_POLICIES,
    }

    verdict = ask("delegate", target={"bits": permission.bit})

    assert verdict == (Verdict(R.NO_CLIMBING) if permission in climbs else IN_GROUP)
    assert climbs == MORE_THAN_DELEGATED


@pytest.mark.parametrize("permission", Permission)
def test_administrator_enters_whoever_holds_something(permission: Permission) -> None:
    assert ask(target={"bits": permission.bit}) == ANY


@pytest.mark.parametrize(("bits", "expected"), [(VIEW_SETUP, IN_GROUP), (0, Verdict(R.NO_PERMISSION))])
def test_delegate_needs_view_setup(bits: int, expected: Verdict) -> None:
    assert ask("delegate", actor={"bits": bits}) == expected


def test_administrator_comes_before_delegated() -> None:
    assert ask(is_delegate=True, group_id=GROUP, target=ADMINISTRATOR) == ANY


# --- support agents --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [OperatorRole.NONE, OperatorRole.SALES])
def test_nobody_but_support_finds_anyone_in_another_organization(role: str) -> None:
    assert ask("support agent", actor={"operator_role": role, "bits": ADMINISTRATOR_BITS}) == Verdict(R.NOT_FOUND)


@pytest.mark.parametrize(
    ("to_users", "target", "expected"),
    [
        (True, {}, SUPPORT),
        (True, ADMINISTRATOR, SUPPORT),
        (False, {}, Verdict(R.NO_GRANT)),
        (False, ADMINISTRATOR, SUPPORT),
        (False, {"bits": MANAGE_USERS_ALONE}, Verdict(R.NO_GRANT)),
    ],
)
def test_grant_to_support_counts_where_support_is_available(
    to_users: bool, target: dict[str, Any], expected: Verdict
) -> None:
    assert ask("support agent", is_support_available_to_users=to_users, target=target) == expected


@pytest.mark.parametrize("kind", ["administrator", "delegate"])
def test_availability_of_support_is_nothing_to_the_companys_own(kind: str) -> None:
    assert ask(kind, is_support_available_to_users=False, grant=LIVE) == ask(kind)


@pytest.mark.parametrize(
    ("bits", "grant", "expected"),
    [(0, LIVE, Verdict(R.NO_PERMISSION)), (ADMINISTRATOR_BITS, None, ANY)],
)
def test_support_agent_is_like_anyone_at_home(bits: int, grant: Grant | None, expected: Verdict) -> None:
    assert ask("support agent", actor={"organization": ACME, "bits": bits}, grant=grant) == expected


# --- asked again, in the middle of a visit ---------------------------------------------------------------------------

# Every basis that there is, with the kind of actor that began on it and what then is told of it.
RUNNING: dict[str, tuple[str, Running, dict[str, Any], Verdict]] = {
    "any user": ("administrator", Running(Basis.ANY_USER, STARTED), {}, ANY),
    "grant": ("administrator", Running(Basis.GRANT, STARTED), {"grant": LIVE, "any_user_login": False}, GRANTED),
    "group": ("delegate", Running(Basis.ANY_USER, STARTED, GROUP), {}, IN_GROUP),
    "group, grant": (
        "delegate",
        Running(Basis.GRANT, STARTED, GROUP),
        {"grant": LIVE, "any_user_login": False},
        GRANTED_IN_GROUP,
    ),
    "support": ("support agent", Running(Basis.SUPPORT_GRANT, STARTED), {}, SUPPORT),
}
EVERY = tuple(RUNNING)
OWN = ("any user", "grant", "group", "group, grant")


def ask_again(basis: str, *, facts: dict[str, Any] | None = None, **changes: Any) -> Verdict:
    """Ask of a visit that rests on that basis whether it may go on."""
    kind, running, set_up, _ = RUNNING[basis]
    return ask(kind, running=running, **{"is_impersonating": True, **set_up, **(facts or {}), **changes})


@pytest.mark.parametrize("basis", EVERY)
def test_visit_goes_on_while_what_it_rests_on_holds(basis: str) -> None:
    assert ask_again(basis) == RUNNING[basis][3]


# What is lost; and for each basis, in the order above, whether that ends the visit.
GOES_ON = None
LOST: dict[str, tuple[dict[str, Any], tuple[Refusal | None, ...]]] = {
    "the tick": (
        {"any_user_login": False},
        (R.OFF, GOES_ON, R.OFF, GOES_ON, GOES_ON),
    ),
    "provisioning": (
        {"provisioned": False},
        (R.NOT_PROVISIONED, GOES_ON, R.NOT_PROVISIONED, GOES_ON, GOES_ON),
    ),
    "the edition": (
        {"edition": Edition.GROUP},
        (R.EDITION, R.EDITION, R.EDITION, R.EDITION, GOES_ON),
    ),
    "the grant, revoked": (
        {"grant": GRANTS["revoked"]},
        (GOES_ON, R.NO_GRANT, GOES_ON, R.NO_GRANT, R.NO_GRANT),
    ),
    "the grant, expired": (
        {"grant": GRANTS["expired"]},
        (GOES_ON, R.GRANT_EXPIRED, GOES_ON, R.GRANT_EXPIRED, R.GRANT_EXPIRED),
    ),
    "the grant, and its row": (
        {"grant": None},
        (GOES_ON, R.NO_GRANT, GOES_ON, R.NO_GRANT, R.NO_GRANT),
    ),
    "the place in the group": (
        {"is_delegate": False},
        (GOES_ON, GOES_ON, R.NOT_DELEGATE, R.NOT_DELEGATE, GOES_ON),
    ),
    "the reach": (
        {"group_id": None},
        (GOES_ON, GOES_ON, R.OUT_OF_REACH, R.OUT_OF_REACH, GOES_ON),
    ),
    "support's being available to users": (
        {"is_support_available_to_users": False},
        (GOES_ON, GOES_ON, GOES_ON, GOES_ON, R.NOT_AVAILABLE),
    ),
    "the actor's permissions": (
        {"actor": {"bits": 0}},
        (R.NO_PERMISSION, R.NO_PERMISSION, R.NO_PERMISSION, R.NO_PERMISSION, GOES_ON),
    ),
    "the actor's work for support": (
        {"actor": {"operator_role": ""}},
        (GOES_ON, GOES_ON, GOES_ON, GOES_ON, R.NO_PERMISSION),
    ),
    "the target's being active": (
        {"target": {"is_active": False}},
        (R.INACTIVE,) * 5,
    ),
    "the target's being internal": (
        {"target": {"is_external": True}},
        (R.EXTERNAL,) * 5,
    ),
    "the target's being less than the delegate": (
        {"target": {"bits": Permission.MANAGE_USERS.bit}},
        (GOES_ON, GOES_ON, R.NO_CLIMBING, R.NO_CLIMBING, GOES_ON),
    ),
    "the target's being no protected administrator": (
        PROTECTED,
        # By a grant a protected administrator is entered all the same.
        (R.PROTECTED, GOES_ON, R.NO_CLIMBING, R.NO_CLIMBING, GOES_ON),
    ),
    "nothing, frozen": (
        {"target": {"is_frozen": True}},
        (GOES_ON,) * 5,
    ),
}
LOSSES = [
    (what, basis, change, expected)
    for what, (change, row) in LOST.items()
    for basis, expected in zip(EVERY, row, strict=True)
]


@pytest.mark.parametrize(("what", "basis", "change", "expected"), LOSSES, ids=lambda value: str(value)[:40])
def test_visit_ends_with_what_it_rests_on(
    what: str, basis: str, change: dict[str, Any], expected: Refusal | None
) -> None:
    verdict = ask_again(basis, **change)

    assert verdict.refusal == expected, what
    if expected is None:
        assert verdict == RUNNING[basis][3]


# Only what the visit has recorded counts: what would let it start anew does not let it go on.
OTHER_GROUND: dict[str, tuple[str, dict[str, Any], Refusal]] = {
    "any user, with a grant": ("any user", {"any_user_login": False, "grant": LIVE}, R.OFF),
    "any user, with a grant, not provisioned": ("any user", {"provisioned": False, "grant": LIVE}, R.NOT_PROVISIONED),
    "any user, with a grant, protected": ("any user", {**PROTECTED, "grant": LIVE}, R.PROTECTED),
    "any user, as a delegate": (
        "any user",
        {"actor": {"bits": VIEW_SETUP}, "is_delegate": True, "group_id": GROUP},
        R.NO_PERMISSION,
    ),
    "grant, with any user": ("grant", {"any_user_login": True, "grant": GRANTS["revoked"]}, R.NO_GRANT),
    "grant, with any user, run out": ("grant", {"any_user_login": True, "grant": GRANTS["expired"]}, R.GRANT_EXPIRED),
    "group, as an administrator": (
        "group",
        {"actor": {"bits": EVERYTHING}, "is_delegate": False, "group_id": None},
        R.NOT_DELEGATE,
    ),
    "group, as an administrator, out of reach": (
        "group",
        {"actor": {"bits": EVERYTHING}, "group_id": None},
        R.OUT_OF_REACH,
    ),
    "group, with a grant": ("group", {"any_user_login": False, "grant": LIVE}, R.OFF),
    "support, with any user": ("support", {"any_user_login": True, "grant": GRANTS["revoked"]}, R.NO_GRANT),
}


@pytest.mark.parametrize(("basis", "change", "refusal"), OTHER_GROUND.values(), ids=OTHER_GROUND)
def test_visit_rests_on_what_it_has_recorded_alone(basis: str, change: dict[str, Any], refusal: Refusal) -> None:
    assert ask_again(basis, **change).refusal == refusal


def test_visit_that_began_as_a_delegate_goes_on_as_one() -> None:
    # The actor has become an administrator meanwhile; the target holds more than a delegate may wear.
    assert ask_again("group", actor={"bits": EVERYTHING}) == IN_GROUP
    assert ask_again("group", actor={"bits": EVERYTHING}, target=ADMINISTRATOR) == Verdict(R.NO_CLIMBING)


def test_visit_is_not_asked_whether_it_is_one() -> None:
    assert ask_again("any user", is_impersonating=True) == ask_again("any user", is_impersonating=False) == ANY


# Lost and given back: which fact, for which visits, and the refusal. All of them hold again when this is asked.
GIVEN_BACK: dict[str, tuple[tuple[str, ...], Refusal]] = {
    "login_access_lost_at": (("any user", "group"), R.OFF),
    "deprovisioned_at": (("any user", "group"), R.NOT_PROVISIONED),
    "edition_lost_at": (OWN, R.EDITION),
    "group_lost_at": (("group", "group, grant"), R.NOT_DELEGATE),
    "support_lost_at": (("support",), R.NOT_AVAILABLE),
}
BACK = [(name, basis) for name in GIVEN_BACK for basis in EVERY]


@pytest.mark.parametrize(("name", "basis"), BACK)
def test_visit_is_over_where_its_ground_was_gone_for_a_while(name: str, basis: str) -> None:
    rest_on_it, refusal = GIVEN_BACK[name]
    ends = basis in rest_on_it

    for lost_at in (STARTED, STARTED + TICK, AT):
        assert ask_again(basis, facts={name: lost_at}) == (
            Verdict(refusal, since=lost_at) if ends else RUNNING[basis][3]
        )
    assert ask_again(basis, facts={name: STARTED - TICK}) == RUNNING[basis][3]


@pytest.mark.parametrize("name", GIVEN_BACK)
@pytest.mark.parametrize("kind", ["administrator", "delegate", "support agent"])
def test_visit_may_start_where_the_ground_was_gone_before(name: str, kind: str) -> None:
    lost: dict[str, Any] = {name: AT}

    assert ask(kind, **lost) == ask(kind)


def test_administrator_was_never_barred_from_support() -> None:
    assert ask_again("support", target=ADMINISTRATOR, support_lost_at=AT) == SUPPORT
    assert ask_again("support", target=ADMINISTRATOR, is_support_available_to_users=False) == SUPPORT


# Lost and not given back: since when, as far as anyone has written it down.
SINCE: dict[str, tuple[str, dict[str, Any], Verdict]] = {
    "the tick": (
        "any user",
        {"any_user_login": False, "login_access_lost_at": AT - MINUTE},
        Verdict(R.OFF, since=AT - MINUTE),
    ),
    "provisioning": (
        "any user",
        {"provisioned": False, "deprovisioned_at": AT - MINUTE},
        Verdict(R.NOT_PROVISIONED, since=AT - MINUTE),
    ),
    "the edition": (
        "grant",
        {"edition": Edition.GROUP, "edition_lost_at": AT - MINUTE},
        Verdict(R.EDITION, since=AT - MINUTE),
    ),
    "the group": (
        "group",
        {"is_delegate": False, "group_lost_at": AT - MINUTE},
        Verdict(R.NOT_DELEGATE, since=AT - MINUTE),
    ),
    # Who was taken out of a group that once had been without login access was in it until now.
    "the place in a group that once was without": (
        "group",
        {"is_delegate": False, "group_lost_at": STARTED - TICK},
        Verdict(R.NOT_DELEGATE),
    ),
    "being available": (
        "support",
        {"is_support_available_to_users": False, "support_lost_at": AT - MINUTE},
        Verdict(R.NOT_AVAILABLE, since=AT - MINUTE),
    ),
    "a grant, revoked": ("grant", {"grant": GRANTS["revoked"]}, Verdict(R.NO_GRANT, since=AT - MINUTE)),
    "a grant, run out": (
        "support",
        {"grant": replace(LIVE, expires_at=AT - MINUTE)},
        Verdict(R.GRANT_EXPIRED, since=AT - MINUTE),
    ),
    "a grant, revoked just before": (
        "grant",
        {"grant": replace(LIVE, revoked_at=STARTED - TICK)},
        Verdict(R.NO_GRANT, since=STARTED),
    ),
    # A start that could not see yet that the ground was gone had none from its first moment on.
    "the tick, just before": (
        "any user",
        {"any_user_login": False, "login_access_lost_at": STARTED - TICK},
        Verdict(R.OFF, since=STARTED),
    ),
    "provisioning, just before": (
        "any user",
        {"provisioned": False, "deprovisioned_at": STARTED - TICK},
        Verdict(R.NOT_PROVISIONED, since=STARTED),
    ),
    "the edition, just before": (
        "grant",
        {"edition": Edition.GROUP, "edition_lost_at": STARTED - TICK},
        Verdict(R.EDITION, since=STARTED),
    ),
    "being available, just before": (
        "support",
        {"is_support_available_to_users": False, "support_lost_at": STARTED - TICK},
        Verdict(R.NOT_AVAILABLE, since=STARTED),
    ),
    "the tick, nobody knows when": ("any user", {"any_user_login": False}, Verdict(R.OFF)),
}


@pytest.mark.parametrize(("basis", "facts", "expected"), SINCE.values(), ids=SINCE)
def test_rule_tells_since_when(basis: str, facts: dict[str, Any], expected: Verdict) -> None:
    assert ask_again(basis, facts=facts) == expected


@pytest.mark.parametrize("basis", OWN)
def test_visit_of_a_target_who_is_no_more_is_not_found(basis: str) -> None:
    kind, running, set_up, _ = RUNNING[basis]
    one = KINDS[kind]

    verdict = may_impersonate(actor=one.actor(), target=None, facts=one.facts(**set_up), at=AT, running=running)

    assert verdict == Verdict(R.NOT_FOUND)


# --- end causes ------------------------------------------------------------------------------------------------------


def test_every_refusal_of_a_running_visit_has_its_end_cause() -> None:
    assert END_CAUSE == {
        R.NOT_FOUND: EndCause.OUT_OF_REACH,
        R.NO_PERMISSION: EndCause.ACTOR_LOST_PERMISSION,
        R.SELF: EndCause.OUT_OF_REACH,
        R.NESTED: EndCause.OUT_OF_REACH,
        R.INACTIVE: EndCause.TARGET_DEACTIVATED,
        R.EXTERNAL: EndCause.TARGET_BECAME_EXTERNAL,
        R.NOT_DELEGATE: EndCause.DELEGATE_REMOVED,
        R.OUT_OF_REACH: EndCause.OUT_OF_REACH,
        R.NO_CLIMBING: EndCause.BECAME_PROTECTED,
        R.EDITION: EndCause.EDITION_CHANGED,
        R.PROTECTED: EndCause.BECAME_PROTECTED,
        R.NOT_PROVISIONED: EndCause.DEPROVISIONED,
        R.GRANT_EXPIRED: EndCause.GRANT_EXPIRED,
        R.OFF: EndCause.POLICY_CHANGED,
        R.NO_GRANT: EndCause.GRANT_REVOKED,
        R.NOT_AVAILABLE: EndCause.POLICY_CHANGED,
    }
    assert set(END_CAUSE) == set(Refusal)


# --- the verdict and the facts ---------------------------------------------------------------------------------------


def test_verdict_yes_is_true_and_wordless() -> None:
    assert (bool(ANY), ANY.reason, ANY.short) == (True, "", "")


@pytest.mark.parametrize("refusal", Refusal)
def test_verdict_no_is_false_and_gives_its_reason(refusal: Refusal) -> None:
    verdict = Verdict(refusal)

    assert (bool(verdict), verdict.reason, verdict.short) == (False, refusal.label, refusal.short)
    assert 0 < len(refusal.short.split()) <= 3


def test_verdict_of_the_second_condition_says_whom_to_ask() -> None:
    assert Verdict(R.NO_PERMISSION).reason == (
        "To log in as users you need Modify All Data and Manage Users on your profile. Ask your administrator."
    )


def test_facts_are_read_from_organization_and_policy() -> None:
    organization = Organization(
        edition=Edition.UNLIMITED, provisioned=True, edition_lost_at=AT - MINUTE, deprovisioned_at=AT - 2 * MINUTE
    )
    policy = LoginAccessPolicy(any_user_login=True, protect_administrators=True, login_access_lost_at=AT)

    assert Facts.of(organization, policy, is_impersonating=True) == Facts(
        edition=Edition.UNLIMITED,
        provisioned=True,
        any_user_login=True,
        protect_administrators=True,
        edition_lost_at=AT - MINUTE,
        deprovisioned_at=AT - 2 * MINUTE,
        login_access_lost_at=AT,
        is_impersonating=True,
    )


@pytest.mark.parametrize("state", ANY_USER)
def test_any_user_login_is_in_effect_where_eligible_provisioned_and_ticked(state: str) -> None:
    assert KINDS["plain"].facts(**ANY_USER[state]).is_any_user_login_in_effect is (state == "in effect")


@pytest.mark.parametrize(
    ("grant", "is_live", "has_run_out"),
    [("live", True, False), ("expired", False, True), ("revoked", False, False), ("revoked, run out", False, False)],
)
def test_grant_is_live_or_has_run_out_or_neither(grant: str, is_live: bool, has_run_out: bool) -> None:
    one = GRANTS[grant]

    assert one is not None
    assert (one.is_live(AT), one.has_run_out(AT)) == (is_live, has_run_out)
