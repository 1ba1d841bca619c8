"""The trail as events of the Open Cybersecurity Schema Framework, 1.6: JSON Lines that a SIEM reads.

https://schema.ocsf.io/1.6.0/categories/iam. Who did it (``actor.user``) is the person at the keyboard, whose account it
was about is ``user``, and the account that it was done as, where that is another's, stands in ``unmapped.done_as``.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from orgs.audit import AuditAction as A

if TYPE_CHECKING:
    from orgs.models import Organization

VERSION = "1.6.0"
PRODUCT = {"name": "Portal", "vendor_name": "Portal"}
IAM = 3
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EventRow(NamedTuple):
    """What is read of each row of the trail."""

    id: int
    created_at: datetime
    action: str
    section: str
    sentence: str
    user_id: int | None
    user_name: str
    delegate_user_id: int | None
    delegate_user_name: str
    about_id: int | None
    about_name: str
    address: str | None
    agent: str
    session_public_id: UUID | None
    impersonation_id: int | None
    request_id: str
    before: dict[str, Any]
    after: dict[str, Any]


class Class(IntEnum):
    """The event classes that the trail needs, by their ``class_uid``."""

    ACCOUNT_CHANGE = 3001
    AUTHENTICATION = 3002
    ENTITY_MANAGEMENT = 3004
    USER_ACCESS = 3005


CLASS_NAMES = {
    Class.ACCOUNT_CHANGE: "Account Change",
    Class.AUTHENTICATION: "Authentication",
    Class.ENTITY_MANAGEMENT: "Entity Management",
    Class.USER_ACCESS: "User Access Management",
}


class Kind(NamedTuple):
    """How an action is told: class, activity, and, of Entity Management, which type of entity it was done to."""

    event_class: Class
    activity_id: int
    activity: str
    entity_type: str = ""
    # What it is called, where the rows do not say.
    entity_name: str = ""


def _account(activity_id: int, activity: str) -> Kind:
    return Kind(Class.ACCOUNT_CHANGE, activity_id, activity)


def _authentication(activity_id: int, activity: str) -> Kind:
    return Kind(Class.AUTHENTICATION, activity_id, activity)


def _created(entity_type: str, entity_name: str = "") -> Kind:
    return Kind(Class.ENTITY_MANAGEMENT, 1, "Create", entity_type, entity_name)


def _read(entity_type: str, entity_name: str = "") -> Kind:
    return Kind(Class.ENTITY_MANAGEMENT, 2, "Read", entity_type, entity_name)


def _updated(entity_type: str, entity_name: str = "") -> Kind:
    return Kind(Class.ENTITY_MANAGEMENT, 3, "Update", entity_type, entity_name)


def _deleted(entity_type: str) -> Kind:
    return Kind(Class.ENTITY_MANAGEMENT, 4, "Delete", entity_type)


USER, POLICY, ORGANIZATION, GROUP = "User", "Policy", "Organization", "Group"
# The schema's numbers for types of entities; every other type is 99, told by its name.
ENTITY_TYPES = {USER: 2, GROUP: 3, ORGANIZATION: 4, POLICY: 5}
OTHER = 99
PROFILE, ROLE, GRANT, ACCESS_REQUEST = "Profile", "Role", "Login access grant", "Login access request"
ACTIVATION, LIST, TRAIL, HISTORY = "Activation request", "List", "Setup Audit Trail", "Login History"
FEATURE = "Administrators Can Log in as Any User"
# One's own: told with the person whose they are.
OF_A_PERSON = {USER, GRANT, ACCESS_REQUEST}

SWITCH, LOGOFF = _authentication(7, "Account Switch"), _authentication(2, "Logoff")
ASSIGN = Kind(Class.USER_ACCESS, 1, "Assign Privileges")

# Total: an action without its kind fails a test.
KINDS: dict[A, Kind] = {
    A.POLICY_CHANGED: _updated(POLICY, "Login Access Policies"),
    A.IMPERSONATION_STARTED: SWITCH,
    A.IMPERSONATION_ENDED: LOGOFF,
    A.IMPERSONATION_REFUSED: SWITCH,
    A.IMPERSONATION_STEPPED_UP: ASSIGN,
    A.USER_CREATED: _account(1, "Create"),
    A.USERS_IMPORTED: _created(LIST, "Users"),
    A.USERS_CHECKED: _read(LIST, "Users"),
    A.USER_CHANGED: _updated(USER),
    A.USER_EMAIL_CHANGED: _updated(USER),
    A.USER_EMAIL_CHANGE_ASKED: _updated(USER),
    A.USER_EMAIL_CHANGE_WITHDRAWN: _updated(USER),
    A.USER_PROFILE_CHANGED: ASSIGN,
    A.USER_ROLE_CHANGED: _updated(USER),
    A.USER_ACTIVATED: _account(2, "Enable"),
    A.USER_DEACTIVATED: _account(5, "Disable"),
    # The schema's Lock is what freezing does: the account stays active, and nobody signs in to it.
    A.USER_FROZEN: _account(9, "Lock"),
    A.USER_UNFROZEN: _account(12, "Unlock"),
    A.USER_UNLOCKED: _account(12, "Unlock"),
    A.PASSWORD_RESET_SENT: _account(4, "Password Reset"),
    A.PASSWORD_CHANGED: _account(3, "Password Change"),
    A.SESSIONS_ENDED: LOGOFF,
    A.SESSION_ENDED: LOGOFF,
    A.PROFILE_CREATED: _created(PROFILE),
    A.PROFILE_CHANGED: _updated(PROFILE),
    A.PROFILE_DELETED: _deleted(PROFILE),
    A.ROLE_CREATED: _created(ROLE),
    A.ROLE_CHANGED: _updated(ROLE),
    A.ROLE_DELETED: _deleted(ROLE),
    # Not User Access: there the user is who is given something, and a grantee is an organization.
    A.GRANT_GIVEN: _created(GRANT),
    A.GRANT_REVOKED: _deleted(GRANT),
    A.ACCESS_ASKED: _created(ACCESS_REQUEST),
    A.ACCESS_GRANTED: _updated(ACCESS_REQUEST),
    A.ACCESS_DECLINED: _updated(ACCESS_REQUEST),
    A.DELEGATED_GROUP_CREATED: _created(GROUP),
    A.DELEGATED_GROUP_CHANGED: _updated(GROUP),
    A.DELEGATED_GROUP_DELETED: _deleted(GROUP),
    A.ORGANIZATION_CREATED: _created(ORGANIZATION),
    A.ORGANIZATION_CHANGED: _updated(ORGANIZATION),
    A.EDITION_CHANGED: _updated(ORGANIZATION),
    A.ORGANIZATION_PROVISIONED: Kind(Class.ENTITY_MANAGEMENT, 8, "Enable", FEATURE),
    A.ORGANIZATION_DEPROVISIONED: Kind(Class.ENTITY_MANAGEMENT, 9, "Disable", FEATURE),
    A.ACCOUNT_EXECUTIVE_CHANGED: _updated(ORGANIZATION),
    A.ACTIVATION_REQUESTED: _created(ACTIVATION),
    A.ACTIVATION_APPROVED: _updated(ACTIVATION),
    A.ACTIVATION_DECLINED: _updated(ACTIVATION),
    A.SESSION_SETTINGS_CHANGED: _updated(POLICY, "Session Settings"),
    A.EXPORTED: _read(LIST),
    A.TRAIL_ARCHIVED: _deleted(TRAIL),
    A.HISTORY_TRIMMED: _deleted(HISTORY),
}

SUCCESS, FAILURE = (1, "Success"), (2, "Failure")
INFORMATIONAL, MEDIUM = (1, "Informational"), (3, "Medium")
IMPERSONATE = (2, "Impersonate")
SYSTEM, REGULAR = 3, 1
LOGGED_OUT = "logged_out"


# Made once: json.dumps() makes one for every event.
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def write_events(organization: "Organization", batches: Iterable[list[tuple[Any, ...]]]) -> Iterator[bytes]:
    """Yield the file in parts: an event a line, of rows that hold the fields of :class:`EventRow` in order."""
    for batch in batches:
        events = (event_of(EventRow._make(values), organization) for values in batch)
        yield "".join(f"{_json(event)}\n" for event in events).encode()


def event_of(row: EventRow, organization: "Organization") -> dict[str, Any]:
    """Return one row as an event."""
    kind = KINDS[A(row.action)]
    is_refusal = row.action == A.IMPERSONATION_REFUSED
    status, severity = (FAILURE, MEDIUM) if is_refusal else (SUCCESS, INFORMATIONAL)
    event = {
        "category_uid": IAM,
        "class_uid": int(kind.event_class),
        "class_name": CLASS_NAMES[kind.event_class],
        "activity_id": kind.activity_id,
        "activity_name": kind.activity,
        "type_uid": kind.event_class * 100 + kind.activity_id,
        "type_name": f"{CLASS_NAMES[kind.event_class]}: {kind.activity}",
        "time": (row.created_at - EPOCH) // timedelta(milliseconds=1),
        "severity_id": severity[0],
        "severity": severity[1],
        "status_id": status[0],
        "status": status[1],
        "message": row.sentence,
        "metadata": _metadata(row, organization),
        "actor": _actor(row),
        "unmapped": _unmapped(row),
        **_whence(row),
        **_of_class(row, kind, organization),
    }
    if is_refusal and "refusal" in row.after:
        event["status_detail"] = str(row.after["refusal"])
    return event


def _metadata(row: EventRow, organization: "Organization") -> dict[str, Any]:
    return {
        "version": VERSION,
        "product": PRODUCT,
        "uid": str(row.id),
        "event_code": row.action,
        "log_name": "Setup Audit Trail",
        "tenant_uid": organization.reference,
        **({"correlation_uid": str(row.impersonation_id)} if row.impersonation_id else {}),
    }


def _actor(row: EventRow) -> dict[str, Any]:
    """Return whose hands did it, and in which session."""
    if row.delegate_user_id:
        user = _person(row.delegate_user_id, row.delegate_user_name)
    else:
        user = _person(row.user_id, row.user_name)
    session = {"session": {"uid": str(row.session_public_id)}} if row.session_public_id else {}
    return {"user": user, **session}


def _person(key: int | None, name: str) -> dict[str, Any]:
    """Return someone by id and name, or the process that nobody signed in ran."""
    if key is None:
        return {"name": name, "type_id": SYSTEM, "type": "System"}
    return {"uid": str(key), "full_name": name, "type_id": REGULAR, "type": "User"}


def _concerned(row: EventRow) -> dict[str, Any]:
    """Return the account that it is about; one's own where a row names no other."""
    return _person(row.about_id, row.about_name) if row.about_id else _person(row.user_id, row.user_name)


