"""A support agent's story: someone grants Portal Support access, the agent finds them in the console and logs in."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from accounts.enums import EndCause, Refusal
from accounts.models import Impersonation, User
from accounts.services.grants import save_grants
from accounts.services.impersonation import ImpersonationRefused
from orgs.http import Origin
from orgs.models import AuditEvent, Organization, SessionSettings
from tests.factories import LoginAccessGrantFactory
from tests.journeys.browsing import Browser

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient

    Make = Callable[..., User]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nobody_has_tried_before() -> None:
    cache.clear()


@pytest.fixture
def joan(make: "Make", support: Organization) -> User:
    """She granted Portal Support three days, in her settings."""
    user = make("Joan", "Clarke")
    save_grants(user, {str(support.pk): "3_days"}, origin=Origin(user=user, actor=user))
    return user


@pytest.fixture(params=[True, False], ids=["any-user login", "off"])
def switch(request: pytest.FixtureRequest, acme: Organization) -> bool:
    """Any-user login of Acme, on and off: to support agents it is all the same."""
    acme.login_access_policy.any_user_login = request.param
    acme.login_access_policy.save()
    return bool(request.param)


def force_relogin(*, acme: bool, support: bool) -> None:
    for name, value in (("Acme", acme), ("Portal Support", support)):
        SessionSettings.objects.filter(organization__name=name).update(force_relogin=value)


def trail_of(organization: Organization) -> list[tuple[str, str, str]]:
    rows = AuditEvent.objects.filter(organization=organization).order_by("id")
    return [(row.user_name, row.delegate_user_name, row.sentence) for row in rows]


IN = ("Sam Spade (Portal Support)", "", "Logged in using Login-As access for Joan Clarke")
OUT = ("Sam Spade (Portal Support)", "", "Logged out using Login-As access for Joan Clarke")


@pytest.mark.parametrize(
    ("of_acme", "of_support", "is_out"),
    [(False, False, False), (True, False, True), (False, True, True)],
    ids=["no relogin", "the customer's says so", "the vendor's says so"],
)
def test_agent_logs_in_as_who_granted_access_and_comes_back_to_their_page(
    of_acme: bool, of_support: bool, is_out: bool, switch: bool, joan: User, sam: User
) -> None:
    force_relogin(acme=of_acme, support=of_support)
    sams = Browser()

    # From Home to the console, the list, Joan's page, Login
    console = sams.sign_in(sam).click("Console")
    person = console.click("People who granted access").click("Joan Clarke")
    inside = person.press("Login")

    assert (inside.path, inside.heading, inside.title) == ("/", "Welcome, Joan", "Home as Joan Clarke · Portal")
    assert inside.banner.startswith("Sam Spade, you are logged in as Joan Clarke. 60 minutes left")

    # Inside he has her pages, and the console is closed
    refused = sams.open("/admin/")
    assert (refused.status, refused.heading) == (403, "Not allowed as Joan Clarke")
    assert "This is not available while you are logged in as Joan Clarke." in refused.text

    # Out
    page = f"/admin/accounts/user/{joan.pk}/change/"
    out = refused.press("Log out as Joan Clarke")
    if is_out:
        assert out.heading == "Log in"
        out = out.press("Log in", Username=sam.username, Password="a long enough password")
    assert (out.path, out.heading, out.banner) == (page, "Joan Clarke", "")

    trail = trail_of(joan.organization)
    assert trail[0][:2] == ("Joan Clarke", "")
    assert trail[1:] == [IN, OUT]
    visit = Impersonation.objects.get()
    assert (visit.basis, visit.end_cause, visit.actor_name) == (
        "support_grant",
        EndCause.LOGGED_OUT,
        "Sam Spade (Portal Support)",
    )


def test_agent_logs_in_from_the_list_with_one_click(joan: User, sam: User) -> None:
    sams = Browser()

    inside = sams.sign_in(sam).click("Console").click("People who granted access").press("Login as Joan Clarke")

    assert inside.heading == "Welcome, Joan"
    assert Impersonation.objects.get().target == joan


def test_what_an_agent_does_inside_names_both(joan: User, sam: User, alan: User, support: Organization) -> None:
    save_grants(alan, {str(support.pk): "day"}, origin=Origin(alan, alan))
    sams = Browser()
    sams.sign_in(sam)
    sams.open(f"/admin/accounts/user/{alan.pk}/change/").press("Login")

    sams.open(f"/setup/users/{joan.pk}/").press("Freeze")

    joan.refresh_from_db()
    assert joan.is_frozen
    assert trail_of(joan.organization)[-1] == ("Alan Turing", "Sam Spade (Portal Support)", "Froze user Joan Clarke")


def test_policy_of_the_customer_asks_first(joan: User, sam: User) -> None:
    policy = joan.organization.login_access_policy
    policy.reason_required, policy.time_limit_minutes = True, 5
    policy.save()
    sams = Browser()
    sams.sign_in(sam)
    address = f"/admin/accounts/user/{joan.pk}/change/"

    form = sams.open(address).press("Login")
    back = form.click("Cancel")
    inside = form.press("Login", Reason="Ticket 7: she cannot see her quotes")

    assert (form.path, form.heading) == (f"/setup/users/{joan.pk}/login-as/", "Log in as Joan Clarke")
    assert back.path == address
    assert inside.banner.startswith("Sam Spade, you are logged in as Joan Clarke. 5 minutes left")
    assert Impersonation.objects.get().reason == "Ticket 7: she cannot see her quotes"


def test_policy_of_the_customer_asks_to_sign_in_again(joan: User, sam: User) -> None:
    policy = joan.organization.login_access_policy
    policy.sign_in_again_minutes = 5
    policy.save()
    sams = Browser()
    sams.sign_in(sam)
    sam.sessions.update(authenticated_at=timezone.now() - timedelta(minutes=6))

    again = sams.open(f"/admin/accounts/user/{joan.pk}/change/").press("Login")

    assert again.place == "/account/reauthenticate/"
    assert not Impersonation.objects.exists()


# --- who may not -------------------------------------------------------------------------------------------------


def test_without_a_grant_any_user_login_helps_no_agent(
    switch: bool, grace: User, sam: User, browser: "Callable[[], PortalClient]"
) -> None:
    client = browser()
    with pytest.raises(ImpersonationRefused) as refused:
        client.login_as(grace, actor=sam)

    assert refused.value.refusal == Refusal.NO_GRANT
    assert client.post(f"/setup/users/{grace.pk}/login-as/").status_code == 403
    assert client.get(f"/admin/accounts/user/{grace.pk}/change/").status_code == 404


def test_agent_does_not_go_on_to_another_from_inside(
    switch: bool, joan: User, alan: User, sam: User, support: Organization, browser: "Callable[[], PortalClient]"
) -> None:
    LoginAccessGrantFactory.create(user=alan, support_organization=support)
    LoginAccessGrantFactory.create(user=joan)
    client = browser()
    client.login_as(alan, actor=sam)

    to_another = client.post(f"/setup/users/{joan.pk}/login-as/")

    assert to_another.status_code == 403
    assert "You are already logged in as a user." in to_another.content.decode()
    assert Impersonation.objects.get().target == alan


@pytest.mark.parametrize(("role", "status"), [("support", 302), ("sales", 404), ("", 404)])
def test_sales_logs_in_as_nobody(
    role: str, status: int, joan: User, sam: User, client_of: "Callable[[User], PortalClient]"
) -> None:
    User.objects.filter(pk=sam.pk).update(operator_role=role)
    client = client_of(sam)

    assert client.post(f"/setup/users/{joan.pk}/login-as/").status_code == status


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (EndCause.GRANT_REVOKED, "Your visit as Joan Clarke has ended: the user took back the grant."),
        (EndCause.GRANT_EXPIRED, "Your visit as Joan Clarke has ended: the user&#x27;s grant ran out."),
    ],
)
def test_grant_that_is_gone_ends_the_visit_and_the_console_forgets_her(
    cause: EndCause, words: str, joan: User, sam: User, support: Organization, browser: "Callable[[], PortalClient]"
) -> None:
    client = browser()
    visit = client.login_as(joan, actor=sam)
    assert client.get("/").context["user"] == joan

    if cause == EndCause.GRANT_REVOKED:
        save_grants(joan, {str(support.pk): "none"}, origin=Origin(user=joan, actor=joan))
    else:
        now = timezone.now()
        joan.login_access_grants.update(granted_at=now - timedelta(days=3), expires_at=now)
    answer: Any = client.get("/", follow=True)

    visit.refresh_from_db()
    assert visit.end_cause == cause
    assert (answer.context["user"], answer.request["PATH_INFO"]) == (sam, "/")
    assert words in answer.content.decode()
    assert client.get(f"/admin/accounts/user/{joan.pk}/change/").status_code == 404


def test_role_that_is_taken_away_ends_the_visit(joan: User, sam: User, browser: "Callable[[], PortalClient]") -> None:
    client = browser()
    visit = client.login_as(joan, actor=sam)

    User.objects.filter(pk=sam.pk).update(operator_role="sales")
    client.get("/")

    visit.refresh_from_db()
    assert visit.end_cause == EndCause.ACTOR_LOST_PERMISSION
