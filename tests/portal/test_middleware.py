"""What an address says that takes nothing but forms, and how probes are answered."""

from typing import TYPE_CHECKING

import pytest

from accounts.models import User
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings

    from accounts.testing import PortalClient


def test_form_address_that_is_opened_like_a_page_is_a_page(portal_client: "PortalClient", ada: User) -> None:
    portal_client.force_login(ada)

    page = portal_client.get("/setup/users/selected/")

    assert (page.status_code, page.headers["Allow"]) == (405, "POST")
    assert "it cannot be opened like a page. Nothing was changed." in page.content.decode()


def test_other_methods_are_answered_as_they_were(portal_client: "PortalClient", ada: User) -> None:
    portal_client.force_login(ada)

    answer = portal_client.put("/setup/users/selected/")

    assert (answer.status_code, answer.content) == (405, b"")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status", "statements"),
    [("/healthz", 200, 0), ("/readyz", 200, 1), ("/metrics", 404, 0), ("/", 400, None)],
)
def test_probes_ask_by_any_host_and_for_nobody(
    ada: "User", client_of: "Callable[[User], PortalClient]", path: str, status: int, statements: int | None
) -> None:
    client = client_of(ada)
    # What it takes from the disk, it takes once.
    client.get(path)

    with captured_queries() as asked:
        answer = client.get(path, headers={"Host": "10.0.0.7:8000"})

    assert answer.status_code == status
    assert statements is None or (len(asked), answer.cookies, "Set-Cookie" in answer) == (statements, {}, False)


@pytest.mark.django_db
def test_probes_are_asked_over_http(settings: "Settings", anonymous: "PortalClient") -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert [anonymous.get(path).status_code for path in ("/healthz", "/readyz", "/metrics", "/login/")] == [
        200,
        200,
        404,
        301,
    ]
