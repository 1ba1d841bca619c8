"""What goes wrong while people work: done to a portal under load, with a PostgreSQL and a Redis of its own.

    python -m tests.load.faults                    # all, some minutes
    python -m tests.load.faults kill_a_worker      # one

After each the invariants are asked of the database, every error answer must have been a page, and the service must
answer again by itself. Exit code 1 where one of these does not hold.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.benchmarks.machine import description
from tests.load.cluster import Cluster, Redis, own_cluster, own_redis
from tests.load.programs import wait_for
from tests.load.run import Load, Size, portal_under_load
from tests.load.wire import Browser, LostError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.load.tally import Tally

SIZE = Size(users=500, actors=60, seconds=40, pause=0.5)
# After the last thing was done to it the service has so many seconds to be whole again.
RECOVERY = 5.0
SERVER_ERROR = 500
QUOTA = "260m"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault has at hand."""

    load: Load
    tally: Tally
    cluster: Cluster
    redis: Redis

    async def do(self, words: str, act: Callable[[], object]) -> None:
        """Do something to the server without holding the driver up, and write down when it was done."""
        self.tally.mark(words)
        began = time.monotonic()
        await asyncio.to_thread(act)
        if time.monotonic() - began > 1:
            self.tally.mark(f"done ({words})")

    async def wait(self, share: float) -> None:
        """Wait for such a share of the whole time."""
        await asyncio.sleep(self.load.size.seconds * share)

    def browser(self) -> Browser:
        """Return a browser that no actor has."""
        return Browser(self.load.server.port, "10.254.0.1")


# --- faults ------------------------------------------------------------------------------------------------------


async def nothing(scene: Scene) -> None:
    """Do nothing: what the others are to be compared with."""
    await scene.wait(0)


async def kill_a_worker(scene: Scene) -> None:
    """Kill a worker in the middle of what it does, four times."""
    for _ in range(4):
        await scene.wait(0.15)
        victim = random.choice(scene.load.server.workers())  # noqa: S311  # whichever
        await scene.do("kill -9 of a worker", lambda victim=victim: os.kill(victim, signal.SIGKILL))  # type: ignore[misc]


async def restart_database(scene: Scene) -> None:
    """Crash PostgreSQL and start it again at once; then crash it and leave it away for a while."""
    await scene.wait(0.25)
    await scene.do("PostgreSQL crashed and restarted", scene.cluster.restart)
    await scene.wait(0.2)
    await scene.do("PostgreSQL crashed", scene.cluster.stop)
    await scene.wait(0.1)
    await scene.do("PostgreSQL started", scene.cluster.start)


async def restart_cache(scene: Scene) -> None:
    """Stop Redis, let it be away, and start it; then let it hang: it takes connections and says nothing."""
    await scene.wait(0.2)
    await scene.do("Redis stopped", scene.redis.stop)
    await scene.wait(0.2)
    await scene.do("Redis started", scene.redis.start)
    await scene.wait(0.2)
    await scene.do("Redis hangs", lambda: scene.redis.pause(signal.SIGSTOP))
    await scene.wait(0.2)
    await scene.do("Redis goes on", lambda: scene.redis.pause(signal.SIGCONT))


async def fill_disk(scene: Scene) -> None:
    """Fill the file system that PostgreSQL is on to the last byte, and free it again."""
    ballast = scene.cluster.folder / "ballast"
    await scene.wait(0.25)
    await scene.do("disk full", lambda: _fill(ballast))
    await scene.wait(0.35)
    await scene.do("disk freed", ballast.unlink)
    # A server that could not write its log has stopped; whatever watches over it would start it again.
    if not scene.cluster.is_up():
        await scene.do("PostgreSQL had stopped, started", lambda: scene.cluster.start(check=False))


def _fill(ballast: Any) -> None:  # noqa: ANN401  # a path
    block = b"\0" * 65536
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(block):
                pass
        except OSError:
            return


async def block_requests(scene: Scene) -> None:
    """Hold rows that starts and leaves wait for, longer than the database lets a statement wait for a lock."""
    import psycopg  # noqa: PLC0415  # SQLite alone needs no driver

    await scene.wait(0.2)
    async with await psycopg.AsyncConnection.connect(scene.cluster.url) as held:
        scene.tally.mark("every other session's row locked")
        await held.execute("SET lock_timeout = 0")
        await held.execute("SELECT id FROM accounts_session WHERE ended_at IS NULL AND id % 2 = 0 FOR UPDATE")
        await scene.wait(0.3)
        await held.rollback()
        scene.tally.mark("unlocked")


async def hang_a_worker(scene: Scene) -> None:
    """Stop a worker as it is: gunicorn ends it after its time limit, whatever it was in the middle of."""
    await scene.wait(0.2)
    victim = scene.load.server.workers()[0]
    await scene.do("a worker hangs", lambda: os.kill(victim, signal.SIGSTOP))
    await asyncio.to_thread(wait_for, lambda: victim not in scene.load.server.workers(), "another worker")
    scene.tally.mark("gunicorn has ended it")


async def go_away(scene: Scene) -> None:
    """Send starts, edits and leaves as clients that go away: in the middle of what they send, and right after it."""
    until = time.monotonic() + scene.load.size.seconds * 0.7
    scene.tally.mark("clients go away in the middle")
    people = scene.load.cast.administrators[-1:]
    while time.monotonic() < until:
        for person in people:
            await _go_away_once(scene, person["username"])
        await asyncio.sleep(0.05)
    scene.tally.mark("no more")


