"""A fresh database for each contender: a file, or a PostgreSQL database that is dropped again."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def fresh_sqlite(name: str) -> Iterator[str]:
    """Yield the URL of a new SQLite file that is deleted afterwards."""
    with TemporaryDirectory(prefix=f"benchmark-{name}-") as folder:
        yield f"sqlite:///{Path(folder) / 'benchmark.sqlite3'}"


@contextmanager
def fresh_postgresql(name: str, server_url: str) -> Iterator[str]:
    """Yield the URL of a new database beside the one that DATABASE_URL names, and drop it afterwards."""
    import psycopg  # noqa: PLC0415  # SQLite alone needs no driver
    from psycopg import sql  # noqa: PLC0415

    parts = urlsplit(server_url)
    database = f"{parts.path.strip('/') or 'portal'}_benchmark_{name}"
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
    with psycopg.connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True) as connection:
        connection.execute(drop)  # what a killed run left
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        try:
            yield urlunsplit(parts._replace(path=f"/{database}"))
        finally:
            connection.execute(drop)
