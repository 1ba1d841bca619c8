"""Who is it, then may it go on: over HTTP, in two browsers, with the rule asked again on every request."""

from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.enums import EndCause
from accounts.enums import VisitEnd as LimitOfVisit
from accounts.models import Impersonation, Profile, Session, User
from accounts.services.sessions import end_session
from accounts.session_store import SessionStore
from accounts.testing import AsyncPortalClient, PortalClient
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import AuditEvent, LoginAccessPolicy, Organization, SessionSettings
from tests import probe
from tests.guards import unguarded
from tests.queries import captured_queries

pytestmark = pytest.mark.urls("tests.probe")

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SESSION, RETURN = "portal_session", "portal_return"
ADA: dict[str, Any] = {"user": "Ada Lovelace", "actor": "Ada Lovelace", "visit": None, "messages": []}
GRACE: dict[str, Any] = {"user": "Grace Hopper", "actor": "Grace Hopper", "visit": None, "messages": []}
NOBODY: dict[str, Any] = {"user": "AnonymousUser", "actor": "AnonymousUser", "visit": None, "messages": []}
UNSAFE = ["post", "put", "patch", "delete"]

ClientOf = Callable[[User], PortalClient]
Browser = Callable[[], PortalClient]


class Inside(NamedTuple):
    """Ada, logged in as Grace: her browser and the visit."""

    client: PortalClient
    visit: Impersonation


@pytest.fixture
def inside(any_user_login: Organization, ada: User, grace: User, browser: Browser) -> Inside:
    client = browser()
    visit = client.login_as(grace, actor=ada)
    client.get("/probe/")
    return Inside(client, visit)


@pytest.fixture(autouse=True)
def ran() -> Generator[list[str]]:
    """Give the methods with which the probes were run."""
    probe.ran.clear()
    yield probe.ran
    probe.ran.clear()


def with_key(client: PortalClient, key: str) -> PortalClient:
    """Let a browser hold a session key and nothing else."""
    client.cookies.clear()
    client.cookies[SESSION] = key
    return client


def key_of(client: PortalClient) -> str:
    return str(client.cookies[SESSION].value)


# --- who is it -------------------------------------------------------------------------------------------------------


def test_page_of_nobody_touches_nothing(anonymous: PortalClient, db: None) -> None:
    with captured_queries() as queries:
        response = anonymous.get("/probe/open/")

    assert response.json() == NOBODY
    assert queries == []
    assert (response.has_header("Vary"), response.has_header("Cache-Control"), dict(response.cookies)) == (
        False,
        False,
        {},
    )


def test_page_of_someone_costs_one_query(ada: User, client_of: ClientOf) -> None:
    client = client_of(ada)

    with captured_queries() as queries:
        response = client.get("/probe/")

    assert response.json() == ADA
    assert len(queries) == 1
    assert dict(response.cookies) == {}
    assert (response.headers["Vary"], response.headers["Cache-Control"]) == ("Cookie", "no-store")


def test_page_of_someone_varies_by_cookie_though_it_reads_nothing_of_the_session(
    ada: User, client_of: ClientOf
) -> None:
    response = client_of(ada).get("/probe/async/")

    assert (response.headers["Vary"], response.headers["Cache-Control"]) == ("Cookie", "no-store")


def test_page_inside_a_visit_costs_one_query(inside: Inside) -> None:
    with captured_queries() as queries:
        response = inside.client.get("/probe/")

    assert response.json() == {
        "user": "Grace Hopper",
        "actor": "Ada Lovelace",
        "visit": inside.visit.pk,
        "messages": [],
    }
    assert len(queries) == 1
    assert dict(response.cookies) == {}
    assert (response.headers["Vary"], response.headers["Cache-Control"]) == ("Cookie", "no-store")


def test_page_for_someone_leads_nobody_to_sign_in(anonymous: PortalClient, db: None, ran: list[str]) -> None:
    response = anonymous.get("/probe/?q=1")

    assert (response.status_code, response.headers["Location"], ran) == (302, "/login/?next=/probe/%3Fq%3D1", [])


@pytest.mark.parametrize("key", ["a-key-that-nobody-has", "short", "", "ümläut-key-that-nobody-has"])
def test_unknown_key_is_nobodys(browser: Browser, db: None, key: str) -> None:
    response = with_key(browser(), key).get("/probe/open/")

    assert (response.json(), dict(response.cookies)) == (NOBODY, {})


