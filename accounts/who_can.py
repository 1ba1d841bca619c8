"""Who can log in as one person: the rule's own answer for each who might ask.

For whom there is no row to ask for (any administrator, whichever agent of a support organization) the rule is asked
for an imaginary one.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db.models import F, OuterRef, Q, Subquery

from orgs.models import Organization, OrganizationKind, SupportAccess, SupportAvailability
from orgs.paging import PAGE_SIZE, Page, keyset_page
from orgs.permissions import ADMINISTRATOR_BITS

from .enums import OperatorRole, Refusal
from .facts import Reach, grant_facts
from .login_access import Facts, Verdict, may_impersonate
from .models import DelegatedGroup, LoginAccessGrant, Profile, User

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from orgs.models import LoginAccessPolicy

# --- people who are nobody ---------------------------------------------------------------------------------------


def any_administrator(organization: Organization) -> User:
    """Return an administrator who is nobody in particular, to ask the rule for."""
    return User(organization=organization, profile=Profile(permission_bits=ADMINISTRATOR_BITS))


def any_agent(support_organization: Organization) -> User:
    """Return a support agent who is nobody in particular, to ask the rule for."""
    return User(organization=support_organization, profile=Profile(), operator_role=OperatorRole.SUPPORT)


def is_open_to_administrators(user: User, *, at: datetime) -> bool:
    """Tell whether any administrator of the organization can log in as ``user`` without a grant."""
    organization = user.organization
    facts = Facts.of(organization, organization.login_access_policy)
    return bool(may_impersonate(actor=any_administrator(organization), target=user, facts=facts, at=at))


# --- what is the same whoever asks -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Support:
    """A support organization, as one customer sees it."""

    organization: Organization
    is_available_to_users: bool

    def is_available_to(self, user: User) -> bool:
        """Tell whether ``user`` may grant it access, by table 2 of Login Access Policies."""
        return self.is_available_to_users or user.is_administrator


def support_organizations(customer: Organization) -> list[Support]:
    """Return the support organizations that people of ``customer`` may grant access to, by name. One query."""
    decided = SupportAccess.objects.filter(organization=customer, support_organization=OuterRef("pk"))
    rows = (
        Organization.objects.filter(kind=OrganizationKind.OPERATOR)
        .exclude(pk=customer.pk)
        .annotate(availability=Subquery(decided.values("availability")))
        .order_by("name", "id")
    )
    # Where nothing was decided it is available to users.
    return [Support(row, row.availability != SupportAvailability.ADMINISTRATORS) for row in rows]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rule reads of one target, whoever asks."""

    target: User
    shared: Facts
    # The latest grant to each: a support organization's id, or None for the company's administrators.
    grants: Mapping[int | None, LoginAccessGrant]
    support: Sequence[Support]

    @classmethod
    def of(cls, target: User, policy: "LoginAccessPolicy | None" = None) -> Self:
        """Collect it in two queries, and one for the policy where it is not at hand."""
        organization = target.organization
        latest = LoginAccessGrant.objects.filter(user=target, is_latest=True).select_related("support_organization")
        return cls(
            target=target,
            shared=Facts.of(organization, policy or organization.login_access_policy),
            grants={grant.support_organization_id: grant for grant in latest},
            support=support_organizations(organization),
        )

    def asked_by(self, person: User, reaches: Sequence[Reach] = (), *, at: datetime) -> Verdict:
        """Ask the rule for someone of the target's own organization, with what they reach as a delegate."""
        # Of no use to anyone else, and a list does not fetch it.
        path = self.target.role.path if reaches and self.target.role else None
        facts = replace(
            self._with_grant(None),
            is_delegate=bool(reaches),
            group_id=next((reach.group_id for reach in reaches if reach.has(path)), None),
        )
        return may_impersonate(actor=person, target=self.target, facts=facts, at=at)

    def asked_by_support(self, support: Support, *, at: datetime) -> Verdict:
        """Ask the rule for an agent of a support organization."""
        organization = support.organization
        facts = replace(self._with_grant(organization.pk), is_support_available_to_users=support.is_available_to_users)
        return may_impersonate(actor=any_agent(organization), target=self.target, facts=facts, at=at)

    def _with_grant(self, grantee: int | None) -> Facts:
        grant = self.grants.get(grantee)
        return self.shared if grant is None else replace(self.shared, grant=grant_facts(grant))


