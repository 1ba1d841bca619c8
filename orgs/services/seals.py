"""Sealing the trail: digests of an organization's events, in batches, each chained to the batch before.

A seal names its events. So none is missed that was written early and committed late, and a trail that was restored
under other transaction ids is the same trail. Sealing takes no lock that anyone waits for: it reads, and inserts a row.

Honest events are found by their ids, which only rise: those above what is *settled*, the last id that was sealed more
than an hour ago, and in no seal since. An event that turns up below it came in by another door. It is never sealed, and
``verify_trail`` names it. No clock but the sealer's own decides this, and an hour is longer than any transaction.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from orgs.models import AuditArchive, AuditEvent, AuditSeal

from .chain import (
    COLUMNS,
    NO_DIGEST,
    Head,
    TrailEvent,
    archive_content,
    digest,
    digests_in,
    event_from,
    line,
    seal_content,
)

if TYPE_CHECKING:
    from orgs.models import Organization

Progress = Callable[[int], object]

# How many events a seal holds at most. Fewer say that there were no more (orgs/services/verification.py): a smaller
# number than was ever used before would be read as that.
BATCH = 500
# Rows and seals in one statement.
PAGE, SEALS = 1000, 20
SETTLED = timedelta(hours=1)
# How many events the walk along the chain holds; what is further off is fetched by id.
AHEAD = 20_000


# --- sealing -----------------------------------------------------------------------------------------------------


def seal_trail(
    organization: "Organization", *, at: datetime | None = None, progress: Progress | None = None
) -> Head | None:
    """Seal what an organization's trail got since the last seal, and return the chain's head, or None without a seal.

    Of two who seal at once the second finds its number taken and leaves it to the first. ``progress`` is told of each
    seal how many events it holds.
    """
    last = last_seal(organization.pk)
    for events in _unsealed(organization.pk, at=at or timezone.now()):
        seal = _build(organization.pk, last, events, at=at or timezone.now())
        if not _insert(seal):
            last = last_seal(organization.pk)
            break
        last = seal
        if progress:
            progress(len(events))
    return Head(last.number, last.digest) if last else None


def settled_id(organization_id: int, *, at: datetime) -> int | None:
    """Return the event's id up to which whatever is not sealed by now never will be, or None where nothing is settled.

    A seal is settled an hour after it was made, or where its last event is that old: a first sealing of years is, but
    for its end.
    """
    settled = _settled_seal(organization_id, at=at)
    return settled[1] if settled else None


def _settled_seal(organization_id: int, *, at: datetime) -> tuple[int, int] | None:
    """Return number and last event of the newest settled seal."""
    since = at - SETTLED
    young = Exists(AuditEvent.objects.filter(pk=OuterRef("last_event_id"), created_at__gt=since))
    seals = AuditSeal.objects.filter(organization_id=organization_id).filter(Q(sealed_at__lte=since) | ~young)
    return seals.order_by("-number").values_list("number", "last_event_id").first()


def last_seal(organization_id: int) -> AuditSeal | None:
    """Return an organization's newest seal, without what it holds."""
    return AuditSeal.objects.filter(organization_id=organization_id).defer("entries").order_by("-number").first()


def _unsealed(organization_id: int, *, at: datetime) -> Iterator[list[TrailEvent]]:
    """Yield the events that wait to be sealed, a seal's worth at a time, in the order of their ids."""
    number, after = _settled_seal(organization_id, at=at) or (0, None)
    known = {pk for seal in seals_after(organization_id, number) for pk in digests_in(seal)}
    fresh = (event for event in events_after(organization_id, after) if event.pk not in known)
    while batch := list(islice(fresh, BATCH)):
        yield batch


def _build(organization_id: int, last: AuditSeal | None, events: list[TrailEvent], *, at: datetime) -> AuditSeal:
    """Return the unsaved seal of ``events`` that comes after ``last``."""
    events.sort(key=lambda event: (event.created_at, event.pk))
    last_id = max(event.pk for event in events)
    seal = AuditSeal(
        organization_id=organization_id,
        number=last.number + 1 if last else 1,
        sealed_at=at,
        previous=last.digest if last else NO_DIGEST,
        entries=[[str(event.pk), event.digest] for event in events],
        # Of this seal and all before: a late event does not lower it.
        last_event_id=max(last_id, last.last_event_id) if last else last_id,
    )
    seal.digest = digest(seal_content(seal))
    return seal


def _insert(seal: AuditSeal) -> bool:
    """Insert a seal; tell whether its number was free."""
    try:
        with transaction.atomic():
            seal.save(force_insert=True)
    except IntegrityError:
        if not AuditSeal.objects.filter(organization_id=seal.organization_id, number=seal.number).exists():
            raise
        return False
    return True