def test_unknown_key_is_never_taken_over(browser: Browser, db: None) -> None:
    planted = "a-key-that-someone-else-knows"
    client = with_key(browser(), planted)

    client.get("/probe/clear/open/")
    client.get("/probe/keep/open/?value=apples")

    assert key_of(client) != planted
    assert client.get("/probe/keep/open/").content == b"apples"
    assert with_key(browser(), planted).get("/probe/keep/open/").content == b""


def test_async_accessor_agrees(inside: Inside) -> None:
    client = AsyncPortalClient()
    client.cookies = inside.client.cookies

    response = async_to_sync(client.get)("/probe/async/")

    assert response.json() == {"user": "Grace Hopper", "actor": "Ada Lovelace", "visit": inside.visit.pk}


# --- the cookie ------------------------------------------------------------------------------------------------------


def test_cookie_is_set_when_the_key_is_new(anonymous: PortalClient, db: None) -> None:
    first = anonymous.get("/probe/keep/open/?value=apples")
    second = anonymous.get("/probe/keep/open/?value=pears")

    cookie = first.cookies[SESSION]
    assert list(first.cookies) == [SESSION]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert (cookie["domain"], cookie["max-age"], cookie["expires"]) == ("", "", "")
    assert (dict(second.cookies), second.content) == ({}, b"apples")


@pytest.mark.parametrize("is_secure", [False, True])
def test_cookies_are_secure_where_the_settings_say_so(
    any_user_login: Organization,
    ada: User,
    grace: User,
    client_of: ClientOf,
    settings: Settings,
    is_secure: bool,
) -> None:
    settings.SESSION_COOKIE_SECURE = is_secure

    response = client_of(ada).post(f"/setup/users/{grace.pk}/login-as/")

    flags = {
        name: (bool(cookie["secure"]), cookie["httponly"], cookie["samesite"], cookie["path"], cookie["max-age"])
        for name, cookie in response.cookies.items()
    }
    expected = (is_secure, True, "Lax", "/", "")
    assert {name: flags[name] for name in (SESSION, RETURN)} == {SESSION: expected, RETURN: expected}


def test_cookie_is_deleted_when_one_signs_out(ada: User, client_of: ClientOf) -> None:
    client = client_of(ada)

    response = client.post("/logout/")

    assert (response.status_code, response.headers["Location"]) == (302, "/login/")
    assert {name: (cookie.value, cookie["max-age"]) for name, cookie in response.cookies.items()} == {
        SESSION: ("", 0),
        RETURN: ("", 0),
    }


@pytest.mark.parametrize("key", [None, "a-key-that-nobody-has"])
def test_signing_out_without_a_session_leads_to_the_login_page(browser: Browser, db: None, key: str | None) -> None:
    client = browser()
    if key:
        client.cookies[SESSION] = key

    response = client.post("/logout/")

    assert (response.status_code, response.headers["Location"]) == (302, "/login/")
    assert Session.objects.count() == 0


@pytest.mark.parametrize(("method", "location"), [("get", "/login/?next=/probe/"), ("post", "/login/")])
def test_late_request_with_the_rotated_key_does_not_sign_the_winner_out(
    any_user_login: Organization,
    ada: User,
    grace: User,
    client_of: ClientOf,
    browser: Browser,
    method: str,
    location: str,
) -> None:
    winner = client_of(ada)
    late = with_key(browser(), key_of(winner))
    winner.login_as(grace)

    response = getattr(late, method)("/probe/")

    assert (response.status_code, response.headers["Location"]) == (302, location)
    assert dict(response.cookies) == {}
    assert winner.get("/probe/").json()["user"] == "Grace Hopper"


def test_session_is_not_saved_when_the_view_fails(ada: User, client_of: ClientOf) -> None:
    client = client_of(ada)
    client.raise_request_exception = False

    response = client.get("/probe/fail/")

    assert (response.status_code, response.cookies.get(SESSION)) == (500, None)
    assert client.get("/probe/keep/").content == b""


# --- touched once a minute -------------------------------------------------------------------------------------------


def last_active() -> list[Any]:
    return list(Session.objects.order_by("id").values_list("last_active_at", flat=True))


