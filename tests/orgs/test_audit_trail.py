"""The Setup Audit Trail, and the page of one row."""

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection

from orgs.audit import SECTIONS, AuditAction, actions_in, record
from orgs.http import Origin
from orgs.models import AuditEvent
from orgs.permissions import Permission
from tests.factories import ProfileFactory, UserFactory
from tests.queries import captured_queries

from .reading import Answer, main_of, part_of, rows_of, words

if TYPE_CHECKING:
    from accounts.models import User
    from accounts.testing import PortalClient
    from orgs.models import Organization

ClientOf = Callable[["User"], "PortalClient"]
Write = Callable[..., AuditEvent]

TRAIL = "/setup/audit-trail/"
CANNOT_BE_SHOWN = "This holds characters that cannot be shown. Type it anew."
AT = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)


@pytest.fixture
def write(acme: "Organization", ada: "User", grace: "User") -> Write:
    """Write a row of Acme's trail: by default that Ada froze Grace, at :data:`AT`."""

    def written(action: AuditAction = AuditAction.USER_FROZEN, **given: Any) -> AuditEvent:
        values: dict[str, Any] = {"origin": Origin(user=ada, actor=ada), "organization": acme, "about": grace, "at": AT}
        return record(action, **values | given)

    return written


def links_of(response: Answer) -> dict[str, str]:
    """Return the addresses that the pager leads to."""
    page = main_of(response).split('<nav class="pager"', 1)[-1]
    found = {}
    for label, rel in (("Next", "next"), ("Previous", "prev")):
        if f'rel="{rel}"' in page:
            found[label] = page.split(f'" rel="{rel}"')[0].rsplit('href="', 1)[1].replace("&amp;", "&")
    return found


# --- the list ----------------------------------------------------------------------------------------------------


def test_rows_stand_newest_first_with_both_names(
    write: Write, ada: "User", hedy: "User", audrey: "User", client_of: ClientOf
) -> None:
    write()
    write(
        AuditAction.PROFILE_CREATED,
        origin=Origin(user=hedy, actor=ada, impersonation_id=7),
        about=None,
        at=AT + timedelta(minutes=1),
        profile="Clerks",
    )
    write(origin=Origin.automated("sweep"), at=AT + timedelta(minutes=2))

    response = client_of(audrey).get(TRAIL)

    assert rows_of(response) == [
        ["2026-11-22 15:02:00 UTC", "Automated Process (sweep by root)", "Froze user Grace Hopper", "Manage Users", ""],
        ["2026-11-22 15:01:00 UTC", "Hedy Lamarr", "Created profile Clerks", "Profiles", "Ada Lovelace"],
        ["2026-11-22 15:00:00 UTC", "Ada Lovelace", "Froze user Grace Hopper", "Manage Users", ""],
    ]


def test_other_organizations_rows_are_not_there(
    write: Write, stranger: "User", audrey: "User", client_of: ClientOf
) -> None:
    write(organization=stranger.organization, about=stranger)

    response = client_of(audrey).get(TRAIL)

    assert rows_of(response) == []
    assert "Nothing here yet." in main_of(response)


def test_rows_stand_by_their_time_and_then_by_their_order(write: Write, audrey: "User", client_of: ClientOf) -> None:
    for minutes, role in ((5, "later"), (0, "first"), (5, "later still")):
        write(AuditAction.ROLE_CREATED, role=role, about=None, at=AT + timedelta(minutes=minutes))

    assert actions(client_of(audrey)) == ["Created role later still", "Created role later", "Created role first"]


def actions(client: "PortalClient", **asked: str) -> list[str]:
    """Return the column Action of the trail, narrowed by ``asked``."""
    return [row[2] for row in rows_of(client.get(TRAIL, asked))]


def test_the_trail_can_be_narrowed_to_a_section(write: Write, audrey: "User", client_of: ClientOf) -> None:
    write()
    write(AuditAction.ROLE_CREATED, role="Sales Rep", about=None)
    client = client_of(audrey)

    assert {section: actions(client, section=section) for section in ("", "Roles", "Manage Users", "Profiles")} == {
        "": ["Created role Sales Rep", "Froze user Grace Hopper"],
        "Roles": ["Created role Sales Rep"],
        "Manage Users": ["Froze user Grace Hopper"],
        "Profiles": [],
    }


