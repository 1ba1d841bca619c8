"""Lists as CSV (RFC 4180, UTF-8): safe to open in a spreadsheet, all times in UTC."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

# Spreadsheets take a file for UTF-8 that begins so.
BOM = "\ufeff"

# What makes a spreadsheet run a cell as a formula, where a cell begins with it (OWASP: CSV Injection). The last four
# are the full-width forms of the first four, which some take for them.
FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001  # that they look like others is the point


def text(value: object) -> str:
    """Return what people typed so that no spreadsheet runs it: what would be a formula gets a ``'`` in front."""
    words = "" if value is None else str(value)
    return f"'{words}" if words[:1] in FORMULA_STARTS else words


def typed(cell: str) -> str:
    """Return what :func:`text` was given, of a cell that it wrote."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in FORMULA_STARTS else cell


def moment(value: datetime | None) -> str:
    """Return a time in UTC, as ISO 8601 has it, to the millisecond: ``2026-11-22T09:30:00.000Z``."""
    return "" if value is None else f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


# Made once: json.dumps() makes one for every value.
_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def as_json(value: object) -> str:
    """Return what a JSON column holds, in one spelling; nothing for an empty one."""
    return _json(value) if value else ""


def label_in(choices: Mapping[str, Any]) -> Callable[[str | None], str]:
    """Return what words a stored value as pages do; one that is in no list any more stays as it is."""
    return lambda value: text(choices.get(value or "", value))


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading, the fields that it is made of, and what makes a cell of their values."""

    heading: str
    sources: tuple[str, ...]
    words: Callable[..., str] = text

    @classmethod
    def of(cls, heading: str, *sources: str, words: Callable[..., str] = text) -> "Column":
        """Return the column, its fields one by one."""
        return cls(heading, sources, words)


class Sheet:
    """Columns, and the writer of rows that hold their fields in order (:attr:`sources`)."""

    def __init__(self, *columns: Column) -> None:
        self.columns = columns
        self.sources = tuple(chain.from_iterable(column.sources for column in columns))
        cells, start = [], 0
        for column in columns:
            cells.append((column.words, start, start + len(column.sources)))
            start += len(column.sources)
        self._cells = tuple(cells)

    def write(self, batches: Iterable[list[tuple[Any, ...]]]) -> Iterator[bytes]:
        """Yield the file in parts: the headings, then each batch."""
        yield (BOM + _lines([[column.heading for column in self.columns]])).encode()
        for batch in batches:
            yield _lines(self._row(values) for values in batch).encode()

    def _row(self, values: tuple[Any, ...]) -> list[str]:
        return [words(*values[start:end]) for words, start, end in self._cells]


def _lines(rows: Iterable[list[str]]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue()
