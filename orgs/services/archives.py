"""Archiving the trail: the only way in which its events go. What goes is in a file first, seals included.

The database lets events go up to the last one of an archive and no others (orgs/triggers.py). The seals stay, so that
the chain is still checked from its beginning, and the file against its digest.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from orgs.audit import AuditAction, record
from orgs.models import AuditArchive, AuditEvent, AuditSeal
from orgs.months import months_before

from .chain import Head, digest, digests_in, parts_of
from .guards import lock_organization
from .seals import EventReader, Progress, last_seal, seal_lines, seal_trail, seals_after
from .verification import ChainChecker, Report, Trouble, archived_up_to

if TYPE_CHECKING:
    from orgs.http import Origin
    from orgs.models import Organization


class ArchiveRefused(Exception):  # noqa: N818  # said as the command says it
    """Nothing was archived, and nothing deleted. The message says why."""


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """What a file of seals and their events holds, checked: each event against its seal, each seal against the last."""

    name: str
    digest: str
    head: Head | None
    events: int


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where the chain may be cut: no event up to the last one of the seals before is anywhere else."""

    size: int
    seal: AuditSeal
    events: int
    until: datetime


def archive_trail(
    organization: "Organization",
    *,
    path: Path,
    before: datetime | None = None,
    origin: "Origin",
    at: datetime | None = None,
    progress: Progress | None = None,
) -> AuditArchive | None:
    """Write the oldest seals and their events to a new file at ``path``, and delete the events; None without any.

    Whole seals whose events are all from before ``before``, or older than the months that the organization keeps, which
    are the least. The row of the archive and that of the trail are written once the file is safe and was read again;
    only then the events go, in batches. Where that was broken off, :func:`delete_archived` goes on. Raises
    :class:`ArchiveRefused`.
    """
    at = at or timezone.now()
    cutoff = _cutoff(organization, before, at=at)
    seal_trail(organization, at=at)
    oldest = AuditEvent.objects.filter(organization=organization).order_by("id").first()
    if oldest is None or oldest.created_at >= cutoff:
        return None
    after = _last_archived_seal(organization)
    with _new_file(path) as file:
        cut = _write(organization, file, after=after, cutoff=cutoff, progress=progress)
        known = check_file(path)
        if cut and (known.head, known.events) != (Head(cut.seal.number, cut.seal.digest), cut.events):
            raise ArchiveRefused(f"{path} does not hold what was written to it.")
    if cut is None:
        return None
    archive = _enter(organization, cut, known, after=after, origin=origin, at=at)
    delete_archived(organization)
    return archive


def _cutoff(organization: "Organization", before: datetime | None, *, at: datetime) -> datetime:
    months = organization.session_settings.history_months
    latest = months_before(at, months)
    if before is not None and before > latest:
        raise ArchiveRefused(f"{organization} keeps {months} months: nothing from {latest:%Y-%m-%d} on is archived.")
    return before or latest


def _last_archived_seal(organization: "Organization") -> int:
    archives = AuditArchive.objects.filter(organization=organization).order_by("-last_seal_number")
    return archives.values_list("last_seal_number", flat=True).first() or 0


