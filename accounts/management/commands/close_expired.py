"""``manage.py close_expired``: the sweep, for cron."""

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from accounts.services.expiry import close_expired
from orgs.http import Origin
from orgs.management.common import find_organization

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """End what a limit has ended and nobody came back for."""

    help = (
        "Ends sessions and visits of which a limit has fallen (inactivity, absolute, time limit, grant), stamped with "
        "the moment it fell. Requests need it not; it closes the rows of browsers that were simply closed. Safe to run "
        "anywhere, any number of times, at once."
    )

    def add_arguments(self, parser: "CommandParser") -> None:
        parser.add_argument(
            "--organization", default="", metavar="NAME", help="its name, or its id (00D...); all without"
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        named = options["organization"]
        organization = find_organization(named) if named else None
        closed = close_expired(origin=Origin.automated("close_expired"), organization=organization)
        where = f" in {organization.name}" if organization else ""
        sessions = "1 session" if closed.sessions == 1 else f"{closed.sessions} sessions"
        visits = "1 visit" if closed.visits == 1 else f"{closed.visits} visits"
        self.stdout.write(f"Closed {sessions} and {visits}{where}.")
