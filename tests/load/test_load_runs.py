"""That the load runs, and that what holds after a killed worker still does; how fast it is, is no test's business."""

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.benchmarks.databases import fresh_postgresql
from tests.load.run import Load, Size, portal_under_load

if TYPE_CHECKING:
    from tests.load.tally import Tally

# Not as long as that: it is over when enough was done.
SIZE = Size(users=50, actors=8, seconds=120, pause=0.1)


async def kill_a_worker(load: Load, tally: "Tally") -> None:
    for worker in (load.server.workers()[0], None):
        enough = tally.started + 3
        while tally.started < enough and time.monotonic() < tally.until:  # noqa: ASYNC110  # a count, not an event
            await asyncio.sleep(0.02)
        if worker is not None:
            os.kill(worker, signal.SIGKILL)
    tally.until = time.monotonic()


@pytest.mark.postgres
def test_nothing_is_half_done_where_a_worker_is_killed() -> None:
    with (
        fresh_postgresql(f"load_{os.getpid()}", os.environ["DATABASE_URL"]) as url,
        portal_under_load(SIZE, url) as load,
    ):
        tally = asyncio.run(load.run(kill_a_worker))
        found = load.troubles(tally)

    assert (found["violations"], tally.foul, tally.errors() - sum(tally.lost.values())) == ({}, [], 0)
    assert found["counts"]["visits"] >= 6
