"""Who is it: one statement, built from the models, that reads what the ORM would read."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import Model
from django.utils import timezone
from pytest_django import Settings

from accounts.enums import EndCause
from accounts.identity import Fault, Identity, identify
from accounts.login_access import Facts
from accounts.models import Impersonation, Session, User
from accounts.session_store import SessionStore
from accounts.statement import fields_of
from accounts.testing import PortalClient
from orgs.editions import Edition
from orgs.models import LoginAccessPolicy, Organization, SessionSettings
from orgs.models.session_settings import Limits
from tests.guards import unguarded
from tests.queries import captured_queries

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def key_of(client: PortalClient) -> str:
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


def found(key: str) -> Identity:
    """Return the identity of ``key``, which must be known."""
    identity = identify(key)
    assert identity is not None
    return identity


def as_read(row: Model) -> dict[str, tuple[type, Any]]:
    """Return the columns that ``row`` was read with, each with its type: an aware time is not a naive one."""
    names = [field.attname for field in row._meta.concrete_fields if field.attname not in row.get_deferred_fields()]
    return {name: (type(getattr(row, name)), getattr(row, name)) for name in names}


def by_the_orm(row: Model) -> dict[str, tuple[type, Any]]:
    """Return the same columns of the same row as the ORM reads them."""
    return {
        name: value for name, value in as_read(type(row)._base_manager.get(pk=row.pk)).items() if name in as_read(row)
    }


@pytest.fixture
def visit(
    any_user_login: Organization, ada: User, grace: User, browser: Callable[[], PortalClient]
) -> tuple[str, Impersonation]:
    """Ada logged in as Grace, with a value in every column that may be empty; the worn key and the visit."""
    client = browser()
    started = client.login_as(grace, actor=ada, back="/setup/users/?q=gr")
    now = timezone.now()
    Session.objects.update(address="2001:db8::7", agent="Netscape", last_active_at=now, previous_key_hash="0" * 64)
    Impersonation.objects.update(address="192.0.2.7", handed_back_at=now)
    LoginAccessPolicy.objects.update(login_access_lost_at=now - HOUR)
    User.objects.update(locked_until=now, modified_at=now, modified_by_name="Ada", last_login=now)
    return key_of(client), started


# --- one statement ---------------------------------------------------------------------------------------------------


def test_identity_costs_one_query_and_its_rows_no_more(visit: tuple[str, Impersonation]) -> None:
    key, _ = visit

    with captured_queries() as queries:
        identity = found(key)
        assert identity.user is not None
        assert identity.actor is not None
        assert identity.parent is not None
        assert identity.impersonation is not None
        assert identity.session.user is identity.impersonation.target is identity.user
        assert identity.parent.user is identity.impersonation.actor is identity.actor
        assert identity.session.parent is identity.parent
        assert identity.impersonation.session is identity.session
        assert identity.user.organization is identity.actor.organization is identity.impersonation.organization
        assert (identity.user.is_administrator, identity.user.is_external) == (False, False)
        assert (identity.actor.is_administrator, identity.actor.full_name) == (True, "Ada Lovelace")
        assert identity.fault(address=None, at=timezone.now()) is None

    assert len(queries) == 1


# Of the person, what lists sort by, and what only an administrator's pages read of a user, is fetched if asked for.
LEFT_OUT: dict[type[Model], set[str]] = {
    Session: set(),
    User: {
        *("name_key", "alias_key", "last_login_key", "failed_logins", "locked_until"),
        *("created_at", "created_by_name", "modified_at", "modified_by_name", "pending_email"),
    },
    Organization: set(),
}


def test_identity_statement_names_every_column_of_session_user_and_organization(db: None) -> None:
    with captured_queries() as queries:
        identify("a key that nobody has")

    quote = connection.ops.quote_name
    for alias, model in (("s", Session), ("u", User), ("o", Organization)):
        assert {
            field.column
            for field in model._meta.concrete_fields
            if f"{alias}.{quote(str(field.column))}" not in queries[0]
        } == LEFT_OUT[model]


def test_identity_statement_is_in_the_query_log_without_the_key(db: None) -> None:
    with captured_queries() as queries:
        identify("a key that nobody has")

    assert len(queries) == 1
    assert "WHERE s.key_hash = " in queries[0]
    assert "a key that nobody has" not in queries[0]


def test_identity_statement_can_not_be_built_from_a_field_that_is_not_there() -> None:
    with pytest.raises(LookupError, match=r"^Session has no colour, shape\.$"):
        fields_of(Session, ("id", "shape", "colour"))


# --- as the ORM reads ------------------------------------------------------------------------------------------------


def test_identity_of_a_visit_reads_what_the_orm_reads(visit: tuple[str, Impersonation]) -> None:
    key, _ = visit

    identity = found(key)

    organization = identity.user and identity.user.organization
    rows = (identity.session, identity.user, identity.parent, identity.actor, identity.impersonation, organization)
    assert [type(row) for row in rows] == [Session, User, Session, User, Impersonation, Organization]
    for row in rows:
        assert row is not None
        assert as_read(row) == by_the_orm(row)
        assert not row._state.adding
        assert row._state.db == "default"


def test_identity_of_a_persons_own_session_reads_what_the_orm_reads(
    grace: User, client_of: Callable[[User], PortalClient]
) -> None:
    key = key_of(client_of(grace))

    identity = found(key)

    assert identity.user is identity.actor
    assert (identity.parent, identity.impersonation, identity.facts) == (None, None, None)
    for row in (identity.session, identity.user, identity.user and identity.user.organization):
        assert row is not None
        assert row.get_deferred_fields() == LEFT_OUT[type(row)]
        assert as_read(row) == by_the_orm(row)


def test_identity_of_a_session_of_nobody_is_the_row_alone(db: None) -> None:
    store = SessionStore()
    store.save()

    identity = found(str(store.session_key))

    assert identity == Identity(session=Session.objects.get())
    assert as_read(identity.session) == by_the_orm(identity.session)


def test_identity_of_an_unknown_key_is_none(db: None) -> None:
    assert identify("a key that nobody has") is None


def test_identity_of_an_ended_session_is_still_told(visit: tuple[str, Impersonation]) -> None:
    key, started = visit
    Session.objects.update(ended_at=AT)

    identity = found(key)

    assert (identity.session.ended_at, identity.impersonation) == (AT, started)


@pytest.mark.parametrize("wanted", ["user", "actor"])
def test_identity_profile_holds_what_gates_ask_and_fetches_the_rest(
    visit: tuple[str, Impersonation], ada: User, grace: User, wanted: str
) -> None:
    key, _ = visit
    person: User = getattr(found(key), wanted)
    expected = {"user": grace, "actor": ada}[wanted]

    with captured_queries() as queries:
        assert (person.permissions, person.is_external) == (expected.permissions, expected.is_external)
    assert queries == []
    assert person.profile.name == expected.profile.name
    assert as_read(person.profile) == by_the_orm(person.profile)


@pytest.mark.parametrize("is_on", [False, True])
def test_identity_brings_limits_and_facts(visit: tuple[str, Impersonation], acme: Organization, is_on: bool) -> None:
    key, _ = visit
    SessionSettings.objects.update(
        idle_minutes=45, absolute_hours=3, force_relogin=is_on, lock_to_address=is_on, warn_before_timeout=is_on
    )
    Organization.objects.update(provisioned=is_on, edition=Edition.DEVELOPER)
    LoginAccessPolicy.objects.update(
        any_user_login=is_on, protect_administrators=is_on, login_access_lost_at=AT if is_on else None
    )

    identity = found(key)

    assert identity.limits == Limits(
        idle=timedelta(minutes=45), absolute=timedelta(hours=3), force_relogin=is_on, lock_to_address=is_on, warns=is_on
    )
    assert identity.facts == Facts(
        edition=Edition.DEVELOPER,
        provisioned=is_on,
        any_user_login=is_on,
        protect_administrators=is_on,
        login_access_lost_at=AT if is_on else None,
        is_impersonating=True,
    )


# --- prepared --------------------------------------------------------------------------------------------------------


@contextmanager
def prepare_threshold(threshold: int | None) -> Generator[None]:
    """Let psycopg prepare statements or not, as the setting does."""
    connection.ensure_connection()
    before = connection.connection.prepare_threshold
    connection.connection.prepare_threshold = threshold
    try:
        yield
    finally:
        connection.connection.prepare_threshold = before


def prepared_statements() -> int:
    """Return how many identity statements this connection has prepared."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", ["%s.key_hash%"])
        (count,) = cursor.fetchone()
    return int(count)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("threshold", "expected"), [(0, 1), (None, 0)])
