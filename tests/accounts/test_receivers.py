"""Django's and allauth's signals, handed to services."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import alogin, authenticate, login
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.contrib.sessions.backends.cache import SessionStore as AnotherEngine
from django.test import RequestFactory
from django.utils import timezone

from accounts.enums import EndCause
from accounts.models import Impersonation, Login, Session, User
from accounts.session_store import SessionStore
from accounts.testing import PortalClient
from orgs.http import Origin, actor_of
from orgs.models import AuditEvent, LoginAccessPolicy, Organization
from orgs.signals import login_access_changed
from tests.factories import PASSWORD

pytestmark = pytest.mark.urls("tests.probe")

ANOTHER = "another long enough password"
ClientOf = Callable[[User], PortalClient]
Browser = Callable[[], PortalClient]


def who(client: PortalClient) -> str:
    name: str = client.get("/probe/open/").json()["user"]
    return name


# --- signing in ------------------------------------------------------------------------------------------------------


def test_signing_in_writes_session_history_and_last_login_once(grace: User, rf: RequestFactory) -> None:
    request = rf.get("/", headers={"User-Agent": "Netscape"}, REMOTE_ADDR="192.0.2.7")
    request.session = SessionStore()
    before = timezone.now()

    login(request, grace)
    request.session.save()

    row, session = Login.objects.get(), Session.objects.get()
    assert before <= row.created_at <= timezone.now()
    assert User.objects.values_list("last_login", flat=True).get(pk=grace.pk) == row.created_at == session.created_at
    assert (row.user, row.address, row.agent) == (grace, "192.0.2.7", "Netscape")
    assert "update_last_login" not in {key[0] for key, *_ in user_logged_in.receivers}


def test_request_that_signed_in_is_the_persons_own_from_there_on(grace: User, rf: RequestFactory) -> None:
    request = rf.get("/")
    request.session = SessionStore()
    request.user = request.actor = AnonymousUser()  # type: ignore[attr-defined]

    login(request, grace)

    origin = Origin.of(request)
    assert {origin.user, origin.actor, actor_of(request)} == {grace}


def test_signing_in_under_another_session_engine_is_written_too(grace: User, rf: RequestFactory) -> None:
    request = rf.get("/")
    request.session = AnotherEngine()

    login(request, grace)

    assert (Login.objects.get().user, Session.objects.count()) == (grace, 0)


def test_failed_sign_in_without_a_request_is_written(grace: User) -> None:
    authenticate(username=grace.username, password="wrong")

    row = Login.objects.get()
    assert (row.user, row.status, row.address, row.agent) == (grace, "wrong_password", None, "")


@pytest.mark.parametrize("credentials", [{}, {"username": None}, {"token": "x"}], ids=["none", "null", "other"])
def test_failed_sign_in_without_a_username_is_nobodys(grace: User, credentials: dict[str, Any]) -> None:
    user_login_failed.send(sender=__name__, credentials=credentials, request=None)

    assert Login.objects.count() == 0


# --- passwords -------------------------------------------------------------------------------------------------------


def change_password(client: PortalClient) -> Any:  # noqa: ANN401
    return client.post(
        "/account/password/change/", {"oldpassword": PASSWORD, "password1": ANOTHER, "password2": ANOTHER}
    )


def test_changing_the_password_ends_every_session_but_this_one(
    any_user_login: Organization, ada: User, grace: User, alan: User, client_of: ClientOf, browser: Browser
) -> None:
    here, elsewhere, from_elsewhere, as_her = client_of(ada), client_of(ada), browser(), browser()
    from_elsewhere.login_as(grace, actor=ada)
    as_her.login_as(ada, actor=alan)
    old_key = here.cookies[settings.SESSION_COOKIE_NAME].value

    response = change_password(here)

    assert response.status_code == 302
    assert [who(client) for client in (here, elsewhere, from_elsewhere)] == ["Ada Lovelace", *["AnonymousUser"] * 2]
    assert here.cookies[settings.SESSION_COOKIE_NAME].value != old_key
    assert set(Impersonation.objects.values_list("actor_name", "end_cause", "ended_by")) == {
        ("Ada Lovelace", "password_changed", ada.pk),
        ("Alan Turing", "password_changed", ada.pk),
    }
    assert as_her.get("/probe/").status_code == 302
    assert who(as_her) == "Alan Turing"
    assert Session.objects.filter(ended_at=None).count() == 2


def test_changing_the_password_writes_the_trail(ada: User, client_of: ClientOf) -> None:
    change_password(client_of(ada))

    event = AuditEvent.objects.get()
    assert (event.sentence, event.user_name, event.about_name) == (
        "Changed password of user Ada Lovelace",
        "Ada Lovelace",
        "Ada Lovelace",
    )


def test_changing_the_password_is_refused_inside(
    any_user_login: Organization, ada: User, grace: User, browser: Browser
) -> None:
    client = browser()
    client.login_as(grace, actor=ada)

    assert change_password(client).status_code == 403
    grace.refresh_from_db()
    assert grace.check_password(PASSWORD)


def test_resetting_the_password_ends_every_session(
    ada: User, client_of: ClientOf, anonymous: PortalClient, mailoutbox: list[Any]
) -> None:
    elsewhere = client_of(ada)
    anonymous.post("/account/password/reset/", {"email": ada.email})
    (link,) = [word for word in mailoutbox[0].body.split() if "/account/password/reset/key/" in word]
    form = anonymous.get(link.removeprefix("http://testserver"), follow=True).request["PATH_INFO"]

    response = anonymous.post(form, {"password1": ANOTHER, "password2": ANOTHER})

    assert response.status_code == 302
    assert (who(elsewhere), who(anonymous)) == ("AnonymousUser", "AnonymousUser")
    ada.refresh_from_db()
    assert ada.check_password(ANOTHER)
    event = AuditEvent.objects.get(action="user.password_changed")
    assert (event.user, event.about, event.delegate_user) == (ada, ada, None)


# --- what an organization loses --------------------------------------------------------------------------------------


def test_visits_end_with_any_user_login(
    any_user_login: Organization, ada: User, alan: User, grace: User, browser: Browser
) -> None:
    client = browser()
    visit = client.login_as(grace, actor=ada)
    Organization.objects.update(provisioned=False)
    at = timezone.now()

    answers = login_access_changed.send(
        sender=LoginAccessPolicy,
        organization=any_user_login,
        origin=Origin(user=alan, actor=alan),
        at=at,
    )

    visit.refresh_from_db()
    assert [str(count) for _, count in answers] == ["1"]
    assert (visit.end_cause, visit.ended_at, visit.ended_by) == (EndCause.DEPROVISIONED, at, alan)


def test_async_sign_in_is_bound_as_well(grace: User, rf: RequestFactory) -> None:
    from asgiref.sync import async_to_sync  # noqa: PLC0415

    request = rf.get("/", REMOTE_ADDR="192.0.2.7")
    request.session = SessionStore()

    async_to_sync(alogin)(request, grace)
    async_to_sync(request.session.asave)()

    assert (Session.objects.get().user, Session.objects.get().address) == (grace, "192.0.2.7")
