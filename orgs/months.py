"""Calendar months back: how long an organization keeps its history."""

from calendar import monthrange
from datetime import UTC, datetime


def months_before(at: datetime, months: int) -> datetime:
    """Return the same time, in UTC, so many calendar months earlier; the last day of a month that is too short."""
    at = at.astimezone(UTC)
    year, month = divmod(at.year * 12 + at.month - 1 - months, 12)
    return at.replace(year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1]))
