"""Which rows of the trail."""

from typing import TYPE_CHECKING

from orgs.models import AuditEvent

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from orgs.models import Organization


def events_of(organization: "Organization", *, section: str = "") -> "QuerySet[AuditEvent]":
    """Return an organization's rows of the trail, or those of one section."""
    events = AuditEvent.objects.filter(organization=organization)
    return events.filter(section=section) if section else events