def _unmapped(row: EventRow) -> dict[str, Any]:
    """Return what the schema has no place for."""
    done_as = {"done_as": _person(row.user_id, row.user_name)} if row.delegate_user_id else {}
    return {"section": row.section, "before": row.before, "after": row.after, **done_as}


def _whence(row: EventRow) -> dict[str, Any]:
    """Return from where it was done, as far as that is known."""
    request = {"user_agent": row.agent, "uid": row.request_id}
    parts = {
        "src_endpoint": {"ip": row.address} if row.address else {},
        "http_request": {name: value for name, value in request.items() if value},
    }
    return {name: value for name, value in parts.items() if value}


def _of_class(row: EventRow, kind: Kind, organization: "Organization") -> dict[str, Any]:
    """Return what the event's class asks beside what all have."""
    if kind.event_class == Class.ENTITY_MANAGEMENT:
        return {"entity": _entity(row, kind, organization)}
    told: dict[str, Any] = {"user": _concerned(row)}
    if kind.event_class == Class.USER_ACCESS:
        told["privileges"] = [str(value) for value in row.after.values()]
    if kind.event_class == Class.AUTHENTICATION:
        told["service"] = {"name": PRODUCT["name"]}
        if session := _session(row):
            told["session"] = session
    if kind == SWITCH:
        told["account_switch_type_id"], told["account_switch_type"] = IMPERSONATE
    return told


