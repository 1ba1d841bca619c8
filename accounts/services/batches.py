"""Many rows, a bounded number at a time, and each with values of its own in one statement."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connection

from accounts.statement import column_of, fields_of, table_of

if TYPE_CHECKING:
    from django.db.models import Model

# Rows in one statement: few enough for the variables of any database, and for memory.
BATCH = 500
Item = TypeVar("Item")


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield ``items`` in lists of :data:`BATCH`, the last one shorter."""
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch


def update_each(model: type["Model"], each: Mapping[int, Mapping[str, Any]], every: Mapping[str, Any]) -> None:
    """Give rows, named by their ids, values of their own (``each``), and all of them those of ``every``.

    In one statement. The ORM's ``bulk_update`` writes a CASE for each column, and the database goes through it for
    each row. Rows are named by nothing but their ids: with another condition SQLite reads the whole table first, to
    make a Bloom filter of it.
    """
    own, same = _Values(model, next(iter(each.values()))), _Values(model, every)
    rows = ", ".join([f"(%s{', %s' * len(own.columns)})"] * len(each))
    changes = ", ".join([*(f"{one} = v.{one}" for one in own.columns), *(f"{one} = %s" for one in same.columns)])
    table = table_of(model)
    sql = (
        f"WITH v(id, {', '.join(own.columns)}) AS (VALUES {rows})"  # noqa: S608  # names from _meta
        f" UPDATE {table} SET {changes} FROM v WHERE {table}.id = v.id"
    )
    values = [value for pk, row in each.items() for value in (pk, *own.of(row))]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, *same.of(every)])


class _Values:
    """Columns of a table, and what is stored in them."""

    def __init__(self, model: type["Model"], names: Iterable[str]) -> None:
        self.fields = fields_of(model, tuple(names))
        self.columns = [column_of(field) for field in self.fields]

    def of(self, row: Mapping[str, Any]) -> list[Any]:
        """Return the values of a row as the database takes them, in the order of the columns."""
        return [field.get_db_prep_save(row[field.name], connection) for field in self.fields]
