"""The operator console: who may open and do what there, and that nothing goes past services, trail and secrets."""

import re
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts.facts import facts_about
from accounts.login_access import may_impersonate
from accounts.models import Session, User
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import (
    ActivationRequest,
    ActivationState,
    AuditEvent,
    Organization,
    SupportAccess,
    SupportAvailability,
)
from orgs.services.activation_requests import approve_activation_request, decline_activation_request
from portal.console import console
from tests.factories import LoginAccessGrantFactory, OrganizationFactory, ProfileFactory, UserFactory
from tests.portal.test_urls import CONSOLE_PAGES, ODD_IDS, ROUTES
from tests.queries import captured_queries

from .reading import Answer, html_of, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import DjangoCaptureOnCommitCallbacks

    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]

pytestmark = pytest.mark.django_db


@pytest.fixture
def joan(make: "Make", support: Organization) -> User:
    """A Standard User of Acme who granted Portal Support access."""
    user = make("Joan", "Clarke")
    LoginAccessGrantFactory.create(user=user, support_organization=support)
    return user


@pytest.fixture
def initech(db: None) -> Organization:
    """Eligible, and not provisioned."""
    organization: Organization = OrganizationFactory.create(
        name="Initech", edition=Edition.UNLIMITED, provisioned=False
    )
    return organization


@pytest.fixture
def ivan(initech: Organization) -> User:
    user: User = UserFactory.create(organization=initech, username="ivan@initech.example", last_name="Petrov")
    return user


@pytest.fixture
def asked(initech: Organization, ivan: User) -> ActivationRequest:
    """An open request of Initech."""
    return ActivationRequest.objects.create(
        organization=initech,
        requested_by=ivan,
        requested_by_name=str(ivan),
        business_case="We help our users.\nEvery day.",
        created_at=timezone.now(),
    )


def as_themselves(user: User) -> Origin:
    return Origin(user=user, actor=user)


def to(name: str, row: object = None) -> str:
    return reverse(f"admin:{name}", args=[row] if row else [])


def messages_of(response: Answer) -> list[str]:
    return [words_of(one) for one in re.findall(r"<li class=\"success\">(.*?)</li>", html_of(response), re.DOTALL)]


def errors_of(response: Answer) -> list[str]:
    lists = re.findall(r"<ul class=\"errorlist[^>]*>(.*?)</ul>", response.content.decode(), re.DOTALL)
    return [words_of(one) for part in lists for one in re.findall(r"<li>(.*?)</li>", part, re.DOTALL)]


def facts_of(response: Answer) -> dict[str, str]:
    """Return what a row's page shows of it."""
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html_of(response), re.DOTALL)
    return {words_of(name): words_of(value) for name, value in found}


