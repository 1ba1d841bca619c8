"""Starting other programs: on a free port, with an environment like production's, ended when the block ends."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parents[2]
HOST = "portal.example"
PATIENCE = 30.0
# Of everybody who signs in.
PASSWORD = "portal-demo-2026"


class NotUpError(RuntimeError):
    """A program did not come up in time."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def production(database_url: str, **more: str) -> dict[str, str]:
    """Return the environment that the portal runs under: production's, behind one proxy that speaks TLS."""
    kept = {name: value for name, value in os.environ.items() if name not in {"DEBUG", "TEST_DATABASE", "CACHE_URL"}}
    return kept | {
        "ALLOWED_HOSTS": HOST,
        "DATABASE_URL": database_url,
        "DEBUG": "false",
        "EMAIL_URL": "dummymail://",
        "LOG_FORMAT": "line",
        "LOG_LEVEL": "ERROR",
        # One that resists guessing would be most of what is measured: Argon2 takes some 50 ms of a processor.
        "PASSWORD_HASHERS": "django.contrib.auth.hashers.MD5PasswordHasher",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "TRUSTED_PROXY_COUNT": "1",
        **more,
    }


def ask(module: str, environment: Mapping[str, str], question: object) -> Any:  # noqa: ANN401  # whatever it answers
    """Run a module of this project, give it JSON, and return the JSON of its last line."""
    done = subprocess.run(  # noqa: S603  # this very Python
        [sys.executable, "-m", module],
        input=json.dumps(question),
        stdout=subprocess.PIPE,
        text=True,
        env=dict(environment),
        cwd=ROOT,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def running(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; what it says goes to ``log``."""
    with (
        log.open("ab") as words,
        subprocess.Popen(  # noqa: S603  # programs of this package's choice
            command, env=dict(environment), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=words, stderr=words
        ) as process,
    ):
        try:
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program, at last by force."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def wait_for(is_up: Callable[[], bool], what: str, *, seconds: float = PATIENCE) -> float:
    """Wait until ``is_up`` says yes, and return how many seconds that took."""
    began = time.monotonic()
    while not is_up():
        if time.monotonic() - began > seconds:
            raise NotUpError(f"{what} did not come up in {seconds:.0f} s")
        time.sleep(0.05)
    return time.monotonic() - began


def answers(port: int) -> bool:
    """Tell whether something listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