def test_activity_is_written_down_once_a_minute(ada: User, client_of: ClientOf) -> None:
    client = client_of(ada)
    long_ago = timezone.now() - MINUTE
    Session.objects.update(last_active_at=long_ago)

    with captured_queries() as first:
        client.get("/probe/")
    with captured_queries() as second:
        client.get("/probe/")

    assert (len(first), len(second)) == (2, 1)
    assert last_active()[0] > long_ago


def test_activity_inside_a_visit_counts_for_both_sessions(inside: Inside) -> None:
    long_ago = timezone.now() - MINUTE
    Session.objects.update(last_active_at=long_ago)

    with captured_queries() as first:
        inside.client.get("/probe/")
    with captured_queries() as second:
        inside.client.get("/probe/")

    own, worn = last_active()
    assert (len(first), len(second)) == (3, 1)
    assert own == worn > long_ago


def test_activity_of_an_anonymous_session_is_not_written_down(anonymous: PortalClient, db: None) -> None:
    anonymous.get("/probe/keep/open/?value=apples")
    Session.objects.update(last_active_at=None)

    with captured_queries() as queries:
        anonymous.get("/probe/open/")

    assert len(queries) == 1


# --- one's own session ends ------------------------------------------------------------------------------------------


class OwnEnd(NamedTuple):
    """What takes the right from a person's own session, and the cause that is told."""

    take: Callable[[User], Any]
    cause: EndCause


def long_ago(**columns: timedelta) -> Callable[[User], Any]:
    """Return what moves columns of the person's own session back by as much as is named; a visit began before that."""

    def move(user: User) -> None:
        now = timezone.now()
        Session.objects.filter(user=user, parent=None).update(**{name: now - by for name, by in columns.items()})
        Impersonation.objects.open().update(started_at=now - 3 * HOUR)

    return move


def set_user(**fields: Any) -> Callable[[User], Any]:
    return lambda user: User.objects.filter(pk=user.pk).update(**fields)


OWN_ENDS = {
    "deactivated": OwnEnd(set_user(is_active=False), EndCause.ACTOR_DEACTIVATED),
    "frozen": OwnEnd(set_user(is_frozen=True), EndCause.ACTOR_FROZEN),
    "password changed": OwnEnd(set_user(password="!another"), EndCause.PASSWORD_CHANGED),
    "idle": OwnEnd(long_ago(last_active_at=2 * HOUR), EndCause.IDLE),
    "absolute limit": OwnEnd(long_ago(created_at=12 * HOUR), EndCause.TIME_LIMIT),
    "address": OwnEnd(lambda _: SessionSettings.objects.update(lock_to_address=True), EndCause.ADDRESS_CHANGED),
    "removed": OwnEnd(
        lambda user: end_session(
            Session.objects.get(user=user), cause=EndCause.ENDED_BY_ADMINISTRATOR, origin=Origin()
        ),
        EndCause.ENDED_BY_ADMINISTRATOR,
    ),
    # As before it was written down why.
    "nobody knows": OwnEnd(
        lambda user: Session.objects.filter(user=user).update(ended_at=timezone.now()), EndCause.PARENT_SESSION_ENDED
    ),
}


@pytest.mark.parametrize(("take", "cause"), OWN_ENDS.values(), ids=OWN_ENDS)
def test_own_session_ends_where_its_right_was_lost(
    grace: User, client_of: ClientOf, ran: list[str], take: Callable[[User], Any], cause: EndCause
) -> None:
    client = client_of(grace)
    take(grace)

    response = client.get("/probe/?q=1")
    again = client.get("/probe/")

    query, later = (urlencode({"next": path, "ended": cause.value}) for path in ("/probe/?q=1", "/probe/"))
    assert (response.status_code, response.headers["Location"], ran) == (302, f"/login/?{query}", [])
    # Its row keeps why, for the next tab.
    assert (again.status_code, again.headers["Location"]) == (302, f"/login/?{later}")
    assert (dict(response.cookies), dict(again.cookies)) == ({}, {})
    assert Session.objects.get(user=grace).ended_at is not None


@pytest.mark.parametrize("method", UNSAFE)
def test_write_after_ones_own_session_ended_is_refused(
    grace: User, client_of: ClientOf, ran: list[str], method: str
) -> None:
    client = client_of(grace)
    set_user(is_frozen=True)(grace)

    response = getattr(client, method)("/probe/")
    later = getattr(client, method)("/probe/")

    assert (response.status_code, later.status_code, ran) == (403, 403, [])
    assert b"Nothing was saved." in response.content


