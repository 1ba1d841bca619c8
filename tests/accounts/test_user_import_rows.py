"""Reading a file of users: what a row is, and where a file can't be read."""

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.services.user_import import TEMPLATE, Fault
from accounts.services.user_import.rows import LONGEST_LINE, MOST_LINES, Row, read_rows
from orgs.exports.sheet import Column, Sheet, text

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = "Username,E-mail,Last Name,Profile"
NAMES = ("username", "email", "last_name", "profile")
COLUMNS = "Username, E-mail, First Name, Last Name, Alias, Profile, Role"
MISSING = [
    (1, name, "This column is missing. Every user needs one.")
    for name in ("Username", "E-mail", "Last Name", "Profile")
]
NOT_CLOSED = "A quotation mark is opened in this row, and not closed for many lines. Close it. Nothing below was read."
SAVE_ANEW = "Save it anew as CSV in UTF-8; spreadsheets call it “CSV UTF-8”. Nothing below was read."
APART = "Between columns stands a comma, a semicolon or a tab."


def read(file: str | bytes, **options: Any) -> list[Row | Fault]:
    return list(read_rows(io.BytesIO(file.encode() if isinstance(file, str) else file), **options))


def row(number: int, *cells: str) -> Row:
    return Row(number, dict(zip(NAMES, cells, strict=False)))


MARY = row(2, "m@x.example", "m@y.example", "Jackson", "Standard User")
MARYS = "m@x.example,m@y.example,Jackson,Standard User"


@pytest.mark.parametrize(
    "file",
    [
        f"{HEAD}\n{MARYS}\n",
        f"{HEAD}\n{MARYS}",
        f"{HEAD}\r\n{MARYS}\r\n",
        f"\ufeff{HEAD}\r\n{MARYS}",
        f"{HEAD}\n{MARYS}".replace(",", ";"),
        f"{HEAD}\n{MARYS}".replace(",", "\t"),
        f"{HEAD},,\n{MARYS},,\n",
        f"{HEAD.upper()}\n{MARYS}",
        f"user name,E-mail Address,LASTNAME, profile \n{MARYS}",
        f'"Username","E-mail","Last Name","Profile"\n"{MARYS.replace(",", chr(34) + "," + chr(34))}"',
    ],
)
def test_row_is_read_however_it_is_written(file: str) -> None:
    assert read(file) == [MARY]


def test_columns_come_in_any_order() -> None:
    assert read("Role,Profile,Last Name,E-mail,Username\nSales,P,L,e@x,u@x") == [
        Row(2, {"role": "Sales", "profile": "P", "last_name": "L", "email": "e@x", "username": "u@x"})
    ]


def test_rows_are_numbered_as_a_spreadsheet_does() -> None:
    rows = read(f'{HEAD}\na\n\n,,,\n"b\nc",d\ne\n')

    assert rows == [row(2, "a"), row(5, "b\nc", "d"), row(6, "e")]


def test_what_our_own_lists_guard_is_read_as_it_was() -> None:
    values = ("=1+1", "+49", "-x", "@y", "'quoted", "plain", "it's", "")
    sheet = Sheet(*(Column.of(heading, heading) for heading in HEAD.split(",")))
    file = b"".join(sheet.write([[values[:4], values[4:]]]))

    assert read(file) == [row(2, *values[:4]), row(3, *values[4:7])]


def test_template_is_read() -> None:
    assert read(TEMPLATE) == [
        Row(
            2,
            {
                "username": "mary@acme.example",
                "email": "mary@acme.example",
                "first_name": "Mary",
                "last_name": "Jackson",
                "alias": "mjack",
                "profile": "Standard User",
            },
        )
    ]


