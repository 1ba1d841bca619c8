"""Profiles and roles as a file names them: found in one organization, and asked once whether they may be given."""

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from accounts.models import Profile, Role
from accounts.services.guards import ModifyAllDataNeeded
from accounts.services.users import Delegation, NotDelegated, refuse_to_give
from accounts.sort_key import sort_key

from .faults import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orgs.http import Origin
    from orgs.models import Organization

Named = TypeVar("Named", Profile, Role)

ABOVE = ">"
# Pairs of cells whose answer is remembered.
REMEMBERED = 4096

EMPTY = "This cell is empty. Every user needs one."
# The field, and what is wrong with it.
Refusal = tuple[str, str]


class Giving:
    """What there is to give in an organization, read now, to whoever ``origin`` is. Two queries."""

    def __init__(self, organization: "Organization", origin: "Origin", delegation: Delegation | None) -> None:
        self.origin, self.delegation = origin, delegation
        self.profiles = {one.pk: one for one in Profile.objects.filter(organization=organization)}
        roles = Role.objects.filter(organization=organization).order_by("path")
        self.roles: dict[int, Role] = {}
        self._paths: dict[str, tuple[str, ...]] = {}
        for role in roles:
            self.roles[role.pk] = role
            self._paths[role.path] = (*self._paths.get(role.path[: -Role.steplen], ()), sort_key(role.name))
        self._profiles_by_name = _by_name(self.profiles.values())
        self._roles_by_name = _by_name(self.roles.values())
        # Asked once for each pair that a file names, not for each of its rows.
        self.named = lru_cache(REMEMBERED)(self._named)

    def _named(self, profile: str, role: str) -> tuple[Profile | None, Role | None, tuple[Refusal, ...]]:
        """Return the profile and the role that two cells name, or what is wrong with either."""
        profiles = _exactly(self._profiles_by_name.get(sort_key(profile), ()), profile)
        roles = self._roles_called(role) if role else ()
        found_profile = profiles[0] if len(profiles) == 1 else None
        found_role = roles[0] if len(roles) == 1 else None
        wrong: list[Refusal] = []
        if found_profile is None:
            wrong.append(("profile", _words_of_profile(profile, profiles)))
        if role and found_role is None:
            wrong.append(("role", _words_of_role(role, roles)))
        if found_profile is not None and (refusal := self.refusal(found_profile, found_role)) is not None:
            # Of a cell that names no role, it was said above; what is asked then may still speak against the profile.
            wrong += [refusal] if refusal[0] == "profile" or not wrong else []
        return found_profile, found_role, tuple(wrong)

    def refusal(self, profile: Profile, role: Role | None) -> Refusal | None:
        """Return why these may not be given."""
        try:
            refuse_to_give(profile, role, origin=self.origin, delegation=self.delegation)
        except NotDelegated as refusal:
            return refusal.field, str(refusal)
        except ModifyAllDataNeeded as refusal:
            return "profile", str(refusal)
        return None

    def _roles_called(self, cell: str) -> "Sequence[Role]":
        """Return the roles of that name; of a path those that stand so, however much of it is told."""
        if found := self._roles_by_name.get(sort_key(cell)):
            return _exactly(found, cell)
        *above, name = (" ".join(part.split()) for part in cell.split(ABOVE))
        path = tuple(sort_key(part) for part in (*above, name))
        found = self._roles_by_name.get(path[-1], [])
        return _exactly([role for role in found if self._paths[role.path][-len(path) :] == path], name)


def _by_name(rows: "Iterable[Named]") -> "dict[str, list[Named]]":
    found: defaultdict[str, list[Named]] = defaultdict(list)
    for row in rows:
        found[sort_key(row.name)].append(row)
    return dict(found)


def _exactly(rows: "Sequence[Named]", name: str) -> "Sequence[Named]":
    """Return the one of ``rows`` that is spelled just so, where there is one; otherwise all."""
    return [row for row in rows if row.name == name] or rows


def _words_of_profile(name: str, found: "Sequence[Profile]") -> str:
    if not name:
        return EMPTY
    if found:
        return f"Several profiles are called so: {_listed(found)}. Write it with the same small and capital letters."
    return f"There is no profile {shown(name)}. Write its name as the users list has it."


def _words_of_role(name: str, found: "Sequence[Role]") -> str:
    if found:
        return f"Several roles are called so: {_listed(found)}. Write it with the same small and capital letters."
    return f"There is no role {shown(name)}. Write its name as the users list has it, or its path: Sales > Sales Rep."


def _listed(rows: "Sequence[Profile | Role]") -> str:
    return ", ".join(sorted(row.name for row in rows))
