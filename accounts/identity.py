"""Who is it: one statement for a request, its text built once, and what it says of whether it may go on.

The statement joins session, parent, target, actor, organization and impersonation; profiles, policy and settings come
as scalar sub-selects, since every further join costs PostgreSQL more to plan than a second round trip. The text is
made from the models' ``_meta``, so a renamed column fails here and in a test, not in a request; through the ORM's
compiler the same query would cost more than what it saves.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connection
from django.db.models.base import ModelState
from django.utils.crypto import constant_time_compare

from orgs.models import LoginAccessPolicy, Organization, SessionSettings

from .enums import END_CAUSE, EndCause
from .keys import hash_key
from .login_access import Facts, Running, may_impersonate
from .models import Impersonation, Profile, Session, User

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.utils import CursorWrapper
    from django.db.models import Field, Model

TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """What of an organization's session settings is asked on every request."""

    idle: timedelta
    absolute: timedelta
    force_relogin: bool
    lock_to_address: bool


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
    limits: Limits | None = None
    facts: Facts | None = None

    def fault(self, *, address: str | None, at: datetime) -> Fault | None:
        """Return why this may not go on at ``at`` from ``address``, or None. The row must be live and have a user.

        Of several the one that fell first: a visit closes at the moment its right was lost.
        """
        faults = [*self._own_faults(address=address, at=at), *self._worn_faults(at=at)]
        if not faults:
            return None
        first = min(faults, key=lambda fault: fault.at)
        return replace(first, ends_parent=any(fault.ends_parent for fault in faults))

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
        if at >= (absolute_end := session.absolute_end(limits.absolute)):
            yield Fault(EndCause.TIME_LIMIT, absolute_end, ends_parent=True)
        if at >= (idle_end := session.idle_end(limits.idle)):
            yield Fault(EndCause.IDLE, idle_end, ends_parent=True)
        if limits.lock_to_address and session.address != address:
            yield Fault(EndCause.ADDRESS_CHANGED, at, ends_parent=True)

    def _worn_faults(self, *, at: datetime) -> Iterator[Fault]:
        """Ask of the visit: its limit, the target's password, and the rule."""
        if self.parent is None:
            return
        visit, actor, target, facts, limits = self.impersonation, self.actor, self.user, self.facts, self.limits
        if visit is None or actor is None or target is None or facts is None or limits is None:
            # A worn session without its visit: no right to be there, and nothing to ask.
            yield Fault(EndCause.PARENT_SESSION_ENDED, at)
            return
        if at >= visit.ends_at:
            yield Fault(EndCause.TIME_LIMIT, visit.ends_at, ends_parent=limits.force_relogin)
        if not holds_password(self.session, target):
            yield Fault(EndCause.PASSWORD_CHANGED, at)
        running = Running(basis=visit.basis, started_at=visit.started_at)
        verdict = may_impersonate(actor=actor, target=target, facts=facts, at=at, running=running)
        if verdict.refusal is not None:
            cause = END_CAUSE[verdict.refusal]
            lost_at = facts.login_access_lost_at if cause == EndCause.POLICY_CHANGED else None
            yield Fault(cause, max(lost_at, visit.started_at) if lost_at else at)

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
    statement = _statement(connection.vendor)
    with _cursor() as cursor:
        cursor.execute(statement.sql, {"key_hash": hash_key(key)})
        row = cursor.fetchone()
    return None if row is None else statement.read(row)


def _cursor() -> "CursorWrapper":
    """Return a cursor for the statement; on PostgreSQL one that prepares it, where the settings allow that.

    Django's own binds on the client and never prepares. This one is wrapped as Django wraps, so captured queries count
    it and errors are Django's.
    """
    if connection.vendor != "postgresql":
        return connection.cursor()
    # What connection.cursor() does first: the identity statement is the first of most requests.
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    if connection.connection.prepare_threshold is None:
        return connection.cursor()
    from .prepared import PreparedCursor  # noqa: PLC0415  # needs PostgreSQL's driver

    return connection._prepare_cursor(PreparedCursor(connection.connection))  # type: ignore[attr-defined, no-any-return]  # noqa: SLF001


# --- the statement -----------------------------------------------------------------------------------------------

