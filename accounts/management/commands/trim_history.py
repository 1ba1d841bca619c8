"""``manage.py trim_history``: what is past its months goes; for a timer, once a day."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts.services.retention import (
    count_old_history,
    count_old_unknown_usernames,
    trim_history,
    trim_unknown_usernames,
)
from orgs.http import Origin
from orgs.management.common import find_organization
from orgs.models import Organization


class Command(BaseCommand):
    """Delete login history and ended sessions past each organization's months."""

    help = (
        "Delete login history and ended sessions that are older than the months each organization keeps "
        "(Session Settings). Run it daily; again or twice at once does no harm. The audit trail and visits stay."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", help="its name, or its id as Company Information shows it; all without")
        parser.add_argument("--dry-run", action="store_true", help="count what would be deleted, and delete nothing")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        is_dry, only = options["dry_run"], options["organization"]
        deleted = "Would delete" if is_dry else "Deleted"
        for organization in _chosen(only):
            trimmed = (
                count_old_history(organization)
                if is_dry
                else trim_history(organization, origin=Origin.automated("trim_history"))
            )
            words = "{logins} and {sessions}".format(**trimmed.words)
            self.stdout.write(f"{organization.name}: {deleted} {words} older than {trimmed.months} months.")
        if only is None:
            days = count_old_unknown_usernames() if is_dry else trim_unknown_usernames()
            self.stdout.write(f"{deleted} the count of unknown usernames of {days} day{'' if days == 1 else 's'}.")


def _chosen(named: str | None) -> list[Organization]:
    """Return the organizations to go through: customers first, whose sessions may hang on an operator's."""
    if named is not None:
        return [find_organization(named)]
    return list(Organization.objects.select_related("session_settings").order_by("kind", "id"))
