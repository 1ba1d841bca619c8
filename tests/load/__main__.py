"""Prints the mixed load's table: `DATABASE_URL=postgres://… python -m tests.load`. With SIZE=small it takes seconds."""

from __future__ import annotations

import os
import sys

from tests.benchmarks.machine import description
from tests.benchmarks.throughput import load_lines


def main() -> None:
    """Run the load beside the PostgreSQL that DATABASE_URL names."""
    server_url = os.environ.get("DATABASE_URL", "")
    if not server_url.startswith(("postgres://", "postgresql://")):
        raise SystemExit("Set DATABASE_URL=postgres://… to a server where databases may be created.")
    size = "small" if os.environ.get("SIZE") == "small" else "full"
    for line in ("# Mixed load", "", description(), "", *load_lines(size, server_url)):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
