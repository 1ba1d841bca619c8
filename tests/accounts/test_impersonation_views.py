"""Log in as another user, and log out, over HTTP: what each request is answered, and what it leaves behind."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from accounts.enums import EndCause
from accounts.models import Impersonation, Session, User
from accounts.services.impersonation import leave_impersonation
from accounts.services.sessions import end_session
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import AuditEvent, LoginAccessPolicy, Organization, SessionSettings
from tests.queries import captured_queries

from .reading import words_of

pytestmark = pytest.mark.urls("tests.probe")

SESSION, RETURN = "portal_session", "portal_return"

ClientOf = Callable[[User], PortalClient]
Browser = Callable[[], PortalClient]


@pytest.fixture
def at_work(any_user_login: Organization, ada: User, client_of: ClientOf) -> PortalClient:
    """Ada's browser, in an organization with any-user login."""
    return client_of(ada)


def login_as(target: User | int | str) -> str:
    return f"/setup/users/{target.pk if isinstance(target, User) else target}/login-as/"


def who(client: PortalClient) -> str:
    name: str = client.get("/probe/open/").json()["user"]
    return name


def copy_of(client: PortalClient) -> PortalClient:
    """Return another browser with the same cookies, as a second tab has that sends before the first is answered."""
    copy = PortalClient()
    copy.cookies.update(client.cookies)
    return copy


def to_login(**query: str) -> str:
    return f"/login/?{urlencode(query)}"


def user_page(user: User) -> str:
    return f"/setup/users/{user.pk}/"


# --- start -----------------------------------------------------------------------------------------------------------


def test_start_lands_on_the_targets_home_with_two_new_cookies(at_work: PortalClient, grace: User) -> None:
    before = at_work.cookies[SESSION].value

    response = at_work.post(login_as(grace))

    assert (response.status_code, response.headers["Location"]) == (302, "/")
    assert {SESSION, RETURN} <= set(response.cookies)
    assert len({before, response.cookies[SESSION].value, response.cookies[RETURN].value}) == 3
    assert response.headers["Cache-Control"] == "no-store"
    assert who(at_work) == "Grace Hopper"


ON_THIS_SITE = ["/setup/users/?q=gr&page=2", "/a%2f..%2fb", "/#top", "/?next=https://elsewhere.example/"]
OFF_THIS_SITE = [
    "",
    "setup/",
    "https://elsewhere.example/",
    "http:elsewhere.example",
    "//elsewhere.example/",
    "///elsewhere.example/",
    "/\\elsewhere.example/",
    "\\\\elsewhere.example/",
    "/\t/elsewhere.example/",
    "/\n/elsewhere.example/",
    "/\x00",
    "/\x7f",
    " /setup/",
    "//ada@elsewhere.example/",
    "https://testserver@elsewhere.example/",
    "https://testserver/",
    "javascript:alert(1)",
    "data:text/html,x",
    "/\u2044/elsewhere.example/",
    "/\uff0felsewhere.example/",
    "/\u3002example/",
    "/" + "a" * 500,
]


@pytest.mark.parametrize("path", ON_THIS_SITE)
def test_start_lands_where_next_says_on_this_site(at_work: PortalClient, grace: User, path: str) -> None:
    assert at_work.post(login_as(grace), {"next": path}).headers["Location"] == path


@pytest.mark.parametrize("path", OFF_THIS_SITE, ids=ascii)
def test_start_lands_at_home_where_next_leads_elsewhere(at_work: PortalClient, grace: User, path: str) -> None:
    assert at_work.post(login_as(grace), {"next": path}).headers["Location"] == "/"


@pytest.mark.parametrize("path", OFF_THIS_SITE, ids=ascii)
def test_way_back_is_on_this_site(at_work: PortalClient, grace: User, path: str) -> None:
    at_work.post(login_as(grace), {"back": path})

    assert Impersonation.objects.get().back == ""


