"""The rows of a file between check and import: on disk, in a database of SQLite's that is gone when it is closed."""

import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Self

from .rows import BATCH

if TYPE_CHECKING:
    from accounts.services.users import UserDetails


class Staged(NamedTuple):
    """A row that was checked. Profile and role are ids, 0 for none."""

    number: int
    username: str
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    alias: str = ""
    profile: int = 0
    role: int = 0

    @classmethod
    def of(cls, number: int, details: "UserDetails") -> "Staged":
        """Return the row of such a user. ``details`` are normalized."""
        role = details.role.pk if details.role else 0
        return cls(number, **{name: getattr(details, name) for name in _TEXTS}, profile=details.profile.pk, role=role)

    def texts(self) -> dict[str, str]:
        """Return what is text of a user."""
        return {name: getattr(self, name) for name in _TEXTS}


_TEXTS = ("username", "email", "first_name", "last_name", "alias")


class Staging:
    """The rows of one file. Memory holds no more of them, however many there are, than SQLite's cache."""

    def __init__(self) -> None:
        # Without a name: a file in the temporary directory, which nobody else sees.
        self.database = sqlite3.connect("", isolation_level=None)
        self.database.execute("PRAGMA journal_mode=OFF")
        self.database.execute(
            "CREATE TABLE staged (number INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE,"
            " email TEXT, first_name TEXT, last_name TEXT, alias TEXT, profile INTEGER, role INTEGER)"
        )
        self.database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.database.close()

    def add(self, row: Staged) -> int:
        """Keep a row. Where its username is an earlier row's, it is not kept: return that row's number, otherwise 0."""
        added = self.database.execute(
            "INSERT INTO staged VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (username) DO NOTHING", row
        )
        if added.rowcount:
            return 0
        found = self.database.execute("SELECT number FROM staged WHERE username = ?", (row.username,))
        return int(found.fetchone()[0])

    def batches(self) -> Iterator[list[Staged]]:
        """Yield the rows in the file's order."""
        rows = self.database.execute("SELECT * FROM staged ORDER BY number")
        while batch := rows.fetchmany(BATCH):
            yield [Staged._make(row) for row in batch]

    def pairs(self) -> list[tuple[int, int]]:
        """Return the pairs of profile and role that there are."""
        return list(self.database.execute("SELECT DISTINCT profile, role FROM staged ORDER BY profile, role"))

    def numbers_of(self, profile: int, role: int) -> Iterator[int]:
        """Yield the rows of such a pair."""
        rows = self.database.execute(
            "SELECT number FROM staged WHERE profile = ? AND role = ? ORDER BY number", (profile, role)
        )
        for (number,) in rows:
            yield number
