"""Is the trail as it was sealed? What was changed, removed or slipped in, and how far that can be told from here.

Whoever may write to the database past its triggers can also build the whole chain anew, or cut off its end. Only a head
that was kept outside tells (``seal_trail`` prints it).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone

from orgs.audit import AuditAction
from orgs.models import AuditArchive, AuditEvent, AuditSeal

from .chain import NO_HEAD, Head, TrailEvent, digest, digests_in, seal_content, time_text
from .seals import BATCH, SETTLED, EventReader, Progress, last_seal, seals_after, settled_id

if TYPE_CHECKING:
    from orgs.models import Organization


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is not as it was sealed: what, and which event where it is one."""

    text: str
    event_id: int | None = None


@dataclass(slots=True)
class Report:
    """What a verification found. Memory does not grow with the trail: of each kind of trouble the first is kept."""

    seals: int = 0
    events: int = 0
    archived: int = 0
    unsealed: int = 0
    head: Head | None = None
    first_row: Trouble | None = None
    rows: int = 0
    chain: list[Trouble] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found."""
        return not (self.rows or self.chain)

    @property
    def first(self) -> Trouble | None:
        """The first row that is not as it was, or the first fault of the chain."""
        return self.first_row or next(iter(self.chain), None)

    def add_row(self, text: str, pk: int) -> None:
        """Count a row that was changed, removed or slipped in, and keep the one with the lowest id."""
        self.rows += 1
        if self.first_row is None or self.first_row.event_id is None or pk < self.first_row.event_id:
            self.first_row = Trouble(text, pk)


class ChainChecker:
    """Goes along the chain, seal by seal, and says what is wrong with each and with the events that it names."""

    def __init__(self, report: Report, *, archived_up_to: Callable[[], int | None]) -> None:
        self.report = report
        self._archived_up_to = archived_up_to
        self._gone: int | None = None
        self._last_event_id: int | None = None
        # When the newest seal was made that left nothing unsealed.
        self._complete_at: datetime | None = None

    def look_at_seal(self, seal: AuditSeal) -> bool:
        """Tell whether a seal is as it was written, and follows the one before."""
        if fault := self._fault_of(seal):
            self.report.chain.append(Trouble(fault))
            return False
        self.report.head = Head(seal.number, seal.digest)
        self._last_event_id = seal.last_event_id
        self.report.seals += 1
        return True

    def look_at_events(self, seal: AuditSeal, events: dict[int, TrailEvent]) -> None:
        """Compare the events that are there with what the seal says of them."""
        named = digests_in(seal)
        # Of a seal that was made under a wrong clock the next one's counts.
        complete_at = min(self._complete_at, seal.sealed_at) if self._complete_at else None
        for pk, event in events.items():
            if event.digest != named[pk]:
                self.report.add_row(f"Event {pk} of seal {seal.number} was changed", pk)
            elif complete_at and event.created_at < complete_at - SETTLED:
                when = time_text(event.created_at)
                self.report.add_row(f"Event {pk} of seal {seal.number} was slipped in, dated back to {when}", pk)
            else:
                self.report.events += 1
        self._look_at_missing(seal, named.keys() - events.keys())
        if len(named) < BATCH:
            self._complete_at = seal.sealed_at

    def _look_at_missing(self, seal: AuditSeal, missing: set[int]) -> None:
        if missing and (self._gone is None or self._gone < max(missing)):
            # Asked anew: an archive may have been made meanwhile.
            self._gone = self._archived_up_to()
        for pk in missing:
            if self._gone is not None and pk <= self._gone:
                self.report.archived += 1
            else:
                self.report.add_row(f"Event {pk} of seal {seal.number} was removed", pk)

    def _fault_of(self, seal: AuditSeal) -> str:
        number, known = self.report.head or NO_HEAD
        if seal.number != number + 1:
            return f"Seal {number + 1} was removed: seal {seal.number} comes after seal {number}"
        # The last event of this seal and all before.
        ids = [*digests_in(seal), *([] if self._last_event_id is None else [self._last_event_id])]
        if digest(seal_content(seal)) != seal.digest or max(ids, default=None) != seal.last_event_id:
            return f"Seal {seal.number} was changed"
        if seal.previous != known:
            return f"Seal {seal.number} does not follow the seal {number} that is there"
        return ""


def stand(organization: "Organization", heads: Collection[Head]) -> bool:
    """Tell whether every one of ``heads``, kept outside, is still in an organization's chain."""
    seals = AuditSeal.objects.filter(organization=organization, number__in={head.number for head in heads})
    return set(heads) <= {Head(*pair) for pair in seals.values_list("number", "digest")}