@pytest.mark.parametrize("method", ["options", "put", "patch", "delete"])
@pytest.mark.parametrize("who_asks", ["ada", "nobody", "ada inside"])
def test_start_is_a_post(
    at_work: PortalClient, grace: User, alan: User, anonymous: PortalClient, who_asks: str, method: str
) -> None:
    client = anonymous if who_asks == "nobody" else at_work
    if who_asks == "ada inside":
        client.post(login_as(alan))
    before = Impersonation.objects.count()

    response = getattr(client, method)(login_as(grace))

    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert Impersonation.objects.count() == before


# Where the policy asks nothing, there is nothing to show: GET is no page to whoever may start, and starts nothing.
GET_STARTS_NOTHING = {
    "ada": (405, "POST", None),
    "nobody": (302, None, "/login/?next=%2Fsetup%2Fusers%2F{pk}%2Flogin-as%2F"),
    "ada inside": (403, None, None),
}


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("who_asks", GET_STARTS_NOTHING)
def test_start_by_get_starts_nothing(
    at_work: PortalClient, grace: User, alan: User, anonymous: PortalClient, who_asks: str, method: str
) -> None:
    client = anonymous if who_asks == "nobody" else at_work
    if who_asks == "ada inside":
        client.post(login_as(alan))
    before = Impersonation.objects.count()

    response = getattr(client, method)(login_as(grace))

    status, allow, location = GET_STARTS_NOTHING[who_asks]
    assert (response.status_code, response.headers.get("Allow")) == (status, allow)
    assert response.headers.get("Location") == (location and location.format(pk=grace.pk))
    assert Impersonation.objects.count() == before


@pytest.mark.parametrize("target", ["0", "-1", "1.5", "ada", "9" * 18, "9" * 19, "9" * 400, "%00", "١"])
def test_start_for_whoever_is_not_there_is_not_found(at_work: PortalClient, target: str) -> None:
    assert at_work.post(login_as(target)).status_code == 404
    assert who(at_work) == "Ada Lovelace"


def test_start_for_someone_of_another_organization_is_answered_as_for_nobody(
    at_work: PortalClient, stranger: User
) -> None:
    unknown, foreign = at_work.post(login_as(10**17)), at_work.post(login_as(stranger))

    assert (foreign.status_code, foreign.headers.keys()) == (404, unknown.headers.keys())
    assert AuditEvent.objects.count() == Impersonation.objects.count() == 0


def test_refused_start_says_why_and_leaves_one_where_one_is(at_work: PortalClient, grace: User) -> None:
    LoginAccessPolicy.objects.update(any_user_login=False)

    response = at_work.post(login_as(grace))

    assert response.status_code == 403
    assert b"Administrators Can Log in as Any User is off in Login Access Policies." in response.content
    assert response.cookies.get(SESSION) is None
    assert who(at_work) == "Ada Lovelace"


def test_start_inside_a_visit_is_refused_and_recorded(at_work: PortalClient, grace: User, alan: User) -> None:
    at_work.post(login_as(grace))

    response = at_work.post(login_as(alan))

    event = AuditEvent.objects.latest("id")
    assert response.status_code == 403
    assert b"You are already logged in as a user." in response.content
    assert (event.user_name, event.about_name, event.after) == ("Ada Lovelace", "Alan Turing", {"refusal": "nested"})
    assert event.impersonation_id == Impersonation.objects.get().pk
    assert who(at_work) == "Grace Hopper"


def test_start_by_nobody_leads_to_sign_in(anonymous: PortalClient, grace: User) -> None:
    response = anonymous.post(login_as(grace))

    assert (response.status_code, response.headers["Location"]) == (302, to_login(next=user_page(grace)))
    assert Impersonation.objects.count() == 0


def test_start_by_whose_session_just_ended_leads_to_sign_in(at_work: PortalClient, ada: User, grace: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_frozen=True)

    response = at_work.post(login_as(grace))

    assert response.headers["Location"] == to_login(next=user_page(grace), ended="actor_frozen")
    assert Impersonation.objects.count() == 0


def test_start_after_a_visit_ended_is_never_run_as_the_actor(at_work: PortalClient, grace: User, alan: User) -> None:
    at_work.post(login_as(grace))
    end_session(Session.objects.latest("id"), cause=EndCause.ENDED_BY_TARGET, origin=Origin())

    response = at_work.post(login_as(alan))

    assert response.headers["Location"] == to_login(next=user_page(alan), ended="ended_by_target")
    assert Impersonation.objects.count() == 1


