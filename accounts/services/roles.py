"""Roles: an organization's tree. What is below a role is in its reach, so a role never moves below itself."""

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Max, Value
from django.db.models.functions import Lower
from django.utils import timezone
from treebeard.exceptions import InvalidMoveToDescendant

from accounts.models import DelegatedGroup, Role, User
from orgs.audit import AuditAction, record
from orgs.permissions import Permission
from orgs.services.guards import lock_organization, refuse_to_guest

from .guards import NameTaken, NotInOrganization, require, require_own, still_there
from .visits import VisitsOf, end_lost_visits

if TYPE_CHECKING:
    from collections.abc import Callable

    from orgs.http import Origin
    from orgs.models import Organization

# The tops of all organizations' trees are neighbours: two made at once may want the same place.
ATTEMPTS = 3
# What the stored path has room for.
LEVELS = (Role._meta.get_field("path").max_length or 0) // Role.steplen


class RoleBelowItself(PermissionDenied):
    """A role cannot be moved to where it would stand below itself."""

    def __init__(self, role: Role, parent: Role) -> None:
        super().__init__(f"{role} cannot be moved below {parent}, which is {role} itself or below it.")


class RoleTooDeep(PermissionDenied):
    """There the role, or what is below it, would stand deeper than is stored."""

    def __init__(self, parent: Role) -> None:
        super().__init__(f"{parent} is too deep in the tree for this. There are at most {LEVELS} levels.")


class RoleInUse(PermissionDenied):
    """A role that people hold, that others stand below, or that a delegated group names is not deleted."""


@transaction.atomic
def create_role(
    organization: "Organization",
    *,
    name: str,
    parent: Role | None = None,
    origin: "Origin",
    at: datetime | None = None,
) -> Role:
    """Make a role below ``parent``, or at the top."""
    organization = _begin(organization.pk, origin)
    above = _of(organization, parent)
    _require_free(name, organization)
    _require_room(above, levels=1)
    values = {"organization": organization, "name": name}
    role = placed(lambda: Role.objects.add_child(above, values) if above else Role.objects.add_root(values))
    record(
        AuditAction.ROLE_CREATED,
        origin=origin,
        organization=organization,
        at=at or timezone.now(),
        after={"name": name, "below": str(above or "")},
        role=name,
    )
    return role


@transaction.atomic
def rename_role(role: Role, *, name: str, origin: "Origin", at: datetime | None = None) -> Role:
    """Give a role another name."""
    organization = _begin(role.organization_id, origin)
    role = still_there(Role.objects.all(), role)
    before, role.name = role.name, name
    if before == name:
        return role
    _require_free(name, organization, beside=role)
    role.save(update_fields=["name"])
    record(
        AuditAction.ROLE_CHANGED,
        origin=origin,
        organization=organization,
        at=at or timezone.now(),
        before={"name": before},
        after={"name": name},
        role=name,
    )
    return role


@transaction.atomic
def move_role(role: Role, *, parent: Role | None, origin: "Origin", at: datetime | None = None) -> Role:
    """Move a role, with everything below it, below ``parent``, or to the top.

    Delegates lose the visits in the accounts that are no longer in their reach.
    """
    at = at or timezone.now()
    organization = _begin(role.organization_id, origin)
    role, above = still_there(Role.objects.all(), role), _of(organization, parent)
    before = Role.objects.get_parent(role)
    if before == above:
        return role
    deepest = Role.objects.filter(path__startswith=role.path).aggregate(depth=Max("depth"))["depth"]
    _require_room(above, levels=deepest - role.depth + 1)
    try:
        placed(lambda: _move(role, above))
    except InvalidMoveToDescendant as error:
        raise RoleBelowItself(role, above or role) from error
    end_lost_visits(VisitsOf.organization(organization), origin=origin, at=at)
    record(
        AuditAction.ROLE_CHANGED,
        origin=origin,
        organization=organization,
        at=at,
        before={"below": str(before or "")},
        after={"below": str(above or "")},
        role=role.name,
    )
    return role


class RoleChangedMeanwhile(Exception):  # noqa: N818  # said as a page says it
    """Someone renamed or moved the role between the reading of the form and this save. ``role`` is what holds now."""

    def __init__(self, role: Role, above: Role | None) -> None:
        self.role = role
        super().__init__(f"This role was changed while you had it open: it is {role} now, {_place_in_words(above)}.")