Converter = Callable[[Any], Any]

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
    "ended_at",
)
_ACTOR = (
    "id", "organization", "profile", "role", "username", "email", "first_name", "last_name", "alias", "password",
    "is_active", "is_frozen", "operator_role",
)  # fmt: skip
_VISIT = (
    "session", "actor_session", "organization", "actor", "target", "basis", "back", "started_at", "ends_at", "ended_at",
    "end_cause", "handed_back_at", "actor_name", "target_name",
)  # fmt: skip
_SCALARS: tuple[tuple[type["Model"], str, str], ...] = (
    (Profile, "permission_bits", "u.profile_id"),
    (Profile, "is_external", "u.profile_id"),
    (Profile, "permission_bits", "a.profile_id"),
    (SessionSettings, "idle_minutes", "u.organization_id"),
    (SessionSettings, "absolute_hours", "u.organization_id"),
    (SessionSettings, "force_relogin", "u.organization_id"),
    (SessionSettings, "lock_to_address", "u.organization_id"),
    (LoginAccessPolicy, "any_user_login", "i.organization_id"),
    (LoginAccessPolicy, "protect_administrators", "i.organization_id"),
    (LoginAccessPolicy, "login_access_lost_at", "i.organization_id"),
)


@dataclass(frozen=True, slots=True)
class _Part:
    """One joined table: its model, the names it is read by, and where its columns start in the row."""

    model: type["Model"]
    names: tuple[str, ...]
    start: int
    converters: tuple[tuple[int, Converter], ...]

    def read(self, row: Sequence[Any]) -> Any:  # noqa: ANN401
        """Return the instance, or None where the join found nothing."""
        if row[self.start] is None:
            return None
        values = list(row[self.start : self.start + len(self.names)])
        for index, convert in self.converters:
            values[index] = convert(values[index])
        return _instance(self.model, self.names, values)


@dataclass(frozen=True, slots=True)
class _Statement:
    sql: str
    session: _Part
    user: _Part
    organization: _Part
    parent: _Part
    actor: _Part
    visit: _Part
    scalars_start: int
    scalar_converters: tuple[tuple[int, Converter], ...]

    def read(self, row: Sequence[Any]) -> Identity:
        """Return the identity that one row of the statement tells."""
        session: Session = self.session.read(row)
        user: User | None = self.user.read(row)
        if user is None:
            return Identity(session=session)
        scalars = list(row[self.scalars_start :])
        for index, convert in self.scalar_converters:
            scalars[index] = convert(scalars[index])
        bits, is_external, actor_bits, idle, absolute, force_relogin, lock, any_user, protect, lost_at = scalars
        organization: Organization = self.organization.read(row)
        profile = _profile(user.profile_id, user.organization_id, bits, is_external)
        _relate(user, organization=organization, profile=profile)
        _relate(session, user=user)
        limits = Limits(timedelta(minutes=idle), timedelta(hours=absolute), bool(force_relogin), bool(lock))
        if session.parent_id is None:
            return Identity(session=session, user=user, actor=user, limits=limits)
        parent: Session = self.parent.read(row)
        actor: User = self.actor.read(row)
        profile = _profile(actor.profile_id, actor.organization_id, actor_bits, is_external=False)
        _relate(actor, organization=organization, profile=profile)
        _relate(session, parent=parent)
        _relate(parent, user=actor)
        visit: Impersonation | None = self.visit.read(row)
        if visit is None:
            return Identity(session=session, user=user, actor=actor, parent=parent, limits=limits)
        _relate(visit, actor=actor, target=user, session=session, organization=organization)
        _relate(session, impersonation=visit)
        facts = Facts(
            edition=organization.edition,
            provisioned=organization.provisioned,
            any_user_login=bool(any_user),
            protect_administrators=bool(protect),
            login_access_lost_at=lost_at,
            is_impersonating=True,
        )
        return Identity(
            session=session, user=user, actor=actor, parent=parent, impersonation=visit, limits=limits, facts=facts
        )


def _instance(model: type["Model"], names: Sequence[str], values: Sequence[Any]) -> Any:  # noqa: ANN401
    """Return a stored instance as ``from_db`` would, without walking ``__init__`` field by field.

    What is not among ``names`` is fetched when something reads it, as with ``only()``. No ``pre_init`` or ``post_init``
    is sent. Together with :func:`_relate` it took an impersonated request from 0.53 to 0.43 of plain Django's time.
    """
    instance = model.__new__(model)
    state = ModelState()
    state.adding, state.db = False, "default"
    instance.__dict__.update(zip(names, values, strict=True), _state=state)
    return instance


