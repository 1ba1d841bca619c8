"""``manage.py archive_trail``: old events of a trail go into a file, and out of the database."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from orgs.http import Origin
from orgs.management.common import Progress, find_organization
from orgs.services.archives import ArchiveRefused, archive_trail, delete_archived
from orgs.text import counted

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """Archive what is older than the months that an organization keeps."""

    help = (
        "Write an organization's oldest events, with their seals, to a new file, read it again, and only then delete "
        "them. The chain stays checkable (verify_trail), the file too (verify_trail --archive). Nothing goes that is "
        "not in the file. Run it again if it was interrupted."
    )

    def add_arguments(self, parser: "CommandParser") -> None:
        parser.add_argument("--organization", required=True, metavar="NAME", help="its name, or its id (00D...)")
        parser.add_argument("--output", required=True, metavar="FILE", help="never written over")
        parser.add_argument(
            "--before", metavar="DATE", help="YYYY-MM-DD, in UTC; without it all past the months that are kept"
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        organization = find_organization(options["organization"])
        before, path = _day(options["before"]), Path(options["output"])
        if finished := delete_archived(organization):
            self.stdout.write(f"Deleted {counted(finished, 'event')} that an archive holds and that were left.")
            return
        watch = Progress(self.stderr) if self.stderr.isatty() else None
        try:
            archive = archive_trail(
                organization,
                path=path,
                before=before,
                origin=Origin.automated("archive_trail"),
                progress=watch.add if watch else None,
            )
        except ArchiveRefused as error:
            raise CommandError(str(error)) from error
        if watch:
            watch.finish()
        if archive is None:
            self.stdout.write(f"Nothing of {organization.name}'s trail is old enough.")
            return
        head = f"{archive.last_seal_number}:{archive.head}"
        self.stdout.write(f"Archived {counted(archive.events, 'event')} to {path}. Head {head}")


def _day(given: str | None) -> datetime | None:
    if not given:
        return None
    try:
        return datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise CommandError(f"--before {given}: give a day as YYYY-MM-DD.") from error
