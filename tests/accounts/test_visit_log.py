"""What is written down of what is done inside a visit: before the view runs, and how it went."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import Client
from django.urls import include, path, re_path

from accounts.enums import Access
from accounts.models import Impersonation, ImpersonationActivity, User
from accounts.services.activity import begin_activity, finish_activity
from accounts.services.start_policy import StartDetails
from accounts.testing import AsyncPortalClient, PortalClient
from orgs.models import AccessMode, AuditEvent, LoginAccessPolicy, Organization
from orgs.permissions import RefusedInside, refused_inside, refused_to_guests
from portal.urls import handler400, handler403, handler404, handler500
from tests.factories import LoginAccessGrantFactory
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    Browser = Callable[[], PortalClient]

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

pytestmark = pytest.mark.urls("tests.accounts.test_visit_log")

AT = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)

# --- the addresses of these tests ------------------------------------------------------------------------------------


def see(request: HttpRequest, **kwargs: Any) -> JsonResponse:
    """Answer what is written down while the view runs."""
    return JsonResponse({"rows": lines()})


def page(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    return HttpResponse("<p>A page.</p>")


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(request.path)


def deny(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied("Not this, not today.")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([b"a", b"b"]))


def too_many(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=429)


@refused_inside
@login_not_required
def never_inside(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ran")


@refused_to_guests
def not_for_guests(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ran")


urlpatterns = [
    path("", include("portal.urls")),
    path("probe/see/", see, name="see"),
    path("probe/see/<int:user_id>/<uuid:session_id>/<str:token>/", see, name="see_of"),
    re_path(r"^probe/see/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$", see, name="see_key"),
    path("probe/page/", page, name="page"),
    path("probe/page/<int:user_id>/", page, name="page_of"),
    path("probe/fail/", fail, name="fail"),
    path("probe/deny/", deny, name="deny"),
    path("probe/stream/", stream, name="stream"),
    path("probe/many/", too_many, name="too_many"),
    path("probe/never/", never_inside, name="never_inside"),
    path("probe/guests/", not_for_guests, name="not_for_guests"),
    path("probe/nameless/", page),
]


# --- the cast --------------------------------------------------------------------------------------------------------


@pytest.fixture
def inside(any_user_login: Organization, ada: User, hedy: User, browser: "Browser") -> PortalClient:
    """Ada's browser, in the account of Hedy, who may edit users."""
    client = browser()
    client.login_as(hedy, actor=ada)
    client.raise_request_exception = False
    client.get("/probe/see/")
    return client


def lines() -> list[list[Any]]:
    """Return what is written down: kind, method, view, of what, status."""
    rows = ImpersonationActivity.objects.order_by("pk")
    return [list(row) for row in rows.values_list("kind", "method", "view", "object", "status")]


def details() -> list[str]:
    return list(ImpersonationActivity.objects.order_by("pk").values_list("detail", flat=True))


# --- what is done ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_each_unsafe_request_is_a_row_before_its_view_runs(inside: PortalClient, method: str) -> None:
    answer = inside.generic(method, "/probe/see/")

    assert answer.json()["rows"] == [["write", method, "see", "", None]]
    assert lines() == [["write", method, "see", "", 200]]
    assert ImpersonationActivity.objects.get().impersonation == Impersonation.objects.get()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_safe_requests_are_none(inside: PortalClient, method: str) -> None:
    assert inside.generic(method, "/probe/see/").status_code == 200
    assert lines() == []


def test_ones_own_session_and_nobody_have_none(client_of: "Callable[[User], PortalClient]", ada: User) -> None:
    client_of(ada).post("/probe/see/")
    Client().post("/login/", {"login": "a@b.example", "password": "x"})

    assert lines() == []


