"""The rows of a file of users: CSV, read as a stream, in bounded memory whatever it holds."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, Protocol

from orgs.exports.sheet import Column, Sheet, typed

from .faults import Fault, Unreadable, shown

BATCH = 1000
BOM = "\ufeff"
DELIMITERS = ",;\t"
# Longer than any line of users is: what has no end is not read to it.
LONGEST_LINE = 64 * 1024
MOST_LINES = 50
ANEW = "Save it anew as CSV in UTF-8; spreadsheets call it “CSV UTF-8”."
NO_FURTHER = "Nothing below was read."
APART = "Between columns stands a comma, a semicolon or a tab."
TOO_MANY = "A file for this page holds {limit} users at most. Split it, or import it with manage.py import_users."


@dataclass(frozen=True, slots=True)
class ImportColumn:
    """A column that a file may have: its heading, the field of a user, what else people call it, and what goes in."""

    heading: str
    field: str
    words: str
    example: str
    is_needed: bool = False
    others: tuple[str, ...] = ()


COLUMNS = (
    ImportColumn(
        "Username",
        "username",
        "Looks like an e-mail address. Unique everywhere; capital letters do not matter.",
        "mary@acme.example",
        is_needed=True,
        others=("User Name", "Login"),
    ),
    ImportColumn(
        "E-mail",
        "email",
        "Where mail to the user goes.",
        "mary@acme.example",
        is_needed=True,
        others=("E-mail Address",),
    ),
    ImportColumn("First Name", "first_name", "At most 80 characters.", "Mary"),
    ImportColumn("Last Name", "last_name", "At most 80 characters.", "Jackson", is_needed=True, others=("Surname",)),
    ImportColumn("Alias", "alias", "At most 20 characters. Left empty, it is made of the name.", "mjack"),
    ImportColumn("Profile", "profile", "By its name, as the users list has it.", "Standard User", is_needed=True),
    ImportColumn("Role", "role", "By its name, or by its path: Sales > Sales Manager. Empty for no role.", ""),
)
_LISTED = ", ".join(column.heading for column in COLUMNS)
_SHEET = Sheet(*(Column.of(column.heading, column.field) for column in COLUMNS))
# The headings, and one row as an example.
TEMPLATE = b"".join(_SHEET.write([[tuple(column.example for column in COLUMNS)]]))


class ByteLines(Protocol):
    """What a file must be able to do."""

    def readline(self, size: int, /) -> bytes:
        """Return a line, or as much of it."""


class Row(NamedTuple):
    """A row that can be read: its number, and its cells by the field of a user."""

    number: int
    cells: dict[str, str]


def read_rows(file: ByteLines, *, limit: int | None = None) -> Iterator[Row | Fault]:
    """Yield each row that is not empty, or what is wrong with it. After ``limit`` of them it is read no further."""
    try:
        yield from _rows(file, limit)
    except Unreadable as trouble:
        yield from trouble.faults


def _rows(file: ByteLines, limit: int | None) -> Iterator[Row | Fault]:
    lines = _Lines(file)
    names: list[str] = []
    count = 0
    for number, cells in enumerate(_cells(lines), 1):
        if lines.is_damaged:
            raise Unreadable(*_faults_of_damaged(number, names, cells))
        if number == 1:
            names = _names_in(cells)
        elif cells:
            count += 1
            if limit is not None and count > limit:
                raise Unreadable(Fault(number, "", TOO_MANY.format(limit=f"{limit:,}")))
            yield _row(number, names, cells)
    if not lines.row:
        raise Unreadable(Fault(1, "", f"The file is empty. Its first row names the columns: {_LISTED}."))
    if not count:
        raise Unreadable(Fault(1, "", "There is no user below the first row."))


def _row(number: int, names: list[str], cells: list[str]) -> Row | Fault:
    if len(cells) > len(names):
        words = f"There are {len(cells)} cells, and {len(names)} columns. A cell that holds a comma needs quotes."
        return Fault(number, "", words)
    return Row(number, dict(zip(names, map(typed, cells), strict=False)))


def _faults_of_damaged(number: int, names: list[str], cells: list[str]) -> Iterator[Fault]:
    """Yield which cells hold bytes that are not UTF-8."""
    headings = [HEADINGS[name] for name in names] or [shown(heading) for heading in cells]
    for place, cell in enumerate(cells):
        if not _is_utf8(cell):
            heading = headings[place] if place < len(headings) else ""
            yield Fault(number, heading, f"This is not UTF-8 text. {ANEW} {NO_FURTHER}")


def _is_utf8(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True


def _cells(lines: "_Lines") -> Iterator[list[str]]:
    """Yield the cells of each row, without the empty ones at its end: spreadsheets write or leave out those."""
    first = next(lines, None)
    if first is None:
        return
    for cells in _records(csv.reader(chain([first], lines), delimiter=_delimiter(first), strict=True), lines):
        end = len(cells)
        while end and not cells[end - 1].strip():
            end -= 1
        yield cells[:end]
        lines.begin_row()


def _records(reader: "Iterator[list[str]]", lines: "_Lines") -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error:
        words = "The quotation marks or the line ends of this row are not those of CSV."
        raise lines.unreadable(f"{words} {ANEW}") from None


class _Lines:
    """The lines of a file as text. ``row`` is the one that they belong to: 0 where there is nothing at all."""

    def __init__(self, file: ByteLines) -> None:
        self.file = file
        self.row = self.count = 0
        # A line is not UTF-8. Which of its cells that is in, is known once it is a row.
        self.is_damaged = False

    def begin_row(self) -> None:
        """Take what is read from now on for the next row's."""
        self.row, self.count = self.row + 1, 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.file.readline(LONGEST_LINE + 1)
        if not line:
            raise StopIteration
        is_first = not self.row
        if is_first:
            self.begin_row()
        self.count += 1
        if len(line) > LONGEST_LINE:
            raise self.unreadable(f"This line is longer than any of users. {ANEW}")
        if self.count > MOST_LINES:
            raise self.unreadable("A quotation mark is opened in this row, and not closed for many lines. Close it.")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            self.is_damaged, text = True, line.decode("utf-8", errors="surrogateescape")
        if "\0" in text:
            raise self.unreadable(f"This holds NUL characters, as text in UTF-16 does. {ANEW}")
        return text.removeprefix(BOM) if is_first else text

    def unreadable(self, words: str) -> Unreadable:
        """Return that it can't be read here."""
        return Unreadable(Fault(self.row, "", f"{words} {NO_FURTHER}"))


