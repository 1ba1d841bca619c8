"""The truth table of "may X log in as Y, and why not?".

Everything is asked in one set-up in which the answer is yes, changed in what a row names. No test here touches the
database: the rule is pure.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.enums import END_CAUSE, Basis, EndCause, Refusal
from accounts.login_access import Facts, Running, Verdict, may_impersonate
from accounts.models import Profile, User
from orgs.editions import Edition
from orgs.models import LoginAccessPolicy, Organization
from orgs.permissions import ADMINISTRATOR_BITS, Permission, to_bits, with_needs

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
YES = Verdict(basis=Basis.ANY_USER)
FACTS = Facts(edition=Edition.ENTERPRISE, provisioned=True, any_user_login=True)
RUNNING = Running(basis=Basis.ANY_USER, started_at=AT - timedelta(minutes=5))

# The first refusal that applies is given, in this order; each row is the one fact that turns the yes into this no.
TABLE: list[tuple[Refusal, dict[str, Any]]] = [
    (Refusal.NOT_FOUND, {"target_organization": 2}),
    (Refusal.NO_PERMISSION, {"actor_bits": 0}),
    (Refusal.SELF, {"target_pk": 1}),
    (Refusal.NESTED, {"is_impersonating": True}),
    (Refusal.INACTIVE, {"target_active": False}),
    (Refusal.EXTERNAL, {"target_external": True}),
    (Refusal.EDITION, {"edition": Edition.PROFESSIONAL}),
    (Refusal.PROTECTED, {"protect_administrators": True}),
    (Refusal.NOT_PROVISIONED, {"provisioned": False}),
    (Refusal.OFF, {"any_user_login": False}),
]
MANAGE_USERS_ALONE = to_bits(with_needs({Permission.MANAGE_USERS}))
MODIFY_ALL_DATA_ALONE = to_bits(with_needs({Permission.MODIFY_ALL_DATA}))


def person(pk: int, *, organization: int = 1, bits: int = ADMINISTRATOR_BITS, **fields: Any) -> User:
    """Return an administrator of the organization that all are in, changed in what is named."""
    profile = Profile(pk=pk, permission_bits=bits, is_external=fields.pop("is_external", False))
    return User(pk=pk, organization_id=organization, profile=profile, **fields)


def ask(running: Running | None = None, **changes: Any) -> Verdict:
    """Ask whether one administrator may log in as another, where nothing speaks against it but ``changes``."""
    target = person(
        changes.pop("target_pk", 2),
        organization=changes.pop("target_organization", 1),
        bits=changes.pop("target_bits", ADMINISTRATOR_BITS),
        is_active=changes.pop("target_active", True),
        is_frozen=changes.pop("target_frozen", False),
        is_external=changes.pop("target_external", False),
    )
    actor = person(1, bits=changes.pop("actor_bits", ADMINISTRATOR_BITS))
    facts = replace(FACTS, **changes)
    return may_impersonate(actor=actor, target=target, facts=facts, at=AT, running=running)


def test_rule_says_yes_where_nothing_speaks_against_it() -> None:
    assert ask() == YES


@pytest.mark.parametrize(("refusal", "change"), TABLE)
def test_rule_refuses(refusal: Refusal, change: dict[str, Any]) -> None:
    assert ask(**change) == Verdict(refusal)


def test_every_refusal_has_its_row_in_the_order_of_the_rule() -> None:
    assert [refusal for refusal, _ in TABLE] == list(Refusal)


@pytest.mark.parametrize("place", range(len(TABLE)))
def test_rule_gives_the_first_refusal_that_applies(place: int) -> None:
    refusal = TABLE[place][0]
    this_and_all_after_it: dict[str, Any] = {}
    for _, change in TABLE[place:]:
        this_and_all_after_it |= change

    assert ask(**this_and_all_after_it) == Verdict(refusal)


def test_rule_answers_an_unknown_target_as_a_foreign_one() -> None:
    foreign = ask(target_organization=2)

    unknown = may_impersonate(actor=person(1), target=None, facts=FACTS, at=AT)

    assert unknown == foreign == Verdict(Refusal.NOT_FOUND)


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        (ADMINISTRATOR_BITS, YES),
        (MANAGE_USERS_ALONE, Verdict(Refusal.NO_PERMISSION)),
        (MODIFY_ALL_DATA_ALONE, Verdict(Refusal.NO_PERMISSION)),
        (0, Verdict(Refusal.NO_PERMISSION)),
    ],
)
def test_rule_needs_both_permissions_of_the_actor(bits: int, expected: Verdict) -> None:
    assert ask(actor_bits=bits) == expected


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        (ADMINISTRATOR_BITS, Verdict(Refusal.PROTECTED)),
        (MANAGE_USERS_ALONE, YES),
        (MODIFY_ALL_DATA_ALONE, YES),
        (0, YES),
    ],
)
def test_rule_protects_administrators_only(bits: int, expected: Verdict) -> None:
    assert ask(protect_administrators=True, target_bits=bits) == expected


def test_rule_lets_a_frozen_target_be_logged_in_as() -> None:
    assert ask(target_frozen=True) == YES


@pytest.mark.parametrize(
    ("edition", "expected"),
    [
        (Edition.ESSENTIALS, Verdict(Refusal.EDITION)),
        (Edition.GROUP, Verdict(Refusal.EDITION)),
        (Edition.PROFESSIONAL, Verdict(Refusal.EDITION)),
        (Edition.ENTERPRISE, YES),
        (Edition.PERFORMANCE, YES),
        (Edition.UNLIMITED, YES),
        (Edition.DEVELOPER, YES),
    ],
)
def test_rule_asks_the_edition(edition: Edition, expected: Verdict) -> None:
    assert ask(edition=edition) == expected


# --- asked again, in the middle of a visit ---------------------------------------------------------------------------


def test_rule_does_not_ask_a_running_visit_whether_it_is_one() -> None:
    assert ask(running=RUNNING, is_impersonating=True) == YES


@pytest.mark.parametrize(("refusal", "change"), [row for row in TABLE if row[0] != Refusal.NESTED])
def test_rule_refuses_a_running_visit_for_the_same_reasons(refusal: Refusal, change: dict[str, Any]) -> None:
    assert ask(running=RUNNING, is_impersonating=True, **change) == Verdict(refusal)


@pytest.mark.parametrize(
    ("lost_at", "expected"),
    [
        (None, YES),
        (RUNNING.started_at - timedelta(microseconds=1), YES),
        (RUNNING.started_at, Verdict(Refusal.OFF)),
        (RUNNING.started_at + timedelta(microseconds=1), Verdict(Refusal.OFF)),
    ],
)
def test_rule_ends_a_visit_whose_ground_was_gone_for_a_while(lost_at: datetime | None, expected: Verdict) -> None:
    assert ask(running=RUNNING, login_access_lost_at=lost_at) == expected


def test_rule_lets_a_new_visit_start_after_the_ground_was_gone_for_a_while() -> None:
    assert ask(login_access_lost_at=AT) == YES


def test_every_refusal_of_a_running_visit_has_its_end_cause() -> None:
    assert END_CAUSE == {
        Refusal.NOT_FOUND: EndCause.OUT_OF_REACH,
        Refusal.NO_PERMISSION: EndCause.ACTOR_LOST_PERMISSION,
        Refusal.SELF: EndCause.OUT_OF_REACH,
        Refusal.NESTED: EndCause.OUT_OF_REACH,
        Refusal.INACTIVE: EndCause.TARGET_DEACTIVATED,
        Refusal.EXTERNAL: EndCause.TARGET_BECAME_EXTERNAL,
        Refusal.EDITION: EndCause.EDITION_CHANGED,
        Refusal.PROTECTED: EndCause.BECAME_PROTECTED,
        Refusal.NOT_PROVISIONED: EndCause.DEPROVISIONED,
        Refusal.OFF: EndCause.POLICY_CHANGED,
    }
    assert set(END_CAUSE) == set(Refusal)


# --- the verdict and the facts ---------------------------------------------------------------------------------------


def test_verdict_yes_is_true_and_wordless() -> None:
    assert (bool(YES), YES.reason, YES.short) == (True, "", "")


@pytest.mark.parametrize("refusal", Refusal)
def test_verdict_no_is_false_and_gives_its_reason(refusal: Refusal) -> None:
    verdict = Verdict(refusal)

    assert (bool(verdict), verdict.reason, verdict.short) == (False, refusal.label, refusal.short)
    assert 0 < len(refusal.short.split()) <= 3


def test_verdict_of_the_second_condition_says_whom_to_ask() -> None:
    assert Verdict(Refusal.NO_PERMISSION).reason == (
        "To log in as users you need Modify All Data and Manage Users on your profile. Ask your administrator."
    )


def test_facts_are_read_from_organization_and_policy() -> None:
    organization = Organization(edition=Edition.UNLIMITED, provisioned=True)
    policy = LoginAccessPolicy(any_user_login=True, protect_administrators=True, login_access_lost_at=AT)

    assert Facts.of(organization, policy, is_impersonating=True) == Facts(
        edition=Edition.UNLIMITED,
        provisioned=True,
        any_user_login=True,
        protect_administrators=True,
        login_access_lost_at=AT,
        is_impersonating=True,
    )


@pytest.mark.parametrize("change", [{}, {"edition": Edition.GROUP}, {"provisioned": False}, {"any_user_login": False}])
def test_any_user_login_is_in_effect_where_eligible_provisioned_and_ticked(change: dict[str, Any]) -> None:
    assert replace(FACTS, **change).is_any_user_login_in_effect is (change == {})
