"""Many rows like one, made by the database itself: a million are there in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.management.color import no_style
from django.db import connection

if TYPE_CHECKING:
    from django.db.models import Model

NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)"


def copy(row: Model, count: int, **columns: str) -> int:
    """Insert so many rows like ``row``, and return the id of the first; theirs follow each other.

    ``columns`` are SQL: ``n`` is the number of the copy, from 1 on, and ``r`` is ``row``.
    """
    model, table = type(row), row._meta.db_table
    columns.setdefault("id", f"{row.pk} + n")
    fields = [field for field in row._meta.concrete_fields if not field.generated]
    names = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(columns.get(str(field.column), f'r."{field.column}"') for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) {NUMBERS} SELECT {values} FROM numbers JOIN {table} r ON r.id = %s",  # noqa: S608  # names of ours
            [count, row.pk],
        )
        for sql in connection.ops.sequence_reset_sql(no_style(), [model]):
            cursor.execute(sql)
    return int(row.pk) + 1


def uuid() -> str:
    """Return SQL for a UUID that is nobody else's, as the database keeps it."""
    return "gen_random_uuid()" if connection.vendor == "postgresql" else "lower(hex(randomblob(16)))"


def earlier(column: str) -> str:
    """Return SQL for a moment before that of ``column``: a millisecond for each copy."""
    if connection.vendor == "postgresql":
        return f"{column} - n * interval '1 millisecond'"
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', {column}, '-' || (n / 1000.0) || ' seconds')"
