"""Measure what it costs to know who is asking, beside plain Django and the libraries one could use instead.

Every contender is a process of its own with a database of its own: a thousand other users with a session each, the
same connection options for all, connections that stay open. The view is ``HttpResponse(request.user.pk)``, asked
through Django's WSGI handler and timed from the environ to the closed response. Before it stand only the middleware
that identity needs: sessions, authentication, and each library's own as its documentation says. No CSRF check
(requests are excused from it, as those of Django's test client are), no security headers, no compression. The portal
is measured like that and, for information, with all of its middleware, which also surrounds its start and leave. A
round is one batch of each case in a new order, each batch after some requests that are not counted and with the
garbage collector at rest. A figure is the median of the rounds' medians; a ratio is taken within each round, and the
median of those is shown. Answers are checked, times never.

    python -m tests.benchmarks                   # everybody; SQLite, and PostgreSQL where DATABASE_URL names one
    python -m tests.benchmarks plain portal      # only these
    SIZE=small python -m tests.benchmarks        # a few rounds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO, TYPE_CHECKING, Any

from tests.benchmarks.contenders import CONTENDERS, PLAIN, Contender
from tests.benchmarks.databases import fresh_postgresql, fresh_sqlite
from tests.benchmarks.machine import description, installed
from tests.benchmarks.report import Figures, report

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int
    requests: int
    visits: int


SIZES = {
    "full": Size(rounds=120, requests=12, visits=2),
    "small": Size(rounds=3, requests=5, visits=1),
}


@dataclass(slots=True)
class Worker:
    """A contender's process, seen from the parent."""

    contender: Contender
    process: subprocess.Popen[str]
    cases: tuple[str, ...] = ()
    database: str = ""

    def read(self) -> dict[str, Any]:
        """Read one answer."""
        line = stream(self.process.stdout).readline()
        if not line:
            raise SystemExit(f"{self.contender.label} ended before it answered; its words stand above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, **order: object) -> dict[str, Any]:
        """Give one order and wait for the answer."""
        stdin = stream(self.process.stdin)
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        return self.read()


def stream(pipe: IO[str] | None) -> IO[str]:
    """Return the pipe, which Popen was asked for."""
    if pipe is None:
        raise TypeError
    return pipe


@contextmanager
def running(contender: Contender, database_url: str) -> Iterator[Worker]:
    """Run the contender's process; closing its input ends it."""
    environment = os.environ | {
        "ALLOWED_HOSTS": "testserver",
        "CONTENDER": contender.name,
        "DATABASE_URL": database_url,
        "DEBUG": "false",
        "LOG_LEVEL": "ERROR",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "STATIC_ROOT": str(ROOT / "portal" / "static"),  # some folder that is there: no file is asked for
        **dict(contender.environment),
    }
    command = [sys.executable, "-m", "tests.benchmarks.worker"]
    with subprocess.Popen(  # noqa: S603  # this very Python
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        yield Worker(contender, process)


def measure(workers: list[Worker], size: Size) -> Figures:
    """Count each case's statements, then go round and round."""
    figures = Figures()
    turns = [(worker, case) for worker in workers for case in worker.cases]
    for worker, case in turns:
        for step, statements in worker.ask(case=case).items():
            figures.statements[worker.contender.name, case, step] = len(statements)
            figures.nanoseconds[worker.contender.name, case, step] = []
    for _ in range(size.rounds):
        for worker, case in random.sample(turns, len(turns)):
            times = size.visits if case.startswith("visit") else size.requests
            for step, taken in worker.ask(case=case, times=times).items():
                figures.nanoseconds[worker.contender.name, case, step].append(median(taken))
    return figures


def run(contenders: tuple[Contender, ...], server_url: str | None, size: Size) -> Iterator[str]:
    """Yield the tables of one database."""
    with ExitStack() as stack:
        workers = []
        for contender in contenders:
            fresh = fresh_postgresql(contender.name, server_url) if server_url else fresh_sqlite(contender.name)
            workers.append(stack.enter_context(running(contender, stack.enter_context(fresh))))
        for worker in workers:
            ready = worker.read()
            worker.cases, worker.database = tuple(ready["cases"]), ready["database"]
        yield f"## {workers[0].database}"
        yield ""
        yield from report(measure(workers, size), contenders)
        yield ""


def chosen(names: list[str]) -> tuple[Contender, ...]:
    """Return plain Django and whoever was named and is installed; say who is not."""
    wanted = [CONTENDERS[name] for name in names] if names else list(CONTENDERS.values())
    for contender in wanted:
        if not installed(contender.distribution):
            print(f"{contender.label} is not installed: pip install -r requirements/benchmark.txt\n")
    present = [contender for contender in wanted if installed(contender.distribution)]
    return tuple(dict.fromkeys([PLAIN, *present]))


def main() -> None:
    """Measure on SQLite, then on PostgreSQL where there is one, and print tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("contender", nargs="*", help=f"only these, and plain Django: {', '.join(CONTENDERS)}")
    names = parser.parse_args().contender
    if unknown := ", ".join(name for name in names if name not in CONTENDERS):
        parser.error(f"unknown: {unknown}")
    contenders = chosen(names)
    size = SIZES["small" if os.environ.get("SIZE") == "small" else "full"]
    print(f"# Who is asking, and what it costs to know\n\n{description()}\n")
    print((__doc__ or "").partition("\n\n    python")[0].partition("\n\n")[2])
    print(f"\n{size.rounds} rounds of {size.requests} requests and {size.visits} visits.\n")
    on_sqlite = tuple(contender for contender in contenders if not contender.postgresql_only)
    for line in run(on_sqlite, None, size):
        print(line, flush=True)
    server_url = os.environ.get("DATABASE_URL", "")
    if not server_url.startswith(("postgres://", "postgresql://")):
        print("PostgreSQL was not measured: set DATABASE_URL=postgres://… to a server where databases may be created.")
        return
    for line in run(contenders, server_url, size):
        print(line, flush=True)


if __name__ == "__main__":
    main()
