"""Grants: whom a user lets log in as them, and until when. Only the person grants; rows are kept as history."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import DateTimeField, Value
from django.db.models.functions import Least
from django.utils import timezone

from accounts.enums import GrantDuration
from accounts.models import Impersonation, LoginAccessGrant, User
from accounts.who_can import Standing, why_grant_does_not_count
from orgs.audit import AuditAction, record
from orgs.editions import Feature
from orgs.permissions import RefusedInside
from orgs.services.guards import lock_organization

from .access_answers import close_as_granted
from .sessions import lock_ids
from .visits import VisitsOf, end_lost_visits

if TYPE_CHECKING:
    from accounts.who_can import Support
    from orgs.http import Origin
    from orgs.models import Organization

COMPANY = "company"
COMPANY_NAME = "Your Company's Administrator"


class NoGrantPage(PermissionDenied):
    """External users are never logged in as, so they grant nothing."""

    def __init__(self) -> None:
        super().__init__("External users grant no login access: nobody logs in as them.")


class OnlyThePersonGrants(PermissionDenied):
    """Nobody grants, or answers, for someone else."""

    def __init__(self, user: User) -> None:
        super().__init__(f"Only {user} can grant access to this account.")


class GrantRefused(Exception):  # noqa: N818  # said as a page says it
    """A grant that can't be given as it was asked for. Nothing was saved."""


@dataclass(frozen=True, slots=True)
class Grantee:
    """One row of the page: whom a person may grant access, or has granted it."""

    key: str
    name: str
    # None for the person's own administrators.
    organization: "Organization | None"
    is_available: bool
    # The live one, and why it lets nobody in at present.
    grant: LoginAccessGrant | None = None
    why_not: str = ""


def require_grant_page(user: User) -> None:
    """Raise :class:`NoGrantPage` for external users."""
    if user.is_external:
        raise NoGrantPage


def require_own_hands(user: User, origin: "Origin") -> None:
    """Raise unless ``origin`` is ``user``, and nobody in their account."""
    if origin.is_impersonating:
        raise RefusedInside(str(origin.user))
    if origin.user != user:
        raise OnlyThePersonGrants(user)


def grantees_of(
    user: User, *, at: datetime, standing: Standing | None = None, to_target: bool = False
) -> list[Grantee]:
    """Return whom ``user`` may grant access at ``at``, and whom they have: a live grant always stands there.

    With ``to_target`` it is ``user`` who reads it. Two queries, or none where ``standing`` is at hand.
    """
    standing = standing or Standing.of(user)
    rows = [_grantee(standing, one, at=at, to_target=to_target) for one in (None, *standing.support)]
    return [row for row in rows if row.is_available or row.grant is not None]


def _grantee(standing: Standing, support: "Support | None", *, at: datetime, to_target: bool) -> Grantee:
    user = standing.target
    organization = support.organization if support else None
    latest = standing.grants.get(organization.pk if organization else None)
    grant = latest if latest is not None and latest.is_live(at) else None
    why_not = ""
    if grant is not None:
        shared, known = standing.shared, standing.support
        why_not = why_grant_does_not_count(grant, user, known, shared=shared, at=at, to_target=to_target)
    return Grantee(
        key=str(organization.pk) if organization else COMPANY,
        name=str(organization) if organization else COMPANY_NAME,
        organization=organization,
        is_available=support.is_available_to(user) if support else _is_company_available(standing),
        grant=grant,
        why_not=why_not,
    )


def _is_company_available(standing: Standing) -> bool:
    """Tell whether it makes sense to grant one's own administrators access: the edition has it, and they need it."""
    user, facts = standing.target, standing.shared
    is_needed = not facts.is_any_user_login_in_effect or (facts.protect_administrators and user.is_administrator)
    return is_needed and user.organization.has(Feature.GRANT_TO_ADMINISTRATORS)


