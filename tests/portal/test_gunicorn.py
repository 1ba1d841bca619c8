"""How it serves in production: one gunicorn for all that only a running one shows."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "what opens the page of the metrics, for a test"
COUNT = re.compile(rb"^portal_identity_seconds_count ([\d.]+)$", re.MULTILINE)


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found: int = server.getsockname()[1]
    return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def gunicorn(port: int, log: Path, tmp_path: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """One worker, beside a database that has no tables, with no style that a page asks for."""
    static = tmp_path / "static"
    static.mkdir()
    (static / "staticfiles.json").write_text('{"version": "1.1", "paths": {"one.css": "one.0.css"}, "hash": "0"}')
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}} | {
        "SECRET_KEY": "a secret of more than fifty characters for a test of production",
        "ALLOWED_HOSTS": "portal.example",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}",
        "SECURE_SSL_REDIRECT": "false",
        "STATIC_ROOT": str(static),
        "METRICS_TOKEN": TOKEN,
        "BIND": f"127.0.0.1:{port}",
        "WEB_CONCURRENCY": "1",
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "python:portal.gunicorn", "portal.wsgi"]
    with log.open("wb") as stderr, subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr) as process:  # noqa: S603  # our own interpreter, our own words
        yield process
        if process.poll() is None:
            process.kill()


def ask(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    """Return status and words of an answer; a server that is not there yet is asked again."""
    end = monotonic() + 30
    while monotonic() < end:
        with suppress(OSError), closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        sleep(0.05)
    pytest.fail("Nobody answers")


def until(found: Callable[[], Any]) -> Any:  # noqa: ANN401  # whatever is found
    """Return what is found as soon as there is something."""
    end = monotonic() + 30
    while monotonic() < end:
        if answer := found():
            return answer
        sleep(0.05)
    pytest.fail("It never came")


def test_gunicorn_serves_as_production_is_told(gunicorn: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in log.read_text("utf-8").splitlines()]

    def workers() -> list[int]:
        return [one["process.pid"] for one in lines() if one["message"].startswith("Booting worker")]

    def counted() -> float:
        status, page = ask(port, "/metrics", Authorization=f"Bearer {TOKEN}")
        found = COUNT.search(page)
        assert status == 200
        assert found is not None
        return float(found[1])

    alive, ready = ask(port, "/healthz"), ask(port, "/readyz")
    # The database has no table to look the key up in, and without its styles not even the error has a page.
    fault, page = ask(port, "/login/?next=hunter2", Host="portal.example", Cookie="portal_session=hunter2hunter2")
    before = counted()
    (first,) = workers()
    os.kill(first, signal.SIGKILL)
    until(lambda: len(workers()) == 2)
    after = counted()
    gunicorn.send_signal(signal.SIGTERM)
    gunicorn.wait(timeout=30)
    log_of_it = lines()

    assert (alive, ready[0]) == ((200, b"ok"), 503)
    assert (fault, b"Traceback" in page) == (500, False)
    # A worker goes on where the last one was killed.
    assert (before, after) == (1, 1)
    assert gunicorn.returncode == 0
    requests = [one["message"] for one in log_of_it if one["log.logger"] == "portal.requests"]
    # Who is it is asked before what is asked for.
    assert [line.partition(" in ")[0] for line in requests] == ["GET /readyz 503", "GET (no route) 500"]
    assert [(one["message"], one["error.type"]) for one in log_of_it if "error.type" in one] == [
        ("Error handling request GET (no route)", "ValueError")
    ]
    assert "hunter2" not in log.read_text("utf-8")