def test_write_after_an_end_that_nobody_knows_of_names_no_cause(grace: User, client_of: ClientOf) -> None:
    client = client_of(grace)
    Session.objects.filter(user=grace).update(ended_at=timezone.now())

    response = client.post("/probe/")

    assert (response.status_code, response.context["why_ended"]) == (403, "")


def test_open_page_after_ones_own_session_ended_is_nobodys(grace: User, client_of: ClientOf) -> None:
    client = client_of(grace)
    set_user(is_frozen=True)(grace)

    assert client.get("/probe/open/").json() == NOBODY
    assert client.post("/probe/open/").json() == NOBODY


# --- a visit ends mid-way --------------------------------------------------------------------------------------------


class VisitEnd(NamedTuple):
    """What takes the right from a visit, the cause, when it fell (None: as it was noticed), who may go on."""

    take: Callable[[Inside], Any]
    cause: EndCause
    fell_before: timedelta | None = None
    ends_parent: bool = False


def of_actor(change: Callable[[User], Any]) -> Callable[[Inside], Any]:
    return lambda inside: change(inside.visit.actor)


def of_target(change: Callable[[User], Any]) -> Callable[[Inside], Any]:
    return lambda inside: change(inside.visit.target)


def set_policy(**fields: Any) -> Callable[[Inside], Any]:
    return lambda inside: LoginAccessPolicy.objects.update(**fields)


def set_organization(**fields: Any) -> Callable[[Inside], Any]:
    return lambda inside: Organization.objects.update(**fields)


def give(profile: str) -> Callable[[User], Any]:
    return lambda user: User.objects.filter(pk=user.pk).update(profile=Profile.objects.get(name=profile))


def protect_target(inside: Inside) -> None:
    give("System Administrator")(inside.visit.target)
    set_policy(protect_administrators=True)(inside)


def let_time_run_out(inside: Inside) -> None:
    now = timezone.now()
    Impersonation.objects.update(started_at=now - HOUR, ends_at=now - MINUTE)


def lock_to_another_address(inside: Inside) -> None:
    SessionSettings.objects.update(lock_to_address=True)
    Session.objects.update(address="192.0.2.7")


VISIT_ENDS = {
    "policy off": VisitEnd(set_policy(any_user_login=False), EndCause.POLICY_CHANGED),
    "edition changed": VisitEnd(set_organization(edition=Edition.PROFESSIONAL), EndCause.EDITION_CHANGED),
    "deprovisioned": VisitEnd(set_organization(provisioned=False), EndCause.DEPROVISIONED),
    "target protected": VisitEnd(protect_target, EndCause.BECAME_PROTECTED),
    "target deactivated": VisitEnd(of_target(set_user(is_active=False)), EndCause.TARGET_DEACTIVATED),
    "target external": VisitEnd(of_target(give("External User")), EndCause.TARGET_BECAME_EXTERNAL),
    "target's password": VisitEnd(of_target(set_user(password="!another")), EndCause.PASSWORD_CHANGED),
    "actor lost permission": VisitEnd(of_actor(give("User Manager")), EndCause.ACTOR_LOST_PERMISSION),
    "actor deactivated": VisitEnd(of_actor(set_user(is_active=False)), EndCause.ACTOR_DEACTIVATED, None, True),
    "actor frozen": VisitEnd(of_actor(set_user(is_frozen=True)), EndCause.ACTOR_FROZEN, None, True),
    "actor's password": VisitEnd(of_actor(set_user(password="!another")), EndCause.PASSWORD_CHANGED, None, True),
    "time limit": VisitEnd(let_time_run_out, EndCause.TIME_LIMIT, MINUTE, True),
    "idle": VisitEnd(of_actor(long_ago(last_active_at=2 * HOUR + MINUTE)), EndCause.IDLE, MINUTE, True),
    "absolute limit": VisitEnd(of_actor(long_ago(created_at=12 * HOUR + MINUTE)), EndCause.TIME_LIMIT, MINUTE, True),
    "address": VisitEnd(lock_to_another_address, EndCause.ADDRESS_CHANGED, None, True),
    "parent ended": VisitEnd(of_actor(long_ago(ended_at=MINUTE)), EndCause.PARENT_SESSION_ENDED, MINUTE, True),
}
every_visit_end = pytest.mark.parametrize(
    ("take", "cause", "fell_before", "ends_parent"), VISIT_ENDS.values(), ids=VISIT_ENDS
)


