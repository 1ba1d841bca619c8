"""Rehearses a deployment: the old code answers while ``migrate`` of this code runs, then on the new tables, then this.

    git worktree add --detach ../portal-before v1.2
    python -m tests.load.rehearse --old ../portal-before --username ada@acme.example --target 7

``DATABASE_URL`` names a PostgreSQL database, migrated by the old code and filled to a size worth rehearsing, a copy of
production's at best. ``--username`` is an administrator of it who may log in as the user with the id ``--target``,
with the password that ``PORTAL_PASSWORD`` holds. Several people at once list, search, edit, start and leave.
It ends with 1 if any request was answered otherwise than it should have been.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.load.programs import ROOT, answers, free_port, production, running, wait_for
from tests.load.wire import Browser, LostError

if TYPE_CHECKING:
    from collections.abc import Iterator

PEOPLE, SECONDS = 4, 10.0
OK, FOUND = 200, 302


@dataclass(slots=True)
class Part:
    """One part of the rehearsal: what was asked, and what was answered wrongly."""

    name: str
    asked: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def look_at(self, what: str, status: int, expected: int, seconds: float) -> None:
        """Count one answer."""
        self.asked[what] += 1
        self.slowest = max(self.slowest, seconds)
        if status != expected:
            self.wrong.append(f"{what}: {status}")


@dataclass(slots=True)
class Person:
    """Someone who works, as the administrator, from an address of their own."""

    port: int
    number: int
    username: str
    target: str
    part: Part

    async def work_until(self, done: asyncio.Event) -> None:
        """Sign in, list, search, edit, start, leave, again and again. Each is done whole before it ends."""
        round_number = 0
        while not done.is_set():
            round_number += 1
            browser = Browser(self.port, f"192.0.2.{self.number * 50 + round_number % 50}")
            try:
                await self._once(browser, round_number)
            except LostError as error:
                self.part.wrong.append(f"no answer: {error}")
            await browser.close()

    async def _once(self, browser: Browser, round_number: int) -> None:
        await browser.open("/login/")
        who = {"login": self.username, "password": os.environ["PORTAL_PASSWORD"]}
        await self._post(browser, "sign in", "/login/", "/login/", who)
        for what, path in (
            ("list", "/setup/users/"),
            ("search", "/setup/users/?q=ann"),
            ("trail", "/setup/audit-trail/"),
            ("user", f"/setup/users/{self.target}/"),
        ):
            await self._get(browser, what, path)
        edit = f"/setup/users/{self.target}/edit/"
        await self._post(browser, "edit", edit, edit, {"title": f"Title {self.number}.{round_number}"}, whole=True)
        await self._post(browser, "start", "/setup/users/", f"/setup/users/{self.target}/login-as/", {})
        await self._get(browser, "inside", "/")
        await self._post(browser, "leave", "/", "/logout/", {})

    async def _get(self, browser: Browser, what: str, path: str) -> None:
        answer = await browser.send("GET", path)
        browser.referer = path
        self.part.look_at(what, answer.status, OK, answer.seconds)

    async def _post(
        self, browser: Browser, what: str, page: str, path: str, typed: dict[str, str], *, whole: bool = False
    ) -> None:
        """Send a form of ``page``; saved, it leads on."""
        form = (await browser.open(page)).fields(everything=whole) | typed
        answer = await browser.send("POST", path, form)
        # Two who edit the same user at once: the second is told so, and that is an answer.
        expected = OK if what == "edit" and answer.status == OK else FOUND
        self.part.look_at(what, answer.status, expected, answer.seconds)


@contextmanager
def serving(folder: Path, environment: dict[str, str], log: Path) -> Iterator[int]:
    """Serve the portal that stands in ``folder``, and return its port."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", f"127.0.0.1:{port}"),
        *("--workers", "2", "--threads", "4", "--keep-alive", "30", "--log-level", "warning"),
        *("--no-control-socket", "--chdir", str(folder)),
    ]
    with running(command, environment | {"PYTHONPATH": str(folder)}, log) as process:
        wait_for(lambda: process.poll() is not None or answers(port), f"the portal of {folder}")
        yield port


async def _play(part: Part, port: int, asked: argparse.Namespace, environment: dict[str, str] | None) -> Part:
    """Let people work for a while, or while ``migrate`` runs under ``environment`` and a little before and after."""
    done = asyncio.Event()
    people = [Person(port, number, asked.username, asked.target, part) for number in range(PEOPLE)]
    working = [asyncio.create_task(person.work_until(done)) for person in people]
    await asyncio.sleep(asked.seconds)
    if environment is not None:
        began = time.monotonic()
        migrate = await asyncio.create_subprocess_exec(
            *(sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "1"), cwd=ROOT, env=environment
        )
        if await migrate.wait():
            part.wrong.append("migrate failed")
        part.name += f" (migrate took {time.monotonic() - began:.1f} s)"
        await asyncio.sleep(asked.seconds)
    done.set()
    await asyncio.gather(*working)
    return part


def main() -> int:
    """Play the three parts, and print what was answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, required=True, metavar="FOLDER", help="the code that serves until now")
    parser.add_argument("--username", required=True)
    parser.add_argument("--target", required=True, metavar="ID")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each part")
    asked = parser.parse_args()
    # As many sign-ins as one likes: each needs a password that resists guessing.
    environment = production(os.environ["DATABASE_URL"])
    environment["PASSWORD_HASHERS"] = "django.contrib.auth.hashers.Argon2PasswordHasher"
    migrating = environment | {"PGOPTIONS": "-c lock_timeout=5s"}
    parts = []
    with tempfile.TemporaryDirectory() as logs:
        for folder in (asked.old.resolve(), ROOT):
            collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
            static = {"STATIC_ROOT": f"{logs}/{folder.name}"}
            subprocess.run(collect, cwd=folder, env=environment | static, check=True)  # noqa: S603  # our own words
            with serving(folder, environment | static, Path(logs) / f"{folder.name}.log") as port:
                if folder == ROOT:
                    parts.append(asyncio.run(_play(Part("new code, new tables"), port, asked, None)))
                    continue
                parts.append(asyncio.run(_play(Part("old code, migrated under it"), port, asked, migrating)))
                parts.append(asyncio.run(_play(Part("old code, new tables"), port, asked, None)))
    for part in parts:
        print(f"{part.name}: {part.asked.total()} requests, {len(part.wrong)} wrong, slowest {part.slowest:.2f} s")
        print("  " + ", ".join(f"{what} {count}" for what, count in sorted(part.asked.items())))
        for words, count in Counter(part.wrong).most_common(10):
            print(f"  {count} x {words}")
    return int(any(part.wrong for part in parts))


if __name__ == "__main__":
    sys.exit(main())
