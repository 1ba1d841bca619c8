"""The Setup Audit Trail, and the page of one row."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orgs.audit import AuditAction, record
from orgs.http import Origin
from orgs.models import AuditEvent
from orgs.permissions import Permission
from tests.factories import ProfileFactory, UserFactory
from tests.queries import captured_queries

from .reading import Answer, main_of, part_of, rows_of

if TYPE_CHECKING:
    from accounts.models import User
    from accounts.testing import PortalClient
    from orgs.models import Organization

ClientOf = Callable[["User"], "PortalClient"]
Write = Callable[..., AuditEvent]

TRAIL = "/setup/audit-trail/"
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
        ["2026-11-22 15:02:00 UTC", "Automated Process (sweep)", "Froze user Grace Hopper", "Manage Users", ""],
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


def test_the_trail_can_be_narrowed_to_a_section(write: Write, audrey: "User", client_of: ClientOf) -> None:
    write()
    write(AuditAction.ROLE_CREATED, role="Sales Rep", about=None)

    client = client_of(audrey)

    actions = {
        section: [row[2] for row in rows_of(client.get(TRAIL, {"section": section}))]
        for section in ("", "Roles", "Manage Users", "Profiles", "no such section")
    }
    assert actions == {
        "": ["Created role Sales Rep", "Froze user Grace Hopper"],
        "Roles": ["Created role Sales Rep"],
        "Manage Users": ["Froze user Grace Hopper"],
        "Profiles": [],
        "no such section": ["Created role Sales Rep", "Froze user Grace Hopper"],
    }


@pytest.mark.parametrize(
    ("query", "current"),
    [
        ("", TRAIL),
        ("?section=Roles", f"{TRAIL}?section=Roles"),
        ("?section=Manage+Users", f"{TRAIL}?section=Manage+Users"),
    ],
)
def test_the_section_one_is_in_is_marked(
    acme: "Organization", audrey: "User", client_of: ClientOf, query: str, current: str
) -> None:
    page = main_of(client_of(audrey).get(f"{TRAIL}{query}"))

    tabs = page.split('<ul class="tabs">')[1].split("</ul>")[0]
    assert tabs.count("aria-current") == 1
    assert f'<a href="{current}" aria-current="page">' in tabs


@pytest.mark.parametrize("section", ["", "Manage Users"])
def test_pages_lead_on_and_back_and_keep_the_section(
    write: Write, audrey: "User", client_of: ClientOf, section: str
) -> None:
    for number in range(120):
        write(at=AT + timedelta(seconds=number))
    write(AuditAction.ROLE_CREATED, role="Sales Rep", about=None)
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
        },
        fields="first name",
    )

    response = client_of(audrey).get(f"{TRAIL}{event.pk}/")

    assert part_of(response, "Who and when") == (
        "Date 2026-11-22 15:00:00 UTC User Hedy Lamarr Delegate User Ada Lovelace About Grace Hopper "
        "Section Manage Users Kind user.changed"
    )
    assert rows_of(response) == [
        ["First name", "Grace", "Amazing"],
        ["Is active", "Yes", "No"],
        ["Limit", "–", "5"],
        ["Permissions", "–", "view_setup, view_all_users"],
        ["Role", "–", "–"],
    ]
    assert part_of(response, "Where from") == (
        f"Address 2001:db8::1 Browser Lynx/2.9 Session {public_id} Impersonation 7 Request abcdefgh"
    )
    page = main_of(response)
    assert [f'<a href="/setup/users/{user.pk}/">' in page for user in (ada, hedy, grace)] == [True] * 3


def test_what_a_row_does_not_hold_is_a_dash(write: Write, audrey: "User", client_of: ClientOf) -> None:
    event = write(AuditAction.ROLE_CREATED, origin=Origin(), about=None, role="Sales Rep")

    response = client_of(audrey).get(f"{TRAIL}{event.pk}/")

    assert part_of(response, "Who and when") == (
        "Date 2026-11-22 15:00:00 UTC User Automated Process Delegate User – About – Section Roles Kind role.created"
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
