"""The Login Access Policies page: what it holds, who may save what of it, and the one act that saves it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from orgs.audit import AuditAction, record
from orgs.editions import Feature
from orgs.models import AccessMode, LoginAccessPolicy, Organization, SupportAccess, SupportAvailability
from orgs.permissions import ADMINISTRATOR, Permission
from orgs.querysets import support_organizations_of
from orgs.signals import tell_login_access_changed
from orgs.text import counted, on_or_off

from .guards import holds_all, lock_organization, refuse_to_guest, require_all

if TYPE_CHECKING:
    from orgs.http import Origin

PAGE_PERMISSIONS = (Permission.MANAGE_LOGIN_ACCESS_POLICIES,)


class Availability(Enum):
    """Whether any-user login can be switched on and off at all. Eligible and provisioned are two facts."""

    NOT_ELIGIBLE = "not eligible"
    NOT_PROVISIONED = "not provisioned"
    AVAILABLE = "available"

    @classmethod
    def of(cls, organization: Organization) -> "Availability":
        """Return what holds for ``organization``: first the edition, then what Sales has provisioned."""
        if not organization.has(Feature.ANY_USER_LOGIN):
            return cls.NOT_ELIGIBLE
        return cls.AVAILABLE if organization.provisioned else cls.NOT_PROVISIONED


# --- what the page holds -----------------------------------------------------------------------------------------


class PolicyChanges(TypedDict, total=False):
    """What a save may name of :class:`PolicyDetails`. What it does not name stays as it is."""

    any_user_login: bool
    protect_administrators: bool
    time_limit_minutes: int
    reason_required: bool
    ticket_pattern: str
    ticket_url: str
    access_mode: str
    mail_at_start: bool
    record_pages_opened: bool
    sign_in_again_minutes: int | None
    administrators_only: frozenset[int]


@dataclass(frozen=True, slots=True)
class PolicyDetails:
    """All that the page holds. ``administrators_only``: the support organizations that users can't grant access to."""

    any_user_login: bool
    protect_administrators: bool
    time_limit_minutes: int
    reason_required: bool
    ticket_pattern: str
    ticket_url: str
    access_mode: str
    mail_at_start: bool
    record_pages_opened: bool
    sign_in_again_minutes: int | None
    administrators_only: frozenset[int]

    @classmethod
    def of(cls, policy: LoginAccessPolicy, supports: Sequence[Organization]) -> "PolicyDetails":
        """Return what holds: the policy's own, and what was decided about ``supports``."""
        only = frozenset(support.pk for support in supports if support.is_for_administrators_only)  # type: ignore[attr-defined]
        own = {field.name: getattr(policy, field.name) for field in fields(cls) if field.name != "administrators_only"}
        return cls(**own, administrators_only=only)

    def takes_a_right_away(self, before: "PolicyDetails") -> bool:
        """Tell whether a visit that might rest on what held ``before`` may rest on it no longer."""
        return (
            (before.any_user_login and not self.any_user_login)
            or (self.protect_administrators and not before.protect_administrators)
            or bool(self.administrators_only - before.administrators_only)
        )


def _minutes_words(minutes: int | None) -> str:
    return "off" if minutes is None else counted(minutes, "minute")


def _mode_words(mode: str) -> str:
    return AccessMode(mode).label.partition(",")[0]


# How the page and the trail call each, in the page's order, and how they write its value.
SETTINGS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "any_user_login": ("Administrators Can Log in as Any User", on_or_off),
    "reason_required": ("Reason required", on_or_off),
    "ticket_pattern": ("Pattern for ticket numbers", lambda pattern: pattern or "none"),
    "ticket_url": ("Address of tickets", lambda url: url or "none"),
    "time_limit_minutes": ("Time limit", _minutes_words),
    "access_mode": ("Access at the start", _mode_words),
    "mail_at_start": ("E-mail to the user at the start", on_or_off),
    "record_pages_opened": ("Record pages opened", on_or_off),
    "protect_administrators": ("Protect administrators", on_or_off),
    "sign_in_again_minutes": ("Sign in again after", _minutes_words),
}


def availability_label(support: Organization) -> str:
    """Return how the trail calls what was decided about a support organization."""
    return f"availability of {support}"


# --- who may save ------------------------------------------------------------------------------------------------


class PolicyNotAvailable(PermissionDenied):
    """Any-user login can't be switched on here: the edition is too low, or nobody has provisioned it."""

    def __init__(self) -> None:
        super().__init__("Administrators Can Log in as Any User is not available to your organization.")


def may_save(origin: "Origin", organization: Organization) -> bool:
    """Tell whether the page may be saved, the checkbox aside: in every edition and state."""
    return not origin.is_limited and holds_all(origin, organization, PAGE_PERMISSIONS)


def may_switch(origin: "Origin", organization: Organization) -> bool:
    """Tell whether any-user login may be changed (seed article: "Modify All Data, Manage User")."""
    is_available = Availability.of(organization) is Availability.AVAILABLE
    return is_available and may_save(origin, organization) and holds_all(origin, organization, ADMINISTRATOR)


