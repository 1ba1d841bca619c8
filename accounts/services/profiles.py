"""Profiles: the five that every organization has, and the clones of its own."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Profile, User
from accounts.models.profile import StandardProfile
from orgs.audit import AuditAction, record
from orgs.editions import Feature, editions_with
from orgs.permissions import Permission, to_bits, with_needs
from orgs.services.guards import lock_organization, refuse_to_guest

from .guards import NameTaken, require, require_administrator_beside, require_for_profile, require_own
from .visits import VisitsOf, end_lost_visits

if TYPE_CHECKING:
    from orgs.http import Origin
    from orgs.models import Organization

_STANDARD: dict[StandardProfile, frozenset[Permission]] = {
    StandardProfile.SYSTEM_ADMINISTRATOR: frozenset(Permission),
    StandardProfile.READ_ONLY: frozenset({Permission.VIEW_SETUP, Permission.VIEW_ALL_USERS}),
    StandardProfile.STANDARD_USER: frozenset(),
    StandardProfile.MINIMUM_ACCESS: frozenset(),
    StandardProfile.EXTERNAL_USER: frozenset(),
}


class StandardProfileFixed(PermissionDenied):
    """Standard profiles are the same everywhere: they are cloned, not edited or deleted."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(f"{profile} is a standard profile. Standard profiles can be cloned, not edited or deleted.")


class ExternalHoldsNothing(PermissionDenied):
    """External users hold no permission."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(f"{profile} is a profile of external users. It can hold no permission.")


class PermissionNeeded(PermissionDenied):
    """A permission was taken away that another needs, which stays."""

    def __init__(self, permission: Permission, by: Permission) -> None:
        self.permission, self.by = permission, by
        super().__init__(f"{permission.label} cannot be taken away: {by.label} needs it.")


class NoCustomProfiles(PermissionDenied):
    """The edition has no profiles of one's own."""

    def __init__(self, organization: "Organization") -> None:
        editions = ", ".join(str(edition.label) for edition in editions_with(Feature.CUSTOM_PROFILES))
        super().__init__(
            f"{organization.get_edition_display()} Edition has no profiles of its own. These have: {editions}."
        )


class ProfileInUse(PermissionDenied):
    """A profile that somebody has, active or not, stays."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(f"{profile} cannot be deleted: it is the profile of a user. Give its users another first.")


@dataclass(frozen=True, slots=True)
class SavedProfile:
    """A profile as it now is, and what was ticked beside what was asked for, since that needs it."""

    profile: Profile
    ticked_too: tuple[Permission, ...] = ()


def create_standard_profiles(organization: "Organization") -> dict[StandardProfile, Profile]:
    """Make the profiles that every organization has. Part of the creation of an organization, and of its event."""
    made = Profile.objects.bulk_create(
        Profile(
            organization=organization,
            name=str(standard.label),
            standard=standard,
            is_external=standard is StandardProfile.EXTERNAL_USER,
            permission_bits=to_bits(permissions),
        )
        for standard, permissions in _STANDARD.items()
    )
    return {StandardProfile(profile.standard): profile for profile in made}


@transaction.atomic
def clone_profile(profile: Profile, *, name: str, origin: "Origin", at: datetime | None = None) -> Profile:
    """Make a profile of the organization's own that permits what ``profile`` does; of an external one, an external."""
    at = at or timezone.now()
    profile = _begin(profile, origin)
    organization = profile.organization
    if not organization.has(Feature.CUSTOM_PROFILES):
        raise NoCustomProfiles(organization)
    require_for_profile(origin, profile, what=f"clone {profile}, which holds it")
    clone = Profile(
        organization=organization,
        name=name,
        is_external=profile.is_external,
        permission_bits=profile.permission_bits,
        created_at=at,
        created_by_name=origin.doer_name,
    )
    _save_unique(clone)
    record(
        AuditAction.PROFILE_CREATED,
        origin=origin,
        organization=organization,
        at=at,
        after={**_words_of(clone), "cloned_from": profile.name},
        profile=clone.name,
    )
    return clone


