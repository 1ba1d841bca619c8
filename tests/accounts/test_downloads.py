"""Downloads of sign-ins, visits and grants: what is in each file, who gets it, and how it is narrowed."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.http import StreamingHttpResponse

from accounts.enums import EndCause, LoginStatus, LoginType
from accounts.models import Login, LoginAccessGrant, Profile, User
from accounts.services.sessions import end_session
from accounts.services.start_policy import StartDetails
from orgs.audit import AuditAction
from orgs.http import Origin
from orgs.models import AuditEvent, LoginAccessPolicy, Organization
from orgs.permissions import Permission
from tests.factories import LoginAccessGrantFactory, ProfileFactory
from tests.queries import captured_queries

from .reading import html_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient

    Browser = Callable[[], PortalClient]
    ClientOf = Callable[[User], PortalClient]

LOGINS, VISITS, GRANTS = (
    f"/setup/{name}/download/" for name in ("login-history", "impersonations", "login-access-grants")
)
AT = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def file_of(response: object) -> str:
    """Return a file that is being downloaded."""
    assert isinstance(response, StreamingHttpResponse)
    return response.getvalue().decode("utf-8-sig")


def rows_of(response: object) -> list[dict[str, str]]:
    """Return its rows by heading."""
    return list(csv.DictReader(io.StringIO(file_of(response), newline="")))


def column(response: object, heading: str) -> list[str]:
    return [row[heading] for row in rows_of(response)]


def signed_in(user: User, **fields: Any) -> Login:
    """Write a row of the login history."""
    whole = {"created_at": AT, "username": user.username, "agent": FIREFOX, "address": "192.0.2.7", **fields}
    return Login.objects.create(organization=user.organization, user=user, **whole)


@pytest.fixture
def monitor(acme: Organization, make: "Callable[..., User]", profiles: dict[str, Profile]) -> User:
    """Someone who reads visits, but not why they were made."""
    user = make("Mona", "Lisa")
    user.profile = ProfileFactory.create(organization=acme, permissions=(Permission.MONITOR_LOGIN_HISTORY,))
    user.save()
    return user


# --- login history -----------------------------------------------------------------------------------------------


def test_login_history_has_all_columns_and_all_that_is_kept(ada: User, grace: User, client_of: "ClientOf") -> None:
    client = client_of(ada)
    Login.objects.all().delete()
    first = signed_in(grace, created_at=AT - timedelta(days=600), status=LoginStatus.WRONG_PASSWORD)
    second = signed_in(grace, type=LoginType.LOGIN_AS, delegate_user=ada, delegate_user_name="Ada Lovelace", agent="")

    rows = rows_of(client.post(LOGINS))

    assert rows == [
        {
            "Id": str(first.pk),
            "Login Time": "2024-10-09T09:30:00.000Z",
            "Username": "grace@acme.example",
            "User": "Grace Hopper",
            "User Id": str(grace.pk),
            "Source IP": "192.0.2.7",
            "Login Type": "Application",
            "Status": "Wrong password",
            "Browser": "Firefox",
            "Platform": "Linux",
            "User Agent": FIREFOX,
            "Delegate User": "",
            "Delegate User Id": "",
        },
        {
            **rows[0],
            "Id": str(second.pk),
            "Login Time": "2026-06-01T09:30:00.000Z",
            "Login Type": "Login-As",
            "Status": "Success",
            "Browser": rows[1]["Browser"],
            "Platform": rows[1]["Platform"],
            "User Agent": "",
            "Delegate User": "Ada Lovelace",
            "Delegate User Id": str(ada.pk),
        },
    ]


def test_login_history_is_narrowed_as_its_page_is(ada: User, alan: User, grace: User, client_of: "ClientOf") -> None:
    client = client_of(ada)
    Login.objects.all().delete()
    signed_in(grace, username="one")
    signed_in(grace, username="two", status=LoginStatus.LOCKED)
    signed_in(alan, username="three", delegate_user=grace, delegate_user_name="Grace Hopper", type=LoginType.LOGIN_AS)
    signed_in(alan, username="four", created_at=AT + timedelta(days=1))

    found = [
        column(client.post(LOGINS, asked), "Username")
        for asked in (
            {},
            {"person": "grace@acme.example"},
            {"person": "grace@acme.example", "role": "delegate"},
            {"status": "locked"},
            {"start": "2026-06-02"},
        )
    ]

    assert found == [["one", "two", "three", "four"], ["one", "two", "three"], ["three"], ["two"], ["four"]]


def test_hostile_agents_are_no_formulas(ada: User, grace: User, client_of: "ClientOf") -> None:
    client = client_of(ada)
    Login.objects.all().delete()
    signed_in(grace, agent='=HYPERLINK("http://evil.example","click")')

    assert column(client.post(LOGINS), "User Agent") == ['\'=HYPERLINK("http://evil.example","click")']


# --- visits ------------------------------------------------------------------------------------------------------


def test_visits_have_both_people_and_how_they_ended(
    any_user_login: Organization, ada: User, alan: User, grace: User, browser: "Browser", client_of: "ClientOf"
) -> None:
    visit = browser().login_as(grace, actor=ada, at=AT)
    ended = {"at": AT + timedelta(minutes=1), "noticed_at": AT + timedelta(minutes=2)}
    end_session(visit.session, cause=EndCause.LOGGED_OUT, origin=Origin(user=ada, actor=ada), by=ada, **ended)

    (row,) = rows_of(client_of(alan).post(VISITS))

    assert row["Ran under"].startswith('{"access_mode":"full",')
    assert {**row, "Ran under": ""} == {
        "Id": str(visit.pk),
        "Started": "2026-06-01T09:30:00.000Z",
        "Ended": "2026-06-01T09:31:00.000Z",
        "Noticed": "2026-06-01T09:32:00.000Z",
        "Ends at the latest": "2026-06-01T10:30:00.000Z",
        "Logged in": "Ada Lovelace",
        "Logged in Id": str(ada.pk),
        "Logged in as": "Grace Hopper",
        "Logged in as Id": str(grace.pk),
        "Basis": "Administrators Can Log in as Any User",
        "Grant": "",
        "Delegated Group": "",
        "Access": "Full access",
        "Stepped up": "",
        "End": "logged out",
        "Ended by": "Ada Lovelace",
        "Ended by Id": str(ada.pk),
        "Source IP": "",
        "User Agent": "",
        "Pages opened are recorded": "No",
        "Ran under": "",
        "Reason": "",
        "Ticket": "",
        "Step-up reason": "",
    }


def test_reasons_are_for_those_who_may_know_them(
    any_user_login: Organization, ada: User, grace: User, monitor: User, browser: "Browser", client_of: "ClientOf"
) -> None:
    LoginAccessPolicy.objects.filter(organization=any_user_login).update(reason_required=True)
    browser().login_as(grace, actor=ada, details=StartDetails(reason="=Ticket, says Grace", ticket="T-1"))

    (read_by_ada,) = rows_of(client_of(ada).post(VISITS))
    file = file_of(client_of(monitor).post(VISITS))

    assert (read_by_ada["Reason"], read_by_ada["Ticket"]) == ("'=Ticket, says Grace", "T-1")
    assert ("Grace Hopper" in file, "Reason" in file, "says Grace" in file) == (True, False, False)


def test_who_ended_a_visit_is_named(
    any_user_login: Organization,
    ada: User,
    alan: User,
    grace: User,
    sally: User,
    browser: "Browser",
    client_of: "ClientOf",
) -> None:
    goes_on, by_alan, by_ada, by_sally = (browser().login_as(grace, actor=ada) for _ in range(4))
    for visit, by in ((by_alan, alan), (by_ada, ada), (by_sally, sally)):
        cause, origin = EndCause.ENDED_BY_ADMINISTRATOR, Origin(user=by, actor=by)
        end_session(visit.session, cause=cause, origin=origin, by=by)

    rows = rows_of(client_of(alan).post(VISITS))

    assert [(row["Id"], row["Ended by"]) for row in rows] == [
        (str(goes_on.pk), ""),
        (str(by_alan.pk), "Alan Turing"),
        (str(by_ada.pk), "Ada Lovelace"),
        (str(by_sally.pk), f"{sally} ({sally.organization})"),
    ]


def test_visits_stay_in_it_when_their_sessions_are_gone(
    any_user_login: Organization, ada: User, grace: User, browser: "Browser", client_of: "ClientOf"
) -> None:
    client = browser()
    visit = client.login_as(grace, actor=ada)
    client.log_out_as()
    visit.session.delete()

    assert column(client_of(ada).post(VISITS), "Logged in as") == ["Grace Hopper"]


def test_visits_are_narrowed_as_their_page_is(
    any_user_login: Organization, ada: User, alan: User, grace: User, browser: "Browser", client_of: "ClientOf"
) -> None:
    browser().login_as(grace, actor=ada)
    browser().login_as(grace, actor=alan)
    client = client_of(ada)

    found = [
        column(client.post(VISITS, asked), "Logged in")
        for asked in ({}, {"person": "alan"}, {"person": "alan", "role": "target"}, {"state": "ended"})
    ]

    assert found == [["Ada Lovelace", "Alan Turing"], ["Alan Turing"], [], []]


# --- grants ------------------------------------------------------------------------------------------------------


def test_grants_have_their_history(
    acme: Organization, support: Organization, ada: User, grace: User, client_of: "ClientOf"
) -> None:
    LoginAccessGrantFactory.create(
        user=grace, granted_at=AT, expires_at=AT + timedelta(days=1), revoked_at=AT, is_latest=False
    )
    LoginAccessGrantFactory.create(
        user=grace, granted_at=AT, expires_at=AT + timedelta(days=1), support_organization=support
    )

    rows = rows_of(client_of(ada).post(GRANTS))

    keys = LoginAccessGrant.objects.order_by("pk").values_list("pk", flat=True)
    first = {
        "Id": str(keys[0]),
        "User": "Grace Hopper",
        "Username": "grace@acme.example",
        "User Id": str(grace.pk),
        "Grantee": "Your Company's Administrator",
        "Granted": "2026-06-01T09:30:00.000Z",
        "Until": "2026-06-02T09:30:00.000Z",
        "Taken back or replaced": "2026-06-01T09:30:00.000Z",
    }
    assert rows == [first, {**first, "Id": str(keys[1]), "Grantee": "Portal Support", "Taken back or replaced": ""}]


def test_grants_are_narrowed_as_their_page_is(
    support: Organization, ada: User, grace: User, alan: User, client_of: "ClientOf"
) -> None:
    LoginAccessGrantFactory.create(user=grace)
    LoginAccessGrantFactory.create(user=alan, support_organization=support)
    client = client_of(ada)

    found = [
        column(client.post(GRANTS, asked), "User")
        for asked in ({}, {"q": "alan"}, {"grantee": "company"}, {"grantee": str(support.pk)})
    ]

    assert found == [["Grace Hopper", "Alan Turing"], ["Alan Turing"], ["Grace Hopper"], ["Alan Turing"]]
    assert AuditEvent.objects.filter(action=AuditAction.EXPORTED).order_by("-pk").values_list("after", flat=True)[
        0
    ] == {"list": "the Login Access Grants", "format": "csv", "grantee": str(support.pk)}


def test_people_without_a_first_name_and_hostile_ones_are_named(ada: User, grace: User, client_of: "ClientOf") -> None:
    User.objects.filter(pk=grace.pk).update(first_name="", last_name="@SUM(A1)")
    LoginAccessGrantFactory.create(user=grace)

    assert column(client_of(ada).post(GRANTS), "User") == ["'@SUM(A1)"]


# --- all ---------------------------------------------------------------------------------------------------------


def test_each_stands_behind_the_gate_of_its_list(
    ada: User, audrey: User, monitor: User, grace: User, client_of: "ClientOf"
) -> None:
    people = (ada, audrey, monitor, grace)

    answers = {
        address: [client_of(person).post(address).status_code for person in people]
        for address in (LOGINS, VISITS, GRANTS)
    }

    assert answers == {LOGINS: [200, 403, 200, 403], VISITS: [200, 403, 200, 403], GRANTS: [200, 200, 200, 403]}


def test_each_is_written_down(ada: User, client_of: "ClientOf") -> None:
    client = client_of(ada)
    for address in (LOGINS, VISITS, GRANTS):
        client.post(address, {"format": "csv"})

    sentences = AuditEvent.objects.filter(action=AuditAction.EXPORTED).order_by("pk").values_list("sentence", flat=True)
    assert list(sentences) == [
        "Downloaded the Login History as CSV",
        "Downloaded the Impersonations as CSV",
        "Downloaded the Login Access Grants as CSV",
    ]


@pytest.mark.parametrize(
    ("address", "asked", "back"),
    [
        (LOGINS, {"start": "soon"}, "/setup/login-history/"),
        (LOGINS, {"person": "nobody at all"}, "/setup/login-history/?person=nobody+at+all"),
        (LOGINS, {"format": "ocsf"}, "/setup/login-history/"),
        (VISITS, {"state": "odd"}, "/setup/impersonations/"),
        (GRANTS, {"grantee": "999", "q": "grace"}, "/setup/login-access-grants/?q=grace"),
        (GRANTS, {"format": "\0"}, "/setup/login-access-grants/"),
    ],
)
def test_what_cannot_be_read_leads_back_to_the_list(
    ada: User, client_of: "ClientOf", address: str, asked: dict[str, str], back: str
) -> None:
    answer = client_of(ada).post(address, asked)

    assert (answer.status_code, answer.headers["Location"]) == (302, back)
    assert not AuditEvent.objects.filter(action=AuditAction.EXPORTED).exists()


@pytest.mark.parametrize("address", [LOGINS, VISITS, GRANTS])
def test_none_is_downloaded_inside_a_visit_nor_offered(
    any_user_login: Organization, ada: User, alan: User, client_of: "ClientOf", browser: "Browser", address: str
) -> None:
    inside, outside = browser(), client_of(ada)
    inside.login_as(alan, actor=ada)
    page = address.removesuffix("download/")

    offered = [f'action="{address}"' in html_of(client.get(page)) for client in (outside, inside)]

    assert (offered, inside.post(address).status_code) == ([True, False], 403)


@pytest.mark.parametrize("rows", [1, 3])
def test_streaming_costs_the_same_at_one_row_and_three(
    any_user_login: Organization, ada: User, grace: User, browser: "Browser", client_of: "ClientOf", rows: int
) -> None:
    for _ in range(rows):
        browser().login_as(grace, actor=ada)
        LoginAccessGrantFactory.create(user=grace, is_latest=False)
    client = client_of(ada)
    counts = []
    for address in (LOGINS, VISITS, GRANTS):
        response = client.post(address)
        with captured_queries() as queries:
            assert len(rows_of(response)) >= rows
        counts.append(len(queries))

    assert counts == [1, 1, 1]