def test_identity_statement_is_prepared_where_that_is_allowed(
    visit: tuple[str, Impersonation], threshold: int | None, expected: int
) -> None:
    key, started = visit
    connection.close()

    with prepare_threshold(threshold):
        twice = [found(key), found(key)]
        count = prepared_statements()

    assert count == expected
    assert [identity.impersonation for identity in twice] == [started, started]
    for identity in twice:
        assert as_read(identity.session) == by_the_orm(identity.session)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_identity_is_asked_on_a_new_connection_where_the_old_one_broke(visit: tuple[str, Impersonation]) -> None:
    key, started = visit
    connection.ensure_connection()
    connection.connection.close()
    # As at the beginning of every request with CONN_HEALTH_CHECKS.
    connection.health_check_enabled = True  # type: ignore[attr-defined]  # Django's, not its stubs'
    connection.health_check_done = False  # type: ignore[attr-defined]

    identity = found(key)

    assert identity.impersonation == started


# --- may it go on ----------------------------------------------------------------------------------------------------


def test_identity_of_a_running_visit_has_no_fault(visit: tuple[str, Impersonation]) -> None:
    key, _ = visit
    LoginAccessPolicy.objects.update(login_access_lost_at=None)

    assert found(key).fault(address=None, at=timezone.now()) is None


