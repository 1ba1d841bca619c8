"""What was changed of a user: which details differ, and the row of the trail that says so."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING

from accounts.models import User
from orgs.audit import AuditAction, record
from orgs.text import listed

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from orgs.http import Origin


def different_details(one: "DataclassInstance", other: "DataclassInstance") -> list[str]:
    """Return the names of what is not the same in both."""
    return [field.name for field in fields(one) if getattr(one, field.name) != getattr(other, field.name)]


def words_of(details: "DataclassInstance") -> dict[str, str]:
    """Return details as rows of the trail hold them, by name."""
    values = {field.name: getattr(details, field.name) for field in fields(details)}
    return {name: "" if value is None else str(value) for name, value in values.items()}


def record_change(
    user: User,
    before: "DataclassInstance",
    after: "DataclassInstance",
    names: Iterable[str],
    *,
    origin: "Origin",
    at: datetime,
) -> None:
    """Write one row for the named details together; none where there are none."""
    names = list(names)
    if not names:
        return
    old, new = words_of(before), words_of(after)
    record(
        AuditAction.USER_CHANGED,
        origin=origin,
        organization=user.organization_id,
        about=user,
        at=at,
        before={name: old[name] for name in names},
        after={name: new[name] for name in names},
        fields=listed(name.replace("_", " ") for name in names),
    )