def test_the_trail_can_be_narrowed_to_a_kind(write: Write, audrey: "User", client_of: ClientOf) -> None:
    write()
    write(AuditAction.USER_UNFROZEN)
    client = client_of(audrey)

    assert {kind: actions(client, action=kind) for kind in ("user.frozen", "user.unfrozen", "role.created")} == {
        "user.frozen": ["Froze user Grace Hopper"],
        "user.unfrozen": ["Unfroze user Grace Hopper"],
        "role.created": [],
    }


def test_every_kind_can_be_chosen_once() -> None:
    offered = [value for section in SECTIONS for value in actions_in(section)]

    assert sorted(offered) == sorted(AuditAction)


def test_the_trail_can_be_narrowed_to_days_both_included(write: Write, audrey: "User", client_of: ClientOf) -> None:
    for day in (20, 21, 22):
        for time in ((0, 0, 0), (23, 59, 59)):
            at = datetime(2026, 11, day, *time, tzinfo=UTC)
            write(AuditAction.ROLE_CREATED, role=f"{at:%d %H}", about=None, at=at)
    client = client_of(audrey)

    assert actions(client, start="2026-11-21", end="2026-11-21") == ["Created role 21 23", "Created role 21 00"]
    assert [row[-5:] for row in actions(client, start="2026-11-22")] == ["22 23", "22 00"]
    assert [row[-5:] for row in actions(client, end="2026-11-20")] == ["20 23", "20 00"]
    assert len(actions(client, start="0001-01-01", end="9999-12-31")) == 6


# --- by person ---------------------------------------------------------------------------------------------------


@pytest.fixture
def parts(write: Write, ada: "User", hedy: "User", grace: "User") -> None:
    """Rows in which Ada, Hedy and Grace have each part that there is."""
    write(AuditAction.ROLE_CREATED, role="by Ada", about=None)
    inside = Origin(user=hedy, actor=ada, impersonation_id=7)
    write(AuditAction.ROLE_CREATED, role="by Ada as Hedy", about=None, origin=inside)
    write(AuditAction.USER_FROZEN, about=hedy, origin=Origin(user=grace, actor=grace))
    write(AuditAction.USER_UNFROZEN, about=grace, origin=Origin(user=grace, actor=grace))


@pytest.mark.parametrize(
    ("username", "role", "found"),
    [
        ("ada", "", ["Created role by Ada as Hedy", "Created role by Ada"]),
        ("ada", "user", ["Created role by Ada"]),
        ("ada", "delegate", ["Created role by Ada as Hedy"]),
        ("ada", "about", []),
        ("ada", "any", ["Created role by Ada as Hedy", "Created role by Ada"]),
        ("hedy", "", ["Created role by Ada as Hedy"]),
        ("hedy", "about", ["Froze user Hedy Lamarr"]),
        ("hedy", "any", ["Froze user Hedy Lamarr", "Created role by Ada as Hedy"]),
        # Each row once, also of someone who is in it twice.
        ("grace", "any", ["Unfroze user Grace Hopper", "Froze user Hedy Lamarr"]),
    ],
)
def test_the_trail_can_be_narrowed_to_what_a_person_has_a_part_in(
    parts: None, audrey: "User", client_of: ClientOf, username: str, role: str, found: list[str]
) -> None:
    assert actions(client_of(audrey), person=f"{username}@acme.example", role=role) == found


def test_a_name_finds_the_person_whose_username_then_stands_in_the_addresses(
    write: Write, ada: "User", hedy: "User", audrey: "User", client_of: ClientOf
) -> None:
    for number in range(60):
        write(at=AT + timedelta(seconds=number), origin=Origin(user=(ada, hedy)[number % 10 == 0]))

    response = client_of(audrey).get(TRAIL, {"person": "love"})

    assert {row[1] for row in rows_of(response)} == {"Ada Lovelace"}
    assert 'name="person" value="ada@acme.example"' in main_of(response)
    more = links_of(client_of(audrey).get(TRAIL, {"person": "ADA@acme.example", "role": "any"}))
    assert next(iter(more.values())).startswith(f"{TRAIL}?person=ada%40acme.example&role=any&cursor=")


