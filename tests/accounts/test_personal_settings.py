"""Personal settings: the page, what it makes of other pages, and what is refused."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail
from django.http import StreamingHttpResponse
from django.utils import timezone

from accounts.enums import LoginStatus
from accounts.forms.personal import time_zone_choices
from accounts.models import Login, Session, User
from accounts.services.sign_in import LOCKED_FOR
from accounts.services.users import version_of
from orgs.audit import AuditAction, record
from orgs.http import Origin
from orgs.models import AuditEvent
from tests.factories import PASSWORD
from tests.queries import captured_queries

from .reading import words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient
    from orgs.models import Organization

    Browser = Callable[[], PortalClient]
    ClientOf = Callable[[User], PortalClient]

PAGE = "/settings/personal/"


def fields_of(user: User, **changes: str) -> dict[str, str]:
    """Return what the form sends of a user, with ``changes``."""
    names = ("first_name", "last_name", "alias", "email", "time_zone", "date_language", "theme")
    return {name: getattr(user, name) for name in names} | {"password": "", "version": ""} | changes


def errors_of(response: Any) -> dict[str, list[str]]:  # noqa: ANN401  # as the test client makes it
    return dict(response.context["form"].errors)


def message_of(html: str) -> str:
    found = re.search(r'<div class="alert alert-\w+" role="\w+">(.*?)</div>', html, re.DOTALL)
    return words_of(found[1]) if found else ""


@pytest.fixture
def graces(client_of: "ClientOf", grace: User) -> "PortalClient":
    """Grace's browser."""
    return client_of(grace)


# --- the page ----------------------------------------------------------------------------------------------------


def test_page_shows_what_holds_and_costs_two_queries(graces: "PortalClient", grace: User) -> None:
    with captured_queries() as queries:
        page = graces.get(PAGE)

    form = page.context["form"]
    assert {name: form[name].value() for name in fields_of(grace)} == fields_of(grace, password=None)  # type: ignore[arg-type]
    assert len(queries) == 2
    text = words_of(page.content.decode())
    assert "Your username is grace@acme.example. An administrator changes it." in text
    assert re.search(r"Now it is \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\.", text)


def test_what_is_saved_holds_from_the_next_page_on(graces: "PortalClient", grace: User) -> None:
    fields = fields_of(grace, first_name="Amazing", time_zone="Europe/Berlin", date_language="de", theme="dark")

    answer = graces.post(PAGE, fields)

    page = graces.get(PAGE).content.decode()
    assert (answer.status_code, answer.headers["Location"]) == (302, PAGE)
    assert message_of(page) == "Your settings have been saved."
    assert page.startswith('<!doctype html>\n<html lang="en" data-theme="dark">')
    assert '<meta name="color-scheme" content="dark">' in page
    assert '<span class="menu-name">Amazing Hopper</span>' in page
    assert re.search(r"Now it is \d\d\.\d\d\.\d{4}, \d\d:\d\d:\d\d CES?T\.", words_of(page))
    grace.refresh_from_db()
    graces.post(PAGE, fields_of(grace, theme="system", version=version_of(grace)))
    page = graces.get(PAGE).content.decode()
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert '<meta name="color-scheme" content="light dark">' in page


