"""The trail as OCSF events, held to the schema's own list of fields.

The schema is that of https://schema.ocsf.io/1.6.0, as the package ocsf-json-schema carries it: what is required, what
there is, of what type, and from which list. An attribute that the schema does not have fails.
"""

import json
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from accounts.models import User
from accounts.services.impersonation import ImpersonationRefused
from orgs.audit import AuditAction, record
from orgs.exports.listing import ExportFormat
from orgs.exports.ocsf import KINDS, Class
from orgs.exports.trail import trail_listing
from orgs.http import Origin
from orgs.models import AuditEvent, Organization
from orgs.querysets import events_of
from orgs.services.exports import export_list

if TYPE_CHECKING:
    from collections.abc import Callable

    from jsonschema.protocols import Validator

    from accounts.testing import PortalClient

AT = datetime(2026, 11, 22, 9, 30, 0, 123456, tzinfo=UTC)
SESSION = UUID("0f0e0d0c-0b0a-4908-8706-050403020100")
# Every word that a sentence may want.
WORDS = dict.fromkeys(
    (
        "count", "duration", "edition", "fields", "format", "grantee", "group", "logins", "months", "new", "old",
        "profile", "reason", "role", "sessions", "setting", "taken", "until", "what", "why",
    ),
    "x",
)  # fmt: skip


@cache
def schema() -> dict[str, Any]:
    return get_ocsf_schema("1.6.0")


@cache
def validator_of(class_uid: int) -> "Validator":
    """Return what holds an event to its class."""
    classes = OcsfJsonSchemaEmbedded(schema())
    validator: Validator = Draft202012Validator(classes.get_class_schema(classes.lookup_class_name_from_uid(class_uid)))
    return validator


def faults_of(event: dict[str, Any]) -> list[str]:
    """Return what the schema has against an event."""
    return [f"{error.json_path}: {error.message}" for error in validator_of(event["class_uid"]).iter_errors(event)]


def events_in(organization: Organization) -> list[dict[str, Any]]:
    """Return the organization's trail as it is downloaded, event by event."""
    listing = trail_listing(organization, [events_of(organization)])
    parts = export_list(listing, ExportFormat.OCSF, organization=organization, origin=Origin.automated("test"))
    return [json.loads(line) for line in b"".join(parts).decode().splitlines()]


def written(organization: Organization, action: AuditAction, **rest: Any) -> dict[str, Any]:
    """Write one row and return it as an event."""
    origin = rest.pop("origin", Origin())
    record(action, origin=origin, organization=organization, at=AT, **{"name": "x", **WORDS, **rest})
    (event,) = events_in(organization)
    return event


def test_every_action_has_its_kind() -> None:
    assert list(KINDS) == list(AuditAction)


@pytest.mark.parametrize("action", AuditAction)
@pytest.mark.parametrize("is_bare", [False, True])
def test_every_action_is_an_event_of_the_schema(
    acme: Organization, ada: User, grace: User, action: AuditAction, is_bare: bool
) -> None:
    whole = {
        "about": grace,
        "origin": Origin(
            user=grace,
            actor=ada,
            address="2001:db8::7",
            agent="Mozilla/5.0",
            session_public_id=SESSION,
            impersonation_id=7,
            request_id="r-1",
        ),
        "before": {"name": "Old", "list": ["a"]},
        "after": {"name": "Łoś", "cause": "idle", "refusal": "off", "session": str(SESSION)},
    }

    event = written(acme, action, **({} if is_bare else whole))

    assert faults_of(event) == []
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    attributes = schema()["classes"][validator_name(event["class_uid"])]["attributes"]
    assert event["class_name"] == attributes["class_uid"]["enum"][str(event["class_uid"])]["caption"]
    assert event["activity_name"] == attributes["activity_id"]["enum"][str(event["activity_id"])]["caption"]
    assert event["type_name"] == attributes["type_uid"]["enum"][str(event["type_uid"])]["caption"]
    assert not {name for name in event if "@deprecated" in attributes[name]}


def validator_name(class_uid: int) -> str:
    return str(OcsfJsonSchemaEmbedded(schema()).lookup_class_name_from_uid(class_uid))


def test_validation_sees_what_is_wrong(acme: Organization, grace: User) -> None:
    event = written(acme, AuditAction.USER_FROZEN, about=grace)

    faults = faults_of({**event, "activity_id": 77, "time": "now", "invented": 1, "user": {}})

    assert {fault.partition(":")[0] for fault in faults} == {"$", "$.activity_id", "$.time", "$.user"}


