"""May X log in as Y, and why not? The one answer.

The users list, the user page, the console, the start service and the middleware all ask it; none derives it again.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from orgs.editions import Feature, has_feature
from orgs.permissions import Permission, to_bits

from .enums import Basis, Refusal

if TYPE_CHECKING:
    from orgs.models import LoginAccessPolicy, Organization

    from .models import User

# A delegate who could wear one of these would administer more than was delegated.
MORE_THAN_DELEGATED = frozenset(
    {
        Permission.MODIFY_ALL_DATA,
        Permission.MANAGE_USERS,
        Permission.MANAGE_PROFILES,
        Permission.CUSTOMIZE_APPLICATION,
        Permission.MANAGE_LOGIN_ACCESS_POLICIES,
    }
)
MORE_THAN_DELEGATED_BITS = to_bits(MORE_THAN_DELEGATED)

# What a grant from the target heals, all else staying as it is.
HEALED_BY_GRANT = frozenset(
    {Refusal.PROTECTED, Refusal.NOT_PROVISIONED, Refusal.GRANT_EXPIRED, Refusal.OFF, Refusal.NO_GRANT}
)


@dataclass(frozen=True, slots=True)
class Grant:
    """What the rule reads of a grant."""

    id: int
    expires_at: datetime
    revoked_at: datetime | None = None

    def is_live(self, at: datetime) -> bool:
        """Tell whether it runs at ``at``."""
        return self.revoked_at is None and at < self.expires_at

    def has_run_out(self, at: datetime) -> bool:
        """Tell whether it came to its end by itself. A revoked one counts as none."""
        return self.revoked_at is None and at >= self.expires_at


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rule reads beside the two people.

    The first lines are the target's organization's, with when each last was lost; then what ties this actor to this
    target (accounts/facts.py collects it), and whether the actor is inside a visit already.
    """

    edition: str
    provisioned: bool
    any_user_login: bool
    protect_administrators: bool = False
    edition_lost_at: datetime | None = None
    deprovisioned_at: datetime | None = None
    login_access_lost_at: datetime | None = None
    # The target's latest grant to whom the actor belongs to: own administrators, or a support organization. Of a
    # running visit that rests on a grant, that one.
    grant: Grant | None = None
    # Whether the actor is a delegate of a group with login access; the one that has the target in reach, if any. Of a
    # running visit that rests on a group, that one.
    is_delegate: bool = False
    group_id: int | None = None
    group_lost_at: datetime | None = None
    # Whether a support organization may be granted access by users, or by administrators only.
    is_support_available_to_users: bool = True
    support_lost_at: datetime | None = None
    is_impersonating: bool = False

    @classmethod
    def of(
        cls, organization: "Organization", policy: "LoginAccessPolicy", *, is_impersonating: bool = False
    ) -> "Facts":
        """Collect what is the same for every target of an organization, from rows that were already fetched."""
        return cls(
            edition=organization.edition,
            provisioned=organization.provisioned,
            any_user_login=policy.any_user_login,
            protect_administrators=policy.protect_administrators,
            edition_lost_at=organization.edition_lost_at,
            deprovisioned_at=organization.deprovisioned_at,
            login_access_lost_at=policy.login_access_lost_at,
            is_impersonating=is_impersonating,
        )

    @property
    def is_eligible(self) -> bool:
        """Whether the edition has any-user login at all, and grants to one's own administrators with it."""
        return has_feature(self.edition, Feature.ANY_USER_LOGIN)

    @property
    def is_any_user_login_in_effect(self) -> bool:
        """Eligible, provisioned and ticked: three facts (the seed article keeps them apart)."""
        return self.is_eligible and self.provisioned and self.any_user_login


@dataclass(frozen=True, slots=True)
class Running:
    """What a running impersonation has recorded of itself: all that it may go on resting on."""

    basis: str
    started_at: datetime
    group_id: int | None = None

    @property
    def is_on_grant(self) -> bool:
        """Whether it rests on a grant."""
        return self.basis != Basis.ANY_USER