async def _go_away_once(scene: Scene, username: str) -> None:
    from tests.load.actors import Actor, OutError  # noqa: PLC0415

    load, tally = scene.load, scene.tally
    actor = Actor(9000 + len(tally.edits), username, scene.browser(), load.cast, tally, 0)
    try:
        await actor.sign_in()
        target = actor.random.choice(load.cast.helpers)["id"]
        page = await actor.look("user page", f"/setup/users/{target}/")
        request = actor.browser.written("POST", f"/setup/users/{target}/login-as/", page.fields())
        cut = actor.random.choice((len(request) // 2, len(request) - 3, len(request)))
        # Of a request that came in whole nobody heard whether it was done.
        tally.maybe_started += cut == len(request)
        await actor.browser.begin(request[:cut])
    except (LostError, OutError):
        pass
    finally:
        await actor.browser.close()


FAULTS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    fault.__name__: fault
    for fault in (
        nothing,
        kill_a_worker,
        restart_database,
        restart_cache,
        fill_disk,
        block_requests,
        hang_a_worker,
        go_away,
    )
}


# --- what came of it ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a fault."""

    name: str
    tally: Tally
    found: dict[str, Any]
    errors: dict[str, int]
    traces: list[str]
    recovered: bool

    @property
    def holds(self) -> bool:
        """Whether all that must hold does."""
        return not self.found["violations"] and not self.tally.foul and self.recovered

    def lines(self) -> Iterator[str]:
        """Yield it as Markdown."""
        tally = self.tally
        yield f"### {self.name}: {'all holds' if self.holds else 'DOES NOT HOLD'}"
        yield ""
        yield f"{(FAULTS[self.name].__doc__ or '').strip()}"
        yield ""
        yield "| from | answers by status | slowest, s |"
        yield "|---|---|---:|"
        moments = [(tally.began, "the beginning"), *tally.marks, (float("inf"), "")]
        for (at, words), (then, _) in pairwise(moments):
            slow = max((seconds for when, _, _, seconds in tally.answers if at <= when < then), default=0.0)
            counted = sorted(tally.statuses(at, then).items())
            said = ", ".join(f"{status}: {number}" for status, number in counted)
            yield f"| {words}, {at - tally.began:.1f} s | {said} | {slow:.1f} |"
        yield ""
        counts = ", ".join(f"{name} {number}" for name, number in self.found["counts"].items())
        yield f"In the database: {counts}; broken: {len(self.found['violations'])}."
        yield f"Lost: {dict(tally.lost)}. In the server's log: {self.errors}."
        yield f"Answers again by itself: {self.recovered}. Stories to their end: {sum(tally.stories.values())}."
        yield f"Refused: {'; '.join(f'{number} {words}' for words, number in tally.refusals.most_common(12))}."
        for name, sentences in self.found["violations"].items():
            yield f"- BROKEN, {name}: {len(sentences)}: {'; '.join(sentences[:5])}"
        for words in tally.foul[:5]:
            yield f"- FOUL: {words}"
        for trace in self.traces:
            yield f"\n```\n{trace}\n```"
        yield ""


@contextmanager
def portal_of_its_own(size: Size, *, quota: str = "") -> Iterator[tuple[Load, Cluster, Redis]]:
    """Yield a portal under load on a PostgreSQL and a Redis of its own."""
    with ExitStack() as stack:
        cluster, redis = stack.enter_context(own_cluster(quota=quota)), stack.enter_context(own_redis())
        # As the page on production asks: no request waits for a lock for ever.
        for setting in ("lock_timeout = '3s'", "idle_in_transaction_session_timeout = '20s'"):
            cluster.run("psql", "-q", "-d", cluster.url, "-c", f"ALTER DATABASE portal SET {setting}")
        load = stack.enter_context(portal_under_load(size, cluster.url, timeout=5, CACHE_URL=redis.url))
        yield load, cluster, redis


def see(name: str, size: Size = SIZE) -> Outcome:
    """Let one fault happen under load, and return what came of it."""
    with portal_of_its_own(size, quota=QUOTA if name == "fill_disk" else "") as (load, cluster, redis):

        async def happen(load: Load, tally: Tally) -> None:
            await FAULTS[name](Scene(load, tally, cluster, redis))

        tally = asyncio.run(load.run(happen))
        last = max((at for at, _ in tally.marks), default=tally.began)
        after = tally.statuses(last + RECOVERY)
        recovered = after["200"] > 0 and not any(number for status, number in after.items() if status in {"500", "503"})
        errors, traces = dict(load.server.errors()), load.server.odd_traces()
        return Outcome(name, tally, load.troubles(tally), errors, traces, recovered)


def main() -> None:
    """See the faults that were named, or all, and print what came of each."""
    names = sys.argv[1:] or list(FAULTS)
    if unknown := ", ".join(name for name in names if name not in FAULTS):
        raise SystemExit(f"unknown: {unknown}. There are: {', '.join(FAULTS)}")
    size = replace(SIZE, seconds=float(os.environ["SECONDS"])) if os.environ.get("SECONDS", "").isdecimal() else SIZE
    print(f"# Faults under load\n\n{description()}\n")
    print(f"{size.actors} actors at once for {size.seconds:.0f} s each time.\n")
    held = True
    for name in names:
        outcome = see(name, size)
        held = held and outcome.holds
        for line in outcome.lines():
            print(line, flush=True)
    raise SystemExit(not held)


if __name__ == "__main__":
    main()
