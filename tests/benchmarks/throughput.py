"""How many requests a second gunicorn answers: the portal beside plain Django and django-hijack, and under mixed load.

DATABASE_URL=postgres://… python -m tests.benchmarks.throughput
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tests.benchmarks.contenders import HIJACK, PLAIN, PORTAL, Contender
from tests.benchmarks.databases import fresh_postgresql
from tests.benchmarks.machine import description, installed
from tests.benchmarks.report import table
from tests.load.programs import ROOT, ask
from tests.load.run import SIZES as LOADS
from tests.load.run import portal_under_load
from tests.load.server import THREADS, WORKERS, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.load.server import Server
    from tests.load.tally import Tally

# As many as there are threads that answer: more would wait, and the driver has to share the processors.
CONNECTIONS = WORKERS * THREADS
# What actors send, as the rows of the table name it.
KINDS: dict[str, tuple[str, ...]] = {
    "everything": (),
    "users list": ("users list",),
    "a user's page": ("user page",),
    "start": ("start",),
    "inside: Home, list, edit": ("home, inside", "users list, inside", "edit, inside page", "edit, inside"),
    "edit, outside": ("edit page", "edit"),
    "leave": ("leave",),
    "sign in, its page and its form": ("sign-in page", "sign in"),
}


@dataclass(frozen=True, slots=True)
class Size:
    """How many rounds, and for how many seconds each case is asked in one."""

    rounds: int
    seconds: float


SIZES = {"full": Size(rounds=6, seconds=1.0), "small": Size(rounds=2, seconds=0.3)}


class WrongAnswerError(AssertionError):
    """Someone was taken for someone else."""


@dataclass(slots=True)
class Case:
    """One request that is sent again and again to one server."""

    words: str
    port: int
    request: bytes
    expected: bytes
    per_second: list[float] = field(default_factory=list)


class Asker(asyncio.Protocol):
    """One connection: sends the request, and again as soon as its answer is whole, until it is told to stop."""

    def __init__(self, case: Case, until: float) -> None:
        self.case, self.until = case, until
        self.answers = 0
        self.received = b""
        self.transport: Any = None
        self.done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(self.case.request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, blank, body = self.received.partition(b"\r\n\r\n")
        if not blank or not _is_whole(head, body):
            return
        if not head.startswith(b"HTTP/1.1 200") or self.case.expected not in body.split():
            self.done.set_exception(WrongAnswerError(f"{self.case.words}: {self.received[:400]!r}"))
            self.transport.close()
            return
        self.received = b""
        self.answers += 1
        if time.monotonic() < self.until:
            self.transport.write(self.case.request)
        else:
            self.transport.close()
            self.done.set_result(self.answers)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


def _is_whole(head: bytes, body: bytes) -> bool:
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(lower.partition(b"content-length:")[2].split(b"\r\n")[0])


async def ask_at_once(case: Case, seconds: float) -> float:
    """Ask over all connections at once for so long, and return the answers of a second."""
    loop, began = asyncio.get_running_loop(), time.monotonic()
    askers = [
        await loop.create_connection(lambda: Asker(case, began + seconds), "127.0.0.1", case.port)
        for _ in range(CONNECTIONS)
    ]
    answers = sum(await asyncio.gather(*(asker.done for _, asker in askers)))
    return answers / (time.monotonic() - began)


def cases_of(contender: Contender, server: Server, made: dict[str, dict[str, Any]]) -> Iterator[Case]:
    """Yield what a contender's server is asked."""
    for is_all in (False, True) if contender.is_portal else (False,):
        for words, who in made.items():
            cookies = "; ".join(f"{name}={value}" for name, value in who["cookies"].items())
            lines = ["GET /whoami/ HTTP/1.1", "Host: testserver", f"Cookie: {cookies}", "X-Forwarded-Proto: https"]
            if is_all:
                lines.append("X-All-Middleware: 1")
            label = f"{contender.label}, {words}{', all of its middleware' if is_all else ''}"
            yield Case(label, server.port, "\r\n".join([*lines, "", ""]).encode(), who["expected"].encode())


