"""What a row of the trail holds before and after, in words. Whoever knows what a stored value means registers it."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.text import capfirst

from .audit import AuditAction
from .editions import Edition
from .exports.listing import ExportFormat
from .models import ActivationState, Organization, SupportAvailability
from .moments import write
from .permissions import Permission
from .services.login_access_policies import SETTINGS as POLICY_SETTINGS
from .services.session_settings import SETTINGS as SESSION_SETTINGS

if TYPE_CHECKING:
    from django.db import models

    from .models import AuditEvent

Words = Callable[[Any], str]

# How a time stands in a row, whatever its zone: always with one.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a row tells of, before and after, in words."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class _Known:
    label: str
    words: Words


# By action and by what it is called in the row: one name means one thing in one kind of row.
_KNOWN: dict[tuple[str, str], _Known] = {}


def register(*actions: AuditAction, labels: Mapping[str, str] | None = None, **words: Words) -> None:
    """Say how rows of ``actions`` write the values that they call by these names, and what pages call them."""
    for action in actions:
        for name, of_value in words.items():
            _KNOWN[action.value, name] = _Known((labels or {}).get(name, _label(name)), of_value)


def one_of(choices: "type[models.TextChoices] | Mapping[str, str]") -> Words:
    """Return what writes a stored code as its label; one that is in no list any more stays as it is."""
    labels = choices if isinstance(choices, Mapping) else {one.value: str(one.label) for one in choices}
    return lambda value: plain(labels.get(value, value))


def changes_of(event: "AuditEvent") -> list[Change]:
    """Return all that a row tells of, before and after."""
    # Sorted, since PostgreSQL does not keep the order in which they were written.
    return [_change(event, name) for name in sorted(event.before.keys() | event.after.keys())]


def _change(event: "AuditEvent", name: str) -> Change:
    known = _KNOWN.get((event.action, name)) or _Known(_label(name), plain)
    before, after = (
        plain(None) if name not in values or values[name] == "" else known.words(values[name])
        for values in (event.before, event.after)
    )
    return Change(known.label, before, after)


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def plain(value: Any) -> str:  # noqa: ANN401  # whatever JSON holds
    """Return a value that needs no more words than it has."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(map(plain, value)) or "–"
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return _moment(value)
    return str(value)


def _moment(value: str) -> str:
    """Return a stored time as whoever reads the page reads times; what is no time stays as it is."""
    with suppress(ValueError, OverflowError):
        return write(datetime.fromisoformat(value))
    return value


# --- what this app writes ----------------------------------------------------------------------------------------


def _organization_name(pk: Any) -> str:  # noqa: ANN401  # whatever JSON holds
    """Return which organization has an id: rows of the trail keep that alone of a support organization."""
    return plain(Organization.objects.filter(pk=pk).values_list("name", flat=True).first() or pk)


def _setting(words: Words) -> Words:
    """Return how a setting is written, begun as a cell of a table begins."""
    return lambda value: capfirst(words(value))


def _register_settings(action: AuditAction, settings: Mapping[str, tuple[str, Words]]) -> None:
    labels = {name: label for name, (label, _) in settings.items()}
    register(action, labels=labels, **{name: _setting(words) for name, (_, words) in settings.items()})


A = AuditAction
_register_settings(A.POLICY_CHANGED, POLICY_SETTINGS)
_register_settings(A.SESSION_SETTINGS_CHANGED, SESSION_SETTINGS)
register(A.POLICY_CHANGED, availability=one_of(SupportAvailability), support_organization=_organization_name)
register(A.ORGANIZATION_CREATED, A.EDITION_CHANGED, edition=one_of(Edition))
register(A.ACTIVATION_APPROVED, A.ACTIVATION_DECLINED, state=one_of(ActivationState))
register(A.EXPORTED, format=one_of(ExportFormat), action=one_of(AuditAction))
register(
    A.PROFILE_CREATED,
    A.PROFILE_CHANGED,
    A.PROFILE_DELETED,
    permissions=lambda held: plain([str(Permission(one).label) if one in Permission.values else one for one in held]),
)
