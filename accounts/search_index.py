"""The index that finds users by a part of what they are called, made by migration 0012.

One text a user: the name, the username, the alias and the e-mail address, each with a space before it, so that the
beginning of a word is a part of the text too: what follows a space.

On PostgreSQL a trigram index (pg_trgm) over that expression. On SQLite a table of FTS5 that holds each text's trigrams,
and triggers that keep it; a later change of a column builds the users' table anew and drops those without a word, so
they are looked at after each ``migrate``.
"""

from typing import TYPE_CHECKING

from django.db import transaction

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.utils import CursorWrapper

USERS = "accounts_user"
COLUMNS = ("name_key", "username", "alias_key", "email")
# SQLite's table, and PostgreSQL's index.
TABLE = "accounts_usersearch"
INDEX = "user_search"


def text_sql(columns: "tuple[str, ...]" = COLUMNS, *, vendor: str) -> str:
    """Return a user's text in SQL, of :data:`COLUMNS` as a statement names them.

    The keys and the username are in lower case as they are. Of the address A to Z alone are made so, on both databases
    alike: what else ``lower()`` does hangs on the database's language.
    """
    *keys, email = columns
    email = f'lower({email} COLLATE "C")' if vendor == "postgresql" else f"lower({email})"
    parts = " || ' ' || ".join((*keys, email))
    return f"(' ' || {parts})"


# --- PostgreSQL --------------------------------------------------------------------------------------------------

# Beside users who work, so outside a transaction: what is left of one that failed goes first. Every sign-in writes the
# user's row anew, and so in this index: the list of pending entries (kB) makes that cheap, and every search reads it.
_TRIGRAMS = f"({text_sql(vendor='postgresql')} gin_trgm_ops)"
POSTGRESQL_FORWARD = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}",
    f"CREATE INDEX CONCURRENTLY {INDEX} ON {USERS} USING gin {_TRIGRAMS} WITH (gin_pending_list_limit = 256)",
)
# The extension stays: others may use it.
POSTGRESQL_BACKWARD = (f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}",)


# --- SQLite ------------------------------------------------------------------------------------------------------


def _fts_text(row: str = "") -> str:
    # Two spaces before each word: so even one letter is the end of a trigram.
    text = text_sql(tuple(f"{row}{column}" for column in COLUMNS), vendor="sqlite")
    return f"replace({text}, ' ', '  ')"


_TABLE_SQL = (
    f"CREATE VIRTUAL TABLE IF NOT EXISTS {TABLE} USING fts5"
    "(text, content='', detail=none, columnsize=0, tokenize='trigram case_sensitive 1')"
)
_ADD = f"INSERT INTO {TABLE} (rowid, text) VALUES (NEW.id, {_fts_text('NEW.')});"  # noqa: S608  # all names are ours
# A table without content has to be told what it held.
_TAKE = f"INSERT INTO {TABLE} ({TABLE}, rowid, text) VALUES ('delete', OLD.id, {_fts_text('OLD.')});"  # noqa: S608
_IS_OTHER = f"OLD.id <> NEW.id OR {_fts_text('OLD.')} <> {_fts_text('NEW.')}"
TRIGGERS = {
    f"{TABLE}_insert": f"AFTER INSERT ON {USERS} BEGIN {_ADD} END",
    f"{TABLE}_delete": f"AFTER DELETE ON {USERS} BEGIN {_TAKE} END",
    f"{TABLE}_update": (
        f"AFTER UPDATE OF id, {', '.join(COLUMNS)} ON {USERS} WHEN {_IS_OTHER} BEGIN {_TAKE} {_ADD} END"
    ),
}


def make_search_table(connection: "BaseDatabaseWrapper") -> None:
    """Make SQLite's table with its triggers, and fill it."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(_TABLE_SQL)
        _fill(cursor)


def drop_search_table(connection: "BaseDatabaseWrapper") -> None:
    """Take them away."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for name in TRIGGERS:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")


def mend_search_table(connection: "BaseDatabaseWrapper") -> None:
    """Make SQLite's triggers anew where one is not as it is to be, and fill the table: rows may have changed meanwhile.

    Before the migration that makes the table, nothing.
    """
    if connection.vendor != "sqlite":
        return
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s OR name = %s", [USERS, TABLE]
        )
        known = dict(cursor.fetchall())
        if TABLE in known and any(known.get(name) != _trigger_sql(name) for name in TRIGGERS):
            _fill(cursor)


def _trigger_sql(name: str) -> str:
    return f"CREATE TRIGGER {name} {TRIGGERS[name]}"


def _fill(cursor: "CursorWrapper") -> None:
    for name in TRIGGERS:
        cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        cursor.execute(_trigger_sql(name))
    cursor.execute(f"INSERT INTO {TABLE} ({TABLE}) VALUES ('delete-all')")  # noqa: S608
    cursor.execute(f"INSERT INTO {TABLE} (rowid, text) SELECT id, {_fts_text()} FROM {USERS} ORDER BY id")  # noqa: S608
