"""What someone changes of their own account: what is stored, what the trail holds, who is told, and what is refused."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail

from accounts.services.personal import NobodySignedIn, PasswordNeeded, PersonalSettings, save_personal_settings
from accounts.services.users import UserChangedMeanwhile, version_of
from orgs.http import Origin
from orgs.models import AuditEvent
from orgs.permissions import RefusedInside
from tests.origins import origin_of

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks

    from accounts.models import User

AT = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def chosen(user: "User", **changes: Any) -> PersonalSettings:
    return replace(PersonalSettings.of(user), **changes)


def events() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    return [(event.sentence, event.before, event.after) for event in AuditEvent.objects.order_by("id")]


def test_what_is_chosen_is_stored_and_stands_in_the_trail_once(grace: "User") -> None:
    settings = chosen(grace, first_name="G.", time_zone="Europe/Berlin", date_language="de", theme="dark")

    changed = save_personal_settings(settings, origin=origin_of(grace), at=AT)

    grace.refresh_from_db()
    assert changed == ["first_name", "time_zone", "date_language", "theme"]
    assert (PersonalSettings.of(grace), grace.full_name, grace.name_key) == (settings, "G. Hopper", "g. hopper")
    assert (grace.modified_at, grace.modified_by_name) == (AT, "Grace Hopper")
    assert events() == [
        (
            "Changed first name, time zone, date language and theme of user G. Hopper",
            {"first_name": "Grace", "time_zone": "UTC", "date_language": "iso", "theme": "system"},
            {"first_name": "G.", "time_zone": "Europe/Berlin", "date_language": "de", "theme": "dark"},
        )
    ]


def test_nothing_new_writes_nothing(grace: "User") -> None:
    same = chosen(grace, email=grace.email.upper())

    assert save_personal_settings(same, origin=origin_of(grace)) == []
    grace.refresh_from_db()
    assert (grace.modified_at, events()) == (None, [])


def test_a_new_address_counts_at_once_and_the_old_one_is_told(
    grace: "User", django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks"
) -> None:
    grace.pending_email = "waiting@acme.example"
    grace.save()
    settings = chosen(grace, email=" New@acme.example ")
    with pytest.raises(PasswordNeeded, match="Enter your current password"):
        save_personal_settings(settings, origin=origin_of(grace))

    with django_capture_on_commit_callbacks(execute=True):
        changed = save_personal_settings(settings, origin=origin_of(grace), is_confirmed=True, at=AT)

    grace.refresh_from_db()
    assert (changed, grace.email, grace.pending_email) == (["email"], "new@acme.example", "")
    assert [(one.to, one.subject) for one in mail.outbox] == [
        (["grace@acme.example"], "The e-mail address of your portal account was changed")
    ]
    assert events() == [
        (
            "Changed email for user Grace Hopper from grace@acme.example to new@acme.example",
            {"email": "grace@acme.example", "pending_email": "waiting@acme.example"},
            {"email": "new@acme.example", "pending_email": ""},
        )
    ]


def test_an_address_that_waits_goes_on_waiting(grace: "User") -> None:
    grace.pending_email = "waiting@acme.example"
    grace.save()

    save_personal_settings(chosen(grace, theme="dark"), origin=origin_of(grace))

    grace.refresh_from_db()
    assert (grace.email, grace.pending_email, grace.theme) == ("grace@acme.example", "waiting@acme.example", "dark")


def test_what_someone_else_changed_meanwhile_is_not_lost(grace: "User") -> None:
    version = version_of(grace)
    save_personal_settings(chosen(grace, theme="dark"), origin=origin_of(grace), version=version)

    with pytest.raises(UserChangedMeanwhile) as meanwhile:
        save_personal_settings(chosen(grace, alias="gh"), origin=origin_of(grace), version=version)

    assert (meanwhile.value.user.theme, meanwhile.value.user.alias) == ("dark", "grace")
    grace.refresh_from_db()
    save_personal_settings(chosen(grace, alias="gh"), origin=origin_of(grace), version=version_of(grace))
    grace.refresh_from_db()
    assert (grace.theme, grace.alias) == ("dark", "gh")


def test_nobody_else_changes_them(grace: "User", ada: "User") -> None:
    settings = chosen(grace, theme="dark")

    with pytest.raises(RefusedInside):
        save_personal_settings(settings, origin=Origin(user=grace, actor=ada, impersonation_id=1))
    with pytest.raises(NobodySignedIn):
        save_personal_settings(settings, origin=Origin.automated("some_command"))

    grace.refresh_from_db()
    assert (grace.theme, events()) == ("system", [])
