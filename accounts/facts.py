"""What the rule reads beside the two people, collected: for one target in one statement, for a list in a few."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from django.db import connection

from orgs.models import LoginAccessPolicy, Organization, SessionSettings, SupportAccess, SupportAvailability
from orgs.models.session_settings import FORCE_RELOGIN

from .login_access import Facts, Grant
from .models import DelegatedGroup, LoginAccessGrant, Profile, Role, User
from .statement import Columns, Part, prepared_cursor, relate, table_of

# --- one target --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """A user whom someone wants to log in as, and all that is asked about it."""

    user: User
    policy: LoginAccessPolicy
    facts: Facts
    group_name: str
    # Hours: how long a session lasts at most in the target's organization, and in the actor's.
    absolute_hours: tuple[int, int]
    # Whether both sessions end when one logs out: as accounts/identity.py asks it again then.
    force_relogin: bool


def find_target(actor: User, target_id: int, *, is_impersonating: bool = False) -> Target | None:
    """Return a user with what the rule reads of ``actor`` and them, or None where there is none. One query."""
    statement = _statement(connection.vendor)
    with prepared_cursor() as cursor:
        cursor.execute(
            statement.sql,
            {"target_id": target_id, "actor_id": actor.pk, "actor_organization_id": actor.organization_id},
        )
        row = cursor.fetchone()
    return None if row is None else statement.read(row, is_impersonating=is_impersonating)


def facts_about(actor: User, target: User, *, is_impersonating: bool = False) -> Facts:
    """Return what the rule reads of ``actor`` and a user who was fetched already. One query."""
    found = find_target(actor, target.pk, is_impersonating=is_impersonating)
    if found is None:
        raise LookupError(f"There is no user {target.pk}.")
    return found.facts


_GRANT = ("id", "expires_at", "revoked_at")


@dataclass(frozen=True, slots=True)
class _Statement:
    sql: str
    columns: Columns
    user: Part
    organization: Part
    profile: Part
    policy: Part
    grant: Part

    def read(self, row: Sequence[Any], *, is_impersonating: bool) -> Target:
        user: User = self.user.read(row)
        organization: Organization = self.organization.read(row)
        policy: LoginAccessPolicy = self.policy.read(row)
        relate(user, organization=organization, profile=self.profile.read(row))
        relate(organization, login_access_policy=policy)
        relate(policy, organization=organization)
        grant: LoginAccessGrant | None = self.grant.read(row)
        hours, actor_hours, switches, actor_switches, is_delegate, group, availability = self.columns.scalars_of(row)
        group_id, _, group_name = (group or "").partition(":")
        facts = replace(
            Facts.of(organization, policy, is_impersonating=is_impersonating),
            grant=grant_facts(grant) if grant else None,
            is_delegate=is_delegate,
            group_id=int(group_id) if group_id else None,
            is_support_available_to_users=availability != SupportAvailability.ADMINISTRATORS,
        )
        force_relogin = bool((switches | (actor_switches or 0)) & FORCE_RELOGIN)
        return Target(user, policy, facts, group_name, (hours, actor_hours or hours), force_relogin)


@cache
def _statement(vendor: str) -> _Statement:  # noqa: ARG001  # one text for each kind of database
    """Build the statement from the models."""
    columns = Columns()
    parts = {
        "user": columns.part("u", User),
        "organization": columns.part("o", Organization),
        "profile": columns.part("f", Profile),
        "policy": columns.part("y", LoginAccessPolicy),
        "grant": columns.part("g", LoginAccessGrant, _GRANT),
    }
    delegates, roles = table_of(DelegatedGroup.delegates.through), table_of(DelegatedGroup.roles.through)
    group, role = table_of(DelegatedGroup), table_of(Role)
    for name in ("absolute_hours", "switches"):
        columns.scalar(SessionSettings, name, "organization_id = u.organization_id")
        columns.scalar(SessionSettings, name, "organization_id = %(actor_organization_id)s")
    of_actor = (
        f" FROM {delegates} d JOIN {group} e ON e.id = d.delegatedgroup_id"
        " AND e.login_access AND e.organization_id = u.organization_id"
    )
    columns.exists(f"SELECT 1{of_actor} WHERE d.user_id = %(actor_id)s")
    columns.text_of(
        f"SELECT CAST(e.id AS VARCHAR(20)) || ':' || e.name{of_actor}"
        f" JOIN {roles} r ON r.delegatedgroup_id = e.id JOIN {role} x ON x.id = r.role_id, {role} z"
        " WHERE d.user_id = %(actor_id)s AND z.id = u.role_id AND SUBSTR(z.path, 1, LENGTH(x.path)) = x.path"
        " ORDER BY e.id LIMIT 1"
    )
    columns.scalar(
        SupportAccess,
        "availability",
        "organization_id = u.organization_id AND support_organization_id = %(actor_organization_id)s",
    )
    sql = (
        f"{columns.select()} FROM {columns.table('u')}"
        f" JOIN {columns.table('o')} ON o.id = u.organization_id"
        f" JOIN {columns.table('f')} ON f.id = u.profile_id"
        f" JOIN {columns.table('y')} ON y.organization_id = u.organization_id"
        f" LEFT JOIN {columns.table('g')} ON g.user_id = u.id AND g.is_latest"
        # Never both: someone of a support organization who granted it access has told the own company nothing by that.
        " AND ((u.organization_id = %(actor_organization_id)s AND g.support_organization_id IS NULL)"
        " OR (u.organization_id <> %(actor_organization_id)s"
        " AND g.support_organization_id = %(actor_organization_id)s))"
        " WHERE u.id = %(target_id)s"
    )
    return _Statement(sql=sql, columns=columns, **parts)


def grant_facts(grant: LoginAccessGrant) -> Grant:
    """Return what the rule reads of a grant."""
    return Grant(grant.pk, grant.expires_at, grant.revoked_at)


# --- a list ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reach:
    """A delegated group with login access: its id, and the paths of its roles."""

    group_id: int
    paths: tuple[str, ...]

    def has(self, path: str | None) -> bool:
        """Tell whether the role with ``path`` is one of the group's, or below one."""
        return path is not None and path.startswith(self.paths)


