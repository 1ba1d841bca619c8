"""How a point in time is written, for whoever reads."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from accounts.enums import DateLanguage
from orgs.moments import (
    NOBODY,
    midnight,
    read_by,
    reader,
    reader_of,
    write,
    write_day,
    write_minute,
    write_time,
    write_utc,
)

AT = datetime(2026, 11, 23, 15, 5, 33, tzinfo=UTC)
# At one in the morning, UTC, Berlin's clocks go from three to two: its half past two comes twice.
BEFORE, AFTER = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))


def written(time_zone: str, language: str, at: datetime = AT) -> tuple[str, str, str, str]:
    with read_by(reader_of(time_zone, language)):
        return write(at), write_minute(at), write_time(at), write_day(at)


def test_nobody_in_particular_reads_utc_as_iso_has_it() -> None:
    all_four = ("2026-11-23 15:05:33 UTC", "2026-11-23 15:05 UTC", "15:05 UTC", "2026-11-23")

    assert (write(AT), write_minute(AT), write_time(AT), write_day(AT)) == all_four
    assert written("UTC", "iso") == all_four
    assert write(AT.astimezone(ZoneInfo("Asia/Tokyo"))) == all_four[0]


LANGUAGES = {
    "iso": ("2026-11-23 16:05:33 CET", "2026-11-23 16:05 CET", "16:05 CET", "2026-11-23"),
    "en_US": ("Nov 23, 2026, 4:05:33 PM CET", "Nov 23, 2026, 4:05 PM CET", "4:05 PM CET", "Nov 23, 2026"),
    "en_GB": ("23 Nov 2026, 16:05:33 CET", "23 Nov 2026, 16:05 CET", "16:05 CET", "23 Nov 2026"),
    "de": ("23.11.2026, 16:05:33 CET", "23.11.2026, 16:05 CET", "16:05 CET", "23.11.2026"),
    "fr": ("23 nov. 2026, 16:05:33 CET", "23 nov. 2026, 16:05 CET", "16:05 CET", "23 nov. 2026"),
    "es": ("23 nov 2026, 16:05:33 CET", "23 nov 2026, 16:05 CET", "16:05 CET", "23 nov 2026"),
    "it": ("23 nov 2026, 16:05:33 CET", "23 nov 2026, 16:05 CET", "16:05 CET", "23 nov 2026"),
    "nl": ("23 nov 2026, 16:05:33 CET", "23 nov 2026, 16:05 CET", "16:05 CET", "23 nov 2026"),
    "pl": ("23 lis 2026, 16:05:33 CET", "23 lis 2026, 16:05 CET", "16:05 CET", "23 lis 2026"),
    "pt_BR": (
        "23 de nov. de 2026 16:05:33 CET",
        "23 de nov. de 2026 16:05 CET",
        "16:05 CET",
        "23 de nov. de 2026",
    ),
    "sv": ("23 nov. 2026 16:05:33 CET", "23 nov. 2026 16:05 CET", "16:05 CET", "23 nov. 2026"),
    "ja": ("2026/11/23 16:05:33 CET", "2026/11/23 16:05 CET", "16:05 CET", "2026/11/23"),
}


@pytest.mark.parametrize("language", DateLanguage.values)
def test_each_language_writes_as_it_does(language: str) -> None:
    assert written("Europe/Berlin", language) == LANGUAGES[language]


@pytest.mark.parametrize(
    ("time_zone", "words"),
    [
        ("Europe/Berlin", "2026-11-23 16:05:33 CET"),
        ("America/New_York", "2026-11-23 10:05:33 EST"),
        ("Pacific/Kiritimati", "2026-11-24 05:05:33 UTC+14"),
        ("America/Sao_Paulo", "2026-11-23 12:05:33 UTC-03"),
        ("Asia/Kathmandu", "2026-11-23 20:50:33 UTC+05:45"),
    ],
)
def test_each_zone_is_named(time_zone: str, words: str) -> None:
    assert written(time_zone, "iso")[0] == words


def test_the_hour_that_comes_twice_can_be_told_apart() -> None:
    assert [written("Europe/Berlin", "de", at)[0] for at in (BEFORE, AFTER)] == [
        "25.10.2026, 02:30:00 CEST",
        "25.10.2026, 02:30:00 CET",
    ]


def test_a_readers_day_may_be_another_than_utcs() -> None:
    late = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)

    assert written("Europe/Berlin", "iso", late)[3] == "2027-01-01"


@pytest.mark.parametrize("time_zone", ["", "Mars/Olympus", "Europe", "../etc/passwd", "/etc/passwd", "\0", "x" * 5000])
def test_an_unknown_zone_is_utc(time_zone: str) -> None:
    assert written(time_zone, "de")[0] == "23.11.2026, 15:05:33 UTC"


@pytest.mark.parametrize("language", ["", "xx", "tlh_KX", "../de", "\0", "x" * 5000])
def test_an_unknown_language_is_iso(language: str) -> None:
    assert written("Europe/Berlin", language)[0] == "2026-11-23 16:05:33 CET"


def test_utc_is_written_for_whoever_reads() -> None:
    with read_by(reader_of("Europe/Berlin", "de")):
        assert write_utc(AT) == "2026-11-23 15:05:33 UTC"


@pytest.mark.parametrize(
    ("time_zone", "day", "begins"),
    [
        ("UTC", date(2026, 11, 22), datetime(2026, 11, 22, tzinfo=UTC)),
        ("Europe/Berlin", date(2026, 11, 22), datetime(2026, 11, 21, 23, tzinfo=UTC)),
        # A day of 23 hours, and one of 25.
        ("Europe/Berlin", date(2026, 3, 30), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        ("Europe/Berlin", date(2026, 10, 26), datetime(2026, 10, 25, 23, tzinfo=UTC)),
        # In Beirut clocks went from midnight to one, and later from midnight back to eleven.
        ("Asia/Beirut", date(2024, 3, 31), datetime(2024, 3, 30, 22, tzinfo=UTC)),
        ("Asia/Beirut", date(2024, 10, 27), datetime(2024, 10, 26, 22, tzinfo=UTC)),
        ("Asia/Tokyo", date.min, datetime(1, 1, 1, tzinfo=UTC)),
        ("America/Los_Angeles", date.max, datetime(9999, 12, 31, 8, tzinfo=UTC)),
    ],
)
def test_a_day_begins_at_the_readers_midnight(time_zone: str, day: date, begins: datetime) -> None:
    with read_by(reader_of(time_zone, "iso")):
        assert midnight(day) == begins


def test_what_holds_in_a_block_is_over_after_it() -> None:
    berlin = reader_of("Europe/Berlin", "de")

    with read_by(berlin):
        inside = (reader(), timezone.localtime(AT).utcoffset())
        with read_by(NOBODY):
            deeper = (reader(), timezone.localtime(AT).utcoffset())
        with read_by(berlin):
            again = reader()
    with pytest.raises(ZeroDivisionError), read_by(berlin):
        _ = 1 / 0

    hour = timedelta(hours=1)
    assert (inside, deeper, again) == ((berlin, hour), (NOBODY, timedelta()), berlin)
    assert (reader(), timezone.localtime(AT).utcoffset()) == (NOBODY, timedelta())
