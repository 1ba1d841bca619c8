"""The Session Settings page: what it holds, who may save it, and the one act that saves it.

Nothing has to be told to running sessions: the identity statement reads these settings on each of their requests.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from orgs.audit import AuditAction, record
from orgs.models import Organization, SessionSettings
from orgs.permissions import Permission
from orgs.signals import tell_limits_changing
from orgs.text import counted, on_or_off

from .guards import holds_all, lock_organization, refuse_to_guest, require_all

if TYPE_CHECKING:
    from orgs.http import Origin

PAGE_PERMISSIONS = (Permission.CUSTOMIZE_APPLICATION,)


class SettingsChanges(TypedDict, total=False):
    """What a save may name. What it does not name stays as it is."""

    idle_minutes: int
    absolute_hours: int
    warn_before_timeout: bool
    force_relogin: bool
    end_on_password_reset: bool
    lock_to_address: bool
    history_months: int


def minutes_in_words(minutes: int) -> str:
    """Return a number of minutes as people say it: "30 minutes", "2 hours"."""
    hours, rest = divmod(minutes, 60)
    return counted(minutes, "minute") if rest else counted(hours, "hour")


# How the page and the trail call each, in the page's order, and how they write its value.
SETTINGS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "idle_minutes": ("Timeout", minutes_in_words),
    "absolute_hours": ("Absolute limit", lambda hours: counted(hours, "hour")),
    "warn_before_timeout": ("Warn before the timeout", on_or_off),
    "force_relogin": ("Force relogin after Login-As-User", on_or_off),
    "end_on_password_reset": ("End sessions on password reset", on_or_off),
    "lock_to_address": ("Lock a session to its address", on_or_off),
    "history_months": ("History kept", lambda months: counted(months, "month")),
}

# Those that say when a session is over, and what is over with it.
LIMITS = ("idle_minutes", "absolute_hours", "force_relogin")


def settings_values(settings: SessionSettings) -> dict[str, Any]:
    """Return all that the page holds."""
    return {name: getattr(settings, name) for name in SETTINGS}


# --- who may save ------------------------------------------------------------------------------------------------


def may_save(origin: "Origin", organization: Organization) -> bool:
    """Tell whether the page may be saved."""
    return not origin.is_limited and holds_all(origin, organization, PAGE_PERMISSIONS)


def refuse_unless_savable(origin: "Origin", organization: Organization) -> None:
    """Raise what keeps ``origin`` from saving the page.

    That is :class:`~orgs.permissions.RefusedToGuest` or :class:`~orgs.permissions.PermissionMissing`.
    """
    refuse_to_guest(origin)
    require_all(origin, organization, PAGE_PERMISSIONS)


# --- saving ------------------------------------------------------------------------------------------------------


class SettingsChangedMeanwhile(Exception):  # noqa: N818  # said as a page says it
    """Someone saved between the reading of the page and this save. ``settings`` are what holds now."""

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings
        super().__init__(f"{settings.modified_by_name} changed this page meanwhile.")


def save_session_settings(
    organization: Organization,
    *,
    version: int,
    origin: "Origin",
    at: datetime | None = None,
    **changes: Unpack[SettingsChanges],
) -> SessionSettings:
    """Save the page as it was read at ``version``, and write the trail: one row for each setting that changed.

    Raises what :func:`refuse_unless_savable` does, or :class:`SettingsChangedMeanwhile`. Where nothing changes nothing
    is written.
    """
    at = at or timezone.now()
    refuse_unless_savable(origin, organization)
    before = settings_values(SessionSettings.objects.get(organization=organization))
    if _has_other_limits(before, changes):
        # However many have fallen, each batch is a transaction of its own here, and few are left for that of the save.
        tell_limits_changing(organization, origin=origin, at=at)
    return _save(organization, changes, version=version, origin=origin, at=at)


def _has_other_limits(before: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
    return any(changes.get(name, before[name]) != before[name] for name in LIMITS)


@transaction.atomic
def _save(
    organization: Organization, changes: SettingsChanges, *, version: int, origin: "Origin", at: datetime
) -> SessionSettings:
    organization = lock_organization(organization.pk)
    refuse_unless_savable(origin, organization)
    settings = SessionSettings.objects.get(organization=organization)
    if settings.version != version:
        raise SettingsChangedMeanwhile(settings)
    before = settings_values(settings)
    after: dict[str, Any] = {**before, **changes}
    if after == before:
        return settings
    if _has_other_limits(before, after):
        # A longer limit brings back nobody whom the old one had signed out already.
        tell_limits_changing(organization, origin=origin, at=at)
    for name in SETTINGS:
        if after[name] != before[name]:
            setattr(settings, name, after[name])
            _record(name, before[name], after[name], organization=organization, origin=origin, at=at)
    settings.version += 1
    settings.modified_at, settings.modified_by_name = at, origin.doer_name
    settings.save()
    return settings


def _record(name: str, old: Any, new: Any, *, organization: Organization, origin: "Origin", at: datetime) -> None:  # noqa: ANN401  # a value of any setting
    label, words = SETTINGS[name]
    record(
        AuditAction.SESSION_SETTINGS_CHANGED,
        origin=origin,
        organization=organization,
        at=at,
        before={name: old},
        after={name: new},
        setting=label,
        old=words(old),
        new=words(new),
    )
