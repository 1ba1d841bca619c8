"""A process of its own for each site: the parent asks in lines of JSON, and each is answered with one."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Process:
    """A site's process, seen from the parent."""

    label: str
    process: subprocess.Popen[str]

    def read(self) -> dict[str, Any]:
        """Read one answer."""
        line = stream(self.process.stdout).readline()
        if not line:
            raise SystemExit(f"{self.label} ended before it answered; its words stand above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def tell(self, **order: object) -> None:
        """Give one order."""
        stdin = stream(self.process.stdin)
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()

    def ask(self, **order: object) -> dict[str, Any]:
        """Give one order and wait for the answer."""
        self.tell(**order)
        return self.read()


def stream(pipe: IO[str] | None) -> IO[str]:
    """Return the pipe, which Popen was asked for."""
    if pipe is None:
        raise TypeError
    return pipe


@contextmanager
def running(label: str, module: str, database_url: str, **environment: str) -> Iterator[Process]:
    """Run a module's process on a database; closing its input ends it."""
    environ = os.environ | {
        "ALLOWED_HOSTS": "testserver",
        "DATABASE_URL": database_url,
        "DEBUG": "false",
        "LOG_LEVEL": "ERROR",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "STATIC_ROOT": str(ROOT / "portal" / "static"),  # some folder that is there: no file is asked for
        **environment,
    }
    command = [sys.executable, "-m", module]
    with subprocess.Popen(  # noqa: S603  # this very Python
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ, cwd=ROOT
    ) as process:
        yield Process(label, process)


def say(words: str) -> None:
    """Tell whoever waits how far it is; tables alone go to standard output."""
    print(words, file=sys.stderr, flush=True)
