"""Home: one's own account, what one may do, and who was here."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from accounts.models import Impersonation
from accounts.services.users import UserDetails, freeze_user, unfreeze_user, update_user
from orgs.http import Origin
from orgs.models import LoginAccessPolicy, SupportAccess
from tests.factories import PASSWORD, LoginAccessGrantFactory, RoleFactory
from tests.guards import unguarded
from tests.queries import captured_queries

from .reading import html_of, section_of, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from accounts.testing import PortalClient
    from orgs.models import Organization

    Browser = Callable[[], PortalClient]
    ClientOf = Callable[[User], PortalClient]

ANY_USER = "Administrators Can Log in as Any User"
OPEN = "Administrators of Acme can log in as you without a grant. Every time is listed here."


def test_home_asks_for_a_sign_in(anonymous: "PortalClient", acme: "Organization") -> None:
    assert anonymous.get("/").headers["Location"] == "/login/?next=/"


def test_home_tells_who_one_is(client_of: "ClientOf", acme: "Organization", grace: "User") -> None:
    top = RoleFactory.create(organization=acme, name="Top")
    grace.role = RoleFactory.create(organization=acme, name="Manager", parent=top)
    grace.save()

    response = client_of(grace).get("/")

    assert section_of(response, "My account") == (
        "Name Grace Hopper Username grace@acme.example E-mail address grace@acme.example "
        "Profile Standard User Role Top › Manager Organization Acme"
    )


def test_home_says_what_one_may_do_and_leads_there(client_of: "ClientOf", audrey: "User", grace: "User") -> None:
    of_audrey, of_grace = (client_of(person).get("/") for person in (audrey, grace))

    assert section_of(of_audrey, "What I may do") == (
        "Open Setup; read the audit trail, policies, settings and the company page. "
        "See every user of the organization, and live login access grants."
    )
    assert section_of(of_grace, "What I may do") == (
        "Use the portal. Your profile, Standard User, holds no permission in Setup."
    )
    cards = [re.findall(r'<h3><a href="[^"]*">([^<]*)<', html_of(page)) for page in (of_audrey, of_grace)]
    assert cards == [
        [
            "Users",
            "Profiles",
            "Roles",
            "Login Access Policies",
            "Login Access Grants",
            "Session Settings",
            "View Setup Audit Trail",
            "Company Information",
        ],
        [],
    ]


def test_home_says_to_a_delegate_what_they_may_do(client_of: "ClientOf", barbara: "User") -> None:
    client = client_of(barbara)
    delegate = section_of(client.get("/"), "What I may do")
    barbara.delegated_groups.clear()
    nobody = section_of(client.get("/"), "What I may do")

    assert nobody == "Open Setup; read the audit trail, policies, settings and the company page."
    assert delegate == (
        f"{nobody} Create and edit users in the roles that are delegated to you, and log in as them where your group "
        "has login access."
    )


def test_home_lists_who_logged_in_as_me(
    client_of: "ClientOf", browser: "Browser", any_user_login: "Organization", ada: "User", alan: "User", grace: "User"
) -> None:
    now = timezone.now()
    over = browser()
    first = over.login_as(grace, actor=ada)
    over.log_out_as()
    start = now - timedelta(minutes=30, seconds=1)
    with unguarded():
        Impersonation.objects.filter(pk=first.pk).update(started_at=start, ended_at=start + timedelta(minutes=20))
    browser().login_as(grace, actor=alan)

    response = client_of(grace).get("/")

    assert section_of(response, "Who logged in as me") == (
        "Who Started Lasted Why Access Ended "
        f"Alan Turing {ANY_USER} just now less than a minute – Full access Logged in now End "
        f"Ada Lovelace {ANY_USER} 30 minutes ago 20 minutes – Full access Logged out"
    )


def test_live_visit_is_ended_from_home_but_not_from_inside(
    client_of: "ClientOf", browser: "Browser", any_user_login: "Organization", ada: "User", grace: "User"
) -> None:
    inside = browser()
    visit = inside.login_as(grace, actor=ada)
    button = f'action="/settings/visits/{visit.pk}/end/"'

    assert button not in html_of(inside.get("/"))
    graces = client_of(grace)
    assert button in html_of(graces.get("/"))
    graces.post(f"/settings/visits/{visit.pk}/end/")
    assert section_of(graces.get("/"), "Who logged in as me").endswith("You ended it")


def test_home_says_that_administrators_can_log_in_where_they_can(
    request: pytest.FixtureRequest, client_of: "ClientOf", acme: "Organization"
) -> None:
    people = [request.getfixturevalue(name) for name in ("grace", "ada", "margaret")]

    def told() -> list[bool]:
        return [OPEN in words_of(html_of(client_of(person).get("/"))) for person in people]

    off = told()
    acme.login_access_policy.any_user_login = True
    acme.login_access_policy.save()
    on = told()
    acme.login_access_policy.protect_administrators = True
    acme.login_access_policy.save()
    protected = told()

    assert (off, on, protected) == ([False] * 3, [True, True, False], [True, False, False])


def test_home_says_who_may_log_in_and_what_was_granted(
    client_of: "ClientOf", acme: "Organization", support: "Organization", grace: "User", margaret: "User"
) -> None:
    clients = [client_of(person) for person in (grace, margaret)]
    before = [section_of(client.get("/"), "Who may log in as me") for client in clients]
    LoginAccessGrantFactory.create(user=grace, granted_at=timezone.now() - timedelta(days=2))
    live = LoginAccessGrantFactory.create(user=grace, support_organization=support)
    LoginAccessPolicy.objects.filter(organization=acme).update(any_user_login=True)
    after = section_of(clients[0].get("/"), "Who may log in as me")
    SupportAccess.objects.create(organization=acme, support_organization=support, availability="administrators")

    barred = section_of(clients[0].get("/"), "Who may log in as me")

    nobody = "Who can log in as me My grants None."
    assert before == [
        f"Nobody without your grant. {nobody} Grant Account Login Access",
        f"Nobody: external users are never logged in as. {nobody}",
    ]
    assert after == (
        f"{OPEN} Who can log in as me My grants Portal Support, until {live.expires_at:%Y-%m-%d %H:%M:%S} UTC. "
        "Grant Account Login Access"
    )
    assert "UTC. Does not count now: Portal Support is available to administrators only. Grant" in barred


def test_what_is_refused_inside_is_not_offered_on_home(
    browser: "Browser", any_user_login: "Organization", ada: "User", grace: "User"
) -> None:
    inside = browser()
    inside.login_as(grace, actor=ada)

    assert section_of(inside.get("/"), "Who may log in as me") == f"{OPEN} Who can log in as me My grants None."


def test_visit_is_told_with_basis_reason_ticket_access_and_mail(
    client_of: "ClientOf", browser: "Browser", any_user_login: "Organization", ada: "User", grace: "User"
) -> None:
    LoginAccessPolicy.objects.update(ticket_url="https://tickets.example/?id={ticket}")
    now = timezone.now()
    visit = browser().login_as(grace, actor=ada)
    with unguarded():
        Impersonation.objects.filter(pk=visit.pk).update(
            basis="grant",
            group_name="Sales",
            reason="The report is empty",
            ticket="T 7",
            stepped_up_at=now - timedelta(minutes=3, seconds=1),
            step_up_reason="To correct it",
            mail="failed",
        )
    client = client_of(grace)

    words = section_of(client.get("/"), "Who logged in as me")

    assert words == (
        "Who Started Lasted Why Access Ended "
        "Ada Lovelace Your grant to the company's administrators; delegated group Sales just now "
        "less than a minute The report is empty T 7 Read-only, stepped up to full access 3 minutes ago: To correct it "
        "Logged in now End E-mail that tells of it: could not be sent"
    )
    assert '<a href="https://tickets.example/?id=T%207" rel="noopener noreferrer">T 7</a>' in html_of(client.get("/"))
    LoginAccessPolicy.objects.update(ticket_url="")
    with unguarded():
        Impersonation.objects.update(reason="", mail="sent")
    page = client.get("/")
    assert "less than a minute T 7 Read-only" in section_of(page, "Who logged in as me")
    assert "tickets.example" not in html_of(page)
    assert "E-mail that tells of it" not in html_of(page)


def test_support_agents_visit_is_named_with_their_house(
    client_of: "ClientOf", browser: "Browser", support: "Organization", sam: "User", grace: "User"
) -> None:
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    browser().login_as(grace, actor=sam)

    assert section_of(client_of(grace).get("/"), "Who logged in as me").startswith(
        "Who Started Lasted Why Access Ended Sam Spade (Portal Support) Your grant to a support organization "
    )


def test_home_lists_ones_own_sign_ins_the_last_five(
    browser: "Browser", any_user_login: "Organization", ada: "User", grace: "User"
) -> None:
    client = browser()
    client.login(username=grace.username, password="wrong")
    for _ in range(5):
        client.login(username=grace.username, password=PASSWORD)
    browser().login_as(grace, actor=ada)

    words = section_of(client.get("/"), "My last sign-ins")

    assert words.count("Application Success") == 5
    assert "Login-As" not in words
    assert "Wrong password" not in words


def test_home_lists_what_was_changed_with_who_did_it(
    client_of: "ClientOf", ada: "User", alan: "User", grace: "User"
) -> None:
    by_ada = Origin(user=ada, actor=ada)
    details = UserDetails(
        username=grace.username, email="new@acme.example", last_name="Hopper", first_name="Grace", alias="grace",
        profile=grace.profile, role=grace.role,
    )  # fmt: skip
    update_user(grace, details, origin=Origin(user=alan, actor=ada, impersonation_id=1), site="http://testserver")
    freeze_user(grace, origin=by_ada)
    unfreeze_user(grace, origin=by_ada)

    words = section_of(client_of(grace).get("/"), "What was changed on my account")

    assert words == (
        "When What By just now Unfroze user Grace Hopper Ada Lovelace just now Froze user Grace Hopper Ada Lovelace "
        "just now Asked to change email for user Grace Hopper from grace@acme.example to new@acme.example "
        "Alan Turing (by Ada Lovelace)"
    )


def test_home_of_someone_new_says_that_nothing_happened(client_of: "ClientOf", margaret: "User") -> None:
    response = client_of(margaret).get("/")

    assert section_of(response, "Who logged in as me") == "Nobody yet."
    assert section_of(response, "What was changed on my account") == "Nothing yet."


def test_home_asks_a_few_queries(client_of: "ClientOf", ada: "User") -> None:
    client = client_of(ada)

    with captured_queries() as queries:
        client.get("/")

    # Who is it; the profile's name; policy; settings; the address that waits; grants; support organizations; questions;
    # visits; sign-ins; changes.
    assert len(queries) == 11
