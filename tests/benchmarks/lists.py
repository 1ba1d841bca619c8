"""Lists of many rows: the portal's beside Django's admin change list and django-impersonate's, on the same rows.

All users are in one organization, made by the service behind ``manage.py seed_load``, in a database of its own: so many
at first, measured, then topped up and measured again. The portal is a process of its own, its peers are another, on one
database and one table of users. The admin has the portal's columns, its four fields for search, its filters and its
order, 50 rows a page, ``list_select_related``, and is narrowed to the organization, so that the portal's indexes serve
it as well; it is measured as it is by itself and with ``show_full_result_count = False``. Around it and
django-impersonate stand stock middleware, sessions and templates; the portal has all of its own. Both peers ask for
permission as of a superuser, without a query. Of sessions there are as many as of users, of sign-ins, grants and events
a fifth, of visits a tenth. The admin lists those very rows too, with columns of its own, in the portal's order.

A figure is the time of a whole request, in milliseconds from the WSGI environ to the closed response: the median over
rounds, in each of which every page is asked for in a new order. Each batch comes after a request that is not counted; a
page that takes more than 0.2 s is asked for once a round, in fewer rounds. A ratio is between medians. Numbers in a
cell stand for the numbers of users, one after the other; statements are one number where they are the same for all.
Who stands on a page is compared between the contenders, times never.

    python -m tests.benchmarks.lists
"""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.benchmarks.databases import fresh_postgresql, fresh_sqlite
from tests.benchmarks.list_cases import CASES, OTHER_CASES, USER_CASES, ListCase
from tests.benchmarks.processes import Process, running, say
from tests.benchmarks.report import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SLOW_ROUNDS = 2
SLOW = 0.2e9  # nanoseconds


@dataclass(frozen=True, slots=True)
class Size:
    """How many users there are, one number after the other, and how often a page is asked for."""

    users: tuple[int, ...]
    rounds: int
    requests: int


SIZES = {
    "full": Size(users=(10_000, 100_000, 1_000_000), rounds=3, requests=2),
    "small": Size(users=(5_000,), rounds=1, requests=1),
    "tiny": Size(users=(110,), rounds=1, requests=0),  # for a test
}
CONTENDERS = {
    "portal": "portal",
    "admin": "Django admin",
    "admin less": "the same, no full count",
    "impersonate": "django-impersonate",
}
Key = tuple[str, str]  # contender, case


@dataclass(slots=True)
class Figures:
    """What one database's run found: for each page one entry a number of users."""

    statements: dict[Key, list[int]] = field(default_factory=dict)
    milliseconds: dict[Key, list[float]] = field(default_factory=dict)

    def add(self, key: Key, statements: int, nanoseconds: list[float]) -> None:
        """Add what was found at one number of users."""
        self.statements.setdefault(key, []).append(statements)
        self.milliseconds.setdefault(key, []).append(median(nanoseconds) / 1e6)


@dataclass(slots=True)
class Database:
    """One database with the processes of both sites."""

    portal: Process
    stock: Process
    name: str
    figures: Figures = field(default_factory=Figures)
    filled: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, what: str, key: Key, **more: int) -> dict[str, Any]:
        """Have a contender look at a page, or time it."""
        contender, name = key
        process = self.portal if contender == "portal" else self.stock
        return process.ask(do=what, contender=contender, name=name, **more)


def tables(size: str, server_url: str | None) -> Iterator[str]:
    """Yield what is measured and how, then the tables of each database."""
    asked = SIZES[size]
    yield from (__doc__ or "").partition("\n\n    python")[0].partition("\n\n")[2].splitlines()
    yield ""
    yield f"{asked.rounds} rounds of {asked.requests} requests; {SLOW_ROUNDS} rounds at most of one where it is slow."
    with ExitStack() as stack:
        fresh = [fresh_sqlite("lists"), *([fresh_postgresql("lists", server_url)] if server_url else [])]
        databases = [_database(stack, stack.enter_context(one)) for one in fresh]
        for users in asked.users:
            fill(databases, users)
            for database in databases:
                measure(database, users, asked)
        for database in databases:
            yield from report(database, asked)


def _database(stack: ExitStack, url: str) -> Database:
    """Start the processes of both sites."""
    portal, stock = (
        stack.enter_context(running(site, "tests.benchmarks.list_worker", url, SITE=site))
        for site in ("portal", "stock")
    )
    name = portal.read()["database"]
    stock.read()
    return Database(portal, stock, name)


