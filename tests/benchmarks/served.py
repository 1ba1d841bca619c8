"""One contender as gunicorn serves it. As a program it makes tables and people, and answers with their cookies."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.benchmarks.configuration import PORTAL_MIDDLEWARE, configure
from tests.benchmarks.contenders import CONTENDERS

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

contender = CONTENDERS[os.environ["CONTENDER"]]
configure(contender)

from django.conf import settings  # noqa: E402  # configured now
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

# What a request says that is to pass all of the portal's middleware, not those alone that identity needs.
ALL = "HTTP_X_ALL_MIDDLEWARE"


def handlers() -> tuple[WSGIHandler, WSGIHandler]:
    """Return the handler with what identity needs alone, and the one with all."""
    everything = WSGIHandler()
    if not contender.is_portal:
        return everything, everything
    named = settings.MIDDLEWARE
    settings.MIDDLEWARE = [*PORTAL_MIDDLEWARE]
    alone = WSGIHandler()
    settings.MIDDLEWARE = named
    return alone, everything


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Any:  # noqa: ANN401  # what WSGI takes
    """Answer a request."""
    return (everything if ALL in environ else alone)(environ, start_response)


def make_cookies() -> dict[str, dict[str, Any]]:
    """Make tables and people; return, for each case, the cookies of a browser and whom it is."""
    site = import_module(f"tests.benchmarks.{'portal' if contender.is_portal else 'stock'}_site")
    call_command("migrate", verbosity=0)
    cast = site.make_cast(contender)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    made = {"signed in": {"cookies": cast.signed_in().cookies, "expected": str(cast.actor_pk)}}
    if contender.start is not None:
        made["impersonating"] = {"cookies": cast.inside().cookies, "expected": str(cast.target_pk)}
    return made


if __name__ == "__main__":
    sys.stdout.write(json.dumps(make_cookies()) + "\n")
else:
    alone, everything = handlers()