def _delimiter(line: str) -> str:
    """Return what stands between the cells of the first line: that which makes most known headings of it.

    Where none makes any, that which makes most cells: each is told then, not the whole line as one.
    """

    def headings(delimiter: str) -> tuple[int, int]:
        found = line.replace('"', "").split(delimiter)
        return sum(_spelled(heading) in _FIELDS for heading in found), len(found)

    return max(DELIMITERS, key=headings)


def _spelled(heading: str) -> str:
    """Return a heading as it is looked up: "e-mail" and "Email" are one."""
    return "".join(one for one in heading.casefold() if one.isalnum())


HEADINGS = {column.field: column.heading for column in COLUMNS}
_FIELDS = {_spelled(name): column for column in COLUMNS for name in (column.heading, column.field, *column.others)}


def _names_in(headings: Sequence[str]) -> list[str]:
    """Return the fields that the first row names."""
    faults, names = [], []
    for place, heading in enumerate(headings, 1):
        column, called = _FIELDS.get(_spelled(heading)), shown(heading.strip())
        if column is None:
            words = f"There is no column {called}." if called else f"Column {place} has no heading."
            apart = f" {APART}" if len(headings) == 1 else ""
            faults.append(Fault(1, called, f"{words} Take it out, or name it one of these: {_LISTED}.{apart}"))
        elif column.field in names:
            faults.append(Fault(1, column.heading, "This column is there twice. Take one of them out."))
        else:
            names.append(column.field)
    missing = [column for column in COLUMNS if column.is_needed and column.field not in names]
    faults += [Fault(1, column.heading, "This column is missing. Every user needs one.") for column in missing]
    if faults:
        raise Unreadable(*faults)
    return names
