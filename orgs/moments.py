"""How a point in time is written for whoever reads: in which zone, and as in which language.

A page is read by one person, so this is asked of the request's context and not handed through every function. Whatever
is not a page (mails, the trail's sentences, downloads, commands) writes UTC as ISO 8601 does, and so does everything
outside :func:`read_by`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time, get_datetime_format
from django.utils import timezone

UTC_NAME = "UTC"
# As ISO 8601 writes it; every other language is the identifier of a CLDR locale.
ISO = "iso"
# No zone and no language is called longer.
LONGEST_NAME = 64
# "+0530", as zones without letters of their own call themselves.
OFFSET_WITH_MINUTES = 5


@dataclass(frozen=True, slots=True)
class Reader:
    """Where, and as in which language, someone reads times. Without a locale it is as ISO 8601 has it."""

    zone_name: str = UTC_NAME
    zone: tzinfo = UTC
    locale: Locale | None = None


NOBODY = Reader()
_reader: ContextVar[Reader] = ContextVar("reader", default=NOBODY)


def reader_of(time_zone: str, language: str) -> Reader:
    """Return who reads in this zone (IANA) and language; what is not known here is UTC, and ISO 8601."""
    # Anybody may send anything here, and what follows is remembered.
    return _reader_of(*("" if len(name) > LONGEST_NAME else name for name in (time_zone, language)))


@lru_cache(maxsize=1024)
def _reader_of(time_zone: str, language: str) -> Reader:
    try:
        name, zone = time_zone, ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError):
        name, zone = UTC_NAME, UTC  # type: ignore[assignment]  # a zone too
    try:
        locale = None if language == ISO else Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        locale = None
    return Reader(name, zone, locale)


def reader() -> Reader:
    """Return who reads what is written now."""
    return _reader.get()


@contextmanager
def read_by(someone: Reader) -> Iterator[None]:
    """Write for ``someone`` until the block ends; Django's own filters and forms then have their zone too."""
    if someone == _reader.get():
        yield
        return
    token = _reader.set(someone)
    try:
        with timezone.override(someone.zone):
            yield
    finally:
        _reader.reset(token)


# --- writing -----------------------------------------------------------------------------------------------------


def write(at: datetime) -> str:
    """Write a point in time out, to the second: "2026-11-23 15:05:33 UTC", "23.11.2026, 16:05:33 CET"."""
    someone = reader()
    if someone.locale is None:
        words = f"{at.astimezone(someone.zone):%Y-%m-%d %H:%M:%S}"
    else:
        words = format_datetime(at, "medium", tzinfo=someone.zone, locale=someone.locale)
    return _with_zone(words, at)


def write_minute(at: datetime) -> str:
    """Write it out to the minute: "2026-11-23 15:05 UTC", "23.11.2026, 16:05 CET"."""
    locale = reader().locale
    pattern = "{1} {0}" if locale is None else str(get_datetime_format("medium", locale=locale))
    return _with_zone(pattern.format(_clock(at), write_day(at)), at)


def write_time(at: datetime) -> str:
    """Write the time of day alone: "15:05 UTC"."""
    return _with_zone(_clock(at), at)


def write_day(at: datetime) -> str:
    """Write the reader's day alone: "2026-11-23", "23.11.2026"."""
    someone = reader()
    day = at.astimezone(someone.zone).date()
    return day.isoformat() if someone.locale is None else _plain(format_date(day, "medium", locale=someone.locale))


def write_utc(at: datetime) -> str:
    """Write a point in time out as everybody can compare it, whoever reads: "2026-11-23 15:05:33 UTC"."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def midnight(day: date) -> datetime:
    """Return when ``day`` begins for the reader. Where clocks skip midnight it begins with the hour that follows."""
    try:
        return datetime.combine(day, time(), tzinfo=reader().zone).astimezone(UTC)
    except OverflowError:
        # East of Greenwich the first day that there is begins before it.
        return datetime.min.replace(tzinfo=UTC)


def _clock(at: datetime) -> str:
    someone = reader()
    if someone.locale is None:
        return f"{at.astimezone(someone.zone):%H:%M}"
    return format_time(at, "short", tzinfo=someone.zone, locale=someone.locale)


def _with_zone(words: str, at: datetime) -> str:
    """Add what the reader's zone is called then: CET and CEST are an hour apart."""
    name = at.astimezone(reader().zone).tzname() or UTC_NAME
    if name[0] in "+-":
        name = f"UTC{name[:3]}:{name[3:]}" if len(name) == OFFSET_WITH_MINUTES else f"UTC{name}"
    return _plain(f"{words} {name}")


def _plain(words: str) -> str:
    """Return the words with plain spaces, so that they can be searched for: CLDR has narrow ones before "PM"."""
    return " ".join(words.split())
