"""One site with many sessions, in a process of its own: it ends some in each way, and prints what it took."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from tests.benchmarks.configuration import configure
from tests.benchmarks.contenders import PLAIN, PORTAL
from tests.benchmarks.worker import TRANSACTION_CONTROL, database_version

if TYPE_CHECKING:
    from collections.abc import Callable

OF_EACH = 10  # sessions of each person


@dataclass(frozen=True, slots=True)
class Size:
    """How many sessions go on, how many are one person's, how many visits are open, and how many have run out."""

    sessions: int
    of_one: int
    visits: int
    expired: int

    @property
    def people(self) -> int:
        """How many people there are."""
        return self.sessions // OF_EACH


class Statements:
    """Counts what is asked of the database, transaction control apart."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:  # noqa: ANN401  # Django's wrapper
        self.count += not TRANSACTION_CONTROL.match(sql)
        return execute(sql, *rest)


@dataclass(frozen=True, slots=True)
class Figure:
    """How long something took, and how many statements."""

    seconds: float
    statements: int


def measured(act: Callable[[], object]) -> Figure:
    """Do something, and return how long it took and how many statements."""
    statements = Statements()
    with connection.execute_wrapper(statements):
        began_at = time.perf_counter()
        act()
        seconds = time.perf_counter() - began_at
    return Figure(seconds, statements.count)


def check(found: object, expected: object) -> None:
    """Stop where something else was done than was to be measured."""
    if found != expected:
        raise SystemExit(f"{found} instead of {expected}")


def main() -> None:
    """Make a site's rows, end them, and print one line of JSON."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as reply:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        name = os.environ["SITE"]
        configure(PORTAL if name == "portal" else PLAIN)
        call_command("migrate", verbosity=0)
        size = Size(**json.loads(os.environ["SIZES"]))
        site = import_module(f"tests.benchmarks.endings_{name}").Site(size, at=timezone.now() - timedelta(minutes=1))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        figures = {what: asdict(getattr(site, f"end_{what}")()) for what in ("one", "many", "visits", "expired")}
        reply.write(json.dumps({"database": database_version(), **figures}) + "\n")


if __name__ == "__main__":
    main()
