"""Every new migration runs while the code before it serves: docs/migrations.md has the rule, and what to do instead.

What a migration does is read off the statements that PostgreSQL gets, those of its functions among them. Each is
undone and done again: what cannot be undone is found here, too.
"""

import re
from collections.abc import Iterable

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test.utils import CaptureQueriesContext

# Nobody had deployed anything when the rule began.
BEFORE_THE_RULE = [
    ("accounts", "0011_open_access_requests_of_organizations"),
    ("orgs", "0004_append_only"),
]
# "app.name": why it may, and since which release nothing running asks for what it takes away.
ALLOWED: dict[str, str] = {}

FAULTS = {
    r"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)": "makes an index while whoever writes waits",
    r"REINDEX (?!.*CONCURRENTLY)|CLUSTER |VACUUM FULL": "writes a table anew while everybody waits",
    r"DROP TABLE|DROP COLUMN|DROP VIEW": "takes away what the old code asks for",
    r"RENAME ": "takes away a name that the old code asks for",
    r"ADD COLUMN (?!.*\bDEFAULT\b)(?!.*GENERATED).*NOT NULL": "wants a value that the old code does not give",
    r"DROP DEFAULT": "wants a value that the old code does not give",
    r"ADD COLUMN .*GENERATED .*STORED": "writes a table anew while everybody waits",
    r"SET NOT NULL": "reads a whole table while everybody waits, and refuses the old code's rows",
    r"ALTER COLUMN \S+ (SET DATA )?TYPE": "may write a table anew, and breaks statements that are prepared",
    r"ADD CONSTRAINT (?!.*NOT VALID)(?!.*USING INDEX)": "reads a whole table while everybody waits",
    r"LOCK TABLE": "makes everybody wait",
}
TABLE_OF = re.compile(r'(?:TABLE|INDEX .* ON)(?: IF NOT EXISTS| ONLY)? "?(\w+)', re.IGNORECASE)


def faults_of(statements: Iterable[str]) -> list[str]:
    """Say what the code before a migration would not live through. Tables that it makes itself are its own."""
    made, found = set(), []
    for statement in statements:
        words = " ".join(statement.split())
        table = TABLE_OF.search(words)
        name = table[1] if table else ""
        if words.upper().startswith("CREATE TABLE"):
            made.add(name)
        elif name not in made:
            found += [
                f"{fault}: {words}" for pattern, fault in FAULTS.items() if re.search(pattern, words, re.IGNORECASE)
            ]
    return found


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ('ALTER TABLE "t" ADD COLUMN "c" integer NULL', []),
        ('ALTER TABLE "t" ADD COLUMN "c" integer DEFAULT 1 NOT NULL', []),
        ('ALTER TABLE "t" ADD COLUMN "c" integer NOT NULL', ["wants a value that the old code does not give"]),
        ('ALTER TABLE "t" ALTER COLUMN "c" DROP DEFAULT', ["wants a value that the old code does not give"]),
        ('ALTER TABLE "t" ADD COLUMN "c" text GENERATED ALWAYS AS (lower(d)) STORED', [*FAULTS.values()][6:7]),
        ('ALTER TABLE "t" DROP COLUMN "c" CASCADE', ["takes away what the old code asks for"]),
        ('DROP TABLE "t" CASCADE', ["takes away what the old code asks for"]),
        ('ALTER TABLE "t" RENAME COLUMN "c" TO "d"', ["takes away a name that the old code asks for"]),
        ('CREATE INDEX "i" ON "t" ("c")', ["makes an index while whoever writes waits"]),
        ('CREATE UNIQUE INDEX "i" ON "t" ("c")', ["makes an index while whoever writes waits"]),
        ('CREATE INDEX CONCURRENTLY "i" ON "t" ("c")', []),
        ('CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "i" ON "t" ("c")', []),
        ('ALTER TABLE "t" ADD CONSTRAINT "k" CHECK ("c" > 0)', ["reads a whole table while everybody waits"]),
        ('ALTER TABLE "t" ADD CONSTRAINT "k" CHECK ("c" > 0) NOT VALID', []),
        ('ALTER TABLE "t" VALIDATE CONSTRAINT "k"', []),
        ('ALTER TABLE "t" ALTER COLUMN "c" TYPE bigint', [*FAULTS.values()][8:9]),
        ('ALTER TABLE "t" ALTER COLUMN "c" SET NOT NULL', [*FAULTS.values()][7:8]),
    ],
)
def test_statement_is_judged_by_what_it_does_to_running_code(statement: str, expected: list[str]) -> None:
    assert [fault.partition(": ")[0] for fault in faults_of([statement])] == expected


def test_table_that_a_migration_makes_is_its_own() -> None:
    made = 'CREATE TABLE "t" ("id" bigint NOT NULL)'

    assert faults_of([made, 'ALTER TABLE "t" ADD CONSTRAINT "k" UNIQUE ("id")', 'CREATE INDEX "i" ON "t" ("id")']) == []
    assert len(faults_of([made, 'CREATE INDEX "i" ON "u" ("id")'])) == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_new_migrations_run_while_the_code_before_them_serves() -> None:
    executor = MigrationExecutor(connection)
    newest = executor.loader.graph.leaf_nodes()
    executor.migrate(BEFORE_THE_RULE)
    found: dict[str, list[str]] = {}

    for migration, _ in MigrationExecutor(connection).migration_plan(newest):
        with CaptureQueriesContext(connection) as context:
            MigrationExecutor(connection).migrate([(migration.app_label, migration.name)])
        faults = faults_of(query["sql"] for query in context.captured_queries)
        found |= {str(migration): faults} if faults else {}

    assert {name: faults for name, faults in found.items() if name not in ALLOWED} == {}
    assert MigrationExecutor(connection).migration_plan(newest) == []
    assert {app.label for app in apps.get_app_configs() if app.name in {"accounts", "orgs"}} == dict(
        BEFORE_THE_RULE
    ).keys()