def fill(databases: list[Database], users: int) -> None:
    """Make the rows that are missing, in all databases at once."""
    say(f"lists: making {users:,} users and what is theirs")
    for database in databases:
        database.portal.tell(do="fill", users=users)
    for database in databases:
        database.filled.append(database.portal.read())
        say(f"lists: {database.name} filled in {database.filled[-1]['seconds']:,.0f} s")


def measure(database: Database, users: int, size: Size) -> None:
    """Look at each page, insist that all show the same people, and go round and round."""
    opened = [process.ask(do="open") for process in (database.portal, database.stock)]
    turns: list[Key] = [(contender, name) for site in opened for contender, name in site["pages"]]
    say(f"lists: {database.name}, {users:,} users: {len(turns)} pages")
    looks = {key: database.ask("look", key) for key in turns}
    for contender, name in turns:
        compare(CASES[name], looks["portal", name], looks[contender, name], contender)
    taken: dict[Key, list[float]] = {key: [] for key in turns}
    for _ in range(size.rounds):
        for key in random.sample(turns, len(turns)):
            if len(taken[key]) < SLOW_ROUNDS or median(taken[key]) < SLOW:
                taken[key].append(median(database.ask("time", key, times=size.requests)["nanoseconds"]))
    for key in turns:
        database.figures.add(key, looks[key]["statements"], taken[key])


def compare(case: ListCase, portal: dict[str, Any], other: dict[str, Any], contender: str) -> None:
    """Insist that a contender's page has the portal's rows: the same ones where the order is the same, or as many."""
    mine, theirs = portal["users"], other["users"]
    if contender == "impersonate":  # it has an order of its own
        mine, theirs = len(mine), len(theirs)
    if case.is_same and mine != theirs:
        raise SystemExit(f"{case.name}: {contender} shows {theirs}, the portal {mine}")
    if not other["rows"] and not case.name.startswith("search"):
        raise SystemExit(f"{case.name}: {contender} shows nothing")


def report(database: Database, size: Size) -> Iterator[str]:
    """Yield both tables of one database."""
    counts = " / ".join(f"{users:,}" for users in size.users)
    seconds = " / ".join(f"{one['seconds']:,.0f}" for one in database.filled)
    rows = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in database.filled[-1]["rows"].items())
    yield from ("", f"### {database.name}", "")
    yield f"At {counts} users, which took {seconds} s to make (every database at once). At the end: {rows}."
    for what, cases in (("users", USER_CASES), ("other lists", OTHER_CASES)):
        contenders = [
            name for name in CONTENDERS if any((name, case.name) in database.figures.statements for case in cases)
        ]
        labels = [CONTENDERS[name] for name in contenders]
        heads = (f"{what}, ms", *labels, "portal ÷ admin", "portal ÷ no full count", "statements")
        yield ""
        yield from table(heads, _rows(database.figures, cases, contenders))


def _rows(figures: Figures, cases: Iterable[ListCase], contenders: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each page: milliseconds at each number of users, ratios at each, statements of each contender."""
    for case in cases:
        times = {name: figures.milliseconds.get((name, case.name), []) for name in contenders}
        yield (
            case.name,
            *(" / ".join(map(_number, times[name])) or "–" for name in contenders),
            _ratios(times["portal"], times["admin"]),
            _ratios(times["portal"], times["admin less"]),
            ", ".join(_statements(figures.statements.get((name, case.name), [])) for name in contenders),
        )


def _number(milliseconds: float) -> str:
    return f"{milliseconds:,.0f}" if milliseconds >= 10 else f"{milliseconds:.1f}"  # two digits


def _ratios(mine: list[float], theirs: list[float]) -> str:
    """Return what part of the other's time the portal takes, at each number of users."""
    ratios = (one / other for one, other in zip(mine, theirs, strict=False))
    return " / ".join(f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}" for ratio in ratios) or "–"  # two digits


def _statements(counts: list[int]) -> str:
    """Return one number where it is the same at each number of users, as it should be."""
    return " / ".join(map(str, counts if len(set(counts)) > 1 else counts[:1])) or "–"


def main() -> None:
    """Print the tables."""
    server_url = os.environ.get("DATABASE_URL", "")
    for line in tables(os.environ.get("SIZE") or "full", server_url if server_url.startswith("postgres") else None):
        print(line, flush=True)


if __name__ == "__main__":
    main()
