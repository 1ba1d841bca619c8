"""The one writer of the trail."""

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.forms.models import model_to_dict

from orgs.audit import SECTIONS, AuditAction, build_event, record
from orgs.http import Origin
from orgs.models import AuditEvent

if TYPE_CHECKING:
    from accounts.models import User
    from orgs.models import Organization

AT = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)

SENTENCES = {
    AuditAction.POLICY_CHANGED: "Changed <setting> from <old> to <new>",
    AuditAction.IMPERSONATION_STARTED: "Logged in using Login-As access for <name>",
    AuditAction.IMPERSONATION_ENDED: "Logged out using Login-As access for <name><why>",
    AuditAction.IMPERSONATION_REFUSED: "Was refused Login-As access for <name>: <reason>",
    AuditAction.IMPERSONATION_STEPPED_UP: "Stepped up to full access while logged in as <name>",
    AuditAction.USER_CREATED: "Created new user <name>",
    AuditAction.USERS_IMPORTED: "Imported <count>",
    AuditAction.USERS_CHECKED: "Checked a file of <count>: <taken> taken in other organizations",
    AuditAction.USER_CHANGED: "Changed <fields> of user <name>",
    AuditAction.USER_EMAIL_CHANGED: "Changed email for user <name> from <old> to <new>",
    AuditAction.USER_EMAIL_CHANGE_ASKED: "Asked to change email for user <name> from <old> to <new>",
    AuditAction.USER_EMAIL_CHANGE_WITHDRAWN: "Withdrew the change of email for user <name> from <old> to <new>",
    AuditAction.USER_PROFILE_CHANGED: "Changed profile for user <name> from <old> to <new>",
    AuditAction.USER_ROLE_CHANGED: "Changed role for user <name> from <old> to <new>",
    AuditAction.USER_ACTIVATED: "Activated user <name>",
    AuditAction.USER_DEACTIVATED: "Deactivated user <name>",
    AuditAction.USER_FROZEN: "Froze user <name>",
    AuditAction.USER_UNFROZEN: "Unfroze user <name>",
    AuditAction.USER_UNLOCKED: "Unlocked user <name>",
    AuditAction.PASSWORD_RESET_SENT: "Sent a password reset to user <name>",
    AuditAction.PASSWORD_CHANGED: "Changed password of user <name>",
    AuditAction.SESSIONS_ENDED: "Ended the sessions of user <name>",
    AuditAction.PROFILE_CREATED: "Created profile <profile>",
    AuditAction.PROFILE_CHANGED: "Changed profile <profile>",
    AuditAction.PROFILE_DELETED: "Deleted profile <profile>",
    AuditAction.ROLE_CREATED: "Created role <role>",
    AuditAction.ROLE_CHANGED: "Changed role <role>",
    AuditAction.ROLE_DELETED: "Deleted role <role>",
    AuditAction.DELEGATED_GROUP_CREATED: "Created delegated group <group>",
    AuditAction.DELEGATED_GROUP_CHANGED: "Changed delegated group <group>",
    AuditAction.DELEGATED_GROUP_DELETED: "Deleted delegated group <group>",
    AuditAction.GRANT_GIVEN: "Granted login access to <grantee> until <until>",
    AuditAction.GRANT_REVOKED: "Revoked login access of <grantee>",
    AuditAction.ACCESS_ASKED: "Asked <name> for <duration> of login access",
    AuditAction.ACCESS_GRANTED: "Granted the login access that <name> asked for",
    AuditAction.ACCESS_DECLINED: "Declined the login access that <name> asked for",
    AuditAction.ORGANIZATION_CREATED: "Created organization <name>, <edition> Edition",
    AuditAction.ORGANIZATION_CHANGED: "Changed organization name from <old> to <new>",
    AuditAction.EDITION_CHANGED: "Changed edition from <old> to <new>",
    AuditAction.ORGANIZATION_PROVISIONED: "Provisioned Administrators Can Log in as Any User",
    AuditAction.ORGANIZATION_DEPROVISIONED: "Deprovisioned Administrators Can Log in as Any User",
    AuditAction.ACCOUNT_EXECUTIVE_CHANGED: "Changed Account Executive from <old> to <new>",
    AuditAction.ACTIVATION_REQUESTED: "Requested activation of Administrators Can Log in as Any User",
    AuditAction.ACTIVATION_APPROVED: "Approved the activation request of <name>",
    AuditAction.ACTIVATION_DECLINED: "Declined the activation request of <name>",
    AuditAction.SESSION_ENDED: "Ended a session of user <name>",
    AuditAction.SESSION_SETTINGS_CHANGED: "Changed <setting> from <old> to <new>",
    AuditAction.EXPORTED: "Downloaded <what> as <format>",
    AuditAction.TRAIL_ARCHIVED: "Archived <count> events of the trail, up to <until>",
    AuditAction.HISTORY_TRIMMED: "Deleted <logins> and <sessions> older than <months> months",
}


# Every word that a sentence may ask for, as itself.
NAMES = (
    *("setting", "old", "new", "name", "why", "reason", "fields", "profile", "role", "edition", "group"),
    *("grantee", "until", "duration", "what", "format", "count", "logins", "sessions", "months", "taken"),
)
PLACEHOLDERS: dict[str, Any] = {name: f"<{name}>" for name in NAMES}


