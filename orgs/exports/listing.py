"""A list that can be downloaded: which rows, in which order, in which formats."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.db.models import Max, TextChoices

from orgs.paging import keyset_batches

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from .sheet import Sheet


class ExportFormat(TextChoices):
    """What a list can be written as."""

    CSV = "csv", "CSV"
    OCSF = "ocsf", "JSON Lines (OCSF 1.6)"
    # The trail with what proves that it was not changed (orgs/services/seals.py).
    RECORDS = "records", "sealed records"

    @property
    def extension(self) -> str:
        """The end of a file's name."""
        return "csv" if self is ExportFormat.CSV else "jsonl"

    @property
    def content_type(self) -> str:
        """The media type."""
        return "text/csv; charset=utf-8" if self is ExportFormat.CSV else "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Writer:
    """One format of a list: the fields that it wants of each row, and what writes batches of them down."""

    sources: tuple[str, ...]
    write: Callable[[Iterable[list[tuple[Any, ...]]]], Iterator[bytes]]

    @classmethod
    def of(cls, sheet: "Sheet") -> "Writer":
        """Return the writer of a list as CSV."""
        return cls(sheet.sources, sheet.write)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that can be downloaded."""

    # As the trail's sentence has it: "Downloaded {what} as CSV"; and as a file's name has it.
    what: str
    slug: str
    # Several are one list, each row once: an OR that no single index answers (orgs/paging.py).
    querysets: tuple["QuerySet[Any]", ...]
    order: tuple[str, ...]
    writers: Mapping[ExportFormat, Writer]

    def up_to_now(self) -> "Listing":
        """Return the list without the rows that are written from now on."""
        newest = self.querysets[0].model._default_manager.aggregate(newest=Max("pk"))["newest"] or 0
        return replace(self, querysets=tuple(queryset.filter(pk__lte=newest) for queryset in self.querysets))

    def read_from(self, database: str) -> "Listing":
        """Return the list as it stands in another database of the settings."""
        return replace(self, querysets=tuple(queryset.using(database) for queryset in self.querysets))

    def batches(self, export_format: ExportFormat) -> Iterator[list[tuple[Any, ...]]]:
        """Yield what ``export_format`` wants of the rows, oldest first."""
        return keyset_batches(*self.querysets, order=self.order, columns=self.writers[export_format].sources)