@dataclass(frozen=True, slots=True)
class Verdict:
    """Yes with what it rests on, or no with its reason and, where it is known, since when. A no is falsy."""

    refusal: Refusal | None = None
    basis: Basis | None = None
    grant_id: int | None = None
    group_id: int | None = None
    since: datetime | None = None

    def __bool__(self) -> bool:
        return self.refusal is None

    @property
    def reason(self) -> str:
        """The reason in words; empty for a yes."""
        return "" if self.refusal is None else str(self.refusal.label)

    def in_words(self, *, to_target: bool = False) -> str:
        """Return what a yes rests on, or the reason for a no; as the target is told it with ``to_target``."""
        said = self.refusal or self.basis
        return "" if said is None else said.to_target if to_target else str(said.label)

    @property
    def short(self) -> str:
        """The reason in two or three words; empty for a yes."""
        return "" if self.refusal is None else self.refusal.short


def may_impersonate(  # one condition each, in the order of the specification
    *,
    actor: "User",
    target: "User | None",
    facts: Facts,
    at: datetime,
    running: Running | None = None,
) -> Verdict:
    """Answer whether ``actor`` may log in as ``target`` at ``at``, with the first refusal that applies.

    The seed article's rules and the specification's section 4, from the question that makes no sense to the policy
    that says no. Pure: it reads what it is handed and asks no database. With ``running`` it is asked again in the
    middle of a visit: *already logged in* is not asked, only what the visit has recorded counts, and that must have
    held without a break since it began.
    """
    if target is None:
        return Verdict(Refusal.NOT_FOUND)
    is_support = target.organization_id != actor.organization_id
    if is_support and not actor.is_support_agent:
        return Verdict(Refusal.NOT_FOUND if running is None else Refusal.NO_PERMISSION)
    is_delegated = not is_support and _is_delegated(actor, running)
    if is_delegated and running is not None and running.group_id is not None and not facts.is_delegate:
        return Verdict(Refusal.NOT_DELEGATE, since=_since(facts.group_lost_at, running))
    if is_delegated and not _may_delegate(actor, facts, running):
        return Verdict(Refusal.NO_PERMISSION)
    if target.pk == actor.pk:
        return Verdict(Refusal.SELF)
    if facts.is_impersonating and running is None:
        return Verdict(Refusal.NESTED)
    if not target.is_active:
        return Verdict(Refusal.INACTIVE)
    if target.is_external:
        return Verdict(Refusal.EXTERNAL)
    if is_delegated and facts.group_id is None:
        return Verdict(Refusal.OUT_OF_REACH)
    if is_delegated and (since := _since(facts.group_lost_at, running)):
        return Verdict(Refusal.NOT_DELEGATE, since=since)
    if is_delegated and target.profile.permission_bits & MORE_THAN_DELEGATED_BITS:
        return Verdict(Refusal.NO_CLIMBING)
    since = None if is_support else _since(facts.edition_lost_at, running, holds=facts.is_eligible)
    if not is_support and (since or not facts.is_eligible):
        return Verdict(Refusal.EDITION, since=since)
    if running is not None and running.is_on_grant:
        return _on_the_same_grant(target, facts, running, at)
    group_id = facts.group_id if is_delegated else None
    # A running visit rests on what it has recorded, and this one has recorded no grant.
    on_grant = (
        _on_a_grant(target, facts, at, is_support=is_support, group_id=group_id)
        if running is None
        else Verdict(Refusal.NO_GRANT)
    )
    if facts.protect_administrators and target.is_administrator:
        return on_grant or Verdict(Refusal.PROTECTED)
    if is_support:
        return on_grant
    without = _without_any_user_login(facts, running)
    if without is None:
        return Verdict(basis=Basis.ANY_USER, group_id=group_id)
    if on_grant or (without.refusal == Refusal.OFF and on_grant.refusal == Refusal.GRANT_EXPIRED):
        return on_grant
    return without


