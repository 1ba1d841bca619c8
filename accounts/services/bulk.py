"""Rows in bulk, past the models: copied in on PostgreSQL, one prepared statement for all of them elsewhere."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from accounts.models import User
from accounts.search_index import INDEX, POSTGRESQL_FORWARD, TRIGGERS, mend_search_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.db.models import Field, Model

# From so many users on, their indexes are made anew at the end, twice as quick as row by row.
MANY = 20_000
# Of memory for SQLite's pages: rows go into many indexes, in no order of theirs.
CACHE_KIB = 256 * 1024


@contextmanager
def filling_users(count: int) -> "Iterator[None]":
    """Have the indexes of users wait while so many are written, if they are many: made at the end they cost less."""
    if count < MANY:
        yield
        return
    is_postgresql = connection.vendor == "postgresql"
    search = [f"INDEX IF EXISTS {INDEX}"] if is_postgresql else [f"TRIGGER IF EXISTS {name}" for name in TRIGGERS]
    _run(f"DROP {what}" for what in (*search, *(f"INDEX IF EXISTS {index.name}" for index in User._meta.indexes)))
    try:
        yield
    finally:
        # Not entered: that would have SQLite check no keys, which is refused within a transaction.
        editor = connection.schema_editor()
        _run(str(index.create_sql(User, editor)) for index in User._meta.indexes)
        if is_postgresql:
            # Nobody works beside this, and who calls may be in a transaction.
            _run(statement.replace(" CONCURRENTLY", "") for statement in POSTGRESQL_FORWARD)
        else:
            mend_search_table(connection)


@contextmanager
def roomy_cache() -> "Iterator[None]":
    """Give SQLite more memory for its pages meanwhile."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        (before,) = cursor.execute("PRAGMA cache_size").fetchone()
    _run([f"PRAGMA cache_size = -{CACHE_KIB}"])
    try:
        yield
    finally:
        _run([f"PRAGMA cache_size = {before}"])


def _run(statements: "Iterable[str]") -> None:
    if connection.vendor == "postgresql":
        # In a transaction, keys that are still to be checked stand in the way of a change of indexes.
        connection.check_constraints()
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def write_rows(model: "type[Model]", rows: "Iterable[Mapping[str, Any]]") -> None:
    """Write rows of ``model``, each as values by column; a column that the first row lacks has its default in all.

    Nothing of a model's own is asked: no ``pre_save``, no signal, and nobody learns the ids. Constraints and triggers
    hold as ever.
    """
    rows = list(rows)
    fields = [field for field in model._meta.concrete_fields if not (field.generated or field.primary_key)]
    table = connection.ops.quote_name(model._meta.db_table)
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for values in _prepared(fields, rows):
                    copy.write_row(values)
        else:
            places = ", ".join(["%s"] * len(fields))
            cursor.executemany(
                f"INSERT INTO {table} ({columns}) VALUES ({places})",  # noqa: S608  # the model's own names
                list(_prepared(fields, rows)),
            )


def _prepared(fields: "list[Field[Any, Any]]", rows: "list[Mapping[str, Any]]") -> "Iterator[list[Any]]":
    """Yield each row's values as the database takes them, in the order of ``fields``."""
    given = [field.attname in rows[0] for field in fields]
    blank = [field.get_db_prep_save(field.get_default(), connection) for field in fields]
    varying = [
        (place, field.attname, field.get_db_prep_save)
        for place, (field, is_given) in enumerate(zip(fields, given, strict=True))
        if is_given
    ]
    for row in rows:
        values = blank.copy()
        for place, name, prepare in varying:
            values[place] = prepare(row[name], connection)
        yield values
