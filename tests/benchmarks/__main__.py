"""Measure the portal beside what else one could use, and print all tables as Markdown; progress goes to standard error.

python -m tests.benchmarks                   # every part
python -m tests.benchmarks lists endings     # only these parts
python -m tests.benchmarks plain portal      # the part "who" with these contenders alone
SIZE=small python -m tests.benchmarks        # a few rounds with few rows, to see that it runs
"""

from __future__ import annotations

import argparse
import os
import time
from importlib import import_module
from typing import TYPE_CHECKING

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.identity import tables as who
from tests.benchmarks.machine import description
from tests.benchmarks.processes import say

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a part is called here, its module, and its title.
PARTS = {
    "who": ("identity", "Who is asking, and what it costs to know"),
    "lists": ("lists", "Lists"),
    "endings": ("endings", "Ending sessions"),
    "throughput": ("throughput", "Under load"),
}
SIZES = ("full", "small")


def lines_of(part: str, size: str, server_url: str | None, contenders: list[str]) -> Iterator[str]:
    """Yield the tables of one part."""
    if part == "who":
        yield from who(size, server_url, contenders)
    else:
        yield from import_module(f"tests.benchmarks.{PARTS[part][0]}").tables(size, server_url)


def arguments() -> tuple[list[str], list[str]]:
    """Return the parts that are asked for, and the contenders; a contender alone asks for the first part."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="*", help=f"only these of {', '.join(PARTS)}; or of {', '.join(CONTENDERS)}")
    asked = parser.parse_args().what
    if unknown := ", ".join(name for name in asked if name not in PARTS and name not in CONTENDERS):
        parser.error(f"unknown: {unknown}")
    contenders = [name for name in asked if name in CONTENDERS]
    parts = [name for name in PARTS if name in asked]
    return parts or (["who"] if contenders else list(PARTS)), contenders


def main() -> None:
    """Print part after part, each with the time that it took."""
    parts, contenders = arguments()
    size = os.environ.get("SIZE") or "full"
    if size not in SIZES:
        raise SystemExit(f"SIZE is one of {', '.join(SIZES)}.")
    server_url = os.environ.get("DATABASE_URL", "")
    has_server = server_url.startswith(("postgres://", "postgresql://"))
    print(f"# The portal, measured\n\n{description()}\n")
    if not has_server:
        print(
            "PostgreSQL was not measured: set DATABASE_URL=postgres://… to a server where databases may be created.\n"
        )
    began_at = time.monotonic()
    for part in parts:
        part_began_at = time.monotonic()
        say(f"{part}: begun")
        print(f"## {PARTS[part][1]}\n\n`SIZE={size} make bench ARGS={part}`\n", flush=True)
        for line in lines_of(part, size, server_url if has_server else None, contenders):
            print(line, flush=True)
        took = time.monotonic() - part_began_at
        say(f"{part}: done in {took:,.0f} s")
        print(f"\n{PARTS[part][1]}: {took:,.0f} s.\n", flush=True)
    print(f"All of it: {time.monotonic() - began_at:,.0f} s.")


if __name__ == "__main__":
    main()