@transaction.atomic
def save_grants(
    user: User, choices: Mapping[str, str], *, origin: "Origin", at: datetime | None = None
) -> list[LoginAccessGrant]:
    """Give or revoke what ``choices`` says, by the keys of :func:`grantees_of`; what it leaves out stays as it is.

    Another duration while one is live is a new row, on which running visits go on resting. *No Access* ends those that
    rest on the grant, in this transaction. Raises :class:`GrantRefused` for what can't be chosen, before anything is
    written. Returns the grants that were given or revoked.
    """
    at = at or timezone.now()
    require_own_hands(user, origin)
    fresh = _lock(user)
    require_grant_page(fresh)
    rows = {row.key: row for row in grantees_of(fresh, at=at)}
    chosen = [_choose(rows, key, duration) for key, duration in choices.items()]
    locked = _lock_visits(fresh)
    changed = []
    for row, duration in chosen:
        if duration != GrantDuration.NONE:
            changed.append(_give(fresh, row, duration, origin=origin, at=at))
        elif row.grant is not None:
            changed.append(_revoke(row.grant, row, origin=origin, at=at, locked=locked))
    return changed


def _lock(user: User) -> User:
    """Lock the organization, so that two tabs come one after the other, and read the person anew."""
    organization = lock_organization(user.organization_id)
    fresh: User = User.objects.select_related("profile", "role").get(pk=user.pk)
    fresh.organization = organization
    return fresh


def _choose(rows: Mapping[str, Grantee], key: str, duration: str) -> tuple[Grantee, GrantDuration]:
    """Return what was chosen, or raise what is wrong with it."""
    if duration not in GrantDuration.values:
        raise GrantRefused("Access is granted for one of the durations that are offered. Nothing was saved.")
    chosen = GrantDuration(duration)
    row = rows.get(key)
    if row is None:
        raise GrantRefused("You can't grant access to this grantee. Nothing was saved.")
    if chosen != GrantDuration.NONE and not row.is_available:
        raise GrantRefused(f"You can't grant access to {row.name} at present. Nothing was saved.")
    return row, chosen


def _lock_visits(user: User) -> list[int]:
    """Lock the sessions of every open visit in the account, all in one order, before any is touched."""
    visits = Impersonation.objects.open().filter(target=user, grant__isnull=False)
    return lock_ids([pk for pair in visits.values_list("session_id", "actor_session_id") for pk in pair])


def _give(user: User, row: Grantee, duration: GrantDuration, *, origin: "Origin", at: datetime) -> LoginAccessGrant:
    until = at + duration.length
    if row.grant is not None:
        LoginAccessGrant.objects.filter(pk=row.grant.pk).update(revoked_at=at)
    latest = LoginAccessGrant.objects.filter(user=user, support_organization=row.organization, is_latest=True)
    latest.update(is_latest=False)
    grant = LoginAccessGrant.objects.create(
        organization=user.organization,
        user=user,
        support_organization=row.organization,
        granted_at=at,
        expires_at=until,
    )
    if row.grant is not None:
        resting = Impersonation.objects.open().filter(grant=row.grant)
        resting.update(grant=grant, ends_at=Least("ends_at", Value(until, output_field=DateTimeField())))
    record(
        AuditAction.GRANT_GIVEN,
        origin=origin,
        organization=user.organization_id,
        about=user,
        at=at,
        before={"until": row.grant.expires_at.isoformat()} if row.grant else {},
        after={"until": until.isoformat(), "duration": duration.value},
        grantee=row.name,
        until=f"{until:%Y-%m-%d %H:%M} UTC",
    )
    close_as_granted(user, row.organization or user.organization, origin=origin, at=at)
    return grant


def _revoke(
    grant: LoginAccessGrant, row: Grantee, *, origin: "Origin", at: datetime, locked: Collection[int]
) -> LoginAccessGrant:
    grant.revoked_at = at
    grant.save(update_fields=["revoked_at"])
    record(
        AuditAction.GRANT_REVOKED,
        origin=origin,
        organization=grant.organization_id,
        about=origin.user,
        at=at,
        before={"until": grant.expires_at.isoformat()},
        after={"revoked_at": at.isoformat()},
        grantee=row.name,
    )
    end_lost_visits(VisitsOf.grant(grant), origin=origin, at=at, among=locked)
    return grant
