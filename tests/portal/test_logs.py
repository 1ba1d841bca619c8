"""What lines of the log say, and whom they name."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any, cast

import pytest
from django.contrib.auth.decorators import login_not_required
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import include, path

from accounts.models import User
from portal.logs import JsonFormatter, LineFormatter, WithoutTraceOfRefusals
from portal.middleware import RequestLogMiddleware
from portal.urls import handler400, handler403, handler404, handler500

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from django.test import RequestFactory

    from accounts.testing import PortalClient
    from orgs.models import Organization

    Lines = Callable[[], list[dict[str, Any]]]

__all__ = ["handler400", "handler403", "handler404", "handler500"]

logger = logging.getLogger("somewhere")


def say(request: HttpRequest) -> HttpResponse:
    """Write a line."""
    logger.warning("said")
    return HttpResponse("ok")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Write a line while the answer is read."""

    def rows() -> Iterator[bytes]:
        logger.warning("streamed")
        yield b"row"

    return StreamingHttpResponse(rows())


@login_not_required
def fail(request: HttpRequest, key: str) -> HttpResponse:
    raise LookupError("gone\nand away")


urlpatterns = [
    path("", include("portal.urls")),
    path("probe/say/", say),
    path("probe/stream/", stream),
    path("probe/fail/<path:key>/", fail),
]


@pytest.fixture
def stderr(caplog: pytest.LogCaptureFixture) -> Iterator[io.StringIO]:
    """What production writes."""
    caplog.set_level(logging.INFO, "portal.requests")
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(JsonFormatter())
    handler.addFilter(WithoutTraceOfRefusals())
    logging.getLogger().addHandler(handler)
    yield handler.stream
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def lines(stderr: io.StringIO) -> "Lines":
    """Return the lines so far, read."""
    return lambda: [json.loads(line) for line in stderr.getvalue().split("\n")[:-1]]


# Whose hands, whose account, in which visit, in whose organization.
WHO = ("user.name", "user.effective.name", "portal.impersonation.id", "organization.id")