def landing(inside: Inside) -> str:
    return f"/setup/users/{inside.visit.target_id}/"


@every_visit_end
def test_visit_ends_where_its_right_was_lost(
    inside: Inside,
    ran: list[str],
    take: Callable[[Inside], Any],
    cause: EndCause,
    fell_before: timedelta | None,
    ends_parent: bool,
) -> None:
    take(inside)
    ran.clear()
    before = timezone.now()

    response = inside.client.get("/probe/?q=1")

    inside.visit.refresh_from_db()
    own, worn = Session.objects.order_by("id")
    assert (response.status_code, ran) == (302, [])
    assert (inside.visit.end_cause, inside.visit.ended_by) == (cause, None)
    assert before <= inside.visit.noticed_at <= timezone.now()  # type: ignore[operator]
    fell = inside.visit.noticed_at - inside.visit.ended_at  # type: ignore[operator]
    assert (fell_before or timedelta()) <= fell < (fell_before or timedelta()) + timedelta(seconds=30)
    assert (worn.ended_at, worn.data, own.ended_at is not None) == (inside.visit.ended_at, "", ends_parent)
    assert AuditEvent.objects.latest("id").sentence == (
        f"Logged out using Login-As access for Grace Hopper: {cause.label}"
    )


@every_visit_end
def test_next_page_after_the_end_says_what_happened(
    inside: Inside,
    ran: list[str],
    take: Callable[[Inside], Any],
    cause: EndCause,
    fell_before: timedelta | None,
    ends_parent: bool,
) -> None:
    take(inside)

    response = inside.client.get("/probe/?q=1")
    next_page = inside.client.get("/probe/")

    if ends_parent:
        told = LimitOfVisit.of(cause) or cause
        query = urlencode({"next": landing(inside), "ended": told.value})
        assert response.headers["Location"] == f"/login/?{query}"
        assert (next_page.status_code, dict(response.cookies)) == (302, {})
    else:
        assert response.headers["Location"] == landing(inside)
        assert next_page.json() == {
            **ADA,
            "messages": [f"Your visit as Grace Hopper has ended: {cause.label}. You are Ada Lovelace again."],
        }
        assert inside.client.get("/probe/").json() == ADA


@every_visit_end
def test_write_after_the_end_is_refused_and_never_run_as_the_actor(
    inside: Inside,
    ran: list[str],
    take: Callable[[Inside], Any],
    cause: EndCause,
    fell_before: timedelta | None,
    ends_parent: bool,
) -> None:
    take(inside)
    ran.clear()

    first = inside.client.post("/probe/")
    second = inside.client.post("/probe/")

    inside.visit.refresh_from_db()
    assert (first.status_code, second.status_code, ran) == (403, 403, [])
    assert (dict(first.cookies), dict(second.cookies)) == ({}, {})
    assert inside.visit.end_cause == cause
    assert AuditEvent.objects.filter(action="impersonation.ended").count() == 1
    for response in (first, second):
        assert b"You are now logged out. Nothing was saved." in response.content


@pytest.mark.parametrize("method", UNSAFE)
def test_write_after_an_end_by_someone_else_is_refused(inside: Inside, ran: list[str], method: str) -> None:
    end_session(Session.objects.get(pk=inside.visit.pk), cause=EndCause.ENDED_BY_TARGET, origin=Origin())
    ran.clear()

    response = getattr(inside.client, method)("/probe/")

    assert (response.status_code, dict(response.cookies), ran) == (403, {}, [])


@pytest.mark.parametrize("method", ["head", "options"])
def test_end_is_not_answered_with_a_key_but_to_a_page(inside: Inside, ran: list[str], method: str) -> None:
    set_policy(any_user_login=False)(inside)
    ran.clear()

    response = getattr(inside.client, method)("/probe/")

    query = urlencode({"next": landing(inside), "ended": "policy_changed"})
    assert (response.status_code, response.headers["Location"]) == (302, f"/login/?{query}")
    assert (dict(response.cookies), ran) == ({}, [])


def test_policy_that_came_back_does_not_bring_the_visit_back(inside: Inside, ran: list[str]) -> None:
    set_policy(login_access_lost_at=inside.visit.started_at + timedelta(milliseconds=1))(inside)
    ran.clear()

    inside.client.get("/probe/")

    inside.visit.refresh_from_db()
    assert inside.visit.end_cause == EndCause.POLICY_CHANGED
    assert inside.visit.ended_at == inside.visit.started_at + timedelta(milliseconds=1)
    assert ran == []


