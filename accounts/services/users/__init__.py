"""What is done to users. Each act is one transaction: lock, ask, change, and its rows of the trail."""

from .acts import (
    activate_user,
    deactivate_user,
    end_user_sessions,
    freeze_user,
    send_password_reset,
    unfreeze_user,
    unlock_user,
)
from .addresses import EmailLinkIsDead, confirm_email, find_by_email_link
from .delegation import Delegation, delegation_of
from .details import UserChangedMeanwhile, UserDetails, add_user, create_user, update_user, version_of
from .refusals import NotDelegated, NotToOneself, UserAct, UserIsInactive, is_worn, refusal_of

__all__ = [
    "Delegation",
    "EmailLinkIsDead",
    "NotDelegated",
    "NotToOneself",
    "UserAct",
    "UserChangedMeanwhile",
    "UserDetails",
    "UserIsInactive",
    "activate_user",
    "add_user",
    "confirm_email",
    "create_user",
    "deactivate_user",
    "delegation_of",
    "end_user_sessions",
    "find_by_email_link",
    "freeze_user",
    "is_worn",
    "refusal_of",
    "send_password_reset",
    "unfreeze_user",
    "unlock_user",
    "update_user",
    "version_of",
]