def test_nothing_new_is_said_so(graces: "PortalClient", grace: User) -> None:
    answer = graces.post(PAGE, fields_of(grace), follow=True)

    assert message_of(answer.content.decode()) == "Nothing was changed."


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("last_name", "", "This field is required."),
        ("first_name", "Gr\u202eace", "This holds characters that cannot be shown. Type it anew."),
        ("alias", "x" * 21, "Ensure this value has at most 20 characters (it has 21)."),
        ("email", "grace at acme", "Enter a valid email address."),
        ("time_zone", "Mars/Olympus", "There is no such time zone. Choose one."),
        ("date_language", "tlh", "Select a valid choice. tlh is not one of the available choices."),
        ("theme", "pink", "Select a valid choice. pink is not one of the available choices."),
    ],
)
def test_what_cannot_be_taken_is_told_and_the_rest_stays(
    graces: "PortalClient", grace: User, field: str, value: str, words: str
) -> None:
    sent = fields_of(grace, alias="kept", password="typed") | {field: value}

    answer = graces.post(PAGE, sent)

    # With a new address, even one that won't do, the password is tried: all that is wrong is told at once.
    is_tried = field == "email"
    wrong = {"password": ["This is not your current password."]} if is_tried else {}
    assert (answer.status_code, errors_of(answer)) == (422, {field: [words], **wrong})
    shown = answer.context["form"]
    assert {name: shown[name].value() for name in sent} == sent
    # A secret is never sent back.
    assert "typed" not in answer.content.decode()
    grace.refresh_from_db()
    assert (grace.alias, grace.failed_logins) == ("grace", int(is_tried))


def test_all_that_is_wrong_is_told_at_once(graces: "PortalClient", grace: User) -> None:
    sent = fields_of(grace, last_name="", email="hopper@acme.example")

    without, wrong = (errors_of(graces.post(PAGE, sent | {"password": typed})) for typed in ("", "wrong"))

    assert without == {
        "last_name": ["This field is required."],
        "password": ["Enter your current password to change your e-mail address."],
    }
    assert wrong == {"last_name": ["This field is required."], "password": ["This is not your current password."]}


def test_page_says_who_changes_the_username(client_of: "ClientOf", ada: User, grace: User) -> None:
    pages = [words_of(client_of(one).get(PAGE).content.decode()) for one in (grace, ada)]

    assert "Your username is grace@acme.example. An administrator changes it." in pages[0]
    own = "Your username is ada@acme.example. As an administrator you change it in Setup: Edit Ada Lovelace."
    assert own in pages[1]


def test_what_was_chosen_shows_in_the_time_that_is_told(graces: "PortalClient", grace: User) -> None:
    answer = graces.post(PAGE, fields_of(grace, last_name="", time_zone="Asia/Tokyo", date_language="ja"))

    assert re.search(r"Now it is \d{4}/\d\d/\d\d \d+:\d\d:\d\d JST\.", words_of(answer.content.decode()))


@pytest.mark.parametrize(
    ("query", "shape"),
    [
        ("?time_zone=Asia/Tokyo&date_language=ja", r"Now it is \d{4}/\d\d/\d\d \d+:\d\d:\d\d JST\."),
        ("?time_zone=Mars/Olympus&date_language=x", r"Now it is \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\."),
        ("", r"Now it is \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\."),
    ],
)
def test_htmx_takes_the_time_as_it_would_be_written(graces: "PortalClient", query: str, shape: str) -> None:
    part = graces.get(f"{PAGE}{query}", headers={"HX-Request": "true"}).content.decode()

    assert re.fullmatch(shape, words_of(part))


def test_zones_are_offered_by_area_and_one_that_is_not_stays(graces: "PortalClient", grace: User) -> None:
    areas = dict(time_zone_choices())

    assert list(areas) == [
        *("UTC", "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian"),
        "Pacific",
    ]
    assert ("America/Argentina/Buenos_Aires", "Argentina: Buenos Aires") in areas["America"]
    User.objects.update(time_zone="US/Pacific")
    page = graces.get(PAGE).content.decode()
    assert '<option value="US/Pacific" selected>US/Pacific</option>' in page
    grace.refresh_from_db()
    assert graces.post(PAGE, fields_of(grace, alias="gh")).status_code == 302
    grace.refresh_from_db()
    assert (grace.alias, grace.time_zone) == ("gh", "US/Pacific")


# --- the address -------------------------------------------------------------------------------------------------

NEW = "new@acme.example"


