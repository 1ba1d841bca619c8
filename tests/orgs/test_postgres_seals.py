"""Sealing and guarding on PostgreSQL: who waits for whom, and what a caller's own settings can't get past."""

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from orgs.models import AuditEvent, AuditSeal, Organization
from orgs.services.guards import lock_organization
from orgs.services.seals import seal_trail
from orgs.services.verification import verify_trail
from orgs.triggers import TRAIL_GUARDS, install
from tests.accounts.test_postgres_concurrency import alone, wait_until
from tests.factories import OrganizationFactory

from .trail import AT, HOUR, ids, sealed_in, write

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

SECONDS = 20


@contextmanager
def elsewhere(act: Callable[[], Any]) -> Generator[None]:
    """Do something in another transaction, which is committed when the block ends."""
    done, enough = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            act()
            done.set()
            assert enough.wait(SECONDS)

    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(alone, hold)
        assert done.wait(SECONDS)
        try:
            yield
        finally:
            enough.set()
            sent.result()


def change(acme: Organization) -> None:
    """Do what services do: lock the organization, write an event."""
    with transaction.atomic():
        lock_organization(acme.pk)
        write(acme)


def impatient(act: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Do something that is an error if it waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
    try:
        return act()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_an_event_committed_late_is_sealed_late(acme: Organization) -> None:
    late: list[AuditEvent] = []
    with elsewhere(lambda: late.extend(write(acme))):
        soon = write(acme, 2)
        seal_trail(acme, at=AT)

    seal_trail(acme, at=AT)

    assert late[0].pk < soon[0].pk
    assert sealed_in(acme) == [ids(soon), ids(late)]
    assert verify_trail(acme, at=AT + 9 * HOUR).is_whole


def test_sealing_waits_for_nobody_who_writes(acme: Organization) -> None:
    (event,) = write(acme)

    with elsewhere(lambda: change(acme)):
        head = impatient(lambda: seal_trail(acme, at=AT))

    assert head.number == 1
    assert sealed_in(acme) == [[event.pk]]


def test_nobody_who_writes_waits_for_sealing(acme: Organization) -> None:
    write(acme)

    with elsewhere(lambda: seal_trail(acme, at=AT)):
        impatient(lambda: change(acme))

    assert AuditEvent.objects.count() == 2


def test_sealing_waits_for_no_other_organization(acme: Organization) -> None:
    other = OrganizationFactory.create()
    write(acme)
    write(other)

    with elsewhere(lambda: seal_trail(other, at=AT)):
        impatient(lambda: seal_trail(acme, at=AT))

    assert [len(sealed_in(one)) for one in (acme, other)] == [1, 1]


def test_of_two_who_seal_at_once_the_second_gives_way(acme: Organization) -> None:
    (event,) = write(acme)
    sent: list[Future[Any]] = []

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first = seal_trail(acme, at=AT)
            sent.append(pool.submit(alone, lambda: seal_trail(acme, at=AT + HOUR)))
            wait_until(1, sent)
        second = sent[0].result()

    assert first == second
    assert sealed_in(acme) == [[event.pk]]


# --- what a caller brings along ----------------------------------------------------------------------------------


def test_a_temporary_table_is_not_taken_for_the_archives(acme: Organization) -> None:
    write(acme)
    sql("CREATE TEMP TABLE orgs_auditarchive (organization_id bigint, last_event_id bigint)")
    sql("INSERT INTO orgs_auditarchive SELECT organization_id, id FROM orgs_auditevent")

    try:
        with pytest.raises(IntegrityError, match="append-only"):
            sql("DELETE FROM orgs_auditevent")
    finally:
        sql("DROP TABLE pg_temp.orgs_auditarchive")


def test_a_search_path_of_ones_own_does_not_get_past(acme: Organization) -> None:
    write(acme)
    sql("CREATE SCHEMA elsewhere")
    sql("CREATE TABLE elsewhere.orgs_auditarchive (organization_id bigint, last_event_id bigint)")
    sql("INSERT INTO elsewhere.orgs_auditarchive SELECT organization_id, id FROM orgs_auditevent")
    sql("SET search_path = elsewhere")

    try:
        with pytest.raises(IntegrityError, match="append-only"):
            sql("DELETE FROM public.orgs_auditevent")
    finally:
        sql("RESET search_path")
        sql("DROP SCHEMA elsewhere CASCADE")


def test_a_trigger_of_the_same_name_elsewhere_is_another(acme: Organization) -> None:
    sql("CREATE SCHEMA elsewhere")
    sql("CREATE TABLE elsewhere.orgs_auditevent (id bigint)")
    (guard,) = (guard for guard in TRAIL_GUARDS if guard.name == "orgs_auditevent_guards_update")
    sql(f"CREATE TRIGGER {guard.name} BEFORE UPDATE ON elsewhere.orgs_auditevent EXECUTE FUNCTION {guard.name}()")
    sql(f"DROP TRIGGER {guard.name} ON orgs_auditevent")
    write(acme)

    try:
        install(connection, TRAIL_GUARDS)

        with pytest.raises(IntegrityError, match="append-only"):
            AuditEvent.objects.update(agent="Lynx")
    finally:
        sql("DROP SCHEMA elsewhere CASCADE")


@pytest.mark.parametrize("state", ["DISABLE TRIGGER USER", "ENABLE REPLICA TRIGGER orgs_auditevent_guards_update"])
def test_one_that_was_switched_off_is_switched_on_again(acme: Organization, state: str) -> None:
    write(acme)
    sql(f"ALTER TABLE orgs_auditevent {state}")
    changed = AuditEvent.objects.update(agent="Lynx")

    install(connection, TRAIL_GUARDS)
    sql("ALTER TABLE orgs_auditevent ENABLE TRIGGER USER")

    assert changed == 1
    with pytest.raises(IntegrityError, match="append-only"):
        AuditEvent.objects.update(agent="Mosaic")


@pytest.fixture
def clerk(acme: Organization) -> Generator[str]:
    """A role of this worker's that may do with rows what it likes, and owns no table. Roles are the server's."""
    role = f"clerk_of_{connection.settings_dict['NAME']}"
    sql(f"DROP ROLE IF EXISTS {role}")
    sql(f"CREATE ROLE {role}")
    sql(f"GRANT {role} TO CURRENT_USER")
    sql(f"GRANT USAGE ON SCHEMA public TO {role}")
    sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    sql(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}")
    yield role
    sql("RESET ROLE")
    sql(f"DROP OWNED BY {role}")
    sql(f"DROP ROLE {role}")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE orgs_auditevent DISABLE TRIGGER ALL",
        "DROP TRIGGER orgs_auditevent_guards_update ON orgs_auditevent",
        "ALTER FUNCTION orgs_auditevent_guards_update() SET search_path = pg_temp",
        "SET session_replication_role = replica",
        "UPDATE orgs_auditevent SET agent = ''",
        "DELETE FROM orgs_auditevent",
        "TRUNCATE orgs_auditevent",
        "TRUNCATE orgs_organization CASCADE",
    ],
)
def test_a_role_that_owns_no_table_gets_past_nothing(acme: Organization, clerk: str, statement: str) -> None:
    (event,) = write(acme)
    sql(f"SET ROLE {clerk}")

    with pytest.raises((IntegrityError, ProgrammingError), match=r"append-only|must be owner|permission denied"):
        sql(statement)

    sql("RESET ROLE")
    assert AuditEvent.objects.get().pk == event.pk


def test_such_a_role_writes_and_seals_as_ever(acme: Organization, clerk: str) -> None:
    sql(f"SET ROLE {clerk}")

    write(acme)
    seal_trail(acme, at=AT)
    sql("RESET ROLE")

    assert AuditSeal.objects.count() == 1