def test_second_click_lands_inside_too(at_work: PortalClient, grace: User) -> None:
    second = copy_of(at_work)
    at_work.post(login_as(grace))

    response = second.post(login_as(grace), {"next": "/setup/"})

    assert (response.status_code, response.headers["Location"]) == (302, "/setup/")
    assert (who(second), who(at_work)) == ("Grace Hopper", "AnonymousUser")
    assert Impersonation.objects.count() == 1


def test_second_of_two_targets_is_sent_to_sign_in(at_work: PortalClient, grace: User, alan: User) -> None:
    second = copy_of(at_work)
    at_work.post(login_as(grace))

    response = second.post(login_as(alan))

    assert response.headers["Location"] == to_login(next=user_page(alan))
    assert (who(at_work), Impersonation.objects.get().target) == ("Grace Hopper", grace)


@pytest.mark.parametrize("url", ["login-as", "logout"])
def test_start_and_leave_need_the_token_of_the_page(
    any_user_login: Organization, ada: User, grace: User, url: str
) -> None:
    client = PortalClient(enforce_csrf_checks=True)
    client.force_login(ada)
    path = login_as(grace) if url == "login-as" else "/logout/"

    without = client.post(path)
    token = client.get("/probe/token/").content.decode()
    foreign = client.post(path, {"csrfmiddlewaretoken": token}, headers={"Origin": "https://elsewhere.example"})

    assert (without.status_code, foreign.status_code, who(client)) == (403, 403, "Ada Lovelace")
    for response in (without, foreign):
        assert b"You are now logged in as Ada Lovelace. Nothing was saved." in response.content


# --- leave -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def inside(at_work: PortalClient, grace: User) -> PortalClient:
    """Ada's browser, logged in as Grace, come from a search in the users list."""
    at_work.post(login_as(grace), {"back": "/setup/users/?q=gr"})
    at_work.get("/probe/")
    return at_work


def back_at(user: User) -> str:
    return f"{user_page(user)}?{urlencode({'back': '/setup/users/?q=gr'})}"


@pytest.mark.parametrize("path", ["/logout/", "/account/logout/"])
def test_leave_ends_both_sessions_and_says_so(inside: PortalClient, grace: User, path: str) -> None:
    response = inside.post(path)

    assert (response.status_code, response.headers["Location"]) == (
        302,
        to_login(ended="logged_out", next=back_at(grace)),
    )
    assert [(response.cookies[name].value, response.cookies[name]["max-age"]) for name in (SESSION, RETURN)] == [
        ("", 0),
        ("", 0),
    ]
    assert who(inside) == "AnonymousUser"
    page = inside.get(response.headers["Location"])
    assert b"You have logged out as that user. Your own session was ended too." in page.content


def test_leave_leads_back_to_ones_own_session_where_relogin_is_not_forced(inside: PortalClient, grace: User) -> None:
    SessionSettings.objects.update(force_relogin=False)

    response = inside.post("/logout/")

    assert (response.status_code, response.headers["Location"]) == (302, back_at(grace))
    assert (response.cookies[RETURN].value, response.cookies[RETURN]["max-age"]) == ("", 0)
    assert who(inside) == "Ada Lovelace"


@pytest.mark.parametrize("token", [None, "", "wrong-token"])
def test_leave_with_the_worn_key_alone_ends_both(inside: PortalClient, grace: User, token: str | None) -> None:
    SessionSettings.objects.update(force_relogin=False)
    thief = copy_of(inside)
    del thief.cookies[RETURN]
    if token is not None:
        thief.cookies[RETURN] = token

    response = thief.post("/logout/")

    assert response.headers["Location"] == to_login(ended="logged_out", next=back_at(grace))
    assert response.cookies[SESSION].value == ""
    assert (who(thief), who(inside)) == ("AnonymousUser", "AnonymousUser")
    assert Session.objects.filter(ended_at=None).count() == 0


def test_leave_ends_at_the_users_page_after_signing_in_again(inside: PortalClient, ada: User, grace: User) -> None:
    login_page = inside.post("/logout/").headers["Location"]

    response = inside.post(login_page, {"login": ada.username, "password": "a long enough password"})

    assert response.headers["Location"] == back_at(grace)


