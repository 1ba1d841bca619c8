"""Ending sessions: one person's among all, every visit of an organization, and those whose time is up.

Beside it Django's own table of sessions, which knows nobody: to find those of one person, or those in which somebody is
logged in as another (django-hijack notes the hijacker among the session's data), each row is read and decoded. Both
sites are processes of their own, each on a database of its own, with as many sessions of as many people (ten each);
stock data is what Django's sign-in and django-hijack leave, encoded for each person. Decoding is measured on a tenth
of the rows, taken from the beginning, and multiplied.

The portal's figures are whole services: rights asked, rows locked, sessions and visits ended each with cause and
moment, a row of the trail for each visit and for the change. Those of the stock table are reading, decoding and
deleting alone. What has run out the stock table finds by an index and deletes at once: it knows neither inactivity nor
visits, and keeps nothing. Each figure is one measurement; the portal's first is a median of five.

    python -m tests.benchmarks.endings
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tests.benchmarks.databases import fresh_postgresql, fresh_sqlite
from tests.benchmarks.endings_worker import OF_EACH, Size
from tests.benchmarks.processes import running, say
from tests.benchmarks.report import table

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = "tests.benchmarks.endings_worker"
SITES = {"portal": "portal", "stock": "Django's session table"}


SIZES = {
    "full": Size(sessions=1_000_000, of_one=10_000, visits=10_000, expired=50_000),
    "small": Size(sessions=20_000, of_one=500, visits=700, expired=1_000),
    "tiny": Size(sessions=200, of_one=20, visits=5, expired=10),  # for a test
}


def tables(size: str, server_url: str | None) -> Iterator[str]:
    """Yield Markdown: SQLite, and PostgreSQL where there is a server on which databases may be created."""
    yield from (__doc__ or "").partition("\n\n    python")[0].partition("\n\n")[2].splitlines()
    for url in (None, server_url) if server_url else (None,):
        yield ""
        yield from _tables(SIZES[size], url)


def _tables(size: Size, server_url: str | None) -> Iterator[str]:
    """Yield the table of one database. One site after the other: they need not share the disk."""
    found = {}
    for site, label in SITES.items():
        name = f"endings_{site}"
        with fresh_postgresql(name, server_url) if server_url else fresh_sqlite(name) as url:
            say(f"{label}: {size.sessions:,} sessions on {'PostgreSQL' if server_url else 'SQLite'}")
            with running(label, MODULE, url, SITE=site, SIZES=json.dumps(asdict(size))) as process:
                found[site] = process.read()
    portal, stock = found["portal"], found["stock"]
    yield f"### {portal['database']}, {size.sessions:,} sessions"
    yield ""
    heads = ("", "portal: statements", "portal, ms", "Django's session table, ms", "×")
    yield from table(heads, (_row(size, what, portal[what], stock[what]) for what in portal if what != "database"))


def _row(size: Size, what: str, portal: dict[str, Any], stock: dict[str, Any]) -> tuple[str, ...]:
    words = {
        "one": f"deactivate a user with {OF_EACH} sessions",
        "many": f"deactivate a user with {size.of_one:,} sessions",
        "visits": f"switch any-user login off, {size.visits:,} visits open",
        "expired": f"clear away {size.expired:,} that have run out",
    }
    return (
        words[what],
        f"{portal['statements']:,}",
        milliseconds(portal["seconds"]),
        milliseconds(stock["seconds"]),
        f"{stock['seconds'] / portal['seconds']:,.1f}",
    )


def milliseconds(seconds: float) -> str:
    """Return so many milliseconds, those below a hundred with a decimal."""
    return f"{seconds * 1000:,.0f}" if seconds >= 0.1 else f"{seconds * 1000:.1f}"  # that hundred


def main() -> None:
    """Print the tables."""
    size = "small" if os.environ.get("SIZE") == "small" else "full"
    url = os.environ.get("DATABASE_URL", "")
    for line in tables(size, url if url.startswith(("postgres://", "postgresql://")) else None):
        print(line, flush=True)


if __name__ == "__main__":
    main()