def test_a_person_is_not_a_name(write: Write, make: Callable[..., "User"], audrey: "User", client_of: ClientOf) -> None:
    one, other = make("Kim", "Lee"), make("Kim2", "Lee")
    other.first_name = "Kim"
    other.save()
    write(origin=Origin(user=one, actor=one))

    response = client_of(audrey).get(TRAIL, {"person": "kim lee"})

    page = words(main_of(response))
    assert rows_of(response) == []
    assert "Who is “kim lee”? Kim Lee kim@acme.example Kim Lee kim2@acme.example" in page
    assert "There are more" not in page
    assert len(actions(client_of(audrey), person="kim@acme.example")) == 1
    assert actions(client_of(audrey), person="kim2@acme.example") == []


def test_the_choice_of_whom_keeps_the_other_filters(
    make: Callable[..., "User"], audrey: "User", client_of: ClientOf
) -> None:
    for number in range(9):
        make(f"Kim{number}", "Lee")

    page = main_of(client_of(audrey).get(TRAIL, {"person": "lee", "section": "Roles", "cursor": "x"}))

    assert f'<a href="{TRAIL}?person=kim0%40acme.example&amp;section=Roles">Kim0 Lee</a>' in page
    assert "kim8" not in page
    assert "There are more. Type more of the name." in page


@pytest.mark.parametrize("typed", ["zebra", "gus", "user0@example.com", "<b>", "'; DROP"])
def test_nobody_by_that_name_is_said(
    write: Write, stranger: "User", audrey: "User", client_of: ClientOf, typed: str
) -> None:
    write()

    response = client_of(audrey).get(TRAIL, {"person": typed})

    assert rows_of(response) == []
    assert f"Nobody here is called “{typed}”. Try the username, or fewer letters." in unescape(main_of(response))
    assert "Nothing" not in main_of(response)


def test_someone_of_elsewhere_is_nobody_but_an_operator_whom_the_trail_names(
    write: Write, stranger: "User", sam: "User", sally: "User", audrey: "User", client_of: ClientOf
) -> None:
    write(origin=Origin(user=stranger, actor=stranger), organization=stranger.organization)
    write(origin=Origin(user=sam, actor=sam))
    write(origin=Origin(user=sam, actor=sam), organization=stranger.organization)
    client = client_of(audrey)

    assert [actions(client, person=person.username) for person in (stranger, sally)] == [[], []]
    assert [row[1] for row in rows_of(client.get(TRAIL, {"person": sam.username}))] == ["Sam (Portal Support)"]


def test_who_does_not_see_users_learns_of_nobody_whom_the_trail_does_not_name(
    acme: "Organization", write: Write, make: Callable[..., "User"], client_of: ClientOf
) -> None:
    make("Linus", "Pauling")
    write()
    profile = ProfileFactory.create(organization=acme, permissions=(Permission.VIEW_SETUP,))
    reader = UserFactory.create(organization=acme, profile=profile)
    client = client_of(reader)

    named = {typed: actions(client, person=typed) for typed in ("ada@acme.example", "ada", "linus@acme.example", "lin")}
    page = main_of(client.get(TRAIL, {"person": "lin"}))

    assert named == {"ada@acme.example": ["Froze user Grace Hopper"], "ada": [], "linus@acme.example": [], "lin": []}
    assert "Nobody here is called “lin”." in page
    assert "Pauling" not in page