def _session(row: EventRow) -> dict[str, Any]:
    """Return the session that was switched from, or that ended.

    Of a visit that someone else ended the row has the other's session, so only the visit's id tells which it was.
    """
    cause = str(row.after.get("cause", ""))
    is_own = row.action in {A.IMPERSONATION_STARTED, A.IMPERSONATION_REFUSED} or cause == LOGGED_OUT
    known = {
        "uid": row.session_public_id if is_own else row.after.get("session"),
        "uid_alt": row.impersonation_id,
        "expiration_reason": cause,
    }
    return {name: str(value) for name, value in known.items() if value}


def _entity(row: EventRow, kind: Kind, organization: "Organization") -> dict[str, Any]:
    """Return what it was done to."""
    entity_type = kind.entity_type
    entity: dict[str, Any] = {"type": entity_type, "type_id": ENTITY_TYPES.get(entity_type, OTHER)}
    if entity_type in OF_A_PERSON:
        return {**entity, "name": row.about_name or row.user_name, "user": _concerned(row)}
    if entity_type == ORGANIZATION:
        return {**entity, "name": organization.name, "uid": organization.reference}
    named = row.after.get("name") or row.before.get("name") or row.after.get("list")
    return {**entity, "name": str(named or kind.entity_name or entity_type)}