@pytest.mark.parametrize("action", AuditAction)
def test_every_action_has_its_sentence_and_section(action: AuditAction) -> None:
    event = build_event(action, origin=Origin(), organization_id=1, at=AT, **PLACEHOLDERS)

    assert event.sentence == SENTENCES[action]
    assert event.section in SECTIONS


def test_sections_are_what_the_trail_can_be_narrowed_to() -> None:
    assert SECTIONS == ("Company Information", "Manage Users", "Profiles", "Records", "Roles", "Session Settings")


def people_of(event: AuditEvent) -> tuple[str, str, str]:
    return event.user_name, event.delegate_user_name, event.about_name


def test_done_as_oneself_has_no_delegate(acme: "Organization", ada: "User", grace: "User") -> None:
    origin = Origin(user=ada, actor=ada)

    event = record(AuditAction.USER_FROZEN, origin=origin, organization=acme, about=grace)

    assert people_of(event) == ("Ada Lovelace", "", "Grace Hopper")
    assert (event.user, event.delegate_user, event.about) == (ada, None, grace)


def test_done_inside_is_the_targets_with_the_actor_as_delegate(
    acme: "Organization", ada: "User", hedy: "User", grace: "User"
) -> None:
    origin = Origin(user=hedy, actor=ada, impersonation_id=7)

    event = record(AuditAction.USER_FROZEN, origin=origin, organization=acme, about=grace)

    assert people_of(event) == ("Hedy Lamarr", "Ada Lovelace", "Grace Hopper")
    assert (event.user, event.delegate_user, event.impersonation_id) == (hedy, ada, 7)


def test_start_and_end_are_the_actors_and_have_no_delegate(acme: "Organization", ada: "User", grace: "User") -> None:
    origin = Origin(user=grace, actor=ada, impersonation_id=7)

    event = record(
        AuditAction.IMPERSONATION_ENDED, origin=origin, organization=acme, user=ada, about=grace, why=": idle"
    )

    assert people_of(event) == ("Ada Lovelace", "", "Grace Hopper")
    assert event.sentence == "Logged out using Login-As access for Grace Hopper: idle"


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        (Origin.automated("seed_demo"), "Automated Process (seed_demo by root)"),
        (Origin(), "Automated Process"),
    ],
)
def test_done_by_nobody_signed_in_is_an_automated_process(
    acme: "Organization", grace: "User", origin: Origin, name: str
) -> None:
    event = record(AuditAction.USER_FROZEN, origin=origin, organization=acme, about=grace)

    assert people_of(event) == (name, "", "Grace Hopper")
    assert event.user is None


def test_a_row_holds_everything_that_is_known(acme: "Organization", ada: "User", grace: "User") -> None:
    public_id = uuid.uuid4()
    origin = Origin(
        user=grace,
        actor=ada,
        address="203.0.113.9",
        agent="Lynx",
        session_public_id=public_id,
        impersonation_id=7,
        request_id="abcdefgh",
    )

    event = record(
        AuditAction.PROFILE_CHANGED,
        origin=origin,
        organization=acme.pk,
        before={"name": "Old"},
        after={"name": "New"},
        at=AT,
        profile="New",
    )

    stored = model_to_dict(AuditEvent.objects.get())
    assert stored == {
        "id": event.pk,
        "organization": acme.pk,
        "created_at": AT,
        "action": "profile.changed",
        "section": "Profiles",
        "sentence": "Changed profile New",
        "user": grace.pk,
        "user_name": "Grace Hopper",
        "delegate_user": ada.pk,
        "delegate_user_name": "Ada Lovelace",
        "about": None,
        "about_name": "",
        "address": "203.0.113.9",
        "agent": "Lynx",
        "session_public_id": public_id,
        "impersonation_id": 7,
        "request_id": "abcdefgh",
        "before": {"name": "Old"},
        "after": {"name": "New"},
    }


def test_a_row_says_when_it_was_written_and_reads_as_its_sentence(acme: "Organization", grace: "User") -> None:
    before = datetime.now(tz=UTC)

    event = record(AuditAction.USER_CREATED, origin=Origin(), organization=acme, about=grace)

    assert before <= event.created_at <= datetime.now(tz=UTC)
    assert str(event) == "Created new user Grace Hopper"


def test_a_name_of_ones_own_goes_before_that_of_whom_it_is_about(acme: "Organization", grace: "User") -> None:
    words: dict[str, Any] = {"name": "Grace (as she was called)"}

    event = record(AuditAction.USER_CREATED, origin=Origin(), organization=acme, about=grace, **words)

    assert event.sentence == "Created new user Grace (as she was called)"


@pytest.mark.django_db
def test_the_trail_outlives_the_people_it_names(acme: "Organization", ada: "User") -> None:
    record(AuditAction.USER_CREATED, origin=Origin(user=ada, actor=ada), organization=acme, about=ada)

    ada.delete()

    event = AuditEvent.objects.select_related("user").get()
    assert people_of(event) == ("Ada Lovelace", "", "Ada Lovelace")


def test_words_are_never_read_as_a_format(acme: "Organization", ada: "User") -> None:
    ada.first_name = "{old} {0.__class__}"

    event = build_event(AuditAction.USER_CREATED, origin=Origin(), organization_id=acme.pk, about=ada)

    assert event.sentence == "Created new user {old} {0.__class__} Lovelace"