def test_a_new_address_needs_the_password(graces: "PortalClient", grace: User) -> None:
    Session.objects.update(authenticated_at=timezone.now() - timedelta(hours=3))

    without = graces.post(PAGE, fields_of(grace, email=NEW))
    wrong = graces.post(PAGE, fields_of(grace, email=NEW, password="not it"))
    grace.refresh_from_db()
    before = (grace.email, grace.failed_logins)
    answer = graces.post(PAGE, fields_of(grace, email=NEW, password=PASSWORD), follow=True)

    grace.refresh_from_db()
    assert [(one.status_code, errors_of(one)) for one in (without, wrong)] == [
        (422, {"password": ["Enter your current password to change your e-mail address."]}),
        (422, {"password": ["This is not your current password."]}),
    ]
    assert (before, grace.email, grace.failed_logins) == (("grace@acme.example", 1), NEW, 0)
    assert message_of(answer.content.decode()) == (
        "Your settings have been saved. A mail that says so went to grace@acme.example."
    )
    # As at signing in: the wrong one is listed, and the right one makes the session a fresh one.
    assert list(Login.objects.order_by("id").values_list("status", flat=True))[-2:] == [
        LoginStatus.WRONG_PASSWORD,
        LoginStatus.SUCCESS,
    ]
    assert Session.objects.filter(user=grace, authenticated_at__gt=timezone.now() - timedelta(minutes=1)).exists()


def test_the_old_address_is_told(graces: "PortalClient", grace: User, django_capture_on_commit_callbacks: Any) -> None:  # noqa: ANN401  # a fixture
    with django_capture_on_commit_callbacks(execute=True):
        graces.post(PAGE, fields_of(grace, email=NEW, password=PASSWORD))

    assert [one.to for one in mail.outbox] == [["grace@acme.example"]]


def test_a_password_is_not_looked_at_where_the_address_stays(graces: "PortalClient", grace: User) -> None:
    answer = graces.post(
        PAGE, fields_of(grace, alias="gh", email="Grace@acme.example", password="filled in by a browser")
    )

    grace.refresh_from_db()
    assert (answer.status_code, grace.alias, grace.failed_logins) == (302, "gh", 0)


def test_ten_wrong_passwords_lock_the_account(graces: "PortalClient", grace: User) -> None:
    User.objects.update(failed_logins=9)

    answer = graces.post(PAGE, fields_of(grace, email=NEW, password="not it"))
    locked = graces.post(PAGE, fields_of(grace, email=NEW, password=PASSWORD))

    grace.refresh_from_db()
    assert grace.locked_until is not None
    assert timedelta() < LOCKED_FOR - (grace.locked_until - timezone.now()) < timedelta(minutes=1)
    words = {"password": [f"Too many wrong passwords. Try again after {grace.locked_until:%H:%M} UTC."]}
    assert (errors_of(answer), errors_of(locked)) == (words, words)
    assert grace.email == "grace@acme.example"


def test_an_address_that_waits_is_said_beside_the_one_that_counts(graces: "PortalClient") -> None:
    User.objects.update(pending_email=NEW)

    text = words_of(graces.get(PAGE).content.decode())

    assert f"{NEW} waits to be confirmed; grace@acme.example counts until then." in text


# --- who else ----------------------------------------------------------------------------------------------------


def test_what_someone_else_stored_meanwhile_is_shown_and_not_lost(graces: "PortalClient", grace: User) -> None:
    User.objects.update(first_name="", alias="adas", modified_at=timezone.now(), modified_by_name="Ada Lovelace")

    answer = graces.post(PAGE, fields_of(grace, theme="dark"))

    text = words_of(answer.content.decode())
    assert answer.status_code == 409
    assert "Ada Lovelace changed your account while you had this page open. Nothing was saved." in text
    assert "First name is now: empty Alias is now: adas Colours is now: system" in text
    version = answer.context["form"]["version"].value()
    again = graces.post(PAGE, fields_of(grace, theme="dark", version=version))
    assert again.status_code == 302
    grace.refresh_from_db()
    assert (grace.first_name, grace.alias, grace.theme) == ("Grace", "grace", "dark")


