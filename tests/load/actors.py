"""What people do all day, and the few who get into each other's way. Each is one coroutine with a browser."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from tests.load.programs import PASSWORD
from tests.load.wire import Answer, Browser, LostError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.load.tally import Tally

SESSION, RETURN = "portal_session", "portal_return"
LOGIN = "/login/"
USERS = "/setup/users/"
POLICIES = "/setup/login-access-policies/"
END_OF_VISIT = re.compile(r'action="(/settings/visits/\d+/end/)"')
OK, FORBIDDEN, SERVER_ERROR = 200, 403, 500


class OutError(Exception):
    """The session has ended, or an error came instead of a page: begin again from the sign-in."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part, by id and username."""

    administrators: list[dict[str, Any]]
    helpers: list[dict[str, Any]]
    edited: list[int]


@dataclass(slots=True)
class Actor:
    """One person at a keyboard."""

    number: int
    username: str
    browser: Browser
    cast: Cast
    tally: Tally
    # Seconds between two clicks, on average.
    pause: float
    random: Random = field(init=False)
    edits: int = 0
    dead_keys: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.number)  # noqa: S311  # the same each time

    async def go(self, story: Callable[[Actor], Awaitable[None]]) -> None:
        """Live the story again and again until the time is over."""
        await asyncio.sleep(self.random.uniform(0, self.pause))
        while time.monotonic() < self.tally.until:
            try:
                await story(self)
                self.tally.stories[story.__name__] += 1
            except (LostError, OutError):
                if time.monotonic() > self.tally.until:
                    break
                # Whoever sees an error waits a little; a server that is away is not to be hammered.
                await asyncio.sleep(self.random.uniform(0.5, 1.5))
        await self.browser.close()

    # --- what all have in common ---

    async def wait(self) -> None:
        """Read the page; where the time is over, be off."""
        if time.monotonic() > self.tally.until:
            raise OutError
        if self.pause:
            await asyncio.sleep(self.random.uniform(0, 2 * self.pause))

    async def send(
        self, what: str, method: str, path: str, form: dict[str, str] | None = None, *, browser: Browser | None = None
    ) -> Answer:
        """Send one request and count its answer."""
        try:
            answer = await (browser or self.browser).send(method, path, form)
        except LostError as lost:
            self.tally.add_lost(what, str(lost))
            raise
        self.tally.add(what, answer)
        return answer

    async def look(self, what: str, path: str) -> Answer:
        """Open a page and follow where it leads; leave the story where it is not to be had."""
        await self.wait()
        answer = await self.send(what, "GET", path)
        for _ in range(4):
            if not answer.is_redirect:
                break
            answer = await self.send(what, "GET", answer.leads_to)
        self.browser.referer = answer.path
        if answer.path.startswith(LOGIN) or answer.status != OK:
            raise OutError(answer.path)
        return answer

    async def sign_in(self) -> None:
        """Sign in by the login page, unless one is."""
        answer = await self.send("sign-in page", "GET", LOGIN)
        if answer.status == FORBIDDEN:
            # An error came in the middle of a visit: that goes on.
            await self.leave(await self.look("home, inside", "/"))
            answer = await self.send("sign-in page", "GET", LOGIN)
        if answer.status >= SERVER_ERROR:
            raise OutError(LOGIN)
        if answer.is_redirect:
            return
        form = answer.fields() | {"login": self.username, "password": PASSWORD}
        self.browser.referer = LOGIN
        answer = await self.send("sign in", "POST", LOGIN, form)
        if not answer.is_redirect:
            raise OutError(LOGIN)

    async def edit(self, page: str = "edit") -> None:
        """Give someone a new alias, which no other edit gives."""
        person = self.random.choice(self.cast.edited)
        path = f"{USERS}{person}/edit/"
        answer = await self.look(f"{page} page", path)
        if answer.path != path:
            # The visit has ended meanwhile: one is on another page, as oneself.
            raise OutError(answer.path)
        form = answer.fields(everything=True)
        self.edits += 1
        alias = f"{self.number}-{self.edits}"
        # Until an answer says what became of it.
        self.tally.edits[alias] = "unknown"
        answer = await self.send(page, "POST", path, form | {"alias": alias})
        if answer.is_redirect and not answer.leads_to.startswith(LOGIN):
            self.tally.edits[alias] = "saved"
        elif answer.status < SERVER_ERROR:
            self.tally.edits[alias] = "refused"

    async def start(self, target: int, form: dict[str, str], *, browser: Browser | None = None) -> bool:
        """Press Login; tell whether one is inside."""
        browser = browser or self.browser
        try:
            answer = await self.send("start", "POST", f"{USERS}{target}/login-as/", form, browser=browser)
        except LostError:
            self.tally.maybe_started += 1
            raise
        if answer.status >= SERVER_ERROR:
            self.tally.maybe_started += 1
            raise OutError(answer.path)
        return answer.is_redirect and any(
            name == "set-cookie" and value.startswith(f"{RETURN}=") and "max-age=0" not in value.lower()
            for name, value in answer.headers
        )

    async def leave(self, page: Answer) -> None:
        """Press Log out; its key must be worth nothing after."""
        key = self.browser.cookies.get(SESSION, "")
        answer = await self.send("leave", "POST", "/logout/", page.fields())
        if answer.is_redirect and self.browser.cookies.get(SESSION, "") != key:
            self.dead_keys.append(key)
        if answer.status >= SERVER_ERROR:
            raise OutError(answer.path)

    async def try_a_dead_key(self) -> None:
        """Come with a key that was logged out: it opens nothing."""
        if not self.dead_keys:
            return
        thief = Browser(self.browser.port, self.browser.address, {SESSION: self.random.choice(self.dead_keys)})
        answer = await self.send("dead key", "GET", "/", browser=thief)
        await thief.close()
        if answer.status == OK:
            self.tally.foul.append(f"a key that was logged out opened {answer.path}")