def who(line: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(line.get(name) for name in WHO)


@pytest.mark.urls(__name__)
def test_each_line_inside_a_visit_names_both_and_the_visit(
    any_user_login: "Organization", ada: User, grace: User, browser: "Callable[[], PortalClient]", lines: "Lines"
) -> None:
    client = browser()
    client.raise_request_exception = False
    visit = client.login_as(grace, actor=ada)

    client.get("/probe/say/")
    client.get("/probe/stream/").getvalue()
    client.get("/probe/fail/now/")
    logger.warning("after")

    *during, after = lines()
    inside = ("ada@acme.example", "grace@acme.example", str(visit.pk), str(any_user_login.pk))
    assert [(line["log.logger"], who(line)) for line in during] == [
        ("somewhere", inside),
        ("portal.requests", inside),
        ("portal.requests", inside),
        ("somewhere", inside),
        ("django.request", inside),
        ("portal.requests", inside),
    ]
    assert (during[0]["user.id"], during[0]["user.effective.id"]) == (str(ada.pk), str(grace.pk))
    assert who(after) == (None,) * 4


@pytest.mark.urls(__name__)
def test_lines_outside_name_the_actor_alone_and_of_nobody_no_one(
    ada: User, client_of: "Callable[[User], PortalClient]", anonymous: "PortalClient", lines: "Lines"
) -> None:
    client_of(ada).get("/probe/say/")
    anonymous.get("/probe/say/")

    assert [(line["log.logger"], who(line)) for line in lines()] == [
        ("somewhere", ("ada@acme.example", None, None, str(ada.organization_id))),
        ("portal.requests", ("ada@acme.example", None, None, str(ada.organization_id))),
        ("portal.requests", (None,) * 4),
    ]


@pytest.mark.urls(__name__)
def test_a_request_is_one_line_of_what_it_was(
    ada: User, client_of: "Callable[[User], PortalClient]", lines: "Lines"
) -> None:
    client_of(ada).get("/settings/", {"q": "a"}, headers={"X-Request-ID": "a-request"}, REMOTE_ADDR="198.51.100.7")

    (line,) = lines()
    assert line.pop("@timestamp").endswith("+00:00")
    assert line.pop("event.duration") > 0
    assert line.pop("process.pid") > 0
    assert line.pop("message").startswith("GET /settings/ 200 in ")
    assert line == {
        "ecs.version": "8.17.0",
        "log.level": "info",
        "log.logger": "portal.requests",
        "http.request.id": "a-request",
        "http.request.method": "GET",
        "http.route": "/settings/",
        "http.response.status_code": 200,
        "client.ip": "198.51.100.7",
        "user.id": str(ada.pk),
        "user.name": "ada@acme.example",
        "organization.id": str(ada.organization_id),
    }


@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_lines_hold_no_address_and_an_exception_is_a_field(
    anonymous: "PortalClient", stderr: io.StringIO, lines: "Lines"
) -> None:
    anonymous.raise_request_exception = False

    anonymous.get("/probe/fail/hunter2\u2028/?token=hunter2")
    anonymous.get("/nothing/%0ahunter2/", {"q": "hunter2"})
    anonymous.post("/probe/fail/hunter2/", {"password": "hunter2"}, headers={"Cookie": "key=hunter2"})

    fault, *rest = lines()
    assert "hunter2" not in stderr.getvalue()
    assert fault["message"] == "Internal Server Error: /probe/fail/<path:key>/"
    assert (fault["error.type"], fault["error.message"]) == ("LookupError", "gone\nand away")
    assert fault["error.stack_trace"].startswith("Traceback (most recent call last):\n")
    assert "Not Found: (no route)" in [line["message"] for line in rest]


@pytest.mark.parametrize("formatter", [JsonFormatter(), LineFormatter("{message}", style="{")], ids=["json", "line"])
def test_no_message_breaks_a_line(formatter: logging.Formatter) -> None:
    odd = "a\nb\r\x1b[2J\x85\u2028\ud800"

    line = formatter.format(logging.LogRecord("some\nwhere", logging.INFO, "", 0, "%s: " + odd, (odd,), None))

    assert len(line.splitlines()) == 1
    assert not [character for character in line if ord(character) < 32 or 127 <= ord(character) < 160]


def test_gunicorn_tells_no_address() -> None:
    record = logging.LogRecord("gunicorn.error", 40, "", 0, "Error handling %s %s", ("GET", "/a?token=hunter2"), None)

    assert json.loads(JsonFormatter().format(record))["message"] == "Error handling GET (no route)"


def test_a_line_takes_its_message_with_words_by_name_or_none() -> None:
    record = logging.LogRecord("a", logging.INFO, "", 0, "%(one)s of 100 %%", ({"one": 1},), None)
    bare = logging.LogRecord("a", logging.INFO, "", 0, "100 %", (), (None, None, None))

    assert [json.loads(JsonFormatter().format(one))["message"] for one in (record, bare)] == ["1 of 100 %", "100 %"]


def by_hand(rf: "RequestFactory", number: int) -> HttpRequest:
    """Return a request of a person of that number."""
    request = rf.get("/")
    request.user = User(pk=number, username=f"{number}@acme.example", organization_id=1)
    return request


def names(lines: "Lines") -> list[tuple[str, str]]:
    """Return what each line of ours says, and whom it names."""
    return sorted((line["message"], line["user.id"]) for line in lines() if line["log.logger"] == "somewhere")


def test_threads_name_each_their_own(rf: "RequestFactory", lines: "Lines") -> None:
    both = Barrier(2, timeout=10)

    def view(request: HttpRequest) -> HttpResponse:
        both.wait()
        logger.warning("%s", request.user.pk)
        both.wait()
        return HttpResponse()

    middleware = RequestLogMiddleware(view)
    threads = [Thread(target=middleware, args=[by_hand(rf, number)]) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert names(lines) == [("1", "1"), ("2", "2")]


def test_tasks_name_each_their_own(rf: "RequestFactory", lines: "Lines") -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        logger.warning("%s", request.user.pk)
        return HttpResponse()

    async def both() -> None:
        middleware = RequestLogMiddleware(view)
        await asyncio.gather(*(cast("Awaitable[HttpResponse]", middleware(by_hand(rf, one))) for one in (1, 2)))

    asyncio.run(both())

    assert names(lines) == [("1", "1"), ("2", "2")]


@pytest.mark.django_db
def test_probe_has_a_line_only_when_it_fails(anonymous: "PortalClient", lines: "Lines") -> None:
    def down(*_: object) -> None:
        raise OperationalError("the server closed the connection")

    anonymous.get("/healthz")
    anonymous.get("/readyz")
    with connection.execute_wrapper(down):
        anonymous.get("/readyz")

    assert [(line["log.logger"], line["http.route"]) for line in lines()] == [
        ("portal.requests", "/readyz"),
        ("django.request", "/readyz"),
    ]


@pytest.mark.parametrize(("status", "has_trace"), [(403, False), (500, True)])
def test_a_refusal_is_one_line_and_a_fault_keeps_its_trace(status: int, has_trace: bool) -> None:
    trace = (LookupError, LookupError("gone"), None)
    record = logging.LogRecord("django.request", logging.WARNING, "", 0, "Forbidden", None, trace)
    record.status_code = status

    assert WithoutTraceOfRefusals().filter(record)
    assert (record.exc_info == trace) == has_trace
