"""What a person changes of their own account: name, e-mail address, how times are written, colours."""

from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from accounts.enums import DateLanguage, Theme
from accounts.models import User
from orgs.moments import UTC_NAME
from orgs.permissions import RefusedInside
from orgs.services.guards import lock_organization

from .users import UserChangedMeanwhile, version_of
from .users.addresses import Addresses, address_was_changed, set_address
from .users.changes import different_details, record_change
from .users.refusals import save

if TYPE_CHECKING:
    from orgs.http import Origin


class PasswordNeeded(PermissionDenied):
    """A new e-mail address, to which a password reset would go, without the current password."""

    def __init__(self) -> None:
        super().__init__("Enter your current password to change your e-mail address.")


class NobodySignedIn(PermissionDenied):
    """A command has no settings of its own, and changes nobody else's."""

    def __init__(self) -> None:
        super().__init__("Only someone who is signed in has personal settings.")


@dataclass(frozen=True, slots=True)
class PersonalSettings:
    """What someone decides for themselves. The address is the one that counts."""

    last_name: str
    email: str
    first_name: str = ""
    alias: str = ""
    time_zone: str = UTC_NAME
    date_language: str = DateLanguage.ISO
    theme: str = Theme.SYSTEM

    @classmethod
    def of(cls, user: User) -> "PersonalSettings":
        """Return what a user has now."""
        return cls(**{field.name: getattr(user, field.name) for field in fields(cls)})

    def normalized(self) -> "PersonalSettings":
        """Return the same as it is stored."""
        return replace(self, email=self.email.strip().lower())


@transaction.atomic
def save_personal_settings(
    settings: PersonalSettings,
    *,
    origin: "Origin",
    version: str | None = None,
    is_confirmed: bool = False,
    at: datetime | None = None,
) -> list[str]:
    """Change what whoever is signed in decides for themselves, and return the names of what changed.

    Nobody else does, not even from inside a visit. A new e-mail address counts at once and is told to the
    old one; it needs ``is_confirmed``, that the current password was just given, or :class:`PasswordNeeded` is raised.
    Raises :class:`~accounts.services.users.UserChangedMeanwhile` where ``version`` (of
    :func:`~accounts.services.users.version_of`) is no more what it was.
    """
    if origin.user is None:
        raise NobodySignedIn
    if origin.is_impersonating:
        raise RefusedInside(str(origin.user))
    at = at or timezone.now()
    organization = lock_organization(origin.user.organization_id)
    user = User.objects.select_related("profile").get(pk=origin.user.pk)
    user.organization = organization
    if version is not None and version != version_of(user):
        raise UserChangedMeanwhile(user)
    # Compared as it would be stored: that an address has capitals is no change that someone asks for.
    before, settings = PersonalSettings.of(user).normalized(), settings.normalized()
    changed = different_details(settings, before)
    if not changed:
        return []
    if "email" in changed and not is_confirmed:
        raise PasswordNeeded
    old = Addresses.of(user)
    for name in changed:
        if name == "email":
            set_address(user, settings.email, origin=origin)
        else:
            setattr(user, name, getattr(settings, name))
    save(user, [*changed, "pending_email"], origin=origin, at=at)
    if "email" in changed:
        address_was_changed(user, old, origin=origin, site="", at=at)
    # The address has a row of its own.
    record_change(user, before, settings, (name for name in changed if name != "email"), origin=origin, at=at)
    return changed
