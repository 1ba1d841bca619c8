"""``manage.py export_trail``: an organization's whole trail as a file, for whatever has no browser."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from django.core.management.base import BaseCommand, CommandError

from orgs.exports.listing import ExportFormat
from orgs.exports.trail import trail_listing
from orgs.http import Origin
from orgs.management.common import Progress, find_organization
from orgs.querysets import events_of
from orgs.services.exports import export_list, record_export, watched
from orgs.services.seals import record_lines

if TYPE_CHECKING:
    from django.core.management.base import CommandParser, OutputWrapper

    from orgs.models import Organization

STANDARD_OUTPUT = "-"


class Command(BaseCommand):
    """Write the trail of one organization to a file or to standard output, and record that."""

    help = "Write an organization's Setup Audit Trail to a file: as CSV, as OCSF events, or as sealed records."

    def add_arguments(self, parser: "CommandParser") -> None:
        parser.add_argument("--organization", required=True, metavar="NAME", help="its name, or its id (00D...)")
        parser.add_argument("--format", default=ExportFormat.CSV.value, choices=ExportFormat.values)
        parser.add_argument(
            "--output", default=STANDARD_OUTPUT, metavar="FILE", help="where to; - is standard output, as is nothing"
        )
        parser.add_argument("--force", action="store_true", help="write over a file that is there")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        organization = find_organization(options["organization"])
        progress = Progress(self.stderr)
        with opened(options["output"], force=options["force"], standard_output=self.stdout) as file:
            try:
                file.writelines(self.parts(organization, ExportFormat(options["format"]), watch=progress.add))
            except BrokenPipeError as error:
                raise CommandError("Whoever read this stopped before its end.") from error
        progress.finish()

    def parts(
        self, organization: "Organization", export_format: ExportFormat, *, watch: Callable[[int], None]
    ) -> Iterator[bytes]:
        """Return the file in parts."""
        origin = Origin.automated("export_trail")
        listing = trail_listing(organization, [events_of(organization)])
        if export_format is not ExportFormat.RECORDS:
            return export_list(listing, export_format, organization=organization, origin=origin, watch=watch)
        record_export(listing.what, export_format, organization=organization, origin=origin)
        return (line.encode() for line in watched(record_lines(organization), watch=watch))


@contextmanager
def opened(name: str, *, force: bool, standard_output: "OutputWrapper") -> Iterator[BinaryIO]:
    """Open what is written to. A file gets its name when it is whole: half a trail never looks like one."""
    if name == STANDARD_OUTPUT:
        standard_output.flush()
        file = cast("BinaryIO", standard_output.buffer)
        yield file
        file.flush()
        return
    path = Path(name)
    if path.exists() and not force:
        raise CommandError(f"{path} is there already. Give another name, or --force to write over it.")
    try:
        # Beside it, so that the new name is one step; only its owner reads it.
        descriptor, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
            Path(unfinished).replace(path)
        except BaseException:
            Path(unfinished).unlink()
            raise
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}.") from error
