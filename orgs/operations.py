"""Steps of migrations that old code lives through: indexes on tables that are large and in use."""

from typing import TYPE_CHECKING, Any, cast

from django.db import migrations
from django.db.migrations.operations.base import Operation

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.migrations.state import ProjectState
    from django.db.models import Index, Model


class _Concurrently:
    """What a step on an index asks of PostgreSQL's schema editor, done so that nobody who writes waits."""

    def __init__(self, editor: Any) -> None:  # noqa: ANN401  # PostgreSQL's, whose methods take one word more
        self._editor = editor
        self.connection = editor.connection

    def add_index(self, model: "type[Model]", index: "Index") -> None:
        """Make an index, after what is left of one that broke off."""
        self.remove_index(model, index)
        self._editor.add_index(model, index, concurrently=True)

    def remove_index(self, model: "type[Model]", index: "Index") -> None:
        """Take an index away where there is one."""
        self._editor.remove_index(model, index, concurrently=True)


def _in_use(editor: "BaseDatabaseSchemaEditor") -> "BaseDatabaseSchemaEditor":
    if editor.connection.vendor == "postgresql":
        return cast("BaseDatabaseSchemaEditor", _Concurrently(editor))
    return editor


class _InUse(Operation):
    """A step on an index whose table is read and written meanwhile. The migration must say ``atomic = False``.

    On PostgreSQL concurrently. SQLite knows no such thing, and is quick.
    """

    def database_forwards(
        self, app_label: str, schema_editor: "BaseDatabaseSchemaEditor", *states: "ProjectState"
    ) -> None:
        """Do it."""
        super().database_forwards(app_label, _in_use(schema_editor), *states)

    def database_backwards(
        self, app_label: str, schema_editor: "BaseDatabaseSchemaEditor", *states: "ProjectState"
    ) -> None:
        """Undo it."""
        super().database_backwards(app_label, _in_use(schema_editor), *states)


class AddIndexInUse(_InUse, migrations.AddIndex):
    """Make an index."""


class RemoveIndexInUse(_InUse, migrations.RemoveIndex):
    """Take an index away."""
