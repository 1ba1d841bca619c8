"""What other people's test suites use: logging in as someone, and everything they used before, unchanged."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY, aget_user, authenticate, get_user, update_session_auth_hash
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, Client, RequestFactory

from accounts.enums import EndCause, Refusal
from accounts.models import Impersonation, Session, User
from accounts.services.impersonation import ImpersonationRefused, TargetNotFound
from accounts.services.start_policy import StartDetails
from accounts.session_store import SessionStore
from accounts.testing import AsyncPortalClient, PortalClient
from orgs.http import Origin, actor_of
from orgs.models import AuditEvent, Organization
from tests.factories import PASSWORD
from tests.probe import tell

pytestmark = pytest.mark.urls("tests.probe")

ADA: dict[str, Any] = {"user": "Ada Lovelace", "actor": "Ada Lovelace", "visit": None, "messages": []}


def who(client: Client) -> str:
    name: str = client.get("/probe/open/").json()["user"]
    return name


# --- logging in as someone -------------------------------------------------------------------------------------------


def test_login_as_starts_a_real_visit(
    any_user_login: Organization, ada: User, grace: User, portal_client: PortalClient
) -> None:
    visit = portal_client.login_as(grace, actor=ada, details=StartDetails(reason="Ticket 7"))

    assert portal_client.get("/probe/").json() == {
        "user": "Grace Hopper",
        "actor": "Ada Lovelace",
        "visit": visit.pk,
        "messages": [],
    }
    assert (visit.actor, visit.target, visit.reason, Impersonation.objects.get()) == (ada, grace, "Ticket 7", visit)
    assert AuditEvent.objects.get().sentence == "Logged in using Login-As access for Grace Hopper"


def test_login_as_goes_on_from_whoever_is_signed_in(
    any_user_login: Organization, ada: User, grace: User, portal_client: PortalClient
) -> None:
    portal_client.force_login(ada)

    visit = portal_client.login_as(grace)

    assert (visit.actor, who(portal_client)) == (ada, "Grace Hopper")


def test_log_out_as_ends_it(any_user_login: Organization, ada: User, grace: User, portal_client: PortalClient) -> None:
    visit = portal_client.login_as(grace, actor=ada)

    response = portal_client.log_out_as()

    visit.refresh_from_db()
    assert (response.status_code, visit.end_cause, who(portal_client)) == (302, EndCause.LOGGED_OUT, "AnonymousUser")


def test_login_as_is_refused_where_the_rule_says_no(
    acme: Organization, ada: User, grace: User, portal_client: PortalClient
) -> None:
    with pytest.raises(ImpersonationRefused) as caught:
        portal_client.login_as(grace, actor=ada)

    assert (caught.value.refusal, who(portal_client)) == (Refusal.OFF, "Ada Lovelace")


def test_login_as_is_refused_inside(
    any_user_login: Organization, ada: User, alan: User, grace: User, portal_client: PortalClient
) -> None:
    portal_client.login_as(grace, actor=ada)

    with pytest.raises(ImpersonationRefused) as caught:
        portal_client.login_as(alan)

    assert (caught.value.refusal, who(portal_client)) == (Refusal.NESTED, "Grace Hopper")


def test_login_as_someone_of_another_organization_is_not_found(
    any_user_login: Organization, ada: User, stranger: User, portal_client: PortalClient
) -> None:
    with pytest.raises(TargetNotFound):
        portal_client.login_as(stranger, actor=ada)


@pytest.mark.parametrize("before", ["nobody", "an anonymous session", "signed out"])
def test_login_as_needs_someone_who_logs_in(
    any_user_login: Organization, ada: User, grace: User, portal_client: PortalClient, before: str
) -> None:
    if before == "an anonymous session":
        portal_client.get("/probe/keep/open/?value=apples")
    if before == "signed out":
        portal_client.force_login(ada)
        key = portal_client.cookies[settings.SESSION_COOKIE_NAME].value
        portal_client.logout()
        portal_client.cookies[settings.SESSION_COOKIE_NAME] = key

    with pytest.raises(ValueError, match="Nobody is signed in here"):
        portal_client.login_as(grace)


def test_async_client_logs_in_as_someone(
    any_user_login: Organization, ada: User, grace: User, async_portal_client: AsyncPortalClient
) -> None:
    async def story() -> tuple[str, int, str]:
        await sync_to_async(async_portal_client.login_as)(grace, actor=ada)
        inside = (await async_portal_client.get("/probe/async/")).json()["user"]
        left = await async_portal_client.log_out_as()
        outside = (await async_portal_client.get("/probe/open/")).json()["user"]
        return inside, left.status_code, outside

    assert async_to_sync(story)() == ("Grace Hopper", 302, "AnonymousUser")


# --- what such suites already use ------------------------------------------------------------------------------------


def test_force_login_signs_in(ada: User, client: Client) -> None:
    client.force_login(ada)

    assert client.get("/probe/").json() == ADA


def test_force_login_names_its_backend(ada: User, client: Client) -> None:
    client.force_login(ada, backend="accounts.backends.PasswordBackend")

    assert client.session["_auth_user_backend"] == "accounts.backends.PasswordBackend"


def test_force_login_as_another_takes_over(ada: User, grace: User, client: Client) -> None:
    client.force_login(ada)
    client.force_login(grace)

    assert who(client) == "Grace Hopper"


@pytest.mark.parametrize(("password", "signs_in"), [(PASSWORD, True), ("wrong", False)])
def test_login_signs_in_with_the_password(ada: User, client: Client, password: str, signs_in: bool) -> None:
    assert client.login(username="ada@acme.example", password=password) is signs_in
    assert who(client) == ("Ada Lovelace" if signs_in else "AnonymousUser")


def test_logout_signs_out(ada: User, client: Client) -> None:
    client.force_login(ada)

    client.logout()

    assert (who(client), dict(client.cookies)) == ("AnonymousUser", {})
    assert Session.objects.get().ended_at is not None


def test_logout_of_nobody_is_nothing(db: None, client: Client) -> None:
    client.logout()

    assert who(client) == "AnonymousUser"


def test_logout_inside_a_visit_ends_both(
    any_user_login: Organization, ada: User, grace: User, portal_client: PortalClient
) -> None:
    visit = portal_client.login_as(grace, actor=ada)

    portal_client.logout()

    visit.refresh_from_db()
    assert (visit.end_cause, Session.objects.filter(ended_at=None).count()) == (EndCause.LOGGED_OUT, 0)


@pytest.mark.parametrize("is_signed_in", [False, True])
def test_session_is_written_by_the_test_and_read_by_the_view(ada: User, client: Client, is_signed_in: bool) -> None:
    if is_signed_in:
        client.force_login(ada)
    session = client.session
    session["kept"] = "by the test"
    session.save()

    response = client.get("/probe/keep/open/?value=by the view")

    assert response.content == b"by the test"
    assert client.session["kept"] == "by the view"
    assert (SESSION_KEY in client.session) is is_signed_in


def test_session_says_who_is_signed_in(ada: User, client: Client) -> None:
    client.force_login(ada)

    assert client.session[SESSION_KEY] == str(ada.pk)


def test_user_is_found_in_the_session(ada: User, client: Client) -> None:
    client.force_login(ada)
    request = HttpRequest()
    request.session = client.session

    found, found_async = get_user(request), async_to_sync(aget_user)(request)

    assert found == found_async == ada


def test_frozen_account_that_is_worn_is_found_in_the_session(
    any_user_login: Organization, ada: User, dennis: User, portal_client: PortalClient
) -> None:
    portal_client.login_as(dennis, actor=ada)
    request = HttpRequest()
    request.session = portal_client.session

    assert get_user(request) == dennis


def test_session_goes_on_after_the_password_was_changed(ada: User, client: Client, rf: RequestFactory) -> None:
    client.force_login(ada)
    request = rf.post("/")
    request.session, request.user = client.session, ada
    request.session["kept"] = "apples"

    ada.set_password("another long enough password")
    ada.save()
    update_session_auth_hash(request, ada)
    request.session.save()
    late = who(client)
    client.cookies[settings.SESSION_COOKIE_NAME] = str(request.session.session_key)

    assert (late, who(client), client.session["kept"]) == ("AnonymousUser", "Ada Lovelace", "apples")


def test_session_ends_where_nobody_said_that_the_password_was_changed(ada: User, client: Client) -> None:
    client.force_login(ada)

    ada.set_password("another long enough password")
    ada.save()

    assert who(client) == "AnonymousUser"


def test_authenticate_answers_as_ever(ada: User) -> None:
    assert authenticate(username="ada@acme.example", password=PASSWORD) == ada
    assert authenticate(username="ada@acme.example", password="wrong") is None


def test_request_of_a_factory_needs_nothing_but_its_user(ada: User, rf: RequestFactory) -> None:
    request = rf.get("/", REMOTE_ADDR="192.0.2.7")
    request.user = ada

    origin = Origin.of(request)

    assert actor_of(request) is ada
    assert (origin.user, origin.actor, origin.address, origin.is_impersonating) == (ada, ada, "192.0.2.7", False)


def test_view_that_is_called_with_a_bare_request_finds_the_actor(grace: User, rf: RequestFactory) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return JsonResponse({"actor": str(actor_of(request))})

    request = rf.get("/")
    request.user = grace

    assert view(request).content == b'{"actor": "Grace Hopper"}'


def test_probe_is_called_with_a_bare_request_too(db: None, rf: RequestFactory) -> None:
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415

    request = rf.get("/")
    request.user = AnonymousUser()

    assert b'"user": "AnonymousUser"' in tell(request).content


def test_async_client_signs_in_and_out(ada: User) -> None:
    client = AsyncClient()

    async def story() -> list[str]:
        await client.aforce_login(ada)
        inside: Any = await client.get("/probe/async/")
        await client.alogout()
        outside: Any = await client.get("/probe/open/")
        return [inside.json()["user"], outside.json()["user"]]

    assert async_to_sync(story)() == ["Ada Lovelace", "AnonymousUser"]


def test_async_client_signs_in_with_the_password_and_keeps_a_session(ada: User) -> None:
    client = AsyncClient()

    async def story() -> list[str]:
        assert await client.alogin(username="ada@acme.example", password=PASSWORD)
        session = await client.asession()
        await session.aset("kept", "by the test")
        await session.asave()
        response: Any = await client.get("/probe/keep/?value=by the view")
        return [response.content.decode(), await (await client.asession()).aget("kept")]

    assert async_to_sync(story)() == ["by the test", "by the view"]


def test_session_engine_is_found_by_its_name(db: None, client_of: Callable[[User], PortalClient], ada: User) -> None:
    assert SessionStore.__module__ == settings.SESSION_ENGINE
    assert isinstance(client_of(ada).session, SessionStore)
