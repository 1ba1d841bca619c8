"""Profiles: the five that every organization has, and the clones of its own."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import DelegatedGroup, Profile, User
from accounts.models.profile import StandardProfile
from orgs.audit import AuditAction, record
from orgs.editions import Feature, editions_with
from orgs.permissions import Permission, PermissionMissing, RefusedToGuest, in_order, needing, to_bits, with_needs
from orgs.services.guards import lock_organization
from orgs.text import listed

from .guards import (
    ModifyAllDataNeeded,
    NameTaken,
    holds,
    holds_modify_all_data,
    require_administrator_beside,
    require_for_profile,
    require_own,
    still_there,
)
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
    """A permission was taken away that others need, which stay."""

    def __init__(self, permission: Permission, by: tuple[Permission, ...]) -> None:
        self.permission, self.by = permission, by
        need = "needs" if len(by) == 1 else "need"
        super().__init__(f"{permission.label} cannot be taken away: {listed(one.label for one in by)} {need} it.")


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


class ProfileChangedMeanwhile(Exception):  # noqa: N818  # said as a page says it
    """Someone changed the profile between the reading of the form and this save. ``profile`` is what holds now."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        super().__init__(f"{profile.modified_by_name} changed {profile} meanwhile.")


# --- what may be done, and what follows from a tick --------------------------------------------------------------


class ProfileAct(Enum):
    """What can be done to a profile. The value is the verb that a refusal has."""

    CLONE = "clone"
    EDIT = "change"
    DELETE = "delete"


def shared_refusal_of(act: ProfileAct, organization: "Organization", *, origin: "Origin") -> PermissionDenied | None:
    """Return why ``origin`` may do ``act`` to no profile of ``organization`` at all, or None. No query."""
    if not holds(origin, Permission.MANAGE_PROFILES):
        return PermissionMissing((Permission.MANAGE_PROFILES,))
    if origin.is_limited:
        return RefusedToGuest()
    if act is ProfileAct.CLONE and not organization.has(Feature.CUSTOM_PROFILES):
        return NoCustomProfiles(organization)
    return None


def refusal_of(act: ProfileAct, profile: Profile, *, origin: "Origin") -> PermissionDenied | None:
    """Return why ``origin`` may not do ``act`` to ``profile``, or None.

    The services and every button ask it. Whether somebody has the profile, and whether an administrator would be left,
    is asked under the lock alone. It asks the database nothing; the profile's organization must be at hand.
    """
    if (refusal := shared_refusal_of(act, profile.organization, origin=origin)) is not None:
        return refusal
    if act is not ProfileAct.CLONE and profile.is_standard:
        return StandardProfileFixed(profile)
    if holds_modify_all_data(profile) and not holds(origin, Permission.MODIFY_ALL_DATA):
        return ModifyAllDataNeeded(f"{act.value} {profile}, which holds it")
    return None


def refusal_to_untick(permission: Permission, ticked: Iterable[Permission]) -> PermissionNeeded | None:
    """Return why ``permission`` is not taken away where the others of ``ticked`` stay, or None."""
    others = needing(permission, ticked)
    return PermissionNeeded(permission, by=others) if others else None


@dataclass(frozen=True, slots=True)
class Ticks:
    """What a profile is to permit: what was asked for, and ``too``, which some of that needs: ``because``."""

    permissions: frozenset[Permission]
    too: tuple[Permission, ...]
    because: tuple[Permission, ...]

    @classmethod
    def of(cls, asked: Iterable[Permission]) -> "Ticks":
        """Return ``asked`` with what comes along."""
        asked = frozenset(asked)
        permissions = with_needs(asked)
        because = in_order(one for one in asked if not with_needs({one}) <= asked)
        return cls(permissions, too=in_order(permissions - asked), because=because)

    @property
    def words(self) -> str:
        """What came along, in words; nothing where nothing did."""
        if not self.too:
            return ""
        need, it = ("needs" if len(self.because) == 1 else "need"), ("it" if len(self.too) == 1 else "them")
        too, because = (listed(one.label for one in those) for those in (self.too, self.because))
        return f"Also ticked: {too}, because {because} {need} {it}."