def reaches_of(actor: User, *, login_access: bool = True) -> list[Reach]:
    """Return what ``actor`` reaches as a delegate, by group; with ``login_access`` false also groups without it."""
    groups = DelegatedGroup.objects.filter(delegates=actor)
    if login_access:
        groups = groups.filter(login_access=True)
    paths: dict[int, list[str]] = {}
    for group_id, path in groups.order_by("id").values_list("id", "roles__path"):
        # A group without roles has its delegates, and reaches nobody.
        paths.setdefault(group_id, []).extend([path] if path else [])
    return [Reach(group_id, tuple(found)) for group_id, found in paths.items()]


def latest_company_grants(user_ids: Collection[int]) -> dict[int, Grant]:
    """Return each user's latest grant to *Your Company's Administrator*, by the user's id. One query."""
    rows = LoginAccessGrant.objects.to_company().filter(user__in=user_ids, is_latest=True).only("user_id", *_GRANT)
    return {row.user_id: grant_facts(row) for row in rows}


@dataclass(frozen=True, slots=True)
class ListFacts:
    """What the rule reads of one actor and many targets of the actor's own organization."""

    shared: Facts
    reaches: Sequence[Reach]
    grants: Mapping[int, Grant]

    @classmethod
    def of(cls, actor: User, shared: Facts, targets: Sequence[User]) -> "ListFacts":
        """Collect for one page of a list: one query for grants, and one for a delegate's groups."""
        reaches = [] if actor.is_administrator else reaches_of(actor)
        return cls(
            replace(shared, is_delegate=bool(reaches)), reaches, latest_company_grants([one.pk for one in targets])
        )

    def about(self, target: User) -> Facts:
        """Return what is asked about one of the targets, whose role must be at hand."""
        grant = self.grants.get(target.pk)
        if grant is None and not self.reaches:
            return self.shared
        path = target.role.path if target.role else None
        group_id = next((reach.group_id for reach in self.reaches if reach.has(path)), None)
        return replace(self.shared, grant=grant, group_id=group_id)