def rows_of(response: Answer) -> list[list[str]]:
    """Return the cells of a list."""
    body = re.search(r"<tbody>(.*?)</tbody>", html_of(response), re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL) if body else []
    return [[words_of(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in rows]


def trail_of(organization: Organization) -> list[tuple[str, str]]:
    rows = AuditEvent.objects.filter(organization=organization).order_by("id")
    return [(row.user_name, row.sentence) for row in rows]


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


# --- organizations -----------------------------------------------------------------------------------------------


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


# --- what Sales does ---------------------------------------------------------------------------------------------


def test_sales_changes_the_edition(sally: User, acme: Organization, client_of: "ClientOf") -> None:
    client, address = client_of(sally), to("orgs_organization_edition", acme.pk)

    form, saved = client.get(address), client.post(address, {"edition": "professional"}, follow=True)

    assert '<option value="enterprise" selected>' in html_of(form)
    assert messages_of(saved) == ["Acme has Professional Edition now."]
    assert saved.redirect_chain == [(to("orgs_organization_change", acme.pk), 302)]
    acme.refresh_from_db()
    assert (acme.edition, acme.provisioned) == ("professional", True)
    assert trail_of(acme) == [
        ("Sally Winters (Portal Support)", "Changed edition from Enterprise to Professional"),
    ]


def test_downgrade_ends_visits_and_says_how_many(
    sally: User,
    any_user_login: Organization,
    ada: User,
    alan: User,
    grace: User,
    hedy: User,
    browser: "Callable[[], PortalClient]",
    client_of: "ClientOf",
) -> None:
    browser().login_as(grace, actor=ada)
    browser().login_as(hedy, actor=alan)
    address = to("orgs_organization_edition", any_user_login.pk)

    saved = client_of(sally).post(address, {"edition": "group"}, follow=True)

    assert messages_of(saved) == ["Acme has Group Edition now. 2 running visits ended."]
    assert {visit.end_cause for visit in (*ada.impersonations_made.all(), *alan.impersonations_made.all())} == {
        "edition_changed"
    }


def test_sales_provisions_and_deprovisions(
    sally: User,
    initech: Organization,
    asked: ActivationRequest,
    sam: User,
    client_of: "ClientOf",
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    client = client_of(sally)
    approve_activation_request(asked, origin=as_themselves(sam))

    with django_capture_on_commit_callbacks(execute=True):
        given = client.post(to("orgs_organization_provision", initech.pk), follow=True)
    initech.refresh_from_db()
    asked.refresh_from_db()
    was = (initech.provisioned, asked.state)
    taken = client.post(to("orgs_organization_deprovision", initech.pk), follow=True)
    initech.refresh_from_db()

    words = "Administrators Can Log in as Any User is provisioned for Initech. Its administrators can switch it on."
    assert messages_of(given) == [words]
    assert was == (True, ActivationState.DONE)
    assert [message.to for message in mail.outbox] == [["ivan@initech.example"]]
    assert messages_of(taken) == ["Administrators Can Log in as Any User is not provisioned for Initech any more."]
    assert not initech.provisioned
    assert trail_of(initech)[1:] == [
        ("Sally Winters (Portal Support)", "Provisioned Administrators Can Log in as Any User"),
        ("Sally Winters (Portal Support)", "Deprovisioned Administrators Can Log in as Any User"),
    ]


def test_provisioning_what_was_ticked_before_says_that_it_is_on(
    sally: User, initech: Organization, client_of: "ClientOf"
) -> None:
    initech.login_access_policy.any_user_login = True
    initech.login_access_policy.save()

    given = client_of(sally).post(to("orgs_organization_provision", initech.pk), follow=True)

    assert messages_of(given) == [
        "Administrators Can Log in as Any User is provisioned for Initech. They had ticked it before: it is on."
    ]


def test_deprovisioning_ends_a_visit(
    sally: User,
    any_user_login: Organization,
    ada: User,
    grace: User,
    browser: "Callable[[], PortalClient]",
    client_of: "ClientOf",
) -> None:
    visit = browser().login_as(grace, actor=ada)

    said = client_of(sally).post(to("orgs_organization_deprovision", any_user_login.pk), follow=True)

    visit.refresh_from_db()
    assert messages_of(said)[0].endswith("any more. 1 running visit ended.")
    assert visit.end_cause == "deprovisioned"


def test_provisioning_an_ineligible_edition_is_refused_in_words(
    sally: User, initech: Organization, client_of: "ClientOf"
) -> None:
    Organization.objects.filter(pk=initech.pk).update(edition="group")

    page = client_of(sally).post(to("orgs_organization_provision", initech.pk))

    assert page.status_code == 422
    assert "an edition upgrade is needed" in errors_of(page)[0]
    initech.refresh_from_db()
    assert not initech.provisioned
    assert trail_of(initech) == []


def test_sales_sets_the_account_executive(sally: User, acme: Organization, client_of: "ClientOf") -> None:
    client, address = client_of(sally), to("orgs_organization_account_executive", acme.pk)
    nora = {"name": "Nora Fields", "email": "nora@sales.example", "phone": "+1 415 555 0142"}

    saved = client.post(address, nora, follow=True)
    form = html_of(client.get(address))

    assert messages_of(saved) == ["The Account Executive of Acme has been saved."]
    assert all(f'value="{value}"' in form for value in nora.values())
    assert trail_of(acme) == [
        (
            "Sally Winters (Portal Support)",
            "Changed Account Executive from none to Nora Fields (nora@sales.example, +1 415 555 0142)",
        )
    ]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"email": "nora@sales.example"}, "Whose address is this? Say the name, or empty all three."),
        ({"phone": "1"}, "Whose address is this? Say the name, or empty all three."),
        ({"name": "Nora", "email": "nora"}, "Enter a valid email address."),
        ({"name": "x" * 81}, "Ensure this value has at most 80 characters (it has 81)."),
        ({"name": "x" * 81, "phone": "1"}, "Ensure this value has at most 80 characters (it has 81)."),
        ({"name": "No\u202era"}, "This holds characters that cannot be shown. Type it anew."),
    ],
)
def test_account_executive_that_can_not_be_is_refused(
    given: dict[str, str], error: str, sally: User, acme: Organization, client_of: "ClientOf"
) -> None:
    page = client_of(sally).post(to("orgs_organization_account_executive", acme.pk), given)

    assert (page.status_code, errors_of(page)) == (422, [error])
    assert trail_of(acme) == []


