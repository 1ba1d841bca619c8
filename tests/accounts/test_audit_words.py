"""What rows of the trail that this app writes hold, in words."""

import pytest

from orgs.audit import AuditAction as A
from orgs.audit_words import changes_of
from orgs.models import AuditEvent


@pytest.mark.parametrize(
    ("action", "name", "stored", "words"),
    [
        (A.IMPERSONATION_STARTED, "basis", "any_user", "Administrators Can Log in as Any User"),
        (A.IMPERSONATION_STARTED, "access", "read_only", "Read-only"),
        (A.IMPERSONATION_STEPPED_UP, "access", "full", "Full access"),
        (A.IMPERSONATION_ENDED, "cause", "logged_out", "Logged out"),
        (
            A.IMPERSONATION_ENDED,
            "cause",
            "deprovisioned",
            "Administrators Can Log in as Any User is no longer provisioned",
        ),
        (A.IMPERSONATION_ENDED, "ended_by", "Ada Lovelace", "Ada Lovelace"),
        (A.IMPERSONATION_REFUSED, "refusal", "self", "This is you."),
        (A.GRANT_GIVEN, "duration", "3_days", "3 Days"),
        (A.ACCESS_ASKED, "duration", "week", "1 Week"),
        (A.ACCESS_GRANTED, "duration", "day", "1 Day"),
        (A.ACCESS_DECLINED, "duration", "a_century", "a_century"),
        (A.SESSION_ENDED, "type", "SubstituteUser", "SubstituteUser"),
        (A.USER_CHANGED, "operator_role", "support", "Support"),
        (A.EXPORTED, "basis", "grant", "The user's grant to the company's administrators"),
        (A.EXPORTED, "cause", "idle", "There was no activity for too long"),
        (A.EXPORTED, "type", "login_as", "Login-As"),
        (A.EXPORTED, "status", "wrong_password", "Wrong password"),
        (A.EXPORTED, "state", "open", "Logged in now"),
        (A.EXPORTED, "role", "target", "Whose account it was"),
        # A role of the organization's own, not a part that someone has.
        (A.USER_ROLE_CHANGED, "role", "target", "target"),
    ],
)
def test_codes_are_written_as_pages_call_them(action: A, name: str, stored: str, words: str) -> None:
    (change,) = changes_of(AuditEvent(action=action, before={}, after={name: stored}))

    assert change.after == words
