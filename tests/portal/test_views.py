import re
from html import unescape
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.http import Http404
from django.utils.html import strip_tags

from portal import views
from portal.form_mark import Opener, mark_of
from tests.factories import AccessRequestFactory, ActivationRequestFactory
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.test import RequestFactory
    from pytest_django.fixtures import DjangoAssertNumQueries

    from accounts.models import Impersonation, Profile, User
    from accounts.testing import PortalClient
    from orgs.models import Organization

    ClientOf = Callable[[User], PortalClient]

pytestmark = pytest.mark.django_db


class Answer(Protocol):
    """A response, whether a view gave it or the test client."""

    content: bytes


def words_of(response: Answer) -> str:
    """Return what a person reads in the middle of a page, on one line."""
    main = re.search(r"<main.*</main>", response.content.decode(), re.DOTALL)
    assert main
    return " ".join(unescape(strip_tags(main[0])).split())


def title_of(response: Answer) -> str:
    found = re.search(r"<title>(.*)</title>", response.content.decode())
    assert found
    return unescape(found[1])


@pytest.fixture
def inside(
    any_user_login: "Organization", ada: "User", grace: "User", browser: "Callable[[], PortalClient]"
) -> "PortalClient":
    """Ada's browser, logged in as Grace."""
    client = browser()
    client.login_as(grace, actor=ada)
    return client


# --- the frame ---------------------------------------------------------------------------------------------------


def test_page_of_ones_own_has_no_banner(client_of: "ClientOf", ada: "User") -> None:
    response = client_of(ada).get("/nowhere/")

    assert title_of(response) == "Not found · Portal"
    assert "Log out as" not in response.content.decode()


def test_page_inside_names_both_people_and_the_time_left(inside: "PortalClient") -> None:
    response = inside.get("/nowhere/")

    page = " ".join(strip_tags(response.content.decode()).split())
    assert title_of(response) == "Not found as Grace Hopper · Portal"
    assert "Ada Lovelace, you are logged in as Grace Hopper. 60 minutes left Log out as Grace Hopper" in page


def test_banner_says_that_the_user_is_frozen(inside: "PortalClient", grace: "User") -> None:
    before = inside.get("/nowhere/").content.decode()
    type(grace).objects.filter(pk=grace.pk).update(is_frozen=True)
    after = inside.get("/nowhere/").content.decode()

    assert ("This user is frozen." in before, "This user is frozen." in after) == (False, True)


def test_setup_is_linked_only_for_those_who_may_open_it(client_of: "ClientOf", ada: "User", grace: "User") -> None:
    pages = [client_of(person).get("/nowhere/").content.decode() for person in (ada, grace)]

    assert [page.count('href="/setup/"') for page in pages] == [2, 0]


def test_anonymous_page_touches_neither_database_nor_session(
    anonymous: "PortalClient", django_assert_num_queries: "DjangoAssertNumQueries"
) -> None:
    with django_assert_num_queries(0):
        response = anonymous.get("/account/password/reset/done/")

    assert response.status_code == 200
    assert "Cookie" not in response.headers.get("Vary", "")
    assert not response.cookies


@pytest.mark.parametrize(
    "url", ["/login/", "/account/password/reset/", "/account/password/reset/done/", "/account/inactive/"]
)
def test_entrance_page_shows_to_the_anonymous(anonymous: "PortalClient", url: str) -> None:
    response = anonymous.get(url)

    assert response.status_code == 200
    assert "<main" in response.content.decode()
    assert "Setup" not in response.content.decode()


@pytest.mark.parametrize("url", ["/account/password/change/", "/account/reauthenticate/"])
def test_password_page_shows_to_its_owner(client_of: "ClientOf", grace: "User", url: str) -> None:
    assert client_of(grace).get(url).status_code == 200


# --- Setup -------------------------------------------------------------------------------------------------------


def test_setup_home_lists_the_pages_that_one_may_open(client_of: "ClientOf", ada: "User") -> None:
    response = client_of(ada).get("/setup/")

    assert title_of(response) == "Setup · Portal"
    assert re.findall(r'<h3><a href="([^"]+)">', response.content.decode()) == [
        "/setup/users/",
        "/setup/profiles/",
        "/setup/roles/",
        "/setup/login-access-policies/",
        "/setup/login-access-grants/",
        "/setup/session-settings/",
        "/setup/sessions/",
        "/setup/delegated-groups/",
        "/setup/impersonations/",
        "/setup/audit-trail/",
        "/setup/login-history/",
        "/setup/company/",
    ]


