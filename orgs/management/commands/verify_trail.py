"""``manage.py verify_trail``: is the trail as it was sealed?"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from orgs.management.common import Progress, find_organization
from orgs.models import Organization
from orgs.services.archives import trouble_with_file
from orgs.services.chain import NO_HEAD, Head
from orgs.services.seals import seal_trail
from orgs.services.verification import Report, stand, verify_trail
from orgs.text import counted

from .seal_trail import organizations_named

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

_HEAD = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


class Command(BaseCommand):
    """Recompute every digest and compare, and name the first row that is not as it was sealed."""

    help = (
        "Look for events of the trail that were changed, removed or slipped in, and for seals that were. Exit code 1 "
        "if there are any. Whoever can write to the database past its triggers can also build the chain anew or cut "
        "off its end: only heads that were kept outside show that (seal_trail prints them)."
    )

    def add_arguments(self, parser: "CommandParser") -> None:
        parser.add_argument("--organization", metavar="NAME", help="its name, or its id (00D...); all without")
        parser.add_argument(
            "--head", action="append", default=[], metavar="NUMBER:DIGEST", help="a head of it that was kept outside"
        )
        parser.add_argument("--heads", metavar="FILE", help="lines of seal_trail that were kept outside")
        parser.add_argument(
            "--archive", action="append", default=[], metavar="FILE", help="a file of archive_trail, to be checked too"
        )
        parser.add_argument("--no-seal", action="store_true", help="write nothing: count what is not sealed yet")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        if (options["head"] or options["archive"]) and not options["organization"]:
            raise CommandError("--head and --archive are of one organization: say which, --organization NAME.")
        organizations = organizations_named(options["organization"])
        heads = _heads_of(options, organizations)
        for name in options["archive"]:
            _must_be_readable(Path(name))
        watch = Progress(self.stderr) if self.stderr.isatty() else None
        broken = 0
        for organization in organizations:
            kept = heads.get(organization.pk, set())
            # What was cut off or exchanged is left as it is found.
            if not options["no_seal"] and stand(organization, kept):
                seal_trail(organization)
            report = verify_trail(organization, heads=kept, progress=watch.add if watch else None)
            for name in options["archive"]:
                report.chain += trouble_with_file(organization, Path(name))
            self.stdout.write(f"{organization.name}: {_words(report)}")
            broken += not report.is_whole
        if watch:
            watch.finish()
        if not heads:
            self.stdout.write("Not compared with any head that was kept outside (--head, --heads).")
        if broken:
            raise CommandError(f"Not whole: {counted(broken, 'trail')}.")


def _words(report: Report) -> str:
    """Say what was found, the first trouble first."""
    counts = [counted(report.events, "event"), f"in {counted(report.seals, 'seal')}"]
    if report.archived:
        counts.append(f"({counted(report.archived, 'more event')} archived)")
    if report.first is None:
        unsealed = f"; {report.unsealed} not sealed yet" if report.unsealed else ""
        return f"whole. {' '.join(counts)}{unsealed}. Head {report.head or NO_HEAD}"
    rows = f" {counted(report.rows, 'row')} in all." if report.rows else ""
    faults = [trouble.text for trouble in report.chain if trouble is not report.first]
    more = "".join(f" {text}." for text in faults)
    return f"NOT WHOLE. {report.first.text}.{rows}{more} As they were sealed: {' '.join(counts)}."


def _heads_of(options: dict[str, Any], organizations: Iterable[Organization]) -> dict[int, set[Head]]:
    """Return the heads that were given, by organization."""
    heads: dict[int, set[Head]] = {}
    for organization in organizations if options["head"] else ():
        heads[organization.pk] = {_head(given, "--head") for given in options["head"]}
    if options["heads"]:
        wanted = {organization.pk for organization in organizations}
        for pk, head in _lines_of(Path(options["heads"])):
            if pk in wanted:
                heads.setdefault(pk, set()).add(head)
    return {pk: kept - {NO_HEAD} for pk, kept in heads.items()}


def _must_be_readable(path: Path) -> None:
    """Refuse a file that can't be opened: a mistyped name says nothing of the trail."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}.") from error


def _lines_of(path: Path) -> Iterable[tuple[int, Head]]:
    """Yield organization and head of each line of a file of heads."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} can't be read: it is not text in UTF-8.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        organization, _, rest = line.partition(" ")
        yield find_organization(organization).pk, _head(rest.partition(" ")[0], where)


def _head(given: str, where: str) -> Head:
    found = _HEAD.fullmatch(given)
    if found is None:
        raise CommandError(f"{where}: {given or 'nothing'} is no head. Give one as seal_trail prints it: NUMBER:DIGEST")
    return Head(int(found[1]), found[2])
