"""Users found by what is typed: the same on both databases, by index, whatever was written meanwhile."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts import search
from accounts.models import User
from accounts.search import parts_of
from accounts.search_index import INDEX, TABLE, TRIGGERS, mend_search_table
from accounts.sort_key import sort_key
from orgs import paging
from tests.queries import captured_queries

if TYPE_CHECKING:
    from accounts.models import Profile
    from orgs.models import Organization
    from tests.conftest import Make

pytestmark = [pytest.mark.django_db, pytest.mark.vendor]

ON_SQLITE = connection.vendor == "sqlite"
sqlite_only = pytest.mark.skipif(not ON_SQLITE, reason="of SQLite")
postgres = pytest.mark.postgres


def names(typed: str) -> list[str]:
    """Return the first names that the index finds, and that reading each row finds: the same."""
    found = sorted(user.first_name for user in User.objects.searched_for(typed))
    assert sorted(user.first_name for user in User.objects.read_for(typed)) == found
    return found


# --- what finds whom ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("", []),
        (" Ada  LOVE ", ["ada", "love"]),
        ("zo é", [" zo", " é"]),
        ("ﬁsh Straße ²", ["fish", "strasse", " 2"]),
        ("a-- a-b -a- ...", [" a--", "a-b", "-a-", " ..."]),
        ("王小明 小明", ["王小明", " 小明"]),
    ],
)
def test_short_words_are_beginnings(typed: str, parts: list[str]) -> None:
    assert parts_of(typed) == parts


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", ["Ann-Marie", "Grace", "Zoë"]),
        ("hopp", ["Grace"]),
        ("HOPPER grace", ["Grace"]),
        ("grace@ACME", ["Grace"]),
        ("navy.example", ["Grace"]),
        ("oë", []),
        ("zo", ["Zoë"]),
        ("Z", ["Zoë"]),
        ("h", ["Grace"]),
        ("gh", ["Grace"]),
        ("rear", ["Grace"]),
        ("re", ["Grace"]),
        ("ma", []),
        ("mar", ["Ann-Marie"]),
        ("n-m", ["Ann-Marie"]),
        ("a--", []),
        ("%", []),
        ("_ra", []),
        ("gra_e", []),
        ("---", []),
        ('"', []),
        ('o"n', ["Ann-Marie"]),
        ("grace @", []),
        ("grace zoë", []),
    ],
)
def test_every_word_is_looked_for(make: "Make", typed: str, found: list[str]) -> None:
    make("Grace", "Hopper", email="Rear.Admiral@NAVY.example")
    User.objects.update(alias="ghop", alias_key="ghop")
    make("Zoë", "Li", email="x@acme.example")
    make("Ann-Marie", 'O"Neil', email="y@acme.example")

    assert names(typed) == found


ODD = st.text(alphabet="aAbBzZ019ßſςΣıİéÉ\u0301%_\\\"'*-.@^: ()&|中ﬁ🦆ΐ\u00a0\u3000", min_size=1, max_size=9)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(whom=st.lists(st.tuples(ODD, ODD, ODD), min_size=1, max_size=4), typed=ODD, cut=st.integers(0, 9))
@example(whom=[("a--", "b", "c")], typed="a--", cut=0)
@example(whom=[("a", "z", "c")], typed="Z", cut=0)
@example(whom=[("A  B", "zoë", "Z")], typed="b", cut=0)
def test_index_and_plain_python_agree(
    acme: "Organization", profiles: dict[str, "Profile"], whom: list[tuple[str, str, str]], typed: str, cut: int
) -> None:
    profile = profiles["Standard User"]
    with transaction.atomic():
        users = User.objects.bulk_create(
            User(
                organization=acme,
                profile=profile,
                first_name=first,
                last_name=last,
                alias=alias,
                username=f"{alias}{number}@x.example".lower(),
                email=f"{last}@X.example",
            )
            for number, (first, last, alias) in enumerate(whom)
        )
        for asked in (typed, whom[0][0][cut % 3 :], f"{whom[0][1]} {typed}"):
            found = set(User.objects.searched_for(asked).values_list("pk", flat=True))

            assert found == {user.pk for user in users if is_found(user, asked)}
            assert found == set(User.objects.read_for(asked).values_list("pk", flat=True))
        transaction.set_rollback(True)


def is_found(user: User, typed: str) -> bool:
    # Of an address A to Z alone ignore their case.
    email = "".join(one.lower() if one.isascii() else one for one in user.email)
    texts = [user.name_key, user.username, user.alias_key, email]
    beginnings = [word for text in texts for word in _tails(text)]

    def has(word: str) -> bool:
        if not any(one.isalnum() for one in word):
            return False
        if len(word) < 3 or not any(one.isalnum() for one in word[1:]):
            return any(tail.startswith(word) for tail in beginnings)
        return any(word in text for text in texts)

    return all(has(word) for word in sort_key(typed).split())


def _tails(text: str) -> Iterator[str]:
    yield text
    yield from (text[place + 1 :] for place, one in enumerate(text) if one == " ")


# --- kept right --------------------------------------------------------------------------------------------------


def in_the_table(typed: str) -> int:
    """Return how many rows SQLite's table itself finds; elsewhere, the index."""
    if not ON_SQLITE:
        return len(User.objects.searched_for(typed))
    rows = search.rows_with(parts_of(typed), using="default")
    assert rows is not None
    with connection.cursor() as cursor:
        cursor.execute(rows.sql, rows.params)
        return len(cursor.fetchall())


