"""What other apps hear of an organization's changes, inside the transaction of the change."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.dispatch import Signal

if TYPE_CHECKING:
    from .http import Origin
    from .models import Organization

# Something that visits in an organization rest on may have gone: policy, edition, provisioning, availability.
# Arguments: organization, origin, at. Receivers ask the rule again for each, and answer how many visits ended.
login_access_changed = Signal()

# The limits of an organization's sessions are about to change: what had fallen by the old ones is over. Arguments as
# above.
limits_changing = Signal()


def tell_login_access_changed(organization: "Organization", *, origin: "Origin", at: datetime) -> int:
    """Send :data:`login_access_changed`, and return how many visits it ended."""
    answers = login_access_changed.send(sender=type(organization), organization=organization, origin=origin, at=at)
    return sum(int(ended or 0) for _, ended in answers)


def tell_limits_changing(organization: "Organization", *, origin: "Origin", at: datetime) -> None:
    """Send :data:`limits_changing`."""
    limits_changing.send(sender=type(organization), organization=organization, origin=origin, at=at)
