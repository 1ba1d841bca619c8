from .audit_event import AuditEvent
from .login_access_policy import LoginAccessPolicy
from .organization import Organization, OrganizationKind
from .session_settings import SessionSettings

__all__ = ["AuditEvent", "LoginAccessPolicy", "Organization", "OrganizationKind", "SessionSettings"]
