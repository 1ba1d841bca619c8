from typing import Any

from django.db import migrations

from accounts.triggers import VISIT_GUARDS
from orgs.triggers import install, remove


def guard(apps: Any, schema_editor: Any) -> None:
    """Let the database refuse to close a visit twice."""
    install(schema_editor.connection, VISIT_GUARDS)


def unguard(apps: Any, schema_editor: Any) -> None:
    """Let it take everything again."""
    remove(schema_editor.connection, VISIT_GUARDS)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_sessions_of_organizations"), ("orgs", "0004_append_only")]

    operations = [migrations.RunPython(guard, unguard)]
