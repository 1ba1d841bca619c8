"""No page weighs more than 60 kB of HTML with fifty rows on it, of people whose names are as long as real ones get."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import Impersonation, LoginAccessGrant, Session, User
from accounts.services.activity import record_refused
from accounts.testing import PortalClient
from accounts.views.user_list_state import MORE_COLUMNS
from orgs.editions import Edition
from orgs.models import LoginAccessPolicy, Organization, OrganizationKind
from orgs.permissions import Permission, RefusedInside
from tests.factories import (
    AccessRequestFactory,
    ActivationRequestFactory,
    DelegatedGroupFactory,
    LoginAccessGrantFactory,
    OrganizationFactory,
    ProfileFactory,
    RoleFactory,
    UserFactory,
)

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_crowd")]

MOST_BYTES = 60_000
# One page and the first row of the next.
ROWS = 51
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"
FIRST_NAMES = ("Valentina", "Björn", "Oluwaseun", "Wilhelmina")
LAST_NAMES = ("Featherstone", "Papadimitriou", "Wiśniewska")


@pytest.fixture(scope="module")
def _crowd(django_db_setup: None, django_db_blocker: "DjangoDbBlocker") -> Iterator[None]:
    """Fill every list once for all tests of this module; it is taken back in the end."""
    with django_db_blocker.unblock(), transaction.atomic():
        crowd()
        yield
        transaction.set_rollback(True)


def crowd() -> None:
    """Make an organization with more of everything than a page takes, and the vendor's with as many customers."""
    company = OrganizationFactory.create(name="Featherstone Consolidated Holdings", policy__any_user_login=True)
    all_of_it = ProfileFactory.create(organization=company, name="Administrator", permissions=tuple(Permission))
    plain = ProfileFactory.create(organization=company, name="Regional Sales Representative")
    ada = UserFactory.create(organization=company, profile=all_of_it, username="ada@acme.example")
    parent = RoleFactory.create(organization=company, name="Vice President, Worldwide Sales")
    house = OrganizationFactory.create(name="Portal Support", kind=OrganizationKind.OPERATOR)
    for role in ("support", "sales"):
        UserFactory.create(organization=house, operator_role=role, username=f"{role}@support.example")
    for number in range(ROWS):
        person = UserFactory.create(
            organization=company,
            profile=plain,
            role=RoleFactory.create(organization=company, name=f"Regional Sales Manager {number}", parent=parent),
            username=f"v.featherstone{number}@acme.example",
            first_name=FIRST_NAMES[number % len(FIRST_NAMES)],
            last_name=LAST_NAMES[number % len(LAST_NAMES)],
            alias=f"vfeat{number}",
            last_login=timezone.now() - timedelta(days=number),
            modified_at=timezone.now(),
        )
        fill(person, ada, house, number)


def fill(person: User, ada: User, house: Organization, number: int) -> None:
    """Let one more of everything happen, to one more person and to the first one."""
    first = User.objects.get(username="v.featherstone0@acme.example")
    client = PortalClient()
    client.login_as(first, actor=ada)
    client.login_as(person, actor=ada)
    Session.objects.update(agent=FIREFOX, address="198.51.100.217")
    DelegatedGroupFactory.create(organization=person.organization, name=f"Regional administrators {number}")
    LoginAccessGrantFactory.create(user=person)
    LoginAccessGrantFactory.create(user=person, support_organization=house)
    AccessRequestFactory.create(user=first, requester=person, reason="The report of last quarter stays empty. " * 3)
    client.force_login(first)
    client.get("/")
    refusal = str(RefusedInside(str(first)))
    visit = Impersonation.objects.filter(target=first).earliest("started_at")
    record_refused(visit, method="POST", view="login_access", about="", status=403, detail=refusal, at=timezone.now())
    customer = OrganizationFactory.create(name=f"Worldwide Widgets and Sons {number}", edition=Edition.UNLIMITED)
    ActivationRequestFactory.create(requested_by=UserFactory.create(organization=customer, last_name=LAST_NAMES[1]))


ADA, FIRST = "ada@acme.example", "v.featherstone0@acme.example"
SUPPORT, SALES = "support@support.example", "sales@support.example"

# Each page that has a list: who opens it.
LISTS = {
    "home": FIRST,
    "settings_login_history": FIRST,
    "settings_sessions": FIRST,
    "settings_who_can_log_in": FIRST,
    "login_access": FIRST,
    "user_list": ADA,
    "user_detail": ADA,
    "user_summary": ADA,
    "user_who_can_log_in": ADA,
    "role_list": ADA,
    "delegated_group_list": ADA,
    "delegated_group_create": ADA,
    "session_list": ADA,
    "impersonation_list": ADA,
    "impersonation_detail": ADA,
    "login_access_grants": ADA,
    "login_history": ADA,
    "audit_trail": ADA,
    "admin:orgs_organization_changelist": SALES,
    "admin:orgs_activationrequest_changelist": SUPPORT,
    "admin:accounts_user_changelist": SUPPORT,
}


@pytest.mark.parametrize("name", LISTS)
def test_page_of_fifty_rows_is_light(name: str) -> None:
    client = PortalClient()
    client.force_login(User.objects.get(username=LISTS[name]))
    about = {
        "user_detail": {"user_id": User.objects.get(username=FIRST).pk},
        "impersonation_detail": {"visit_id": Impersonation.objects.earliest("started_at").pk},
    }
    kwargs = about.get("user_detail" if name.startswith("user_") and name != "user_list" else name)

    page = client.get(reverse(name, kwargs=kwargs))

    assert page.status_code == 200
    assert len(page.content) < MOST_BYTES


@pytest.mark.parametrize("may_login", [True, False])
def test_users_with_every_column_are_light(*, may_login: bool) -> None:
    client = PortalClient()
    client.force_login(User.objects.get(username=ADA))
    if not may_login:
        # Then each row says so.
        LoginAccessPolicy.objects.update(any_user_login=False)
        LoginAccessGrant.objects.all().delete()

    page = client.get(reverse("user_list"), {"columns": [*MORE_COLUMNS]})

    assert page.content.count(b'data-label="Last Modified"') == ROWS - 1
    assert (b"<br>switched off</td>" in page.content) != may_login
    assert len(page.content) < MOST_BYTES
