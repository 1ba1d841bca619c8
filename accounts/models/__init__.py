from .access_request import AccessRequest
from .delegated_group import DelegatedGroup
from .impersonation import Impersonation
from .login import Login
from .login_access_grant import LoginAccessGrant
from .profile import Profile, StandardProfile
from .role import Role
from .session import Session
from .user import User

__all__ = [
    "AccessRequest",
    "DelegatedGroup",
    "Impersonation",
    "Login",
    "LoginAccessGrant",
    "Profile",
    "Role",
    "Session",
    "StandardProfile",
    "User",
]
