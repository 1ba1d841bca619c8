"""Checking a file of users: by what the form of a new user refuses, and what creating one does."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import User
from accounts.services.users import USERNAME_TAKEN, PersonForm, UserDetails, build_user, require_creating
from orgs.audit import AuditAction, record
from orgs.http import Origin
from orgs.limits import TooMany, count

from .faults import SHOWN_USERS, Fault, Report, number_of
from .giving import EMPTY, Giving
from .rows import BATCH, COLUMNS, HEADINGS, ByteLines, Row, read_rows
from .staging import Staged, Staging

if TYPE_CHECKING:
    from orgs.models import Organization

_PLACES = {column.heading: place for place, column in enumerate(COLUMNS)}
_FIELDS = PersonForm.base_fields
_to_username = User._meta.get_field("username").get_prep_value


# More than anyone needs who corrects a file, or imports many.
FILES_AN_HOUR = 60
HOUR = timedelta(hours=1)


class TooManyFiles(TooMany):
    """One person has had so many files checked or imported that no further one is read for now."""

    def __init__(self, *, ends_at: datetime) -> None:
        words = f"You have checked or imported {FILES_AN_HOUR} files of users within one hour. This one was not read."
        super().__init__(words, ends_at=ends_at)


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
    """Check a file of users as importing it does, and change nothing. What it told of others stands in the trail."""
    at = timezone.now()
    with Staging() as staging:
        report = check_into(staging, organization, file, origin=origin, limit=limit, at=at, watch=watch)
    record_taken(report, organization, origin=origin, at=at)
    return report


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
    """Check a file of users, and keep what is to be created in ``staging``. Where anything is wrong, that is no use.

    Usernames are unique over all organizations, so that each file asks who there is anywhere: :class:`TooManyFiles`
    past so many an hour of one person's.
    """
    check = _Check(organization, origin, staging, at)
    _count_files(origin, at=at)
    rows = read_rows(file, limit=limit)
    watch(Step.CHECK, 0)
    while batch := list(islice(rows, BATCH)):
        check.report.blame(check.faults_of(batch))
        watch(Step.CHECK, len(batch))
    return check.report


def _count_files(origin: Origin, *, at: datetime) -> None:
    """Count a file of whoever is at the keyboard, and refuse one too many. A command has no limit."""
    if origin.actor is None:
        return
    files = count(f"user_import:{origin.actor.pk}", per=HOUR, at=at)
    if files.number > FILES_AN_HOUR:
        raise TooManyFiles(ends_at=files.ends_at)


def record_taken(report: Report, organization: "Organization", *, origin: Origin, at: datetime) -> None:
    """Write that a file asked for usernames of people in other organizations: one row, if it did."""
    if not report.taken_elsewhere:
        return
    record(
        AuditAction.USERS_CHECKED,
        origin=origin,
        organization=organization,
        at=at,
        after={"users": report.users, "faults": report.fault_count, "taken_elsewhere": report.taken_elsewhere},
        count=number_of(report.users, "user"),
        taken=number_of(report.taken_elsewhere, "username"),
    )


def faults_of_taken(
    rows: Iterable["Staged | _Checked"], organization: "Organization", report: Report
) -> Iterator[Fault]:
    """Yield what is wrong with rows whose username is somebody's, and count those of other organizations. One query."""
    rows = list(rows)
    users = User.objects.filter(username__in=[row.username for row in rows])
    taken = dict(users.values_list("username", "organization_id"))
    for row in rows:
        if row.username in taken:
            report.taken_elsewhere += taken[row.username] != organization.pk
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
        faults += faults_of_taken((row for row in checked if row.username), self.organization, self.report)
        return sorted(faults, key=lambda fault: (fault.row, _PLACES.get(fault.column, 0)))

    def _checked(self, row: Row) -> _Checked:
        self.report.users += 1
        checked = _Checked(row.number)
        values = _clean(row, checked)
        profile, role, refusals = self.giving.named(*(row.cells.get(name, "").strip() for name in ("profile", "role")))
        for refusal in refusals:
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