# --- what is wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "faults"),
    [
        (b"", [(1, "", f"The file is empty. Its first row names the columns: {COLUMNS}.")]),
        (HEAD, [(1, "", "There is no user below the first row.")]),
        (f"{HEAD}\n\n,,\n", [(1, "", "There is no user below the first row.")]),
        (
            f"{HEAD},Phone\na",
            [(1, "Phone", f"There is no column Phone. Take it out, or name it one of these: {COLUMNS}.")],
        ),
        (
            f"Username,,{HEAD[9:]}\na",
            [(1, "", f"Column 2 has no heading. Take it out, or name it one of these: {COLUMNS}.")],
        ),
        *(
            (
                f"Konto{delimiter}Profil\na",
                [
                    *(
                        (1, name, f"There is no column {name}. Take it out, or name it one of these: {COLUMNS}.")
                        for name in ("Konto", "Profil")
                    ),
                    *MISSING,
                ],
            )
            for delimiter in ",;\t"
        ),
        (
            "Konto|Profil\na",
            [
                (
                    1,
                    "Konto|Profil",
                    f"There is no column Konto|Profil. Take it out, or name it one of these: {COLUMNS}. {APART}",
                ),
                *MISSING,
            ],
        ),
        (f"{HEAD},username\na", [(1, "Username", "This column is there twice. Take one of them out.")]),
        (
            "Username,Profile\na",
            [
                (1, "E-mail", "This column is missing. Every user needs one."),
                (1, "Last Name", "This column is missing. Every user needs one."),
            ],
        ),
        (
            f"{HEAD}\na,b,c,d,e",
            [(2, "", "There are 5 cells, and 4 columns. A cell that holds a comma needs quotes.")],
        ),
        (
            f"{HEAD}\na,b,Müller,ü,é\na,b,Müller".encode("latin-1"),
            [(2, column, f"This is not UTF-8 text. {SAVE_ANEW}") for column in ("Last Name", "Profile", "")],
        ),
        (f'{HEAD}\na,"b\nü",c'.encode("latin-1"), [(2, "E-mail", f"This is not UTF-8 text. {SAVE_ANEW}")]),
        (
            "Benutzername;Straße\na".encode("latin-1"),
            [(1, "Stra e", f"This is not UTF-8 text. {SAVE_ANEW}")],
        ),
        (
            HEAD.encode("utf-16"),
            [(1, "", f"This holds NUL characters, as text in UTF-16 does. {SAVE_ANEW}")],
        ),
        (
            HEAD.encode("utf-16-le"),
            [(1, "", f"This holds NUL characters, as text in UTF-16 does. {SAVE_ANEW}")],
        ),
        (f"{HEAD}\n\na\0b", [(3, "", f"This holds NUL characters, as text in UTF-16 does. {SAVE_ANEW}")]),
        (f"{HEAD}\n{'a' * LONGEST_LINE}\n", [(2, "", f"This line is longer than any of users. {SAVE_ANEW}")]),
        (
            HEAD + '\n"' + "a\n" * MOST_LINES + 'b"',
            [
                (
                    2,
                    "",
                    NOT_CLOSED,
                )
            ],
        ),
        *(
            (
                f"{HEAD}\n{line}",
                [(2, "", f"The quotation marks or the line ends of this row are not those of CSV. {SAVE_ANEW}")],
            )
            for line in ('"a"b', '"a', "a\rb")
        ),
    ],
)
def test_what_cannot_be_read_is_told(file: "str | bytes", faults: "Sequence[tuple[int, str, str]]") -> None:
    assert read(file) == [Fault(*fault) for fault in faults]


def test_rows_before_what_cannot_be_read_are_told_too() -> None:
    found = read(f"{HEAD}\n{MARYS}\na,b,c,d,e\n".encode() + b"\xff\n")

    assert found[0] == MARY
    assert [fault.row for fault in found[1:] if isinstance(fault, Fault)] == [3, 4]


def test_cell_of_many_lines_is_read_as_long_as_they_are_not_too_many() -> None:
    cell = "a\n" * (MOST_LINES - 1)

    assert read(f'{HEAD}\n"{cell}"') == [row(2, cell)]


def test_more_than_the_limit_are_read_no_further() -> None:
    file = f"{HEAD}\na\n\nb\nc\n"

    assert read(file, limit=3) == [row(2, "a"), row(4, "b"), row(5, "c")]
    assert read(file, limit=2) == [
        row(2, "a"),
        row(4, "b"),
        Fault(
            5,
            "",
            "A file for this page holds 2 users at most. Split it, or import it with manage.py import_users.",
        ),
    ]


# --- whatever comes ----------------------------------------------------------------------------------------------

PORTAL = settings(derandomize=True, max_examples=200, deadline=None, database=None)
# A cell that somebody begins with a ' before a formula is taken for one that we guarded.
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20).filter(
    lambda cell: cell.strip() and not cell.startswith("'")
)


@PORTAL
@given(st.binary(max_size=300), st.booleans())
def test_no_file_is_an_error(file: bytes, has_head: bool) -> None:
    found = read((HEAD.encode() + b"\n" if has_head else b"") + file)

    assert found
    assert all(isinstance(one, Row | Fault) for one in found)


@PORTAL
@given(st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), min_size=1, max_size=5), st.sampled_from(",;\t"))
def test_whatever_is_written_is_read_back(written: list[tuple[str, ...]], delimiter: str) -> None:
    file = io.StringIO(newline="")
    # As our own lists write it: what a spreadsheet would run is guarded.
    csv.writer(file, delimiter=delimiter).writerows([HEAD.split(","), *(map(text, line) for line in written)])

    found = read(file.getvalue())

    assert found == [row(number, *line) for number, line in enumerate(written, 2)]
