from .access_request import AccessRequest
from .activity import ImpersonationActivity
from .delegated_group import DelegatedGroup
from .impersonation import Impersonation
from .login import Login, UnknownUsernames
from .login_access_grant import LoginAccessGrant
from .profile import Profile, StandardProfile
from .role import Role
from .session import Session
from .user import User

__all__ = [
    "AccessRequest",
    "DelegatedGroup",
    "Impersonation",
    "ImpersonationActivity",
    "Login",
    "LoginAccessGrant",
    "Profile",
    "Role",
    "Session",
    "StandardProfile",
    "UnknownUsernames",
    "User",
]