@pytest.mark.parametrize("method", ["options", "put", "patch", "delete"])
def test_leave_is_a_post(inside: PortalClient, method: str) -> None:
    response = getattr(inside, method)("/logout/")

    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert who(inside) == "Grace Hopper"


def test_address_of_leaving_shows_the_button_and_ends_nothing(
    inside: PortalClient, client_of: Callable[[User], PortalClient], grace: User, anonymous: PortalClient
) -> None:
    worn, own, nobody = (client.get("/logout/") for client in (inside, client_of(grace), anonymous))

    assert "Log out as Grace Hopper? The visit ends." in words_of(worn.content.decode())
    assert "Log out? You are logged in as Grace Hopper." in words_of(own.content.decode())
    assert (nobody.status_code, nobody.headers["Location"]) == (302, "/login/")
    assert who(inside) == "Grace Hopper"


@pytest.mark.parametrize("is_forced", [False, True])
def test_second_leave_is_answered_as_the_first(inside: PortalClient, grace: User, is_forced: bool) -> None:
    SessionSettings.objects.update(force_relogin=is_forced)
    second = copy_of(inside)
    first = inside.post("/logout/")

    response = second.post("/logout/")

    assert (response.status_code, response.headers["Location"]) == (302, first.headers["Location"])
    assert response.cookies.get(SESSION) is None
    assert who(second) == "AnonymousUser"
    assert AuditEvent.objects.filter(action="impersonation.ended").count() == 1


