"""Tampering, and what verify_trail says of it. Rows are changed as whoever owns the tables could."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.color import no_style
from django.db import connection
from django.utils import timezone

from orgs.models import AuditArchive, AuditEvent, AuditSeal, Organization
from orgs.services.chain import NO_DIGEST, Head, digest, parts_of, seal_content
from orgs.services.seals import BATCH, record_lines, seal_trail
from orgs.services.verification import verify_trail
from tests.factories import OrganizationFactory
from tests.guards import unguarded

from .trail import AT, HOUR, Terminal, ids, write

pytestmark = pytest.mark.django_db

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def sealed(acme: Organization) -> list[int]:
    """Nine events in three seals, from days ago; return their ids."""
    OrganizationFactory.create(name="Globex")
    pks: list[int] = []
    for day in range(3):
        at = AT - timedelta(days=9 - day)
        # With room between them.
        pks += ids(write(acme, at=at + HOUR * number, id=100 * day + 10 * number + 10)[0] for number in range(3))
        seal_trail(acme, at=at + 4 * HOUR)
    with connection.cursor() as cursor:
        # PostgreSQL does not count on from ids that were given.
        for statement in connection.ops.sequence_reset_sql(no_style(), [AuditEvent]):
            cursor.execute(statement)
    return pks


def seal(acme: Organization, number: int) -> AuditSeal:
    return AuditSeal.objects.get(organization=acme, number=number)


def change(pk: int, **fields: Any) -> None:
    with unguarded():
        AuditEvent.objects.filter(pk=pk).update(**fields)


def remove(*pks: int) -> None:
    with unguarded():
        AuditEvent.objects.filter(pk__in=pks).delete()


def change_seal(acme: Organization, number: int, **fields: Any) -> None:
    with unguarded():
        AuditSeal.objects.filter(organization=acme, number=number).update(**fields)


def found(acme: Organization, *heads: Head) -> tuple[str, int, int]:
    """Return the first trouble, of how many rows, and how many seals were as they were."""
    report = verify_trail(acme, heads=heads, at=AT)
    return (report.first.text if report.first else ""), report.rows, report.seals


# --- what the database holds -------------------------------------------------------------------------------------


def test_a_trail_that_nobody_touched_is_whole(acme: Organization, sealed: list[int]) -> None:
    write(acme, 2, at=AT)

    report = verify_trail(acme, at=AT)

    assert report.is_whole
    assert (report.seals, report.events, report.archived, report.unsealed) == (3, 9, 0, 2)
    assert report.head == Head(3, seal(acme, 3).digest)


def test_a_trail_without_events_is_whole(acme: Organization) -> None:
    report = verify_trail(acme)

    assert (report.is_whole, report.head, report.seals) == (True, None, 0)


CHANGES: dict[str, Any] = {
    "created_at": AT,
    "action": "user.frozen",
    "section": "Manage Users",
    "sentence": "Changed nothing",
    "user_id": 1,
    "user_name": "Somebody Else",
    "delegate_user_id": 1,
    "delegate_user_name": "Somebody Else",
    "about_id": 1,
    "about_name": "Somebody Else",
    "address": "203.0.113.1",
    "agent": "Lynx",
    "session_public_id": "00000000-0000-0000-0000-000000000001",
    "impersonation_id": 1,
    "request_id": "another",
    "before": {"name": "Another"},
    "after": {"name": "Another"},
}


@pytest.mark.parametrize("column", CHANGES)
def test_a_change_of_any_column_is_named(acme: Organization, sealed: list[int], column: str) -> None:
    change(sealed[4], **{column: CHANGES[column]})

    assert found(acme) == ("Event 120 of seal 2 was changed", 1, 3)


def test_a_new_id_is_a_row_removed_and_one_slipped_in(acme: Organization, sealed: list[int]) -> None:
    change(sealed[4], id=sealed[4] + 1)

    assert found(acme) == ("Event 120 of seal 2 was removed", 2, 3)


def test_an_event_handed_to_another_organization_misses_here_and_is_too_many_there(
    acme: Organization, sealed: list[int]
) -> None:
    other = Organization.objects.get(name="Globex")
    write(other, id=999, at=AT - 9 * HOUR)
    seal_trail(other, at=AT - 8 * HOUR)
    change(sealed[4], organization_id=other.pk)

    assert found(acme) == ("Event 120 of seal 2 was removed", 1, 3)
    assert found(other) == ("Event 120 was slipped in: no seal names it", 1, 1)


def test_columns_that_are_tried_are_all() -> None:
    columns = {field.attname for field in AuditEvent._meta.concrete_fields}

    assert columns == {*CHANGES, "id", "organization_id"}


@pytest.mark.parametrize(
    ("place", "where"), [(0, "Event 10 of seal 1"), (4, "Event 120 of seal 2"), (8, "Event 230 of seal 3")]
)
def test_a_removed_event_is_named(acme: Organization, sealed: list[int], place: int, where: str) -> None:
    remove(sealed[place])

    assert found(acme) == (f"{where} was removed", 1, 3)


def test_of_several_rows_the_first_is_named_and_all_are_counted(acme: Organization, sealed: list[int]) -> None:
    remove(sealed[5])
    change(sealed[7], agent="Lynx")
    change(sealed[3], agent="Lynx")
    write(acme, id=15, at=AT - timedelta(days=9))

    assert found(acme) == ("Event 15 was slipped in: no seal names it", 4, 3)


def test_two_rows_that_changed_places_are_named(acme: Organization, sealed: list[int]) -> None:
    with unguarded():
        first, second = AuditEvent.objects.get(pk=sealed[0]), AuditEvent.objects.get(pk=sealed[8])
        first.pk, second.pk = second.pk, first.pk
        first.save()
        second.save()

    assert found(acme) == ("Event 10 of seal 1 was changed", 2, 3)


def test_a_row_below_what_is_settled_was_slipped_in(acme: Organization, sealed: list[int]) -> None:
    write(acme, id=sealed[4] + 1, at=AT - timedelta(days=8))
    write(acme, id=-5, at=AT - timedelta(days=8))

    seal_trail(acme, at=AT)

    assert found(acme) == ("Event -5 was slipped in: no seal names it", 2, 3)


def test_a_row_with_a_new_id_and_an_old_date_was_slipped_in(acme: Organization, sealed: list[int]) -> None:
    (row,) = write(acme, at=AT - timedelta(days=8), id=500)

    seal_trail(acme, at=AT)

    assert found(acme) == (
        f"Event {row.pk} of seal 4 was slipped in, dated back to 2026-11-14T12:00:00.000000Z",
        1,
        4,
    )


def test_rows_of_a_first_sealing_are_not_taken_for_dated_back(acme: Organization) -> None:
    write(acme, 2 * BATCH + 1, at=AT - 900 * HOUR)

    seal_trail(acme, at=AT)

    assert found(acme) == ("", 0, 3)


def test_a_seal_made_under_a_wrong_clock_accuses_nobody(acme: Organization) -> None:
    for written, sealed_at in ((1, 1), (2, 9000), (3, 3), (4, 4)):
        write(acme, at=AT + written * HOUR)
        seal_trail(acme, at=AT + sealed_at * HOUR)

    assert found(acme) == ("", 0, 4)


# --- the chain ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"sealed_at": AT},
        {"previous": NO_DIGEST},
        {"entries": []},
        {"entries": [["110", NO_DIGEST]]},
        {"entries": "nothing"},
        {"digest": NO_DIGEST},
        {"last_event_id": 10**9},
        {"last_event_id": 1},
    ],
)
def test_a_changed_seal_is_named(acme: Organization, sealed: list[int], fields: dict[str, Any]) -> None:
    change_seal(acme, 2, **fields)

    assert found(acme) == ("Seal 2 was changed", 0, 1)


def test_a_seal_that_was_built_anew_does_not_fit_its_neighbours(acme: Organization, sealed: list[int]) -> None:
    change(sealed[3], agent="Lynx")
    second = seal(acme, 2)
    lines = [parts_of(text) for text in record_lines(acme)]
    second.entries[0][1] = next(digest(content) for kind, content in lines if kind == "event" and '"110"' in content)
    change_seal(acme, 2, entries=second.entries, digest=digest(seal_content(second)))

    assert found(acme) == ("Seal 3 does not follow the seal 2 that is there", 0, 2)


def test_a_removed_seal_is_named(acme: Organization, sealed: list[int]) -> None:
    with unguarded():
        seal(acme, 2).delete()

    assert found(acme) == ("Seal 2 was removed: seal 3 comes after seal 1", 0, 1)


def test_a_broken_chain_and_a_row_before_it_are_both_told(acme: Organization, sealed: list[int]) -> None:
    remove(sealed[1])
    change_seal(acme, 3, digest=NO_DIGEST)

    report = verify_trail(acme, at=AT)

    assert [report.first and report.first.text, [one.text for one in report.chain]] == [
        "Event 20 of seal 1 was removed",
        ["Seal 3 was changed"],
    ]


# --- what only a head outside tells ------------------------------------------------------------------------------


def test_an_end_that_was_cut_off_is_seen_with_a_head_from_outside_alone(acme: Organization, sealed: list[int]) -> None:
    kept = Head(3, seal(acme, 3).digest)
    with unguarded():
        seal(acme, 3).delete()
        AuditEvent.objects.filter(pk__in=sealed[6:]).delete()

    assert found(acme) == ("", 0, 2)
    assert found(acme, kept) == (
        "Seal 3 is known from outside, and the chain ends at seal 2: its end was cut off",
        0,
        2,
    )


def test_a_chain_that_is_all_gone_is_seen_with_a_head_from_outside(acme: Organization, sealed: list[int]) -> None:
    kept = Head(3, seal(acme, 3).digest)
    with unguarded():
        AuditSeal.objects.all().delete()
        AuditEvent.objects.filter(pk__in=sealed).delete()

    assert found(acme, kept) == (
        "Seal 3 is known from outside, and the chain has no seal: its end was cut off",
        0,
        0,
    )


def test_a_chain_that_was_built_anew_is_seen_with_a_head_from_outside_alone(
    acme: Organization, sealed: list[int]
) -> None:
    kept = Head(1, seal(acme, 1).digest)
    change(sealed[0], sentence="Changed nothing")
    with unguarded():
        AuditSeal.objects.all().delete()
    seal_trail(acme, at=AT)

    assert found(acme) == ("", 0, 1)
    assert found(acme, kept)[0] == "Seal 1 is not the one that was kept outside: the chain was built anew"


def test_heads_that_still_stand_are_no_trouble(acme: Organization, sealed: list[int]) -> None:
    assert found(acme, *(Head(number, seal(acme, number).digest) for number in (1, 3))) == ("", 0, 3)


# --- archives ----------------------------------------------------------------------------------------------------


def archive(acme: Organization, number: int, **fields: Any) -> AuditArchive:
    row = seal(acme, number)
    given = {
        "organization": acme,
        "created_at": AT,
        "by_name": "somebody",
        "last_event_id": row.last_event_id,
        "last_seal_number": number,
        "head": row.digest,
        "events": 3,
        "file_name": "trail.jsonl",
        "digest": NO_DIGEST,
    }
    return AuditArchive.objects.create(**given | fields)


def test_an_archive_that_the_trail_does_not_tell_of_is_named(acme: Organization, sealed: list[int]) -> None:
    archive(acme, 1)
    AuditEvent.objects.filter(pk__in=sealed[:3]).delete()

    report = verify_trail(acme, at=AT)

    assert (report.archived, report.events) == (3, 6)
    assert [one.text for one in report.chain] == ["Events up to 30 were archived, and the trail does not tell of it"]


def test_an_archive_excuses_nothing_beyond_it(acme: Organization, sealed: list[int]) -> None:
    archive(acme, 1)
    AuditEvent.objects.filter(pk__in=sealed[:3]).delete()
    remove(sealed[3])

    assert found(acme) == ("Event 110 of seal 2 was removed", 1, 3)


def test_an_archive_up_to_a_seal_that_is_another_is_named(acme: Organization, sealed: list[int]) -> None:
    archive(acme, 1, head="1" * 64)

    assert found(acme)[0] == "Seal 1 is not the one up to which events were archived"


def test_an_archive_that_is_made_meanwhile_is_asked_for(acme: Organization, sealed: list[int]) -> None:
    def archived(_: int) -> None:
        if not AuditArchive.objects.exists():
            archive(acme, 2)
            AuditEvent.objects.filter(pk__in=sealed[:6]).delete()

    report = verify_trail(acme, at=AT, progress=archived)

    assert (report.rows, report.events + report.archived) == (0, 9)


# --- manage.py verify_trail --------------------------------------------------------------------------------------


def run(*words: str, stderr: StringIO | None = None) -> str:
    out = StringIO()
    try:
        call_command("verify_trail", *words, stdout=out, stderr=stderr or StringIO())
    except CommandError as error:
        return f"{out.getvalue()}{error}"
    return out.getvalue()


OUTSIDE = "Not compared with any head that was kept outside (--head, --heads).\n"


def test_the_command_seals_and_says_that_all_is_whole(acme: Organization, sealed: list[int]) -> None:
    write(acme, at=timezone.now())

    said = run()

    assert said == (
        f"Acme: whole. 10 events in 4 seals. Head 4:{seal(acme, 4).digest}\n"
        f"Globex: whole. 0 events in 0 seals. Head 0:{NO_DIGEST}\n{OUTSIDE}"
    )


def test_the_command_can_read_alone(acme: Organization, sealed: list[int]) -> None:
    write(acme, at=timezone.now())

    said = run("--no-seal", "--organization", "Acme")

    assert said == f"Acme: whole. 9 events in 3 seals; 1 not sealed yet. Head 3:{seal(acme, 3).digest}\n{OUTSIDE}"


def test_the_command_fails_and_names_the_first_row(acme: Organization, sealed: list[int]) -> None:
    change(sealed[4], agent="Lynx")
    remove(sealed[5])
    change_seal(acme, 3, digest=NO_DIGEST)

    said = run("--organization", "Acme")

    assert said == (
        "Acme: NOT WHOLE. Event 120 of seal 2 was changed. 2 rows in all. Seal 3 was changed."
        f" As they were sealed: 4 events in 2 seals.\n{OUTSIDE}Not whole: 1 trail."
    )


def test_the_command_compares_with_heads_from_outside(acme: Organization, sealed: list[int], tmp_path: Path) -> None:
    kept = tmp_path / "heads"
    first, last = seal(acme, 1), seal(acme, 3)
    other = Organization.objects.get(name="Globex")
    kept.write_text(
        f"# kept by hand\n\n{acme.reference} 1:{first.digest} Acme\n{acme.reference} 3:{last.digest} Acme\n"
        f"{other.reference} 0:{NO_DIGEST} Globex\n"
    )
    whole = run("--heads", str(kept))
    with unguarded():
        last.delete()
        AuditEvent.objects.filter(pk__in=sealed[6:]).delete()
    write(acme, at=timezone.now())

    cut_off = run("--heads", str(kept), "--organization", "Acme")
    by_hand = run("--head", f"3:{last.digest}", "--organization", "Acme")

    assert whole.splitlines()[0] == f"Acme: whole. 9 events in 3 seals. Head 3:{last.digest}"
    assert "kept outside" not in whole
    # Nothing was sealed over it.
    assert (
        cut_off
        == by_hand
        == "Acme: NOT WHOLE. Seal 3 is known from outside, and the chain ends at seal 2: its end was cut off."
        " As they were sealed: 6 events in 2 seals.\nNot whole: 1 trail."
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--head", "1:x"], "--head and --archive are of one organization: say which, --organization NAME."),
        (["--archive", "x"], "--head and --archive are of one organization: say which, --organization NAME."),
        (
            ["--organization", "Acme", "--head", "1:x"],
            "--head: 1:x is no head. Give one as seal_trail prints it: NUMBER:DIGEST",
        ),
        (["--heads", "{bad}"], "{bad}, line 1: nothing is no head. Give one as seal_trail prints it: NUMBER:DIGEST"),
        (["--heads", "{gone}"], "{gone} can't be read: No such file or directory."),
        (["--heads", "{binary}"], "{binary} can't be read: it is not text in UTF-8."),
        (["--organization", "Acme", "--archive", "{gone}"], "{gone} can't be read: No such file or directory."),
    ],
)
def test_the_command_says_what_it_does_not_understand(
    acme: Organization, tmp_path: Path, words: list[str], said: str
) -> None:
    paths = {name: tmp_path / name for name in ("bad", "binary", "gone")}
    paths["bad"].write_text("Acme\n")
    paths["binary"].write_bytes(b"\xff")

    answer = run(*(word.format(**paths) for word in words))

    assert answer.splitlines()[-1] == said.format(**paths)


def test_the_command_shows_how_far_it_is_on_a_terminal_alone(acme: Organization, sealed: list[int]) -> None:
    terminal, pipe = Terminal(), StringIO()

    run(stderr=terminal)
    run(stderr=pipe)

    assert re.search(r"\r9 rows, [\d,]+ a second\. Done *\n\Z", terminal.getvalue())
    assert pipe.getvalue() == ""


# --- by anyone, offline ------------------------------------------------------------------------------------------


@pytest.fixture
def check(tmp_path: Path) -> Callable[[str], str]:
    """Run what README.md says, to the letter, on lines of an export; return what it says."""
    section = README.read_text(encoding="utf-8").split("## Checking the trail offline")[1]
    (tmp_path / "check.py").write_text(section.split("```python\n")[1].split("```")[0], encoding="utf-8")

    def run_it(lines: str) -> str:
        (tmp_path / "trail.jsonl").write_text(lines, encoding="utf-8")
        ran = subprocess.run(
            [sys.executable, "-I", "check.py", "trail.jsonl"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return f"{ran.returncode} {ran.stdout}{ran.stderr}"

    return run_it


BEGIN = f"It begins after 0:{NO_DIGEST}\n"


def test_an_export_is_checked_with_the_standard_library(
    acme: Organization, sealed: list[int], check: Callable[[str], str]
) -> None:
    write(acme, 2, at=AT, after={"name": 'Ä ☃ \U0001f600 \\ " \u2028 \x7f \n', "n": 1.5})

    said = check("".join(record_lines(acme, at=AT)))

    head = seal(acme, 3).digest
    assert said == f"0 {BEGIN}Whole: 9 events, 0 archived, 2 not sealed yet. Head 3:{head}\n"


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda lines: [lines[0].replace("Acme", "Acme"), *lines[1:]], ""),
        (lambda lines: [lines[0].replace("Name 1", "Name 7"), *lines[1:]], "Event 10 of seal 1 was changed"),
        (lambda lines: lines[1:], "Event 10 of seal 1 was removed"),
        (lambda lines: [*lines[:4], lines[0], *lines[4:]], "Event 10 was slipped in"),
        (lambda lines: lines[:3] + lines[4:], "Seal 2 does not follow seal 1|Event 10 was slipped in"),
        (lambda lines: lines[:4] + lines[8:], "Seal 3 does not follow seal 1"),
        (lambda lines: lines[:-1], "It ends before a seal"),
    ],
)
def test_an_export_that_was_changed_is_seen(
    acme: Organization,
    sealed: list[int],
    check: Callable[[str], str],
    tamper: Callable[[list[str]], list[str]],
    said: str,
) -> None:
    lines = list(record_lines(acme, at=AT))

    answer = check("".join(tamper(lines)))

    assert answer.startswith("1 " if said else "0 ")
    assert re.search(said, answer)


def test_an_export_names_what_was_slipped_in_and_counts_what_is_archived(
    acme: Organization, sealed: list[int], check: Callable[[str], str]
) -> None:
    archive(acme, 1)
    AuditEvent.objects.filter(pk__in=sealed[:3]).delete()
    whole = check("".join(record_lines(acme, at=AT)))
    write(acme, id=15)

    slipped_in = check("".join(record_lines(acme, at=AT)))

    assert whole == f"0 {BEGIN}Whole: 6 events, 3 archived, 0 not sealed yet. Head 3:{seal(acme, 3).digest}\n"
    assert slipped_in == f"1 {BEGIN}Event 15 was slipped in\n"


def test_an_export_names_what_was_sealed_long_after_its_date(
    acme: Organization, sealed: list[int], check: Callable[[str], str]
) -> None:
    write(acme, at=AT - timedelta(days=8), id=500)
    seal_trail(acme, at=AT)

    said = check("".join(record_lines(acme, at=AT)))

    assert said == f"1 {BEGIN}Event 500 of seal 4 was slipped in, dated back to 2026-11-14 12:00:00+00:00\n"


def test_an_export_of_a_first_sealing_is_whole(acme: Organization, check: Callable[[str], str]) -> None:
    write(acme, BATCH + 1, at=AT - 900 * HOUR)
    seal_trail(acme, at=AT)

    said = check("".join(record_lines(acme, at=AT)))

    assert said == f"0 {BEGIN}Whole: {BATCH + 1} events, 0 archived, 0 not sealed yet. Head 2:{seal(acme, 2).digest}\n"


def test_an_export_of_nothing_is_whole(acme: Organization, check: Callable[[str], str]) -> None:
    assert check("") == "0 Whole: 0 events, 0 archived, 0 not sealed yet. Head \n"


def test_the_digest_of_a_line_is_that_of_its_bytes(acme: Organization, sealed: list[int]) -> None:
    first = next(record_lines(acme))

    content = first.removeprefix('{"event":').removesuffix("}\n")
    assert hashlib.sha256(content.encode()).hexdigest() == seal(acme, 1).entries[0][1]
    assert json.loads(first)["event"]["id"] == "10"
