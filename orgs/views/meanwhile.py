"""Two who save one page at once: what it held goes along with its form, so that the second is told what changed."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core import signing

if TYPE_CHECKING:
    from django.http import HttpRequest

FIELD = "read"


def carry(values: dict[str, Any], *, salt: str) -> str:
    """Return what a page holds as its form carries it along, signed."""
    return signing.dumps(values, salt=salt)


def as_read(request: "HttpRequest", *, salt: str, for_at_most: timedelta | None = None) -> dict[str, Any]:
    """Return what the page held when it was opened; nothing if that is missing, too old or was tampered with."""
    try:
        read: dict[str, Any] = signing.loads(request.POST.get(FIELD, ""), salt=salt, max_age=for_at_most)
    except signing.BadSignature:
        return {}
    return read


@dataclass(frozen=True, slots=True)
class Merged:
    """What one chose oneself, and the rest as it now is; and the names of what others changed meanwhile."""

    values: dict[str, Any]
    theirs: list[str]
    agrees: bool

    @classmethod
    def of(cls, chosen: dict[str, Any], *, read: dict[str, Any], stored: dict[str, Any]) -> "Merged":
        """Tell what is whose. Of what was not carried along, all that was sent was chosen."""
        mine = {name: value for name, value in chosen.items() if value != read.get(name, stored[name])}
        theirs = [name for name in chosen if stored[name] != read.get(name, chosen[name])]
        values = {**stored, **mine}
        return cls(values=values, theirs=theirs, agrees=values == stored)
