"""May X log in as Y, and why not? The one answer.

The users list, the user page, the start service and the middleware all ask it; none derives it again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from orgs.editions import Feature, has_feature

from .enums import Basis, Refusal

if TYPE_CHECKING:
    from orgs.models import LoginAccessPolicy, Organization

    from .models import User


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rule reads beside the two people: facts of the target's organization, and of the actor's session."""

    edition: str
    provisioned: bool
    any_user_login: bool
    protect_administrators: bool = False
    login_access_lost_at: datetime | None = None
    is_impersonating: bool = False

    @classmethod
    def of(
        cls, organization: "Organization", policy: "LoginAccessPolicy", *, is_impersonating: bool = False
    ) -> "Facts":
        """Collect the facts from rows that were already fetched."""
        return cls(
            edition=organization.edition,
            provisioned=organization.provisioned,
            any_user_login=policy.any_user_login,
            protect_administrators=policy.protect_administrators,
            login_access_lost_at=policy.login_access_lost_at,
            is_impersonating=is_impersonating,
        )

    @property
    def is_eligible(self) -> bool:
        """Whether the edition has any-user login at all."""
        return has_feature(self.edition, Feature.ANY_USER_LOGIN)

    @property
    def is_any_user_login_in_effect(self) -> bool:
        """Eligible, provisioned and ticked: three facts (the seed article keeps them apart)."""
        return self.is_eligible and self.provisioned and self.any_user_login


@dataclass(frozen=True, slots=True)
class Running:
    """What a running impersonation has recorded of itself."""

    basis: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """Yes with what it rests on, or no with its reason. A no is falsy."""

    refusal: Refusal | None = None
    basis: Basis | None = None

    def __bool__(self) -> bool:
        return self.refusal is None

    @property
    def reason(self) -> str:
        """The reason in words; empty for a yes."""
        return "" if self.refusal is None else str(self.refusal.label)

    @property
    def short(self) -> str:
        """The reason in two or three words; empty for a yes."""
        return "" if self.refusal is None else self.refusal.short


def may_impersonate(  # one condition each, in the order of the specification
    *,
    actor: "User",
    target: "User | None",
    facts: Facts,
    at: datetime,  # noqa: ARG001  # the clock is handed in, for whatever has an end
    running: Running | None = None,
) -> Verdict:
    """Answer whether ``actor`` may log in as ``target`` at ``at``, with the first refusal that applies.

    The seed article's rules, from the question that makes no sense to the policy that says no. Pure: it reads what it
    is handed and asks no database. With ``running`` it is asked again in the middle of a visit: *already logged in*
    is not asked, and what the visit rests on must have held without a break since it began.
    """
    if target is None or target.organization_id != actor.organization_id:
        return Verdict(Refusal.NOT_FOUND)
    if not actor.is_administrator:
        return Verdict(Refusal.NO_PERMISSION)
    if target.pk == actor.pk:
        return Verdict(Refusal.SELF)
    if facts.is_impersonating and running is None:
        return Verdict(Refusal.NESTED)
    if not target.is_active:
        return Verdict(Refusal.INACTIVE)
    if target.is_external:
        return Verdict(Refusal.EXTERNAL)
    if not facts.is_eligible:
        return Verdict(Refusal.EDITION)
    if facts.protect_administrators and target.is_administrator:
        return Verdict(Refusal.PROTECTED)
    if not facts.provisioned:
        return Verdict(Refusal.NOT_PROVISIONED)
    if not facts.any_user_login or _was_lost_since(running, facts):
        return Verdict(Refusal.OFF)
    return Verdict(basis=Basis.ANY_USER)


def _was_lost_since(running: Running | None, facts: Facts) -> bool:
    """Tell whether any-user login stopped after the visit began, though it may be on again by now."""
    return (
        running is not None
        and facts.login_access_lost_at is not None
        and running.started_at <= facts.login_access_lost_at
    )