def test_start_is_an_account_switch_by_the_actor_to_the_target(
    any_user_login: Organization, ada: User, grace: User, browser: "Callable[[], PortalClient]"
) -> None:
    visit = browser().login_as(grace, actor=ada, at=AT)
    row = AuditEvent.objects.get(action=AuditAction.IMPERSONATION_STARTED)

    (event,) = events_in(any_user_login)

    own = str(visit.actor_session.public_id)
    assert event == {
        "category_uid": 3,
        "class_uid": 3002,
        "class_name": "Authentication",
        "activity_id": 7,
        "activity_name": "Account Switch",
        "type_uid": 300207,
        "type_name": "Authentication: Account Switch",
        "account_switch_type_id": 2,
        "account_switch_type": "Impersonate",
        "time": 1795339800123,
        "severity_id": 1,
        "severity": "Informational",
        "status_id": 1,
        "status": "Success",
        "message": "Logged in using Login-As access for Grace Hopper",
        "metadata": {
            "version": "1.6.0",
            "product": {"name": "Portal", "vendor_name": "Portal"},
            "uid": str(row.pk),
            "event_code": "impersonation.started",
            "log_name": "Setup Audit Trail",
            "tenant_uid": any_user_login.reference,
            "correlation_uid": str(visit.pk),
        },
        "actor": {
            "user": {"uid": str(ada.pk), "full_name": "Ada Lovelace", "type_id": 1, "type": "User"},
            "session": {"uid": own},
        },
        "user": {"uid": str(grace.pk), "full_name": "Grace Hopper", "type_id": 1, "type": "User"},
        "session": {"uid": own, "uid_alt": str(visit.pk)},
        "service": {"name": "Portal"},
        "unmapped": {"section": "Manage Users", "before": {}, "after": row.after},
    }


def test_end_is_a_logoff_with_its_cause(
    any_user_login: Organization, ada: User, grace: User, browser: "Callable[[], PortalClient]"
) -> None:
    client = browser()
    visit = client.login_as(grace, actor=ada)
    worn = str(visit.session.public_id)
    client.log_out_as()

    event = events_in(any_user_login)[-1]

    assert (event["type_uid"], event["actor"]["user"]["uid"], event["user"]["uid"]) == (
        300202,
        str(ada.pk),
        str(grace.pk),
    )
    assert event["session"] == {"uid": worn, "uid_alt": str(visit.pk), "expiration_reason": "logged_out"}
    assert event["metadata"]["correlation_uid"] == str(visit.pk)
    assert "account_switch_type_id" not in event


def test_end_by_someone_else_does_not_take_their_session_for_the_one_that_ended(
    acme: Organization, ada: User, alan: User, grace: User
) -> None:
    event = written(
        acme,
        AuditAction.IMPERSONATION_ENDED,
        origin=Origin(user=alan, actor=alan, session_public_id=SESSION),
        user=ada,
        about=grace,
        impersonation_id=7,
        after={"cause": "ended_by_administrator"},
    )

    assert event["session"] == {"uid_alt": "7", "expiration_reason": "ended_by_administrator"}


def test_refusal_is_a_switch_that_failed(
    acme: Organization, ada: User, grace: User, browser: "Callable[[], PortalClient]"
) -> None:
    with pytest.raises(ImpersonationRefused):
        browser().login_as(grace, actor=ada)

    (event,) = events_in(acme)

    told = ("type_uid", "status_id", "status", "status_detail", "severity_id", "severity", "account_switch_type_id")
    assert [event[name] for name in told] == [300207, 2, "Failure", "off", 3, "Medium", 2]
    assert (event["actor"]["user"]["uid"], event["user"]["uid"]) == (str(ada.pk), str(grace.pk))


def test_what_is_done_inside_is_the_actors_and_says_as_whom(acme: Organization, ada: User, grace: User) -> None:
    origin = Origin(user=grace, actor=ada, impersonation_id=7)

    event = written(acme, AuditAction.PASSWORD_RESET_SENT, origin=origin, about=grace, name="Grace Hopper")

    assert (event["class_uid"], event["activity_id"]) == (Class.ACCOUNT_CHANGE, 4)
    assert event["actor"]["user"]["full_name"] == "Ada Lovelace"
    assert event["unmapped"]["done_as"]["full_name"] == "Grace Hopper"
    assert event["metadata"]["correlation_uid"] == "7"


def test_what_nobody_signed_in_did_is_the_systems(acme: Organization) -> None:
    event = written(acme, AuditAction.ORGANIZATION_CHANGED, origin=Origin.automated("rename"))

    assert event["actor"] == {
        "user": {"name": "Automated Process (rename by root)", "type_id": 3, "type": "System"},
    }
    assert event["entity"] == {
        "type": "Organization",
        "type_id": 4,
        "name": "Acme",
        "uid": acme.reference,
    }


def test_whence_is_told_where_it_is_known(acme: Organization, ada: User) -> None:
    origin = Origin(user=ada, actor=ada, address="192.0.2.7", agent="Mozilla/5.0", request_id="r-1")

    event = written(acme, AuditAction.SESSION_SETTINGS_CHANGED, origin=origin)

    assert event["src_endpoint"] == {"ip": "192.0.2.7"}
    assert event["http_request"] == {"user_agent": "Mozilla/5.0", "uid": "r-1"}
    assert event["entity"] == {"type": "Policy", "type_id": 5, "name": "Session Settings"}
