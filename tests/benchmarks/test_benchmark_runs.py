"""That each part still runs and still sees the right people; how fast anything is, is no test's business.

They measure on SQLite whichever database the suite is on, so they run with SQLite's.
"""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from tests.benchmarks import lists
from tests.benchmarks.list_cases import OTHER_CASES, USER_CASES
from tests.benchmarks.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_django.plugin import DjangoDbBlocker

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite")


def rows_in(lines: "Iterable[str]") -> list[list[str]]:
    """Return the cells of all tables' rows."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    return [row for row in rows if not row[0].startswith("---")]


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
    assert [row[:2] for row in rows_in(done.stdout.splitlines())] == [
        ["one request", "queries"],
        ["plain Django, signed in", "2"],
        ["plain Django, nobody signed in", "0"],
        ["plain Django, user not touched", "0"],
        ["portal, nobody signed in", "0"],
        ["portal, signed in", "1"],
        ["portal, impersonating", "1"],
        ["portal, signed in, all of its middleware", "1"],
        ["portal, impersonating, all of its middleware", "1"],
        ["start and leave", "start: statements"],
        ["portal, back to one's own session", "7"],
        ["portal, to the login page, as is the default", "7"],
    ]


@pytest.mark.usefixtures("django_db_setup")
def test_lists_show_the_same_people_as_their_peers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, django_db_blocker: "DjangoDbBlocker"
) -> None:
    """The part itself compares: a page that shows others ends it."""
    path = tmp_path / "lists.sqlite3"
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(path)])  # the suite's own tables: making them takes longer than the rest
    monkeypatch.setattr(lists, "fresh_sqlite", lambda _name: nullcontext(f"sqlite:///{path}"))

    rows = rows_in(lists.tables("tiny", None))

    users, others = [case.name for case in USER_CASES], [case.name for case in OTHER_CASES]
    assert [row[0] for row in rows] == ["users, ms", *users, "other lists, ms", *others]
