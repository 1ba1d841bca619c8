"""One contender in a process of its own: it does what the parent's lines ask and answers each with a line of JSON."""

from __future__ import annotations

import gc
import json
import os
import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, TextIO

from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.benchmarks.configuration import configure
from tests.benchmarks.contenders import CONTENDERS, Contender

if TYPE_CHECKING:
    from tests.benchmarks.traffic import Case

TRANSACTION_CONTROL = re.compile(r"(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b", re.IGNORECASE)


def open_site(contender: Contender) -> dict[str, Case]:
    """Make tables and people, and return what can be asked."""
    site = import_module(f"tests.benchmarks.{'portal' if contender.is_portal else 'stock'}_site")
    call_command("migrate", verbosity=0)
    cast = site.make_cast(contender)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    cases: dict[str, Case] = site.make_cases(cast)
    gc.collect()
    gc.freeze()
    return cases


def database_version() -> str:
    """Return the name and version of the database, which only a connection knows."""
    number = ".".join(str(part) for part in connection.get_database_version())
    return f"{connection.display_name} {number}"


def statements_of(case: Case) -> dict[str, list[str]]:
    """Return the statements of each step the second time round (the first use of a session is written down)."""
    go_through(case)
    found = {}
    for step in case:
        with CaptureQueriesContext(connection) as captured:
            step.do()
        texts = [query["sql"] for query in captured.captured_queries]
        found[step.name] = [text for text in texts if not TRANSACTION_CONTROL.match(text)]
        step.then()
    return found


def go_through(case: Case) -> None:
    """Do each step, unmeasured."""
    for step in case:
        step.do()
        step.then()


def timed_batch(case: Case, times: int) -> dict[str, list[int]]:
    """Return the nanoseconds of each step so many times, after a quarter as many that are not counted."""
    go_through(case * (1 + times // 4))  # other processes had the caches meanwhile
    taken: dict[str, list[int]] = {step.name: [] for step in case}
    gc.collect()
    gc.disable()  # as the standard library's timeit does
    try:
        for step in case * times:
            taken[step.name].append(step.do())
            step.then()
    finally:
        gc.enable()
    return taken


def serve(contender: Contender, replies: TextIO) -> None:
    """Answer line by line until the parent closes the pipe."""
    cases = open_site(contender)
    replies.write(json.dumps({"cases": list(cases), "database": database_version()}) + "\n")
    replies.flush()
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        case = cases[order["case"]]
        answer = timed_batch(case, order["times"]) if "times" in order else statements_of(case)
        replies.write(json.dumps(answer) + "\n")
        replies.flush()


def main() -> None:
    """Keep standard output for answers, whatever a library may print, and serve."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as replies:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        contender = CONTENDERS[os.environ["CONTENDER"]]
        configure(contender)
        serve(contender, replies)


if __name__ == "__main__":
    main()
