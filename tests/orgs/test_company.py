"""Company Information."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from orgs.editions import Edition
from orgs.models import AuditEvent, LoginAccessPolicy, Organization
from tests.factories import ActivationRequestFactory
from tests.queries import captured_queries

from .reading import alerts_of, errors_of, inputs_of, main_of, part_of, rows_of

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


def test_page_itself_is_read_only(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    client = client_of(ada)

    response = client.get(PAGE)

    assert inputs_of(response) == {}
    assert "<form" not in main_of(response)
    assert client.post(PAGE).status_code == 405


# --- what became of asking for any-user login --------------------------------------------------------------------

REQUEST = '<a class="btn btn-primary" href="/setup/company/request-activation/">Request activation</a>'


@pytest.mark.parametrize(
    ("who", "edition", "provisioned", "state", "has_link"),
    [
        ("ada", Edition.ENTERPRISE, False, None, True),
        ("ada", Edition.ENTERPRISE, False, "declined", True),
        ("ada", Edition.ENTERPRISE, False, "open", False),
        ("ada", Edition.ENTERPRISE, False, "approved", False),
        ("ada", Edition.ENTERPRISE, True, None, False),
        ("ada", Edition.PROFESSIONAL, False, None, False),
        ("audrey", Edition.ENTERPRISE, False, None, False),
    ],
)
def test_administrators_request_activation_where_it_is_missing_and_none_is_under_way(
    *,
    ada: "User",
    request: pytest.FixtureRequest,
    client_of: ClientOf,
    who: str,
    edition: Edition,
    provisioned: bool,
    state: str | None,
    has_link: bool,
) -> None:
    Organization.objects.update(edition=edition, provisioned=provisioned)
    if state:
        ActivationRequestFactory.create(requested_by=ada, state=state)

    response = client_of(request.getfixturevalue(who)).get(PAGE)

    assert (REQUEST in main_of(response)) is has_link
    assert bool(part_of(response, "Activation")) is (has_link or state is not None)


def test_page_shows_how_far_the_request_is(ada: "User", audrey: "User", client_of: ClientOf) -> None:
    ActivationRequestFactory.create(requested_by=ada)

    response = client_of(audrey).get(PAGE)

    assert part_of(response, "Activation") == (
        "Requested By Ada Lovelace, just now State Open Support has not answered yet."
    )


@pytest.mark.parametrize(
    ("provisioned", "is_on", "edition", "says"),
    [
        (True, False, Edition.ENTERPRISE, "just now It can now be enabled in Login Access Policies."),
        (True, True, Edition.ENTERPRISE, "just now"),
        (True, False, Edition.PROFESSIONAL, "just now"),
        (False, False, Edition.ENTERPRISE, "just now. It has been taken back since. Request activation"),
    ],
)
def test_page_says_when_it_can_be_enabled(
    *, ada: "User", client_of: ClientOf, provisioned: bool, is_on: bool, edition: Edition, says: str
) -> None:
    ActivationRequestFactory.create(requested_by=ada, state="done", done_at=timezone.now())
    Organization.objects.update(provisioned=provisioned, edition=edition)
    LoginAccessPolicy.objects.update(any_user_login=is_on)

    response = client_of(ada).get(PAGE)

    assert part_of(response, "Activation") == f"Requested By Ada Lovelace, just now State Provisioned {says}"


# --- its name ----------------------------------------------------------------------------------------------------

EDIT = "/setup/company/edit/"


@pytest.mark.parametrize(("who", "has_link"), [("ada", True), ("audrey", False)])
def test_those_with_customize_application_are_led_to_edit(
    request: pytest.FixtureRequest, client_of: ClientOf, who: str, has_link: bool
) -> None:
    response = client_of(request.getfixturevalue(who)).get(PAGE)

    assert (f'href="{EDIT}"' in main_of(response)) is has_link


def test_the_name_is_saved(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    client = client_of(ada)
    assert inputs_of(client.get(EDIT)) == {"name": "Acme"}

    response = client.post(EDIT, {"name": " Acme  Corporation "}, follow=True)

    assert response.redirect_chain == [(PAGE, 302)]
    assert alerts_of(response) == ["Company Information saved."]
    assert part_of(response, "Organization").startswith("Name Acme Corporation Organization ID")
    assert AuditEvent.objects.get().sentence == "Changed organization name from Acme to Acme Corporation"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", "This field is required."),
        ("  ", "This field is required."),
        ("x" * 81, "Ensure this value has at most 80 characters (it has 81)."),
        ("Ac\u202eme", "This holds characters that cannot be shown. Type it anew."),
        ("\u200b", "Nothing of this shows on a page. Type a name."),
        ("Globex", "This name is taken. Names of organizations are unique everywhere."),
        ("gLOBEX", "This name is taken. Names of organizations are unique everywhere."),
    ],
)
def test_a_bad_name_is_said_beside_it_and_kept(
    acme: Organization, ada: "User", stranger: "User", client_of: ClientOf, typed: str, told: str
) -> None:
    response = client_of(ada).post(EDIT, {"name": typed})

    assert response.status_code == 422
    assert errors_of(response) == [told]
    assert inputs_of(response) == {"name": typed}
    assert Organization.objects.get(pk=acme.pk).name == "Acme"


@pytest.mark.parametrize("who", ["hedy", "audrey", "grace"])
def test_others_do_not_rename(
    acme: Organization, request: pytest.FixtureRequest, client_of: ClientOf, who: str
) -> None:
    client = client_of(request.getfixturevalue(who))

    assert (client.get(EDIT).status_code, client.post(EDIT, {"name": "Else"}).status_code) == (403, 403)
    assert Organization.objects.get(pk=acme.pk).name == "Acme"


def test_whoever_may_not_open_setup_is_refused(acme: Organization, grace: "User", client_of: ClientOf) -> None:
    assert client_of(grace).get(PAGE).status_code == 403


def test_page_asks_for_the_person_the_policy_and_the_request(
    acme: Organization, audrey: "User", client_of: ClientOf
) -> None:
    client = client_of(audrey)

    with captured_queries() as queries:
        client.get(PAGE)

    assert len(queries) == 3, queries