# --- what can't be read ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"section": "no such section"}, ["There is no such choice. Nothing is narrowed by it."]),
        ({"action": "user.sold"}, ["There is no such choice. Nothing is narrowed by it."]),
        ({"role": "boss"}, ["There is no such choice. Nothing is narrowed by it."]),
        ({"start": "yesterday"}, ["This is not a day. Write it as 2026-11-22."]),
        ({"end": "2026-02-30"}, ["This is not a day. Write it as 2026-11-22."]),
        ({"end": "99999-01-01"}, ["This is not a day. Write it as 2026-11-22."]),
        ({"start": "22/11/2026"}, ["This is not a day. Write it as 2026-11-22."]),
        (
            {"start": "2026-11-22", "end": "2026-11-21"},
            ["This is before the first day. Nothing is narrowed by it."],
        ),
        ({"person": "a\0b"}, ["Null characters are not allowed."]),
        (
            {"person": "x" * 300 + "\u202e"},
            [f"{CANNOT_BE_SHOWN} Ensure this value has at most 254 characters (it has 301)."],
        ),
    ],
)
def test_what_cannot_be_read_is_said_beside_its_field_and_narrows_nothing(
    write: Write, audrey: "User", client_of: ClientOf, asked: dict[str, str], said: list[str]
) -> None:
    write()

    response = client_of(audrey).get(TRAIL, asked)

    assert response.status_code == 200
    assert filter_errors_of(response) == said
    assert main_of(response).count("is-invalid") == 1
    assert [row[2] for row in rows_of(response)] == ["Froze user Grace Hopper"]
    assert f'<a class="btn btn-sm btn-link" href="{TRAIL}">Clear</a>' in main_of(response)


def filter_errors_of(response: Answer) -> list[str]:
    """Return what is said beside the filters, of fields that point to it."""
    page = main_of(response)
    found = re.findall(r'<p class="filter-error" id="([^"]*)">(.*?)</p>', page, re.DOTALL)
    assert all(f'aria-describedby="{name}"' in page for name, _ in found)
    return [unescape(one) for _, one in found]


@pytest.mark.parametrize(
    "asked",
    [
        {"start": "0001-01-01"},
        {"end": "9999-12-31"},
        {"end": "9999-12-30"},
        {"start": "0001-01-01", "end": "9999-12-31"},
        {"unknown": "x"},
        {"person": "", "role": "", "section": "", "action": "", "start": "", "end": ""},
        {"person": " "},
    ],
)
def test_odd_but_readable_filters_are_no_errors(
    write: Write, audrey: "User", client_of: ClientOf, asked: dict[str, str]
) -> None:
    write()

    response = client_of(audrey).get(TRAIL, asked)

    assert (filter_errors_of(response), len(rows_of(response))) == ([], 1)


@pytest.mark.parametrize("asked", [{"start": "9999-12-31"}, {"end": "0001-01-01"}, {"action": "role.created"}])
def test_no_match_is_told_from_nothing(
    write: Write, audrey: "User", client_of: ClientOf, asked: dict[str, str]
) -> None:
    write()

    page = main_of(client_of(audrey).get(TRAIL, asked))

    assert "Nothing matches." in page
    assert "Clear all filters" in page


@pytest.mark.parametrize("section", ["", "Manage Users"])
def test_pages_lead_on_and_back_and_keep_the_section(
    write: Write, audrey: "User", client_of: ClientOf, section: str
) -> None:
    for number in range(120):
        write(at=AT + timedelta(seconds=number))
    write(AuditAction.ROLE_CREATED, role="Sales Rep", about=None, at=AT + timedelta(hours=1))
    client = client_of(audrey)

    addresses = [f"{TRAIL}?section={section}" if section else TRAIL]
    pages = [client.get(addresses[0])]
    while (following := links_of(pages[-1]).get("Next")) and len(pages) < 10:
        addresses.append(following)
        pages.append(client.get(following))
    back = client.get(links_of(pages[-1])["Previous"])

    first = [] if section else ["Created role Sales Rep"]
    rows = [row[2] for page in pages for row in rows_of(page)]
    assert rows == [*first, *["Froze user Grace Hopper"] * 120]
    assert [len(rows_of(page)) for page in pages] == [50, 50, 20 if section else 21]
    assert rows_of(back) == rows_of(pages[1])
    assert all(("section=" in address) is bool(section) for address in addresses)
    assert "Previous" not in links_of(pages[0])