def _place_in_words(above: Role | None) -> str:
    return f"below {above}" if above else "at the top"


def version_of(role: Role) -> str:
    """Return what changes with every rename and move of ``role``, for a form to remember. One query, below the top."""
    above = Role.objects.get_parent(role)
    return f"{above.pk if above else 0} {role.name}"


@transaction.atomic
def change_role(
    role: Role,
    *,
    name: str,
    parent: Role | None,
    origin: "Origin",
    version: str | None = None,
    at: datetime | None = None,
) -> Role:
    """Move a role and give it another name: both, or neither where one is refused.

    Raises :class:`RoleChangedMeanwhile` where ``version`` (of :func:`version_of`) is no more what it was.
    """
    at = at or timezone.now()
    _begin(role.organization_id, origin)
    role = still_there(Role.objects.all(), role)
    if version is not None and version != version_of(role):
        raise RoleChangedMeanwhile(role, Role.objects.get_parent(role))
    moved = move_role(role, parent=parent, origin=origin, at=at)
    return rename_role(moved, name=name, origin=origin, at=at)


@transaction.atomic
def delete_role(role: Role, *, origin: "Origin", at: datetime | None = None) -> None:
    """Delete a role that nobody holds and nothing hangs on. Raises :class:`RoleInUse`."""
    organization = _begin(role.organization_id, origin)
    role = still_there(Role.objects.all(), role)
    if words := why_kept(role):
        raise RoleInUse(words)
    above = Role.objects.get_parent(role)
    Role.objects.filter(pk=role.pk).delete()
    record(
        AuditAction.ROLE_DELETED,
        origin=origin,
        organization=organization,
        at=at or timezone.now(),
        before={"name": role.name, "below": str(above or "")},
        role=role.name,
    )


def why_kept(role: Role) -> str:
    """Return why ``role`` is not to be deleted, and what would help; nothing where it may be."""
    if role.numchild:
        return f"There are roles below {role}. Move or delete them first."
    if User.objects.filter(role=role).exists():
        return f"There are users in the role {role}. Give them another role first."
    group = DelegatedGroup.objects.filter(roles=role).order_by("name", "id").first()
    if group is not None:
        return f"The delegated group {group} administers the role {role}. Take it out of the group first."
    return ""


def _begin(organization_id: int, origin: "Origin") -> "Organization":
    organization = lock_organization(organization_id)
    require_own(origin, organization.pk)
    require(origin, Permission.MANAGE_ROLES)
    # From inside the account of someone who manages roles a delegate could widen their own reach.
    refuse_to_guest(origin)
    return organization


def _of(organization: "Organization", role: Role | None) -> Role | None:
    """Return ``role`` as it now stands; another organization's is not found."""
    if role is None:
        return None
    if role.organization_id != organization.pk:
        raise NotInOrganization
    fresh: Role = still_there(Role.objects.all(), role)
    return fresh


def _require_free(name: str, organization: "Organization", *, beside: Role | None = None) -> None:
    """Raise :class:`~accounts.services.guards.NameTaken` where another role of the organization has ``name``.

    The organization is locked, so nobody takes it meanwhile.
    """
    same = Role.objects.alias(lowered=Lower("name")).filter(organization=organization, lowered=Lower(Value(name)))
    if same.exclude(pk=beside.pk if beside else None).exists():
        raise NameTaken("A role of this name is there already.")


def _require_room(above: Role | None, *, levels: int) -> None:
    """Raise :class:`RoleTooDeep` where ``levels`` more do not fit below ``above``."""
    if above is not None and above.depth + levels > LEVELS:
        raise RoleTooDeep(above)


def placed(place: "Callable[[], Role]") -> Role:
    """Return what ``place`` does, done again where someone took the same place in the tree at the same moment."""
    for _ in range(ATTEMPTS - 1):
        with suppress(IntegrityError), transaction.atomic():
            return place()
    return place()


def _move(role: Role, above: Role | None) -> Role:
    if above is None:
        Role.objects.move(role, Role.objects.get_last_root_node(), "last-sibling")
    else:
        Role.objects.move(role, above, "last-child")
    return role
