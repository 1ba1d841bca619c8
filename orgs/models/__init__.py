from .activation_request import ActivationRequest, ActivationState
from .audit_event import AuditEvent
from .audit_seal import AuditArchive, AuditSeal
from .login_access_policy import AccessMode, LoginAccessPolicy
from .organization import Organization, OrganizationKind
from .session_settings import SessionSettings
from .support_access import SupportAccess, SupportAvailability

__all__ = [
    "AccessMode",
    "ActivationRequest",
    "ActivationState",
    "AuditArchive",
    "AuditEvent",
    "AuditSeal",
    "LoginAccessPolicy",
    "Organization",
    "OrganizationKind",
    "SessionSettings",
    "SupportAccess",
    "SupportAvailability",
]
