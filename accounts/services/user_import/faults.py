"""What is wrong with a file of users, and where; and what came of reading it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.template.defaultfilters import pluralize

if TYPE_CHECKING:
    from accounts.models import User

SHOWN_FAULTS = 100
SHOWN_USERS = 5
SHOWN_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: in which row, as a spreadsheet counts them, and which column, where it is one's."""

    row: int
    column: str
    words: str


class Unreadable(Exception):  # noqa: N818  # said as a page says it
    """Here a file can't be read any further."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__(*faults)


@dataclass(slots=True)
class Report:
    """What came of a file: how many users it holds, the first of them, and what is wrong. Of any size, a small one."""

    users: int = 0
    first: "list[User]" = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0
    # Rows whose username is that of someone in another organization.
    taken_elsewhere: int = 0
    is_imported: bool = False
    # None where none were to be sent.
    mails: int | None = None

    def blame(self, faults: Iterable[Fault]) -> None:
        """Add what is wrong, and count what is more than one reads."""
        for fault in faults:
            self.fault_count += 1
            if len(self.faults) < SHOWN_FAULTS:
                self.faults.append(fault)

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong."""
        return not self.fault_count

    @property
    def unsent(self) -> int:
        """How many of the mails that were to be sent did not go out."""
        return 0 if self.mails is None else self.users - self.mails


def number_of(count: int, noun: str) -> str:
    """Return how many of something, of which there may be many: "10,000 users"."""
    return f"{count:,} {noun}{pluralize(count)}"


def shown(cell: str) -> str:
    """Return a cell as words can hold it: cut, and without what a terminal would obey."""
    return "".join(one if one.isprintable() else " " for one in cell[:SHOWN_LENGTH])
