"""Who is it: one statement for a request, its text built once, and what it says of whether it may go on.

The statement joins session, parent, target, actor, organization and impersonation; profiles, policy and settings come
as scalar sub-selects, since every further join costs PostgreSQL more to plan than a second round trip. The text is
made from the models' ``_meta``, so a renamed column fails here and in a test, not in a request; through the ORM's
compiler the same query would cost more than what it saves.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.db import connection
from django.utils.crypto import constant_time_compare

from orgs.models import LoginAccessPolicy, Organization, SessionSettings, SupportAccess, SupportAvailability
from orgs.models.session_settings import Limits

from .enums import END_CAUSE, EndCause
from .keys import hash_key
from .login_access import Facts, Grant, Running, may_impersonate
from .models import DelegatedGroup, Impersonation, LoginAccessGrant, Profile, Role, Session, User
from .statement import Columns, Part, instance_of, prepared_cursor, relate, table_of

TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a session or a visit may not go on, when its right was lost, and whether the actor's own session ends too."""

    cause: EndCause
    at: datetime
    ends_parent: bool = False


@dataclass(slots=True)
class Identity:
    """Who a key makes of a request: the row, whose account, whose hands, and what the rule needs."""

    session: Session
    user: User | None = None
    actor: User | None = None
    parent: Session | None = None
    impersonation: Impersonation | None = None
    # Of the session that the actor opened; and of the one that is worn, where they are in two organizations.
    limits: Limits | None = None
    worn_limits: Limits | None = None
    facts: Facts | None = None

    @property
    def force_relogin(self) -> bool:
        """Whether both sessions end when one logs out as the target: it holds if either organization says so."""
        return any(limits.force_relogin for limits in (self.limits, self.worn_limits) if limits is not None)

    @property
    def warns(self) -> bool:
        """Whether pages tell when the session ends: if either organization says so."""
        return any(limits.warns for limits in (self.limits, self.worn_limits) if limits is not None)

    @property
    def is_abroad(self) -> bool:
        """Whether the account that is worn is another organization's: a support agent's visit."""
        user, actor = self.user, self.actor
        return user is not None and actor is not None and user.organization_id != actor.organization_id

    def fault(self, *, address: str | None, at: datetime, asks_address: bool = True) -> Fault | None:
        """Return why this may not go on at ``at`` from ``address``, or None. The row must be live and have a user.

        Of several the one that fell first: a visit closes at the moment its right was lost. ``asks_address`` is false
        where no request of this browser asks: there is no address then that could have changed.
        """
        own, of_visit = self.faults(address=address, at=at, asks_address=asks_address)
        if not own and not of_visit:
            return None
        first = min([*own, *of_visit], key=lambda fault: fault.at)
        # What the visit alone would have reached later ends nobody's own session any more.
        return replace(first, ends_parent=first.ends_parent or bool(own))

    def faults(
        self, *, address: str | None, at: datetime, asks_address: bool = True
    ) -> tuple[list[Fault], list[Fault]]:
        """Return all that speaks against the session that the actor opened, and all that does against the visit."""
        own = list(self._own_faults(address=address, at=at))
        of_visit = [*self._worn_faults(at=at), *self._abroad_faults(address=address, at=at)]
        if not asks_address:
            own, of_visit = ([one for one in some if one.cause != EndCause.ADDRESS_CHANGED] for some in (own, of_visit))
        if (visit := self.impersonation) is not None:
            # Whoever takes a right away may have waited for one who started, and a limit may have been made shorter
            # since: no visit ends before it began.
            own, of_visit = (
                [replace(one, at=max(one.at, visit.started_at)) for one in some] for some in (own, of_visit)
            )
        return own, of_visit

    def _own_faults(self, *, address: str | None, at: datetime) -> Iterator[Fault]:
        """Ask of the session that the person at the keyboard opened."""
        session, user, limits = self.parent or self.session, self.actor, self.limits
        if user is None or limits is None:  # pragma: no cover  # a live row of a person always has both
            return
        if session.ended_at is not None:
            yield Fault(EndCause.PARENT_SESSION_ENDED, session.ended_at, ends_parent=True)
        if not user.is_active:
            yield Fault(EndCause.ACTOR_DEACTIVATED, at, ends_parent=True)
        if user.is_frozen:
            yield Fault(EndCause.ACTOR_FROZEN, at, ends_parent=True)
        if not holds_password(session, user):
            yield Fault(EndCause.PASSWORD_CHANGED, at, ends_parent=True)
        yield from (end for end in self._own_ends() if at >= end.at)
        if limits.lock_to_address and session.address != address:
            yield Fault(EndCause.ADDRESS_CHANGED, at, ends_parent=True)

    def _worn_faults(self, *, at: datetime) -> Iterator[Fault]:
        """Ask of the visit: its limit, the target's password, and the rule."""
        if self.parent is None:
            return
        visit, actor, target, facts = self.impersonation, self.actor, self.user, self.facts
        if visit is None or actor is None or target is None or facts is None:
            # A worn session without its visit: no right to be there, and nothing to ask.
            yield Fault(EndCause.PARENT_SESSION_ENDED, at)
            return
        # That the grant runs out the rule says itself.
        yield from (end for end in self._visit_ends() if at >= end.at and end.cause == EndCause.TIME_LIMIT)
        if not holds_password(self.session, target):
            yield Fault(EndCause.PASSWORD_CHANGED, at)
        running = Running(basis=visit.basis, started_at=visit.started_at, group_id=visit.group_id)
        verdict = may_impersonate(actor=actor, target=target, facts=facts, at=at, running=running)
        if verdict.refusal is not None:
            yield Fault(END_CAUSE[verdict.refusal], verdict.since or at)

    def _abroad_faults(self, *, address: str | None, at: datetime) -> Iterator[Fault]:
        """Ask of a visit in another organization what that one's session settings say. Of one's own it was asked."""
        limits = self.worn_limits
        if limits is None or not self.is_abroad:
            return
        yield from (end for end in self._abroad_ends() if at >= end.at)
        if limits.lock_to_address and self.session.address != address:
            yield Fault(EndCause.ADDRESS_CHANGED, at)

    def next_end(self) -> Fault:
        """Return the fault that comes first by the clock alone if nothing more is done; what pages tell beforehand.

        Only one that is *idle* is put off by activity. Of somebody's session: nobody's has no limits.
        """
        return min((*self._own_ends(), *self._visit_ends(), *self._abroad_ends()), key=lambda end: end.at)

    def _own_ends(self) -> Iterator[Fault]:
        """Tell when the session that the person at the keyboard opened is over by the clock."""
        session, limits = self.parent or self.session, self.limits
        if limits is None:  # pragma: no cover  # a live row of a person always has them
            return
        yield Fault(EndCause.TIME_LIMIT, session.absolute_end(limits.absolute), ends_parent=True)
        yield Fault(EndCause.IDLE, session.idle_end(limits.idle), ends_parent=True)

    def _visit_ends(self) -> Iterator[Fault]:
        """Tell when the visit is over by the clock: with the grant that it rests on, or at its own limit."""
        visit, grant = self.impersonation, self.facts.grant if self.facts else None
        if visit is None:
            return
        if grant is not None and grant.expires_at <= visit.ends_at:
            yield Fault(EndCause.GRANT_EXPIRED, grant.expires_at)
        else:
            yield Fault(EndCause.TIME_LIMIT, visit.ends_at, ends_parent=self.force_relogin)

    def _abroad_ends(self) -> Iterator[Fault]:
        """Tell when the worn session of a visit in another organization falls idle by that one's settings."""
        limits = self.worn_limits
        if limits is not None and self.is_abroad:
            yield Fault(EndCause.IDLE, self.session.idle_end(limits.idle), ends_parent=self.force_relogin)

    def is_touch_due(self, at: datetime) -> bool:
        """Tell whether activity is to be written down: once a minute, and when a worn key is first used."""
        last = self.session.last_active_at
        return last is None or at - last >= TOUCH_EVERY


