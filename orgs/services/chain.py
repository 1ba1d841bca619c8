"""What the digests of the trail are over: each event and each seal as one text, the same on every database.

The text is canonical JSON (RFC 8785). A digest is SHA-256 of its UTF-8 bytes, in 64 hexadecimal digits. README.md,
"Checking the trail offline", says the same to whoever holds an export.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from orgs.models import AuditArchive, AuditSeal

# What stands in for the digest of the seal before the first.
NO_DIGEST = "0" * 64
# What an event's digest has as text, or null: column and name.
_IDS = {
    "organization_id": "organization",
    "user_id": "user",
    "delegate_user_id": "delegate_user",
    "about_id": "about",
    "session_public_id": "session_public_id",
    "impersonation_id": "impersonation_id",
}
# What it has as it is stored.
_AS_STORED = (
    *("action", "section", "sentence", "user_name", "delegate_user_name", "about_name"),
    *("address", "agent", "request_id"),
)
# Every column of an event. One that is added later may join only where it isn't empty: old digests must stand.
COLUMNS = ("id", "created_at", "before", "after", *_IDS, *_AS_STORED)
_NAMES = (*_IDS.values(), *_AS_STORED)
# Beyond it a number of JSON is another one to other readers (RFC 8785, 3.2.2.3).
_LARGEST = 2**53 - 1

# Of what is told apart below, the standard library writes RFC 8785 to the letter, eight times as fast as the packages
# for it. A test holds the two equal.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class TrailEvent(NamedTuple):
    """An event as its digest has it."""

    pk: int
    created_at: datetime
    content: str

    @property
    def digest(self) -> str:
        """The digest of what it holds."""
        return digest(self.content)


class Head(NamedTuple):
    """A seal as one keeps it outside: which one of the chain, and its digest."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"


# Before the first seal.
NO_HEAD = Head(0, NO_DIGEST)


def digest(text: str) -> str:
    """Return the SHA-256 of ``text``."""
    return hashlib.sha256(text.encode()).hexdigest()


def event_from(row: tuple[Any, ...]) -> TrailEvent:
    """Return the event whose :data:`COLUMNS` are ``row``."""
    pk, created_at, before, after, *rest = row
    for number, value in enumerate(rest[: len(_IDS)]):
        rest[number] = None if value is None else str(value)
    content = dict(zip(_NAMES, rest, strict=True))
    content |= {"id": str(pk), "created_at": time_text(created_at), "before": _plain(before), "after": _plain(after)}
    return TrailEvent(pk, created_at, _encode(content))


def seal_content(seal: "AuditSeal") -> str:
    """Return what a seal's digest is over."""
    return _encode(
        {
            "organization": str(seal.organization_id),
            "number": seal.number,
            "previous": seal.previous,
            "sealed_at": time_text(seal.sealed_at),
            "entries": seal.entries,
        }
    )


def digests_in(seal: "AuditSeal") -> dict[int, str]:
    """Return the digests of the events that a seal names, by their ids; nothing where they are not what we write."""
    try:
        return {int(pk): known for pk, known in seal.entries}
    except (TypeError, ValueError):
        return {}


def archive_content(archive: "AuditArchive") -> str:
    """Return what an export says of events that were archived before."""
    return _encode(
        {
            "created_at": time_text(archive.created_at),
            "by": archive.by_name,
            "events": archive.events,
            "last_event_id": str(archive.last_event_id),
            "last_seal": archive.last_seal_number,
            "head": archive.head,
            "file": archive.file_name,
            "digest": archive.digest,
        }
    )


def time_text(at: datetime) -> str:
    """Return a time as digests have it: ISO 8601, UTC, with microseconds."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def line(kind: str, content: str) -> str:
    """Return one line of an export: what it is, and the text that its digest is over, unchanged."""
    return f'{{"{kind}":{content}}}\n'


def parts_of(text: str) -> tuple[str, str]:
    """Return kind and content of a :func:`line`. Raises ValueError for what is none."""
    kind, mark, content = text.removeprefix('{"').removesuffix("}\n").partition('":')
    if not mark or line(kind, content) != text:
        raise ValueError("This is no line of a trail.")
    return kind, content


def _plain(value: object) -> object:
    """Return what JSON was stored, as it is; as text where readers of JSON would differ in how they write it."""
    return value if _is_plain(value) else json.dumps(value, sort_keys=True)


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        # Half of a pair of surrogates is no character: no UTF-8 has it.
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return all(key.isascii() and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or (isinstance(value, int) and abs(value) <= _LARGEST)
