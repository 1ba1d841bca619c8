"""A real Chromium against a real server, watched: breaking a page's policy, or leaving this host, is a failure."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.core.cache import cache
from playwright.sync_api import expect, sync_playwright

from accounts.testing import PortalClient
from tests.factories import PASSWORD
from tests.omissions import browser_path

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response
    from pytest_django.live_server_helper import LiveServer

    from accounts.models import User

ROOT = Path(__file__).resolve().parents[2]
# A page that needs longer than this, on a busy machine too, is broken.
PATIENCE = 10_000
NO_NEIGHBOURS = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    NO_NEIGHBOURS,
)
LISTENER = """
document.addEventListener("securitypolicyviolation", (event) => {
  window.reportViolation(`${event.violatedDirective} by ${event.blockedURI} (${event.sourceFile}:${event.lineNumber})`);
});
"""
# Chromium says so of every page that is answered with a refusal, and the tests are full of them.
EXPECTED_ERROR = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")


@pytest.fixture(scope="package")
def chromium() -> "Iterator[Browser]":
    """One Chromium for all of these tests; each gets windows of its own."""
    # Playwright keeps an event loop in this thread, in which Django would refuse to ask the database anything.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(
            executable_path=browser_path(), args=ARGUMENTS, ignore_default_args=["--disable-back-forward-cache"]
        )
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


class Watch:
    """What a window did that none may do."""

    def __init__(self, context: "BrowserContext", host: str) -> None:
        self.host = host
        self.troubles: list[str] = []
        context.expose_binding("reportViolation", lambda _, words: self.troubles.append(f"policy: {words}"))
        context.add_init_script(LISTENER)
        context.on("console", self.hear)
        context.on("weberror", lambda error: self.troubles.append(f"script: {error.error}"))
        context.on("request", self.see_request)
        context.on("response", self.see_response)

    def hear(self, message: "ConsoleMessage") -> None:
        if message.type in {"error", "warning"} and not EXPECTED_ERROR.match(message.text):
            self.troubles.append(f"console: {message.text}")

    def see_request(self, request: "Request") -> None:
        if not request.url.startswith((f"{self.host}/", "data:")):
            self.troubles.append(f"left for {request.url}")

    def see_response(self, response: "Response") -> None:
        is_page = response.request.resource_type in {"document", "xhr", "fetch"}
        if response.status >= (500 if is_page else 400):
            self.troubles.append(f"{response.status} for {response.url}")


OpenWindow = Callable[..., "Page"]


@pytest.fixture
def open_window(chromium: "Browser", live_server: "LiveServer") -> Iterator[OpenWindow]:
    """Open a window of a browser with no past: ``open_window(java_script_enabled=False)``."""
    cache.clear()
    watched: list[tuple[BrowserContext, Watch]] = []

    def open_one(**options: Any) -> "Page":
        context = chromium.new_context(base_url=live_server.url, **options)
        context.set_default_timeout(PATIENCE)
        watched.append((context, Watch(context, live_server.url)))
        return context.new_page()

    yield open_one
    for context, _ in watched:
        context.close()
    assert [trouble for _, watch in watched for trouble in watch.troubles] == []


@pytest.fixture
def window(open_window: OpenWindow) -> "Page":
    """One window, signed in as nobody."""
    return open_window()


def sign_in(page: "Page", user: "User") -> None:
    """Sign in on the login page."""
    page.goto("/login/")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url("/")


def key_of(page: "Page") -> str:
    """Return the session key that a window's browser holds."""
    cookies = {cookie.get("name"): cookie.get("value") for cookie in page.context.cookies()}
    return cookies.get(settings.SESSION_COOKIE_NAME) or ""


Hold = Callable[["Page", str], None]
Be = Callable[["Page", "User"], None]


@pytest.fixture
def hold(live_server: "LiveServer") -> Hold:
    """Put a session key into a window's browser: ``hold(page, key)``."""

    def put(page: "Page", key: str) -> None:
        name = settings.SESSION_COOKIE_NAME
        page.context.add_cookies([{"name": name, "value": key, "url": live_server.url, "httpOnly": True}])

    return put


@pytest.fixture
def be(hold: Hold) -> Be:
    """Make a window signed in as someone, for stories that begin later: ``be(page, ada)``."""

    def signed_in(page: "Page", user: "User") -> None:
        client = PortalClient()
        client.force_login(user)
        hold(page, client.cookies[settings.SESSION_COOKIE_NAME].value)

    return signed_in


@pytest.fixture(scope="session")
def keep() -> "Callable[[Page, str], None]":
    """Keep a screenshot as an artefact of the run: ``keep(page, "inside")``. ``ARTEFACTS`` says where."""
    folder = Path(os.environ.get("ARTEFACTS") or ROOT / "artefacts")
    folder.mkdir(parents=True, exist_ok=True)

    def screenshot(page: "Page", name: str) -> None:
        # Hiding the caret would leave a style on every field, which htmx then copies, and the page's policy refuses.
        page.screenshot(path=folder / f"{name}.png", full_page=True, caret="initial")

    return screenshot
