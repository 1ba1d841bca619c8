"""Delegated groups: who administers whom. Each act is one transaction: lock, ask, change, end, and the trail's row."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import get_text_list

from accounts.models import DelegatedGroup, Profile, Role, User
from orgs.audit import AuditAction, record
from orgs.editions import Feature, editions_with
from orgs.permissions import Permission
from orgs.services.guards import lock_organization, refuse_to_guest
from orgs.text import is_seen

from .guards import NotInOrganization, holds_modify_all_data, require, require_own
from .visits import VisitsOf, end_lost_visits

if TYPE_CHECKING:
    from orgs.http import Origin
    from orgs.models import Organization

# What a group consists of beside its name and its tick.
_SETS = ("delegates", "roles", "profiles")


class NoDelegatedAdministration(PermissionDenied):
    """The edition has no delegated administration."""

    def __init__(self, organization: "Organization") -> None:
        super().__init__(
            f"{organization.get_edition_display()} Edition has no delegated administration. "
            f"These have: {editions_with_delegation()}."
        )


class GroupRefused(Exception):  # noqa: N818  # said as a page says it
    """What is wrong with a group's details: sentences, each with the field that it stands beside."""

    def __init__(self, faults: Collection[tuple[str, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__(" ".join(words for _, words in self.faults))


class GroupChangedMeanwhile(Exception):  # noqa: N818  # as above
    """Someone saved the group between the reading of the form and this save. ``group`` is what holds now."""

    def __init__(self, group: DelegatedGroup) -> None:
        self.group = group
        super().__init__(f"{group.modified_by_name or group.created_by_name} changed {group} meanwhile.")


@dataclass(frozen=True, slots=True)
class GroupDetails:
    """What is edited of a group. People, roles and profiles come without an order."""

    name: str
    delegates: frozenset[User] = frozenset()
    roles: frozenset[Role] = frozenset()
    profiles: frozenset[Profile] = frozenset()
    login_access: bool = False

    @classmethod
    def of(cls, group: DelegatedGroup) -> "GroupDetails":
        """Return what a group has now. Three queries."""
        return cls(
            name=group.name,
            delegates=frozenset(group.delegates.select_related("profile")),
            roles=frozenset(group.roles.all()),
            profiles=frozenset(group.profiles.all()),
            login_access=group.login_access,
        )

    def words(self) -> dict[str, Any]:
        """Return the same as the trail keeps it: names that outlive the rows."""
        names = {name: sorted(str(one) for one in getattr(self, name)) for name in _SETS}
        return {"name": self.name, **names, "login_access": self.login_access}


@dataclass(frozen=True, slots=True)
class SavedGroup:
    """A group as it now is, and how many running visits its change ended."""

    group: DelegatedGroup
    visits_ended: int = 0


def editions_with_delegation() -> str:
    """Name the editions that have delegated administration."""
    editions = editions_with(Feature.DELEGATED_ADMINISTRATION)
    return get_text_list([str(edition.label) for edition in editions], "and")


@transaction.atomic
def create_delegated_group(
    organization: "Organization", details: GroupDetails, *, origin: "Origin", at: datetime | None = None
) -> DelegatedGroup:
    """Make a group. Raises :class:`GroupRefused` with everything that is wrong with it."""
    at = at or timezone.now()
    organization = _begin(organization.pk, origin)
    refuse_edition(organization)
    _refuse_faults(details, organization)
    group = DelegatedGroup(
        organization=organization,
        name=details.name,
        login_access=details.login_access,
        created_at=at,
        created_by_name=origin.doer_name,
    )
    _save_unique(group)
    _set(group, details)
    record(
        AuditAction.DELEGATED_GROUP_CREATED,
        origin=origin,
        organization=organization,
        at=at,
        after=details.words(),
        group=group.name,
    )
    return group


@transaction.atomic
def update_delegated_group(
    group: DelegatedGroup,
    details: GroupDetails,
    *,
    version: int,
    origin: "Origin",
    at: datetime | None = None,
) -> SavedGroup:
    """Change a group that was read at ``version``, and end the visits that rested on what it no longer gives.

    Raises :class:`GroupRefused` and :class:`GroupChangedMeanwhile`.
    """
    at = at or timezone.now()
    organization = _begin(group.organization_id, origin)
    refuse_edition(organization)
    group = _fresh(group, organization)
    if group.version != version:
        raise GroupChangedMeanwhile(group)
    before = GroupDetails.of(group)
    _refuse_faults(details, organization, before=before)
    if details == before:
        return SavedGroup(group)
    if group.login_access and not details.login_access:
        group.login_access_lost_at = at
    group.name, group.login_access, group.version = details.name, details.login_access, group.version + 1
    group.modified_at, group.modified_by_name = at, origin.doer_name
    _save_unique(group)
    _set(group, details)
    old, new = before.words(), details.words()
    changed = [name for name in new if old[name] != new[name]]
    record(
        AuditAction.DELEGATED_GROUP_CHANGED,
        origin=origin,
        organization=organization,
        at=at,
        before={name: old[name] for name in changed},
        after={name: new[name] for name in changed},
        group=group.name,
    )
    return SavedGroup(group, visits_ended=end_lost_visits(VisitsOf.group(group), origin=origin, at=at))


@transaction.atomic
def delete_delegated_group(group: DelegatedGroup, *, origin: "Origin", at: datetime | None = None) -> int:
    """Delete a group, and end the visits that rested on it; return how many.

    An edition that has lost delegated administration does not keep one from tidying up.
    """
    at = at or timezone.now()
    organization = _begin(group.organization_id, origin)
    group = _fresh(group, organization)
    visits, before = VisitsOf.group(group), GroupDetails.of(group).words()
    group.delete()
    record(
        AuditAction.DELEGATED_GROUP_DELETED,
        origin=origin,
        organization=organization,
        at=at,
        before=before,
        group=group.name,
    )
    return end_lost_visits(visits, origin=origin, at=at)


def _begin(organization_id: int, origin: "Origin") -> "Organization":
    organization = lock_organization(organization_id)
    require_own(origin, organization.pk)
    require(origin, Permission.CUSTOMIZE_APPLICATION)
    refuse_to_guest(origin)
    return organization


def _fresh(group: DelegatedGroup, organization: "Organization") -> DelegatedGroup:
    """Return the group as it is under the lock; one that was deleted meanwhile is not found."""
    fresh = DelegatedGroup.objects.filter(pk=group.pk).first()
    if fresh is None:
        raise NotInOrganization
    fresh.organization = organization
    return fresh


def refuse_edition(organization: "Organization") -> None:
    """Raise :class:`NoDelegatedAdministration` where the edition has none."""
    if not organization.has(Feature.DELEGATED_ADMINISTRATION):
        raise NoDelegatedAdministration(organization)


# --- what may be in a group --------------------------------------------------------------------------------------


def _refuse_faults(details: GroupDetails, organization: "Organization", *, before: GroupDetails | None = None) -> None:
    """Raise :class:`GroupRefused` with all that is wrong with ``details``.

    Of what the group had ``before`` only its roles are asked, and only where they change: a delegate who has been
    deactivated since must not keep anyone from switching login access off.
    """
    sets: tuple[frozenset[User | Role | Profile], ...] = (details.delegates, details.roles, details.profiles)
    if any(one.organization_id != organization.pk for found in sets for one in found):
        raise NotInOrganization
    before = before or GroupDetails(name="")
    faults = [] if is_seen(details.name) else [("name", "Give the group a name.")]
    faults += _faults_of_delegates(details.delegates - before.delegates)
    if details.roles != before.roles:
        faults += _faults_of_roles(details.roles)
    faults += _faults_of_profiles(details.profiles - before.profiles)
    if faults:
        raise GroupRefused(faults)


def _faults_of_delegates(delegates: Collection[User]) -> Iterator[tuple[str, str]]:
    for user in sorted(delegates, key=str):
        if not user.is_active:
            yield "delegates", f"{user} is inactive. Only active users can be delegated administrators."
        elif user.is_external:
            yield "delegates", f"{user} is an external user. External users are no delegated administrators."
        elif not user.has_permission(Permission.VIEW_SETUP):
            needed = Permission.VIEW_SETUP.label
            yield "delegates", f"{user} needs {needed} on the profile {user.profile} to be a delegated administrator."


def _faults_of_roles(roles: Collection[Role]) -> Iterator[tuple[str, str]]:
    """Find roles below another of the same group: it would contain itself."""
    above: list[Role] = []
    for role in Role.objects.filter(pk__in=[role.pk for role in roles]).order_by("path"):
        # In the order of the tree what is above comes first.
        if above and role.path.startswith(above[-1].path):
            yield "roles", f"{role} is below {above[-1]}, which is in this group already with everything below it."
        else:
            above.append(role)


def _faults_of_profiles(profiles: Collection[Profile]) -> Iterator[tuple[str, str]]:
    for profile in sorted(profiles, key=str):
        if holds_modify_all_data(profile):
            label = Permission.MODIFY_ALL_DATA.label
            yield "profiles", f"{profile} holds {label}, which no delegated administrator hands out."
        elif profile.is_external:
            yield "profiles", f"{profile} is a profile of external users, who are in no group's reach."


def _set(group: DelegatedGroup, details: GroupDetails) -> None:
    for name in _SETS:
        getattr(group, name).set(getattr(details, name))


def _save_unique(group: DelegatedGroup) -> None:
    try:
        with transaction.atomic():
            group.save()
    except IntegrityError as error:
        raise GroupRefused([("name", "A delegated group of this name is there already.")]) from error