def test_time_limit_ends_the_worn_session_alone_where_leaving_does(inside: Inside) -> None:
    SessionSettings.objects.update(force_relogin=False)
    let_time_run_out(inside)

    response = inside.client.get("/probe/")

    assert response.headers["Location"] == landing(inside)
    assert inside.client.get("/probe/").json()["messages"] == [
        "Your visit as Grace Hopper has ended: the time limit was reached. You are Ada Lovelace again."
    ]


def test_worn_session_without_its_visit_makes_nobody(inside: Inside, ran: list[str]) -> None:
    with unguarded():
        Impersonation.objects.all().delete()
    ran.clear()

    response = inside.client.get("/probe/")

    assert (response.status_code, response.headers["Location"], ran) == (302, "/login/?next=/probe/", [])


def test_request_is_not_answered_where_the_end_can_not_be_written(
    inside: Inside, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_order(*args: object, **kwargs: object) -> None:
        raise IntegrityError("the disk is full")

    set_policy(any_user_login=False)(inside)
    inside.client.raise_request_exception = False
    ran.clear()
    with monkeypatch.context() as fault:
        fault.setattr(type(AuditEvent.objects), "bulk_create", out_of_order)
        response = inside.client.get("/probe/")

    inside.visit.refresh_from_db()
    assert (response.status_code, ran, inside.visit.ended_at) == (500, [], None)
    assert inside.client.get("/probe/").headers["Location"] == landing(inside)


def test_frozen_target_goes_on_being_worn(inside: Inside) -> None:
    of_target(set_user(is_frozen=True))(inside)

    assert inside.client.get("/probe/").json()["user"] == "Grace Hopper"


# --- coming back -----------------------------------------------------------------------------------------------------


def end_by_target(inside: Inside) -> None:
    end_session(Session.objects.get(pk=inside.visit.pk), cause=EndCause.ENDED_BY_TARGET, origin=Origin())


def test_actor_comes_back_under_a_new_key_exactly_once(inside: Inside, browser: Browser, ran: list[str]) -> None:
    worn_key, return_token = key_of(inside.client), inside.client.cookies[RETURN].value
    end_by_target(inside)

    response = inside.client.get("/probe/")
    copy = with_key(browser(), worn_key)
    copy.cookies[RETURN] = return_token
    second = copy.get("/probe/")

    assert response.headers["Location"] == landing(inside)
    assert (response.cookies[RETURN].value, response.cookies[RETURN]["max-age"]) == ("", 0)
    assert key_of(inside.client) != worn_key
    assert inside.client.get("/probe/").json()["user"] == "Ada Lovelace"
    # What was exchanged counts no more, and so it no longer tells whose account it was.
    query = urlencode({"next": "/", "ended": "ended_by_target"})
    assert (second.headers["Location"], dict(second.cookies)) == (f"/login/?{query}", {})


def test_actor_comes_back_to_what_their_own_session_holds(inside: Inside) -> None:
    own = Session.objects.get(pk=inside.visit.actor_session_id)
    kept = SessionStore()
    Session.objects.filter(pk=own.pk).update(data=kept.encode({"kept": "of Ada"}))
    end_by_target(inside)

    with captured_queries() as queries:
        inside.client.get("/probe/")

    assert len([sql for sql in queries if "WHERE s.key_hash = " in sql]) == 1
    page = inside.client.get("/probe/")
    assert page.json()["messages"] == [
        "Your visit as Grace Hopper has ended: the user ended it. You are Ada Lovelace again."
    ]
    assert inside.client.get("/probe/keep/").content == b"of Ada"


@pytest.mark.parametrize("token", [None, "", "wrong-token"])
def test_worn_key_alone_never_becomes_the_actors(inside: Inside, browser: Browser, token: str | None) -> None:
    thief = with_key(browser(), key_of(inside.client))
    if token is not None:
        thief.cookies[RETURN] = token
    end_by_target(inside)

    response = thief.get("/probe/")

    assert (response.status_code, dict(response.cookies)) == (302, {})
    assert response.headers["Location"].startswith("/login/?")
    assert inside.client.get("/probe/").headers["Location"] == landing(inside)


@pytest.mark.parametrize("key", [None, "a-key-that-nobody-has"])
def test_return_cookie_alone_authenticates_nothing(inside: Inside, browser: Browser, key: str | None) -> None:
    thief = browser()
    thief.cookies[RETURN] = inside.client.cookies[RETURN].value
    if key:
        thief.cookies[SESSION] = key
    end_by_target(inside)

    response = thief.get("/probe/")

    assert (response.headers["Location"], dict(response.cookies)) == ("/login/?next=/probe/", {})


def test_nobody_comes_back_to_a_session_that_ended(inside: Inside) -> None:
    end_session(Session.objects.get(pk=inside.visit.actor_session_id), origin=Origin())

    response = inside.client.get("/probe/")

    assert response.headers["Location"].startswith("/login/?")
    assert dict(response.cookies) == {}


@pytest.mark.parametrize("end", ["frozen", "deactivated", "password changed", "absolute limit"])
def test_nobody_comes_back_to_a_session_that_may_not_go_on(inside: Inside, end: str) -> None:
    end_by_target(inside)
    OWN_ENDS[end].take(inside.visit.actor)

    response = inside.client.get("/probe/")

    assert response.headers["Location"].startswith("/login/?")
    assert dict(response.cookies) == {}


def test_nobody_comes_back_after_a_leave(inside: Inside, browser: Browser) -> None:
    SessionSettings.objects.update(force_relogin=False)
    copy = with_key(browser(), key_of(inside.client))
    copy.cookies[RETURN] = inside.client.cookies[RETURN].value
    inside.client.log_out_as()

    response = copy.get("/probe/")

    assert response.headers["Location"].startswith("/login/?")
    assert dict(response.cookies) == {}
    assert inside.client.get("/probe/").json() == ADA


def test_coming_back_brings_nothing_from_inside(inside: Inside) -> None:
    own = inside.visit.actor_session_id
    Session.objects.filter(pk=own).update(data=SessionStore().encode({"kept": "of Ada"}))
    inside.client.get("/probe/keep/?value=of Grace")
    end_by_target(inside)

    inside.client.get("/probe/")

    assert inside.client.get("/probe/keep/").content == b"of Ada"


def test_actor_who_lost_setup_lands_at_home(inside: Inside) -> None:
    give("Standard User")(inside.visit.actor)

    response = inside.client.get("/probe/")

    assert (response.status_code, response.headers["Location"]) == (302, "/")


# --- refused inside, and parts of pages ------------------------------------------------------------------------------


def test_marked_view_is_refused_inside(inside: Inside, ran: list[str]) -> None:
    ran.clear()

    response = inside.client.get("/probe/refused/")

    assert (response.status_code, ran) == (403, [])
    assert b"This is not available while you are logged in as Grace Hopper." in response.content


def test_marked_view_is_open_outside(ada: User, client_of: ClientOf, anonymous: PortalClient) -> None:
    assert client_of(ada).get("/probe/refused/").json() == ADA
    assert anonymous.get("/probe/refused/").json() == NOBODY


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("current", "expected"),
    [
        ("http://testserver/setup/users/?q=gr", "/setup/users/?q=gr"),
        ("/setup/users/", "/setup/users/"),
        ("https://elsewhere.example/", "/"),
        ("http://testserver@elsewhere.example/", "/"),
        ("http://testserver.elsewhere.example/", "/"),
        ("http://testserver//elsewhere.example/", "/"),
        (None, "/"),
    ],
)
def test_part_of_a_page_leads_the_whole_page_to_sign_in(
    anonymous: PortalClient, db: None, ran: list[str], method: str, current: str | None, expected: str
) -> None:
    headers = {"HX-Request": "true"} | ({"HX-Current-URL": current} if current else {})

    response = getattr(anonymous, method)("/probe/", headers=headers)

    assert (response.status_code, response.content, ran) == (200, b"", [])
    assert response.headers["HX-Redirect"] == expected