def test_pages_of_a_person_in_several_parts_lead_on_and_back(
    write: Write, ada: "User", hedy: "User", audrey: "User", client_of: ClientOf
) -> None:
    origins = [Origin(user=ada, actor=ada), Origin(user=hedy, actor=ada, impersonation_id=7)]
    for number in range(120):
        write(
            AuditAction.ROLE_CREATED,
            role=f"{number}",
            about=ada if number % 3 == 0 else None,
            origin=origins[number % 2],
            at=AT + timedelta(seconds=number // 4),
        )
    client = client_of(audrey)

    pages = [client.get(TRAIL, {"person": ada.username, "role": "any"})]
    while (following := links_of(pages[-1]).get("Next")) and len(pages) < 10:
        pages.append(client.get(following))
    back = client.get(links_of(pages[-1])["Previous"])

    assert [row[2] for page in pages for row in rows_of(page)] == [
        f"Created role {number}" for number in reversed(range(120))
    ]
    assert rows_of(back) == rows_of(pages[1])


def test_a_cursor_of_other_filters_is_no_error(write: Write, audrey: "User", client_of: ClientOf) -> None:
    for number in range(60):
        write(at=AT + timedelta(seconds=number))
    client = client_of(audrey)
    cursor = parse_qs(urlsplit(links_of(client.get(TRAIL))["Next"]).query)["cursor"][0]

    assert len(rows_of(client.get(TRAIL, {"cursor": cursor, "section": "Manage Users"}))) == 10
    assert rows_of(client.get(TRAIL, {"cursor": cursor, "section": "Roles"})) == []


def test_an_edited_cursor_shows_the_first_page(write: Write, audrey: "User", client_of: ClientOf) -> None:
    write()
    client = client_of(audrey)

    assert rows_of(client.get(TRAIL, {"cursor": "junk"})) == rows_of(client.get(TRAIL))


@pytest.mark.parametrize("count", [1, 3, 50])
def test_the_list_asks_the_same_two_queries_however_long_it_is(
    write: Write, audrey: "User", client_of: ClientOf, count: int
) -> None:
    for _ in range(count):
        write()
    client = client_of(audrey)

    with captured_queries() as queries:
        response = client.get(TRAIL)

    assert len(rows_of(response)) == count
    assert len(queries) == 2, queries


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("asked", "asks"),
    [
        ({"section": "Manage Users"}, 2),
        ({"action": "user.frozen"}, 2),
        ({"start": "2026-11-22", "end": "2026-11-22"}, 2),
        # The person, then one for each part.
        ({"person": "ada@acme.example", "role": "user"}, 3),
        ({"person": "ada@acme.example"}, 4),
        ({"person": "ada@acme.example", "role": "any"}, 5),
        # Not a username: looked for by name. SQLite asks its table of words first whether it helps.
        ({"person": "lovelace"}, 7 if connection.vendor == "sqlite" else 6),
    ],
)
def test_narrowed_lists_ask_the_same_however_long_they_are(
    *, write: Write, audrey: "User", client_of: ClientOf, count: int, asked: dict[str, str], asks: int
) -> None:
    for _ in range(count):
        write()
    client = client_of(audrey)

    with captured_queries() as queries:
        response = client.get(TRAIL, asked)

    assert len(rows_of(response)) == count
    assert len(queries) == asks, queries


def test_names_are_shown_as_text(
    write: Write, make: Callable[..., "User"], audrey: "User", client_of: ClientOf
) -> None:
    write(about=make("<b>Bo</b>", "O’Hara & Sons"))

    page = main_of(client_of(audrey).get(TRAIL))

    assert "Froze user &lt;b&gt;Bo&lt;/b&gt; O’Hara &amp; Sons" in page


# --- one row -----------------------------------------------------------------------------------------------------


