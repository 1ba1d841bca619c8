"""Downloads of the trail: what is in the file, how it is written, who gets it, and what is written down of it."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from datetime import timezone as zone
from typing import TYPE_CHECKING

import pytest
from django.http import StreamingHttpResponse
from django.utils import timezone

from accounts.models import User
from orgs.audit import AuditAction, record
from orgs.exports.listing import ExportFormat, Listing, Writer
from orgs.exports.sheet import Column, Sheet, as_json, label_in, moment, text
from orgs.exports.trail import trail_listing
from orgs.http import Origin
from orgs.models import AuditEvent, Organization
from orgs.paging import keyset_batches
from orgs.querysets import events_of
from orgs.services.exports import export_list
from orgs.views.downloads import file_name
from tests.factories import OrganizationFactory
from tests.queries import captured_queries

from .reading import alerts_of

if TYPE_CHECKING:
    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]

DOWNLOAD = "/setup/audit-trail/download/"
PAGE = "/setup/audit-trail/"
AT = datetime(2026, 6, 1, 9, 30, 0, 123456, tzinfo=UTC)


def freeze(person: User, *, by: User | None = None, at: datetime = AT) -> AuditEvent:
    """Write a row about ``person``."""
    origin = Origin(user=by, actor=by, address="192.0.2.7", agent="Firefox", request_id="r-1")
    return record(
        AuditAction.USER_FROZEN,
        origin=origin,
        organization=person.organization,
        about=person,
        at=at,
        before={"is_frozen": False},
        after={"is_frozen": True},
    )


def body_of(response: object) -> bytes:
    """Return all of a file that is being downloaded."""
    assert isinstance(response, StreamingHttpResponse)
    return response.getvalue()


def rows_of(file: bytes) -> list[dict[str, str]]:
    """Return the rows of a CSV file by heading, as a spreadsheet reads it."""
    return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline="")))


def sentences_of(response: object) -> list[str]:
    return [row["Action"] for row in rows_of(body_of(response))]


# --- cells -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "cell"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1+1", "'+1+1"),
        ("-2+3+cmd", "'-2+3+cmd"),
        ("@SUM(1+1)", "'@SUM(1+1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("＝1", "'＝1"),
        ("1=1", "1=1"),
        ("", ""),
        (None, ""),
        (17, "17"),
    ],
)
def test_cell_is_no_formula(typed: object, cell: str) -> None:
    assert text(typed) == cell


def test_times_are_utc_in_iso_8601() -> None:
    summer = datetime(2026, 7, 1, 12, 0, 0, 9999, tzinfo=zone(timedelta(hours=2)))

    assert [moment(AT), moment(summer), moment(None)] == ["2026-06-01T09:30:00.123Z", "2026-07-01T10:00:00.009Z", ""]


def test_json_has_one_spelling() -> None:
    assert [as_json({"b": [1, None], "a": "Łoś"}), as_json({}), as_json(None)] == ['{"a":"Łoś","b":[1,null]}', "", ""]


def test_stored_values_are_told_as_pages_do() -> None:
    label = label_in({"any_user": "Any-user login"})

    assert [label("any_user"), label("long gone"), label(None), label("=1")] == [
        "Any-user login",
        "long gone",
        "",
        "'=1",
    ]


def test_sheet_is_rfc_4180_with_a_mark_for_spreadsheets() -> None:
    sheet = Sheet(Column.of("Name", "first", "last", words=lambda *names: text(" ".join(names))), Column.of("Id", "id"))

    file = b"".join(sheet.write([[("Ada", "Lovelace", 1)], [('Kim "K"', "Lee,\nJr.", 2), ("=A1", "x", None)]]))

    assert file == (
        b"\xef\xbb\xbfName,Id\r\n"
        b"Ada Lovelace,1\r\n"
        b'"Kim ""K"" Lee,\nJr.",2\r\n'
        b"'=A1 x,\r\n"
    )  # fmt: skip


# --- batches -----------------------------------------------------------------------------------------------------


def test_batches_hold_every_row_once_in_order(grace: User) -> None:
    # Most share a time, and the first row is not the earliest.
    events = [freeze(grace, at=AT + timedelta(seconds=number % 2)) for number in range(7)]

    batches = list(keyset_batches(AuditEvent.objects.all(), order=("created_at", "id"), columns=("id",), size=3))

    order = sorted(events, key=lambda event: (event.created_at, event.pk))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert [key for batch in batches for (key,) in batch] == [event.pk for event in order]


@pytest.mark.parametrize("rows", [0, 1, 2, 4])
def test_batches_of_several_querysets_hold_each_row_once(grace: User, ada: User, rows: int) -> None:
    keys = [freeze(grace, by=grace if number % 2 else ada).pk for number in range(rows)]
    querysets = AuditEvent.objects.filter(about=grace), AuditEvent.objects.filter(user=grace)

    batches = list(keyset_batches(*querysets, order=("id",), columns=("about_name", "id"), size=2))

    assert [row for batch in batches for row in batch] == [("Grace Hopper", key) for key in keys]


def test_download_costs_one_query_a_batch_and_none_more(grace: User) -> None:
    counts = []
    for _ in range(2):
        for _ in range(3):
            freeze(grace)
        with captured_queries() as queries:
            list(keyset_batches(AuditEvent.objects.all(), order=("id",), columns=("id",), size=2))
        counts.append(len(queries))

    # Three rows are a whole batch and a part of one; six are three whole ones, and one that tells there is no more.
    assert counts == [2, 4]


# --- the list ----------------------------------------------------------------------------------------------------


def test_rows_written_meanwhile_are_not_in_it(acme: Organization, ada: User, grace: User) -> None:
    freeze(grace)
    parts = export_list(
        trail_listing(acme, [events_of(acme)]),
        ExportFormat.CSV,
        organization=acme,
        origin=Origin(user=ada, actor=ada),
    )
    next(parts)

    # Later, and dated back: an end that was noticed late is.
    freeze(grace, by=ada, at=AT - timedelta(days=1))
    file = b"".join(parts)

    assert len(file.splitlines()) == 1
    assert AuditEvent.objects.count() == 3


def test_it_is_written_down_before_the_first_byte(acme: Organization, ada: User) -> None:
    def no_byte(batches: object) -> Iterator[bytes]:
        assert AuditEvent.objects.filter(action=AuditAction.EXPORTED).exists()
        yield b"first"

    listing = Listing("the list", "list", (events_of(acme),), ("id",), {ExportFormat.CSV: Writer(("id",), no_byte)})

    parts = export_list(
        listing,
        ExportFormat.CSV,
        organization=acme,
        origin=Origin(user=ada, actor=ada),
        narrowed_by={"section": "Roles"},
        at=AT,
    )

    event = AuditEvent.objects.get()
    assert (event.sentence, event.section, event.user, event.created_at) == (
        "Downloaded the list as CSV",
        "Records",
        ada,
        AT,
    )
    assert event.after == {"list": "the list", "format": "csv", "section": "Roles"}
    assert list(parts) == [b"first"]


def test_progress_is_told_by_rows(acme: Organization, ada: User, grace: User) -> None:
    for _ in range(3):
        freeze(grace)
    told: list[int] = []

    listing = trail_listing(acme, [events_of(acme)])
    origin = Origin(user=ada, actor=ada)
    list(export_list(listing, ExportFormat.CSV, organization=acme, origin=origin, watch=told.append))

    assert told == [3]


# --- over HTTP ---------------------------------------------------------------------------------------------------


def test_trail_as_csv_has_every_column(acme: Organization, ada: User, grace: User, client_of: "ClientOf") -> None:
    event = freeze(grace, by=ada)

    response = client_of(ada).post(DOWNLOAD)

    assert rows_of(body_of(response)) == [
        {
            "Id": str(event.pk),
            "Date": "2026-06-01T09:30:00.123Z",
            "User": "Ada Lovelace",
            "User Id": str(ada.pk),
            "Action": "Froze user Grace Hopper",
            "Section": "Manage Users",
            "Delegate User": "",
            "Delegate User Id": "",
            "About": "Grace Hopper",
            "About Id": str(grace.pk),
            "Event": "User frozen",
            "Source IP": "192.0.2.7",
            "Browser": "Firefox",
            "Session": "",
            "Impersonation": "",
            "Request": "r-1",
            "Before": '{"is_frozen":false}',
            "After": '{"is_frozen":true}',
        }
    ]


def test_trail_names_both_people_inside_a_visit(
    any_user_login: Organization, ada: User, grace: User, browser: "Callable[[], PortalClient]", client_of: "ClientOf"
) -> None:
    inside = browser()
    visit = inside.login_as(grace, actor=ada)
    origin = Origin(user=grace, actor=ada, impersonation_id=visit.pk, session_public_id=visit.session.public_id)
    record(AuditAction.USER_CHANGED, origin=origin, organization=grace.organization, about=grace, fields="alias")

    row = rows_of(body_of(client_of(ada).post(DOWNLOAD)))[-1]

    assert (row["User"], row["Delegate User"], row["Impersonation"], row["Session"]) == (
        "Grace Hopper",
        "Ada Lovelace",
        str(visit.pk),
        str(visit.session.public_id),
    )


def test_file_is_an_attachment_that_nothing_keeps(ada: User, client_of: "ClientOf") -> None:
    headers = client_of(ada).post(DOWNLOAD).headers

    name = f"acme-setup-audit-trail-{timezone.now():%Y-%m-%d}.csv"
    assert headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert (headers["Content-Type"], headers["Cache-Control"]) == ("text/csv; charset=utf-8", "no-store")


def test_file_is_named_after_the_organization_and_the_day(acme: Organization) -> None:
    elsewhere = Organization(pk=17, name="株式会社")

    assert file_name(acme, "list", ExportFormat.CSV, at=AT) == "acme-list-2026-06-01.csv"
    assert file_name(elsewhere, "list", ExportFormat.OCSF, at=AT) == "00D000000000017-list-2026-06-01.jsonl"


def test_download_is_in_the_trail_with_its_filters(ada: User, grace: User, client_of: "ClientOf") -> None:
    response = client_of(ada).post(DOWNLOAD, {"section": "Manage Users", "person": "grace", "role": "about"})

    event = AuditEvent.objects.get(action=AuditAction.EXPORTED)
    assert (event.sentence, event.user) == ("Downloaded the Setup Audit Trail as CSV", ada)
    assert event.after == {
        "list": "the Setup Audit Trail",
        "format": "csv",
        "section": "Manage Users",
        "person": "grace@acme.example",
        "role": "about",
    }
    assert sentences_of(response) == []


def test_download_is_narrowed_as_the_page_is(ada: User, grace: User, alan: User, client_of: "ClientOf") -> None:
    freeze(grace)
    freeze(alan, at=AT + timedelta(days=1))
    record(AuditAction.ROLE_CREATED, origin=Origin(), organization=ada.organization, role="Sales", at=AT)
    client = client_of(ada)

    found = [
        sentences_of(client.post(DOWNLOAD, asked))
        for asked in (
            {"section": "Roles"},
            {"action": "user.frozen"},
            {"person": "alan@acme.example", "role": "about"},
            {"start": "2026-06-01", "end": "2026-06-01"},
        )
    ]

    assert found == [
        ["Created role Sales"],
        ["Froze user Grace Hopper", "Froze user Alan Turing"],
        ["Froze user Alan Turing"],
        ["Froze user Grace Hopper", "Created role Sales"],
    ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"start": "yesterday"}, "A filter could not be read. Nothing was downloaded."),
        ({"start": "2026-11-22", "end": "2026-11-21"}, "A filter could not be read. Nothing was downloaded."),
        ({"section": "Kitchen"}, "A filter could not be read. Nothing was downloaded."),
        ({"person": "nobody"}, "Say first who “nobody” is. Nothing was downloaded."),
        ({"format": "pdf"}, "There is no such format. Nothing was downloaded."),
        # There is one, for the command alone: it is not written from rows.
        ({"format": "records"}, "There is no such format. Nothing was downloaded."),
    ],
)
def test_what_cannot_be_read_is_told_and_nothing_is_downloaded(
    ada: User, client_of: "ClientOf", asked: dict[str, str], words: str
) -> None:
    client = client_of(ada)

    page = client.post(DOWNLOAD, asked, follow=True)

    assert (page.redirect_chain[0][0].partition("?")[0], alerts_of(page)) == (PAGE, [words])
    assert not AuditEvent.objects.filter(action=AuditAction.EXPORTED).exists()


def test_other_organizations_are_not_in_it(ada: User, stranger: User, client_of: "ClientOf") -> None:
    freeze(stranger)

    assert sentences_of(client_of(ada).post(DOWNLOAD)) == []


def test_trail_is_downloaded_by_whoever_reads_it(ada: User, audrey: User, grace: User, client_of: "ClientOf") -> None:
    assert [client_of(person).post(DOWNLOAD).status_code for person in (ada, audrey, grace)] == [200, 200, 403]


def test_get_downloads_nothing(ada: User, client_of: "ClientOf") -> None:
    assert client_of(ada).get(DOWNLOAD).status_code == 405
    assert not AuditEvent.objects.exists()


def test_nothing_is_downloaded_inside_a_visit(
    any_user_login: Organization, ada: User, alan: User, browser: "Callable[[], PortalClient]"
) -> None:
    client = browser()
    client.login_as(alan, actor=ada)

    answer = client.post(DOWNLOAD)

    assert answer.status_code == 403
    assert not AuditEvent.objects.filter(action=AuditAction.EXPORTED).exists()
    assert 'aria-label="Download' not in client.get(PAGE).content.decode()


def test_page_offers_what_it_shows(ada: User, client_of: "ClientOf") -> None:
    page = client_of(ada).get(PAGE, {"section": "Roles"}).content.decode()

    form = page[page.index('<form class="download"') :].partition("</form>")[0]
    assert f'action="{DOWNLOAD}"' in form
    assert '<input type="hidden" name="section" value="Roles">' in form
    assert '<option value="ocsf">' in form


def test_first_part_comes_without_a_row_being_read(acme: Organization, ada: User) -> None:
    OrganizationFactory.create()
    listing = trail_listing(acme, [events_of(acme)])
    parts = export_list(listing, ExportFormat.CSV, organization=acme, origin=Origin(user=ada, actor=ada))

    with captured_queries() as queries:
        first = next(parts)

    assert (first[:5], queries) == (b"\xef\xbb\xbfId", [])
