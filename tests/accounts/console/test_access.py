"""The operator console: who may open what there, its frame, and that no page shows a secret."""

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.admin.models import LogEntry

from accounts.models import Session, User
from orgs.models import ActivationRequest, Organization
from orgs.services.activation_requests import approve_activation_request
from portal.console import console
from tests.accounts.reading import html_of
from tests.portal.test_urls import CONSOLE_PAGES, ODD_IDS, ROUTES

from .reading import WAYNE, as_themselves, to

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]

pytestmark = pytest.mark.django_db


# --- who opens what ----------------------------------------------------------------------------------------------

# Nobody; an administrator of a customer; Sales; Support. GET and POST without any field.
WHO = ("anonymous", "ada", "sally", "sam")
READ = ((302, 403, 200, 200), (302, 403, 405, 405))
OF_SALES = ((302, 403, 200, 403), (302, 403, 422, 403))
CONFIRMED = ((302, 403, 200, 403), (302, 403, 302, 403))

# Initech's page, its approved request, and Joan's page, who granted access.
ACCESS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "admin:index": READ,
    "admin:orgs_organization_changelist": READ,
    "admin:orgs_organization_change": READ,
    "admin:orgs_organization_add": OF_SALES,
    "admin:orgs_organization_edition": OF_SALES,
    "admin:orgs_organization_account_executive": CONFIRMED,
    "admin:orgs_organization_provision": CONFIRMED,
    "admin:orgs_organization_deprovision": CONFIRMED,
    "admin:orgs_activationrequest_changelist": READ,
    "admin:orgs_activationrequest_change": READ,
    "admin:orgs_activationrequest_answer": ((302, 403, 403, 200), (302, 403, 403, 422)),
    "admin:accounts_user_changelist": ((302, 403, 403, 200), (302, 403, 405, 405)),
    "admin:accounts_user_change": ((302, 403, 403, 200), (302, 403, 405, 405)),
}


@pytest.fixture
def clients(
    ada: User, sally: User, sam: User, client_of: "ClientOf", anonymous: "PortalClient"
) -> "dict[str, PortalClient]":
    return {"anonymous": anonymous, "ada": client_of(ada), "sally": client_of(sally), "sam": client_of(sam)}


@pytest.fixture
def addresses(joan: User, initech: Organization, asked: ActivationRequest, sam: User) -> dict[str, str]:
    """Every page of the console, about rows that are there."""
    approve_activation_request(asked, origin=as_themselves(sam))
    ids = {"organization_id": initech.pk, "activation_id": asked.pk, "person_id": joan.pk}
    return {name: ROUTES[name].to(**ids) for name in CONSOLE_PAGES}


def test_every_page_has_a_row() -> None:
    assert sorted(ACCESS) == sorted(CONSOLE_PAGES)


@pytest.mark.parametrize("name", ACCESS)
def test_access(name: str, clients: "dict[str, PortalClient]", addresses: dict[str, str]) -> None:
    got, headed, posted = (
        tuple(client.generic(method, addresses[name]).status_code for client in clients.values())
        for method in ("GET", "HEAD", "POST")
    )

    assert (got, posted) == ACCESS[name]
    assert headed == got


@pytest.mark.parametrize("name", ACCESS)
def test_no_page_of_the_console_is_kept(
    name: str, clients: "dict[str, PortalClient]", addresses: dict[str, str]
) -> None:
    kept = {who: clients[who].get(addresses[name]).headers.get("Cache-Control") for who in ("ada", "sally", "sam")}

    assert kept == {"ada": "no-store", "sally": "no-store", "sam": "no-store"}


def test_anonymous_is_sent_to_sign_in_and_then_back(anonymous: "PortalClient") -> None:
    assert anonymous.get("/admin/").headers["Location"] == "/login/?next=/admin/"


def test_customer_is_told_on_the_portals_own_page(ada: User, client_of: "ClientOf") -> None:
    page = client_of(ada).get("/admin/")

    assert page.status_code == 403
    assert "The operator console is for the vendor&#x27;s own staff." in page.content.decode()
    assert 'name="password"' not in page.content.decode()


@pytest.mark.parametrize("change", [{"operator_role": ""}, {"organization": "customer"}])
def test_console_closes_with_the_role_and_the_organization(
    change: dict[str, str], sam: User, acme: Organization, client_of: "ClientOf"
) -> None:
    client = client_of(sam)
    before = client.get("/admin/").status_code
    if "organization" in change:
        Organization.objects.filter(pk=sam.organization_id).update(kind="customer")
    else:
        User.objects.filter(pk=sam.pk).update(**change)

    assert (before, client.get("/admin/").status_code) == (200, 403)


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/admin/login/", "/login/"),
        ("/admin/login/?next=/admin/", "/login/?next=%2Fadmin%2F"),
        ("/admin/login/?next=//evil.example/", "/login/"),
    ],
)
def test_djangos_sign_in_leads_to_the_portals(path: str, leads_to: str, anonymous: "PortalClient") -> None:
    assert anonymous.get(path).headers["Location"] == leads_to