def holds_password(session: Session, user: User) -> bool:
    """Tell whether the password that opened ``session`` is still the person's (Django's session auth hash)."""
    if constant_time_compare(session.auth_hash, user.get_session_auth_hash()):
        return True
    return any(constant_time_compare(session.auth_hash, old) for old in user.get_session_auth_fallback_hash())


def identify(key: str) -> Identity | None:
    """Return who ``key`` makes of a request, live or ended, or None where no session has or had it. One query."""
    return next(_identities("s.key_hash = %(key_hash)s", {"key_hash": hash_key(key)}), None)


def live_sessions(ids: Iterable[int]) -> list[Identity]:
    """Return those of some sessions that are live, each with all that is asked, in the order of their ids.

    The sweep asks with it what a limit has ended (accounts/services/expiry.py), and whoever takes a right away which
    visits have lost their ground (accounts/services/visits.py).
    """
    parameters = {f"id{number}": pk for number, pk in enumerate(ids)}
    if not parameters:
        return []
    names = ", ".join(f"%({name})s" for name in parameters)
    return list(_identities(f"s.ended_at IS NULL AND s.id IN ({names}) ORDER BY s.id", parameters))


def _identities(where: str, parameters: Mapping[str, Any]) -> Iterator[Identity]:
    statement = _statement(connection.vendor)
    with prepared_cursor() as cursor:
        cursor.execute(statement.sql + where, parameters)
        rows = cursor.fetchall()
    return (statement.read(row) for row in rows)