def refuse_unless_savable(origin: "Origin", organization: Organization, *, switches: bool) -> None:
    """Raise what keeps ``origin`` from saving the page, and with ``switches`` the checkbox too.

    That is :class:`~orgs.permissions.RefusedToGuest`, :class:`~orgs.permissions.PermissionMissing` or
    :class:`PolicyNotAvailable`.
    """
    refuse_to_guest(origin)
    require_all(origin, organization, PAGE_PERMISSIONS)
    if switches:
        require_all(origin, organization, ADMINISTRATOR)
        if Availability.of(organization) is not Availability.AVAILABLE:
            raise PolicyNotAvailable


def is_any_user_login_in_effect(organization: Organization, policy: LoginAccessPolicy) -> bool:
    """Tell whether administrators can log in as any user right now: eligible, provisioned and ticked."""
    return Availability.of(organization) is Availability.AVAILABLE and policy.any_user_login


# --- saving ------------------------------------------------------------------------------------------------------


class PolicyChangedMeanwhile(Exception):  # noqa: N818  # said as a page says it
    """Someone saved between the reading of the page and this save. ``policy`` and ``details`` are what holds now."""

    def __init__(self, policy: LoginAccessPolicy, details: PolicyDetails) -> None:
        self.policy, self.details = policy, details
        super().__init__(f"{policy.modified_by_name} changed this page meanwhile.")


@dataclass(frozen=True, slots=True)
class Saved:
    """What holds after a save, and how many running visits it ended."""

    policy: LoginAccessPolicy
    visits_ended: int = 0


@transaction.atomic
def save_login_access_policy(
    organization: Organization,
    *,
    version: int,
    origin: "Origin",
    at: datetime | None = None,
    **changes: Unpack[PolicyChanges],
) -> Saved:
    """Save the page as it was read at ``version``, write the trail, and end what the change takes the ground from.

    Raises what :func:`refuse_unless_savable` does (naming the checkbox at all is changing it), or
    :class:`PolicyChangedMeanwhile`. Where nothing changes nothing is written.
    """
    at = at or timezone.now()
    organization = lock_organization(organization.pk)
    refuse_unless_savable(origin, organization, switches="any_user_login" in changes)
    policy = LoginAccessPolicy.objects.get(organization=organization)
    policy.organization = organization
    supports = list(support_organizations_of(organization))
    before = PolicyDetails.of(policy, supports)
    if policy.version != version:
        raise PolicyChangedMeanwhile(policy, before)
    known = frozenset(support.pk for support in supports)
    changes["administrators_only"] = changes.get("administrators_only", before.administrators_only) & known
    after = replace(before, **changes)
    if after == before:
        return Saved(policy)
    _write(policy, before, after, origin=origin, at=at)
    _write_supports(organization, supports, before, after, origin=origin, at=at)
    if not after.takes_a_right_away(before):
        return Saved(policy)
    return Saved(policy, visits_ended=tell_login_access_changed(organization, origin=origin, at=at))


def _write(
    policy: LoginAccessPolicy, before: PolicyDetails, after: PolicyDetails, *, origin: "Origin", at: datetime
) -> None:
    """Write the policy's own settings, and one row of the trail for each that changed."""
    old, new = asdict(before), asdict(after)
    if before.any_user_login and not after.any_user_login:
        policy.login_access_lost_at = at
    for name, (label, words) in SETTINGS.items():
        if old[name] != new[name]:
            setattr(policy, name, new[name])
            record(
                AuditAction.POLICY_CHANGED,
                origin=origin,
                organization=policy.organization,
                at=at,
                before={name: old[name]},
                after={name: new[name]},
                setting=label,
                old=words(old[name]),
                new=words(new[name]),
            )
    policy.version += 1
    policy.modified_at, policy.modified_by_name = at, origin.doer_name
    policy.save()


def _write_supports(
    organization: Organization,
    supports: Sequence[Organization],
    before: PolicyDetails,
    after: PolicyDetails,
    *,
    origin: "Origin",
    at: datetime,
) -> None:
    """Write what was decided about each support organization, and one row of the trail for each that changed."""
    changed = before.administrators_only ^ after.administrators_only
    for support in supports:
        if support.pk in changed:
            old, new = SupportAvailability.USERS, SupportAvailability.ADMINISTRATORS
            if support.pk in before.administrators_only:
                old, new = new, old
            lost = {"login_access_lost_at": at} if new == SupportAvailability.ADMINISTRATORS else {}
            SupportAccess.objects.update_or_create(
                organization=organization, support_organization=support, defaults={"availability": new, **lost}
            )
            record(
                AuditAction.POLICY_CHANGED,
                origin=origin,
                organization=organization,
                at=at,
                before={"support_organization": support.pk, "availability": old.value},
                after={"support_organization": support.pk, "availability": new.value},
                setting=availability_label(support),
                old=str(old.label),
                new=str(new.label),
            )