WAYNE = {
    "name": "  Wayne   Enterprises ",
    "edition": "enterprise",
    "first_name": "Lucius",
    "last_name": "Fox",
    "username": "Lucius@Wayne.example",
    "email": "lucius@wayne.example",
}


def test_sales_creates_a_customer(
    sally: User, client_of: "ClientOf", django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks"
) -> None:
    executive = {"executive_name": "Nora Fields", "executive_email": "nora@sales.example", "executive_phone": "1"}

    with django_capture_on_commit_callbacks(execute=True):
        page = client_of(sally).post(to("orgs_organization_add"), WAYNE | executive, follow=True)

    words = "with Lucius Fox as its administrator. A mail to choose a password is on its way to lucius@wayne.example."
    assert messages_of(page) == [f"Wayne Enterprises has been created, {words}"]
    wayne = Organization.objects.get(name="Wayne Enterprises")
    assert (wayne.account_executive_name, wayne.account_executive_email) == ("Nora Fields", "nora@sales.example")
    assert [message.to for message in mail.outbox] == [["lucius@wayne.example"]]
    assert "http://testserver/account/password/reset/key/" in str(mail.outbox[0].body)


def test_who_was_invited_chooses_a_password_and_signs_in(
    sally: User,
    client_of: "ClientOf",
    anonymous: "PortalClient",
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        client_of(sally).post(to("orgs_organization_add"), WAYNE)
    link = re.findall(r"http://testserver(\S+/key/\S+)", str(mail.outbox[0].body))[0]

    form = anonymous.get(link, follow=True)
    chosen = {"password1": "a password of one's own", "password2": "a password of one's own"}
    anonymous.post(form.redirect_chain[-1][0], chosen)
    anonymous.post("/login/", {"login": "lucius@wayne.example", "password": chosen["password1"]})

    assert "Welcome, Lucius" in html_of(anonymous.get("/"))
    assert anonymous.get("/setup/users/").status_code == 200


@pytest.mark.parametrize(
    ("given", "field", "error"),
    [
        ({"username": "GRACE@acme.example"}, "username", "This username is taken."),
        ({"name": "Acme"}, "name", "This name is taken."),
        ({"name": "ACME"}, "name", "This name is taken."),
        ({"name": "   "}, "name", "This field is required."),
        ({"name": "x" * 81}, "name", "Ensure this value has at most 80 characters (it has 81)."),
        ({"name": "Wa\x00yne"}, "name", "Null characters are not allowed."),
        ({"edition": "stone age"}, "edition", "Select a valid choice."),
        ({"username": "lucius"}, "username", "A username looks like an e-mail address"),
        ({"email": "lucius"}, "email", "Enter a valid email address."),
        ({"last_name": ""}, "last_name", "This field is required."),
        ({"last_name": "\u200b"}, "last_name", "Nothing of this shows on a page."),
        ({"name": "\u200b"}, "name", "Nothing of this shows on a page."),
        ({"executive_email": "nora@sales.example"}, "executive_name", "Whose address is this?"),
        ({"executive_phone": "1"}, "executive_name", "Whose address is this?"),
        ({"executive_name": "\u200b", "executive_phone": "1"}, "executive_name", "Nothing of this shows on a page."),
    ],
)
def test_customer_that_can_not_be_is_refused_beside_the_field_and_nothing_is_saved(
    given: dict[str, str], field: str, error: str, sally: User, grace: User, client_of: "ClientOf"
) -> None:
    there = Organization.objects.count(), User.objects.count()

    page = client_of(sally).post(to("orgs_organization_add"), WAYNE | given)

    assert page.status_code == 422
    (said,) = page.context["form"].errors[field]
    assert said.startswith(error)
    assert list(page.context["form"].errors) == [field]
    assert (Organization.objects.count(), User.objects.count()) == there
    assert mail.outbox == []


def test_name_taken_in_the_last_moment_is_told_too(
    sally: User, client_of: "ClientOf", monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if another had made it after the form was read.
    OrganizationFactory.create(name="Wayne Enterprises")
    monkeypatch.setattr("accounts.console_forms.CustomerForm.clean_name", lambda form: "Wayne Enterprises")

    page = client_of(sally).post(to("orgs_organization_add"), WAYNE)

    assert page.context["form"].errors == {
        "name": ["This name is taken. Names of organizations are unique everywhere."]
    }
    assert not User.objects.filter(last_name="Fox").exists()


# --- activation requests -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "of_sales", "of_support"),
    [("open", 0, 1), ("approved", 1, 1), ("declined", 0, 1), ("done", 0, 1)],
)
def test_sales_list_is_what_support_approved(
    state: str,
    of_sales: int,
    of_support: int,
    asked: ActivationRequest,
    sally: User,
    sam: User,
    client_of: "ClientOf",
) -> None:
    ActivationRequest.objects.filter(pk=asked.pk).update(state=state)
    address = to("orgs_activationrequest_changelist")

    shown = [len(rows_of(client_of(user).get(address))) for user in (sally, sam)]
    opened = [client_of(user).get(to("orgs_activationrequest_change", asked.pk)).status_code for user in (sally, sam)]

    assert shown == [of_sales, of_support]
    assert opened == [200 if one else 404 for one in (of_sales, of_support)]


def test_page_of_a_request_tells_all_of_it(asked: ActivationRequest, sam: User, client_of: "ClientOf") -> None:
    client = client_of(sam)

    row = rows_of(client.get(to("orgs_activationrequest_changelist")))
    page = client.get(to("orgs_activationrequest_change", asked.pk))

    at = f"{asked.created_at:%Y-%m-%d %H:%M} UTC"
    assert row == [["Initech", "Unlimited", "Test Petrov", "Open", at, "–"]]
    assert facts_of(page) == {
        "Organization": f"Initech ({asked.organization.reference})",
        "Edition": "Unlimited",
        "State": "Open",
        "Requested by": "Test Petrov",
        "Asked": at,
        "Business case": "We help our users.Every day.",
        "Answer": "-",
        "Answered by": "–",
        "Answered": "–",
        "Provisioned": "–",
    }
    assert f'href="{to("orgs_organization_change", asked.organization_id)}"' in html_of(page)


@pytest.mark.parametrize(
    ("decision", "state", "sentence"),
    [
        ("approve", "approved", "Approved the activation request of Test Petrov"),
        ("decline", "declined", "Declined the activation request of Test Petrov"),
    ],
)
def test_support_answers(
    decision: str,
    state: str,
    sentence: str,
    asked: ActivationRequest,
    sam: User,
    client_of: "ClientOf",
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = {"decision": decision, "answer": "Because of this."}
        page = client_of(sam).post(to("orgs_activationrequest_answer", asked.pk), answer, follow=True)

    asked.refresh_from_db()
    assert (asked.state, asked.answer, asked.answered_by_name) == (
        state,
        "Because of this.",
        "Sam Spade (Portal Support)",
    )
    assert messages_of(page) == [f"The request of Initech is answered: {asked.get_state_display()}."]
    assert [message.to for message in mail.outbox] == [["ivan@initech.example"]]
    assert trail_of(asked.organization) == [("Sam Spade (Portal Support)", sentence)]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"decision": "decline"}, "Say why. The requester reads it."),
        ({"decision": "decline", "answer": " \n "}, "Say why. The requester reads it."),
        ({"decision": "decline", "answer": "x" * 4001}, "Ensure this value has at most 4000 characters (it has 4001)."),
        ({"decision": "perhaps"}, "Select a valid choice. perhaps is not one of the available choices."),
        ({}, "This field is required."),
    ],
)
def test_answer_that_can_not_be_is_refused(
    given: dict[str, str], error: str, asked: ActivationRequest, sam: User, client_of: "ClientOf"
) -> None:
    page = client_of(sam).post(to("orgs_activationrequest_answer", asked.pk), given)

    assert (page.status_code, errors_of(page)) == (422, [error])
    asked.refresh_from_db()
    assert (asked.state, trail_of(asked.organization)) == ("open", [])