def test_a_rows_page_shows_all_that_it_holds(
    *, write: Write, ada: "User", hedy: "User", grace: "User", audrey: "User", client_of: ClientOf
) -> None:
    public_id = uuid.uuid4()
    origin = Origin(
        user=hedy,
        actor=ada,
        address="2001:db8::1",
        agent="Lynx/2.9",
        session_public_id=public_id,
        impersonation_id=7,
        request_id="abcdefgh",
    )
    event = write(
        AuditAction.USER_CHANGED,
        origin=origin,
        before={"first_name": "Grace", "is_active": True, "role": None},
        after={
            "first_name": "Amazing",
            "is_active": False,
            "permissions": ["view_setup", "view_all_users"],
            "limit": 5,
            "until": "2026-11-22T15:00:00.250000+00:00",
        },
        fields="first name",
    )

    response = client_of(audrey).get(f"{TRAIL}{event.pk}/")

    assert part_of(response, "Who and when") == (
        "Date 2026-11-22 15:00:00 UTC User Hedy Lamarr Delegate User Ada Lovelace About Grace Hopper "
        "Section Manage Users Kind User changed user.changed "
        "Everything that Ada Lovelace did · Everything about Grace Hopper"
    )
    assert rows_of(response) == [
        ["First name", "Grace", "Amazing"],
        ["Is active", "Yes", "No"],
        ["Limit", "–", "5"],
        ["Permissions", "–", "view_setup, view_all_users"],
        ["Role", "–", "–"],
        ["Until", "–", "2026-11-22 15:00:00 UTC"],
    ]
    assert part_of(response, "Where from") == (
        f"Address 2001:db8::1 Browser Lynx Lynx/2.9 Session {public_id} Impersonation 7 Request abcdefgh"
    )
    page = main_of(response)
    assert [f'<a href="/setup/users/{user.pk}/">' in page for user in (ada, hedy, grace)] == [True] * 3


def test_what_a_row_does_not_hold_is_a_dash(write: Write, audrey: "User", client_of: ClientOf) -> None:
    event = write(AuditAction.ROLE_CREATED, origin=Origin(), about=None, role="Sales Rep")

    response = client_of(audrey).get(f"{TRAIL}{event.pk}/")

    assert part_of(response, "Who and when") == (
        "Date 2026-11-22 15:00:00 UTC User Automated Process Delegate User – About – Section Roles "
        "Kind Role created role.created"
    )
    assert rows_of(response) == []
    assert part_of(response, "Where from") == "Address – Browser – Session – Impersonation – Request –"


def test_people_are_no_links_for_those_who_may_not_open_their_pages(
    acme: "Organization", write: Write, client_of: ClientOf
) -> None:
    profile = ProfileFactory.create(organization=acme, permissions=(Permission.VIEW_SETUP,))
    reader = UserFactory.create(organization=acme, profile=profile)

    page = main_of(client_of(reader).get(f"{TRAIL}{write().pk}/"))

    assert "Grace Hopper" in page
    assert "/setup/users/" not in page


def test_people_of_elsewhere_are_no_links(write: Write, stranger: "User", audrey: "User", client_of: ClientOf) -> None:
    event = write(origin=Origin(user=stranger, actor=stranger), about=None, name="Grace Hopper")

    page = main_of(client_of(audrey).get(f"{TRAIL}{event.pk}/"))

    assert "Gus Gorman" in page
    assert f"/setup/users/{stranger.pk}/" not in page


def test_a_row_of_elsewhere_is_not_found(write: Write, stranger: "User", audrey: "User", client_of: ClientOf) -> None:
    own, foreign = write(), write(organization=stranger.organization)
    client = client_of(audrey)

    assert client.get(f"{TRAIL}{own.pk}/").status_code == 200
    assert client.get(f"{TRAIL}{foreign.pk}/").status_code == 404


@pytest.mark.parametrize("event_id", ["0", "999999999999999999", "9" * 30, "-1", "1.5", "one", "%00", "1/edit"])
def test_an_id_that_never_was_is_not_found(
    acme: "Organization", audrey: "User", client_of: ClientOf, event_id: str
) -> None:
    assert client_of(audrey).get(f"{TRAIL}{event_id}/").status_code == 404


def test_a_rows_page_asks_two_queries(write: Write, audrey: "User", client_of: ClientOf) -> None:
    event = write()
    client = client_of(audrey)

    with captured_queries() as queries:
        client.get(f"{TRAIL}{event.pk}/")

    assert len(queries) == 2, queries


def test_neither_page_is_for_those_who_may_not_open_setup(write: Write, grace: "User", client_of: ClientOf) -> None:
    event = write()
    client = client_of(grace)

    assert [client.get(path).status_code for path in (TRAIL, f"{TRAIL}{event.pk}/")] == [403, 403]


def test_neither_page_takes_anything_in(write: Write, ada: "User", client_of: ClientOf) -> None:
    event = write()
    client = client_of(ada)

    assert [client.post(path).status_code for path in (TRAIL, f"{TRAIL}{event.pk}/")] == [405, 405]
