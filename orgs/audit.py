"""The trail: one closed list of actions, the sentence of each, and the one writer."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils import timezone

from .models import AuditEvent

if TYPE_CHECKING:
    from uuid import UUID

    from accounts.models import User

    from .http import Origin
    from .models import Organization

AUTOMATED_PROCESS = "Automated Process"


class AuditAction(models.TextChoices):
    """What can stand in the trail."""

    POLICY_CHANGED = "login_access_policy.changed", "Login access policy changed"
    IMPERSONATION_STARTED = "impersonation.started", "Logged in as a user"
    IMPERSONATION_ENDED = "impersonation.ended", "Logged out as a user"
    IMPERSONATION_REFUSED = "impersonation.refused", "Refused to log in as a user"
    IMPERSONATION_STEPPED_UP = "impersonation.stepped_up", "Stepped up to full access"
    USER_CREATED = "user.created", "User created"
    USERS_IMPORTED = "users.imported", "Users imported"
    USERS_CHECKED = "users.checked", "File of users checked"
    USER_CHANGED = "user.changed", "User changed"
    USER_EMAIL_CHANGED = "user.email_changed", "E-mail address changed"
    USER_EMAIL_CHANGE_ASKED = "user.email_change_asked", "Change of an e-mail address asked for"
    USER_EMAIL_CHANGE_WITHDRAWN = "user.email_change_withdrawn", "Change of an e-mail address withdrawn"
    USER_PROFILE_CHANGED = "user.profile_changed", "Profile of a user changed"
    USER_ROLE_CHANGED = "user.role_changed", "Role of a user changed"
    USER_ACTIVATED = "user.activated", "User activated"
    USER_DEACTIVATED = "user.deactivated", "User deactivated"
    USER_FROZEN = "user.frozen", "User frozen"
    USER_UNFROZEN = "user.unfrozen", "User unfrozen"
    USER_UNLOCKED = "user.unlocked", "User unlocked"
    PASSWORD_RESET_SENT = "user.password_reset_sent", "Password reset sent"
    PASSWORD_CHANGED = "user.password_changed", "Password changed"
    SESSIONS_ENDED = "user.sessions_ended", "Sessions ended"
    SESSION_ENDED = "user.session_ended", "Session ended"
    PROFILE_CREATED = "profile.created", "Profile created"
    PROFILE_CHANGED = "profile.changed", "Profile changed"
    PROFILE_DELETED = "profile.deleted", "Profile deleted"
    ROLE_CREATED = "role.created", "Role created"
    ROLE_CHANGED = "role.changed", "Role changed"
    ROLE_DELETED = "role.deleted", "Role deleted"
    GRANT_GIVEN = "grant.given", "Login access granted"
    GRANT_REVOKED = "grant.revoked", "Login access revoked"
    ACCESS_ASKED = "access.asked", "Login access asked for"
    ACCESS_GRANTED = "access.granted", "Asked-for login access granted"
    ACCESS_DECLINED = "access.declined", "Asked-for login access declined"
    DELEGATED_GROUP_CREATED = "delegated_group.created", "Delegated group created"
    DELEGATED_GROUP_CHANGED = "delegated_group.changed", "Delegated group changed"
    DELEGATED_GROUP_DELETED = "delegated_group.deleted", "Delegated group deleted"
    ORGANIZATION_CREATED = "organization.created", "Organization created"
    ORGANIZATION_CHANGED = "organization.changed", "Organization changed"
    EDITION_CHANGED = "organization.edition_changed", "Edition changed"
    ORGANIZATION_PROVISIONED = "organization.provisioned", "Any-user login provisioned"
    ORGANIZATION_DEPROVISIONED = "organization.deprovisioned", "Any-user login deprovisioned"
    ACCOUNT_EXECUTIVE_CHANGED = "organization.account_executive_changed", "Account Executive changed"
    ACTIVATION_REQUESTED = "activation_request.created", "Activation requested"
    ACTIVATION_APPROVED = "activation_request.approved", "Activation request approved"
    ACTIVATION_DECLINED = "activation_request.declined", "Activation request declined"
    SESSION_SETTINGS_CHANGED = "session_settings.changed", "Session settings changed"
    EXPORTED = "export.downloaded", "List downloaded"
    TRAIL_ARCHIVED = "trail.archived", "Trail archived"
    HISTORY_TRIMMED = "history.trimmed", "History trimmed"


A = AuditAction
MANAGE_USERS, COMPANY, PROFILES, ROLES = "Manage Users", "Company Information", "Profiles", "Roles"
SESSIONS, RECORDS = "Session Settings", "Records"

# Section and sentence of each. The shapes are Salesforce's Setup Audit Trail's ("Logged in using Login-As access for").
_WORDS: dict[AuditAction, tuple[str, str]] = {
    A.POLICY_CHANGED: (MANAGE_USERS, "Changed {setting} from {old} to {new}"),
    A.IMPERSONATION_STARTED: (MANAGE_USERS, "Logged in using Login-As access for {name}"),
    A.IMPERSONATION_ENDED: (MANAGE_USERS, "Logged out using Login-As access for {name}{why}"),
    A.IMPERSONATION_REFUSED: (MANAGE_USERS, "Was refused Login-As access for {name}: {reason}"),
    A.IMPERSONATION_STEPPED_UP: (MANAGE_USERS, "Stepped up to full access while logged in as {name}"),
    A.USER_CREATED: (MANAGE_USERS, "Created new user {name}"),
    A.USERS_IMPORTED: (MANAGE_USERS, "Imported {count}"),
    A.USERS_CHECKED: (MANAGE_USERS, "Checked a file of {count}: {taken} taken in other organizations"),
    A.USER_CHANGED: (MANAGE_USERS, "Changed {fields} of user {name}"),
    A.USER_EMAIL_CHANGED: (MANAGE_USERS, "Changed email for user {name} from {old} to {new}"),
    A.USER_EMAIL_CHANGE_ASKED: (MANAGE_USERS, "Asked to change email for user {name} from {old} to {new}"),
    A.USER_EMAIL_CHANGE_WITHDRAWN: (MANAGE_USERS, "Withdrew the change of email for user {name} from {old} to {new}"),
    A.USER_PROFILE_CHANGED: (MANAGE_USERS, "Changed profile for user {name} from {old} to {new}"),
    A.USER_ROLE_CHANGED: (MANAGE_USERS, "Changed role for user {name} from {old} to {new}"),
    A.USER_ACTIVATED: (MANAGE_USERS, "Activated user {name}"),
    A.USER_DEACTIVATED: (MANAGE_USERS, "Deactivated user {name}"),
    A.USER_FROZEN: (MANAGE_USERS, "Froze user {name}"),
    A.USER_UNFROZEN: (MANAGE_USERS, "Unfroze user {name}"),
    A.USER_UNLOCKED: (MANAGE_USERS, "Unlocked user {name}"),
    A.PASSWORD_RESET_SENT: (MANAGE_USERS, "Sent a password reset to user {name}"),
    A.PASSWORD_CHANGED: (MANAGE_USERS, "Changed password of user {name}"),
    A.SESSIONS_ENDED: (MANAGE_USERS, "Ended the sessions of user {name}"),
    A.SESSION_ENDED: (MANAGE_USERS, "Ended a session of user {name}"),
    A.PROFILE_CREATED: (PROFILES, "Created profile {profile}"),
    A.PROFILE_CHANGED: (PROFILES, "Changed profile {profile}"),
    A.PROFILE_DELETED: (PROFILES, "Deleted profile {profile}"),
    A.ROLE_CREATED: (ROLES, "Created role {role}"),
    A.ROLE_CHANGED: (ROLES, "Changed role {role}"),
    A.ROLE_DELETED: (ROLES, "Deleted role {role}"),
    A.GRANT_GIVEN: (MANAGE_USERS, "Granted login access to {grantee} until {until}"),
    A.GRANT_REVOKED: (MANAGE_USERS, "Revoked login access of {grantee}"),
    A.ACCESS_ASKED: (MANAGE_USERS, "Asked {name} for {duration} of login access"),
    A.ACCESS_GRANTED: (MANAGE_USERS, "Granted the login access that {name} asked for"),
    A.ACCESS_DECLINED: (MANAGE_USERS, "Declined the login access that {name} asked for"),
    A.DELEGATED_GROUP_CREATED: (MANAGE_USERS, "Created delegated group {group}"),
    A.DELEGATED_GROUP_CHANGED: (MANAGE_USERS, "Changed delegated group {group}"),
    A.DELEGATED_GROUP_DELETED: (MANAGE_USERS, "Deleted delegated group {group}"),
    A.ORGANIZATION_CREATED: (COMPANY, "Created organization {name}, {edition} Edition"),
    A.ORGANIZATION_CHANGED: (COMPANY, "Changed organization name from {old} to {new}"),
    A.EDITION_CHANGED: (COMPANY, "Changed edition from {old} to {new}"),
    A.ORGANIZATION_PROVISIONED: (COMPANY, "Provisioned Administrators Can Log in as Any User"),
    A.ORGANIZATION_DEPROVISIONED: (COMPANY, "Deprovisioned Administrators Can Log in as Any User"),
    A.ACCOUNT_EXECUTIVE_CHANGED: (COMPANY, "Changed Account Executive from {old} to {new}"),
    A.ACTIVATION_REQUESTED: (COMPANY, "Requested activation of Administrators Can Log in as Any User"),
    A.ACTIVATION_APPROVED: (COMPANY, "Approved the activation request of {name}"),
    A.ACTIVATION_DECLINED: (COMPANY, "Declined the activation request of {name}"),
    A.SESSION_SETTINGS_CHANGED: (SESSIONS, "Changed {setting} from {old} to {new}"),
    A.EXPORTED: (RECORDS, "Downloaded {what} as {format}"),
    A.TRAIL_ARCHIVED: (RECORDS, "Archived {count} events of the trail, up to {until}"),
    A.HISTORY_TRIMMED: (RECORDS, "Deleted {logins} and {sessions} older than {months} months"),
}

# What the trail can be narrowed to.
SECTIONS = tuple(sorted({section for section, _ in _WORDS.values()}))


def actions_in(section: str) -> list[AuditAction]:
    """Return the actions whose rows stand in a section, sorted by how they are called."""
    return sorted((action for action in AuditAction if _WORDS[action][0] == section), key=lambda one: one.label)


def build_event(  # every part of a row, by name
    action: AuditAction,
    *,
    origin: "Origin",
    organization_id: int,
    about: "User | None" = None,
    user: "User | None" = None,
    impersonation_id: int | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    at: datetime | None = None,
    **words: str,
) -> AuditEvent:
    """Return the unsaved row for ``action``; for the few callers that write many rows in one statement.

    User is the account it was done as, Delegate User the person at the keyboard where that is someone else. With
    ``user`` given (start, end and refusal of a visit) User is that person and Delegate User is blank.
    """
    section, sentence = _WORDS[action]
    if about is not None:
        words.setdefault("name", name_in(organization_id, about))
    doer = user or origin.user
    delegate = origin.actor if user is None and origin.is_impersonating else None
    return AuditEvent(
        organization_id=organization_id,
        created_at=at or timezone.now(),
        action=action,
        section=section,
        sentence=sentence.format(**words),
        user=doer,
        user_name=name_in(organization_id, doer) if doer else _name_of_nobody(origin),
        delegate_user=delegate,
        delegate_user_name=name_in(organization_id, delegate) if delegate else "",
        about=about,
        about_name=name_in(organization_id, about) if about else "",
        address=origin.address,
        agent=origin.agent,
        session_public_id=_session_in(organization_id, origin),
        impersonation_id=impersonation_id or origin.impersonation_id,
        request_id=origin.request_id,
        before=before or {},
        after=after or {},
    )


def _name_of_nobody(origin: "Origin") -> str:
    """Return the User of what nobody signed in did: which command, and which system user ran it."""
    return f"{AUTOMATED_PROCESS} ({origin.process_name})" if origin.process_name else AUTOMATED_PROCESS


def _session_in(organization_id: int, origin: "Origin") -> "UUID | None":
    """Return the session that a row names. That of someone who is not of the organization is never shown there."""
    is_guest = origin.user is not None and origin.user.organization_id != organization_id
    return None if is_guest else origin.session_public_id


def name_in(organization_id: int, person: "User") -> str:
    """Return how a person is named in an organization's rows: one who is not of it with where they are from."""
    return str(person) if person.organization_id == organization_id else f"{person} ({person.organization})"


def record(action: AuditAction, *, origin: "Origin", organization: "Organization | int", **rest: Any) -> AuditEvent:
    """Write one row of the trail, in the transaction of the change it tells of, and return it.

    ``rest`` is that of :func:`build_event`: whom it is about, before and after, the sentence's words.
    """
    organization_id = organization if isinstance(organization, int) else organization.pk
    event = build_event(action, origin=origin, organization_id=organization_id, **rest)
    event.save(force_insert=True)
    return event
