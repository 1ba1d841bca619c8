"""What an address says that takes nothing but forms."""

from typing import TYPE_CHECKING

from accounts.models import User

if TYPE_CHECKING:
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