def test_whatever_is_written_is_found_as_it_is_now(grace: User) -> None:
    assert (in_the_table("hopper"), in_the_table("h")) == (1, 1)

    User.objects.filter(pk=grace.pk).update(name_key="grace murray", email="G@navy.example")
    assert (in_the_table("hopper"), in_the_table("murray"), in_the_table("navy")) == (0, 1, 1)

    grace.refresh_from_db()
    grace.last_name, grace.alias = "Brewster", "amazing"
    User.objects.bulk_update([grace], ["last_name", "alias"])
    grace.save()
    assert (in_the_table("murray"), in_the_table("brewster"), in_the_table("amazing")) == (0, 1, 1)

    User.objects.filter(pk=grace.pk).delete()
    assert (in_the_table("grace"), in_the_table("g")) == (0, 0)


def test_what_is_rolled_back_is_not_found(grace: User, make: "Make") -> None:
    with transaction.atomic():
        make("Emmy", "Noether")
        grace.delete()
        transaction.set_rollback(True)

    assert (names("noether"), names("hopper")) == ([], ["Grace"])


@sqlite_only
def test_a_write_of_anything_else_leaves_the_table_alone(grace: User) -> None:
    with connection.cursor() as cursor:
        # A trigger that ran would take away what was never there, and add it.
        cursor.execute(f"INSERT INTO {TABLE} ({TABLE}) VALUES ('delete-all')")  # noqa: S608  # our own table's name

    grace.save()
    User.objects.update(is_frozen=True)

    assert in_the_table("hopper") == 0


@sqlite_only
@pytest.mark.django_db(transaction=True)
def test_a_later_change_of_the_users_table_is_mended_after_migrate(grace: User) -> None:
    old = User._meta.get_field("first_name")
    assert isinstance(old, models.CharField)
    new = old.clone()
    new.max_length = 4000
    new.set_attributes_from_name(old.name)
    new.model = User
    with connection.schema_editor() as editor:
        editor.alter_field(User, old, new, strict=True)
    meanwhile = triggers()
    User.objects.update(name_key="grace murray")

    with connection.schema_editor() as editor:
        editor.alter_field(User, new, old, strict=True)
    call_command("migrate", verbosity=0)

    assert (meanwhile, triggers()) == (set(), set(TRIGGERS))
    assert (in_the_table("hopper"), in_the_table("murray")) == (0, 1)


def triggers() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'accounts_user'")
        return {name for (name,) in cursor.fetchall()}


def test_where_all_is_there_nothing_is_made_again(grace: User) -> None:
    with captured_queries() as asked:
        mend_search_table(connection)

    assert len(asked) == (1 if ON_SQLITE else 0)


@pytest.mark.django_db(transaction=True)
def test_migrating_back_and_forth_fills_it_again(grace: User) -> None:
    executor = MigrationExecutor(connection)
    leaves = executor.loader.graph.leaf_nodes()
    try:
        executor.migrate([("accounts", "0011_open_access_requests_of_organizations")])
        back = index_is_there()
        # As after each migrate, in between.
        mend_search_table(connection)
        grace.last_name = "Murray"
        grace.save()
    finally:
        MigrationExecutor(connection).migrate(leaves)

    assert (back, index_is_there(), names("murray"), names("hopper")) == (False, True, ["Grace"], [])