def test_setup_home_is_refused_without_view_setup(client_of: "ClientOf", grace: "User") -> None:
    response = client_of(grace).get("/setup/")

    assert response.status_code == 403
    assert "View Setup and Configuration" in words_of(response)


def test_quick_find_lists_what_matches(client_of: "ClientOf", ada: "User") -> None:
    response = client_of(ada).get("/setup/", {"q": "login acc"})

    assert title_of(response) == "Quick Find: login acc · Portal"
    assert re.findall(r'<h3><a href="([^"]+)">', response.content.decode()) == [
        "/setup/login-access-policies/",
        "/setup/login-access-grants/",
        "/setup/delegated-groups/",
    ]
    assert "3 pages for “login acc”" in words_of(response)


def test_quick_find_lists_users_beside_pages(client_of: "ClientOf", ada: "User", grace: "User") -> None:
    response = client_of(ada).get("/setup/", {"q": "gr"})

    assert re.findall(r'<h3><a href="([^"]+)">', response.content.decode()) == [
        "/setup/login-access-grants/",
        "/setup/delegated-groups/",
        f"/setup/users/{grace.pk}/",
    ]
    assert "2 pages and 1 user for “gr”" in words_of(response)
    assert 'href="/setup/users/?q=gr">All users matching “gr”' in response.content.decode()


@pytest.mark.parametrize(
    ("name", "words"), [("ada", "No Setup page and no user matches."), ("barred", "No Setup page matches.")]
)
def test_quick_find_says_when_nothing_matches(
    client_of: "ClientOf", make: "Callable[..., User]", barbara: "User", ada: "User", name: str, words: str
) -> None:
    # Someone with Barbara's profile, and no group.
    barred = make("Emmy", "Noether")
    barred.profile = barbara.profile
    barred.save()
    reader = {"ada": ada, "barred": barred}[name]

    response = client_of(reader).get("/setup/", {"q": "<b>zebra"})

    assert "Nothing for “<b>zebra”" in words_of(response)
    assert words in words_of(response)


def test_quick_find_gives_htmx_the_tree_alone(client_of: "ClientOf", ada: "User") -> None:
    client = client_of(ada)

    headers = {"HX-Request": "true", "HX-Target": "setup-tree"}
    found = client.get("/setup/", {"q": "audit"}, headers=headers)
    none = client.get("/setup/", {"q": "zebra"}, headers=headers)

    assert " ".join(strip_tags(found.content.decode()).split()) == (
        "Security View Setup Audit Trail Users found No user matches. 1 page"
    )
    assert " ".join(strip_tags(none.content.decode()).split()) == (
        "No Setup page matches “zebra”. Users found No user matches. Nothing found"
    )
    assert {"HX-Request", "HX-Target"} <= set(found.headers["Vary"].split(", "))


def test_quick_find_takes_what_no_database_would(client_of: "ClientOf", ada: "User", grace: "User") -> None:
    response = client_of(ada).get("/setup/", {"q": "\0grace"})

    assert (response.status_code, f"/setup/users/{grace.pk}/" in response.content.decode()) == (200, True)


# SQLite asks its table of words first whether it helps.
SEARCHES = 4 if connection.vendor == "sqlite" else 3


@pytest.mark.parametrize(("typed", "count"), [("", 7), ("g", 1), ("gr", SEARCHES)])
def test_setup_home_asks_few_queries(client_of: "ClientOf", ada: "User", typed: str, count: int) -> None:
    client = client_of(ada)
    client.get("/setup/")

    with captured_queries() as asked:
        client.get("/setup/", {"q": typed} if typed else {})

    assert len(asked) == count


@pytest.mark.usefixtures("inside")
def test_what_matters_now_is_said_with_where_it_leads(
    client_of: "ClientOf", any_user_login: "Organization", ada: "User", alan: "User", grace: "User"
) -> None:
    any_user_login.provisioned = False
    any_user_login.save()
    ActivationRequestFactory.create(requested_by=alan)
    AccessRequestFactory.create(user=alan, requester=ada)
    AccessRequestFactory.create(user=grace, requester=alan)

    words = words_of(client_of(alan).get("/setup/"))

    found = re.search(r"What matters now (.*) Users Users", words)
    assert found
    assert found[1] == (
        "Who is logged in as whom Ada Lovelace as Grace Hopper "
        "for less than a minute · Administrators Can Log in as Any User All Impersonations "
        "Open requests Ada Lovelace asks to log in as you for 3 days. Answer on Home just now "
        "Administrators Can Log in as Any User: waits for Support. Requested by Alan Turing, just now "
        "Grace Hopper has not answered whether you may log in for 3 days. Asked just now Company Information "
        "Recent changes Logged in using Login-As access for Grace Hopper Ada Lovelace, just now "
        "View Setup Audit Trail"
    )


