from .impersonation import Impersonation
from .login import Login
from .profile import Profile, StandardProfile
from .role import Role
from .session import Session
from .user import User

__all__ = ["Impersonation", "Login", "Profile", "Role", "Session", "StandardProfile", "User"]
