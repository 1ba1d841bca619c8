"""Downloads: written down in the trail before their first byte, then streamed."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from orgs.audit import AuditAction, record
from orgs.replicas import database_to_read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from orgs.exports.listing import ExportFormat, Listing
    from orgs.http import Origin
    from orgs.models import Organization

Part = TypeVar("Part")


def export_list(
    listing: "Listing",
    export_format: "ExportFormat",
    *,
    organization: "Organization",
    origin: "Origin",
    narrowed_by: "Mapping[str, Any] | None" = None,
    watch: Callable[[int], object] = bool,
    at: "datetime | None" = None,
) -> Iterator[bytes]:
    """Record the download of a list, and return its file in parts. Rows that are written meanwhile are not in it.

    The row of the trail stands before any part can be had; ``narrowed_by`` is what it says of the list's filters.
    ``watch`` is told of each batch how many rows it holds. The rows are read from a replica that has them all, or from
    the primary.
    """
    fixed = listing.up_to_now()
    record_export(listing.what, export_format, organization=organization, origin=origin, narrowed_by=narrowed_by, at=at)
    fixed = fixed.read_from(database_to_read())
    batches = watched(fixed.batches(export_format), watch=watch, size=len)
    return fixed.writers[export_format].write(batches)


def record_export(
    what: str,
    export_format: "ExportFormat",
    *,
    organization: "Organization",
    origin: "Origin",
    narrowed_by: "Mapping[str, Any] | None" = None,
    at: "datetime | None" = None,
) -> None:
    """Write down that a list was downloaded, by whom, and narrowed by what."""
    record(
        AuditAction.EXPORTED,
        origin=origin,
        organization=organization,
        at=at,
        after={"list": what, "format": export_format.value, **(narrowed_by or {})},
        what=what,
        format=str(export_format.label),
    )


def watched(
    parts: Iterable[Part], *, watch: Callable[[int], object], size: Callable[[Part], int] = lambda _: 1
) -> Iterator[Part]:
    """Yield ``parts``, and tell ``watch`` the size of each."""
    for part in parts:
        yield part
        watch(size(part))
