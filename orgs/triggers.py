"""What the database itself refuses: changes of rows that are written once.

Made by migrations, and again after each ``migrate``: on SQLite a later change of a table's columns builds it anew and
drops its triggers without a word. Whoever owns the tables can take all this away; what then happens to the trail its
seals show (orgs/services/seals.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True, slots=True)
class Guard:
    """An ``event`` (UPDATE, DELETE, INSERT or TRUNCATE) on rows of ``table`` that the database refuses.

    ``unless`` is the condition under which it passes, in SQL on OLD and NEW; ``{same}`` in it is the comparison that
    takes two nulls for the same. Where the condition is neither true nor false it does not pass. ``asks`` is another
    table that it looks into. What is refused raises :class:`django.db.IntegrityError`.
    """

    table: str
    event: str
    message: str
    unless: str = ""
    asks: str = ""

    @property
    def name(self) -> str:
        """The trigger's name, and on PostgreSQL its function's."""
        return f"{self.table}_guards_{self.event.lower()}"

    def sqlite(self, *, is_migrating: bool = False) -> str:
        """Return the statement that makes it on SQLite.

        SQLite refuses to rename a table, which is how Django changes one, while a trigger names a table that is gone
        for that moment. So while ``is_migrating`` what asks another table refuses everything.
        """
        passes = "" if is_migrating and self.asks else self.unless.format(same="IS")
        when = f" WHEN ({passes}) IS NOT TRUE" if passes else ""
        return (
            f"CREATE TRIGGER {self.name} BEFORE {self.event} ON {self.table} FOR EACH ROW{when}"
            f" BEGIN SELECT RAISE(ABORT, '{self.message}'); END"
        )

    @property
    def body(self) -> str:
        """What its function does on PostgreSQL."""
        row = {"DELETE": "OLD", "TRUNCATE": "NULL"}.get(self.event, "NEW")
        passes = self.unless.format(same="IS NOT DISTINCT FROM") or "FALSE"
        return (
            f" BEGIN IF {passes} THEN RETURN {row}; END IF;"
            f" RAISE EXCEPTION '{self.message}' USING ERRCODE = 'restrict_violation'; END "
        )

    def postgresql(self, schema: str) -> tuple[str, str]:
        """Return the two statements that make its function and its trigger on PostgreSQL.

        The function looks for tables in ``schema`` alone: in the caller's own search path a temporary table called
        like one of ours would be found before it.
        """
        each = "STATEMENT" if self.event == "TRUNCATE" else "ROW"
        function = (
            f"CREATE OR REPLACE FUNCTION {self.name}() RETURNS trigger LANGUAGE plpgsql"
            f" SET search_path = {schema}, pg_temp AS $${self.body}$$"
        )
        trigger = (
            f"CREATE TRIGGER {self.name} BEFORE {self.event} ON {self.table}"
            f" FOR EACH {each} EXECUTE FUNCTION {self.name}()"
        )
        return function, trigger


def written_once(  # one table's
    table: str,
    message: str,
    *,
    update_unless: str = "",
    delete_unless: str = "",
    asks: str = "",
    also_unique: str = "",
) -> tuple[Guard, ...]:
    """Return what keeps the rows of ``table`` as they were written, by whichever way a statement comes.

    ``asks`` is the table that ``delete_unless`` looks into, ``also_unique`` says in SQL on ``known`` and NEW when
    another row of the table stands in the way of a new one.
    """
    # There -1 is what NEW.id is before a row has one: a row that was given that id must not stop all others.
    same = "known.id = NEW.id AND NEW.id <> -1" + (f" OR ({also_unique})" if also_unique else "")
    return (
        Guard(table, "UPDATE", message, update_unless),
        Guard(table, "DELETE", message, delete_unless, asks),
        Guard(table, "TRUNCATE", message),
        # SQLite's INSERT OR REPLACE deletes what is in its way without asking the trigger that guards deletes.
        Guard(table, "INSERT", message, f"NOT EXISTS (SELECT 1 FROM {table} known WHERE {same})"),  # noqa: S608
    )


TRAIL_GUARDS = (
    *written_once(
        "orgs_auditevent",
        "The trail is append-only.",
        delete_unless=(
            "EXISTS (SELECT 1 FROM orgs_auditarchive archived"
            " WHERE archived.organization_id = OLD.organization_id AND archived.last_event_id >= OLD.id)"
        ),
        asks="orgs_auditarchive",
    ),
    *written_once(
        "orgs_auditseal",
        "Seals of the trail are append-only.",
        also_unique="known.organization_id = NEW.organization_id AND known.number = NEW.number",
    ),
    *written_once("orgs_auditarchive", "Archives of the trail are append-only."),
)


def install(connection: "BaseDatabaseWrapper", guards: Iterable[Guard], *, is_migrating: bool = False) -> None:
    """Make those of ``guards`` that are not there, or not as they are to be. Those of tables not yet made wait.

    ``is_migrating`` where tables may still change before ``migrate`` is over (see :meth:`Guard.sqlite`).
    """
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        here = [guard for guard in guards if guard.table in tables]
        if connection.vendor == "sqlite":
            _install_on_sqlite(cursor, here, is_migrating=is_migrating)
        else:
            _install_on_postgresql(cursor, here)


def remove(connection: "BaseDatabaseWrapper", guards: Iterable[Guard]) -> None:
    """Take ``guards`` away: to migrate back, or to empty a test's database."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for guard in guards:
            if connection.vendor == "sqlite":
                cursor.execute(f"DROP TRIGGER IF EXISTS {guard.name}")
                continue
            # Of a table that is not there either, PostgreSQL says so and goes on.
            cursor.execute(f"DROP TRIGGER IF EXISTS {guard.name} ON {guard.table}")
            cursor.execute(f"DROP FUNCTION IF EXISTS {guard.name}()")


def _install_on_sqlite(cursor: "CursorWrapper", guards: Sequence[Guard], *, is_migrating: bool) -> None:
    cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    known = dict(cursor.fetchall())
    for guard in guards:
        statement = guard.sqlite(is_migrating=is_migrating)
        # SQLite has no TRUNCATE.
        if guard.event != "TRUNCATE" and known.get(guard.name) != statement:
            cursor.execute(f"DROP TRIGGER IF EXISTS {guard.name}")
            cursor.execute(statement)


def _install_on_postgresql(cursor: "CursorWrapper", guards: Sequence[Guard]) -> None:
    # As they stand, in force, on the tables that are meant: another schema may have tables of the same names.
    cursor.execute(
        "SELECT made.tgname, called.prosrc FROM pg_trigger made JOIN pg_proc called ON called.oid = made.tgfoid"
        " WHERE NOT made.tgisinternal AND made.tgenabled IN ('O', 'A') AND pg_table_is_visible(made.tgrelid)"
        " AND called.proconfig IS NOT NULL"
    )
    known = dict(cursor.fetchall())
    cursor.execute("SELECT quote_ident(current_schema())")
    (schema,) = cursor.fetchone()
    for guard in guards:
        # There an INSERT can't replace a row: the key refuses it.
        if guard.event != "INSERT" and known.get(guard.name) != guard.body:
            function, trigger = guard.postgresql(schema)
            cursor.execute(function)
            cursor.execute(f"DROP TRIGGER IF EXISTS {guard.name} ON {guard.table}")
            cursor.execute(trigger)