def request_rows(size: Size, server_url: str) -> Iterator[tuple[str, ...]]:
    """Serve everybody, ask in interleaved rounds, and yield a row for each case."""
    contenders = [one for one in (PLAIN, HIJACK, PORTAL) if installed(one.distribution)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="throughput-")))
        cases: list[Case] = []
        for contender in contenders:
            url = stack.enter_context(fresh_postgresql(f"served_{contender.name}", server_url))
            environment = os.environ | {
                "ALLOWED_HOSTS": "testserver",
                "CONTENDER": contender.name,
                "DATABASE_URL": url,
                "DEBUG": "false",
                "LOG_LEVEL": "ERROR",
                "SECRET_KEY": secrets.token_urlsafe(50),
                "STATIC_ROOT": str(ROOT / "portal" / "static"),  # some folder that is there: no file is asked for
                "TRUSTED_PROXY_COUNT": "1",
            }
            made = ask("tests.benchmarks.served", environment, {})
            server = stack.enter_context(serving("tests.benchmarks.served", environment, folder))
            cases += cases_of(contender, server, made)
        for case in cases:
            asyncio.run(ask_at_once(case, size.seconds / 2))  # not counted: the first in each process
        for _ in range(size.rounds):
            for case in random.sample(cases, len(cases)):
                case.per_second.append(asyncio.run(ask_at_once(case, size.seconds)))
    plain = cases[0]
    for case in cases:
        ratio = median(own / other for own, other in zip(case.per_second, plain.per_second, strict=True))
        low, high = min(case.per_second), max(case.per_second)
        yield case.words, f"{median(case.per_second):,.0f}", f"{ratio:.2f}", f"{low:,.0f} to {high:,.0f}"


def load_rows(tally: Tally) -> Iterator[tuple[str, ...]]:
    """Yield a row for what was asked, kind by kind."""
    for words, kinds in KINDS.items():
        number, half, most, nearly = tally.times(kinds)
        yield (
            words,
            f"{number:,}",
            f"{number / max(tally.seconds(), 0.1):,.1f}",
            *(f"{1000 * seconds:,.0f}" for seconds in (half, most, nearly)),
            str(tally.errors(kinds)),
        )


def load_lines(size: str, server_url: str) -> Iterator[str]:
    """Yield the table of the mixed load, and what was found in the database afterwards."""
    wanted = LOADS[size]
    with fresh_postgresql("load", server_url) as url, portal_under_load(wanted, url) as load:
        tally = asyncio.run(load.run())
        found, errors = load.troubles(tally), load.server.errors()
        yield (
            f"Mixed load: {wanted.actors} actors at once for {wanted.seconds:.0f} s, {wanted.pause} s on a page on "
            f"average; {wanted.users:,} users; {WORKERS} workers with {THREADS} threads each, PostgreSQL and the "
            "driver on the same processors. Passwords have MD5 hashes: Argon2 would take some 50 ms of one."
        )
        yield ""
        heads = ("asked", "answers", "a second", "p50, ms", "p95, ms", "p99, ms", "errors")
        yield from table(heads, load_rows(tally))
    counts = found["counts"]
    saved = sum(1 for outcome in tally.edits.values() if outcome == "saved")
    statuses = ", ".join(f"{status}: {number:,}" for status, number in sorted(tally.statuses().items()))
    yield ""
    yield (
        f"Answers by status: {statuses}. Visits: {counts['visits']:,}, {counts['open']:,} of them open at the end; "
        f"edits answered as saved: {saved:,}, rows of the trail that tell of one: {counts['changes']:,}. "
        f"Invariants: {counts['checks']} looked at, {len(found['violations'])} broken. "
        f"Traces in the server's log: {errors.total()}."
    )
    for name, sentences in found["violations"].items():
        yield f"- BROKEN, {name}: {'; '.join(sentences[:5])}"
    for words in tally.foul[:5]:
        yield f"- FOUL: {words}"


def tables(size: str, server_url: str | None) -> Iterator[str]:
    """Yield both tables as lines of Markdown; ``size`` is "full" or "small". Needs a PostgreSQL server."""
    if not server_url:
        yield "Throughput was not measured: set DATABASE_URL=postgres://… to a server where databases may be created."
        return
    chosen = SIZES[size]
    yield (
        f"gunicorn, {WORKERS} workers with {THREADS} threads each, {CONNECTIONS} connections that stay open, "
        f"{chosen.rounds} rounds of {chosen.seconds} s each, everybody in turns, PostgreSQL and the driver on the same "
        "processors. The view answers with `request.user.pk`."
    )
    yield ""
    heads = ("one request", "a second, median", "× plain", "rounds")
    yield from table(heads, request_rows(chosen, server_url))
    yield ""
    yield from load_lines(size, server_url)
    yield ""


def main() -> None:
    """Print them."""
    print(f"# Throughput\n\n{description()}\n")
    size = "small" if os.environ.get("SIZE") == "small" else "full"
    for line in tables(size, os.environ.get("DATABASE_URL")):
        print(line, flush=True)


if __name__ == "__main__":
    main()
