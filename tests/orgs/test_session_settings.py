"""Session Settings: the service."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError

from orgs.audit import AuditAction
from orgs.http import Origin
from orgs.models import AuditEvent, Organization, SessionSettings
from orgs.permissions import Permission, PermissionMissing, RefusedToGuest
from orgs.services.session_settings import (
    SETTINGS,
    SettingsChangedMeanwhile,
    may_save,
    minutes_in_words,
    save_session_settings,
    settings_values,
)
from tests.factories import ProfileFactory
from tests.origins import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import Profile, User

AT = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)

# By name: what it is changed to, and the words of the trail.
CHANGES: dict[str, tuple[Any, str]] = {
    "idle_minutes": (30, "Changed Timeout from 2 hours to 30 minutes"),
    "absolute_hours": (2, "Changed Absolute limit from 12 hours to 2 hours"),
    "warn_before_timeout": (False, "Changed Warn before the timeout from on to off"),
    "force_relogin": (False, "Changed Force relogin after Login-As-User from on to off"),
    "end_on_password_reset": (False, "Changed End sessions on password reset from on to off"),
    "lock_to_address": (True, "Changed Lock a session to its address from off to on"),
    "history_months": (6, "Changed History kept from 12 months to 6 months"),
}


def settings_of(organization: Organization) -> SessionSettings:
    return SessionSettings.objects.get(organization=organization)


@pytest.fixture
def mabel(make: "Callable[..., User]", profiles: "dict[str, Profile]", acme: Organization) -> "User":
    """Customizes the application, and is no administrator."""
    permission = (Permission.CUSTOMIZE_APPLICATION,)
    profiles["Customizer"] = ProfileFactory.create(organization=acme, name="Customizer", permissions=permission)
    return make("Mabel", "Loomis", "Customizer")


def test_every_setting_is_saved_here() -> None:
    fields = {field.name for field in SessionSettings._meta.concrete_fields}

    assert fields - {"organization", "switches", "version", "modified_at", "modified_by_name"} == set(SETTINGS)
    assert set(CHANGES) == set(SETTINGS)


@pytest.mark.parametrize("name", CHANGES)
def test_each_setting_is_saved_with_one_row_of_the_trail(acme: Organization, mabel: "User", name: str) -> None:
    value, sentence = CHANGES[name]
    before = settings_values(settings_of(acme))

    save_session_settings(acme, version=1, origin=origin_of(mabel), at=AT, **{name: value})

    settings = settings_of(acme)
    assert settings_values(settings) == {**before, name: value}
    assert (settings.version, settings.modified_at, settings.modified_by_name) == (2, AT, "Mabel Loomis")
    event = AuditEvent.objects.get()
    assert (event.action, event.section) == (AuditAction.SESSION_SETTINGS_CHANGED, "Session Settings")
    assert (event.created_at, event.user_name, event.sentence) == (AT, "Mabel Loomis", sentence)
    assert (event.before, event.after) == ({name: before[name]}, {name: value})


def test_several_settings_are_one_save_and_a_row_each(acme: Organization, ada: "User") -> None:
    changes = {name: value for name, (value, _) in CHANGES.items()}

    save_session_settings(acme, version=1, origin=origin_of(ada), at=AT, **changes)

    assert settings_values(settings_of(acme)) == changes
    assert settings_of(acme).version == 2
    sentences = AuditEvent.objects.order_by("id").values_list("sentence", flat=True)
    assert list(sentences) == [sentence for _, sentence in CHANGES.values()]


def test_saving_what_holds_already_writes_nothing(acme: Organization, ada: "User") -> None:
    before = SessionSettings.objects.values().get()

    save_session_settings(acme, version=1, origin=origin_of(ada), at=AT, idle_minutes=120, force_relogin=True)

    assert SessionSettings.objects.values().get() == before
    assert not AuditEvent.objects.exists()


def test_the_second_of_two_who_save_is_told_and_changes_nothing(acme: Organization, ada: "User", alan: "User") -> None:
    save_session_settings(acme, version=1, origin=origin_of(alan), idle_minutes=30)

    with pytest.raises(SettingsChangedMeanwhile) as told:
        save_session_settings(acme, version=1, origin=origin_of(ada), idle_minutes=60)

    assert str(told.value) == "Alan Turing changed this page meanwhile."
    assert told.value.settings.idle_minutes == 30
    assert (settings_of(acme).idle_minutes, settings_of(acme).version) == (30, 2)


def test_inside_a_visit_both_people_are_named(acme: Organization, ada: "User", alan: "User") -> None:
    origin = Origin(user=alan, actor=ada, impersonation_id=7)

    save_session_settings(acme, version=1, origin=origin, idle_minutes=30)

    assert settings_of(acme).modified_by_name == "Alan Turing (by Ada Lovelace)"
    event = AuditEvent.objects.get()
    assert (event.user_name, event.delegate_user_name) == ("Alan Turing", "Ada Lovelace")


def test_whoever_lacks_the_permission_saves_nothing(acme: Organization, hedy: "User") -> None:
    with pytest.raises(PermissionMissing) as refused:
        save_session_settings(acme, version=1, origin=origin_of(hedy), idle_minutes=30)

    assert str(refused.value) == "You need Customize Application on your profile. Ask your administrator."
    assert (may_save(origin_of(hedy), acme), settings_of(acme).version) == (False, 1)


def test_another_organizations_settings_are_not_saved(ada: "User", stranger: "User") -> None:
    with pytest.raises(PermissionMissing):
        save_session_settings(stranger.organization, version=1, origin=origin_of(ada), idle_minutes=30)


@pytest.mark.parametrize("is_limited", [True, False])
def test_a_guest_saves_nothing(acme: Organization, ada: "User", is_limited: bool) -> None:
    origin = Origin(user=ada, actor=ada, impersonation_id=7, is_limited=is_limited)

    assert may_save(origin, acme) is not is_limited
    if is_limited:
        with pytest.raises(RefusedToGuest):
            save_session_settings(acme, version=1, origin=origin, idle_minutes=30)


def test_a_command_may_save(acme: Organization) -> None:
    save_session_settings(acme, version=1, origin=Origin.automated("test"), idle_minutes=30)

    assert settings_of(acme).idle_minutes == 30


def test_a_timeout_above_the_absolute_limit_the_database_refuses(acme: Organization, ada: "User") -> None:
    with pytest.raises(IntegrityError):
        save_session_settings(acme, version=1, origin=origin_of(ada), idle_minutes=121, absolute_hours=2)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(1, "1 minute"), (30, "30 minutes"), (60, "1 hour"), (90, "90 minutes"), (1440, "24 hours")],
)
def test_a_number_of_minutes_is_written_as_people_say_it(minutes: int, words: str) -> None:
    assert minutes_in_words(minutes) == words
