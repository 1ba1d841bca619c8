"""The watch that is kept on every window of these tests does see what it is there for."""

from typing import TYPE_CHECKING

import pytest

from .conftest import Watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pytest_django.live_server_helper import LiveServer

pytestmark = pytest.mark.browser

# What a page would do that no page may, and how the watch words it.
TROUBLES = {
    "document.body.setAttribute('style', 'color: red')": "policy: style-src-attr by inline",
    "document.head.append(Object.assign(document.createElement('script'), {text: 'one'}))": "policy: script-src-elem",
    "document.body.append(Object.assign(new Image(), {src: 'https://evil.example/'}))": "policy: img-src by https://evil",
    "fetch('https://evil.example/').catch(() => {})": "policy: connect-src by https://evil.example/",
    "document.body.append(Object.assign(new Image(), {src: '/nowhere.png'}))": "404 for ",
    "setTimeout(() => nothing.there)": "script: ",
    "console.error('a word')": "console: a word",
    "location.href = 'https://evil.example/'": "left for https://evil.example/",
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_watch_sees(chromium: "Browser", live_server: "LiveServer", trouble: str) -> None:
    context = chromium.new_context(base_url=live_server.url)
    watch = Watch(context, live_server.url)
    page = context.new_page()
    page.goto("/login/")
    assert watch.troubles == []

    page.evaluate(f"() => {{ {trouble} }}")
    page.wait_for_timeout(300)
    context.close()

    assert [words for words in watch.troubles if words.startswith(TROUBLES[trouble])] != []
