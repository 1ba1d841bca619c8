"""Pages by key: every row once, in order, in both directions, whatever is shared, added or removed meanwhile."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from accounts.models import User
from orgs import paging
from orgs.audit import AuditAction, record
from orgs.http import Origin
from orgs.models import AuditEvent
from orgs.paging import Page, Walk, keyset_page
from tests.factories import UserFactory
from tests.queries import captured_queries

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from accounts.models import Profile
    from orgs.models import Organization

ORDERS = [("id",), ("name_key", "id"), ("alias_key", "id"), ("username", "id"), ("last_login_key", "id")]
SIZE = 3


@pytest.fixture
def crowd(acme: "Organization", profiles: dict[str, "Profile"]) -> list[User]:
    """Ten people: some share a name, most an alias, and half have never signed in."""
    return [
        UserFactory.create(
            organization=acme,
            profile=profiles["Standard User"],
            first_name="Kim",
            last_name=("Lee", "Ångström", "lee", "Łoś")[number % 4],
            alias="kim" if number else "ab",
            last_login=datetime(2026, 11, 1, 9, 0, number, 123456, tzinfo=UTC) if number % 2 else None,
        )
        for number in range(10)
    ]


def sorted_by(order: tuple[str, ...], people: list[User], *, descending: bool) -> list[User]:
    """Return ``people`` as Python sorts them; the database must agree."""
    for user in people:
        user.refresh_from_db()
    return sorted(people, key=lambda user: [getattr(user, name) for name in order], reverse=descending)


def page_at(cursor: str | None, order: tuple[str, ...], *, descending: bool) -> Page[User]:
    return keyset_page(User.objects.all(), order=order, cursor=cursor or "", size=SIZE, descending=descending)


def walk(order: tuple[str, ...], *, descending: bool) -> list[Page[User]]:
    """Go through the pages from the first to the last; never on and on."""
    pages = [page_at(None, order, descending=descending)]
    while (cursor := pages[-1].next_cursor) and len(pages) < 10:
        pages.append(page_at(cursor, order, descending=descending))
    return pages


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_going_forward_shows_every_row_once_in_order(
    crowd: list[User], order: tuple[str, ...], descending: bool
) -> None:
    pages = walk(order, descending=descending)

    rows = [user for page in pages for user in page.rows]
    assert rows == sorted_by(order, crowd, descending=descending)
    assert [len(page.rows) for page in pages] == [3, 3, 3, 1]
    assert pages[0].previous_cursor is None


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_going_back_shows_the_same_pages(crowd: list[User], order: tuple[str, ...], descending: bool) -> None:
    forward = walk(order, descending=descending)

    back = [forward[-1]]
    while (cursor := back[-1].previous_cursor) and len(back) < 10:
        back.append(page_at(cursor, order, descending=descending))

    assert [page.rows for page in reversed(back)] == [page.rows for page in forward]
    assert back[-1].next_cursor is not None


def test_a_list_that_fits_has_no_neighbours(crowd: list[User]) -> None:
    page = keyset_page(User.objects.all(), order=("id",), size=10)

    assert page == Page(crowd)


def test_an_empty_list_is_an_empty_page(db: None) -> None:
    assert keyset_page(User.objects.all(), order=("id",)) == Page([])


def test_rows_that_come_and_go_meanwhile_are_neither_repeated_nor_skipped(crowd: list[User]) -> None:
    first = page_at(None, ("id",), descending=False)
    crowd[0].delete()
    crowd[3].delete()

    second = page_at(first.next_cursor, ("id",), descending=False)

    assert second.rows == crowd[4:7]


@pytest.mark.parametrize("where", ["next", "previous"])
def test_a_cursor_with_nothing_behind_it_gives_the_first_page(crowd: list[User], where: str) -> None:
    pages = {"next": page_at(None, ("id",), descending=False)}
    pages["previous"] = page_at(pages["next"].next_cursor, ("id",), descending=False)
    cursor = {"next": pages["next"].next_cursor, "previous": pages["previous"].previous_cursor}[where]
    gone = crowd[3:] if where == "next" else crowd[:3]
    User.objects.filter(pk__in=[user.pk for user in gone]).delete()
    left = [user for user in crowd if user not in gone]

    assert page_at(cursor, ("id",), descending=False).rows == left[:SIZE]


@pytest.fixture
def cursor(crowd: list[User]) -> str:
    """The cursor to the second page by name."""
    return page_at(None, ("name_key", "id"), descending=False).next_cursor or ""


def test_a_cursor_of_another_order_gives_the_first_page(crowd: list[User], cursor: str) -> None:
    assert page_at(cursor, ("alias_key", "id"), descending=False) == page_at(
        None, ("alias_key", "id"), descending=False
    )


def test_a_cursor_of_the_other_direction_gives_the_first_page(crowd: list[User], cursor: str) -> None:
    order = ("name_key", "id")

    assert page_at(cursor, order, descending=True) == page_at(None, order, descending=True)


def test_a_cursor_of_another_list_gives_the_first_page(acme: "Organization", crowd: list[User]) -> None:
    events = [record(AuditAction.USER_FROZEN, origin=Origin(), organization=acme, about=crowd[0]) for _ in range(2)]
    cursor = page_at(None, ("id",), descending=False).next_cursor or ""

    assert keyset_page(AuditEvent.objects.all(), order=("id",), cursor=cursor).rows == events


@pytest.mark.parametrize("edit", ["", "x", "junk", ":", "a:b:c", "é", "\x00", "x" * 10_000])
def test_an_edited_cursor_gives_the_first_page(crowd: list[User], cursor: str, edit: str) -> None:
    order = ("name_key", "id")

    for edited in (edit, cursor + edit if edit else cursor[:-1], cursor[1:] + edit):
        assert page_at(edited, order, descending=False) == page_at(None, order, descending=False)


def test_a_page_is_one_query_that_compares_rows(crowd: list[User], cursor: str) -> None:
    with captured_queries() as queries:
        page_at(cursor, ("name_key", "id"), descending=False)

    assert len(queries) == 1, queries
    assert '("accounts_user"."name_key", "accounts_user"."id") > (' in queries[0]
    assert "OFFSET" not in queries[0]
    assert "COUNT" not in queries[0]


def test_cursors_are_text_that_an_address_can_hold(crowd: list[User], cursor: str) -> None:
    harmless: Any = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:.")

    assert set(cursor) <= harmless


# --- several querysets, each row once ----------------------------------------------------------------------------


def parts_of(crowd: list[User]) -> "tuple[QuerySet[User], ...]":
    """Return three querysets that overlap, and that together leave two people out."""
    ids = [user.pk for user in crowd]
    people = User.objects.filter(pk__in=ids)
    return people.filter(pk__lte=ids[4]), people.filter(pk__in=ids[3:8:2]), people.filter(pk=ids[4])


ALL_OF_THEM = (0, 1, 2, 3, 4, 5, 7)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_several_querysets_are_one_list_forward_and_back(
    crowd: list[User], order: tuple[str, ...], descending: bool
) -> None:
    def page(cursor: str) -> Page[User]:
        return keyset_page(*parts_of(crowd), order=order, cursor=cursor, size=SIZE, descending=descending)

    forward = [page("")]
    while (cursor := forward[-1].next_cursor) and len(forward) < 10:
        forward.append(page(cursor))
    back = [forward[-1]]
    while (cursor := back[-1].previous_cursor) and len(back) < 10:
        back.append(page(cursor))

    rows = [user for one in forward for user in one.rows]
    assert rows == sorted_by(order, [crowd[number] for number in ALL_OF_THEM], descending=descending)
    assert [len(one.rows) for one in forward] == [3, 3, 1]
    assert [one.rows for one in reversed(back)] == [one.rows for one in forward]
    assert (forward[0].previous_cursor, forward[-1].next_cursor) == (None, None)


def test_several_querysets_are_a_query_each_that_ends_where_the_page_does(crowd: list[User]) -> None:
    with captured_queries() as queries:
        keyset_page(*parts_of(crowd), order=("id",), size=SIZE)

    assert [query.count(f"LIMIT {SIZE + 1}") for query in queries] == [1, 1, 1]


def test_cursor_with_nothing_behind_it_gives_the_first_page_of_several(crowd: list[User]) -> None:
    cursor = keyset_page(*parts_of(crowd), order=("id",), size=SIZE).next_cursor or ""
    User.objects.filter(pk__gt=crowd[2].pk).delete()

    assert keyset_page(*parts_of(crowd), order=("id",), size=SIZE, cursor=cursor).rows == crowd[:3]


@pytest.mark.parametrize("edit", ["junk", "\x00", "x" * 10_000])
def test_edited_cursor_gives_the_first_page_of_several(crowd: list[User], edit: str) -> None:
    first = keyset_page(*parts_of(crowd), order=("id",), size=SIZE)

    assert keyset_page(*parts_of(crowd), order=("id",), size=SIZE, cursor=edit) == first


# --- a search: a walk first, then the index ----------------------------------------------------------------------


def search_page(order: tuple[str, ...], ids: list[int], cursor: str = "", *, descending: bool = False) -> Page[User]:
    """Return a page of those with ``ids`` by a walk over everyone."""
    found = User.objects.filter(pk__in=ids)
    walk = Walk(User.objects.all(), found)
    return keyset_page(found, order=order, cursor=cursor, size=SIZE, descending=descending, walk=walk)


@pytest.mark.parametrize("walked", [1, 4, 5, 100])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_walk_and_index_give_the_same_pages_forward_and_back(
    crowd: list[User], order: tuple[str, ...], descending: bool, walked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "WALKED", walked)
    chosen = [crowd[number] for number in ALL_OF_THEM]
    ids = [user.pk for user in chosen]

    forward = [search_page(order, ids, descending=descending)]
    while (cursor := forward[-1].next_cursor) and len(forward) < 10:
        forward.append(search_page(order, ids, cursor, descending=descending))
    back = [forward[-1]]
    while (cursor := back[-1].previous_cursor) and len(back) < 10:
        back.append(search_page(order, ids, cursor, descending=descending))

    rows = [user for page in forward for user in page.rows]
    assert rows == sorted_by(order, chosen, descending=descending)
    assert [page.rows for page in reversed(back)] == [page.rows for page in forward]
    assert (forward[0].previous_cursor, forward[-1].next_cursor) == (None, None)


@pytest.mark.parametrize(
    ("walked", "chosen", "queries"),
    [
        # The page is full.
        (4, slice(0, 4), 2),
        # The list's end was reached, and so was all that is found.
        (10, slice(9, 10), 2),
        (9, slice(9, 10), 3),
        (4, slice(1, 5), 3),
    ],
)
def test_the_index_is_asked_where_the_walk_does_not_do(
    crowd: list[User], walked: int, chosen: slice, queries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "WALKED", walked)

    with captured_queries() as asked:
        page = search_page(("id",), [user.pk for user in crowd[chosen]])

    assert (page.rows, len(asked)) == (crowd[chosen][:SIZE], queries)


def test_cursor_with_nothing_behind_it_gives_the_first_page_of_a_search(crowd: list[User]) -> None:
    ids = [user.pk for user in crowd]
    cursor = search_page(("id",), ids).next_cursor or ""

    assert search_page(("id",), ids[:2], cursor).rows == crowd[:2]


@pytest.mark.vendor
def test_how_many_there_may_be_is_said_by_statistics(acme: "Organization", profiles: dict[str, "Profile"]) -> None:
    profile = profiles["Standard User"]
    people = (User(organization=acme, profile=profile, username=f"u{number}@acme.example") for number in range(2000))
    User.objects.bulk_create(people)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE accounts_user")

    about = paging.estimate(User.objects.in_organization(acme).order_by("name_key"))

    if connection.vendor == "postgresql":
        assert about in range(1800, 2201, 100)
    else:
        assert about is None