def archived_up_to(organization: "Organization") -> int | None:
    """Return the last event that may be gone."""
    archives = AuditArchive.objects.filter(organization=organization)
    return archives.order_by("-last_event_id").values_list("last_event_id", flat=True).first()


def verify_trail(
    organization: "Organization",
    *,
    heads: Iterable[Head] = (),
    at: datetime | None = None,
    progress: Progress | None = None,
) -> Report:
    """Go along an organization's chain and its events, and report what is not as it was sealed.

    ``heads`` are seals that were kept outside. ``progress`` is told of each seal how many events it names. It only
    reads: what is written meanwhile counts as not sealed yet.
    """
    report = Report()
    last = last_seal(organization.pk)
    settled = settled_id(organization.pk, at=at or timezone.now())
    wanted = _Wanted(heads, AuditArchive.objects.filter(organization=organization).order_by("id"))
    reader = EventReader(organization.pk)
    checker = ChainChecker(report, archived_up_to=lambda: archived_up_to(organization))
    is_whole = True
    for seal in seals_after(organization.pk, 0, until=last.number if last else 0):
        is_whole = checker.look_at_seal(seal)
        if not is_whole:
            break
        wanted.look_at(seal)
        checker.look_at_events(seal, reader.take(list(digests_in(seal))))
        if progress:
            progress(len(seal.entries))
    report.chain += wanted.troubles(report.head, is_whole=is_whole)
    if is_whole:
        # Behind a broken seal nobody knows what was sealed.
        _look_at_rest(report, reader, settled)
        report.chain += _look_at_archive_events(organization)
    return report


def _look_at_rest(report: Report, reader: EventReader, settled: int | None) -> None:
    """Tell those of the events that no seal names which wait for one from those that were slipped in."""
    for event in reader.rest():
        if settled is not None and event.pk <= settled:
            report.add_row(f"Event {event.pk} was slipped in: no seal names it", event.pk)
        else:
            report.unsealed += 1


def _look_at_archive_events(organization: "Organization") -> Iterator[Trouble]:
    """Yield the last archive if the trail does not tell of it. The trail of one before may be archived itself."""
    archive = AuditArchive.objects.filter(organization=organization).order_by("-id").first()
    if archive is None:
        return
    told = AuditEvent.objects.filter(organization=organization, action=AuditAction.TRAIL_ARCHIVED)
    if archive.digest not in {after.get("digest") for after in told.values_list("after", flat=True)}:
        yield Trouble(f"Events up to {archive.last_event_id} were archived, and the trail does not tell of it")


class _Wanted:
    """The seals of which someone knows the digest: heads that were kept outside, and those that archives name."""

    def __init__(self, heads: Iterable[Head], archives: Iterable[AuditArchive]) -> None:
        self._kept: dict[int, set[str]] = {}
        for number, known in heads:
            self._kept.setdefault(number, set()).add(known)
        self._archives = {archive.last_seal_number: archive for archive in archives}
        self._numbers = set(self._kept) | set(self._archives)
        self._troubles: list[Trouble] = []

    def look_at(self, seal: AuditSeal) -> None:
        """Compare a seal with what is known of it."""
        self._numbers.discard(seal.number)
        if self._kept.get(seal.number, {seal.digest}) != {seal.digest}:
            text = f"Seal {seal.number} is not the one that was kept outside: the chain was built anew"
            self._troubles.append(Trouble(text))
        archive = self._archives.get(seal.number)
        if archive and (archive.head, archive.last_event_id) != (seal.digest, seal.last_event_id):
            self._troubles.append(Trouble(f"Seal {seal.number} is not the one up to which events were archived"))

    def troubles(self, head: Head | None, *, is_whole: bool) -> list[Trouble]:
        """Return what was found; of a chain that was gone along to its end also which seals it has no more."""
        if is_whole and self._numbers:
            end = f"ends at seal {head.number}" if head else "has no seal"
            text = f"Seal {max(self._numbers)} is known from outside, and the chain {end}: its end was cut off"
            self._troubles.append(Trouble(text))
        return self._troubles