def test_real_act_is_one_row_with_whom_it_was_done_to(inside: PortalClient, grace: User) -> None:
    inside.post(f"/setup/users/{grace.pk}/freeze/")

    assert lines() == [["write", "POST", "user_freeze", f"user {grace.pk}", 302]]
    assert details() == [""]
    visit = Impersonation.objects.get()
    assert AuditEvent.objects.get(action="user.frozen").impersonation_id == visit.pk


def test_form_that_is_shown_again_is_told_from_one_that_was_saved(inside: PortalClient, grace: User) -> None:
    inside.post(f"/setup/users/{grace.pk}/edit/", {"last_name": ""})
    inside.post("/probe/see/")

    assert [(line[2], line[4]) for line in lines()] == [("user_edit", 422), ("see", 200)]
    assert details() == ["", ""]


def test_view_that_fails_leaves_its_status(inside: PortalClient) -> None:
    assert inside.post("/probe/fail/").status_code == 500
    assert lines() == [["write", "POST", "fail", "", 500]]


def test_answer_that_streams_has_its_status(inside: PortalClient) -> None:
    answer = inside.post("/probe/stream/")

    assert (answer.getvalue(), lines()) == (b"ab", [["write", "POST", "stream", "", 200]])


def test_killed_process_leaves_a_row_without_status(inside: PortalClient) -> None:
    visit = Impersonation.objects.get()

    row = begin_activity(visit, method="POST", view="user_edit", about="user 7", at=AT)

    row.refresh_from_db()
    assert (row.created_at, row.status, row.detail) == (AT, None, "")
    assert lines() == [["write", "POST", "user_edit", "user 7", None]]


def test_first_answer_stands(inside: PortalClient) -> None:
    row = begin_activity(Impersonation.objects.get(), method="POST", view="x", about="")

    finish_activity(row, status=302)
    finish_activity(row, status=500, detail="late")

    assert (lines()[0][4], details()) == (302, [""])


def test_method_of_any_length_is_written(inside: PortalClient) -> None:
    assert inside.generic("VERSION-CONTROL", "/probe/see/").status_code == 200
    assert lines() == [["write", "VERSION-CO", "see", "", 200]]


def test_address_without_a_name_is_written_without_one(inside: PortalClient) -> None:
    inside.post("/probe/nameless/")

    assert [line[2:] for line in lines()] == [["tests.accounts.test_visit_log.page", "", 200]]


def test_asynchronous_requests_are_rows_too(any_user_login: Organization, ada: User, hedy: User) -> None:
    client = AsyncPortalClient()
    client.login_as(hedy, actor=ada)

    answer = async_to_sync(client.post)("/probe/see/")

    assert answer.json()["rows"] == [["write", "POST", "see", "", None]]
    assert lines() == [["write", "POST", "see", "", 200]]


# --- what is kept of an address --------------------------------------------------------------------------------------


def test_numbers_and_public_ids_are_kept_and_words_never(inside: PortalClient) -> None:
    which = uuid.uuid4()

    inside.post(f"/probe/see/17/{which}/s3cret-t0ken/?q=s3cret", {"password": "s3cret"})

    assert lines() == [["write", "POST", "see_of", f"user 17, session {which}", 200]]
    assert "s3cret" not in str(list(ImpersonationActivity.objects.values()))


def test_key_of_a_password_reset_is_not_kept(inside: PortalClient) -> None:
    for path_ in ("/probe/see/key/3-c8y1q2-secret/", "/account/password/reset/key/3-c8y1q2-secret/"):
        inside.post(path_)
    inside.post("/account/email/confirm/a-secret-token/")

    assert [line[:4] for line in lines()] == [
        ["write", "POST", "see_key", ""],
        ["refusal", "POST", "account_reset_password_from_key", ""],
        ["refusal", "POST", "account_confirm_email", ""],
    ]
    assert "secret" not in str(list(ImpersonationActivity.objects.values()))


# --- leave, step up, stay --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/logout/", "/account/logout/", "/admin/logout/"])
def test_leave_is_left_out_its_end_is_an_event(inside: PortalClient, address: str) -> None:
    assert inside.post(address).status_code == 302

    assert Impersonation.objects.get().end_cause == "logged_out"
    assert lines() == []