def test_identity_of_a_worn_session_without_its_visit_has_a_fault(visit: tuple[str, Impersonation]) -> None:
    key, _ = visit
    with unguarded():
        Impersonation.objects.all().delete()
    at = timezone.now()

    assert found(key).fault(address=None, at=at) == Fault(EndCause.PARENT_SESSION_ENDED, at)


# What fell when, and what is told at noon: the first of several, and whether the actor's own session is over too.
FALLS: list[tuple[str, dict[str, Any], Fault | None]] = [
    ("nothing", {}, None),
    ("the visit's limit", {"ends_at": AT - MINUTE}, Fault(EndCause.TIME_LIMIT, AT - MINUTE)),
    (
        "the limit where leaving ends both",
        {"ends_at": AT - MINUTE, "force_relogin": True},
        Fault(EndCause.TIME_LIMIT, AT - MINUTE, ends_parent=True),
    ),
    ("the limit, to the moment", {"ends_at": AT}, Fault(EndCause.TIME_LIMIT, AT)),
    ("idle", {"last_active_at": AT - 2 * HOUR}, Fault(EndCause.IDLE, AT, ends_parent=True)),
    ("not yet idle", {"last_active_at": AT - 2 * HOUR + timedelta(microseconds=1)}, None),
    ("never active", {"last_active_at": None, "created_at": AT - 2 * HOUR}, Fault(EndCause.IDLE, AT, ends_parent=True)),
    (
        "the limit, and idle after it",
        {"ends_at": AT - HOUR, "last_active_at": AT - 2 * HOUR - MINUTE},
        Fault(EndCause.TIME_LIMIT, AT - HOUR, ends_parent=True),
    ),
    (
        "idle, and the limit after it",
        {"ends_at": AT - MINUTE, "last_active_at": AT - 3 * HOUR},
        Fault(EndCause.IDLE, AT - HOUR, ends_parent=True),
    ),
    ("the absolute limit", {"created_at": AT - 12 * HOUR}, Fault(EndCause.TIME_LIMIT, AT, ends_parent=True)),
    (
        "the actor's own session",
        {"parent_ended_at": AT - MINUTE, "ends_at": AT},
        Fault(EndCause.PARENT_SESSION_ENDED, AT - MINUTE, ends_parent=True),
    ),
    (
        "the policy, and the limit after it",
        {"ends_at": AT - MINUTE, "any_user_login": False, "lost_at": AT - 30 * MINUTE},
        Fault(EndCause.POLICY_CHANGED, AT - 30 * MINUTE),
    ),
    (
        "the policy, and after it the limit where leaving ends both",
        {"ends_at": AT - MINUTE, "any_user_login": False, "lost_at": AT - 30 * MINUTE, "force_relogin": True},
        Fault(EndCause.POLICY_CHANGED, AT - 30 * MINUTE),
    ),
    (
        "the policy, before the visit began",
        {"any_user_login": False, "lost_at": AT - 2 * HOUR},
        Fault(EndCause.POLICY_CHANGED, AT - HOUR),
    ),
    ("the policy, nobody knows when", {"any_user_login": False}, Fault(EndCause.POLICY_CHANGED, AT)),
    (
        "an actor frozen after the visit's limit",
        {"ends_at": AT - MINUTE, "actor_frozen": True},
        Fault(EndCause.TIME_LIMIT, AT - MINUTE, ends_parent=True),
    ),
]