def test_inside_a_visit_they_are_refused_and_pages_are_the_targets(
    browser: "Browser", any_user_login: "Organization", ada: User, grace: User
) -> None:
    User.objects.filter(pk=ada.pk).update(theme="light", time_zone="Asia/Tokyo")
    User.objects.filter(pk=grace.pk).update(theme="dark", time_zone="Europe/Berlin", date_language="de")
    inside = browser()
    inside.login_as(grace, actor=ada)
    grace.refresh_from_db()

    refused = [inside.get(PAGE), inside.post(PAGE, fields_of(grace, theme="light"))]
    home = inside.get("/").content.decode()

    assert [one.status_code for one in refused] == [403, 403]
    assert '<html lang="en" data-theme="dark">' in home
    assert re.search(r"at \d\d:\d\d CES?T", words_of(home))
    grace.refresh_from_db()
    assert (grace.theme, AuditEvent.objects.filter(action=AuditAction.USER_CHANGED).exists()) == ("dark", False)


def test_external_users_have_them_too(client_of: "ClientOf", margaret: User) -> None:
    answer = client_of(margaret).post(PAGE, fields_of(margaret, theme="dark"))

    margaret.refresh_from_db()
    assert (answer.status_code, margaret.theme) == (302, "dark")


# --- elsewhere ---------------------------------------------------------------------------------------------------


@pytest.fixture
def at_midnight(ada: User, grace: User) -> list[datetime]:
    """Two events, half an hour before and after Berlin's 23 November began; and Ada reads in Berlin."""
    User.objects.filter(pk=ada.pk).update(time_zone="Europe/Berlin", date_language="de")
    moments = [datetime(2026, 11, 22, hour, 30, tzinfo=UTC) for hour in (22, 23)]
    for at in moments:
        record(AuditAction.USER_FROZEN, origin=Origin(), organization=grace.organization_id, about=grace, at=at)
    return moments


def test_a_day_of_a_list_is_the_readers_on_the_page_and_in_the_download(
    at_midnight: list[datetime], client_of: "ClientOf", ada: User
) -> None:
    client, day = client_of(ada), {"start": "2026-11-23", "end": "2026-11-23"}

    page = client.get("/setup/audit-trail/", day).content.decode()
    download: object = client.post("/setup/audit-trail/download/", {**day, "format": "csv"})

    assert isinstance(download, StreamingHttpResponse)
    in_file = download.getvalue().decode("utf-8-sig")
    assert re.findall(r"<time datetime=\"([^\"]*)\" title=\"([^\"]*)\">([^<]*)</time></a>", page) == [
        ("2026-11-22T23:30:00Z", "2026-11-22 23:30:00 UTC", "23.11.2026, 00:30:00 CET")
    ]
    assert [f"{at:%Y-%m-%dT%H:%M}:00.000Z" in in_file for at in at_midnight] == [False, True]
    assert "Times and days are in Europe/Berlin." in words_of(page)
    exported = AuditEvent.objects.get(action=AuditAction.EXPORTED)
    assert exported.after["time_zone"] == "Europe/Berlin"


def test_mails_are_written_in_utc_whoever_clicks(
    browser: "Browser",
    any_user_login: "Organization",
    ada: User,
    grace: User,
    django_capture_on_commit_callbacks: Any,  # noqa: ANN401  # a fixture
) -> None:
    any_user_login.login_access_policy.mail_at_start = True
    any_user_login.login_access_policy.save()
    User.objects.filter(pk=ada.pk).update(time_zone="Pacific/Kiritimati", date_language="de")
    client = browser()
    client.force_login(ada)

    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"/setup/users/{grace.pk}/login-as/")

    visit = grace.impersonations_of.get()
    (told,) = mail.outbox
    assert f"on {visit.started_at.day} {visit.started_at:%B %Y} at {visit.started_at:%H:%M} UTC." in told.body
