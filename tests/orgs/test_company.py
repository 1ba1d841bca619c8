"""Company Information."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from orgs.editions import Edition
from orgs.models import LoginAccessPolicy, Organization
from tests.queries import captured_queries

from .reading import inputs_of, main_of, part_of, rows_of

if TYPE_CHECKING:
    from accounts.models import User
    from accounts.testing import PortalClient

ClientOf = Callable[["User"], "PortalClient"]

PAGE = "/setup/company/"
FEATURE = "Administrators Can Log in as Any User"


@pytest.fixture
def dated(acme: Organization) -> Organization:
    """Acme, made at a time that a test can write down."""
    acme.created_at = acme.created_at.replace(year=2026, month=11, day=1, hour=9, minute=0, second=0, microsecond=0)
    acme.save()
    return acme


def test_page_shows_what_the_organization_is(dated: Organization, audrey: "User", client_of: ClientOf) -> None:
    response = client_of(audrey).get(PAGE)

    assert part_of(response, "Organization") == (
        f"Name Acme Organization ID {dated.reference} Edition Enterprise Edition Account Executive None "
        "Created 2026-11-01 09:00:00 UTC"
    )


def test_page_names_the_account_executive(dated: Organization, audrey: "User", client_of: ClientOf) -> None:
    dated.account_executive_name = "Erin Vale"
    dated.account_executive_email = "erin@sales.example"
    dated.account_executive_phone = "+1 415 555 0117"
    dated.save()

    response = client_of(audrey).get(PAGE)

    assert part_of(response, "Organization") == (
        f"Name Acme Organization ID {dated.reference} Edition Enterprise Edition "
        "Account Executive Erin Vale (erin@sales.example, +1 415 555 0117) Created 2026-11-01 09:00:00 UTC"
    )


@pytest.mark.parametrize(
    ("edition", "provisioned", "is_ticked", "row"),
    [
        (Edition.ENTERPRISE, True, True, ["Yes", "Yes", "Yes"]),
        (Edition.ENTERPRISE, True, False, ["Yes", "Yes", "No, switched off"]),
        (Edition.ENTERPRISE, False, True, ["Yes", "No", "No"]),
        (Edition.PROFESSIONAL, True, True, ["No", "Yes", "No"]),
        (Edition.PROFESSIONAL, False, False, ["No", "No", "No"]),
    ],
)
def test_page_keeps_eligible_provisioned_and_in_effect_apart(
    *,
    acme: Organization,
    audrey: "User",
    client_of: ClientOf,
    edition: Edition,
    provisioned: bool,
    is_ticked: bool,
    row: list[str],
) -> None:
    Organization.objects.update(edition=edition, provisioned=provisioned)
    LoginAccessPolicy.objects.update(any_user_login=is_ticked)

    response = client_of(audrey).get(PAGE)

    assert rows_of(response) == [[FEATURE, *row]]


def test_page_is_read_only(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    client = client_of(ada)

    response = client.get(PAGE)

    assert inputs_of(response) == {}
    assert "<form" not in main_of(response)
    assert client.post(PAGE).status_code == 405


def test_whoever_may_not_open_setup_is_refused(acme: Organization, grace: "User", client_of: ClientOf) -> None:
    assert client_of(grace).get(PAGE).status_code == 403


def test_page_asks_for_the_person_and_the_policy(acme: Organization, audrey: "User", client_of: ClientOf) -> None:
    client = client_of(audrey)

    with captured_queries() as queries:
        client.get(PAGE)

    assert len(queries) == 2, queries