@pytest.mark.parametrize(("state", "offered"), [("open", ["approve", "decline"]), ("approved", ["decline"])])
def test_what_is_approved_can_only_be_declined(
    state: str, offered: list[str], asked: ActivationRequest, sam: User, client_of: "ClientOf"
) -> None:
    ActivationRequest.objects.filter(pk=asked.pk).update(state=state)

    page = client_of(sam).get(to("orgs_activationrequest_answer", asked.pk))

    assert re.findall(r'<option value="(\w*)"', html_of(page)) == offered


def test_second_of_two_who_answer_is_told(asked: ActivationRequest, sam: User, client_of: "ClientOf") -> None:
    client, address = client_of(sam), to("orgs_activationrequest_answer", asked.pk)
    decline_activation_request(asked, "No.", origin=as_themselves(sam))

    page = client.post(address, {"decision": "approve"})

    assert (page.status_code, errors_of(page)) == (422, ["This request is not open any more. It is now: Declined."])
    asked.refresh_from_db()
    assert asked.answer == "No."


@pytest.mark.parametrize(
    ("who", "state", "offered"),
    [("sam", "open", True), ("sam", "approved", True), ("sam", "done", False), ("sally", "approved", False)],
)
def test_answer_is_offered_to_support_while_there_is_something_to_answer(
    who: str,
    state: str,
    offered: bool,
    asked: ActivationRequest,
    client_of: "ClientOf",
    request: pytest.FixtureRequest,
) -> None:
    ActivationRequest.objects.filter(pk=asked.pk).update(state=state)

    page = client_of(request.getfixturevalue(who)).get(to("orgs_activationrequest_change", asked.pk))

    assert (to("orgs_activationrequest_answer", asked.pk) in html_of(page)) is offered


