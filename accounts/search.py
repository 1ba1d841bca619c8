"""Users by what is typed: every word is a part of the name, the username, the alias or the e-mail address.

A short word is the beginning of one: of a name's words, or of any of the other three. Short is what has fewer than
three characters, or no letter or digit behind the first ("a--"): such a piece of text is in no index.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import Func, TextField
from django.db.models.expressions import RawSQL

from .search_index import COLUMNS, TABLE, text_sql
from .sort_key import sort_key

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

TRIGRAM = 3
# Of so many, SQLite reads the rows in the list's order: most are looked at in vain if it takes them from the table.
COMMON = 50_000


class SearchText(Func):
    """A user's text, as PostgreSQL's index has it."""

    output_field = TextField()

    def __init__(self, *columns: Any) -> None:
        # Django copies an expression by calling it with what it was made of.
        super().__init__(*(columns or COLUMNS))

    def as_sql(  # type: ignore[override]  # of a template and its parts there is nothing
        self, compiler: "SQLCompiler", connection: "BaseDatabaseWrapper"
    ) -> tuple[str, tuple[str | int, ...]]:
        columns = tuple(compiler.compile(column)[0] for column in self.get_source_expressions())
        return text_sql(columns, vendor=connection.vendor), ()


def parts_of(typed: str) -> list[str]:
    """Return what a user's text has to hold: each typed word, and a space before a short one.

    A word of signs alone stands as it is: no text is found by it (:func:`is_findable`).
    """
    return [f" {word}" if _is_short(word) else word for word in sort_key(typed).split()]


def is_findable(part: str) -> bool:
    """Tell whether anybody is looked for by it at all: there is a letter or a digit in it."""
    return any(map(str.isalnum, part))


def _is_short(word: str) -> bool:
    return len(word) < TRIGRAM or not any(map(str.isalnum, word[1:]))


def rows_with(parts: Iterable[str], *, using: str) -> RawSQL | None:
    """Return the ids whose text may hold all ``parts``, from SQLite's table: it has all their trigrams. None for many.

    One query, which counts them no further than :data:`COMMON`.
    """
    trigrams = {trigram: None for part in parts for trigram in _trigrams(part)}
    match = " AND ".join('"{}"'.format(trigram.replace('"', '""')) for trigram in trigrams)
    rows = f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s"  # noqa: S608  # our own table's name
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM ({rows} LIMIT %s)", [match, COMMON + 1])  # noqa: S608  # the same
        (count,) = cursor.fetchone()
    return RawSQL(rows, [match]) if count <= COMMON else None  # noqa: S611  # the same


def _trigrams(part: str) -> list[str]:
    # In the table each space is two: so " z" ends a trigram.
    text = f" {part}" if len(part) < TRIGRAM else part
    return [text[start : start + TRIGRAM] for start in range(len(text) - TRIGRAM + 1)]