# --- the statement -----------------------------------------------------------------------------------------------

# Not asked for: what lists sort by, and what only an administrator's pages read of a user (fetched if something does).
# psycopg remembers how to convert a statement of up to 4,096 characters, and a test counts them.
_LEFT_OUT = {
    *("name_key", "alias_key", "last_login_key", "failed_logins", "locked_until"),
    *("created_at", "created_by_name", "modified_at", "modified_by_name", "pending_email"),
}
_USER = tuple(field.name for field in User._meta.concrete_fields if field.name not in _LEFT_OUT)
_PARENT = (
    "id",
    "public_id",
    "user",
    "type",
    "auth_hash",
    "address",
    "return_hash",
    "created_at",
    "last_active_at",
    "authenticated_at",
    "ended_at",
    "end_cause",
)
_ACTOR = (
    "id", "organization", "profile", "role", "username", "email", "first_name", "last_name", "alias", "password",
    "is_active", "is_frozen", "operator_role",
)  # fmt: skip
_VISIT = (
    "session", "actor_session", "organization", "actor", "target", "basis", "grant", "group", "access", "records_pages",
    "back", "started_at", "ends_at", "ended_at", "end_cause", "handed_back_at", "actor_name", "target_name",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Statement:
    sql: str
    columns: Columns
    session: Part
    user: Part
    organization: Part
    parent: Part
    actor: Part
    visit: Part

    def read(self, row: Sequence[Any]) -> Identity:
        """Return the identity that one row of the statement tells."""
        session: Session = self.session.read(row)
        user: User | None = self.user.read(row)
        if user is None:
            return Identity(session=session)
        bits, is_external, is_delegate, idle, absolute, switches, *worn = self.columns.scalars_of(row)
        organization: Organization = self.organization.read(row)
        _relate_profile(user, organization, bits, is_external=is_external)
        user.__dict__["is_delegate"] = is_delegate
        relate(session, user=user)
        limits = Limits.of(idle, timedelta(hours=absolute), switches)
        if session.parent_id is None:
            return Identity(session=session, user=user, actor=user, limits=limits)
        return self._worn(row, session, user, limits, worn)

    def _worn(
        self, row: Sequence[Any], session: Session, user: User, limits: Limits, scalars: Sequence[Any]
    ) -> Identity:
        """Return the identity of a session in which another's account is worn."""
        actor_bits, actor_organization_name, idle, switches = scalars[:4]
        any_user_login, protect_administrators, login_access_lost_at = scalars[4:7]
        grant_expires_at, grant_revoked_at, group_lost_at, is_delegate, is_in_reach = scalars[7:12]
        availability, support_lost_at = scalars[12:]
        organization = user.organization
        parent: Session = self.parent.read(row)
        actor: User = self.actor.read(row)
        own = organization
        if actor.organization_id != organization.pk:
            own = instance_of(Organization, ("id", "name"), (actor.organization_id, actor_organization_name))
        _relate_profile(actor, own, actor_bits, is_external=False)
        relate(session, parent=parent)
        relate(parent, user=actor)
        worn_limits = Limits.of(idle, limits.absolute, switches)
        identity = Identity(
            session=session, user=user, actor=actor, parent=parent, limits=limits, worn_limits=worn_limits
        )
        visit: Impersonation | None = self.visit.read(row)
        if visit is None:
            return identity
        relate(visit, actor=actor, target=user, session=session, organization=organization)
        relate(session, impersonation=visit)
        identity.impersonation = visit
        identity.facts = Facts(
            edition=organization.edition,
            provisioned=organization.provisioned,
            any_user_login=bool(any_user_login),
            protect_administrators=bool(protect_administrators),
            edition_lost_at=organization.edition_lost_at,
            deprovisioned_at=organization.deprovisioned_at,
            login_access_lost_at=login_access_lost_at,
            grant=Grant(visit.grant_id, grant_expires_at, grant_revoked_at) if visit.grant_id else None,
            is_delegate=is_delegate,
            group_id=visit.group_id if is_in_reach else None,
            group_lost_at=group_lost_at,
            is_support_available_to_users=availability != SupportAvailability.ADMINISTRATORS,
            support_lost_at=support_lost_at,
            is_impersonating=True,
        )
        return identity


def _relate_profile(user: User, organization: Organization, bits: int, *, is_external: bool) -> None:
    """Give a user their organization, and a profile with what the rule and the gates read."""
    names = ("id", "organization_id", "is_external", "permission_bits")
    profile: Profile = instance_of(Profile, names, (user.profile_id, user.organization_id, bool(is_external), bits))
    relate(user, organization=organization, profile=profile)


@cache
def _statement(vendor: str) -> _Statement:  # noqa: ARG001  # one text for each kind of database
    """Build the statement from the models, up to its WHERE."""
    columns = Columns()
    parts = {
        "session": columns.part("s", Session),
        "user": columns.part("u", User, _USER),
        "organization": columns.part("o", Organization),
        "parent": columns.part("p", Session, _PARENT),
        "actor": columns.part("a", User, _ACTOR),
        "visit": columns.part("i", Impersonation, _VISIT),
    }
    _select_scalars(columns)
    sql = (
        f"{columns.select()} FROM {columns.table('s')}"
        f" LEFT JOIN {columns.table('u')} ON u.id = s.user_id"
        f" LEFT JOIN {columns.table('o')} ON o.id = u.organization_id"
        f" LEFT JOIN {columns.table('p')} ON p.id = s.parent_id"
        f" LEFT JOIN {columns.table('a')} ON a.id = p.user_id"
        f" LEFT JOIN {columns.table('i')} ON i.id = s.id"
        " WHERE "
    )
    return _Statement(sql=sql, columns=columns, **parts)


def _select_scalars(columns: Columns) -> None:
    """Select what :class:`_Statement` reads beside the joined tables, in its order."""
    delegates, roles = table_of(DelegatedGroup.delegates.through), table_of(DelegatedGroup.roles.through)
    group, role = table_of(DelegatedGroup), table_of(Role)
    columns.scalar(Profile, "permission_bits", "id = u.profile_id")
    columns.scalar(Profile, "is_external", "id = u.profile_id")
    columns.exists(f"SELECT 1 FROM {delegates} WHERE user_id = u.id")  # noqa: S608  # names from _meta
    # Timeouts and address lock are each session's own: these are those of the session that the actor opened.
    opened = "organization_id = COALESCE(a.organization_id, u.organization_id)"
    for name in ("idle_minutes", "absolute_hours", "switches"):
        columns.scalar(SessionSettings, name, opened)
    columns.scalar(Profile, "permission_bits", "id = a.profile_id")
    columns.scalar(Organization, "name", "id = a.organization_id")
    for name in ("idle_minutes", "switches"):
        # The target's, so that there are some even where a visit's row is missing.
        columns.scalar(SessionSettings, name, "organization_id = u.organization_id")
    for name in ("any_user_login", "protect_administrators", "login_access_lost_at"):
        columns.scalar(LoginAccessPolicy, name, "organization_id = i.organization_id")
    for name in ("expires_at", "revoked_at"):
        columns.scalar(LoginAccessGrant, name, "id = i.grant_id")
    columns.scalar(DelegatedGroup, "login_access_lost_at", "id = i.group_id")
    columns.exists(
        f"SELECT 1 FROM {group} g JOIN {delegates} d ON d.delegatedgroup_id = g.id"  # noqa: S608  # names from _meta
        " WHERE g.id = i.group_id AND g.login_access AND d.user_id = a.id"
    )
    columns.exists(
        f"SELECT 1 FROM {roles} r JOIN {role} x ON x.id = r.role_id, {role} y"  # noqa: S608  # names from _meta
        " WHERE r.delegatedgroup_id = i.group_id AND y.id = u.role_id AND SUBSTR(y.path, 1, LENGTH(x.path)) = x.path"
    )
    for name in ("availability", "login_access_lost_at"):
        columns.scalar(
            SupportAccess, name, "organization_id = i.organization_id AND support_organization_id = a.organization_id"
        )
