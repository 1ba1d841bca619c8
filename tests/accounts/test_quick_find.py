"""Users in Quick Find: by name, those whom one sees."""

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from accounts.models import User
from accounts.views.quick_find import FoundUsers, find_users
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., User]

NOBODY = FoundUsers()


def found(reader: User, typed: str) -> tuple[list[str], bool, str]:
    users = find_users(User.objects.select_related("profile", "organization").get(pk=reader.pk), typed)
    return [str(user) for user in users.shown], users.has_more, users.list_url


def test_users_are_found_by_any_part_of_their_names_in_the_order_of_names(
    audrey: User, grace: User, ada: User, stranger: User
) -> None:
    assert [found(audrey, typed) for typed in ("hop", "RACE  h", "lo", "ada@ac", "gorman")] == [
        (["Grace Hopper"], False, "/setup/users/?q=hop"),
        (["Grace Hopper"], False, "/setup/users/?q=RACE+h"),
        (["Ada Lovelace"], False, "/setup/users/?q=lo"),
        (["Ada Lovelace"], False, "/setup/users/?q=ada%40ac"),
        ([], False, "/setup/users/?q=gorman"),
    ]
    assert stranger.full_name == "Gus Gorman"


@pytest.mark.parametrize("typed", ["", "g", " g ", "\0g"])
def test_no_name_is_looked_for_before_two_letters(audrey: User, grace: User, typed: str) -> None:
    audrey = User.objects.select_related("profile", "organization").get(pk=audrey.pk)

    with captured_queries() as asked:
        users = find_users(audrey, typed)

    assert (users, asked, grace.first_name) == (NOBODY, [], "Grace")


def test_what_no_name_holds_is_left_out(audrey: User, grace: User) -> None:
    assert found(audrey, "\0grace\0hopper") == ([str(grace)], False, "/setup/users/?q=grace+hopper")


@pytest.mark.parametrize(("count", "has_more"), [(5, False), (6, True)])
def test_five_users_are_shown_and_whether_there_are_more(
    audrey: User,
    make: "Make",
    count: int,
    has_more: bool,
) -> None:
    for number in range(count, 0, -1):
        make(f"Emmy{number}", "Noether")

    names, more, _ = found(audrey, "noether")

    assert (names, more) == ([f"Emmy{number} Noether" for number in range(1, 6)], has_more)


@pytest.mark.usefixtures("grace")
def test_a_delegate_finds_those_in_reach_alone(barbara: User, rosalind: User) -> None:
    assert found(barbara, "r") == ([], False, "")
    assert found(barbara, "ro") == ([str(rosalind)], False, "/setup/users/?q=ro")


def test_who_sees_no_users_finds_none(grace: User, ada: User) -> None:
    grace = User.objects.select_related("profile", "organization").get(pk=grace.pk)

    with captured_queries() as asked:
        users = find_users(grace, "ada")

    assert (users, asked, ada.first_name) == (NOBODY, [], "Ada")


# SQLite asks its table whether it helps.
ASKED = 3 if connection.vendor == "sqlite" else 2


@pytest.mark.parametrize(("name", "count"), [("audrey", ASKED), ("barbara", ASKED + 1)])
def test_as_many_are_asked_however_many_there_are(
    name: str, count: int, make: "Make", request: pytest.FixtureRequest
) -> None:
    reader = User.objects.select_related("profile", "organization").get(pk=request.getfixturevalue(name).pk)
    assert reader.is_delegate is (name == "barbara")
    make("Emmy1", "Noether")
    with captured_queries() as one:
        find_users(reader, "noether")
    for number in range(2, 10):
        make(f"Emmy{number}", "Noether")

    with captured_queries() as many:
        find_users(reader, "noether")

    assert (len(one), len(many)) == (count, count)


def test_the_index_of_names_answers_in_the_order_that_is_shown(audrey: User) -> None:
    User.objects.bulk_create(
        User(
            organization=audrey.organization,
            profile=audrey.profile,
            username=f"emmy{number}@acme.example",
            first_name=f"Emmy{number}",
            last_name="Noether",
        )
        for number in range(2000)
    )
    is_postgresql = connection.vendor == "postgresql"
    reader = User.objects.select_related("profile", "organization").get(pk=audrey.pk)

    with captured_queries() as asked:
        find_users(reader, "noether")
    with connection.cursor() as cursor:
        if is_postgresql:
            cursor.execute("ANALYZE accounts_user")
        cursor.execute(f"EXPLAIN {'(COSTS OFF)' if is_postgresql else 'QUERY PLAN'} {asked[-1]}")
        plan = " | ".join(str(row[-1]) for row in cursor.fetchall())

    assert ("user_by_name" in plan, "Sort" in plan or "TEMP B-TREE" in plan) == (True, False), plan