def test_part_of_a_page_does_not_take_the_key_of_the_whole_page(inside: Inside, ran: list[str]) -> None:
    end_by_target(inside)
    ran.clear()

    part = inside.client.get(
        "/probe/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/probe/?q=1"}
    )
    whole = inside.client.get("/probe/?q=1")

    assert (part.headers["HX-Redirect"], dict(part.cookies), ran) == ("/probe/?q=1", {}, [])
    assert whole.headers["Location"] == landing(inside)


def test_open_part_of_a_page_is_answered(anonymous: PortalClient, db: None) -> None:
    assert anonymous.get("/probe/open/", headers={"HX-Request": "true"}).json() == NOBODY


# --- the CSRF token --------------------------------------------------------------------------------------------------


@pytest.fixture
def strict(any_user_login: Organization, ada: User) -> PortalClient:
    """Ada's browser, whose CSRF tokens count."""
    client = PortalClient(enforce_csrf_checks=True)
    client.force_login(ada)
    return client


def token_of(client: PortalClient) -> str:
    return client.get("/probe/token/").content.decode()


def post(client: PortalClient, path: str, token: str) -> Any:  # noqa: ANN401
    return client.post(path, {"csrfmiddlewaretoken": token})


def test_token_of_the_page_is_needed(strict: PortalClient, ran: list[str]) -> None:
    token = token_of(strict)

    assert strict.post("/probe/").status_code == 403
    assert post(strict, "/probe/", token).status_code == 200
    assert ran == ["POST"]


