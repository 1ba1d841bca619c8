"""Lists in a process of their own: it does what the parent's lines ask and answers each with a line of JSON.

There are two on one database and one table of users: the portal with its own settings, and its peers, Django's admin
and django-impersonate, with stock middleware, sessions and templates.
"""

from __future__ import annotations

import gc
import json
import os
import re
import sys
import time
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING, Any, TextIO

import django
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.benchmarks.configuration import CONNECTIONS
from tests.benchmarks.list_cases import CASES, PAGE
from tests.benchmarks.machine import installed
from tests.benchmarks.worker import TRANSACTION_CONTROL, database_version

if TYPE_CHECKING:
    from tests.benchmarks.traffic import Browser

# Transaction control, and that a session is in use, which is written down once a minute.
NOT_COUNTED = re.compile(rf'{TRANSACTION_CONTROL.pattern}|UPDATE "?accounts_session\b', re.IGNORECASE)
SLOW = 0.2  # seconds, from which on a page is asked for once at a time and without others before it
STOCK_APPS = (
    "django.contrib.auth",
    "orgs",
    "accounts",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",  # accounts needs its models
    "allauth.account",
)
STOCK_TEMPLATES = {
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {
        "context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]
    },
}


def configure(site: str) -> None:
    """Set Django up: the portal as it is, or the stock around its tables."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    settings.DATABASES["default"].update(CONNECTIONS)
    settings.DEBUG_PROPAGATE_EXCEPTIONS = True
    # No manifest is made for this: a file has its own name.
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    if site == "stock":
        peers = ["impersonate"] if installed("django-impersonate") else []
        settings.INSTALLED_APPS = [*STOCK_APPS, *peers]
        settings.TEMPLATES = [STOCK_TEMPLATES]
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
        settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
        settings.FORM_RENDERER = "django.forms.renderers.DjangoTemplates"
        settings.IMPERSONATE = {"PAGINATE_COUNT": PAGE, "CUSTOM_ALLOW": "tests.benchmarks.list_stock.may_all"}
        settings.ROOT_URLCONF = "tests.benchmarks.list_stock"
    django.setup()


class WrongPageError(AssertionError):
    """The page is not the one that was asked for: then its speed is of no interest."""


class Lists:
    """The lists of one site, as they are asked for."""

    def __init__(self, site: str) -> None:
        self.site = import_module(f"tests.benchmarks.list_{site}")
        self.links = {contender: re.compile(link) for contender, link in self.site.LINKS.items()}
        self.places: dict[str, Any] = {}
        self.browsers: dict[str, Browser] = {}

    def fill(self, users: int) -> dict[str, Any]:
        """Make what is missing of so many users and what is theirs."""
        began_at = time.monotonic()
        rows: dict[str, int] = self.site.fill(users)
        return {"seconds": time.monotonic() - began_at, "rows": rows}

    def open(self) -> dict[str, Any]:
        """Find out ids, cursors and page numbers, and sign in."""
        self.places = self.site.places()
        self.browsers = self.browsers or {contender: self.site.signed_in(contender) for contender in self.links}
        pages = [(one, name) for one in self.links for name, case in CASES.items() if case.path_at(one)]
        gc.collect()
        gc.freeze()
        return {"pages": pages}

    def look(self, contender: str, name: str) -> dict[str, Any]:
        """Return how many statements a page takes, and which rows it has."""
        with CaptureQueriesContext(connection) as captured:
            _, html = self.ask(contender, name)
        statements = sum(not NOT_COUNTED.match(query["sql"]) for query in captured.captured_queries)
        found = list(dict.fromkeys(self.links[contender].findall(html)))
        return {"statements": statements, "users": found, "rows": html.count("<tr") or html.count("<li>")}

    def time(self, contender: str, name: str, times: int) -> dict[str, Any]:
        """Return the nanoseconds of so many requests after a first one, or of that one where it takes long."""
        first, _ = self.ask(contender, name)
        if first > SLOW * 1e9 or not times:
            return {"nanoseconds": [first]}
        gc.collect()
        gc.disable()
        try:
            return {"nanoseconds": [self.ask(contender, name)[0] for _ in range(times)]}
        finally:
            gc.enable()

    def ask(self, contender: str, name: str) -> tuple[int, str]:
        """Ask for a page, insist on an answer, and return its nanoseconds and its text."""
        path, _, query = CASES[name].path_at(contender).format_map(self.places).partition("?")
        elapsed, response = self.browsers[contender].send("GET", path, query=query)
        html = response.content.decode()
        if response.status_code != HTTPStatus.OK:
            raise WrongPageError(f"{contender}: {path}?{query}: {response.status_code} {html[:200]!r}")
        return elapsed, html


def serve(site: str, replies: TextIO) -> None:
    """Answer line by line until the parent closes the pipe."""
    lists = Lists(site)
    replies.write(json.dumps({"database": database_version()}) + "\n")
    replies.flush()
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        answer = getattr(lists, order.pop("do"))(**order)
        replies.write(json.dumps(answer) + "\n")
        replies.flush()


def main() -> None:
    """Keep standard output for answers, whatever a library may print, and serve."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as replies:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        site = os.environ["SITE"]
        configure(site)
        serve(site, replies)


if __name__ == "__main__":
    main()