def test_leave_by_get_is_no_row_either(inside: PortalClient) -> None:
    assert inside.get("/logout/").status_code == 200
    assert lines() == []


def test_step_up_is_a_row(any_user_login: Organization, ada: User, hedy: User, browser: "Browser") -> None:
    LoginAccessPolicy.objects.update(access_mode=AccessMode.READ_ONLY_FIRST)
    client = browser()
    client.login_as(hedy, actor=ada, details=StartDetails())

    client.post("/visit/step-up/", {"reason": ""})
    client.post("/visit/step-up/", {"reason": "To mend it."})

    assert [line[2:] for line in lines()] == [["visit_step_up", "", 422], ["visit_step_up", "", 302]]
    assert "mend" not in str(list(ImpersonationActivity.objects.values()))


def test_staying_signed_in_is_a_row(inside: PortalClient) -> None:
    answer = inside.post("/session/stay/")

    assert lines() == [["write", "POST", "session_stay", "", answer.status_code]]


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("address", "view"),
    [
        ("/probe/never/", "never_inside"),
        ("/login/", "account_login"),
        ("/settings/login-access/", "login_access"),
        ("/account/password/change/", "account_change_password"),
        ("/account/reauthenticate/", "account_reauthenticate"),
        ("/account/password/reset/", "account_reset_password"),
        ("/admin/", "admin:index"),
    ],
)
def test_what_is_refused_inside_is_a_row_with_the_reason(
    inside: PortalClient, address: str, view: str, method: str
) -> None:
    assert inside.generic(method, address).status_code == 403

    assert lines() == [["refusal", method, view, "", 403]]
    assert details() == [str(RefusedInside("Hedy Lamarr"))]


def test_read_only_refusals_are_rows(inside: PortalClient, grace: User) -> None:
    Impersonation.objects.update(access=Access.READ_ONLY)

    inside.post(f"/setup/users/{grace.pk}/freeze/")

    assert lines() == [["refusal", "POST", "user_freeze", f"user {grace.pk}", 403]]
    assert details() == ["This visit is read-only: nothing was changed. To change something, step up first."]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_refusals_to_guests_are_rows(
    acme: Organization, support: Organization, sam: User, alan: User, browser: "Browser", method: str
) -> None:
    LoginAccessGrantFactory.create(user=alan, support_organization=support)
    client = browser()
    client.login_as(alan, actor=sam)

    assert client.generic(method, "/probe/guests/").status_code == 403

    assert lines() == [["refusal", method, "not_for_guests", "", 403]]
    assert details() == [
        "This is for the organization's own administrators. You are logged in as a user without being one."
    ]


def test_missing_permission_is_a_row_by_whatever_method(
    any_user_login: Organization, ada: User, grace: User, browser: "Browser"
) -> None:
    client = browser()
    client.login_as(grace, actor=ada)

    client.get("/setup/users/")
    client.head("/setup/users/")
    client.post(f"/setup/users/{ada.pk}/freeze/")

    assert lines() == [
        ["refusal", "GET", "user_list", "", 403],
        ["refusal", "HEAD", "user_list", "", 403],
        ["write", "POST", "user_freeze", f"user {ada.pk}", 403],
    ]
    assert details()[:2] == ["You need View All Users on your profile. Ask your administrator."] * 2
    assert details()[2] == "You need Freeze Users on your profile. Ask your administrator."


def test_refusal_by_a_view_says_why(inside: PortalClient) -> None:
    inside.get("/probe/deny/")
    inside.post("/probe/deny/")
    inside.get("/probe/many/")

    assert [(line[0], line[4]) for line in lines()] == [("refusal", 403), ("write", 403), ("refusal", 429)]
    assert details() == ["Not this, not today.", "Not this, not today.", ""]


