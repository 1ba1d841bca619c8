"""That the benchmark still runs and still sees the right person; how fast anything is, is no test's business."""

import os
import subprocess
import sys

from tests.benchmarks.__main__ import ROOT


def test_benchmark_prints_its_tables() -> None:
    environment = os.environ | {"SIZE": "small", "DATABASE_URL": ""}

    done = subprocess.run(  # this very Python
        [sys.executable, "-m", "tests.benchmarks", "plain", "portal"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in done.stdout.splitlines() if "|" in line]
    assert rows == [
        ["one request", "queries"],
        ["---", "---:"],
        ["plain Django, signed in", "2"],
        ["plain Django, nobody signed in", "0"],
        ["plain Django, user not touched", "0"],
        ["portal, nobody signed in", "0"],
        ["portal, signed in", "1"],
        ["portal, impersonating", "1"],
        ["portal, signed in, all of its middleware", "1"],
        ["portal, impersonating, all of its middleware", "1"],
        ["start and leave", "start: statements"],
        ["---", "---:"],
        ["portal, back to one's own session", "7"],
        ["portal, to the login page, as is the default", "7"],
    ]
