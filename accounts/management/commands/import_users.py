"""``manage.py import_users``: many users of one organization, from a CSV file of any size."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import URLValidator

from accounts.services.user_import import Report, check_users, import_users, number_of
from orgs.http import Origin
from orgs.management.common import Steps, find_organization

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

STANDARD_INPUT = "-"


class Command(BaseCommand):
    """Create the users of a file, or say what is wrong with it and create nobody."""

    help = (
        "Create many users of one organization from a CSV file, with the columns that Setup, Users, Import users "
        "explains. All are created, or, where anything is wrong, nobody: then each fault is told by row and column."
    )

    def add_arguments(self, parser: "CommandParser") -> None:
        parser.add_argument("file", metavar="FILE", help="the CSV file, in UTF-8; - is standard input")
        parser.add_argument("--organization", required=True, metavar="NAME", help="its name, or its id (00D...)")
        parser.add_argument("--dry-run", action="store_true", help="say what is wrong, and create nobody")
        parser.add_argument(
            "--mail",
            default="",
            metavar="SITE",
            help="mail each a link to choose a password: where the portal answers (https://...). Nobody without",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        organization, site = find_organization(options["organization"]), options["mail"]
        if site:
            _check_site(site)
        origin, watch = Origin.automated("import_users"), Steps(self.stderr)
        with _opened(options["file"]) as file:
            if options["dry_run"]:
                report = check_users(organization, file, origin=origin, watch=watch)
            else:
                report = import_users(organization, file, origin=origin, site=site, watch=watch)
        watch.finish()
        self._refuse_faults(report)
        done = "Imported" if report.is_imported else "Nothing is wrong. Would import"
        self.stdout.write(f"{done} {number_of(report.users, 'user')} into {organization.name}.")
        if report.unsent:
            sent = number_of(report.users - report.unsent, "mail")
            raise CommandError(f"Only {sent} went out. The log says why. Users can ask for one where they sign in.")

    def _refuse_faults(self, report: Report) -> None:
        for fault in report.faults:
            where = f"Row {fault.row}, {fault.column}" if fault.column else f"Row {fault.row}"
            self.stderr.write(f"{where}: {fault.words}")
        if (more := report.fault_count - len(report.faults)) > 0:
            self.stderr.write(f"And {number_of(more, 'fault')} more.")
        if not report.is_right:
            raise CommandError(f"{number_of(report.fault_count, 'fault')}. Nobody was imported.")


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    try:
        with Path(name).open("rb") as file:
            yield file
    except OSError as error:
        raise CommandError(f"{name} can't be read: {error.strerror}.") from error


def _check_site(site: str) -> None:
    try:
        URLValidator(schemes=["http", "https"])(site)
    except ValidationError as error:
        raise CommandError(f"{site} is not where a portal answers. Give --mail https://...") from error
