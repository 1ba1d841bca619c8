"""Who can log in as someone: the rule's own answer for each who might ask."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from accounts.facts import find_target
from accounts.login_access import may_impersonate
from accounts.models import User
from accounts.who_can import Standing, who_can
from orgs.editions import Edition
from orgs.models import LoginAccessPolicy, Organization, SupportAccess, SupportAvailability
from orgs.permissions import Permission
from tests.factories import (
    DelegatedGroupFactory,
    LoginAccessGrantFactory,
    ProfileFactory,
    RoleFactory,
    UserFactory,
)
from tests.queries import captured_queries

from .reading import html_of, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import Profile
    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]
    Profiles = dict[str, Profile]

MINE = "/settings/who-can-log-in/"
OFF = "Administrators Can Log in as Any User is off in Login Access Policies."
NO_GRANT = "There is no grant to Portal Support."


def page_of(user: User) -> str:
    return f"/setup/users/{user.pk}/who-can-log-in/"


def rows_of(html: str) -> list[str]:
    body = re.search(r"<tbody>.*?</tbody>", html, re.DOTALL)
    return [words_of(row) for row in re.findall(r"<tr>.*?</tr>", body[0], re.DOTALL)] if body else []


def answers(target: User) -> dict[str, tuple[str, bool, str]]:
    target = User.objects.get(pk=target.pk)
    found = who_can(Standing.of(target), at=timezone.now())
    return {row.name: (row.kind, bool(row.verdict), row.why) for row in found.rows}


@pytest.fixture
def barbara(make: "Make", acme: Organization, grace: User, profiles: "Profiles") -> User:
    """Delegated administrator over Grace's role, with login access."""
    profiles["Delegate"] = ProfileFactory.create(
        organization=acme, name="Delegate", permissions=(Permission.VIEW_SETUP,)
    )
    user = make("Barbara", "Liskov", "Delegate")
    DelegatedGroupFactory.create(organization=acme, login_access=True, delegates=[user], roles=[grace.role])
    return user


def test_each_who_might_ask_stands_there_with_the_rules_answer(
    support: Organization, ada: User, alan: User, hedy: User, barbara: User, grace: User
) -> None:
    off = answers(grace)
    LoginAccessGrantFactory.create(user=grace)
    granted = answers(grace)

    assert off == {
        "Portal Support": ("Support organization", False, NO_GRANT),
        "Ada Lovelace": ("Administrator", False, OFF),
        "Alan Turing": ("Administrator", False, OFF),
        "Barbara Liskov": ("Delegated administrator", False, OFF),
    }
    assert granted == {
        "Portal Support": ("Support organization", False, NO_GRANT),
        **{
            name: (kind, True, "The user's grant to the company's administrators")
            for name, (kind, _, why) in off.items()
            if why == OFF
        },
    }


@pytest.mark.parametrize("setting", ["off", "on", "grant", "expired", "edition", "protected", "barred"])
def test_list_and_rule_are_equal_for_every_person(
    acme: Organization,
    support: Organization,
    ada: User,
    alan: User,
    barbara: User,
    sam: User,
    grace: User,
    setting: str,
) -> None:
    policy = LoginAccessPolicy.objects.filter(organization=acme)
    start = timezone.now() - timedelta(days=2 if setting == "expired" else 0)
    if setting in {"grant", "expired", "barred"}:
        for grantee in (None, support):
            LoginAccessGrantFactory.create(user=grace, granted_at=start, support_organization=grantee)
    if setting == "barred":
        SupportAccess.objects.create(
            organization=acme, support_organization=support, availability=SupportAvailability.ADMINISTRATORS
        )
    policy.update(any_user_login=setting in {"on", "protected"}, protect_administrators=setting == "protected")
    Organization.objects.filter(pk=acme.pk).update(
        edition=Edition.GROUP if setting == "edition" else Edition.ENTERPRISE
    )

    for target in (grace, alan):
        listed = answers(target)
        for actor in (ada, barbara, sam):
            found = find_target(actor, target.pk)
            assert found
            verdict = may_impersonate(actor=actor, target=found.user, facts=found.facts, at=timezone.now())
            _, may, why = listed[str(support) if actor == sam else str(actor)]
            assert may == bool(verdict)
            # What the rule tells an agent of their own organization is worded anew.
            assert may or actor == sam or why == verdict.reason


def test_support_that_is_barred_is_said_to_be_so(acme: Organization, support: Organization, grace: User) -> None:
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    granted = answers(grace)
    SupportAccess.objects.create(organization=acme, support_organization=support, availability="administrators")

    kind = "Support organization"
    assert granted == {"Portal Support": (kind, True, "The user's grant to a support organization")}
    barred = "Portal Support is available to administrators only."
    assert answers(grace) == {"Portal Support": (kind, False, barred)}


