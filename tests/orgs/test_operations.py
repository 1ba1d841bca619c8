"""Indexes of tables that are in use: made and taken away, on PostgreSQL outside a transaction."""

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations.state import ProjectState

from orgs.operations import AddIndexInUse, RemoveIndexInUse

# PostgreSQL makes no index concurrently in a transaction.
pytestmark = pytest.mark.django_db(transaction=True)

INDEX = models.Index(fields=["created_at"], name="organization_for_a_test")


def indexes() -> set[str]:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "orgs_organization")
    return {name for name in found if name == INDEX.name}


def run(operation: AddIndexInUse | RemoveIndexInUse, state: ProjectState, *, back: bool = False) -> ProjectState:
    """Run an operation as a migration that is not atomic does, and return the state after it."""
    after = state.clone()
    operation.state_forwards("orgs", after)
    with connection.schema_editor(atomic=False) as editor:
        if back:
            operation.database_backwards("orgs", editor, after, state)
        else:
            operation.database_forwards("orgs", editor, state, after)
    return after


def test_index_is_made_and_taken_away_and_both_can_be_undone() -> None:
    state = ProjectState.from_apps(apps)
    add, remove = AddIndexInUse("Organization", INDEX), RemoveIndexInUse("Organization", INDEX.name)
    seen = []

    made = run(add, state)
    seen.append(indexes())
    run(remove, made)
    seen.append(indexes())
    run(remove, made, back=True)
    seen.append(indexes())
    run(add, state, back=True)
    seen.append(indexes())

    assert seen == [{INDEX.name}, set(), {INDEX.name}, set()]


@pytest.mark.postgres
def test_what_is_left_of_one_that_broke_off_is_made_anew() -> None:
    state = ProjectState.from_apps(apps)
    run(AddIndexInUse("Organization", INDEX), state)

    run(AddIndexInUse("Organization", INDEX), state)

    assert indexes() == {INDEX.name}
    run(AddIndexInUse("Organization", INDEX), state, back=True)