@transaction.atomic
def update_profile(
    profile: Profile, *, name: str, permissions: Iterable[Permission], origin: "Origin", at: datetime | None = None
) -> SavedProfile:
    """Change a profile's name and permissions.

    What a ticked permission needs is ticked too, and told. Raises :class:`PermissionNeeded` where one was taken away
    that another needs.
    """
    at = at or timezone.now()
    profile = _begin(profile, origin)
    asked = frozenset(permissions)
    wanted = with_needs(asked)
    _refuse_change(profile, asked, wanted, origin)
    before, bits, was_administrator = _words_of(profile), profile.permission_bits, profile.is_administrator
    profile.name, profile.permission_bits = name, to_bits(wanted)
    if _words_of(profile) == before:
        return SavedProfile(profile)
    if was_administrator and not profile.is_administrator:
        _leave_an_administrator(profile)
    profile.modified_at, profile.modified_by_name = at, origin.doer_name
    _save_unique(profile)
    if profile.permission_bits != bits:
        # Visits of those who hold it, and visits in their accounts: whoever gained something may be protected now.
        end_lost_visits(VisitsOf.organization(profile.organization), origin=origin, at=at)
    record(
        AuditAction.PROFILE_CHANGED,
        origin=origin,
        organization=profile.organization,
        at=at,
        before=before,
        after=_words_of(profile),
        profile=profile.name,
    )
    return SavedProfile(profile, ticked_too=_in_order(wanted - asked))


@transaction.atomic
def delete_profile(profile: Profile, *, origin: "Origin", at: datetime | None = None) -> None:
    """Delete a profile of the organization's own that nobody has."""
    at = at or timezone.now()
    profile = _begin(profile, origin)
    if profile.is_standard:
        raise StandardProfileFixed(profile)
    require_for_profile(origin, profile, what=f"delete {profile}, which holds it")
    if User.objects.filter(profile=profile).exists():
        raise ProfileInUse(profile)
    record(
        AuditAction.PROFILE_DELETED,
        origin=origin,
        organization=profile.organization,
        at=at,
        before=_words_of(profile),
        profile=profile.name,
    )
    profile.delete()


def _begin(profile: Profile, origin: "Origin") -> Profile:
    """Lock the organization, read the profile anew, and ask for Manage Profiles. Guests of a visit are refused."""
    organization = lock_organization(profile.organization_id)
    require_own(origin, organization.pk)
    require(origin, Permission.MANAGE_PROFILES)
    refuse_to_guest(origin)
    fresh = Profile.objects.get(pk=profile.pk)
    fresh.organization = organization
    return fresh


def _refuse_change(
    profile: Profile, asked: frozenset[Permission], wanted: frozenset[Permission], origin: "Origin"
) -> None:
    """Raise what speaks against giving ``profile`` the permissions ``asked`` for, with all they need ``wanted``."""
    if profile.is_standard:
        raise StandardProfileFixed(profile)
    require_for_profile(origin, profile, what=f"change {profile}, which holds it")
    if profile.is_external and asked:
        raise ExternalHoldsNothing(profile)
    for permission in _in_order(profile.permissions - asked):
        for other in _in_order(asked):
            if permission in with_needs({other}):
                raise PermissionNeeded(permission, by=other)
    require_for_profile(origin, Profile(permission_bits=to_bits(wanted)), what="tick it")


def _leave_an_administrator(profile: Profile) -> None:
    """Make sure that an administrator is left who can sign in, where someone loses it by this profile."""
    if User.objects.filter(profile=profile).able_to_sign_in().exists():
        require_administrator_beside(profile.organization, profile=profile)


def _in_order(permissions: Iterable[Permission]) -> tuple[Permission, ...]:
    return tuple(sorted(permissions, key=lambda permission: permission.bit))


def _words_of(profile: Profile) -> dict[str, Any]:
    return {"name": profile.name, "permissions": [permission.value for permission in _in_order(profile.permissions)]}


def _save_unique(profile: Profile) -> None:
    try:
        with transaction.atomic():
            profile.save()
    except IntegrityError as error:
        raise NameTaken("A profile of this name is there already.") from error