def test_nothing_that_matters_is_said_in_a_line_each(client_of: "ClientOf", ada: "User") -> None:
    words = words_of(client_of(ada).get("/setup/"))

    assert (
        "What matters now Who is logged in as whom Nobody is logged in as anyone. All Impersonations "
        "Open requests Nothing waits for an answer. "
        "Recent changes Nothing has been changed yet. View Setup Audit Trail Users"
    ) in words


def test_what_one_may_not_read_is_not_there(client_of: "ClientOf", barbara: "User") -> None:
    words = words_of(client_of(barbara).get("/setup/"))

    assert ("Who is logged in as whom" in words, "Recent changes" in words) == (False, True)


def test_a_question_is_not_answered_from_inside(
    any_user_login: "Organization", ada: "User", alan: "User", audrey: "User", browser: "Callable[[], PortalClient]"
) -> None:
    AccessRequestFactory.create(user=audrey, requester=alan)
    AccessRequestFactory.create(user=alan, requester=audrey)
    client = browser()
    client.login_as(audrey, actor=ada)

    words = words_of(client.get("/setup/"))

    assert "Alan Turing asks to log in as Audrey Tang for 3 days. just now" in words
    assert "Alan Turing has not answered whether Audrey Tang may log in for 3 days." in words


# --- probes ------------------------------------------------------------------------------------------------------


def test_healthz_asks_nothing(anonymous: "PortalClient", django_assert_num_queries: "DjangoAssertNumQueries") -> None:
    with django_assert_num_queries(0):
        response = anonymous.get("/healthz")

    assert (response.status_code, response.content) == (200, b"ok")


def test_readyz_is_ready_when_everything_is_migrated(anonymous: "PortalClient") -> None:
    ready = anonymous.get("/readyz")
    MigrationRecorder(connection).record_unapplied("accounts", "0001_initial")
    behind = anonymous.get("/readyz")

    assert (ready.status_code, ready.content) == (200, b"ready")
    assert (behind.status_code, behind.content) == (503, b"the database is not migrated")


def test_readyz_is_not_ready_without_a_database(anonymous: "PortalClient") -> None:
    def down(*_: object) -> None:
        raise OperationalError("the server closed the connection")

    with connection.execute_wrapper(down):
        response = anonymous.get("/readyz")

    assert (response.status_code, response.content) == (503, b"the database cannot be reached")


# --- a stale tab -------------------------------------------------------------------------------------------------


def post(rf: "RequestFactory", path: str, fields: dict[str, Any], *, mark: str = "") -> "HttpRequest":
    request = rf.post(path, {**fields, "opened_as": mark})
    request.user = AnonymousUser()
    return request


def come_from(
    request: "HttpRequest", user: "User | AnonymousUser", visit: "Impersonation | None" = None
) -> "HttpRequest":
    """Make ``request`` one of ``user``, or one from inside a visit."""
    request.user = user
    if visit:
        request.impersonation, request.actor = visit, visit.actor  # type: ignore[attr-defined]
    return request


@pytest.fixture
def visit(
    any_user_login: "Organization", ada: "User", grace: "User", browser: "Callable[[], PortalClient]"
) -> "Impersonation":
    """Ada's running visit to Grace's account."""
    return browser().login_as(grace, actor=ada)


def test_stale_tab_says_who_it_was_opened_as_and_who_one_is(
    rf: "RequestFactory", ada: "User", grace: "User", visit: "Impersonation"
) -> None:
    nobody = AnonymousUser()
    before = mark_of(come_from(rf.get("/"), ada))
    during = mark_of(come_from(rf.get("/"), grace, visit))
    graces_own = mark_of(come_from(rf.get("/"), grace))
    signing_in = mark_of(come_from(rf.get("/"), nobody))

    def sentence(mark: str, user: "User | AnonymousUser", now: "Impersonation | None" = None) -> str:
        request = come_from(post(rf, "/setup/login-access-policies/", {}, mark=mark), user, now)
        words = re.fullmatch(
            "This page is out of date (.*) Nothing was saved. (?:Home|Go on)", words_of(views.csrf_failure(request))
        )
        return words[1] if words else ""

    assert [
        sentence(before, grace, visit),
        sentence(during, ada),
        sentence(during, nobody),
        sentence(before, ada),
        sentence(graces_own, grace, visit),
        sentence(signing_in, ada),
        sentence("", ada),
    ] == [
        "This tab was opened as Ada Lovelace. You are now logged in as Grace Hopper.",
        "This tab was opened as Grace Hopper. You are now logged in as Ada Lovelace.",
        "This tab was opened as Grace Hopper. You are now logged out.",
        "This tab was opened before your session was renewed. You are now logged in as Ada Lovelace.",
        "This tab was opened as Grace Hopper, in another session. You are now logged in as Grace Hopper.",
        "This tab was opened before you logged in. You are now logged in as Ada Lovelace.",
        "This form was not opened from here, or too long ago. You are now logged in as Ada Lovelace.",
    ]


