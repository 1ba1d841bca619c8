"""Trails to seal, and their digests worked out by hand."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

from orgs.audit import AuditAction, build_event
from orgs.http import Origin
from orgs.models import AuditEvent, AuditSeal, Organization

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Terminal(StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


def write(organization: Organization, count: int = 1, *, at: datetime = AT, **fields: Any) -> list[AuditEvent]:
    """Write events, a second apart."""
    events = [
        build_event(
            AuditAction.ORGANIZATION_CHANGED,
            origin=Origin.automated("rename"),
            organization_id=organization.pk,
            at=at + timedelta(seconds=number),
            before={"name": f"Name {number}"},
            after={"name": f"Name {number + 1}"},
            old=f"Name {number}",
            new=f"Name {number + 1}",
        )
        for number in range(count)
    ]
    for event in events:
        for name, value in fields.items():
            setattr(event, name, value)
    return AuditEvent.objects.bulk_create(events)


def ids(events: Iterable[AuditEvent]) -> list[int]:
    return [event.pk for event in events]


def sealed_in(organization: Organization) -> list[list[int]]:
    """Return which events the seals name, seal by seal."""
    seals = AuditSeal.objects.filter(organization=organization).order_by("number")
    return [[int(pk) for pk, _ in seal.entries] for seal in seals]