def test_tab_from_before_the_start_writes_as_nobody(strict: PortalClient, grace: User, ran: list[str]) -> None:
    stale = token_of(strict)
    post(strict, f"/setup/users/{grace.pk}/login-as/", stale)

    response = post(strict, "/probe/", stale)

    assert (response.status_code, ran) == (403, [])
    assert strict.get("/probe/").json()["user"] == "Grace Hopper"


@pytest.mark.parametrize("is_forced", [False, True])
def test_tab_from_inside_writes_as_nobody_after_the_leave(
    strict: PortalClient, grace: User, ada: User, ran: list[str], is_forced: bool
) -> None:
    SessionSettings.objects.update(force_relogin=is_forced)
    post(strict, f"/setup/users/{grace.pk}/login-as/", token_of(strict))
    stale = token_of(strict)
    post(strict, "/logout/", stale)
    if is_forced:
        strict.force_login(ada)
    assert strict.get("/probe/").json() == ADA
    ran.clear()

    response = post(strict, "/probe/", stale)

    assert (response.status_code, ran) == (403, [])


def test_tab_from_inside_writes_as_nobody_after_coming_back(strict: PortalClient, grace: User, ran: list[str]) -> None:
    post(strict, f"/setup/users/{grace.pk}/login-as/", token_of(strict))
    stale = token_of(strict)
    set_policy(any_user_login=False)(Inside(strict, Impersonation.objects.get()))
    strict.get("/probe/")
    assert strict.get("/probe/").json()["user"] == "Ada Lovelace"
    ran.clear()

    response = post(strict, "/probe/", stale)

    assert (response.status_code, ran) == (403, [])


def test_token_is_not_readable_by_scripts(strict: PortalClient) -> None:
    cookie = strict.get("/probe/token/").cookies[settings.CSRF_COOKIE_NAME]

    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


# --- nothing is asked twice ------------------------------------------------------------------------------------------


def test_two_who_notice_an_end_write_it_once(inside: Inside, browser: Browser) -> None:
    copy = with_key(browser(), key_of(inside.client))
    set_policy(any_user_login=False)(inside)

    inside.client.post("/probe/")
    copy.post("/probe/")

    assert AuditEvent.objects.filter(action="impersonation.ended").count() == 1


def test_no_statement_holds_a_key(inside: Inside) -> None:
    with CaptureQueriesContext(connection) as context:
        inside.client.get("/probe/")

    assert not [query for query in context.captured_queries if key_of(inside.client) in query["sql"]]


# --- nobody ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("referer", "location"),
    [
        ("http://testserver/setup/users/7/?back=%2F", "/login/?next=%2Fsetup%2Fusers%2F7%2F%3Fback%3D%252F"),
        ("https://elsewhere.example/setup/", "/login/"),
        ("", "/login/"),
    ],
)
def test_write_of_nobody_leads_to_sign_in_and_back_to_the_page_of_the_form(
    anonymous: PortalClient, db: None, referer: str, location: str
) -> None:
    """The address that it was sent to may take nothing but what is sent, and have no page to come back to."""
    answer = anonymous.post("/setup/users/7/freeze/", headers={"Referer": referer} if referer else {})

    assert (answer.status_code, answer.headers["Location"]) == (302, location)


def test_page_that_nobody_asks_for_is_come_back_to(anonymous: PortalClient, db: None) -> None:
    assert anonymous.get("/probe/?q=1").headers["Location"] == "/login/?next=/probe/%3Fq%3D1"
