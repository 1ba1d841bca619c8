"""The Setup Audit Trail as a list that can be downloaded."""

from functools import partial
from typing import TYPE_CHECKING

from orgs.audit import AuditAction

from .listing import ExportFormat, Listing, Writer
from .ocsf import EventRow, write_events
from .sheet import Column, Sheet, as_json, label_in, moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

    from orgs.models import AuditEvent, Organization

TRAIL = Sheet(
    Column.of("Id", "id"),
    Column.of("Date", "created_at", words=moment),
    Column.of("User", "user_name"),
    Column.of("User Id", "user_id"),
    Column.of("Action", "sentence"),
    Column.of("Section", "section"),
    Column.of("Delegate User", "delegate_user_name"),
    Column.of("Delegate User Id", "delegate_user_id"),
    Column.of("About", "about_name"),
    Column.of("About Id", "about_id"),
    Column.of("Event", "action", words=label_in(dict(AuditAction.choices))),
    Column.of("Source IP", "address"),
    Column.of("Browser", "agent"),
    Column.of("Session", "session_public_id"),
    Column.of("Impersonation", "impersonation_id"),
    Column.of("Request", "request_id"),
    Column.of("Before", "before", words=as_json),
    Column.of("After", "after", words=as_json),
)


def trail_listing(organization: "Organization", querysets: "Sequence[QuerySet[AuditEvent]]") -> Listing:
    """Return the rows of ``querysets``, all of ``organization``'s trail, as a list that can be downloaded."""
    return Listing(
        what="the Setup Audit Trail",
        slug="setup-audit-trail",
        querysets=tuple(querysets),
        order=("created_at", "id"),
        writers={
            ExportFormat.CSV: Writer.of(TRAIL),
            ExportFormat.OCSF: Writer(EventRow._fields, partial(write_events, organization)),
        },
    )