def test_stale_tab_gives_back_what_was_typed_but_no_secrets(rf: "RequestFactory", ada: "User") -> None:
    fields = {
        "first_name": "Grace <b>",
        "places": ["Sales", "Support"],
        "roles": ["3", "4"],
        "empty": "",
        "next": "/setup/",
        "version": "3",
        "csrfmiddlewaretoken": "stale",
        "password1": "hunter2",
        "Old-PassWord": "hunter3",
        "client_secret": "hunter4",
        "api_key": "hunter5",
        "login_code": "hunter6",
    }
    mark = mark_of(come_from(rf.get("/"), ada))

    page = views.csrf_failure(come_from(post(rf, "/", fields, mark=mark), ada)).content.decode()

    assert re.findall(r"<label[^>]*>(.*)</label>", page) == ["First name", "Places"]
    assert re.findall(r"<textarea[^>]*readonly>([^<]*)</textarea>", page) == ["Grace &lt;b&gt;", "Sales\nSupport"]
    assert "hunter" not in page


@pytest.mark.parametrize("mark", ["", "forged"])
def test_form_that_is_not_ours_is_given_nothing_back(rf: "RequestFactory", ada: "User", mark: str) -> None:
    response = views.csrf_failure(come_from(post(rf, "/", {"name": "typed elsewhere"}, mark=mark), ada))

    assert response.status_code == 403
    assert "typed elsewhere" not in response.content.decode()


def test_stale_tab_says_why_its_session_ended(rf: "RequestFactory", grace: "User", visit: "Impersonation") -> None:
    mark = mark_of(come_from(rf.get("/"), grace, visit))
    request = post(rf, "/", {}, mark=mark)
    request.ended = "time_limit"  # type: ignore[attr-defined]

    response = views.csrf_failure(request, reason="the time limit was reached")

    assert "The session it belonged to has ended: the time limit was reached." in words_of(response)


def test_form_without_a_cookie_says_so(rf: "RequestFactory") -> None:
    response = views.csrf_failure(post(rf, "/login/", {}), reason="CSRF cookie not set.")

    assert "Allow cookies for this site" in words_of(response)


def test_late_double_click_on_login_lands_where_the_first_did(
    rf: "RequestFactory", ada: "User", grace: "User", visit: "Impersonation"
) -> None:
    path = f"/setup/users/{grace.pk}/login-as/"
    before = mark_of(come_from(rf.get("/"), ada))

    again = views.csrf_failure(come_from(post(rf, path, {}, mark=before), grace, visit))

    assert (again.status_code, again.headers["Location"]) == (302, "/")


def test_only_the_same_click_counts_as_a_double_click(
    rf: "RequestFactory", ada: "User", alan: "User", grace: "User", visit: "Impersonation"
) -> None:
    path = f"/setup/users/{grace.pk}/login-as/"
    before, alans = (mark_of(come_from(rf.get("/"), person)) for person in (ada, alan))
    during = mark_of(come_from(rf.get("/"), grace, visit))

    statuses = [
        views.csrf_failure(come_from(post(rf, path, {}), grace, visit)).status_code,
        views.csrf_failure(come_from(post(rf, path, {}, mark=alans), grace, visit)).status_code,
        views.csrf_failure(come_from(post(rf, path, {}, mark=during), grace, visit)).status_code,
        views.csrf_failure(
            come_from(post(rf, f"/setup/users/{alan.pk}/login-as/", {}, mark=before), grace, visit)
        ).status_code,
        views.csrf_failure(come_from(post(rf, path, {}, mark=before), ada)).status_code,
    ]

    assert statuses == [403] * 5


# --- refusals and errors -----------------------------------------------------------------------------------------