def test_djangos_log_out_is_the_portals(sam: User, client_of: "ClientOf") -> None:
    client = client_of(sam)

    asks = client.get("/admin/logout/")
    is_there = Session.objects.live().filter(user=sam).exists()
    out = client.post("/admin/logout/")

    assert (asks.status_code, is_there, out.headers["Location"]) == (200, True, "/login/")
    assert not Session.objects.live().filter(user=sam).exists()


@pytest.mark.parametrize(
    "path",
    [
        "password_change/",
        "jsi18n/",
        "autocomplete/",
        "orgs/",
        "accounts/",
        "r/1/1/",
        "orgs/organization/{id}/",
        "orgs/organization/{id}/delete/",
        "orgs/organization/{id}/history/",
        "accounts/user/add/",
        "accounts/user/{id}/password/",
        "auth/group/",
        "orgs/auditevent/",
    ],
)
def test_nothing_else_of_djangos_admin_is_there(
    path: str, sally: User, acme: Organization, client_of: "ClientOf"
) -> None:
    assert client_of(sally).get(f"/admin/{path.format(id=acme.pk)}").status_code == 404


@pytest.mark.parametrize("name", sorted(name for name in ACCESS if "<id:" in ROUTES[name].path))
def test_odd_ids_and_rows_that_are_not_theirs_are_the_same_404(
    name: str, sally: User, sam: User, grace: User, client_of: "ClientOf"
) -> None:
    who = sam if ACCESS[name][0][3] == 200 else sally
    route, client = ROUTES[name], client_of(who)
    parameter = re.findall(r"<id:(\w+)>", route.path)[0]
    # The vendor's own organization is no customer, Grace granted nothing, and there is no request.
    not_theirs = {"organization_id": who.organization_id, "person_id": grace.pk, "activation_id": 1}

    answers = [client.get(route.to(**{parameter: value})) for value in (*ODD_IDS, not_theirs[parameter])]

    assert {answer.status_code for answer in answers} == {404}
    assert len({re.sub(r"value=\"[^\"]+\"", "", answer.content.decode()) for answer in answers}) == 1


def test_console_has_no_fault_that_django_knows_of() -> None:
    assert console.check(None) == []


# --- the frame ---------------------------------------------------------------------------------------------------


def test_first_page_leads_to_what_each_may_read(sally: User, sam: User, client_of: "ClientOf") -> None:
    lists = {
        user.first_name: re.findall(r'<dt><a href="([^"]+)">([^<]+)</a>', html_of(client_of(user).get("/admin/")))
        for user in (sally, sam)
    }

    of_sales = [
        ("/admin/orgs/organization/", "Organizations"),
        ("/admin/orgs/activationrequest/", "Activation requests"),
    ]
    assert lists == {"Sally": of_sales, "Sam": [*of_sales, ("/admin/accounts/user/", "People who granted access")]}


def test_portal_links_to_the_console_for_operators_alone(
    sam: User, ada: User, joan: User, client_of: "ClientOf"
) -> None:
    link = '<a href="/admin/">Console</a>'
    sams = client_of(sam)

    before = link in html_of(sams.get("/"))
    sams.login_as(joan)

    assert (before, link in html_of(sams.get("/")), link in html_of(client_of(ada).get("/"))) == (True, False, False)


def test_console_links_back_and_logs_out_by_a_form_that_is_marked(sam: User, client_of: "ClientOf") -> None:
    page = html_of(client_of(sam).get("/admin/"))

    assert '<a href="/">Portal</a>' in page
    assert 'action="/admin/logout/"' in page
    assert 'name="opened_as"' in page
    assert "Sam Spade" in page


# --- secrets, history --------------------------------------------------------------------------------------------


def secrets_of_everyone() -> list[str]:
    """Return every stored secret: hashes of passwords, of session keys and of return cookies, and stored data."""
    kept = list(User.objects.exclude(password="").values_list("password", flat=True))
    for row in Session.objects.values():
        kept += [value for name, value in row.items() if "hash" in name and value]
    return [one.hex() if isinstance(one, bytes) else str(one) for one in kept]


@pytest.mark.parametrize("who", ["sally", "sam"])
def test_no_page_of_the_console_shows_a_secret(
    who: str,
    clients: "dict[str, PortalClient]",
    addresses: dict[str, str],
    joan: User,
    sam: User,
    client_of: "ClientOf",
) -> None:
    inside = client_of(sam)
    inside.login_as(joan)
    cookies = [cookie.value for one in (*clients.values(), inside) for cookie in one.cookies.values()]

    pages = [clients[who].get(address).content.decode() for address in addresses.values()]

    secrets = secrets_of_everyone()
    assert len(secrets) > 5
    assert [one for one in (*secrets, *cookies) for page in pages if one and one in page] == []


def test_nothing_is_written_to_djangos_own_history(
    sally: User, sam: User, acme: Organization, asked: ActivationRequest, client_of: "ClientOf"
) -> None:
    sales = client_of(sally)
    sales.post(to("orgs_organization_edition", acme.pk), {"edition": "unlimited"})
    sales.post(to("orgs_organization_add"), WAYNE)
    client_of(sam).post(to("orgs_activationrequest_answer", asked.pk), {"decision": "approve"})

    assert not LogEntry.objects.exists()
    assert list(console.get_log_entries(None)) == []  # type: ignore[arg-type]
    assert Organization.objects.filter(name="Wayne Enterprises").exists()
