"""The Login Access Policies page: whether it can be saved here, by whom, and the one act that saves it."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from orgs.audit import AuditAction, record
from orgs.editions import Feature
from orgs.models import LoginAccessPolicy, Organization
from orgs.permissions import ADMINISTRATOR, PermissionMissing
from orgs.signals import any_user_login_lost

if TYPE_CHECKING:
    from accounts.models import User
    from orgs.http import Origin

POLICY_CHANGED = "policy_changed"


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


class PolicyNotAvailable(PermissionDenied):
    """Any-user login can't be switched on here: the edition is too low, or nobody has provisioned it."""


class PolicyChangedMeanwhile(Exception):  # noqa: N818  # said as a page says it
    """Someone saved between the reading of the page and this save. ``policy`` is what holds now."""

    def __init__(self, policy: LoginAccessPolicy) -> None:
        self.policy = policy
        super().__init__(f"{policy.modified_by_name} changed this page meanwhile.")


@dataclass(frozen=True, slots=True)
class Saved:
    """What holds after a save, and how many running visits it ended."""

    policy: LoginAccessPolicy
    visits_ended: int = 0


def is_any_user_login_in_effect(organization: Organization, policy: LoginAccessPolicy) -> bool:
    """Tell whether administrators can log in as any user right now: eligible, provisioned and ticked."""
    return Availability.of(organization) is Availability.AVAILABLE and policy.any_user_login


def holds_what_saving_needs(user: "User") -> bool:
    """Tell whether ``user`` may change any-user login (seed article: "Modify All Data, Manage User")."""
    return all(user.has_permission(permission) for permission in ADMINISTRATOR)


def refuse_unless_savable(user: "User | None", organization: Organization) -> None:
    """Raise :class:`~orgs.permissions.PermissionMissing` or :class:`PolicyNotAvailable` unless ``user`` may save."""
    if user is None or not holds_what_saving_needs(user):
        raise PermissionMissing(sorted(ADMINISTRATOR, key=lambda one: one.bit, reverse=True))
    if Availability.of(organization) is not Availability.AVAILABLE:
        raise PolicyNotAvailable("Administrators Can Log in as Any User is not available to your organization.")


@transaction.atomic
def save_login_access_policy(
    organization: Organization, *, any_user_login: bool, version: int, origin: "Origin", at: datetime | None = None
) -> Saved:
    """Save the page as it was read at ``version``, write the trail, and end what the change takes the ground from.

    Raises what :func:`refuse_unless_savable` does, or :class:`PolicyChangedMeanwhile`.
    """
    at = at or timezone.now()
    policy = LoginAccessPolicy.objects.select_for_update().get(organization=organization)
    organization.refresh_from_db(fields=["edition", "provisioned"])
    refuse_unless_savable(origin.user, organization)
    if policy.version != version:
        raise PolicyChangedMeanwhile(policy)
    if policy.any_user_login == any_user_login:
        return Saved(policy)
    return _switch(policy, organization, on=any_user_login, origin=origin, at=at)


def _switch(
    policy: LoginAccessPolicy, organization: Organization, *, on: bool, origin: "Origin", at: datetime
) -> Saved:
    words = {True: "on", False: "off"}
    policy.any_user_login = on
    policy.version += 1
    policy.modified_at, policy.modified_by_name = at, origin.doer_name
    if not on:
        policy.login_access_lost_at = at
    policy.save()
    record(
        AuditAction.POLICY_CHANGED,
        origin=origin,
        organization=organization,
        at=at,
        before={"any_user_login": not on},
        after={"any_user_login": on},
        setting="Administrators Can Log in as Any User",
        old=words[not on],
        new=words[on],
    )
    if on:
        return Saved(policy)
    answers = any_user_login_lost.send(
        sender=LoginAccessPolicy, organization=organization, cause=POLICY_CHANGED, origin=origin, at=at
    )
    return Saved(policy, visits_ended=sum(int(ended or 0) for _, ended in answers))