def test_refusal_is_worded_with_what_would_help(rf: "RequestFactory", ada: "User") -> None:
    refused = PermissionDenied("You need Manage Users on your profile.")
    plain = views.permission_denied(come_from(rf.get("/"), ada), refused)
    refused.help_url, refused.help_label = "/setup/", "Login Access Policies"  # type: ignore[attr-defined]
    helpful = views.permission_denied(come_from(rf.get("/"), ada), refused)
    silent = views.permission_denied(come_from(rf.get("/"), ada), PermissionDenied())

    assert [words_of(response) for response in (plain, helpful, silent)] == [
        "Not allowed You need Manage Users on your profile. Home",
        "Not allowed You need Manage Users on your profile. Login Access Policies Home",
        "Not allowed You may not open this page. Home",
    ]
    assert {response.status_code for response in (plain, helpful, silent)} == {403}


def test_refusal_inside_says_as_whom(inside: "PortalClient") -> None:
    response = inside.get("/setup/")

    assert response.status_code == 403
    assert title_of(response) == "Not allowed as Grace Hopper · Portal"
    assert words_of(response).startswith("Not allowed as Grace Hopper ")
    assert "Log out as Grace Hopper" in response.content.decode()


def test_error_pages_keep_the_banner(rf: "RequestFactory", grace: "User", visit: "Impersonation") -> None:
    request = come_from(rf.get("/"), grace, visit)

    pages = [
        views.bad_request(request, Exception()),
        views.page_not_found(request, Http404()),
        views.server_error(request),
    ]

    assert [page.status_code for page in pages] == [400, 404, 500]
    assert all("Log out as Grace Hopper" in page.content.decode() for page in pages)


def test_error_page_comes_when_nobody_is_known_yet(rf: "RequestFactory") -> None:
    response = views.server_error(rf.get("/"))

    assert response.status_code == 500
    assert "Something went wrong" in words_of(response)


def test_error_page_comes_when_what_failed_fails_again(rf: "RequestFactory") -> None:
    class Broken:
        @property
        def is_authenticated(self) -> bool:
            raise OperationalError("the server closed the connection")

    request = rf.get("/")
    request.user = Broken()  # type: ignore[assignment]

    response = views.server_error(request)

    assert response.status_code == 500
    assert "Something went wrong" in words_of(response)


def test_server_error_names_the_request(rf: "RequestFactory", ada: "User") -> None:
    request = come_from(rf.get("/"), ada)
    request.request_id = "3f2c9d7e51b64b0d"  # type: ignore[attr-defined]

    assert "3f2c9d7e51b64b0d" in words_of(views.server_error(request))


def test_opener_of_a_request_is_who_comes_from_it(rf: "RequestFactory", grace: "User", visit: "Impersonation") -> None:
    assert Opener.of(come_from(rf.get("/"), grace, visit)) == Opener(
        user_id=grace.pk, user_name="Grace Hopper", actor_id=visit.actor_id, impersonation_id=visit.pk
    )


def test_form_about_a_user_who_left_ones_reach_gives_back_what_was_typed(
    client_of: "ClientOf", barbara: "User", rosalind: "User"
) -> None:
    client, path = client_of(barbara), f"/setup/users/{rosalind.pk}/edit/"
    mark = re.search(r'name="opened_as" value="([^"]+)"', client.get(path).content.decode())
    assert mark
    rosalind.role = None
    rosalind.save()
    typed = {"first_name": "Rosalind Elsie", "password": "hunter2", "opened_as": mark[1]}

    gone, crafted = client.post(path, typed), client.post(path, typed | {"opened_as": "x"})
    opened = client.get(path)

    assert [answer.status_code for answer in (gone, crafted, opened)] == [404, 404, 404]
    assert "Nothing was saved. What you had typed" in words_of(gone)
    assert ("Rosalind Elsie</textarea>" in gone.content.decode(), "hunter2" in gone.content.decode()) == (True, False)
    assert ["What you had typed" in words_of(answer) for answer in (crafted, opened)] == [False, False]


def test_form_that_is_refused_by_now_gives_back_what_was_typed(
    client_of: "ClientOf", barbara: "User", rosalind: "User", profiles: "dict[str, Profile]"
) -> None:
    client, path = client_of(barbara), f"/setup/users/{rosalind.pk}/edit/"
    mark = re.search(r'name="opened_as" value="([^"]+)"', client.get(path).content.decode())
    assert mark
    rosalind.profile = profiles["User Manager"]
    rosalind.save()

    refused = client.post(path, {"first_name": "Rosalind Elsie", "opened_as": mark[1]})

    assert refused.status_code == 403
    assert "Rosalind Elsie</textarea>" in refused.content.decode()
