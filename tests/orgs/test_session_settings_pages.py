"""Session Settings: the page, in the hands of those who may save it, who may read it, and of two at once."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from accounts.models import Session
from orgs.http import Origin
from orgs.models import AuditEvent, Organization, SessionSettings
from orgs.services.session_settings import save_session_settings, settings_values
from tests.factories import LoginAccessGrantFactory
from tests.queries import captured_queries

from .reading import alerts_of, carried_of, choices_of, errors_of, inputs_of, main_of, part_of, words

if TYPE_CHECKING:
    from accounts.models import User
    from accounts.testing import PortalClient

    from .reading import Answer

ClientOf = Callable[["User"], "PortalClient"]
Browser = Callable[[], "PortalClient"]

PAGE = "/setup/session-settings/"
SAVED = "Session settings saved."
GUEST = "This is for the organization's own administrators. You are logged in as a user without being one."
LOCK = "Your own session began at {}, and you are at 127.0.0.1 now: the lock would sign you out."
STILL_BELOW = "Nothing of yours was saved. Your choice is still below; save again to let it hold."
ASK = "You can read this page. Changing it needs Customize Application on your profile. Ask Ada Lovelace."
# What a browser sends of the page as it holds at first.
AS_IS: dict[str, Any] = {
    "idle_minutes": 120,
    "absolute_hours": 12,
    "warn_before_timeout": "on",
    "force_relogin": "on",
    "end_on_password_reset": "on",
    "history_months": 12,
    "version": 1,
}


@pytest.fixture
def client_of(client_of: ClientOf) -> ClientOf:
    """Sign in from where the test client is, so that a lock to the address does not end the session."""

    def signed_in(user: "User") -> "PortalClient":
        client = client_of(user)
        Session.objects.update(address="127.0.0.1")
        return client

    return signed_in


def settings_of(organization: Organization) -> SessionSettings:
    return SessionSettings.objects.get(organization=organization)


def fields_of(response: "Answer") -> dict[str, str]:
    return inputs_of(response) | choices_of(response)


def test_url_is_the_specified_one() -> None:
    assert reverse("session_settings") == PAGE


def test_the_form_shows_what_holds(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    SessionSettings.objects.update(idle_minutes=90, absolute_hours=8, lock_to_address=True, warn_before_timeout=False)

    response = client_of(ada).get(PAGE)

    assert fields_of(response) == {
        "version": "1",
        "idle_minutes": "90",
        "absolute_hours": "8",
        "warn_before_timeout": "off",
        "force_relogin": "on",
        "end_on_password_reset": "on",
        "lock_to_address": "on",
        "history_months": "12",
    }
    assert alerts_of(response) == []


def test_the_usual_timeouts_are_offered_and_the_one_that_holds(
    acme: Organization, ada: "User", client_of: ClientOf
) -> None:
    SessionSettings.objects.update(idle_minutes=90)

    main = main_of(client_of(ada).get(PAGE))

    offered = words(main[main.index("<select") : main.index("</select>")])
    assert offered == "15 minutes 30 minutes 1 hour 90 minutes 2 hours 4 hours 8 hours 12 hours 24 hours"


@pytest.mark.parametrize(
    ("sent", "name", "stored"),
    [
        ({"idle_minutes": 30}, "idle_minutes", 30),
        ({"absolute_hours": 24}, "absolute_hours", 24),
        ({"warn_before_timeout": None}, "warn_before_timeout", False),
        ({"force_relogin": None}, "force_relogin", False),
        ({"end_on_password_reset": None}, "end_on_password_reset", False),
        ({"lock_to_address": "on"}, "lock_to_address", True),
        ({"history_months": 24}, "history_months", 24),
    ],
)
def test_a_setting_is_saved(
    acme: Organization, ada: "User", client_of: ClientOf, sent: dict[str, Any], name: str, stored: object
) -> None:
    before = settings_values(settings_of(acme))
    fields = {key: value for key, value in (AS_IS | sent).items() if value is not None}

    response = client_of(ada).post(PAGE, fields, follow=True)

    assert response.redirect_chain == [(PAGE, 302)]
    assert alerts_of(response)[0] == SAVED
    assert settings_values(settings_of(acme)) == {**before, name: stored}
    assert AuditEvent.objects.get().after == {name: stored}
    assert part_of(response, "What it does").endswith("Last changed By Ada Lovelace, just now")


def test_saving_without_a_change_writes_nothing_and_says_the_same(
    acme: Organization, ada: "User", client_of: ClientOf
) -> None:
    response = client_of(ada).post(PAGE, AS_IS, follow=True)

    assert alerts_of(response) == [SAVED]
    assert (settings_of(acme).version, settings_of(acme).modified_at) == (1, None)
    assert not AuditEvent.objects.exists()


def test_inside_a_visit_the_page_names_both(
    any_user_login: Organization, ada: "User", alan: "User", browser: Browser
) -> None:
    client = browser()
    client.login_as(alan, actor=ada)

    response = client.post(PAGE, AS_IS | {"idle_minutes": 60}, follow=True)

    assert part_of(response, "What it does").endswith("Last changed By Alan Turing (by Ada Lovelace), just now")


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "typed", "told"),
    [
        ("idle_minutes", "17", "Select a valid choice. 17 is not one of the available choices."),
        ("idle_minutes", "soon", "Select a valid choice. soon is not one of the available choices."),
        ("idle_minutes", "1440", "The timeout cannot be longer than the absolute limit, 12 hours."),
        ("absolute_hours", "1", "The timeout cannot be longer than the absolute limit, 1 hour."),
        ("absolute_hours", "0", "Ensure this value is greater than or equal to 1."),
        ("absolute_hours", "25", "Ensure this value is less than or equal to 24."),
        ("absolute_hours", "", "This field is required."),
        ("absolute_hours", "9" * 5000, "Enter a whole number."),
        ("history_months", "5", "Ensure this value is greater than or equal to 6."),
        ("history_months", "25", "Ensure this value is less than or equal to 24."),
        ("history_months", "x", "Enter a whole number."),
    ],
)
def test_bad_input_is_said_beside_its_field_and_nothing_is_saved_by_half(
    *, acme: Organization, ada: "User", client_of: ClientOf, name: str, typed: str, told: str
) -> None:
    response = client_of(ada).post(PAGE, AS_IS | {"lock_to_address": "on", name: typed})

    assert response.status_code == 422
    assert alerts_of(response) == ["Nothing was saved. What is wrong is said beside each field below."]
    assert errors_of(response) == [told]
    is_no_choice = typed in {"17", "soon"}
    assert fields_of(response) == {
        **{key: str(value) for key, value in AS_IS.items()},
        "lock_to_address": "on",
        name: "" if is_no_choice else typed,
    }
    assert settings_of(acme).version == 1
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("version", ["", "one", "-1"])
def test_an_odd_version_saves_nothing_and_keeps_the_choice(
    acme: Organization, ada: "User", client_of: ClientOf, version: str
) -> None:
    response = client_of(ada).post(PAGE, AS_IS | {"idle_minutes": 30, "version": version})

    assert response.status_code == 422
    assert alerts_of(response) == [
        "Nothing was saved: this form was incomplete. Your choice is still below; save it again."
    ]
    assert (fields_of(response)["idle_minutes"], fields_of(response)["version"]) == ("30", "1")


def test_what_is_not_sent_stays_as_it_is(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    SessionSettings.objects.update(idle_minutes=90, absolute_hours=8, history_months=18)

    client_of(ada).post(PAGE, {"lock_to_address": "on", "version": 1})

    settings = settings_of(acme)
    assert (settings.idle_minutes, settings.absolute_hours, settings.history_months) == (90, 8, 18)
    assert (settings.lock_to_address, settings.force_relogin) == (True, False)


# --- two at once -------------------------------------------------------------------------------------------------


def test_the_second_saver_keeps_their_own_and_takes_over_what_they_did_not_touch(
    acme: Organization, ada: "User", alan: "User", client_of: ClientOf
) -> None:
    client = client_of(ada)
    read = carried_of(client.get(PAGE), "read")
    origin = Origin(user=alan, actor=alan)
    save_session_settings(acme, version=1, origin=origin, idle_minutes=30, lock_to_address=True)

    told = client.post(PAGE, AS_IS | {"absolute_hours": 4, "read": read})

    assert told.status_code == 409
    meanwhile = "Alan Turing saved this page just now, while you had it open. Timeout is now 30 minutes."
    assert alerts_of(told) == [f"{meanwhile} Lock a session to its address is now on. {STILL_BELOW}"]
    merged = fields_of(told)
    assert (merged["idle_minutes"], merged["lock_to_address"], merged["absolute_hours"]) == ("30", "on", "4")
    saved = client.post(PAGE, {**merged, "read": carried_of(told, "read")}, follow=True)
    assert alerts_of(saved) == [SAVED]
    settings = settings_of(acme)
    assert (settings.idle_minutes, settings.lock_to_address, settings.absolute_hours) == (30, True, 4)


def test_the_second_saver_who_changed_nothing_sees_what_holds_now(
    acme: Organization, ada: "User", alan: "User", client_of: ClientOf
) -> None:
    SessionSettings.objects.update(idle_minutes=90)
    client = client_of(ada)
    read = carried_of(client.get(PAGE), "read")
    save_session_settings(acme, version=1, origin=Origin(user=alan, actor=alan), idle_minutes=60)

    # What was offered when the page was opened is no error, though it holds no longer.
    told = client.post(PAGE, AS_IS | {"idle_minutes": 90, "read": read})

    assert (told.status_code, fields_of(told)["idle_minutes"]) == (409, "60")
    assert alerts_of(told)[0].endswith("Timeout is now 1 hour. There is nothing of yours left to save.")


def test_two_choices_that_do_not_go_together_are_told_at_the_next_save(
    acme: Organization, ada: "User", alan: "User", client_of: ClientOf
) -> None:
    client = client_of(ada)
    read = carried_of(client.get(PAGE), "read")
    save_session_settings(acme, version=1, origin=Origin(user=alan, actor=alan), absolute_hours=4)

    told = client.post(PAGE, AS_IS | {"idle_minutes": 480, "read": read})
    again = client.post(PAGE, {**fields_of(told), "read": carried_of(told, "read")})

    assert (told.status_code, again.status_code) == (409, 422)
    assert errors_of(again) == ["The timeout cannot be longer than the absolute limit, 4 hours."]


@pytest.mark.parametrize("read", ["", "planted", "e30:1:1"])
def test_what_was_read_is_never_taken_from_a_stranger(
    acme: Organization, ada: "User", client_of: ClientOf, read: str
) -> None:
    response = client_of(ada).post(PAGE, AS_IS | {"idle_minutes": 30, "read": read}, follow=True)

    assert alerts_of(response) == [SAVED]


# --- who may -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["audrey", "hedy"])
def test_others_read_the_settings_and_are_told_whom_to_ask(
    acme: Organization, ada: "User", who: str, request: pytest.FixtureRequest, client_of: ClientOf
) -> None:
    client = client_of(request.getfixturevalue(who))

    page, refused = client.get(PAGE), client.post(PAGE, AS_IS | {"idle_minutes": 30})

    assert alerts_of(page) == [ASK]
    assert part_of(page, "What holds") == (
        "Timeout 2 hours Absolute limit 12 hours Warn before the timeout on Force relogin after Login-As-User on "
        "End sessions on password reset on Lock a session to its address off History kept 12 months"
    )
    assert "<form" not in main_of(page)
    assert refused.status_code == 403
    assert settings_of(acme).version == 1


def test_where_there_is_nobody_to_ask_nobody_is_named(acme: Organization, audrey: "User", client_of: ClientOf) -> None:
    assert alerts_of(client_of(audrey).get(PAGE)) == [ASK.removesuffix(" Ask Ada Lovelace.")]


def test_a_guest_reads_the_page_and_saves_nothing(
    acme: Organization, ada: "User", sam: "User", browser: Browser
) -> None:
    LoginAccessGrantFactory.create(user=ada, support_organization=sam.organization)
    guest = browser()
    guest.login_as(ada, actor=sam)

    page, refused = guest.get(PAGE), guest.post(PAGE, AS_IS | {"idle_minutes": 30})

    assert alerts_of(page) == [f"You can read this page. {GUEST}"]
    assert "<form" not in main_of(page)
    assert (refused.status_code, settings_of(acme).version) == (403, 1)


@pytest.mark.parametrize(
    ("began_at", "told"),
    [("127.0.0.1", ""), ("192.0.2.7", LOCK.format("192.0.2.7")), (None, LOCK.format("an unknown address"))],
)
def test_whoever_is_elsewhere_is_told_that_the_lock_would_sign_them_out(
    ada: "User", client_of: ClientOf, began_at: str | None, told: str
) -> None:
    client = client_of(ada)
    Session.objects.update(address=began_at)

    main = words(main_of(client.get(PAGE)))

    assert told in main
    assert ("the lock would sign you out" in main) is bool(told)


# --- what it asks the database -----------------------------------------------------------------------------------


def test_the_page_asks_for_the_person_and_the_settings(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    client = client_of(ada)

    with captured_queries() as queries:
        client.get(PAGE)

    assert len(queries) == 2, queries


def test_a_save_asks_a_few_things(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    client = client_of(ada)

    with captured_queries() as queries:
        client.post(PAGE, AS_IS | {"idle_minutes": 30})

    # The person; the settings for the form; whom the limits that hold have signed out (the settings, which limits,
    # who); the organization's lock, the settings under it, and the same again; event, settings, message.
    assert len(queries) == 12, queries