# --- the file ----------------------------------------------------------------------------------------------------


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """Make a file that only its owner reads, and let it be on the disk at the end; gone where nothing was written."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ArchiveRefused(f"{path}: {error.strerror}") from error
    try:
        with os.fdopen(number, "wb") as file:
            yield file
    except BaseException:
        path.unlink()
        raise
    if not path.stat().st_size:
        path.unlink()


def _write(
    organization: "Organization", file: IO[bytes], *, after: int, cutoff: datetime, progress: Progress | None
) -> _Cut | None:
    """Write the seals after ``after`` with their events, up to the last cut before ``cutoff``."""
    report, reader = Report(), EventReader(organization.pk)
    checker = ChainChecker(report, archived_up_to=lambda: archived_up_to(organization))
    last, cut, events = last_seal(organization.pk), None, 0
    for seal in seals_after(organization.pk, 0, until=last.number if last else 0):
        found = reader.take(list(digests_in(seal)))
        if checker.look_at_seal(seal):
            checker.look_at_events(seal, found)
        if report.first:
            raise ArchiveRefused(f"{report.first.text}. A trail that is not whole is not archived: run verify_trail.")
        if seal.number <= after:
            continue
        until = max((event.created_at for event in found.values()), default=cutoff)
        if until >= cutoff:
            break
        file.writelines(text.encode() for text in seal_lines(seal, found))
        events += len(found)
        if reader.is_clear_up_to(seal.last_event_id):
            cut = _Cut(file.tell(), seal, events, max(until, cut.until) if cut else until)
        if progress:
            progress(len(found))
    if events and cut is None:
        raise ArchiveRefused("No seal ends where every event up to it is sealed: run verify_trail.")
    file.truncate(cut.size if cut else 0)
    file.flush()
    os.fsync(file.fileno())
    return cut


class FileBroken(ArchiveRefused):
    """A file is not what an archive wrote."""


def check_file(path: Path) -> ArchiveFile:
    """Read a file of :func:`archive_trail` and check all that it says of itself. Raises :class:`FileBroken`."""
    whole, events = hashlib.sha256(), 0
    head: Head | None = None
    waiting: dict[str, str] = {}
    with path.open("rb") as file:
        for number, row in enumerate(file, 1):
            whole.update(row)
            try:
                kind, content = parts_of(row.decode())
                body = json.loads(content)
                if kind == "event":
                    waiting[body["id"]] = digest(content)
                    events += 1
                    continue
                fault = _fault_in_file(kind, body, head, waiting)
            except (ValueError, KeyError, TypeError) as error:
                raise FileBroken(f"{path}, line {number}: it is no line of an archive.") from error
            if fault:
                raise FileBroken(f"{path}, line {number}: {fault}.")
            head, waiting = Head(body["number"], digest(content)), {}
    if waiting:
        raise FileBroken(f"{path}: it ends before a seal.")
    return ArchiveFile(path.name, whole.hexdigest(), head, events)


def _fault_in_file(kind: str, seal: dict[str, Any], head: Head | None, events: dict[str, str]) -> str:
    """Return what is wrong with a seal that comes after ``head`` and these events, or nothing."""
    if kind != "seal":
        return f"an archive holds no {kind}"
    if head and (seal["number"], seal["previous"]) != (head.number + 1, head.digest):
        return f"seal {seal['number']} does not follow seal {head.number}"
    if events != dict(seal["entries"]):
        return f"the events before seal {seal['number']} are not those that it names"
    return ""


def trouble_with_file(organization: "Organization", path: Path) -> list[Trouble]:
    """Check a file against itself and against what an organization's archives say of it."""
    try:
        known = check_file(path)
    except (FileBroken, OSError) as error:
        return [Trouble(str(error).removesuffix("."))]
    archives = AuditArchive.objects.filter(organization=organization, digest=known.digest)
    said = {(Head(archive.last_seal_number, archive.head), archive.events) for archive in archives}
    if (known.head, known.events) in said:
        return []
    return [Trouble(f"{path} is none of the files to which this trail was archived")]


# --- the rows ----------------------------------------------------------------------------------------------------


@transaction.atomic
def _enter(
    organization: "Organization",
    cut: _Cut,
    known: ArchiveFile,
    *,
    after: int,
    origin: "Origin",
    at: datetime,
) -> AuditArchive:
    """Write down that a file holds all up to a cut: the archive, which lets events go, and the row of the trail."""
    lock_organization(organization.pk)
    if _last_archived_seal(organization) != after:
        raise ArchiveRefused(f"{organization} was archived by someone else meanwhile. Both files are whole.")
    archive = AuditArchive.objects.create(
        organization=organization,
        created_at=at,
        by_name=origin.doer_name,
        last_event_id=cut.seal.last_event_id,
        last_seal_number=cut.seal.number,
        head=cut.seal.digest,
        events=cut.events,
        file_name=known.name,
        digest=known.digest,
    )
    record(
        AuditAction.TRAIL_ARCHIVED,
        origin=origin,
        organization=organization,
        at=at,
        after={
            "events": cut.events,
            "last_event": str(cut.seal.last_event_id),
            "head": f"{cut.seal.number}:{cut.seal.digest}",
            "file": known.name,
            "digest": known.digest,
        },
        count=str(cut.events),
        until=f"{cut.until:%Y-%m-%d %H:%M} UTC",
    )
    return archive


def delete_archived(organization: "Organization") -> int:
    """Delete the events that archives hold and that are still there; return how many. Seal by seal, no other rows."""
    deleted = after = 0
    for archive in AuditArchive.objects.filter(organization=organization).order_by("last_seal_number"):
        events = AuditEvent.objects.filter(organization=organization)
        if events.filter(pk__lte=archive.last_event_id).exists():
            for seal in seals_after(organization.pk, after, until=archive.last_seal_number):
                ids = [pk for pk in digests_in(seal) if pk <= archive.last_event_id]
                deleted += events.filter(pk__in=ids).delete()[0]
        after = archive.last_seal_number
    return deleted
