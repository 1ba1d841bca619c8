"""The portal's lists: rows by the generator, addresses of pages in the middle and at the end, and who asks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from django.core.management import call_command
from django.core.management.base import OutputWrapper
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import Impersonation, Login, LoginAccessGrant, Profile, Role, Session, StandardProfile, User
from accounts.services.load import Kind, Size, seed_load
from orgs.management.common import Progress
from orgs.models import AuditEvent
from orgs.paging import cursor_behind
from tests.benchmarks.list_cases import PAGE
from tests.benchmarks.traffic import Browser, Handler

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

LINKS = {"portal": r'<td><a href="(\d+)/"'}
# So many users have one row of these. All at one, but for visits, take five minutes more to make.
SHARES = {"sessions": 1, "logins": 5, "grants": 5, "visits": 10, "open_visits": 100, "events": 5}


def fill(users: int) -> dict[str, int]:
    """Make what is missing of so many users and a share of what is theirs, and let the database look at it."""
    if "accounts_user" not in connection.introspection.table_names():
        call_command("migrate", verbosity=0)
    shares = {name: users // share for name, share in SHARES.items()}
    seed_load(Size(users=users, **shares), now=timezone.now().replace(microsecond=0), watch=watch())
    with connection.cursor() as cursor:
        # As the database would by itself, some minutes later.
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
    return {"users": users, **shares}


def watch() -> Callable[[Kind, int], None]:
    """Return what is told of progress, and passes it on."""
    lines: dict[Kind, Progress] = {}

    def told(kind: Kind, rows: int) -> None:
        what = f"{connection.display_name}, {kind.value}"
        lines.setdefault(kind, Progress(OutputWrapper(sys.stderr), what=what)).add(rows)

    return told


def lists() -> dict[str, tuple[QuerySet[Any], tuple[str, ...], bool]]:
    """Return the rows of each list, what it is sorted by, and whether the newest stand first."""
    return {
        "": (User.objects.all(), ("name_key", "id"), False),
        "trail ": (AuditEvent.objects.all(), ("created_at", "id"), True),
        "sessions ": (Session.objects.filter(ended_at=None, parent=None), ("id",), True),
        "login history ": (Login.objects.all(), ("created_at", "id"), True),
        "grants ": (LoginAccessGrant.objects.all(), ("id",), True),
        "impersonations ": (Impersonation.objects.all(), ("started_at", "session_id"), True),
    }


def places() -> dict[str, Any]:
    """Return cursors of pages in the middle and at the end, and the profiles and the role that are asked for."""
    found: dict[str, Any] = {
        "profile": Profile.objects.get(standard=StandardProfile.STANDARD_USER).pk,
        "external": Profile.objects.get(standard=StandardProfile.EXTERNAL_USER).pk,
        "administrators": Profile.objects.get(standard=StandardProfile.SYSTEM_ADMINISTRATOR).pk,
        "role": Role.objects.order_by("path")[3].pk,
    }
    for name, (rows, order, newest_first) in lists().items():
        last = max(rows.count() - 1, 0) // PAGE
        for page, number in (("middle", (last + 1) // 2), ("last", last)):
            found[f"{name}{page}"] = _cursor_of(rows, order, newest_first, max(number * PAGE, 1))
    return found


def _cursor_of(rows: QuerySet[Any], order: tuple[str, ...], newest_first: bool, behind: int) -> str:
    """Return the cursor of the page that begins behind so many rows."""
    sign = "-" if newest_first else ""
    row = rows.order_by(*(f"{sign}{name}" for name in order))[behind - 1]
    return cursor_behind(row, order=order, descending=newest_first)


def signed_in(_contender: str) -> Browser:
    """Return a browser in which the organization's first administrator is signed in."""
    client = Client()
    client.force_login(User.objects.order_by("pk")[0])
    return Browser(Handler(), {name: morsel.value for name, morsel in client.cookies.items()})
