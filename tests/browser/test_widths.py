"""The widest lists fit beside the tree on a small laptop, and their filters take two lines."""

from typing import TYPE_CHECKING

import pytest

from accounts.enums import LoginStatus
from accounts.models import Login

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from accounts.models import User

    from .conftest import Be

pytestmark = pytest.mark.browser

IS_WHOLE = "(wrap => wrap.scrollWidth <= wrap.clientWidth)(document.querySelector('.table-wrap'))"
LINES = """new Set([...document.querySelectorAll(".toolbar > *")].map((one) =>
  Math.round(one.getBoundingClientRect().bottom))).size"""


@pytest.mark.parametrize("width", [1024, 1100, 1200, 1280])
def test_login_history_fits_beside_the_tree(window: "Page", be: "Be", ada: "User", width: int) -> None:
    be(window, ada)
    Login.objects.all().update(
        address="203.0.113.225", status=LoginStatus.WRONG_PASSWORD, delegate_user_name="Alexandra Robertson"
    )
    window.set_viewport_size({"width": width, "height": 800})

    window.goto("/setup/login-history/")

    assert window.evaluate(IS_WHOLE)


def test_filters_of_impersonations_take_two_lines(window: "Page", be: "Be", ada: "User") -> None:
    be(window, ada)
    window.set_viewport_size({"width": 1280, "height": 800})

    window.goto("/setup/impersonations/")

    assert window.evaluate(LINES) == 2
