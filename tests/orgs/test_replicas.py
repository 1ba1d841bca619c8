"""Which database a download is read from."""

import csv
import io
from typing import TYPE_CHECKING

import pytest
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.test.utils import CaptureQueriesContext

from orgs import replicas
from orgs.exports.listing import ExportFormat
from orgs.exports.trail import trail_listing
from orgs.http import Origin
from orgs.querysets import events_of
from orgs.replicas import REPLICA_ALIAS, database_to_read
from orgs.services.exports import export_list
from tests.factories import OrganizationFactory
from tests.queries import captured_queries

from .trail import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

FAR, NOWHERE = "FFFFFFFF/FFFFFFFF", "0/0"


@pytest.fixture
def replica(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> "Iterator[BaseDatabaseWrapper]":
    """Another connection to the test database, which the settings name as the replica."""
    monkeypatch.setattr(replicas, "PATIENCE", 0.1)
    monkeypatch.setitem(connections.settings, REPLICA_ALIAS, dict(connections.settings["default"]))
    database = connections[REPLICA_ALIAS]
    # Django's test case lets nobody connect under a name that the settings did not have when it began.
    database.alias = DEFAULT_DB_ALIAS
    yield database
    with database.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS stand_in CASCADE")
    database.close()
    del connections[REPLICA_ALIAS]


def stand_at(database: "BaseDatabaseWrapper", place: str) -> None:
    """Let a connection answer as that to a replica does which has replayed the log up to ``place``."""
    with database.cursor() as cursor:
        cursor.execute("CREATE SCHEMA stand_in")
        answer = "CREATE FUNCTION stand_in.pg_last_wal_replay_lsn() RETURNS pg_lsn IMMUTABLE RETURN '{}'::pg_lsn"
        cursor.execute(answer.format(place))
        cursor.execute("SET search_path = stand_in, pg_catalog, public")


def test_without_a_replica_the_primary_is_read(db: None) -> None:
    assert database_to_read() == "default"


@pytest.mark.postgres
def test_replica_is_read_once_it_has_all_that_was_written(replica: "BaseDatabaseWrapper") -> None:
    stand_at(replica, FAR)

    assert database_to_read() == REPLICA_ALIAS


@pytest.mark.postgres
def test_what_a_transaction_wrote_is_read_where_it_was_written(replica: "BaseDatabaseWrapper") -> None:
    stand_at(replica, FAR)

    with transaction.atomic():
        assert database_to_read() == "default"


@pytest.mark.postgres
def test_replica_that_stays_behind_is_not_read(
    replica: "BaseDatabaseWrapper", caplog: pytest.LogCaptureFixture
) -> None:
    stand_at(replica, NOWHERE)

    assert database_to_read() == "default"
    assert caplog.messages == ["The replica is behind; the primary is read instead."]


@pytest.mark.postgres
def test_database_that_replays_no_log_is_no_replica(replica: "BaseDatabaseWrapper") -> None:
    assert database_to_read() == "default"


@pytest.mark.postgres
def test_replica_that_is_away_is_not_read(
    replica: "BaseDatabaseWrapper", caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        away.setitem(replica.settings_dict, "PORT", 1)
        assert database_to_read() == "default"

    assert caplog.messages[0].startswith("The replica cannot be reached; the primary is read instead: ")


@pytest.mark.postgres
def test_download_is_written_down_in_the_primary_and_read_from_the_replica(replica: "BaseDatabaseWrapper") -> None:
    stand_at(replica, FAR)
    acme = OrganizationFactory.create(name="Acme")
    events = write(acme, 3)

    with captured_queries() as primary, CaptureQueriesContext(replica) as read:
        listing = trail_listing(acme, [events_of(acme)])
        parts = export_list(listing, ExportFormat.CSV, organization=acme, origin=Origin.automated("export_trail"))
        rows = list(csv.DictReader(io.StringIO(b"".join(parts).decode("utf-8-sig"), newline="")))

    assert [row["Id"] for row in rows] == [str(event.pk) for event in events]
    assert [statement.split()[0] for statement in primary] == ["SELECT", "INSERT", "SELECT"]
    assert ["pg_last_wal_replay_lsn" in query["sql"] for query in read.captured_queries] == [True, False]
