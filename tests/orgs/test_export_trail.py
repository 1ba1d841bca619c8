"""``manage.py export_trail``: the same file as the download's, its progress, and what it refuses."""

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper

from accounts.models import User
from orgs.audit import AuditAction, record
from orgs.exports.listing import ExportFormat
from orgs.http import Origin
from orgs.management.common import Progress
from orgs.models import AuditEvent, Organization
from orgs.services.seals import record_lines


class Terminal(io.StringIO):
    """A stream that someone looks at."""

    def isatty(self) -> bool:
        return True


def run(organization: object, *words: str, errors: io.StringIO | None = None) -> bytes:
    """Run the command, and return what it wrote to standard output."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    call_command(
        "export_trail", "--organization", str(organization), *words, stdout=out, stderr=errors or io.StringIO()
    )
    out.flush()
    written: bytes = out.buffer.getvalue()
    return written


@pytest.fixture
def event(acme: Organization, grace: User) -> AuditEvent:
    """One row of Acme's trail."""
    grace.last_name = "Łoś"
    return record(AuditAction.USER_FROZEN, origin=Origin(), organization=acme, about=grace)


def test_it_writes_what_the_download_does_and_says_who_ran_it(acme: Organization, event: AuditEvent) -> None:
    file = run("acme")

    head, row, *rest = file.decode("utf-8-sig").split("\r\n")
    assert head.startswith("Id,Date,User,User Id,Action,")
    assert row.startswith(f"{event.pk},")
    assert "Froze user Grace Łoś" in row
    assert rest == [""]
    written = AuditEvent.objects.order_by("pk").last()
    assert written is not None
    assert (written.sentence, written.user_name, written.organization) == (
        "Downloaded the Setup Audit Trail as CSV",
        "Automated Process (export_trail by root)",
        acme,
    )


def test_organization_is_given_by_name_or_by_id(acme: Organization, event: AuditEvent) -> None:
    files = [run(given, "--format", "ocsf") for given in ("Acme", "ACME", acme.reference, acme.pk)]

    lines = [file.decode().splitlines()[0] for file in files]
    assert [f'"uid":"{event.pk}"' in line and line == lines[0] for line in lines] == [True] * 4


@pytest.mark.parametrize("given", ["Acme Inc", "00D999999999999", "999999", "9" * 30, "٣", ""])
def test_unknown_organization_is_told(acme: Organization, given: str) -> None:
    with pytest.raises(CommandError) as raised:
        run(given)

    assert str(raised.value) == (
        f"There is no organization {given}. Give its name, or its id as Company Information has it (00D...)."
    )


def test_file_is_written_whole_for_its_owner_alone(event: AuditEvent, tmp_path: Path) -> None:
    path = tmp_path / "trail.csv"

    run("Acme", "--output", str(path))

    assert path.read_bytes().decode("utf-8-sig").splitlines()[1].startswith(f"{event.pk},")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_file_that_is_there_stays_unless_forced(event: AuditEvent, tmp_path: Path) -> None:
    path = tmp_path / "trail.csv"
    path.write_text("precious")

    with pytest.raises(CommandError, match=r"is there already\. Give another name, or --force to write over it\."):
        run("Acme", "--output", str(path))
    kept = path.read_text()
    run("Acme", "--output", str(path), "--force")

    assert (kept, path.read_bytes()[3:5]) == ("precious", b"Id")
    assert AuditEvent.objects.filter(action=AuditAction.EXPORTED).count() == 1


def test_place_that_cannot_be_written_is_told(event: AuditEvent, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"gone/trail.csv can't be written: No such file or directory\."):
        run("Acme", "--output", str(tmp_path / "gone" / "trail.csv"))

    assert not AuditEvent.objects.filter(action=AuditAction.EXPORTED).exists()


def test_what_breaks_at_the_end_leaves_no_half_file(event: AuditEvent, tmp_path: Path) -> None:
    folder = tmp_path / "trail.csv"
    folder.mkdir()

    with pytest.raises(CommandError, match=r"trail.csv can't be written: Is a directory\."):
        run("Acme", "--output", str(folder), "--force")

    assert list(tmp_path.iterdir()) == [folder]


def test_reader_that_stops_is_told_without_a_trace(event: AuditEvent) -> None:
    read, write = os.pipe()
    os.close(read)
    out = io.TextIOWrapper(os.fdopen(write, "wb", buffering=0))

    with pytest.raises(CommandError, match=r"Whoever read this stopped before its end\."):
        call_command("export_trail", "--organization", "Acme", stdout=out, stderr=io.StringIO())

    out.close()


def test_progress_is_one_line_on_a_terminal_and_plain_lines_elsewhere() -> None:
    said = []
    for stream in (Terminal(), io.StringIO()):
        progress = Progress(OutputWrapper(stream), clock=clock(0, 0.1, 5, 20, 20))
        for rows in (1000, 1000, 1000):
            progress.add(rows)
        progress.finish()
        said.append(stream.getvalue())

    assert said[0].split("\r") == [
        "",
        f"{'2,000 rows, 400 a second':<60}",
        f"{'3,000 rows, 150 a second':<60}",
        f"{'3,000 rows, 150 a second. Done':<60}\n",
    ]
    assert said[1].splitlines() == ["3,000 rows, 150 a second", "3,000 rows, 150 a second. Done"]


def clock(*times: float) -> Callable[[], float]:
    """Return a clock that goes through ``times``, whenever it is looked at."""
    left = iter(times)
    return lambda: next(left)


def test_progress_is_said_beside_the_file_and_not_in_it(event: AuditEvent) -> None:
    errors = io.StringIO()

    file = run("Acme", errors=errors)

    assert errors.getvalue().startswith("1 row, ")
    assert b"a second" not in file


def test_records_are_those_of_the_seals(acme: Organization, event: AuditEvent, tmp_path: Path) -> None:
    errors = io.StringIO()

    file = run("Acme", "--format", "records", errors=errors)

    download = AuditEvent.objects.get(action=AuditAction.EXPORTED)
    assert download.sentence == "Downloaded the Setup Audit Trail as sealed records"
    assert file.decode() == "".join(record_lines(acme))
    assert errors.getvalue().startswith("2 rows, ")


def test_formats_are_those_that_there_are() -> None:
    assert [(one.value, one.extension) for one in ExportFormat] == [
        ("csv", "csv"),
        ("ocsf", "jsonl"),
        ("records", "jsonl"),
    ]
