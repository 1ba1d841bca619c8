"""Counting what a request asks the database, transaction control apart."""

from collections.abc import Generator
from contextlib import contextmanager

from django.db import connection
from django.test.utils import CaptureQueriesContext

_CONTROL = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT")


@contextmanager
def captured_queries() -> Generator[list[str]]:
    """Collect the statements that run inside; the list fills when the block ends."""
    statements: list[str] = []
    with CaptureQueriesContext(connection) as context:
        yield statements
    statements += [query["sql"] for query in context.captured_queries if not query["sql"].startswith(_CONTROL)]