def _relate(instance: "Model", **related: "Model") -> None:
    """Remember related instances as ``select_related`` does: an assignment asks the router and the ids each time."""
    instance._state.fields_cache.update(related)  # what Field.set_cached_value() writes


def _profile(profile_id: int, organization_id: int, bits: int, is_external: bool) -> Profile:  # noqa: FBT001
    """Return a profile with what the rule and the gates read; the rest is fetched if a page asks for it."""
    names = ("id", "organization_id", "is_external", "permission_bits")
    profile: Profile = _instance(Profile, names, (profile_id, organization_id, bool(is_external), bits))
    return profile


def _names(model: type["Model"], wanted: tuple[str, ...] | None) -> tuple["Field[Any, Any]", ...]:
    fields = tuple(model._meta.concrete_fields)
    if wanted is None:
        return fields
    known = {field.name for field in fields}
    if missing := set(wanted) - known:
        message = f"{model.__name__} has no {', '.join(sorted(missing))}."
        raise LookupError(message)
    return tuple(field for field in fields if field.name in wanted)


def _converter(field: "Field[Any, Any]", database: "BaseDatabaseWrapper") -> Converter | None:
    """Return what makes Python of a stored value, as the ORM would."""
    column = field.cached_col
    converters = [*database.ops.get_db_converters(column), *column.get_db_converters(database)]
    if not converters:
        return None

    def convert(value: Any) -> Any:  # noqa: ANN401
        for one in converters:
            value = one(value, column, database)
        return value

    return convert


def _column(field: "Field[Any, Any]") -> str:
    """Return a field's column, quoted."""
    return connection.ops.quote_name(str(field.column))


def _converters(fields: Sequence["Field[Any, Any]"]) -> tuple[tuple[int, Converter], ...]:
    found = ((index, _converter(field, connection)) for index, field in enumerate(fields))
    return tuple((index, convert) for index, convert in found if convert is not None)


@cache
def _statement(vendor: str) -> _Statement:  # noqa: ARG001  # one text for each kind of database
    """Build the statement from the models."""
    quote = connection.ops.quote_name
    columns: list[str] = []
    tables: dict[str, str] = {}

    def part(alias: str, model: type["Model"], wanted: tuple[str, ...] | None = None) -> _Part:
        fields = _names(model, wanted)
        start = len(columns)
        columns.extend(f"{alias}.{_column(field)}" for field in fields)
        tables[alias] = f"{quote(model._meta.db_table)} {alias}"
        return _Part(model, tuple(field.attname for field in fields), start, _converters(fields))

    user_model = apps.get_model("accounts", "User")
    parts = {
        "session": part("s", Session),
        "user": part("u", user_model),
        "organization": part("o", Organization),
        "parent": part("p", Session, _PARENT),
        "actor": part("a", user_model, _ACTOR),
        "visit": part("i", Impersonation, _VISIT),
    }
    scalars_start = len(columns)
    scalar_fields: list[Field[Any, Any]] = []
    for model, name, owner in _SCALARS:
        (field,), key, table = _names(model, (name,)), model._meta.pk, quote(model._meta.db_table)
        scalar_fields.append(field)
        columns.append(f"(SELECT {_column(field)} FROM {table} WHERE {_column(key)} = {owner})")  # noqa: S608
    sql = (
        f"SELECT {', '.join(columns)} FROM {tables['s']}"  # noqa: S608  # names from _meta, values as parameters
        f" LEFT JOIN {tables['u']} ON u.id = s.user_id"
        f" LEFT JOIN {tables['o']} ON o.id = u.organization_id"
        f" LEFT JOIN {tables['p']} ON p.id = s.parent_id"
        f" LEFT JOIN {tables['a']} ON a.id = p.user_id"
        f" LEFT JOIN {tables['i']} ON i.id = s.id"
        " WHERE s.key_hash = %(key_hash)s"
    )
    return _Statement(sql=sql, scalars_start=scalars_start, scalar_converters=_converters(scalar_fields), **parts)
