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
from .changes import different_details
from .delegation import Delegation, delegation_of
from .details import (
    UserChangedMeanwhile,
    UserDetails,
    add_user,
    build_user,
    create_user,
    refuse_to_give,
    require_creating,
    told_of_creation,
    update_user,
    version_of,
)
from .fields import AddressField, PersonForm
from .refusals import (
    USERNAME_TAKEN,
    NotDelegated,
    NotToOneself,
    UserAct,
    UserIsInactive,
    is_worn,
    needless_because,
    refusal_of,
    refusal_to_all,
)
from .several import MOST_AT_ONCE, SEVERAL, Outlook, act_on_several, preview_several

__all__ = [
    "MOST_AT_ONCE",
    "SEVERAL",
    "USERNAME_TAKEN",
    "AddressField",
    "Delegation",
    "EmailLinkIsDead",
    "NotDelegated",
    "NotToOneself",
    "Outlook",
    "PersonForm",
    "UserAct",
    "UserChangedMeanwhile",
    "UserDetails",
    "UserIsInactive",
    "act_on_several",
    "activate_user",
    "add_user",
    "build_user",
    "confirm_email",
    "create_user",
    "deactivate_user",
    "delegation_of",
    "different_details",
    "end_user_sessions",
    "find_by_email_link",
    "freeze_user",
    "is_worn",
    "needless_because",
    "preview_several",
    "refusal_of",
    "refusal_to_all",
    "refuse_to_give",
    "require_creating",
    "send_password_reset",
    "told_of_creation",
    "unfreeze_user",
    "unlock_user",
    "update_user",
    "version_of",
]