# --- stories -----------------------------------------------------------------------------------------------------


async def administrate(actor: Actor) -> None:
    """Sign in, look at the users, log in as one, do something there, log out, and find the old key worthless."""
    await actor.sign_in()
    target = actor.random.choice(actor.cast.helpers)["id"]
    await actor.look("users list", USERS)
    page = await actor.look("user page", f"{USERS}{target}/")
    if actor.random.random() < 0.2:  # one in five
        await actor.edit()
    await actor.wait()
    if not await actor.start(target, page.fields()):
        return
    actor.tally.started += 1
    page = await actor.look("home, inside", "/")
    if actor.random.random() < 0.6:  # most
        await actor.edit("edit, inside")
    page = await actor.look("users list, inside", USERS)
    await actor.wait()
    await actor.leave(page)
    if actor.random.random() < 0.1:  # one in ten
        await actor.try_a_dead_key()


async def click_twice(actor: Actor) -> None:
    """Click twice on Login: one visit."""
    target = actor.random.choice(actor.cast.helpers)["id"]
    await start_two(actor, target, target)


async def start_in_two_tabs(actor: Actor) -> None:
    """Press Login in two tabs for two people at the same moment: one of them is started, or none."""
    one, other = actor.random.sample(actor.cast.helpers, 2)
    await start_two(actor, one["id"], other["id"])


async def start_two(actor: Actor, one: int, other: int) -> None:
    """Send two starts from one session at once, and leave from whichever tab is inside."""
    await actor.sign_in()
    form = (await actor.look("user page", f"{USERS}{one}/")).fields()
    tabs = actor.browser.twin(), actor.browser.twin()
    came = await asyncio.gather(
        *(actor.start(target, form, browser=tab) for tab, target in zip(tabs, (one, other), strict=True)),
        return_exceptions=True,
    )
    if True in came:
        actor.tally.started += 1
    inside = [tab for tab, answer in zip(tabs, came, strict=True) if answer is True]
    for tab in tabs:
        await tab.close()
    for tab in inside:
        # Of two clicks the later answer's key is the one that counts.
        actor.browser.cookies = tab.cookies
        answer = await actor.send("home, inside", "GET", "/")
        if answer.status == OK:
            await actor.leave(answer)
            return
    actor.browser.cookies.clear()


async def be_visited(actor: Actor) -> None:
    """Look at Home, and end whichever visit goes on in one's own account."""
    await actor.sign_in()
    page = await actor.look("home", "/")
    if found := END_OF_VISIT.search(page.body):
        await actor.send("end a visit", "POST", found[1], page.fields())


async def switch_policy(actor: Actor) -> None:
    """Switch any-user login off, which ends every visit, and on again."""
    await actor.sign_in()
    for is_on in (False, True):
        form = (await actor.look("policies page", POLICIES)).fields(everything=True)
        form.pop("any_user_login", None)
        await actor.send("policies", "POST", POLICIES, form | ({"any_user_login": "on"} if is_on else {}))
        await asyncio.sleep(actor.random.uniform(0.2, 0.6))
    await asyncio.sleep(15)


async def deactivate(actor: Actor) -> None:
    """Deactivate someone whom others may be logged in as, and activate them again."""
    await actor.sign_in()
    target = actor.random.choice(actor.cast.helpers)["id"]
    for act in ("deactivate", "activate"):
        page = await actor.look("user page", f"{USERS}{target}/")
        await actor.send(act, "POST", f"{USERS}{target}/{act}/", page.fields())
    await asyncio.sleep(2)
