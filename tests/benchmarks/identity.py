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

    python -m tests.benchmarks who               # everybody; SQLite, and PostgreSQL where DATABASE_URL names one
    python -m tests.benchmarks plain portal      # only these
"""

from __future__ import annotations

import random
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from tests.benchmarks.contenders import CONTENDERS, PLAIN, Contender
from tests.benchmarks.databases import fresh_postgresql, fresh_sqlite
from tests.benchmarks.machine import installed
from tests.benchmarks.processes import Process, running, say
from tests.benchmarks.report import Figures, report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int
    requests: int
    visits: int


SIZES = {
    "full": Size(rounds=80, requests=12, visits=2),
    "small": Size(rounds=3, requests=5, visits=1),
}


@dataclass(slots=True)
class Worker:
    """A contender's process, and what it can be asked."""

    contender: Contender
    process: Process
    cases: tuple[str, ...] = ()
    database: str = ""


def measure(workers: list[Worker], size: Size) -> Figures:
    """Count each case's statements, then go round and round."""
    figures = Figures()
    turns = [(worker, case) for worker in workers for case in worker.cases]
    for worker, case in turns:
        for step, statements in worker.process.ask(case=case).items():
            figures.statements[worker.contender.name, case, step] = len(statements)
            figures.nanoseconds[worker.contender.name, case, step] = []
    for _ in range(size.rounds):
        for worker, case in random.sample(turns, len(turns)):
            times = size.visits if case.startswith("visit") else size.requests
            for step, taken in worker.process.ask(case=case, times=times).items():
                figures.nanoseconds[worker.contender.name, case, step].append(median(taken))
    return figures


def run(contenders: tuple[Contender, ...], server_url: str | None, size: Size) -> Iterator[str]:
    """Yield the tables of one database."""
    with ExitStack() as stack:
        workers = []
        for contender in contenders:
            fresh = fresh_postgresql(contender.name, server_url) if server_url else fresh_sqlite(contender.name)
            environment = {"CONTENDER": contender.name, **dict(contender.environment)}
            process = running(contender.label, "tests.benchmarks.worker", stack.enter_context(fresh), **environment)
            workers.append(Worker(contender, stack.enter_context(process)))
        for worker in workers:
            ready = worker.process.read()
            worker.cases, worker.database = tuple(ready["cases"]), ready["database"]
        say(f"who: {size.rounds} rounds on {workers[0].database}")
        yield f"### {workers[0].database}"
        yield ""
        yield from report(measure(workers, size), contenders)
        yield ""


def chosen(names: Sequence[str]) -> tuple[Contender, ...]:
    """Return plain Django and whoever was named and is installed; say who is not."""
    wanted = [CONTENDERS[name] for name in names] if names else list(CONTENDERS.values())
    for contender in wanted:
        if not installed(contender.distribution):
            say(f"{contender.label} is not installed: pip install -r requirements/benchmark.txt")
    present = [contender for contender in wanted if installed(contender.distribution)]
    return tuple(dict.fromkeys([PLAIN, *present]))


def tables(size: str, server_url: str | None, names: Sequence[str] = ()) -> Iterator[str]:
    """Yield the tables of SQLite, then of PostgreSQL where there is one; of all contenders, or of those named."""
    contenders, asked = chosen(names), SIZES[size]
    yield from (__doc__ or "").partition("\n\n    python")[0].partition("\n\n")[2].splitlines()
    yield ""
    yield f"{asked.rounds} rounds of {asked.requests} requests and {asked.visits} visits."
    yield ""
    yield from run(tuple(contender for contender in contenders if not contender.postgresql_only), None, asked)
    if server_url:
        yield from run(contenders, server_url, asked)