def test_only_those_who_can_sign_in_and_never_the_person(
    make: "Make", ada: User, alan: User, barbara: User, grace: User
) -> None:
    User.objects.filter(pk=alan.pk).update(is_frozen=True)
    make("Edsger", "Dijkstra", "System Administrator", is_active=False)

    assert list(answers(ada)) == ["Barbara Liskov"]
    assert list(answers(grace)) == ["Ada Lovelace", "Barbara Liskov"]


def test_group_without_login_access_makes_nobody_appear(acme: Organization, hedy: User, grace: User) -> None:
    group = DelegatedGroupFactory.create(organization=acme, login_access=False, delegates=[hedy], roles=[grace.role])
    without = answers(grace)
    group.login_access = True
    group.save()

    assert (without, list(answers(grace))) == ({}, ["Hedy Lamarr"])


def test_delegate_without_reach_is_told_so(acme: Organization, hedy: User, grace: User, alan: User) -> None:
    elsewhere = RoleFactory.create(organization=acme, name="Elsewhere")
    DelegatedGroupFactory.create(organization=acme, login_access=True, delegates=[hedy], roles=[elsewhere])
    DelegatedGroupFactory.create(organization=acme, login_access=True, delegates=[hedy])

    out = "This user's role is not in reach of the delegate's groups with login access."
    assert answers(grace)["Hedy Lamarr"] == ("Delegated administrator", False, out)
    # No role at all.
    assert answers(alan)["Hedy Lamarr"] == ("Delegated administrator", False, out)


def test_page_in_setup_and_ones_own_say_the_same(
    client_of: "ClientOf", any_user_login: Organization, ada: User, audrey: User, grace: User
) -> None:
    in_setup, mine = html_of(client_of(audrey).get(page_of(grace))), html_of(client_of(grace).get(MINE))

    assert rows_of(in_setup) == ["Ada Lovelace Administrator Yes Administrators Can Log in as Any User"]
    assert rows_of(mine) == rows_of(in_setup)
    assert f'href="/setup/users/{grace.pk}/">Back to Grace Hopper</a>' in in_setup


def test_ones_own_page_speaks_to_the_person(
    client_of: "ClientOf", acme: Organization, ada: User, audrey: User, grace: User
) -> None:
    acme.provisioned = True
    acme.save()
    LoginAccessGrantFactory.create(user=grace)

    on_grant = [rows_of(html_of(client_of(one).get(page))) for one, page in ((audrey, page_of(grace)), (grace, MINE))]

    assert on_grant == [
        ["Ada Lovelace Administrator Yes The user's grant to the company's administrators"],
        ["Ada Lovelace Administrator Yes Your grant to the company's administrators"],
    ]


def test_ones_own_page_is_called_well_outside_a_visit_and_inside(
    client_of: "ClientOf", browser: "Callable[[], PortalClient]", any_user_login: Organization, ada: User, grace: User
) -> None:
    inside = browser()
    inside.login_as(grace, actor=ada)

    pages = [html_of(client.get(MINE)) for client in (client_of(grace), inside)]

    called = [re.findall(r"<(?:title|h1)>(.*?)</", page) for page in pages]
    assert called == [
        ["Who can log in as me · Portal", "Who can log in as me"],
        ["Who can log in as Grace Hopper · Portal", "Who can log in as Grace Hopper"],
    ]


def test_page_says_where_there_is_nobody(client_of: "ClientOf", grace: User) -> None:
    assert "Nobody: there is no other administrator" in html_of(client_of(grace).get(MINE))


def test_page_in_setup_needs_view_all_users(client_of: "ClientOf", audrey: User, grace: User, stranger: User) -> None:
    statuses = [
        client_of(reader).get(page_of(user)).status_code
        for reader, user in ((audrey, grace), (grace, grace), (audrey, stranger))
    ]

    assert statuses == [200, 403, 404]


@pytest.mark.parametrize("rows", [1, 3, 50])
def test_page_asks_the_same_few_queries_and_pages(
    client_of: "ClientOf",
    acme: Organization,
    support: Organization,
    profiles: "Profiles",
    audrey: User,
    grace: User,
    rows: int,
) -> None:
    administrators: list[Any] = UserFactory.create_batch(
        rows, organization=acme, profile=profiles["System Administrator"]
    )
    for administrator in administrators[:20]:
        DelegatedGroupFactory.create(
            organization=acme, login_access=True, delegates=[administrator], roles=[grace.role]
        )
    UserFactory.create(organization=acme, profile=profiles["System Administrator"], first_name="Zoë", last_name="Last")
    client = client_of(audrey)

    with captured_queries() as queries:
        page = html_of(client.get(page_of(grace)))

    # Who is it; user; policy; grants; support organizations; administrators' profiles; people; groups.
    assert len(queries) == 8
    assert len(rows_of(page)) == 1 + min(rows + 1, 50)
    links = [url.replace("&amp;", "&") for url in re.findall(r'href="([^"]*)" rel="next"', page)]
    # Support organizations stand on the first page alone.
    second = [rows_of(html_of(client.get(url))) for url in links]
    assert [[row.split(" A")[0] for row in found] for found in second] == ([["Zoë Last"]] if rows == 50 else [])