def test_stale_tabs_write_is_a_row(any_user_login: Organization, ada: User, hedy: User, grace: User) -> None:
    client = PortalClient(enforce_csrf_checks=True)
    client.login_as(hedy, actor=ada)

    assert client.post(f"/setup/users/{grace.pk}/freeze/", {"first_name": "typed"}).status_code == 403
    assert client.post("/logout/").status_code == 403

    assert [line[:4] for line in lines()] == [
        ["refusal", "POST", "user_freeze", f"user {grace.pk}"],
        ["refusal", "POST", "logout", ""],
    ]
    assert {detail.partition(" You are now ")[2] for detail in details()} == {
        "logged in as Hedy Lamarr. Nothing was saved."
    }


def test_unknown_address_by_post_is_a_row_and_by_get_none(inside: PortalClient) -> None:
    answers = [inside.generic(method, "/nowhere/s3cret/").status_code for method in ("GET", "HEAD", "POST", "DELETE")]

    assert answers == [404] * 4
    assert lines() == [["refusal", "POST", "", "", 404], ["refusal", "DELETE", "", "", 404]]


def test_page_of_somebody_elsewhere_is_not_found(inside: PortalClient, stranger: User) -> None:
    inside.post(f"/setup/users/{stranger.pk}/freeze/")
    inside.get(f"/setup/users/{stranger.pk}/")

    assert lines() == [["write", "POST", "user_freeze", f"user {stranger.pk}", 404]]


def test_another_log_in_as_is_a_row(inside: PortalClient, grace: User) -> None:
    inside.post(f"/setup/users/{grace.pk}/login-as/")

    assert lines() == [["write", "POST", "user_login_as", f"user {grace.pk}", 403]]


def test_long_reason_is_cut(inside: PortalClient) -> None:
    row = begin_activity(Impersonation.objects.get(), method="POST", view="x", about="")

    finish_activity(row, status=403, detail="no " * 200)

    assert details() == [("no " * 200)[:300]]


# --- what can't be written -------------------------------------------------------------------------------------------

TABLE = ImpersonationActivity._meta.db_table


