"""Checking a file of users: by what the form of a new user refuses, and what creating one does."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import User
from accounts.services.users import USERNAME_TAKEN, PersonForm, UserDetails, build_user, require_creating

from .faults import SHOWN_USERS, Fault, Report
from .giving import EMPTY, Giving
from .rows import BATCH, COLUMNS, ByteLines, Row, read_rows
from .staging import Staged, Staging

if TYPE_CHECKING:
    from orgs.http import Origin
    from orgs.models import Organization

HEADINGS = {column.field: column.heading for column in COLUMNS}
_PLACES = {column.heading: place for place, column in enumerate(COLUMNS)}
_FIELDS = PersonForm.base_fields
_to_username = User._meta.get_field("username").get_prep_value


class Step(Enum):
    """What an import is at."""

    CHECK = "Checked"
    WRITE = "Created"
    MAIL = "Mailed"


# Told how many rows more a step has done.
Watch = Callable[[Step, int], None]


def nobody_watches(step: Step, rows: int) -> None:
    """Do nothing."""


def check_users(
    organization: "Organization",
    file: ByteLines,
    *,
    origin: "Origin",
    limit: int | None = None,
    watch: Watch = nobody_watches,
) -> Report:
    """Check a file of users as importing it does, and change nothing."""
    with Staging() as staging:
        return check_into(staging, organization, file, origin=origin, limit=limit, at=timezone.now(), watch=watch)


def check_into(
    staging: Staging,
    organization: "Organization",
    file: ByteLines,
    *,
    origin: "Origin",
    limit: int | None,
    at: datetime,
    watch: Watch,
) -> Report:
    """Check a file of users, and keep what is to be created in ``staging``. Where anything is wrong, that is no use."""
    check = _Check(organization, origin, staging, at)
    rows = read_rows(file, limit=limit)
    watch(Step.CHECK, 0)
    while batch := list(islice(rows, BATCH)):
        check.report.blame(check.faults_of(batch))
        watch(Step.CHECK, len(batch))
    return check.report


def faults_of_taken(rows: Iterable["Staged | _Checked"]) -> Iterator[Fault]:
    """Yield what is wrong with rows whose username is somebody's. One query."""
    rows = list(rows)
    users = User.objects.filter(username__in=[row.username for row in rows])
    taken = set(users.values_list("username", flat=True))
    for row in rows:
        if row.username in taken:
            yield Fault(row.number, HEADINGS["username"], USERNAME_TAKEN)


@dataclass(slots=True)
class _Checked:
    """A row that was checked by itself."""

    number: int
    username: str = ""
    faults: list[Fault] = field(default_factory=list)

    def blame(self, name: str, words: str) -> None:
        """Add what is wrong with a field."""
        self.faults.append(Fault(self.number, HEADINGS[name], words))


class _Check:
    """One reading of a file. All that a row needs to know is at hand, but who has its username: asked by batch."""

    def __init__(self, organization: "Organization", origin: "Origin", staging: Staging, at: datetime) -> None:
        self.organization, self.staging, self.at = organization, staging, at
        self.giving = Giving(organization, origin, require_creating(organization, origin))
        self.report = Report()

    def faults_of(self, batch: list[Row | Fault]) -> list[Fault]:
        """Return what is wrong with a batch, in the file's order."""
        checked = [self._checked(row) for row in batch if isinstance(row, Row)]
        faults = [row for row in batch if isinstance(row, Fault)]
        faults += [fault for row in checked for fault in row.faults]
        faults += faults_of_taken(row for row in checked if row.username)
        return sorted(faults, key=lambda fault: (fault.row, _PLACES.get(fault.column, 0)))

    def _checked(self, row: Row) -> _Checked:
        self.report.users += 1
        checked = _Checked(row.number)
        values = _clean(row, checked)
        profile, role, refusal = self.giving.named(*(row.cells.get(name, "").strip() for name in ("profile", "role")))
        if refusal is not None:
            checked.blame(*refusal)
        if "username" in values:
            checked.username = _to_username(values["username"])
        staged = Staged(row.number, checked.username)
        if profile is not None and not checked.faults:
            details = UserDetails(**values, profile=profile, role=role).normalized()
            staged = Staged.of(row.number, details)
            if len(self.report.first) < SHOWN_USERS:
                self.report.first.append(build_user(self.organization, details, by="", at=self.at))
        # One with another fault is kept too: it may be the first of two with one username.
        if checked.username and (earlier := self.staging.add(staged)):
            checked.blame("username", f"Rows {earlier} and {row.number} have the same username. Usernames are unique.")
        return checked


def _clean(row: Row, checked: _Checked) -> dict[str, str]:
    """Return what the fields of the form make of the cells, and blame the others."""
    values = {}
    for name, one in _FIELDS.items():
        try:
            values[name] = one.clean(row.cells.get(name, ""))
        except ValidationError as error:
            is_empty = error.error_list[0].code == "required"
            checked.blame(name, EMPTY if is_empty else " ".join(error.messages))
    return values
