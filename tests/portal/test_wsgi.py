"""What the WSGI application answers before any middleware has seen the request: in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READ = [
    "",
    "text/plain",
    "text/plain; charset=utf-8",
    "text/plain; charset=UTF8",
    'multipart/form-data; boundary=x; charset="us-ascii"',
    "text/html; charset=ISO-8859-1",
    "text/plain; charset*=utf-8''utf-8",
]
NOT_READ = [
    "text/plain; charset=bogus",
    "text/plain; charset=",
    "text/plain; charset*=bogus''utf-8",
    "text/plain; name*=bogus''x",
    # Python knows these, and no text is written in them.
    "text/plain; charset=rot13",
    "multipart/form-data; boundary=x; charset=undefined",
    "text/plain; charset=a\0b",
]
ASK = """
import io, json, sys
from portal.wsgi import application

for content_type in json.loads(sys.argv[1]):
    answer = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/healthz",
        "QUERY_STRING": "a=%ff",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": content_type,
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
    }
    response = application(environ, lambda status, headers: answer.extend((status, dict(headers)["Content-Type"])))
    print(json.dumps([*answer, b"".join(response).decode()]))
    response.close()
"""


def answers(content_types: list[str]) -> list[list[str]]:
    """Return status line, type and words of each answer."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TEST_DATABASE"}}
    result = subprocess.run(  # noqa: S603  # our own interpreter, our own words
        [sys.executable, "-c", ASK, json.dumps(content_types)],
        cwd=ROOT,
        env=kept | {"DEBUG": "true"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_request_in_an_encoding_that_is_not_read_is_told_so() -> None:
    plain = "text/plain; charset=utf-8"
    words = "Request not understood: its Content-Type names an encoding that is not read here. Nothing was saved.\n"

    found = answers(READ + NOT_READ)

    read, not_read = found[: len(READ)], found[len(READ) :]
    assert read == [["200 OK", plain, "ok"]] * len(READ)
    assert not_read == [["400 Bad Request", plain, words]] * len(NOT_READ)
