"""What rows of the trail hold, in words."""

from typing import TYPE_CHECKING, Any

import pytest

from orgs.audit import AuditAction as A
from orgs.audit_words import Change, changes_of
from orgs.models import AuditEvent
from tests.factories import OrganizationFactory

if TYPE_CHECKING:
    from orgs.models import Organization


def changes(action: str, before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    return changes_of(AuditEvent(action=action, before=before, after=after))


def test_what_a_row_holds_stands_in_the_order_of_its_names() -> None:
    found = changes(A.USER_CHANGED, {"last_name": "Murray", "alias": ""}, {"last_name": "Hopper", "alias": "grace"})

    assert found == [Change("Alias", "–", "grace"), Change("Last name", "Murray", "Hopper")]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        ("", "–"),
        (True, "Yes"),
        (False, "No"),
        (0, "0"),
        ([], "–"),
        (["Ada Lovelace", "Alan Turing"], "Ada Lovelace, Alan Turing"),
        ("2026-11-22T15:00:00+00:00", "2026-11-22 15:00:00 UTC"),
        ("2026-11-22T15:00:00.123456+00:00", "2026-11-22 15:00:00 UTC"),
        ("2026-11-22T17:00:00+02:00", "2026-11-22 15:00:00 UTC"),
        ("2026-11-22T15:00:00Z", "2026-11-22 15:00:00 UTC"),
        (["2026-11-22T15:00:00+00:00"], "2026-11-22 15:00:00 UTC"),
        ("2026-11-22T15:00:00", "2026-11-22T15:00:00"),
        ("2026-13-22T15:00:00+00:00", "2026-13-22T15:00:00+00:00"),
        ("logged_out", "logged_out"),
    ],
)
def test_what_nobody_knows_more_about_is_written_as_it_is(value: object, words: str) -> None:
    assert changes("something.nobody_knows", {}, {"value": value}) == [Change("Value", "–", words)]


@pytest.mark.parametrize(
    ("action", "name", "before", "after", "change"),
    [
        (
            A.POLICY_CHANGED,
            "any_user_login",
            False,
            True,
            Change("Administrators Can Log in as Any User", "Off", "On"),
        ),
        (A.POLICY_CHANGED, "time_limit_minutes", 60, 15, Change("Time limit", "60 minutes", "15 minutes")),
        (A.POLICY_CHANGED, "ticket_pattern", "", "[A-Z]+", Change("Pattern for ticket numbers", "–", "[A-Z]+")),
        (
            A.POLICY_CHANGED,
            "availability",
            "users",
            "administrators",
            Change("Availability", "Available to Users", "Available to Administrators Only"),
        ),
        (A.SESSION_SETTINGS_CHANGED, "idle_minutes", 30, 120, Change("Timeout", "30 minutes", "2 hours")),
        (
            A.SESSION_SETTINGS_CHANGED,
            "force_relogin",
            True,
            False,
            Change("Force relogin after Login-As-User", "On", "Off"),
        ),
        (A.EDITION_CHANGED, "edition", "professional", "enterprise", Change("Edition", "Professional", "Enterprise")),
        (A.EDITION_CHANGED, "edition", "platinum", "enterprise", Change("Edition", "platinum", "Enterprise")),
        (A.ACTIVATION_APPROVED, "state", "open", "approved", Change("State", "Open", "Approved, waiting for Sales")),
        (
            A.PROFILE_CHANGED,
            "permissions",
            ["view_setup"],
            ["view_setup", "fly"],
            Change("Permissions", "View Setup and Configuration", "View Setup and Configuration, fly"),
        ),
    ],
)
def test_codes_are_written_as_their_pages_call_them(
    action: A, name: str, before: object, after: object, change: Change
) -> None:
    assert changes(action, {name: before}, {name: after}) == [change]


def test_a_download_says_its_format_and_its_kind_of_event() -> None:
    assert changes(A.EXPORTED, {}, {"format": "csv", "action": "user.frozen"}) == [
        Change("Action", "–", "User frozen"),
        Change("Format", "–", "CSV"),
    ]


@pytest.mark.django_db
def test_a_support_organization_is_named(acme: "Organization") -> None:
    support: Organization = OrganizationFactory.create(name="Vendor Support")

    ids = {"support_organization": support.pk}, {"support_organization": acme.pk + support.pk}

    assert changes(A.POLICY_CHANGED, *ids) == [
        Change("Support organization", "Vendor Support", str(acme.pk + support.pk))
    ]
