from typing import Any

from django.db import migrations

from accounts.search_index import POSTGRESQL_BACKWARD, POSTGRESQL_FORWARD, drop_search_table, make_search_table


def make(apps: Any, schema_editor: Any) -> None:
    """Make the index, while others write."""
    if schema_editor.connection.vendor == "sqlite":
        make_search_table(schema_editor.connection)
        return
    for statement in POSTGRESQL_FORWARD:
        schema_editor.execute(statement)


def drop(apps: Any, schema_editor: Any) -> None:
    """Take it away."""
    if schema_editor.connection.vendor == "sqlite":
        drop_search_table(schema_editor.connection)
        return
    for statement in POSTGRESQL_BACKWARD:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    # PostgreSQL builds an index beside writers outside a transaction alone.
    atomic = False

    dependencies = [("accounts", "0011_open_access_requests_of_organizations")]

    operations = [migrations.RunPython(make, drop)]
