"""Who does something, and from where, as tests of services hand it on."""

from typing import TYPE_CHECKING

from orgs.http import Origin

if TYPE_CHECKING:
    from accounts.models import User


def origin_of(user: "User") -> Origin:
    """Return someone who is there as themselves, from nowhere in particular."""
    return Origin(user=user, actor=user)