@pytest.mark.parametrize(("fell", "fault"), [row[1:] for row in FALLS], ids=[row[0] for row in FALLS])
def test_identity_tells_what_fell_first(
    visit: tuple[str, Impersonation], ada: User, fell: dict[str, Any], fault: Fault | None
) -> None:
    key, started = visit
    SessionSettings.objects.update(force_relogin=fell.get("force_relogin", False))
    LoginAccessPolicy.objects.update(
        any_user_login=fell.get("any_user_login", True), login_access_lost_at=fell.get("lost_at")
    )
    User.objects.filter(pk=ada.pk).update(is_frozen=fell.get("actor_frozen", False))
    with unguarded():
        Impersonation.objects.update(started_at=AT - HOUR, ends_at=fell.get("ends_at", AT + HOUR))
    Session.objects.filter(pk=started.actor_session_id).update(
        created_at=fell.get("created_at", AT - 2 * HOUR),
        last_active_at=fell.get("last_active_at", AT - MINUTE),
        ended_at=fell.get("parent_ended_at"),
    )

    assert found(key).fault(address=None, at=AT) == fault


@pytest.mark.parametrize(
    ("is_locked", "address", "fault"),
    [
        (False, "198.51.100.1", None),
        (True, "2001:db8::7", None),
        (True, "198.51.100.1", Fault(EndCause.ADDRESS_CHANGED, AT, ends_parent=True)),
        (True, None, Fault(EndCause.ADDRESS_CHANGED, AT, ends_parent=True)),
    ],
)
def test_identity_asks_the_address_where_sessions_are_locked_to_it(
    visit: tuple[str, Impersonation], is_locked: bool, address: str | None, fault: Fault | None
) -> None:
    key, _ = visit
    SessionSettings.objects.update(lock_to_address=is_locked)
    LoginAccessPolicy.objects.update(login_access_lost_at=None)
    Session.objects.update(created_at=AT, last_active_at=AT)
    with unguarded():
        Impersonation.objects.update(started_at=AT - HOUR, ends_at=AT + HOUR)

    assert found(key).fault(address=address, at=AT) == fault
    assert found(key).fault(address=address, at=AT, asks_address=False) is None


def test_identity_holds_after_the_secret_was_changed_with_a_fallback(
    grace: User, client_of: Callable[[User], PortalClient], settings: Settings
) -> None:
    key = key_of(client_of(grace))
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret that is long enough to be one"

    with_fallback = found(key).fault(address=None, at=timezone.now())
    settings.SECRET_KEY_FALLBACKS = ["yet another secret that is long enough to be one"]
    without = found(key).fault(address=None, at=timezone.now())

    assert with_fallback is None
    assert without is not None
    assert without.cause == EndCause.PASSWORD_CHANGED


@pytest.mark.parametrize(
    ("last_active_at", "expected"), [(None, True), (AT - MINUTE, True), (AT - timedelta(seconds=59), False)]
)
def test_identity_is_touched_once_a_minute(last_active_at: datetime | None, expected: bool) -> None:
    identity = Identity(session=Session(last_active_at=last_active_at))

    assert identity.is_touch_due(AT) is expected