@dataclass(frozen=True, slots=True)
class SavedProfile:
    """A profile as it now is, and what was ticked beside what was asked for, since that needs it."""

    profile: Profile
    ticks: Ticks

    @property
    def ticked_too(self) -> tuple[Permission, ...]:
        """What was ticked beside what was asked for."""
        return self.ticks.too


# --- the acts ----------------------------------------------------------------------------------------------------


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
    profile = _begin(ProfileAct.CLONE, profile, origin)
    organization = profile.organization
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


def version_of(profile: Profile) -> str:
    """Return what changes with every change of ``profile``, for a form to remember."""
    return f"{profile.permission_bits} {profile.name}"


@transaction.atomic
def update_profile(
    profile: Profile,
    *,
    name: str,
    permissions: Iterable[Permission],
    origin: "Origin",
    version: str | None = None,
    at: datetime | None = None,
) -> SavedProfile:
    """Change a profile's name and permissions.

    What a ticked permission needs is ticked too, and told. Raises :class:`PermissionNeeded` where one was taken away
    that another needs, and :class:`ProfileChangedMeanwhile` where ``version`` (of :func:`version_of`) is no more what
    it was.
    """
    at = at or timezone.now()
    profile = _begin(ProfileAct.EDIT, profile, origin)
    if version is not None and version != version_of(profile):
        raise ProfileChangedMeanwhile(profile)
    asked = frozenset(permissions)
    ticks = Ticks.of(asked)
    _refuse_change(profile, asked, ticks.permissions, origin)
    before, bits, was_administrator = _words_of(profile), profile.permission_bits, profile.is_administrator
    profile.name, profile.permission_bits = name, to_bits(ticks.permissions)
    if _words_of(profile) == before:
        return SavedProfile(profile, ticks)
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
    return SavedProfile(profile, ticks)


@transaction.atomic
def delete_profile(profile: Profile, *, origin: "Origin", at: datetime | None = None) -> None:
    """Delete a profile of the organization's own that nobody has."""
    at = at or timezone.now()
    profile = _begin(ProfileAct.DELETE, profile, origin)
    if User.objects.filter(profile=profile).exists():
        raise ProfileInUse(profile)
    named = list(DelegatedGroup.objects.filter(profiles=profile).order_by("name").values_list("name", flat=True))
    # Whose delegates can no longer give it.
    groups = {"delegated_groups": named} if named else {}
    record(
        AuditAction.PROFILE_DELETED,
        origin=origin,
        organization=profile.organization,
        at=at,
        before={**_words_of(profile), **groups},
        profile=profile.name,
    )
    profile.delete()


def _begin(act: ProfileAct, profile: Profile, origin: "Origin") -> Profile:
    """Lock the organization, read the profile anew, and refuse what may not be done."""
    organization = lock_organization(profile.organization_id)
    require_own(origin, organization.pk)
    fresh = still_there(Profile.objects.all(), profile)
    fresh.organization = organization
    if (refusal := refusal_of(act, fresh, origin=origin)) is not None:
        raise refusal
    return fresh


def _refuse_change(
    profile: Profile, asked: frozenset[Permission], wanted: frozenset[Permission], origin: "Origin"
) -> None:
    """Raise what speaks against giving ``profile`` the permissions ``asked`` for, with all they need ``wanted``."""
    if profile.is_external and asked:
        raise ExternalHoldsNothing(profile)
    for permission in in_order(profile.permissions - asked):
        if (refusal := refusal_to_untick(permission, asked)) is not None:
            raise refusal
    require_for_profile(origin, Profile(permission_bits=to_bits(wanted)), what="tick it")


def _leave_an_administrator(profile: Profile) -> None:
    """Make sure that an administrator is left who can sign in, where someone loses it by this profile."""
    if User.objects.filter(profile=profile).able_to_sign_in().exists():
        require_administrator_beside(profile.organization, profile=profile)


def _words_of(profile: Profile) -> dict[str, Any]:
    return {"name": profile.name, "permissions": [permission.value for permission in in_order(profile.permissions)]}


def _save_unique(profile: Profile) -> None:
    try:
        with transaction.atomic():
            profile.save()
    except IntegrityError as error:
        raise NameTaken("A profile of this name is there already.") from error
