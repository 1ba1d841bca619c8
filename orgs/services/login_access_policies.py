"""The Login Access Policies page's one act."""

from datetime import datetime
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
    from orgs.http import Origin

POLICY_CHANGED = "policy_changed"


class PolicyNotAvailable(PermissionDenied):
    """Any-user login can't be switched on here: the edition is too low, or nobody has provisioned it."""


class PolicyChangedMeanwhile(Exception):  # noqa: N818  # said as a page says it
    """Someone saved between the reading of the page and this save. ``policy`` is what holds now."""

    def __init__(self, policy: LoginAccessPolicy) -> None:
        self.policy = policy
        super().__init__(f"{policy.modified_by_name} changed this page meanwhile.")


@transaction.atomic
def save_login_access_policy(
    organization: Organization, *, any_user_login: bool, version: int, origin: "Origin", at: datetime | None = None
) -> LoginAccessPolicy:
    """Save the page as it was read at ``version``, write the trail, and end what the change takes the ground from.

    Raises :class:`~orgs.permissions.PermissionMissing` (seed article: Modify All Data and Manage Users),
    :class:`PolicyNotAvailable` (crafted save) or :class:`PolicyChangedMeanwhile`.
    """
    at = at or timezone.now()
    policy = LoginAccessPolicy.objects.select_for_update().get(organization=organization)
    organization.refresh_from_db(fields=["edition", "provisioned"])
    if origin.user is None or not all(origin.user.has_permission(one) for one in ADMINISTRATOR):
        raise PermissionMissing(sorted(ADMINISTRATOR, key=lambda one: one.bit))
    if not (organization.has(Feature.ANY_USER_LOGIN) and organization.provisioned):
        message = "Administrators Can Log in as Any User is not available to your organization."
        raise PolicyNotAvailable(message)
    if policy.version != version:
        raise PolicyChangedMeanwhile(policy)
    if policy.any_user_login != any_user_login:
        _switch(policy, organization, on=any_user_login, origin=origin, at=at)
    return policy


def _switch(policy: LoginAccessPolicy, organization: Organization, *, on: bool, origin: "Origin", at: datetime) -> None:
    words = {True: "on", False: "off"}
    policy.any_user_login = on
    policy.version += 1
    policy.modified_at, policy.modified_by_name = at, name_of(origin)
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
    if not on:
        any_user_login_lost.send(
            sender=LoginAccessPolicy, organization=organization, cause=POLICY_CHANGED, origin=origin, at=at
        )


def name_of(origin: "Origin") -> str:
    """Return who changed something as created-and-modified columns have it: both names inside a visit."""
    if origin.is_impersonating:
        return f"{origin.user} (by {origin.actor})"
    return str(origin.user or origin.command)
