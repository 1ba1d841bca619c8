"""People who granted a support organization access, in the operator console."""

from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from accounts.facts import facts_about
from accounts.login_access import may_impersonate
from accounts.models import User
from orgs.models import (
    ActivationRequest,
    Organization,
    SupportAccess,
    SupportAvailability,
)
from tests.accounts.reading import html_of, words_of
from tests.factories import LoginAccessGrantFactory, OrganizationFactory, ProfileFactory, UserFactory
from tests.queries import captured_queries

from .reading import facts_of, rows_of, to

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]

pytestmark = pytest.mark.django_db


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

    client, address = client_of(sam), to("accounts_user_changelist")
    first = client.get(address)
    second = client.get(f"{address}{first.context['cl'].next_url}")
    back = client.get(f"{address}{second.context['cl'].previous_url}")

    names = [[row[0] for row in rows_of(page)] for page in (first, second, back)]
    assert names == [[f"Person {number:02}" for number in range(50)], ["Person 50"], names[0]]
    assert ['rel="next"' in html_of(page) for page in (first, second)] == [True, False]


def test_rows_are_counted_as_far_as_that_is_cheap(
    monkeypatch: pytest.MonkeyPatch, joan: User, grace: User, support: Organization, sam: User, client_of: "ClientOf"
) -> None:
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    client, address = client_of(sam), to("accounts_user_changelist")

    exact = html_of(client.get(address, {"q": "acme"}))
    for module in ("console", "paging"):
        monkeypatch.setattr(f"orgs.{module}.COUNTED", 1)
    monkeypatch.setattr("orgs.console.estimate", lambda _: None)
    many = html_of(client.get(address, {"q": "acme"}))
    monkeypatch.setattr("orgs.console.estimate", lambda _: 1900)
    about = html_of(client.get(address, {"q": "acme"}))

    assert ("2 found." in exact, "2 users" in exact) == (True, True)
    assert ("more than 1 found." in many, "more than 1 users" in many) == (True, True)
    assert ("about 1,900 found." in about, "about 1,900 users" in about) == (True, True)


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