def index_is_there() -> bool:
    with connection.cursor() as cursor:
        if ON_SQLITE:
            return TABLE in connection.introspection.table_names(cursor)
        return INDEX in connection.introspection.get_constraints(cursor, "accounts_user")


# --- by index ----------------------------------------------------------------------------------------------------


@pytest.fixture
def crowd(acme: "Organization", profiles: dict[str, "Profile"]) -> int:
    """Two thousand people, one in a hundred of whom is a Noether."""
    User.objects.bulk_create(
        User(
            organization=acme,
            profile=profiles["Standard User"],
            username=f"{number}@crowd.example",
            email=f"{number}@crowd.example",
            first_name=f"Emmy{number:04}",
            last_name="Noether" if number % 100 == 50 else f"Q{number % 7}",
        )
        for number in range(2000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE accounts_user" if not ON_SQLITE else "SELECT 1")
    return 20


def plan_of(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'QUERY PLAN' if ON_SQLITE else '(COSTS OFF)'} {statement}")
        return " | ".join(str(row[-1]) for row in cursor.fetchall())


def assert_by_the_index(statement: str) -> None:
    plan = plan_of(statement)
    if ON_SQLITE:
        assert f"SCAN {TABLE} VIRTUAL TABLE" in plan, plan
        assert "SEARCH accounts_user USING " in plan, plan
        assert "rowid=?" in plan, plan
    else:
        assert f"Bitmap Index Scan on {INDEX}" in plan, plan
    assert "SCAN accounts_user |" not in plan, plan
    assert "Seq Scan" not in plan, plan


def test_a_page_of_few_and_their_number_come_by_the_index(
    acme: "Organization", crowd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "WALKED", 20)
    # So few rows fit the memory in any way: the question is whether the index can answer.
    if not ON_SQLITE:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    users = User.objects.in_organization(acme)

    for typed in ("noether", "emmy noether", "no", "n", "noe-- ether", "n--"):
        with captured_queries() as asked:
            page = users.first_found(typed, acme, size=50)
            counted = paging.count_found(users.searched_for(typed), 1001)

        found = 0 if "--" in typed else crowd
        assert (len(page.rows), counted) == (found, found)
        assert len(asked) == (6 if ON_SQLITE else 4)
        for statement in (asked[-1], asked[3 if ON_SQLITE else 2]):
            assert_by_the_index(statement)


def test_the_walk_goes_by_the_index_of_the_order(
    acme: "Organization", crowd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "WALKED", 200)

    with captured_queries() as asked:
        page = User.objects.in_organization(acme).first_found("emmy", acme, size=5)

    assert [user.first_name for user in page.rows] == [f"Emmy{number:04}" for number in range(5)]
    for statement in asked[-2:]:
        plan = plan_of(statement)
        assert ("user_by_name" in plan, "Sort" in plan or "TEMP B-TREE" in plan) == (True, False), plan


@sqlite_only
def test_what_very_many_have_is_read(crowd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "COMMON", crowd - 1)

    assert TABLE not in str(User.objects.searched_for("noether").query)
    assert User.objects.searched_for("noether").count() == crowd
    monkeypatch.setattr(search, "COMMON", crowd)
    assert TABLE in str(User.objects.searched_for("noether").query)


def test_signs_alone_ask_nothing(acme: "Organization") -> None:
    with captured_queries() as asked:
        page = User.objects.in_organization(acme).first_found("--- ada", acme, size=5)
        count = paging.count_found(User.objects.searched_for("%"), 5)

    assert (page.rows, count, len(asked)) == ([], 0, 1)


@pytest.mark.parametrize(("limit", "count"), [(2, 2), (3, 3), (4, 3)])
def test_what_is_found_is_counted_up_to_a_limit(make: "Make", limit: int, count: int) -> None:
    for number in range(3):
        make(f"Emmy{number}", "Noether")
    found: Any = User.objects.searched_for("noether")

    assert paging.count_found(found, limit) == count
