"""The boxes of a profile's permissions: shown as they are held, or ticked while one edits."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from accounts.services.guards import ModifyAllDataNeeded, holds
from orgs.http import Origin
from orgs.permissions import PERMISSION_GROUPS, Permission, in_order
from orgs.text import listed


@dataclass(frozen=True, slots=True)
class Box:
    """One permission as a page shows it: held or ticked, and what it needs."""

    permission: Permission
    is_ticked: bool
    needs: str
    # While one edits: whether it came along with what was just ticked, and what a click on it came to.
    came_along: bool = False
    said: str = ""
    # Why it may not be ticked.
    why_not: str = ""


def groups_of_boxes(
    ticked: Container[Permission],
    *,
    too: Container[Permission] = (),
    said: Mapping[Permission, str] | None = None,
    why_not: Mapping[Permission, str] | None = None,
) -> list[tuple[str, list[Box]]]:
    """Return every permission, by group."""
    said, why_not = said or {}, why_not or {}
    return [
        (
            label,
            [
                Box(
                    one,
                    is_ticked=one in ticked,
                    needs=listed(other.label for other in in_order(one.needs)) if one.needs else "",
                    came_along=one in too,
                    said=said.get(one, ""),
                    why_not=why_not.get(one, ""),
                )
                for one in permissions
            ],
        )
        for label, permissions in PERMISSION_GROUPS
    ]


def as_ticked(permissions: Iterable[Permission]) -> str:
    """Return what the page keeps of what is ticked as it shows it."""
    return " ".join(one.value for one in in_order(permissions))


def not_to_be_ticked(origin: Origin) -> Mapping[Permission, str]:
    """Return what the person may not tick, and why; accounts/services/profiles refuses it too."""
    if holds(origin, Permission.MODIFY_ALL_DATA):
        return {}
    return {Permission.MODIFY_ALL_DATA: str(ModifyAllDataNeeded("tick it"))}
