"""``manage.py import_users``: files of any size, what is told of them, and what is left alone."""

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core import mail
from django.core.management import CommandError, call_command

from accounts.models import User
from orgs.models import AuditEvent

if TYPE_CHECKING:
    from pytest_django import Settings

    from orgs.models import Organization

HEAD = "Username,E-mail,Last Name,Profile\n"
MARY = "mary@new.example,mary@mail.example,Jackson,Standard User\n"

pytestmark = pytest.mark.usefixtures("profiles")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of one user."""
    made = tmp_path / "users.csv"
    made.write_text(HEAD + MARY)
    return made


def run(file: Path | str, *words: str, organization: str = "Acme") -> tuple[str, str]:
    """Run the command, and return what it said, and what it said of its progress and of faults."""
    out, errors = io.StringIO(), io.StringIO()
    try:
        call_command("import_users", str(file), "--organization", organization, *words, stdout=out, stderr=errors)
    except CommandError as error:
        errors.write(f"CommandError: {error}\n")
    return out.getvalue(), errors.getvalue()


def steps(errors: str) -> list[str]:
    """Return the lines without how fast it was."""
    return [line.partition(",")[0] for line in errors.splitlines()]


def sentences() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("sentence", flat=True))


def test_it_creates_everyone_and_says_who_ran_it(acme: "Organization", file: Path) -> None:
    out, errors = run(file)

    assert out == "Imported 1 user into Acme.\n"
    assert steps(errors) == ["Checked 1 row", "Created 1 row"]
    mary = User.objects.get(username="mary@new.example")
    assert (mary.organization, mary.created_by_name) == (acme, "import_users by root")
    assert sentences() == ["Created new user Jackson", "Imported 1 user"]
    assert {event.user_name for event in AuditEvent.objects.all()} == {"Automated Process (import_users by root)"}
    assert mail.outbox == []


def test_dry_run_creates_nobody(file: Path) -> None:
    out, errors = run(file, "--dry-run")

    assert out == "Nothing is wrong. Would import 1 user into Acme.\n"
    assert steps(errors) == ["Checked 1 row"]
    assert sentences() == []


def test_standard_input_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))

    out, _ = run("-")

    assert out == "Imported 1 user into Acme.\n"


def test_each_is_mailed_where_a_site_is_given(file: Path) -> None:
    out, errors = run(file, "--mail", "https://portal.example")

    assert out == "Imported 1 user into Acme.\n"
    assert steps(errors) == ["Checked 1 row", "Created 1 row", "Mailed 1 row"]
    assert "https://portal.example/account/password/reset/key/" in mail.outbox[0].body


def test_mails_that_did_not_go_out_are_told(file: Path, settings: "Settings") -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    out, errors = run(file, "--mail", "https://portal.example")

    assert out == "Imported 1 user into Acme.\n"
    assert errors.splitlines()[-1] == (
        "CommandError: Only 0 mails went out. The log says why. Users can ask for one where they sign in."
    )
    assert User.objects.filter(username="mary@new.example").exists()


def test_faults_are_told_by_row_and_column(file: Path) -> None:
    file.write_text(f"{HEAD}{MARY}x@x.example,,J,Standard User\na,b,c,d,e\n")

    out, errors = run(file)

    assert out == ""
    assert errors.splitlines()[-3:] == [
        "Row 3, E-mail: This cell is empty. Every user needs one.",
        "Row 4: There are 5 cells, and 4 columns. A cell that holds a comma needs quotes.",
        "CommandError: 2 faults. Nobody was imported.",
    ]
    assert sentences() == []


def test_no_more_than_a_hundred_are_told(file: Path) -> None:
    file.write_text(HEAD + "x,x@x.example,J,Standard User\n" * 102)

    _, errors = run(file)

    assert errors.splitlines()[-2:] == ["And 2 faults more.", "CommandError: 102 faults. Nobody was imported."]


@pytest.mark.parametrize(
    ("words", "organization", "says"),
    [
        ((), "Nowhere", "There is no organization Nowhere. Give its name, or its id"),
        (("--mail", "portal"), "Acme", "portal is not where a portal answers. Give --mail https://..."),
    ],
)
def test_what_cannot_be_done_is_told(words: tuple[str, ...], organization: str, says: str, file: Path) -> None:
    out, errors = run(file, *words, organization=organization)

    assert (out, errors.startswith(f"CommandError: {says}"), sentences()) == ("", True, [])


def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    errors = [run(name)[1] for name in (tmp_path / "none.csv", tmp_path)]

    assert errors == [
        f"CommandError: {tmp_path}/none.csv can't be read: No such file or directory.\n",
        f"CommandError: {tmp_path} can't be read: Is a directory.\n",
    ]
