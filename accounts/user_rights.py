"""What a user may do, beside what the profile permits, and where that comes from: for the page View Summary."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Prefetch

from orgs.editions import Feature
from orgs.permissions import Permission
from orgs.text import listed

from .enums import OperatorRole
from .login_access import Facts, Grant, Verdict, may_impersonate
from .models import DelegatedGroup, Profile, Role, User
from .who_can import any_administrator

if TYPE_CHECKING:
    from orgs.models import LoginAccessPolicy, Organization

# --- delegated administration ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delegated:
    """What one delegated group adds. Its roles count with everything below them."""

    group: DelegatedGroup
    roles: tuple[Role, ...]
    profiles: tuple[Profile, ...]

    @property
    def role_words(self) -> str:
        """The roles, in words."""
        return listed([str(role) for role in self.roles])


def delegated_to(user: User) -> list[Delegated]:
    """Return what each delegated group of ``user`` adds, by name. Three queries, or one where there is none."""
    groups = user.delegated_groups.order_by("name", "id").prefetch_related(
        Prefetch("roles", Role.objects.order_by("path")), Prefetch("profiles", Profile.objects.order_by("name", "id"))
    )
    return [Delegated(group, tuple(group.roles.all()), tuple(group.profiles.all())) for group in groups]


def why_no_delegate(user: User) -> str:
    """Return why the groups of ``user`` give nothing at present; nothing where they do."""
    organization = user.organization
    if not organization.has(Feature.DELEGATED_ADMINISTRATION):
        return f"{organization.get_edition_display()} Edition has no delegated administration."
    if not user.has_permission(Permission.VIEW_SETUP):
        return f"A delegated administrator needs {Permission.VIEW_SETUP.label}, which the profile does not permit."
    return ""


# --- the operator console ----------------------------------------------------------------------------------------

_OPERATOR_WORDS: dict[OperatorRole, str] = {
    OperatorRole.SALES: (
        "As Sales: create customers, change their editions, provision features and set the Account Executive."
    ),
    OperatorRole.SUPPORT: "As Support: read customers, work their requests, and see the users who granted access.",
}


def operator_words(user: User) -> str:
    """Return what the operator role of ``user`` adds; nothing where there is none."""
    return _OPERATOR_WORDS.get(OperatorRole(user.operator_role), "")


# --- whom they may log in as -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of people, and the rule's answer whether ``user`` may log in as someone of it."""

    whom: str
    verdict: Verdict

    @property
    def why(self) -> str:
        """What a yes rests on, or the reason for a no."""
        return self.verdict.in_words()


def ways_in(user: User, policy: "LoginAccessPolicy", groups: list[Delegated], *, at: datetime) -> list[Way]:
    """Return as whom ``user`` may log in, by kinds: the rule is asked for someone imaginary of each.

    None for whoever may not log in as users at all. Asks the database nothing.
    """
    if user.is_support_agent:
        return [_as_support(user, at=at)]
    facts = Facts.of(user.organization, policy)
    if user.is_administrator:
        return _as_administrator(user, facts, at=at)
    login_groups = [one for one in groups if one.group.login_access and one.roles]
    if why_no_delegate(user):
        return []
    return [way for one in login_groups for way in _as_delegate(user, facts, one, at=at)]


def _as_administrator(user: User, facts: Facts, *, at: datetime) -> list[Way]:
    organization = user.organization
    ways = [Way("Every active user who is not external", _ask(user, _somebody(organization), facts, at=at))]
    if ways[0].verdict and facts.protect_administrators:
        ways.append(Way("Other administrators", _ask(user, any_administrator(organization), facts, at=at)))
    if facts.is_eligible and not all(way.verdict for way in ways):
        granted = _granted(facts, at=at)
        ways.append(Way("Users who granted it", _ask(user, any_administrator(organization), granted, at=at)))
    return ways


def _as_delegate(user: User, facts: Facts, delegated: Delegated, *, at: datetime) -> list[Way]:
    group, whom = delegated.group, f"in the role {delegated.role_words} or below"
    facts = replace(facts, is_delegate=True, group_id=group.pk)
    somebody = _somebody(user.organization)
    ways = [Way(f"Users {whom} who administer nothing themselves", _ask(user, somebody, facts, at=at))]
    if facts.is_eligible and not ways[0].verdict:
        ways.append(
            Way(f"Of these, users who granted it ({group})", _ask(user, somebody, _granted(facts, at=at), at=at))
        )
    return ways


def _as_support(user: User, *, at: datetime) -> Way:
    # Of a customer, whichever: of its settings nothing counts but the grant.
    customer = User(profile=Profile())
    facts = _granted(Facts(edition="", provisioned=False, any_user_login=False), at=at)
    return Way(f"Users of customers who granted {user.organization} access", _ask(user, customer, facts, at=at))


def _ask(user: User, target: User, facts: Facts, *, at: datetime) -> Verdict:
    return may_impersonate(actor=user, target=target, facts=facts, at=at)


def _granted(facts: Facts, *, at: datetime) -> Facts:
    """Return the same with a live grant of the target's."""
    return replace(facts, grant=Grant(0, at + timedelta(days=1)))


def _somebody(organization: "Organization") -> User:
    """Return a plain user who is nobody in particular."""
    return User(organization=organization, profile=Profile())