# --- people who granted access -----------------------------------------------------------------------------------


def test_list_holds_who_granted_access(
    joan: User, grace: User, sam: User, support: Organization, client_of: "ClientOf"
) -> None:
    other = OrganizationFactory.create(name="Vendor Nord", kind="operator")
    LoginAccessGrantFactory.create(user=grace)
    LoginAccessGrantFactory.create(user=grace, support_organization=other)
    until = joan.login_access_grants.get().expires_at

    rows = rows_of(client_of(sam).get(to("accounts_user_changelist")))

    ends = f"{until:%Y-%m-%d %H:%M} UTC"
    assert rows == [["Joan Clarke", "joan@acme.example", "Acme", "Enterprise", ends, "Login as Joan Clarke"]]


@pytest.mark.parametrize("query", ["joan", "CLARKE", "joan acme", "acme.exa", "Acme"])
def test_list_is_searched_by_name_username_and_organization(
    query: str, joan: User, sam: User, client_of: "ClientOf"
) -> None:
    address = to("accounts_user_changelist")

    found, none = (rows_of(client_of(sam).get(address, {"q": words})) for words in (query, f"{query} nobody"))

    assert [row[0] for row in found] == ["Joan Clarke"]
    assert none == []


@pytest.mark.parametrize("lookup", ["password__startswith=a", "email__contains=a", "login_access_grants__id=1"])
def test_address_of_the_list_does_not_ask_about_what_is_not_shown(
    lookup: str, joan: User, sam: User, client_of: "ClientOf"
) -> None:
    """Django's admin answers ``?password__startswith=a``, by which a hash could be read letter by letter."""
    address = to("accounts_user_changelist")

    assert client_of(sam).get(f"{address}?{lookup}").headers["Location"] == address


