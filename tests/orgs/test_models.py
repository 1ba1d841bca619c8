"""What the database itself refuses, and how rows name themselves."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from orgs.models import ActivationRequest, LoginAccessPolicy, Organization, SessionSettings, SupportAccess
from tests.factories import ActivationRequestFactory, SupportAccessFactory


def test_rows_name_their_organization(acme: Organization) -> None:
    assert [str(row) for row in (acme, acme.login_access_policy, acme.session_settings)] == [
        "Acme",
        "Login access policy of Acme",
        "Session settings of Acme",
    ]


def test_the_reference_is_fifteen_characters_that_can_be_read_out() -> None:
    assert Organization(pk=42).reference == "00D000000000042"


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (Organization, {"edition": "platinum"}),
        (Organization, {"kind": "partner"}),
        (LoginAccessPolicy, {"time_limit_minutes": 4}),
        (LoginAccessPolicy, {"time_limit_minutes": 481}),
        (SessionSettings, {"idle_minutes": 14}),
        (SessionSettings, {"idle_minutes": 1441}),
        (SessionSettings, {"absolute_hours": 0}),
        (SessionSettings, {"absolute_hours": 25}),
        (SessionSettings, {"idle_minutes": 121, "absolute_hours": 2}),
    ],
)
def test_the_database_refuses_what_makes_no_sense(acme: Organization, model: Any, change: dict[str, Any]) -> None:  # noqa: ANN401
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.update(**change)


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (Organization, {"edition": "group", "kind": "operator"}),
        (LoginAccessPolicy, {"time_limit_minutes": 5}),
        (LoginAccessPolicy, {"time_limit_minutes": 480}),
        (SessionSettings, {"idle_minutes": 15, "absolute_hours": 1}),
        (SessionSettings, {"idle_minutes": 120, "absolute_hours": 2}),
        (SessionSettings, {"idle_minutes": 1440, "absolute_hours": 24}),
    ],
)
def test_the_database_takes_the_ends_of_each_range(acme: Organization, model: Any, change: dict[str, Any]) -> None:  # noqa: ANN401
    assert model.objects.update(**change) == 1


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (LoginAccessPolicy, {"access_mode": "none"}),
        (LoginAccessPolicy, {"sign_in_again_minutes": 0}),
        (LoginAccessPolicy, {"sign_in_again_minutes": 1441}),
        (SupportAccess, {"availability": "nobody"}),
        (ActivationRequest, {"state": "lost"}),
    ],
)
def test_the_database_refuses_what_no_page_offers(acme: Organization, model: Any, change: dict[str, Any]) -> None:  # noqa: ANN401
    ActivationRequestFactory.create(requested_by__organization=acme)
    SupportAccessFactory.create(organization=acme)

    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.update(**change)


def test_a_decision_about_a_support_organization_reads_as_its_words() -> None:
    support = Organization(name="Portal Support")

    assert (
        str(SupportAccess(support_organization=support, availability="users")) == "Portal Support: Available to Users"
    )


def test_an_activation_request_reads_as_whose_and_how_far() -> None:
    acme = Organization(name="Acme")

    assert str(ActivationRequest(organization=acme, state="approved")) == "Acme: Approved, waiting for Sales"