# --- reading -----------------------------------------------------------------------------------------------------


def events_after(organization_id: int, after: int | None) -> Iterator[TrailEvent]:
    """Yield an organization's events with ids above ``after``, all of them without, in the order of their ids."""
    rows = AuditEvent.objects.filter(organization_id=organization_id).order_by("id").values_list(*COLUMNS)
    size = PAGE
    while size == PAGE:
        page = list((rows if after is None else rows.filter(id__gt=after))[:PAGE])
        size = len(page)
        if page:
            after = page[-1][0]
        yield from map(event_from, page)


def seals_after(organization_id: int, number: int, *, until: int | None = None) -> Iterator[AuditSeal]:
    """Yield an organization's seals after that with ``number``, in the order of the chain."""
    seals = AuditSeal.objects.filter(organization_id=organization_id).order_by("number")
    if until is not None:
        seals = seals.filter(number__lte=until)
    size = SEALS
    while size == SEALS:
        page = list(seals.filter(number__gt=number)[:SEALS])
        size = len(page)
        for seal in page:
            number = seal.number
            yield seal


class EventReader:
    """An organization's events, each read once and handed out as the seals name them, however long the trail is.

    Seals name events nearly in the order of their ids. What was read and not yet named waits; what a seal names far
    ahead of that is fetched.
    """

    def __init__(self, organization_id: int, *, ahead: int = AHEAD) -> None:
        self.organization_id = organization_id
        self.ahead = ahead
        self._rows = events_after(organization_id, None)
        self._cursor: int | None = None
        self._waiting: dict[int, TrailEvent] = {}
        self._fetched: set[int] = set()

    def take(self, ids: list[int]) -> dict[int, TrailEvent]:
        """Return those of the events with ``ids`` that are there."""
        self._read_up_to(max(ids, default=0))
        found = {pk: self._waiting.pop(pk) for pk in ids if pk in self._waiting}
        ahead = [pk for pk in ids if pk not in found and (self._cursor is None or pk > self._cursor)]
        if ahead:
            rows = AuditEvent.objects.filter(organization_id=self.organization_id, pk__in=ahead)
            fetched = {event.pk: event for event in map(event_from, rows.values_list(*COLUMNS))}
            self._fetched |= fetched.keys()
            found |= fetched
        return found

    def is_clear_up_to(self, pk: int) -> bool:
        """Tell whether every event up to the one with id ``pk`` was taken."""
        self._read_up_to(pk)
        return (self._cursor is None or self._cursor >= pk) and next(iter(self._waiting), pk + 1) > pk

    def rest(self) -> Iterator[TrailEvent]:
        """Yield the events that nobody took, in the order of their ids."""
        yield from self._waiting.values()
        yield from (event for event in self._rows if event.pk not in self._fetched)

    def _read_up_to(self, pk: int) -> None:
        while len(self._waiting) < self.ahead and (self._cursor is None or self._cursor < pk):
            event = next(self._rows, None)
            if event is None:
                break
            self._cursor = event.pk
            if event.pk not in self._fetched:
                self._waiting[event.pk] = event
            self._fetched.discard(event.pk)


def record_lines(organization: "Organization", *, at: datetime | None = None) -> Iterator[str]:
    """Yield an organization's trail as lines of JSON, in the order of the chain, to be checked by anyone.

    Kinds: ``archived`` (what was exported and deleted before), ``event`` and, after those that it names, their
    ``seal``; at the end ``slipped_in`` for an event that no seal names and none will, and ``unsealed`` for those that
    the next seal will name. README.md says how to check them.
    """
    last = last_seal(organization.pk)
    settled = settled_id(organization.pk, at=at or timezone.now())
    for archive in AuditArchive.objects.filter(organization=organization).order_by("id"):
        yield line("archived", archive_content(archive))
    reader = EventReader(organization.pk)
    for seal in seals_after(organization.pk, 0, until=last.number if last else 0):
        yield from seal_lines(seal, reader.take(list(digests_in(seal))))
    for event in reader.rest():
        is_stray = settled is not None and event.pk <= settled
        yield line("slipped_in" if is_stray else "unsealed", event.content)


def seal_lines(seal: AuditSeal, events: Mapping[int, TrailEvent]) -> Iterator[str]:
    """Yield the lines of the ``events`` that a seal names, in its order, and its own."""
    yield from (line("event", events[pk].content) for pk in digests_in(seal) if pk in events)
    yield line("seal", seal_content(seal))
