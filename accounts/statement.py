"""Statements whose text is built once from the models' ``_meta``, and the instances that they read.

Through the ORM's compiler each time the same query would cost more than what one round trip saves; and a renamed
column fails when the text is built, in a test, not in a request.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models.base import ModelState

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.utils import CursorWrapper
    from django.db.models import Field, Model

Converter = Callable[[Any], Any]


def prepared_cursor() -> "CursorWrapper":
    """Return a cursor for the statement; on PostgreSQL one that prepares it, where the settings allow that.

    Django's own binds on the client and never prepares. This one is wrapped as Django wraps, so captured queries count
    it and errors are Django's.
    """
    if connection.vendor != "postgresql":
        return connection.cursor()
    # What connection.cursor() does first: the identity statement is the first of most requests.
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    if connection.connection.prepare_threshold is None:
        return connection.cursor()
    from .prepared import PreparedCursor  # noqa: PLC0415  # needs PostgreSQL's driver

    return connection._prepare_cursor(PreparedCursor(connection.connection))  # type: ignore[attr-defined, no-any-return]  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class Part:
    """One joined table: its model, the names it is read by, and where its columns start in the row."""

    model: type["Model"]
    names: tuple[str, ...]
    start: int
    converters: tuple[tuple[int, Converter], ...]

    def read(self, row: Sequence[Any]) -> Any:  # noqa: ANN401
        """Return the instance, or None where the join found nothing."""
        if row[self.start] is None:
            return None
        values = list(row[self.start : self.start + len(self.names)])
        for index, convert in self.converters:
            values[index] = convert(values[index])
        return instance_of(self.model, self.names, values)


class Columns:
    """What a statement selects, in the order in which it is asked for, and the tables that it names."""

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._tables: dict[str, str] = {}
        self._scalars: list[tuple[int, Converter]] = []
        self._scalars_start: int | None = None

    def part(self, alias: str, model: type["Model"], wanted: tuple[str, ...] | None = None) -> Part:
        """Select a table's columns, all or those ``wanted``, under ``alias``."""
        fields = fields_of(model, wanted)
        start = len(self._columns)
        self._columns.extend(f"{alias}.{column_of(field)}" for field in fields)
        self._tables[alias] = f"{table_of(model)} {alias}"
        return Part(model, tuple(field.attname for field in fields), start, converters_of(fields))

    def scalar(self, model: type["Model"], name: str, where: str) -> None:
        """Select one column of the one row of ``model`` that ``where`` tells."""
        (field,) = fields_of(model, (name,))
        # names from _meta, values as parameters
        self._add(f"SELECT {column_of(field)} FROM {table_of(model)} WHERE {where}", _converter(field, connection))  # noqa: S608

    def exists(self, query: str) -> None:
        """Select whether ``query`` finds a row."""
        self._add(f"EXISTS({query})", bool)

    def text_of(self, query: str) -> None:
        """Select what ``query`` finds, as the database gives it."""
        self._add(query, None)

    def _add(self, query: str, converter: Converter | None) -> None:
        if self._scalars_start is None:
            self._scalars_start = len(self._columns)
        if converter is not None:
            self._scalars.append((len(self._columns) - self._scalars_start, converter))
        self._columns.append(query if query.startswith("EXISTS") else f"({query})")

    def scalars_of(self, row: Sequence[Any]) -> list[Any]:
        """Return what the scalars found, in the order in which they were asked for."""
        values = list(row[self._scalars_start :])
        for index, convert in self._scalars:
            values[index] = convert(values[index])
        return values

    def select(self) -> str:
        """Return the statement's beginning."""
        return f"SELECT {', '.join(self._columns)}"

    def table(self, alias: str) -> str:
        """Return a table with its alias, for FROM and JOIN."""
        return self._tables[alias]


def table_of(model: type["Model"]) -> str:
    """Return a model's table, quoted."""
    return connection.ops.quote_name(model._meta.db_table)


def instance_of(model: type["Model"], names: Sequence[str], values: Sequence[Any]) -> Any:  # noqa: ANN401
    """Return a stored instance as ``from_db`` would, without walking ``__init__`` field by field.

    What is not among ``names`` is fetched when something reads it, as with ``only()``. No ``pre_init`` or ``post_init``
    is sent. Together with :func:`relate` it took an impersonated request from 0.53 to 0.43 of plain Django's time.
    """
    instance = model.__new__(model)
    state = ModelState()
    state.adding, state.db = False, "default"
    instance.__dict__.update(zip(names, values, strict=True), _state=state)
    return instance


def relate(instance: "Model", **related: "Model") -> None:
    """Remember related instances as ``select_related`` does: an assignment asks the router and the ids each time."""
    instance._state.fields_cache.update(related)  # what Field.set_cached_value() writes


def fields_of(model: type["Model"], wanted: tuple[str, ...] | None) -> tuple["Field[Any, Any]", ...]:
    """Return a model's stored fields, all or those ``wanted``, in the model's order."""
    fields = tuple(model._meta.concrete_fields)
    if wanted is None:
        return fields
    known = {field.name for field in fields}
    if missing := set(wanted) - known:
        message = f"{model.__name__} has no {', '.join(sorted(missing))}."
        raise LookupError(message)
    return tuple(field for field in fields if field.name in wanted)


def _converter(field: "Field[Any, Any]", database: "BaseDatabaseWrapper") -> Converter | None:
    """Return what makes Python of a stored value, as the ORM would."""
    column = field.cached_col
    converters = [*database.ops.get_db_converters(column), *column.get_db_converters(database)]
    if not converters:
        return None

    def convert(value: Any) -> Any:  # noqa: ANN401
        for one in converters:
            value = one(value, column, database)
        return value

    return convert


def column_of(field: "Field[Any, Any]") -> str:
    """Return a field's column, quoted."""
    return connection.ops.quote_name(str(field.column))


def converters_of(fields: Sequence["Field[Any, Any]"]) -> tuple[tuple[int, Converter], ...]:
    """Return what makes Python of a row's values, for those fields that need it, by their place."""
    found = ((index, _converter(field, connection)) for index, field in enumerate(fields))
    return tuple((index, convert) for index, convert in found if convert is not None)
