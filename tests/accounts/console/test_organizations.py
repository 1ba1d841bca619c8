"""Organizations in the operator console: found and shown."""

import re
from typing import TYPE_CHECKING

import pytest

from accounts.models import User
from orgs.editions import Edition
from orgs.models import (
    ActivationRequest,
    Organization,
)
from tests.accounts.reading import html_of
from tests.factories import OrganizationFactory

from .reading import facts_of, rows_of, to

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]

pytestmark = pytest.mark.django_db


def test_list_holds_the_customers(sam: User, acme: Organization, initech: Organization, client_of: "ClientOf") -> None:
    Organization.objects.filter(pk=acme.pk).update(account_executive_name="Nora Fields")
    OrganizationFactory.create(name="Globex", edition=Edition.PROFESSIONAL)
    names = ("Acme", "Globex", "Initech")
    ids = [Organization.objects.get(name=name).reference for name in names]

    rows = rows_of(client_of(sam).get(to("orgs_organization_changelist")))

    assert rows == [
        ["Acme", ids[0], "Enterprise", "Provisioned", "Nora Fields"],
        ["Globex", ids[1], "Professional", "Not in this edition (provisioned)", "–"],
        ["Initech", ids[2], "Unlimited", "Not provisioned", "–"],
    ]


def test_list_is_searched_and_filtered(
    sam: User, acme: Organization, initech: Organization, client_of: "ClientOf"
) -> None:
    client, address = client_of(sam), to("orgs_organization_changelist")

    def found(**query: str) -> list[str]:
        return [row[0] for row in rows_of(client.get(address, query))]

    assert found(q="ini") == ["Initech"]
    assert found(q=acme.reference) == ["Acme"]
    assert found(q="00D000000000000") == []
    assert found(q="nobody") == []
    assert found(edition__exact="unlimited") == ["Initech"]
    assert found(provisioned__exact="1") == ["Acme"]
    assert found(p="1") == ["Acme", "Initech"]


@pytest.mark.parametrize(
    "query",
    ["created_at__gt=2000-01-01", "foo=1", "o=1", "all=", "_popup=1", "_to_field=name", "e=1", "users__password=x"],
)
def test_address_of_a_list_asks_for_nothing_else(query: str, sam: User, client_of: "ClientOf") -> None:
    address = to("orgs_organization_changelist")

    assert client_of(sam).get(f"{address}?{query}").headers["Location"] == address


@pytest.mark.parametrize(
    "query", ["provisioned__exact=maybe", "edition__foo=1", "p=x", "p=99", "q=%00", "q=" + "x" * 5000]
)
def test_odd_queries_are_no_error_of_the_servers(
    query: str, sam: User, acme: Organization, client_of: "ClientOf"
) -> None:
    assert client_of(sam).get(f"{to('orgs_organization_changelist')}?{query}", follow=True).status_code == 200


def test_page_shows_an_organization(sally: User, acme: Organization, client_of: "ClientOf") -> None:
    acme.account_executive_name, acme.account_executive_phone = "Nora Fields", "+1 415 555 0142"
    acme.save()

    page = client_of(sally).get(to("orgs_organization_change", acme.pk))

    assert facts_of(page) == {
        "Name": "Acme",
        "Organization id": acme.reference,
        "Edition": "Enterprise",
        "Administrators Can Log in as Any User": "Provisioned",
        "Account Executive": "Nora Fields (+1 415 555 0142)",
        "Created": f"{acme.created_at:%Y-%m-%d %H:%M} UTC",
    }


@pytest.mark.parametrize(
    ("edition", "provisioned", "acts"),
    [
        ("enterprise", True, ["edition", "account-executive", "deprovision"]),
        ("enterprise", False, ["edition", "account-executive", "provision"]),
        ("professional", False, ["edition", "account-executive"]),
        ("professional", True, ["edition", "account-executive", "deprovision"]),
    ],
)
def test_page_offers_sales_what_can_be_done(
    edition: str, provisioned: bool, acts: list[str], sally: User, sam: User, acme: Organization, client_of: "ClientOf"
) -> None:
    Organization.objects.filter(pk=acme.pk).update(edition=edition, provisioned=provisioned)

    offered = {
        user.first_name: re.findall(
            rf'href="/admin/orgs/organization/{acme.pk}/([a-z-]+)/"',
            html_of(client_of(user).get(to("orgs_organization_change", acme.pk))),
        )
        for user in (sally, sam)
    }

    assert offered == {"Sally": acts, "Sam": []}


@pytest.mark.parametrize(
    ("who", "edition", "is_shown"),
    [("sam", "professional", True), ("sam", "enterprise", False), ("sally", "professional", False)],
)
def test_support_sees_what_to_tell_an_ineligible_organization(
    who: str, edition: str, is_shown: bool, acme: Organization, client_of: "ClientOf", request: pytest.FixtureRequest
) -> None:
    Organization.objects.filter(pk=acme.pk).update(edition=edition, account_executive_name="Nora Fields")

    page = client_of(request.getfixturevalue(who)).get(to("orgs_organization_change", acme.pk))

    sentence = "Please ask your Account Executive, Nora Fields."
    assert (sentence in html_of(page)) is is_shown


@pytest.mark.parametrize(
    ("who", "state", "is_shown"),
    [
        ("sam", "open", True),
        ("sam", "approved", True),
        ("sam", "declined", False),
        ("sally", "open", False),
        ("sally", "approved", True),
    ],
)
def test_page_of_an_organization_leads_to_its_request(
    who: str,
    state: str,
    is_shown: bool,
    initech: Organization,
    asked: ActivationRequest,
    client_of: "ClientOf",
    request: pytest.FixtureRequest,
) -> None:
    ActivationRequest.objects.filter(pk=asked.pk).update(state=state)

    page = client_of(request.getfixturevalue(who)).get(to("orgs_organization_change", initech.pk))

    assert (to("orgs_activationrequest_change", asked.pk) in html_of(page)) is is_shown
