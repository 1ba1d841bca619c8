"""Statements built from the models: short enough to be remembered, and read as the ORM would."""

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.utils import timezone

from accounts import facts, identity
from accounts.identity import identify, live_sessions
from accounts.models import Profile, Session, User
from accounts.statement import Columns, column_of, fields_of, instance_of, prepared_cursor, relate, table_of
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient

# psycopg remembers how it converted a statement of up to this many characters (psycopg._queries); of a longer one it
# works that out again on every request.
REMEMBERED = 4096
WORDS_OF_PARAMETERS = {"%(key_hash)s": 1, "%(target_id)s": 2, "%(actor_id)s": 3, "%(actor_organization_id)s": 4}


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> "dict[str, str]":
    """Keep the text of every statement that goes to the database, as it is handed to the driver."""
    sent: dict[str, str] = {}
    real = prepared_cursor

    def keeping(name: str) -> "Callable[[], object]":
        def cursor() -> object:
            made = real()
            execute = made.execute

            def run(sql: str, parameters: object = None) -> object:
                sent[name] = sql
                return execute(sql, parameters)  # type: ignore[arg-type]

            monkeypatch.setattr(made, "execute", run, raising=False)
            return made

        return cursor

    monkeypatch.setattr(identity, "prepared_cursor", keeping("identity"))
    monkeypatch.setattr(facts, "prepared_cursor", keeping("target"))
    return sent


def test_identity_statement_is_short_enough_to_be_remembered(db: None, texts: "dict[str, str]") -> None:
    identify("a key that nobody has")

    assert texts["identity"].endswith("WHERE s.key_hash = %(key_hash)s")
    assert 3000 < len(texts["identity"]) <= REMEMBERED


def test_target_statement_is_short_enough_to_be_remembered(ada: User, texts: "dict[str, str]") -> None:
    facts.find_target(ada, ada.pk)

    assert 1000 < len(texts["target"]) <= REMEMBERED


def test_statement_of_many_sessions_is_the_identity_statement(db: None, texts: "dict[str, str]") -> None:
    identify("a key that nobody has")
    begins = texts["identity"].removesuffix("s.key_hash = %(key_hash)s")

    assert live_sessions([1, 2]) == []
    assert texts["identity"] == f"{begins}s.ended_at IS NULL AND s.id IN (%(id0)s, %(id1)s) ORDER BY s.id"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_identity_statement_is_remembered_by_the_driver(ada: User) -> None:
    """As psycopg itself has it: the conversion is cached, and the limit is what it was when this was written."""
    from psycopg import _queries  # noqa: PLC0415  # there on PostgreSQL only, and nobody's promise

    assert _queries.MAX_CACHED_STATEMENT_LENGTH == REMEMBERED
    _queries._query2pg.cache_clear()  # noqa: SLF001  # likewise

    identify("a key")
    identify("another key")

    assert _queries._query2pg.cache_info().hits >= 1  # noqa: SLF001


def test_every_parameter_has_its_name(ada: User, texts: "dict[str, str]") -> None:
    identify("a key that nobody has")
    facts.find_target(ada, ada.pk)

    for text in texts.values():
        for name in WORDS_OF_PARAMETERS:
            text = text.replace(name, "")  # noqa: PLW2901  # what is left over is what is looked at
        assert "%" not in text


# --- instances -------------------------------------------------------------------------------------------------------


def test_instance_is_as_stored_and_fetches_the_rest(grace: User) -> None:
    made: User = instance_of(User, ("id", "last_name"), (grace.pk, "Hopper"))

    with captured_queries() as queries:
        assert (made.pk, made.last_name, made._state.adding, made._state.db) == (grace.pk, "Hopper", False, "default")
        assert made == grace
    assert queries == []
    assert made.first_name == "Grace"


def test_instance_needs_a_value_for_each_name() -> None:
    with pytest.raises(ValueError, match="zip"):
        instance_of(User, ("id", "last_name"), (1,))


def test_related_instances_are_not_fetched(grace: User) -> None:
    made: User = instance_of(User, ("id", "profile_id"), (grace.pk, grace.profile_id))
    profile = Profile(pk=grace.profile_id, name="At hand")

    relate(made, profile=profile)

    with captured_queries() as queries:
        assert made.profile is profile
    assert queries == []


def test_fields_stand_in_the_models_order() -> None:
    assert [field.name for field in fields_of(Profile, ("name", "id"))] == ["id", "name"]
    assert fields_of(Profile, None) == tuple(Profile._meta.concrete_fields)


def test_names_are_quoted() -> None:
    quote = connection.ops.quote_name

    assert table_of(Session) == quote("accounts_session")
    assert column_of(Session._meta.get_field("user")) == quote("user_id")


def test_columns_read_a_row_part_by_part(grace: User) -> None:
    columns = Columns()
    user = columns.part("u", User, ("id", "last_name"))
    profile = columns.part("f", Profile, ("id", "name"))
    columns.scalar(Profile, "is_external", "id = u.profile_id")
    columns.exists(f"SELECT 1 FROM {table_of(Profile)} WHERE id = u.profile_id")  # noqa: S608  # names from _meta
    columns.text_of("SELECT 'as it is'")
    sql = (
        f"{columns.select()} FROM {columns.table('u')}"
        f" LEFT JOIN {columns.table('f')} ON f.id = u.profile_id AND u.id = %(with_profile)s WHERE u.id = %(id)s"
    )

    read = []
    for with_profile in (grace.pk, 0):
        with prepared_cursor() as cursor:
            cursor.execute(sql, {"id": grace.pk, "with_profile": with_profile})
            row = cursor.fetchone()
        read.append((user.read(row), profile.read(row), columns.scalars_of(row)))

    assert read == [(grace, grace.profile, [False, True, "as it is"]), (grace, None, [False, True, "as it is"])]
    assert [type(one) for one in read[0][2]] == [bool, bool, str]


def test_statement_reads_moments_as_the_orm_does(client_of: "Callable[[User], PortalClient]", ada: User) -> None:
    client_of(ada)
    session = Session.objects.get()
    columns = Columns()
    part = columns.part("s", Session)

    with prepared_cursor() as cursor:
        cursor.execute(f"{columns.select()} FROM {columns.table('s')}")
        read = part.read(cursor.fetchone())

    assert read.created_at == session.created_at
    assert timezone.is_aware(read.created_at)
    assert read.public_id == session.public_id
