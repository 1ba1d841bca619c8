from typing import Any

from django.db import migrations

from orgs.triggers import TRAIL_GUARDS, install, remove


def guard(apps: Any, schema_editor: Any) -> None:
    """Let the database refuse to change or delete what the trail holds."""
    install(schema_editor.connection, TRAIL_GUARDS, is_migrating=True)


def unguard(apps: Any, schema_editor: Any) -> None:
    """Let it take everything again."""
    remove(schema_editor.connection, TRAIL_GUARDS)


class Migration(migrations.Migration):
    dependencies = [("orgs", "0003_sessions_and_the_trail")]

    operations = [migrations.RunPython(guard, unguard)]
