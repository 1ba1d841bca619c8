"""What a delegate may give to users: roles in reach, and the profiles of the groups that reach the role."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accounts.facts import Reach, reaches_of
from accounts.models import DelegatedGroup, Profile, Role, User
from accounts.services.guards import holds, holds_modify_all_data, is_acting_delegate
from orgs.permissions import Permission

from .refusals import NotDelegated

if TYPE_CHECKING:
    from orgs.http import Origin


@dataclass(frozen=True, slots=True)
class Delegation:
    """A delegate's groups: what each reaches, and the profiles that it may hand out, by the group's id."""

    reaches: Sequence[Reach]
    profiles: Mapping[int, frozenset[int]]

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of all roles that the groups name."""
        return tuple(path for reach in self.reaches for path in reach.paths)

    @property
    def profile_ids(self) -> frozenset[int]:
        """The profiles of all groups that reach someone."""
        return frozenset().union(*(self.profiles.get(reach.group_id, ()) for reach in self.reaches if reach.paths))

    def refuse_beyond(self, *, profile: Profile, role: Role | None, keeps: Profile | None = None) -> None:
        """Raise :class:`NotDelegated` unless these may be given, or the profile is the one that the user ``keeps``."""
        groups = [reach.group_id for reach in self.reaches if role is not None and reach.has(role.path)]
        if role is None or not groups:
            words = "Choose a role that you administer as a delegate."
            raise NotDelegated(words, field="role")
        if profile == keeps:
            return
        is_assignable = any(profile.pk in self.profiles.get(group_id, ()) for group_id in groups)
        if not is_assignable or profile.is_external or holds_modify_all_data(profile):
            words = f"{profile} is not a profile that you may give as a delegate to users in the role {role}."
            raise NotDelegated(words, field="profile")

    def refuse_address(self, user: User, *, delegate: User) -> None:
        """Raise :class:`NotDelegated` where ``user``'s mail leads further than the groups do.

        Whoever reads an account's mail can have its password reset, and is that person then: with permissions that the
        delegate neither holds nor may hand out, with the reach of other groups, or in the operator console.
        """
        groups = [reach.group_id for reach in self.reaches if user.role is not None and reach.has(user.role.path)]
        is_assignable = any(user.profile_id in self.profiles.get(group_id, ()) for group_id in groups)
        holds_more = bool(user.profile.permission_bits & ~delegate.profile.permission_bits) and not is_assignable
        others = user.delegated_groups.exclude(pk__in=[reach.group_id for reach in self.reaches])
        if holds_more or user.operator_role or others.exists():
            words = f"{user} may do more than you do as a delegate. Only an administrator changes this address."
            raise NotDelegated(words, field="email")


def delegation_of(origin: "Origin") -> Delegation | None:
    """Return what limits ``origin`` in creating and editing users, or None where nothing but permissions does.

    Two queries for a delegate, none for others.
    """
    user = origin.user
    if user is None or holds(origin, Permission.MANAGE_INTERNAL_USERS) or not is_acting_delegate(user):
        return None
    reaches = reaches_of(user, login_access=False)
    pairs = DelegatedGroup.profiles.through.objects.filter(delegatedgroup__in=[reach.group_id for reach in reaches])
    profiles: defaultdict[int, set[int]] = defaultdict(set)
    for group_id, profile_id in pairs.values_list("delegatedgroup_id", "profile_id"):
        profiles[group_id].add(profile_id)
    return Delegation(reaches, {group_id: frozenset(found) for group_id, found in profiles.items()})