@pytest.mark.parametrize("count", [1, 3, 50])
def test_list_costs_the_same_however_many_there_are(
    count: int, acme: Organization, support: Organization, sam: User, client_of: "ClientOf"
) -> None:
    profile = ProfileFactory.create(organization=acme)
    for _ in range(count):
        user = UserFactory.create(organization=acme, profile=profile)
        LoginAccessGrantFactory.create(user=user, support_organization=support)
    client = client_of(sam)
    client.get("/admin/")

    with captured_queries() as queries:
        rows = rows_of(client.get(to("accounts_user_changelist")))

    # Who is it; the group's rights; how many; the rows.
    assert (len(rows), len(queries)) == (count, 4)


@pytest.mark.parametrize("name", ["orgs_organization_changelist", "orgs_activationrequest_changelist"])
def test_other_lists_cost_the_same_too(name: str, sam: User, client_of: "ClientOf") -> None:
    client, counts = client_of(sam), {}
    client.get("/admin/")

    for wanted in (1, 3, 50):
        while Organization.objects.filter(kind="customer").count() < wanted:
            user = UserFactory.create()
            ActivationRequest.objects.create(
                organization=user.organization, requested_by=user, business_case="x", created_at=timezone.now()
            )
        with captured_queries() as queries:
            rows = rows_of(client.get(to(name)))
        counts[len(rows)] = len(queries)

    assert counts == {1: 4, 3: 4, 50: 4}


def test_list_turns_pages(acme: Organization, support: Organization, sam: User, client_of: "ClientOf") -> None:
    profile = ProfileFactory.create(organization=acme)
    for number in range(51):
        user = UserFactory.create(organization=acme, profile=profile, first_name="", last_name=f"Person {number:02}")
        LoginAccessGrantFactory.create(user=user, support_organization=support)

    second = rows_of(client_of(sam).get(to("accounts_user_changelist"), {"p": "2"}))

    assert [row[0] for row in second] == ["Person 50"]


def test_page_shows_a_person_who_is_there_and_login(joan: User, grace: User, sam: User, client_of: "ClientOf") -> None:
    client = client_of(sam)
    until = joan.login_access_grants.get().expires_at

    alone = client.get(to("accounts_user_change", joan.pk))
    client_of(joan).get("/")
    client_of(sam).login_as(joan)
    there = client.get(to("accounts_user_change", joan.pk))

    assert facts_of(alone) == {
        "Name": "Joan Clarke",
        "Username": "joan@acme.example",
        "Organization": "Acme",
        "Edition": "Enterprise",
        "Profile": "Standard User",
        "Role": "-",
        "Access until": f"{until:%Y-%m-%d %H:%M} UTC",
    }
    assert "Nobody." in html_of(alone)
    assert "Joan Clarke is signed in, active" in words_of(html_of(there))
    assert "Sam Spade (Portal Support) has been logged in as Joan Clarke" in words_of(html_of(there))
    assert f'action="/setup/users/{joan.pk}/login-as/"' in html_of(alone)
    assert '<input type="submit" class="default" value="Login">' in html_of(alone)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_active": False}, "This user is inactive. Only active users can be logged in as."),
        (
            {"profile": "External User"},
            "This is an external site user. External users are never logged in as from here.",
        ),
    ],
)
def test_page_says_why_login_is_missing(
    change: dict[str, Any], reason: str, joan: User, profiles: dict[str, Any], sam: User, client_of: "ClientOf"
) -> None:
    if "profile" in change:
        change = {"profile": profiles[change["profile"]]}
    User.objects.filter(pk=joan.pk).update(**change)

    page = html_of(client_of(sam).get(to("accounts_user_change", joan.pk)))

    assert f'<p id="why-not">{reason}</p>' in page
    assert 'value="Login" disabled aria-describedby="why-not"' in page