def is_healed_by_grant(verdict: Verdict, *, actor: "User", target: "User", facts: Facts, at: datetime) -> bool:
    """Tell whether a grant from ``target`` would turn the rule's no into a yes: the rule is asked with such a grant."""
    granted = replace(facts, grant=Grant(0, at + timedelta(days=1)))
    return verdict.refusal in HEALED_BY_GRANT and bool(
        may_impersonate(actor=actor, target=target, facts=granted, at=at)
    )


def _is_delegated(actor: "User", running: Running | None) -> bool:
    """Tell whether the actor asks as a delegate: an administrator asks as that, but for what began otherwise."""
    return not actor.is_administrator or (running is not None and running.group_id is not None)


def _may_delegate(actor: "User", facts: Facts, running: Running | None) -> bool:
    """Tell whether the actor is a delegate with login access; a visit that began without a group finds none later."""
    has_group = running is None or running.group_id is not None
    return has_group and facts.is_delegate and actor.has_permission(Permission.VIEW_SETUP)


def _on_a_grant(target: "User", facts: Facts, at: datetime, *, is_support: bool, group_id: int | None) -> Verdict:
    """Answer by the target's latest grant alone; one that a support organization was barred from counts as none."""
    grant = facts.grant
    if grant is None or (is_support and not _is_support_available(target, facts)):
        return Verdict(Refusal.NO_GRANT)
    if grant.is_live(at):
        basis = Basis.SUPPORT_GRANT if is_support else Basis.GRANT
        return Verdict(basis=basis, grant_id=grant.id, group_id=group_id)
    return Verdict(Refusal.GRANT_EXPIRED if grant.has_run_out(at) else Refusal.NO_GRANT)


def _on_the_same_grant(target: "User", facts: Facts, running: Running, at: datetime) -> Verdict:
    """Answer for a running visit that rests on a grant: nothing else can stand in for it."""
    grant = facts.grant
    if grant is None:
        return Verdict(Refusal.NO_GRANT)
    if grant.revoked_at is not None:
        # A start may have missed what was revoked at the same moment; no visit ends before it began.
        return Verdict(Refusal.NO_GRANT, since=max(grant.revoked_at, running.started_at))
    if at >= grant.expires_at:
        return Verdict(Refusal.GRANT_EXPIRED, since=grant.expires_at)
    if running.basis == Basis.SUPPORT_GRANT and not target.is_administrator:
        since = _since(facts.support_lost_at, running, holds=facts.is_support_available_to_users)
        if since or not facts.is_support_available_to_users:
            return Verdict(Refusal.NOT_AVAILABLE, since=since)
    return Verdict(basis=Basis(running.basis), grant_id=grant.id, group_id=running.group_id)


def _is_support_available(target: "User", facts: Facts) -> bool:
    """Tell whether the target may grant the support organization access, by table 2 of Login Access Policies."""
    return facts.is_support_available_to_users or target.is_administrator


def _without_any_user_login(facts: Facts, running: Running | None) -> Verdict | None:
    """Return why any-user login is not in effect on an eligible edition, or was not for a while; None where it is."""
    since = _since(facts.deprovisioned_at, running, holds=facts.provisioned)
    if since or not facts.provisioned:
        return Verdict(Refusal.NOT_PROVISIONED, since=since)
    since = _since(facts.login_access_lost_at, running, holds=facts.any_user_login)
    if since or not facts.any_user_login:
        return Verdict(Refusal.OFF, since=since)
    return None


def _since(lost_at: datetime | None, running: Running | None, *, holds: bool = True) -> datetime | None:
    """Return when something was lost, if that was while the visit ran; it may well be back by now.

    What does not hold, and was lost just before a start that could not see it yet, was never there for the visit.
    """
    if running is None or lost_at is None:
        return None
    if lost_at < running.started_at:
        return None if holds else running.started_at
    return lost_at
