"""A database that is away, full or busy: a page that says so, whatever was asked, and nobody let in."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from accounts.testing import PortalClient

WORDS = "database cannot answer right now"


@contextmanager
def broken(error: Exception, *, only: str = "") -> Iterator[None]:
    """Let every statement fail, or those ``only`` that name a table."""

    def fail(execute: "Callable[..., Any]", sql: str, params: object, many: bool, context: dict[str, Any]) -> Any:  # noqa: ANN401
        if only in sql:
            raise error
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        yield


@pytest.mark.parametrize("error", [OperationalError("connection refused"), InterfaceError("connection is closed")])
def test_database_that_is_away_is_a_page_that_says_so(
    client_of: "Callable[[User], PortalClient]", ada: "User", error: Exception
) -> None:
    client = client_of(ada)
    client.raise_request_exception = False

    with broken(error):
        answers = [client.get("/"), client.get("/setup/users/"), client.post("/logout/")]
    afterwards = client.get("/")

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert all(WORDS in answer.content.decode() and answer.headers["Retry-After"] == "5" for answer in answers)
    assert not any(re.search("Ada|Traceback|refused|closed", answer.content.decode()) for answer in answers)
    assert afterwards.context["user"] == ada


def test_nobody_signs_in_while_the_database_is_away(ada: "User") -> None:
    client = Client(raise_request_exception=False)

    with broken(OperationalError("connection refused")):
        answer = client.post("/login/", {"login": ada.username, "password": "a long enough password"})

    assert (answer.status_code, client.cookies.get("portal_session")) == (503, None)


def test_lock_that_is_waited_for_too_long_inside_a_visit_shows_the_banner(
    portal_client: "PortalClient", ada: "User", grace: "User", any_user_login: object
) -> None:
    portal_client.login_as(grace, actor=ada)
    portal_client.raise_request_exception = False

    with broken(OperationalError("canceling statement due to lock timeout"), only='FROM "accounts_login"'):
        answer = portal_client.get("/settings/login-history/")

    assert (answer.status_code, "Log out as Grace Hopper" in answer.content.decode()) == (503, True)
    assert WORDS in answer.content.decode()


def test_fault_of_our_own_is_no_moment_to_wait_for(client_of: "Callable[[User], PortalClient]", ada: "User") -> None:
    client = client_of(ada)
    client.raise_request_exception = False

    with broken(ValueError("a mistake of ours"), only="accounts_impersonation"):
        answer = client.get("/")

    assert (answer.status_code, answer.headers.get("Retry-After")) == (500, None)
    assert "Something went wrong" in answer.content.decode()