def test_page_says_that_the_person_is_frozen(joan: User, sam: User, client_of: "ClientOf") -> None:
    User.objects.filter(pk=joan.pk).update(is_frozen=True)

    page = html_of(client_of(sam).get(to("accounts_user_change", joan.pk)))

    assert "Joan Clarke is frozen, and cannot sign in at the moment." in page
    assert 'value="Login">' in page


@pytest.mark.parametrize("gone", ["revoked", "run out", "barred"])
def test_person_whose_grant_is_gone_is_not_found(
    gone: str, joan: User, support: Organization, sam: User, client_of: "ClientOf"
) -> None:
    client, address = client_of(sam), to("accounts_user_change", joan.pk)
    before = client.get(address).status_code
    now = timezone.now()
    if gone == "revoked":
        joan.login_access_grants.update(revoked_at=now)
    elif gone == "run out":
        joan.login_access_grants.update(granted_at=now - timedelta(days=2), expires_at=now)
    else:
        SupportAccess.objects.create(
            organization=joan.organization,
            support_organization=support,
            availability=SupportAvailability.ADMINISTRATORS,
        )

    after = client.get(address)

    assert (before, after.status_code) == (200, 404)
    assert rows_of(client.get(to("accounts_user_changelist"))) == []


NOW = timezone.now().replace(microsecond=0)
GRANTS: dict[str, dict[str, Any]] = {
    "none": {},
    "live": {"granted_at": NOW - timedelta(hours=1), "expires_at": NOW + timedelta(hours=1)},
    "ending now": {"granted_at": NOW - timedelta(hours=1), "expires_at": NOW},
    "run out": {"granted_at": NOW - timedelta(hours=2), "expires_at": NOW - timedelta(hours=1)},
    "revoked": {
        "granted_at": NOW - timedelta(hours=2),
        "expires_at": NOW + timedelta(hours=1),
        "revoked_at": NOW - timedelta(hours=1),
    },
    "replaced": {
        "granted_at": NOW - timedelta(hours=2),
        "expires_at": NOW + timedelta(hours=1),
        "is_latest": False,
    },
}


@pytest.mark.parametrize("switch", [True, False], ids=["any-user login", "off"])
@pytest.mark.parametrize("availability", [None, *SupportAvailability])
def test_list_and_rule_say_the_same(
    availability: str | None, switch: bool, make: "Make", acme: Organization, support: Organization, sam: User
) -> None:
    """Whoever the list holds can be logged in as, and nobody else; any-user login counts for neither."""
    acme.login_access_policy.any_user_login = switch
    acme.login_access_policy.save()
    other = OrganizationFactory.create(name="Vendor Nord", kind="operator")
    if availability:
        SupportAccess.objects.create(organization=acme, support_organization=support, availability=availability)
    people: list[User] = []
    for profile, (kind, grant), to_whom in product(
        ("Standard User", "System Administrator"), GRANTS.items(), (support, other, None)
    ):
        user = make(f"P{len(people)}", f"{profile} {kind}", profile)
        people.append(user)
        if grant:
            LoginAccessGrantFactory.create(user=user, support_organization=to_whom, **grant)

    listed = set(User.objects.with_access_granted_to(support, NOW))

    allowed = {user for user in people if may_impersonate(actor=sam, target=user, facts=facts_about(sam, user), at=NOW)}
    assert listed == allowed
    assert {user.last_name for user in listed} == (
        {"System Administrator live"}
        if availability == SupportAvailability.ADMINISTRATORS
        else {"System Administrator live", "Standard User live"}
    )


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
