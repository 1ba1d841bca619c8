"""Archiving: the only way in which the trail goes."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from orgs.http import Origin
from orgs.models import AuditArchive, AuditEvent, AuditSeal, Organization
from orgs.months import months_before
from orgs.services.archives import (
    ArchiveRefused,
    FileBroken,
    archive_trail,
    check_file,
    delete_archived,
    trouble_with_file,
)
from orgs.services.chain import digest
from orgs.services.seals import BATCH, record_lines, seal_trail
from orgs.services.verification import verify_trail
from tests.factories import OrganizationFactory
from tests.guards import unguarded

from .test_verify_trail import check
from .trail import AT, HOUR, Terminal, ids, write

__all__ = ["check"]

pytestmark = pytest.mark.django_db

ORIGIN = Origin.automated("archive_trail")
YEAR = timedelta(days=366)


@pytest.fixture
def old(acme: Organization) -> list[int]:
    """Two seals from over a year ago, and one of today; return the ids of the old events."""
    pks: list[int] = []
    for day in range(2):
        at = AT - YEAR - timedelta(days=9 - day)
        pks += ids(write(acme, 3, at=at))
        seal_trail(acme, at=at + HOUR)
    write(acme, 2, at=AT - HOUR)
    seal_trail(acme, at=AT - HOUR / 2)
    return pks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "acme.jsonl"


def run(acme: Organization, path: Path, **given: Any) -> AuditArchive | None:
    return archive_trail(acme, path=path, origin=ORIGIN, at=AT, **given)


def there(acme: Organization) -> list[int]:
    return list(AuditEvent.objects.filter(organization=acme).order_by("id").values_list("id", flat=True))


# --- what goes, and what stays -----------------------------------------------------------------------------------


def test_old_events_are_in_the_file_and_nowhere_else(acme: Organization, old: list[int], path: Path) -> None:
    lines = list(record_lines(acme, at=AT))
    second = AuditSeal.objects.get(number=2)

    archive = run(acme, path)

    assert path.read_text(encoding="utf-8") == "".join(lines[:8])
    assert path.stat().st_mode & 0o777 == 0o600
    assert archive is not None
    assert str(archive) == f"Archive up to event {old[-1]}"
    stored = AuditArchive.objects.values().get()
    assert stored == {
        "id": archive.pk,
        "organization_id": acme.pk,
        "created_at": AT,
        "by_name": "archive_trail by root",
        "last_event_id": old[-1],
        "last_seal_number": 2,
        "head": second.digest,
        "events": 6,
        "file_name": "acme.jsonl",
        "digest": check_file(path).digest,
    }
    assert not set(there(acme)) & set(old)
    assert AuditSeal.objects.count() == 3


def test_the_trail_tells_of_it(acme: Organization, old: list[int], path: Path) -> None:
    archive = run(acme, path)

    event = AuditEvent.objects.order_by("id").last()
    assert event is not None
    assert archive is not None
    assert (event.sentence, event.user_name, event.created_at) == (
        "Archived 6 events of the trail, up to 2025-11-13 12:00 UTC",
        "Automated Process (archive_trail by root)",
        AT,
    )
    assert event.after == {
        "events": 6,
        "last_event": str(old[-1]),
        "head": f"2:{archive.head}",
        "file": "acme.jsonl",
        "digest": archive.digest,
    }


def test_the_chain_stays_whole_and_the_file_can_be_checked(
    acme: Organization, old: list[int], path: Path, check: Callable[[str], str]
) -> None:
    archive = run(acme, path)
    assert archive is not None

    report = verify_trail(acme, at=AT)
    offline = check(path.read_text(encoding="utf-8"))

    assert (report.first, report.archived, report.events, report.unsealed) == (None, 6, 2, 1)
    assert trouble_with_file(acme, path) == []
    assert offline.endswith(f"Whole: 6 events, 0 archived, 0 not sealed yet. Head 2:{archive.head}\n")


def test_a_second_archive_goes_on_after_the_first(
    acme: Organization, old: list[int], path: Path, check: Callable[[str], str]
) -> None:
    first = run(acme, path, before=AT - YEAR - timedelta(days=8, hours=12))
    assert first is not None
    other = path.with_name("next.jsonl")

    second = run(acme, other)

    assert second is not None
    assert [(one.last_seal_number, one.events) for one in (first, second)] == [(1, 3), (2, 3)]
    assert check(other.read_text(encoding="utf-8")).startswith(f"0 It begins after 1:{first.head}\nWhole: 3 events")
    both = path.read_text(encoding="utf-8") + other.read_text(encoding="utf-8")
    assert f"Whole: 6 events, 0 archived, 0 not sealed yet. Head 2:{second.head}" in check(both)
    assert verify_trail(acme, at=AT).is_whole
    assert [trouble_with_file(acme, one) for one in (path, other)] == [[], []]


def test_nothing_young_goes(acme: Organization, path: Path) -> None:
    write(acme, at=AT - timedelta(days=364))

    assert run(acme, path) is None
    assert not path.exists()


def test_a_seal_with_one_young_event_stays(acme: Organization, path: Path) -> None:
    write(acme, at=AT - YEAR)
    write(acme, at=AT)

    assert run(acme, path) is None
    assert not path.exists()
    assert len(there(acme)) == 2


def test_a_trail_without_events_has_nothing_to_archive(acme: Organization, path: Path) -> None:
    assert run(acme, path) is None


def test_months_are_the_organizations_own(acme: Organization, old: list[int], path: Path) -> None:
    acme.session_settings.history_months = 24
    acme.session_settings.save()

    assert run(acme, path) is None


def test_nothing_younger_than_the_months_can_be_asked_for(acme: Organization, old: list[int], path: Path) -> None:
    with pytest.raises(ArchiveRefused, match=r"^Acme keeps 12 months: nothing from 2025-11-22 on is archived\.$"):
        run(acme, path, before=AT)

    assert not path.exists()


def test_many_seals_go_in_one_file(acme: Organization, path: Path) -> None:
    write(acme, BATCH + 3, at=AT - YEAR)
    told: list[int] = []

    archive = run(acme, path, progress=told.append)

    assert archive is not None
    assert (archive.last_seal_number, archive.events, told) == (2, BATCH + 3, [BATCH, 3])


def test_months_are_of_the_calendar() -> None:
    at = datetime(2026, 8, 31, 1, tzinfo=UTC)

    assert [months_before(at, months) for months in (6, 8, 24)] == [
        datetime(2026, 2, 28, 1, tzinfo=UTC),
        datetime(2025, 12, 31, 1, tzinfo=UTC),
        datetime(2024, 8, 31, 1, tzinfo=UTC),
    ]


# --- nothing that is not in the file -----------------------------------------------------------------------------


def test_a_row_that_was_slipped_in_stays(acme: Organization, old: list[int], path: Path) -> None:
    run(acme, path)
    write(acme, id=old[1], at=AT - YEAR)
    (stray,) = write(acme, id=-7, at=AT - YEAR)

    deleted = delete_archived(acme)

    # The first has the id of one that is archived, so that the database lets it go; what the trail held is in the file.
    assert deleted == 1
    assert stray.pk in there(acme)
    assert verify_trail(acme, at=AT).first_row is not None


def test_another_organizations_rows_stay(acme: Organization, old: list[int], path: Path) -> None:
    other = OrganizationFactory.create()
    (early,) = write(other, id=-1, at=AT - 2 * YEAR)

    run(acme, path)

    assert there(other) == [early.pk]


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (lambda pks: AuditEvent.objects.filter(pk=pks[0]).update(agent="Lynx"), r"Event \d+ of seal 1 was changed"),
        (lambda pks: AuditEvent.objects.filter(pk=pks[4]).delete(), r"Event \d+ of seal 2 was removed"),
        (lambda pks: AuditSeal.objects.filter(number=2).update(sealed_at=AT), "Seal 2 was changed"),
    ],
)
def test_a_trail_that_is_not_whole_is_not_archived(
    acme: Organization, old: list[int], path: Path, tamper: Callable[[list[int]], object], words: str
) -> None:
    with unguarded():
        tamper(old)

    with pytest.raises(ArchiveRefused, match=words):
        run(acme, path)

    assert not path.exists()
    assert not AuditArchive.objects.exists()


def test_the_chain_is_cut_only_where_all_before_is_sealed(acme: Organization, old: list[int], path: Path) -> None:
    write(acme, id=-7, at=AT - YEAR)

    with pytest.raises(ArchiveRefused, match="No seal ends where every event up to it is sealed"):
        run(acme, path)

    assert not path.exists()


def test_the_chain_is_not_cut_before_a_late_event(acme: Organization, path: Path) -> None:
    at = AT - YEAR - timedelta(days=9)
    write(acme, id=10, at=at)
    seal_trail(acme, at=at)
    write(acme, id=12, at=at + HOUR)
    seal_trail(acme, at=at + HOUR)
    # Early in its number, late in its commit.
    write(acme, id=11, at=at + HOUR)
    write(acme, id=13, at=AT)
    seal_trail(acme, at=at + HOUR)

    archive = run(acme, path)

    assert archive is not None
    assert (archive.last_seal_number, archive.last_event_id) == (1, 10)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
    assert verify_trail(acme, at=AT).rows == 0


def test_a_file_is_never_written_over(acme: Organization, old: list[int], path: Path) -> None:
    path.write_text("mine")

    with pytest.raises(ArchiveRefused, match=r"acme\.jsonl: File exists$"):
        run(acme, path)

    assert path.read_text() == "mine"


def test_an_archive_made_meanwhile_wins(acme: Organization, old: list[int], path: Path) -> None:
    other = path.with_name("other.jsonl")

    def meanwhile(_: int) -> None:
        if not other.exists():
            run(acme, other)

    with pytest.raises(ArchiveRefused, match="archived by someone else meanwhile"):
        run(acme, path, progress=meanwhile)

    assert AuditArchive.objects.get().file_name == "other.jsonl"
    assert verify_trail(acme, at=AT).rows == 0


def test_a_file_that_holds_something_else_is_not_taken_for_an_archive(
    acme: Organization, old: list[int], path: Path
) -> None:
    def spoil(_: int) -> None:
        path.unlink()
        path.touch()

    with pytest.raises(ArchiveRefused, match=r"acme\.jsonl does not hold what was written to it\.$"):
        run(acme, path, progress=spoil)

    assert not path.exists()
    assert set(old) <= set(there(acme))


def test_what_was_broken_off_is_finished(acme: Organization, old: list[int], path: Path) -> None:
    events = list(AuditEvent.objects.filter(pk__in=old[2:]))
    run(acme, path)
    AuditEvent.objects.bulk_create(events)

    said = command(acme, path)

    assert said == "Deleted 4 events that an archive holds and that were left.\n"
    assert not set(there(acme)) & set(old)
    assert AuditArchive.objects.count() == 1


def test_until_it_is_finished_the_trail_is_whole(acme: Organization, old: list[int], path: Path) -> None:
    events = list(AuditEvent.objects.filter(pk__in=old[2:]))
    run(acme, path)
    AuditEvent.objects.bulk_create(events)

    report = verify_trail(acme, at=AT)

    assert (report.first, report.archived, report.events) == (None, 2, 6)


def test_the_database_lets_go_what_is_archived_and_no_more(acme: Organization, old: list[int], path: Path) -> None:
    run(acme, path)

    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEvent.objects.filter(organization=acme).delete()


# --- the file ----------------------------------------------------------------------------------------------------


def edit(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("".join(change(path.read_text(encoding="utf-8").splitlines(keepends=True))), encoding="utf-8")


def odd_seal(lines: list[str]) -> list[str]:
    return [*lines[:3], '{"seal":{"number":"x"}}\n']


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: [lines[0].replace("Name 1", "Name 7"), *lines[1:]], r"line 4: the events before seal 1 are not"),
        (lambda lines: lines[1:], r"line 3: the events before seal 1 are not"),
        (lambda lines: [*lines[:4], lines[0], *lines[4:]], r"line 9: the events before seal 2 are not"),
        (lambda lines: [lines[0], *lines[4:]], r"line 5: the events before seal 2 are not"),
        (lambda lines: [*lines[:4], *lines[:4]], r"line 8: seal 1 does not follow seal 1"),
        (lambda lines: lines[:-1], "it ends before a seal"),
        (lambda lines: ["nothing\n"], "line 1: it is no line of an archive"),
        (lambda lines: [*lines[:4], '{"event":[]}\n'], "line 5: it is no line of an archive"),
        (odd_seal, "line 4: it is no line of an archive"),
        (lambda lines: ['{"unsealed":{}}\n'], "line 1: an archive holds no unsealed"),
    ],
)
def test_a_file_that_was_changed_is_seen(
    acme: Organization, old: list[int], path: Path, change: Callable[[list[str]], list[str]], words: str
) -> None:
    run(acme, path)

    edit(path, change)

    with pytest.raises(FileBroken, match=words):
        check_file(path)
    (trouble,) = trouble_with_file(acme, path)
    assert str(path) in trouble.text


def test_a_file_that_fits_itself_and_is_another_is_seen(acme: Organization, old: list[int], path: Path) -> None:
    run(acme, path)

    edit(path, lambda lines: lines[:4])

    assert check_file(path).events == 3
    (trouble,) = trouble_with_file(acme, path)
    assert trouble.text == f"{path} is none of the files to which this trail was archived"


def test_an_empty_file_holds_nothing(path: Path) -> None:
    path.touch()

    known = check_file(path)

    assert (known.name, known.head, known.events) == ("acme.jsonl", None, 0)
    assert known.digest == digest("")


# --- manage.py archive_trail -------------------------------------------------------------------------------------


def command(acme: Organization, path: Path, *words: str, stderr: StringIO | None = None) -> str:
    out = StringIO()
    given = ("--organization", acme.name, "--output", str(path), *words)
    try:
        call_command("archive_trail", *given, stdout=out, stderr=stderr or StringIO())
    except CommandError as error:
        return str(error)
    return out.getvalue()


def test_the_command_archives(acme: Organization, old: list[int], path: Path) -> None:
    terminal = Terminal()

    said = command(acme, path, "--before", "2025-11-20", stderr=terminal)

    head = AuditArchive.objects.get().head
    assert said == f"Archived 6 events to {path}. Head 2:{head}\n"
    assert "\r6 rows" in terminal.getvalue()
    assert command(acme, path) == "Nothing of Acme's trail is old enough.\n"


def test_the_command_says_that_nothing_is_old_enough(acme: Organization, path: Path) -> None:
    assert command(acme, path) == "Nothing of Acme's trail is old enough.\n"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("yesterday", "--before yesterday: give a day as YYYY-MM-DD."),
        ("2999-01-01", "Acme keeps 12 months: nothing from "),
    ],
)
def test_the_command_says_what_it_does_not_take(
    acme: Organization, old: list[int], path: Path, word: str, said: str
) -> None:
    assert command(acme, path, "--before", word).startswith(said)


def test_verify_trail_checks_the_file_too(acme: Organization, old: list[int], path: Path) -> None:
    run(acme, path)
    out = StringIO()

    call_command("verify_trail", "--organization", "Acme", "--archive", str(path), stdout=out)

    assert out.getvalue().startswith("Acme: whole. 3 events in 4 seals (6 more events archived). Head 4:")
    assert [json.loads(text)["event"]["id"] for text in lines_of(path) if "event" in text[:9]] == list(map(str, old))


def lines_of(path: Path) -> Iterator[str]:
    yield from path.read_text(encoding="utf-8").splitlines()