@contextmanager
def broken(event: str) -> Iterator[None]:
    """Let the database refuse to write down what is done inside."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                f"CREATE TRIGGER broken BEFORE {event} ON {TABLE} BEGIN SELECT RAISE(ABORT, 'The disk is full.'); END"
            )
        else:
            cursor.execute(
                "CREATE OR REPLACE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'The disk is full.'; END $$"
            )
            cursor.execute(f"CREATE TRIGGER broken BEFORE {event} ON {TABLE} FOR EACH ROW EXECUTE FUNCTION broken()")
        try:
            yield
        finally:
            cursor.execute("DROP TRIGGER broken" + ("" if connection.vendor == "sqlite" else f" ON {TABLE}"))


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_written_down_is_not_done(inside: PortalClient, grace: User) -> None:
    with broken("INSERT"):
        answer = inside.post(f"/setup/users/{grace.pk}/freeze/")

    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()
    grace.refresh_from_db()
    assert (grace.is_frozen, lines()) == (False, [])
    assert not AuditEvent.objects.filter(action="user.frozen").exists()


@pytest.mark.django_db(transaction=True)
def test_refusal_that_cannot_be_written_down_is_an_error(inside: PortalClient) -> None:
    with broken("INSERT"):
        answers = [inside.generic(method, "/probe/never/").status_code for method in ("GET", "POST")]

    assert (answers, lines()) == ([500, 500], [])


@pytest.mark.django_db(transaction=True)
def test_page_that_cannot_be_written_down_is_not_shown(inside: PortalClient) -> None:
    Impersonation.objects.update(records_pages=True)
    with broken("INSERT"):
        answer = inside.get("/probe/page/")

    assert (answer.status_code, "A page." in answer.content.decode()) == (500, False)


@pytest.mark.django_db(transaction=True)
def test_leaving_works_even_then(inside: PortalClient) -> None:
    with broken("INSERT"):
        answer = inside.post("/logout/")

    assert (answer.status_code, Impersonation.objects.get().end_cause) == (302, "logged_out")


@pytest.mark.django_db(transaction=True)
def test_outcome_that_cannot_be_written_stays_unknown_and_the_answer_goes_out(
    inside: PortalClient, grace: User
) -> None:
    with broken("UPDATE"):
        answer = inside.post(f"/setup/users/{grace.pk}/freeze/")

    assert answer.status_code == 302
    grace.refresh_from_db()
    assert (grace.is_frozen, lines()) == (True, [["write", "POST", "user_freeze", f"user {grace.pk}", None]])


# --- pages opened ----------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(inside: PortalClient) -> PortalClient:
    """The same browser, in a visit of which pages are recorded."""
    Impersonation.objects.update(records_pages=True)
    return inside


def test_first_opening_of_each_page_and_object_is_one_row(recorded: PortalClient) -> None:
    for address in ("/probe/page/", "/probe/page/1/", "/probe/page/2/", "/probe/page/?q=1", "/probe/page/1/"):
        recorded.get(address)

    assert lines() == [
        ["opened", "GET", "page", "", 200],
        ["opened", "GET", "page_of", "user 1", 200],
        ["opened", "GET", "page_of", "user 2", 200],
    ]


def test_page_that_is_asked_for_as_a_part_is_opened_too(recorded: PortalClient) -> None:
    recorded.get("/probe/page/1/", headers={"HX-Request": "true"})
    recorded.get("/probe/page/1/")

    assert lines() == [["opened", "GET", "page_of", "user 1", 200]]


def test_heads_and_what_was_not_shown_are_none(recorded: PortalClient, stranger: User) -> None:
    recorded.head("/probe/page/")
    recorded.get(f"/setup/users/{stranger.pk}/")
    recorded.get("/probe/fail/")
    recorded.get("/account/login/")

    assert lines() == []


def test_refusal_of_a_page_is_a_refusal_there_too(recorded: PortalClient) -> None:
    recorded.get("/probe/never/")
    recorded.get("/probe/never/")

    assert [line[0] for line in lines()] == ["refusal", "refusal"]


def test_two_visits_open_the_same_page_each(recorded: PortalClient, alan: User, hedy: User, browser: "Browser") -> None:
    recorded.get("/probe/page/")
    other = browser()
    other.login_as(hedy, actor=alan)
    Impersonation.objects.update(records_pages=True)

    other.get("/probe/page/")

    assert [line[2] for line in lines()] == ["page", "page"]


def test_policy_decides_at_the_start(any_user_login: Organization, ada: User, hedy: User, browser: "Browser") -> None:
    before, after = browser(), browser()
    before.login_as(hedy, actor=ada)
    LoginAccessPolicy.objects.update(record_pages_opened=True)
    after.login_as(hedy, actor=ada)

    before.get("/probe/page/")
    without = lines()
    after.get("/probe/page/")

    assert (without, lines()) == ([], [["opened", "GET", "page", "", 200]])


# --- what it costs ---------------------------------------------------------------------------------------------------


def queries_of(client: PortalClient, method: str, address: str) -> int:
    with captured_queries() as queries:
        client.generic(method, address)
    return len(queries)


def test_reading_costs_nothing_more(inside: PortalClient) -> None:
    assert queries_of(inside, "GET", "/probe/page/") == 1


def test_recording_pages_costs_a_look_and_the_first_time_a_row(recorded: PortalClient) -> None:
    assert [queries_of(recorded, "GET", "/probe/page/") for _ in range(3)] == [3, 2, 2]


def test_writing_costs_a_row_and_its_outcome(inside: PortalClient) -> None:
    assert queries_of(inside, "POST", "/probe/page/") == 3


def test_leave_stays_at_five(inside: PortalClient) -> None:
    assert queries_of(inside, "POST", "/logout/") == 5
