"""Plain Django, alone or with one of the libraries: stock user, database sessions, ModelBackend."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from tests.benchmarks.people import CROWD, Cast
from tests.benchmarks.traffic import Browser, Case, Handler, page_case

if TYPE_CHECKING:
    from tests.benchmarks.contenders import Contender


def make_cast(contender: Contender) -> Cast:
    """Make a superuser, an ordinary user, and the crowd with their sessions."""
    actor = User.objects.create_superuser("ada@acme.example", "ada@acme.example", "portal-demo-2026")
    target = User.objects.create_user("grace@acme.example", "grace@acme.example", "portal-demo-2026")
    crowd = [User(username=f"user{number}@acme.example", password=target.password) for number in range(CROWD)]
    User.objects.bulk_create(crowd)
    end = timezone.now() + timedelta(days=14)
    data = SessionStore().encode({"_auth_user_id": str(target.pk), "_auth_user_hash": "0" * 64})
    Session.objects.bulk_create(
        [Session(session_key=f"{number:032d}", session_data=data, expire_date=end) for number in range(CROWD)],
    )
    return Cast(contender, actor.pk, target.pk)


def make_cases(cast: Cast) -> dict[str, Case]:
    """Name what this library can be asked."""
    own = cast.signed_in()
    cases = {"idle": page_case(own, "/whoami/", str(cast.actor_pk))}
    if cast.contender.name == "plain":
        cases["nobody"] = page_case(Browser(Handler()), "/whoami/", "None")
        cases["untouched"] = page_case(own, "/untouched/", "untouched")
    if cast.contender.start is None:
        return cases
    inside = cast.inside()
    cases["impersonating"] = page_case(inside, "/whoami/", str(cast.target_pk))
    if cast.contender.name == "hijack":
        cases["banner"] = page_case(inside, "/page/", f"<body>{cast.target_pk}")
    cases["visit"] = cast.visit(cast.signed_in())
    return cases