def just_before(monkeypatch: pytest.MonkeyPatch, happen: Callable[[], Any]) -> None:
    """Let something happen after the request was let in and before it leaves."""

    def late(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        happen()
        return leave_impersonation(*args, **kwargs)

    monkeypatch.setattr("accounts.views.impersonation.leave_impersonation", late)


def test_leave_that_comes_just_after_an_end_comes_back_and_is_told(
    inside: PortalClient, grace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    worn = Session.objects.latest("id")
    just_before(monkeypatch, lambda: end_session(worn, cause=EndCause.ENDED_BY_TARGET, origin=Origin()))

    response = inside.post("/logout/")

    assert response.headers["Location"] == back_at(grace)
    assert inside.get("/probe/").json() == {
        "user": "Ada Lovelace",
        "actor": "Ada Lovelace",
        "visit": None,
        "messages": ["Your visit as Grace Hopper has ended: the user ended it. You are Ada Lovelace again."],
    }


def test_leave_that_comes_just_after_another_leave_keeps_its_hands_off(
    inside: PortalClient, grace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    SessionSettings.objects.update(force_relogin=False)
    second = copy_of(inside)

    def leave_first() -> None:
        monkeypatch.undo()
        inside.post("/logout/")

    just_before(monkeypatch, leave_first)

    response = second.post("/logout/")

    assert response.headers["Location"] == back_at(grace)
    assert (who(inside), who(second)) == ("Ada Lovelace", "AnonymousUser")
    assert Impersonation.objects.get().handed_back_at is None


def test_leave_after_an_end_comes_back_and_is_told(inside: PortalClient, grace: User) -> None:
    end_session(Session.objects.latest("id"), cause=EndCause.ENDED_BY_TARGET, origin=Origin())

    response = inside.post("/logout/")

    assert response.headers["Location"] == back_at(grace)
    assert inside.get("/probe/").json()["messages"] == [
        "Your visit as Grace Hopper has ended: the user ended it. You are Ada Lovelace again."
    ]


@pytest.mark.parametrize(("is_forced", "leads_to_login"), [(True, True), (False, False)])
def test_leave_after_an_end_without_the_return_cookie_brings_nobody_back(
    inside: PortalClient, grace: User, is_forced: bool, leads_to_login: bool
) -> None:
    SessionSettings.objects.update(force_relogin=is_forced)
    end_session(Session.objects.latest("id"), cause=EndCause.ENDED_BY_TARGET, origin=Origin())
    del inside.cookies[RETURN]

    response = inside.post("/logout/")

    login_page = to_login(ended="ended_by_target", next=back_at(grace))
    assert response.headers["Location"] == (login_page if leads_to_login else back_at(grace))
    assert who(inside) == "AnonymousUser"


def test_leave_after_the_time_ran_out_says_that(inside: PortalClient, grace: User) -> None:
    visit = Impersonation.objects.get()
    Impersonation.objects.update(ends_at=visit.started_at)

    response = inside.post("/logout/")

    assert response.headers["Location"] == to_login(ended="visit_time_limit", next=back_at(grace))


def test_signing_out_ends_ones_own_session(at_work: PortalClient, ada: User) -> None:
    response = at_work.post("/logout/")

    assert (response.status_code, response.headers["Location"]) == (302, "/login/")
    assert Session.objects.get(user=ada).ended_at is not None
    assert AuditEvent.objects.count() == 0


def test_signing_out_twice_is_signing_out(at_work: PortalClient) -> None:
    second = copy_of(at_work)
    at_work.post("/logout/")

    response = second.post("/logout/")

    assert (response.status_code, response.headers["Location"]) == (302, "/login/")
    assert response.cookies[SESSION].value == ""


# --- the login page --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ended", "sentence"),
    [
        (
            "logged_out",
            "You have logged out as that user. Your own session was ended too. Log in again to go on.",
        ),
        ("parent_session_ended", "Your session has ended. Log in again to go on."),
        ("ended_by_administrator", "Your session has ended: an administrator ended it. Log in again to go on."),
        ("ended_by_oneself", "Your session has ended: you ended it from another session. Log in again to go on."),
        ("signed_out", "Your session has ended: you logged out. Log in again to go on."),
        ("grant_expired", "Your session has ended: the user's grant ran out. Log in again to go on."),
        ("idle", "Your session has ended: there was no activity for too long. Log in again to go on."),
        ("actor_frozen", "Your session has ended: your account was frozen. Ask your administrator."),
        ("actor_deactivated", "Your session has ended: your account was deactivated. Ask your administrator."),
        ("", ""),
        ("<b>anything</b>", ""),
    ],
)
def test_login_page_says_why_one_is_there(anonymous: PortalClient, db: None, ended: str, sentence: str) -> None:
    response = anonymous.get("/login/", {"ended": ended})

    assert (response.status_code, response.context["ended"]) == (200, sentence)


def test_login_page_asks_the_database_nothing_for_nobody(anonymous: PortalClient, db: None) -> None:
    with captured_queries() as queries:
        response = anonymous.get("/login/")

    assert (response.status_code, queries, response.cookies.get(SESSION)) == (200, [], None)


@pytest.mark.parametrize("path", OFF_THIS_SITE, ids=ascii)
def test_login_leads_home_where_next_leads_elsewhere(anonymous: PortalClient, ada: User, path: str) -> None:
    response = anonymous.post("/login/", {"login": ada.username, "password": "a long enough password", "next": path})

    assert (response.status_code, response.headers["Location"]) == (302, "/")


@pytest.mark.parametrize("path", ON_THIS_SITE)
def test_login_leads_where_next_says_on_this_site(anonymous: PortalClient, ada: User, path: str) -> None:
    response = anonymous.post("/login/", {"login": ada.username, "password": "a long enough password", "next": path})

    assert response.headers["Location"] == path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "/login/"),
        ("/setup/users/?q=a&page=2", to_login(next="/setup/users/?q=a&page=2")),
        ("//elsewhere.example/", "/login/"),
    ],
)
def test_login_addresses_of_other_packages_lead_to_the_portals(
    anonymous: PortalClient, db: None, given: str, expected: str
) -> None:
    response = anonymous.get("/account/login/", {"next": given} if given else {})

    assert (response.status_code, response.headers["Location"]) == (302, expected)


@pytest.mark.parametrize("method", ["get", "post"])
def test_signing_in_is_refused_inside(inside: PortalClient, ada: User, method: str) -> None:
    response = getattr(inside, method)("/login/", {"login": ada.username, "password": "a long enough password"})

    assert response.status_code == 403
    assert b"This is not available while you are logged in as Grace Hopper." in response.content
    assert who(inside) == "Grace Hopper"
