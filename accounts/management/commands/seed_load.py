"""``manage.py seed_load``: an organization of any size to measure with."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.services.load import NAME, NobodyThere, Size, seed_load
from orgs.management.common import Steps

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

HELP = {
    "users": "people; one in 10,000 is an administrator, the first among them",
    "sessions": "live sessions of people",
    "logins": "rows of the login history, over the last 180 days",
    "grants": "live grants to the company's administrators, one a person at most",
    "visits": "visits that are over, with their sessions",
    "open_visits": "visits that go on, each from a session of the first administrator's",
    "events": "rows of the trail, over the last 180 days",
}


class Command(BaseCommand):
    """Make rows in bulk, or what of them is missing."""

    help = (
        f"Make an organization called {NAME} with so many rows of each kind, the same ones each time. What is there "
        "counts: a second run adds what is missing. For measuring: nobody can sign in as any of its people."
    )

    def add_arguments(self, parser: "CommandParser") -> None:
        for field in fields(Size):
            option = f"--{field.name.replace('_', '-')}"
            parser.add_argument(option, type=int, default=0, metavar="N", help=HELP[field.name])

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        if not settings.DEVELOPMENT:
            raise CommandError("seed_load makes sessions whose keys everyone knows. It runs with DEBUG=true only.")
        size = Size(**{field.name: options[field.name] for field in fields(Size)})
        watch = Steps(self.stderr)
        try:
            organization = seed_load(size, now=timezone.now().replace(microsecond=0), watch=watch)
        except NobodyThere as nobody:
            raise CommandError(str(nobody)) from nobody
        watch.finish()
        self.stdout.write(f"{organization.name} ({organization.reference}) has what was asked for.")
