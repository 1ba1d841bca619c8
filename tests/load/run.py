"""The mixed load: a filled database, gunicorn, hundreds of actors at once, and the invariants afterwards."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tests.load import actors
from tests.load.actors import Actor, Cast
from tests.load.programs import ask, production
from tests.load.server import serving
from tests.load.tally import Tally
from tests.load.wire import Browser

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

    from tests.load.server import Server

    Story = Callable[[Actor], Awaitable[None]]
    Fault = Callable[["Load", Tally], Coroutine[None, None, None]]

# Of a hundred actors so many do this; all others administrate. One switches the policy, whoever else there is.
OTHERS: tuple[tuple[Story, int], ...] = (
    (actors.click_twice, 4),
    (actors.start_in_two_tabs, 4),
    (actors.be_visited, 6),
    (actors.deactivate, 1),
)


# More than there are threads.
WARM = 24


@dataclass(frozen=True, slots=True)
class Size:
    """How many people there are and take part, for how long, and how long they read a page, in seconds."""

    users: int
    actors: int
    seconds: float
    pause: float


SIZES = {
    # Slow enough that a machine of two processors keeps up: otherwise times tell of the queue alone.
    "full": Size(users=5000, actors=300, seconds=120, pause=4.0),
    "small": Size(users=300, actors=40, seconds=5, pause=0.2),
}


@dataclass(frozen=True, slots=True)
class Load:
    """A portal that runs, and who takes part."""

    size: Size
    cast: Cast
    server: Server
    environment: dict[str, str]

    def cast_of_stories(self) -> Iterator[tuple[Story, str]]:
        """Yield what each actor does, and as whom."""
        helpers, administrators = iter(self.cast.helpers), iter(self.cast.administrators)
        stories: list[Story] = [actors.switch_policy]
        for story, share in OTHERS:
            stories += [story] * max(1, self.size.actors * share // 100)
        stories += [actors.administrate] * (self.size.actors - len(stories))
        for story in stories:
            person = next(helpers if story is actors.be_visited else administrators)
            yield story, person["username"]

    async def warm_up(self) -> None:
        """Ask for a page in all threads, so that none is the first of its process to be rendered."""
        browsers = [Browser(self.server.port, "10.255.0.1") for _ in range(WARM)]
        for _ in range(2):
            await asyncio.gather(*(browser.open("/login/") for browser in browsers))
        for browser in browsers:
            await browser.close()

    async def run(self, fault: Fault | None = None) -> Tally:
        """Let everybody act at once until the time is over; ``fault`` does something to the server meanwhile."""
        await self.warm_up()
        tally = Tally()
        tally.until = tally.began + self.size.seconds
        async with asyncio.TaskGroup() as group:
            for number, (story, username) in enumerate(self.cast_of_stories()):
                browser = Browser(self.server.port, f"10.0.{number // 250}.{number % 250 + 1}")
                actor = Actor(number, username, browser, self.cast, tally, self.size.pause)
                group.create_task(actor.go(story))
            if fault is not None:
                group.create_task(fault(self, tally))
        return tally

    def troubles(self, tally: Tally) -> dict[str, Any]:
        """Return what the database says: how many rows were looked at, and every invariant that does not hold."""
        found: dict[str, Any] = ask("tests.load.invariants", self.environment, tally.as_question())
        return found


@contextmanager
def portal_under_load(
    size: Size, database_url: str, *, threads: int = 4, timeout: int = 30, **environment: str
) -> Iterator[Load]:
    """Fill the new database, serve the portal, and yield what can be run."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="load-")))
        whole = production(database_url, STATIC_ROOT=str(folder / "static"), **environment)
        wanted = {"users": size.users, "administrators": size.actors, "helpers": size.actors}
        cast = Cast(**ask("tests.load.people", whole, wanted))
        server = stack.enter_context(serving("portal.wsgi", whole, folder, threads=threads, timeout=timeout))
        yield Load(size, cast, server, whole)