def why_grant_does_not_count(
    grant: LoginAccessGrant,
    user: User,
    support: Iterable[Support],
    *,
    shared: Facts,
    at: datetime,
    to_target: bool = False,
) -> str:
    """Return why a live grant lets nobody in at ``at``, or nothing where it does. Asks the database nothing.

    With ``to_target`` it is ``user`` who reads it.
    """
    standing = Standing(user, shared, {grant.support_organization_id: grant}, ())
    if grant.support_organization_id is None:
        return _why_not(standing.asked_by(any_administrator(user.organization), at=at), to_target=to_target)
    found = next((one for one in support if one.organization.pk == grant.support_organization_id), None)
    if found is None or not found.is_available_to(user):
        # The rule counts such a grant as none, which would read as if it had not been given.
        return _only_for_administrators(grant.grantee_name)
    return _why_not(standing.asked_by_support(found, at=at), to_target=to_target)


def _why_not(verdict: Verdict, *, to_target: bool) -> str:
    return "" if verdict else verdict.in_words(to_target=to_target)


# --- the list ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """Someone who might log in as the target, and the rule's answer."""

    name: str
    kind: str
    verdict: Verdict
    # What a yes rests on, or the reason for a no.
    why: str

    @classmethod
    def of(cls, name: str, kind: str, verdict: Verdict, *, no_grant: str, to_target: bool) -> Self:
        """Word the rule's answer; of a support organization without a grant in the words of ``no_grant``."""
        is_without = bool(no_grant) and verdict.refusal == Refusal.NO_GRANT
        return cls(name, kind, verdict, no_grant if is_without else verdict.in_words(to_target=to_target))


@dataclass(frozen=True, slots=True)
class WhoCan:
    """One page of who can log in as someone. Support organizations stand on the first."""

    rows: Sequence[Asked]
    page: Page[User]


def who_can(
    standing: Standing, *, at: datetime, cursor: str = "", size: int = PAGE_SIZE, to_target: bool = False
) -> WhoCan:
    """Ask the rule for support organizations, administrators and delegates who can sign in, by name. Three queries.

    With ``to_target`` it is the target who reads it.
    """
    people = _administrators_and_delegates(standing.target).select_related("profile")
    page = keyset_page(people, order=("name_key", "id"), cursor=cursor, size=size)
    reaches = _reaches_of_all([person.pk for person in page.rows])
    rows = [
        Asked.of(
            str(person),
            "Administrator" if person.is_administrator else "Delegated administrator",
            standing.asked_by(person, reaches[person.pk], at=at),
            no_grant="",
            to_target=to_target,
        )
        for person in page.rows
    ]
    if page.previous_cursor is None:
        rows = [*_support_rows(standing, at=at, to_target=to_target), *rows]
    return WhoCan(rows, page)


def _support_rows(standing: Standing, *, at: datetime, to_target: bool) -> list[Asked]:
    rows = []
    for one in standing.support:
        name = str(one.organization)
        is_barred = not one.is_available_to(standing.target)
        no_grant = _only_for_administrators(name) if is_barred else f"There is no grant to {name}."
        verdict = standing.asked_by_support(one, at=at)
        rows.append(Asked.of(name, "Support organization", verdict, no_grant=no_grant, to_target=to_target))
    return rows


def _only_for_administrators(name: str) -> str:
    return f"{name} is available to administrators only."


def _administrators_and_delegates(target: User) -> "QuerySet[User]":
    """Return who of the target's organization might log in as others at all, but the target.

    Ids first, so that the few are found by the many's indexes: an OR across both is one that no index answers.
    """
    organization = target.organization_id
    held = F("permission_bits").bitand(ADMINISTRATOR_BITS)
    profiles = Profile.objects.filter(organization=organization).alias(held=held).filter(held=ADMINISTRATOR_BITS)
    by_profile = User.objects.filter(profile__in=list(profiles.values_list("pk", flat=True))).values("pk")
    groups = DelegatedGroup.objects.filter(organization=organization, login_access=True)
    by_group = DelegatedGroup.delegates.through.objects.filter(delegatedgroup__in=groups).values("user_id")
    found: QuerySet[User] = (
        User.objects.in_organization(organization)
        .able_to_sign_in()
        .filter(Q(pk__in=by_profile.union(by_group)))
        .exclude(pk=target.pk)
    )
    return found


def _reaches_of_all(user_ids: Collection[int]) -> dict[int, list[Reach]]:
    """Return what each of some people reaches as a delegate with login access. One query."""
    rows = DelegatedGroup.delegates.through.objects.filter(user__in=user_ids, delegatedgroup__login_access=True)
    paths: defaultdict[int, dict[int, list[str]]] = defaultdict(dict)
    columns = ("user_id", "delegatedgroup_id", "delegatedgroup__roles__path")
    for user_id, group_id, path in rows.order_by("delegatedgroup_id").values_list(*columns):
        # A group without roles has its delegates, and reaches nobody.
        paths[user_id].setdefault(group_id, []).extend([path] if path else [])
    return defaultdict(
        list,
        {
            user_id: [Reach(group_id, tuple(found)) for group_id, found in groups.items()]
            for user_id, groups in paths.items()
        },
    )
