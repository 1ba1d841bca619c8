"""What the database itself refuses, tried: by the ORM and past it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.executor import MigrationExecutor

from accounts.enums import Access, ActivityKind, Basis, EndCause
from accounts.models import Impersonation, ImpersonationActivity, Session, User
from accounts.triggers import VISIT_GUARDS
from orgs.models import AuditArchive, AuditEvent, AuditSeal, Organization
from orgs.receivers import guard_the_trail, hold_the_trail
from orgs.services.seals import seal_trail
from orgs.triggers import TRAIL_GUARDS, Guard, install, remove
from tests.factories import OrganizationFactory
from tests.guards import unguarded

from .trail import AT, ids, write

pytestmark = pytest.mark.django_db

ON_SQLITE = connection.vendor == "sqlite"
sqlite_only = pytest.mark.skipif(not ON_SQLITE, reason="of SQLite")
postgres = pytest.mark.postgres

EVENTS, SEALS, ARCHIVES = "orgs_auditevent", "orgs_auditseal", "orgs_auditarchive"


def sql(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def on(row: models.Model, statement: str, *, keys: tuple[str, ...] = ()) -> None:
    """Run a statement on the TABLE of ``row``; COLUMNS are all of it but ``keys``."""
    columns = ", ".join(f'"{field.column}"' for field in row._meta.concrete_fields if field.column not in keys)
    sql(statement.replace("TABLE", row._meta.db_table).replace("COLUMNS", columns))


def text_field(model: type[models.Model], name: str) -> "models.CharField[Any, Any]":
    field = model._meta.get_field(name)
    assert isinstance(field, models.CharField)
    return field


@contextmanager
def refused(words: str = "append-only") -> Iterator[None]:
    with pytest.raises(IntegrityError, match=words), transaction.atomic():
        yield


def archive(acme: Organization, last_event_id: int) -> AuditArchive:
    return AuditArchive.objects.create(
        organization=acme,
        created_at=AT,
        by_name="somebody",
        last_event_id=last_event_id,
        last_seal_number=1,
        head="",
        events=1,
        file_name="trail.jsonl",
        digest="",
    )


@pytest.fixture
def rows(acme: Organization) -> dict[str, models.Model]:
    """One row of each table."""
    (event,) = write(acme)
    seal_trail(acme, at=AT)
    return {EVENTS: event, SEALS: AuditSeal.objects.get(), ARCHIVES: archive(acme, event.pk - 1)}


def stored() -> list[list[dict[str, Any]]]:
    return [[*AuditEvent.objects.values()], [*AuditSeal.objects.values()], [*AuditArchive.objects.values()]]  # type: ignore[list-item]


# --- the trail ---------------------------------------------------------------------------------------------------

WAYS: dict[str, Callable[[Any], object]] = {
    "save": lambda row: row.save(),
    "queryset_update": lambda row: type(row).objects.filter(pk=row.pk).update(organization_id=row.organization_id),
    "bulk_update": lambda row: type(row).objects.bulk_update([row], ["organization"]),
    "upsert": lambda row: type(row).objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["id"], update_fields=["organization"]
    ),
    "update": lambda row: on(row, "UPDATE TABLE SET id = id"),
    "move": lambda row: on(row, "UPDATE TABLE SET id = id + 1000"),
    "instance_delete": lambda row: row.delete(),
    "queryset_delete": lambda row: type(row).objects.all().delete(),
    "delete": lambda row: on(row, "DELETE FROM TABLE"),
    "on_conflict": lambda row: on(
        row,
        "INSERT INTO TABLE SELECT * FROM TABLE WHERE true"
        " ON CONFLICT (id) DO UPDATE SET organization_id = excluded.organization_id",
    ),
    "insert_again": lambda row: on(row, "INSERT INTO TABLE SELECT * FROM TABLE"),
}


@pytest.mark.parametrize("table", [EVENTS, SEALS, ARCHIVES])
@pytest.mark.parametrize("way", WAYS)
def test_a_row_stays_as_it_was_written(rows: dict[str, models.Model], table: str, way: str) -> None:
    before = stored()

    with refused("append-only|duplicate key"):
        WAYS[way](rows[table])

    assert stored() == before


@sqlite_only
@pytest.mark.parametrize("table", [EVENTS, SEALS, ARCHIVES])
@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "REPLACE", "UPDATE OR REPLACE"])
def test_sqlite_replaces_no_row(rows: dict[str, models.Model], table: str, verb: str) -> None:
    before = stored()
    says = f"{verb} TABLE SET id = id" if "UPDATE" in verb else f"{verb} INTO TABLE SELECT * FROM TABLE"  # noqa: S608  # ours

    with refused():
        on(rows[table], says)

    assert stored() == before


@sqlite_only
def test_sqlite_replaces_no_seal_by_its_number(rows: dict[str, models.Model], acme: Organization) -> None:
    with refused():
        on(rows[SEALS], "INSERT OR REPLACE INTO TABLE (COLUMNS) SELECT COLUMNS FROM TABLE", keys=("id",))

    assert AuditSeal.objects.get() == rows[SEALS]


def test_a_row_with_an_odd_id_stops_no_other(acme: Organization) -> None:
    write(acme, id=-1)

    write(acme, 2)

    assert AuditEvent.objects.count() == 3


@postgres
@pytest.mark.parametrize(
    "tables", [EVENTS, SEALS, ARCHIVES, f"{EVENTS}, {SEALS}, {ARCHIVES}", "orgs_organization CASCADE"]
)
def test_postgresql_truncates_no_table(rows: dict[str, models.Model], tables: str) -> None:
    before = stored()

    # A deferred constraint that waits would refuse it too, for another reason.
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    with refused("append-only|closes once|written once"):
        sql(f"TRUNCATE {tables}")

    assert stored() == before


@postgres
def test_postgresql_merges_into_no_row(rows: dict[str, models.Model]) -> None:
    with refused():
        sql(f"MERGE INTO {EVENTS} old USING {EVENTS} new ON old.id = new.id WHEN MATCHED THEN DELETE")


def test_what_an_archive_covers_may_go_and_no_more(acme: Organization) -> None:
    other = OrganizationFactory.create()
    events, theirs = write(acme, 3), write(other, 1, id=1_000)
    archive(acme, events[1].pk)

    deleted, _ = AuditEvent.objects.filter(pk__in=ids(events[:2])).delete()
    with refused():
        AuditEvent.objects.filter(pk=events[2].pk).delete()
    with refused():
        AuditEvent.objects.filter(pk=theirs[0].pk).delete()

    assert deleted == 2
    assert set(AuditEvent.objects.values_list("pk", flat=True)) == {events[2].pk, theirs[0].pk}


def test_an_archive_of_another_organization_covers_nothing(acme: Organization) -> None:
    (event,) = write(acme)
    archive(OrganizationFactory.create(), event.pk)

    with refused():
        event.delete()


def test_what_an_archive_covers_may_not_be_changed(acme: Organization) -> None:
    (event,) = write(acme)
    archive(acme, event.pk)

    with refused():
        AuditEvent.objects.update(agent="Lynx")


# --- visits ------------------------------------------------------------------------------------------------------


@pytest.fixture
def visit(acme: Organization, ada: User, grace: User) -> Impersonation:
    made = [
        Session.objects.create(
            key_hash=None, user=user, organization=acme, created_at=AT, last_active_at=AT, authenticated_at=AT
        )
        for user in (ada, grace)
    ]
    row: Impersonation = Impersonation.objects.create(
        session=made[1],
        actor_session=made[0],
        organization=acme,
        actor=ada,
        target=grace,
        actor_name="Ada Lovelace",
        target_name="Grace Hopper",
        basis=Basis.ANY_USER,
        reason="Ticket 7",
        started_at=AT,
        ends_at=AT + timedelta(hours=1),
    )
    return row


def close(visit: Impersonation, **fields: Any) -> int:
    given = {"ended_at": AT, "end_cause": EndCause.LOGGED_OUT, "noticed_at": AT}
    return Impersonation.objects.filter(pk=visit.pk).update(**given | fields)


def test_a_visit_closes_once(visit: Impersonation, grace: User) -> None:
    closed = close(visit)

    for fields in (
        {"ended_at": AT + timedelta(seconds=1)},
        {"end_cause": EndCause.IDLE},
        {"ended_by": grace},
        {"started_at": AT - timedelta(seconds=1)},
        {"ended_at": None, "end_cause": ""},
    ):
        with refused("closes once"):
            close(visit, **fields)

    visit.refresh_from_db()
    assert (closed, visit.ended_at, visit.end_cause, visit.ended_by) == (1, AT, EndCause.LOGGED_OUT, None)


def test_of_a_closed_visit_the_rest_may_still_be_written(visit: Impersonation) -> None:
    close(visit)

    assert close(visit, handed_back_at=AT, access=Access.FULL, mail="sent") == 1


@pytest.mark.parametrize("column", ["actor_id", "target_id", "id", "reason", "basis", "organization_id"])
def test_a_visit_stays_whose_it_was(visit: Impersonation, alan: User, column: str) -> None:
    values: dict[str, Any] = {
        "reason": "Another",
        "basis": Basis.GRANT,
        "organization_id": OrganizationFactory.create().pk,
    }
    name = "session_id" if column == "id" else column

    with refused("stays whose it was"):
        Impersonation.objects.update(**{name: values.get(column, alan.pk + 1000)})


def test_a_visit_is_kept(visit: Impersonation) -> None:
    with refused("closes once"):
        visit.delete()
    with refused("closes once"):
        sql("DELETE FROM accounts_impersonation")


@sqlite_only
@pytest.mark.parametrize("shift", [0, 1000])
def test_sqlite_replaces_no_visit(visit: Impersonation, shift: int) -> None:
    says = f"INSERT OR REPLACE INTO TABLE (id, COLUMNS) SELECT id + {shift}, COLUMNS FROM TABLE"  # noqa: S608  # ours

    with refused("closes once"):
        on(visit, says, keys=("id",))


@pytest.fixture
def activity(visit: Impersonation) -> ImpersonationActivity:
    made: ImpersonationActivity = ImpersonationActivity.objects.create(
        impersonation=visit, created_at=AT, kind=ActivityKind.WRITE, method="POST", view="user_edit", object="user 7"
    )
    return made


def test_what_was_done_inside_gets_its_outcome_once(activity: ImpersonationActivity) -> None:
    row = ImpersonationActivity.objects.filter(pk=activity.pk)

    written = row.update(status=302)
    with refused("written once"):
        row.update(status=200)
    with refused("written once"):
        row.update(detail="Another")

    assert (written, row.get().status) == (1, 302)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", 1000),
        ("created_at", AT + timedelta(seconds=1)),
        ("kind", ActivityKind.OPENED),
        ("method", "GET"),
        ("view", "home"),
        ("object", "user 8"),
    ],
)
def test_what_was_done_inside_is_not_said_anew(activity: ImpersonationActivity, column: str, value: object) -> None:
    with refused("written once"):
        ImpersonationActivity.objects.update(**{column: value})


def test_what_was_done_inside_is_kept(activity: ImpersonationActivity) -> None:
    with refused("written once"):
        activity.delete()


@sqlite_only
def test_sqlite_replaces_nothing_that_was_done_inside(activity: ImpersonationActivity) -> None:
    with refused("written once"):
        sql("INSERT OR REPLACE INTO accounts_impersonationactivity SELECT * FROM accounts_impersonationactivity")


# --- made, and made again ----------------------------------------------------------------------------------------


def triggers() -> dict[str, str]:
    """Return the triggers that are there, with what tells one made from one made again."""
    if ON_SQLITE:
        return dict(sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%_guards_%'"))
    return dict(
        sql(
            "SELECT tgname, concat_ws(' ', pg_trigger.oid, pg_proc.xmin, tgenabled, prosrc)"
            " FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid"
            " WHERE NOT tgisinternal AND tgname LIKE '%_guards_%'"
        )
    )


def expected() -> set[str]:
    missing = "TRUNCATE" if ON_SQLITE else "INSERT"
    return {guard.name for guard in (*TRAIL_GUARDS, *VISIT_GUARDS) if guard.event != missing}


def alter(model: type[models.Model], name: str, *, max_length: int) -> None:
    """Change a column as a migration does: on SQLite the table is built anew."""
    old = text_field(model, name)
    new = old.clone()
    new.max_length = max_length
    new.set_attributes_from_name(name)
    new.model = model
    with connection.schema_editor() as editor:
        editor.alter_field(model, old, new, strict=True)


COLUMNS = [
    (AuditEvent, "agent"),
    (AuditSeal, "digest"),
    (AuditArchive, "file_name"),
    (Impersonation, "ticket"),
    (ImpersonationActivity, "detail"),
]


def test_all_are_there() -> None:
    assert triggers().keys() == expected()


def test_migrating_again_changes_nothing() -> None:
    before = triggers()

    call_command("migrate", verbosity=0)

    assert triggers() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("model", "name"), COLUMNS)
def test_a_later_change_of_a_table_keeps_them(model: type[models.Model], name: str) -> None:
    length = text_field(model, name).max_length
    before = triggers()

    hold_the_trail(using="default", plan=["something"])
    alter(model, name, max_length=4000)
    meanwhile = triggers()
    alter(model, name, max_length=length or 0)
    call_command("migrate", verbosity=0)

    lost = [trigger for trigger in before if trigger not in meanwhile]
    assert lost == ([one for one in before if one.startswith(f"{model._meta.db_table}_guards")] if ON_SQLITE else [])
    assert triggers().keys() == before.keys()
    assert not ON_SQLITE or triggers() == before


@sqlite_only
@pytest.mark.django_db(transaction=True)
def test_while_tables_change_no_event_goes(acme: Organization) -> None:
    (event,) = write(acme)
    archive(acme, event.pk)

    hold_the_trail(using="default", plan=["something"])
    with refused():
        event.delete()
    guard_the_trail(using="default")

    assert event.delete()[0] == 1


def test_without_a_plan_nothing_is_held() -> None:
    before = triggers()

    hold_the_trail(using="default", plan=[])

    assert triggers() == before


@pytest.mark.django_db(transaction=True)
def test_migrating_back_and_forth_leaves_them_there() -> None:
    executor = MigrationExecutor(connection)
    leaves = executor.loader.graph.leaf_nodes()
    before = triggers()
    try:
        executor.migrate([("accounts", "0007_sessions_of_organizations"), ("orgs", "0003_sessions_and_the_trail")])
        back = triggers()
    finally:
        MigrationExecutor(connection).migrate(leaves)
        call_command("migrate", verbosity=0)

    assert back == {}
    assert triggers().keys() == before.keys()
    assert not ON_SQLITE or triggers() == before


def test_one_that_was_changed_or_taken_away_is_made_again(acme: Organization) -> None:
    (event,) = write(acme)
    changed, gone = TRAIL_GUARDS[0], TRAIL_GUARDS[1]
    remove(connection, [changed, gone])
    install(connection, [Guard(changed.table, changed.event, "Nothing.", "1 = 1")])
    AuditEvent.objects.update(agent="Lynx")

    install(connection, TRAIL_GUARDS)

    with refused():
        AuditEvent.objects.update(agent="Mosaic")
    with refused():
        event.delete()
    assert triggers().keys() == expected()


def test_taken_away_and_made_again_in_tests(acme: Organization) -> None:
    write(acme)

    with unguarded():
        AuditEvent.objects.all().delete()

    assert triggers().keys() == expected()


def test_tables_that_are_not_there_yet_wait() -> None:
    absent = Guard("orgs_nothing", "UPDATE", "Nothing.")

    install(connection, [absent])
    remove(connection, [absent])

    assert triggers().keys() == expected()


def test_a_condition_that_is_neither_true_nor_false_does_not_pass(acme: Organization) -> None:
    write(acme)
    remove(connection, [TRAIL_GUARDS[0]])
    install(connection, [Guard(EVENTS, "UPDATE", "Not known.", "NEW.user_id = OLD.user_id")])

    with refused("Not known"):
        AuditEvent.objects.update(agent="Lynx")

    install(connection, TRAIL_GUARDS)
