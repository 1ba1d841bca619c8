import pytest
from playwright.sync_api import expect
from .test_main_story import log_in_as_grace, show_nothing
pytestmark=pytest.mark.browser
def test_t(window, be, ada, grace, any_user_login):
    be(window, ada)
    log_in_as_grace(window)
    r = window.goto("/"); print(r.headers)
    window.get_by_role("button", name="Log out as Grace Hopper").first.click()
    show_nothing(window)
    window.go_back(); print(window.url, window.title())
    show_nothing(window)
