"""What both kinds of site, stock and portal, do with people: signing in, going in, a visit there and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.test import Client

from tests.benchmarks.traffic import Browser, Case, Handler, Step, ignore

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.contenders import Contender, Post

CROWD = 1000  # other users, each with a session, so that both databases go by their indexes


@dataclass(frozen=True, slots=True)
class Cast:
    """The two people of the story."""

    contender: Contender
    actor_pk: int
    target_pk: int

    def sign_in(self, browser: Browser) -> None:
        """Sign the actor in, as Django's test client does it."""
        client = Client()
        client.force_login(get_user_model()._default_manager.get(pk=self.actor_pk))  # documented name
        browser.cookies = {name: morsel.value for name, morsel in client.cookies.items()}

    def signed_in(self, handler: Handler | None = None) -> Browser:
        """Return a new browser in which the actor is signed in."""
        browser = Browser(handler or Handler())
        self.sign_in(browser)
        return browser

    def inside(self, handler: Handler | None = None) -> Browser:
        """Return a new browser in which the actor is logged in as the target, by the library's own view."""
        browser = self.signed_in(handler)
        self.send(browser, self.contender.start)
        return browser

    def send(self, browser: Browser, post: Post | None) -> int:
        """Send this contender's start or leave."""
        if post is None:
            raise TypeError(f"{self.contender.label} has no such thing")
        return browser.act(post.path_for(self.target_pk), post.data_for(self.target_pk))

    def visit(self, browser: Browser, *, settle: Callable[[], object] = ignore, signs_in_again: bool = False) -> Case:
        """Return the case of a start and a leave; after each, somebody looks who it is now."""

        def after_start() -> None:
            settle()
            browser.ask("/whoami/", str(self.target_pk))

        def after_leave() -> None:
            if signs_in_again:
                browser.ask("/whoami/", "None")
                self.sign_in(browser)
            browser.ask("/whoami/", str(self.actor_pk))

        return (
            Step("start", lambda: self.send(browser, self.contender.start), after_start),
            Step("leave", lambda: self.send(browser, self.contender.leave), after_leave),
        )
