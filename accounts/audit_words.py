"""What rows of the trail that this app's services write hold in codes, for orgs/audit_words.py. Read by apps.py."""

from django.utils.text import capfirst

from orgs.audit import AuditAction as A
from orgs.audit_words import one_of, register

from .enums import (
    Access,
    Basis,
    DateLanguage,
    EndCause,
    GrantDuration,
    LoginStatus,
    LoginType,
    OperatorRole,
    Refusal,
    SessionType,
    Theme,
)

_CAUSES = {cause.value: capfirst(cause.label) for cause in EndCause}
# What lists can be narrowed by beside these, as their downloads write it down.
_STATES = {"open": "Logged in now", "ended": "Ended"}
_ROLES = {
    "user": "User",
    "delegate": "Delegate User",
    "about": "Whom it is about",
    "any": "Any",
    "actor": "Who logged in",
    "target": "Whose account it was",
}

register(A.IMPERSONATION_STARTED, A.IMPERSONATION_STEPPED_UP, basis=one_of(Basis), access=one_of(Access))
register(A.IMPERSONATION_ENDED, cause=one_of(_CAUSES))
register(A.IMPERSONATION_REFUSED, refusal=one_of(Refusal))
register(A.GRANT_GIVEN, A.ACCESS_ASKED, A.ACCESS_GRANTED, A.ACCESS_DECLINED, duration=one_of(GrantDuration))
register(A.SESSION_ENDED, type=one_of(SessionType))
register(A.USER_CREATED, A.USER_CHANGED, operator_role=one_of(OperatorRole))
register(A.USER_CHANGED, date_language=one_of(DateLanguage), theme=one_of(Theme))
register(
    A.EXPORTED,
    basis=one_of(Basis),
    cause=one_of(_CAUSES),
    type=one_of(LoginType),
    status=one_of(LoginStatus),
    state=one_of(_STATES),
    role=one_of(_ROLES),
)
