"""What the WSGI application answers before any middleware has seen the request: in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
# What came of a form, of which only a part came in.
READ_FORM = """
import io, json, sys
from django.http import UnreadablePostError
from portal.wsgi import Request

announced, came_in, content_type = json.loads(sys.argv[1])
for length in came_in:
    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(announced)),
        "wsgi.input": io.BytesIO(announced[:length].encode()),
    }
    try:
        print(json.dumps(Request(environ).POST.dict()))
    except UnreadablePostError as error:
        print(json.dumps(str(error)))
"""
MULTIPART = '--x\r\nContent-Disposition: form-data; name="alias"\r\n\r\nanna\r\n--x--\r\n'


def answers(content_types: list[str]) -> list[list[str]]:
    """Return status line, type and words of each answer."""
    return run(ASK, content_types)


def run(script: str, question: object) -> list[Any]:
    """Run a script that is given JSON, and return the JSON of each line that it prints."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TEST_DATABASE"}}
    result = subprocess.run(  # noqa: S603  # our own interpreter, our own words
        [sys.executable, "-c", script, json.dumps(question)],
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


@pytest.mark.parametrize(
    ("form", "content_type"),
    [("first=Anna&alias=anna", "application/x-www-form-urlencoded"), (MULTIPART, "multipart/form-data; boundary=x")],
    ids=["urlencoded", "multipart"],
)
def test_form_that_broke_off_is_not_read_as_a_shorter_one(form: str, content_type: str) -> None:
    whole, *cut = run(READ_FORM, [form, [len(form), len(form) - 2, 10, 0], content_type])

    assert whole["alias"] == "anna"
    assert cut == ["The request broke off."] * 3
