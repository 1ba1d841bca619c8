"""What the database refuses, taken away for a moment: to make what no code of ours can make."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.test import TransactionTestCase

from accounts.triggers import VISIT_GUARDS
from orgs.triggers import TRAIL_GUARDS, install, remove

GUARDS = (*TRAIL_GUARDS, *VISIT_GUARDS)


@contextmanager
def unguarded() -> Iterator[None]:
    """Let rows be changed that are written once."""
    remove(connection, GUARDS)
    try:
        yield
    finally:
        install(connection, GUARDS)


def lift_guards_for_flush() -> None:
    """Let Django empty the tables after a test that committed.

    ``flush`` sends ``post_migrate``, which makes the guards anew.
    """
    flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]  # noqa: SLF001  # the one place for it

    def lifted(case: TransactionTestCase) -> None:
        remove(connection, GUARDS)
        flush(case)

    TransactionTestCase._fixture_teardown = lifted  # type: ignore[attr-defined]  # noqa: SLF001
