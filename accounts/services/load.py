"""An organization of any size to measure with: users, sessions, sign-ins, grants, visits and events, in bulk.

What is made depends on its number alone: two runs make the same, but for ids and for the time that all is counted from.
Rows are written past the services, whose words and columns they have; nobody can sign in as any of these people. A
command refuses to run this in production.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from itertools import count, cycle, islice, repeat
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.db import connection, transaction

from accounts.enums import Basis, EndCause, LoginStatus, SessionType
from accounts.keys import hash_key
from accounts.models import Impersonation, Login, LoginAccessGrant, Profile, Role, Session, StandardProfile, User
from accounts.services.bulk import filling_users, roomy_cache, write_rows
from accounts.services.profiles import create_standard_profiles
from accounts.services.roles import create_role
from accounts.sort_key import sort_key
from orgs.audit import AuditAction, build_event
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import AuditEvent, Organization
from orgs.services.organizations import create_organization

if TYPE_CHECKING:
    from django.db.models import QuerySet

NAME, DOMAIN = "Load", "load.example"
ORIGIN = Origin.automated("seed_load")
BATCH = 2000
# No hash of any password, so that none opens the account; one text for all, so that sessions can be made for them.
NO_PASSWORD = "!seed_load"  # noqa: S105  # the opposite of one
BACKEND = "accounts.backends.PasswordBackend"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
# How far back history goes, and how long ago the last one to be active was.
HISTORY, ACTIVE = timedelta(days=180), timedelta(minutes=30)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST = _parts(
    "Ada Aiko Alan Amara Anaïs Barbara Björn Bongani Camille Chloé Dennis Diego Dmitri Edsger Elif Emma Farid Fatima "
    "Fiona Giulia Grace Hana Hedy Henrik Ifeoma Ivan Jakub Joan Kavya Katherine Liam Linus Margaret Mateo Minh Nadia "
    "Noor Olga Pedro Priya Quentin Radia Rosa Sofía Tariq Uma Viktor Wei Ximena Yusuf Zoë"
)
# Last names are made of three of these: some 52,000 of them, so that a search for one finds few.
ONSETS = _parts("ba be bi bo bu da de di do du fa fe fi ka ke ki ko ku la le li lo ma me mi mo na ne ni no ra re ri ro")
MIDDLES = _parts("br ch dr gr ll mm nd ng nn nt rd rn rt sk ss st tt v z x")
ENDINGS = _parts(
    "ade ado ahl ain ak ald am and ano ard aro as au ay berg court dal den do eau ecki el en er ero es ett ev ez ford "
    "gård hardt i ic iel ier in ing is ka ko lein ley li lund man mann marsh mont ni o off on ova ovic quist s sen shi "
    "ski son ström sworth tani thal ton tti us vich ville wala well wicz wood y yama"
)
# One in so many users is inactive, frozen, an external user, an administrator; the rest is standard.
INACTIVE, FROZEN, EXTERNAL, ADMINISTRATORS = 20, 200, 25, 10_000
# A tree of so many departments with so many teams each.
DEPARTMENTS, TEAMS = 8, 6
EVENT_EVERY = timedelta(seconds=15)
EVENTS: tuple[tuple[AuditAction, dict[str, Any]], ...] = (
    (AuditAction.USER_CHANGED, {"fields": "alias"}),
    (AuditAction.PASSWORD_RESET_SENT, {}),
    (AuditAction.USER_FROZEN, {}),
    (AuditAction.USER_UNFROZEN, {}),
    (AuditAction.SESSIONS_ENDED, {}),
    (AuditAction.USER_UNLOCKED, {}),
)


# What is read of a person whose rows are made.
PERSON = ("organization_id", "username", "first_name", "last_name")
# A row that is to be written: values by column.
Columns = dict[str, Any]
Row = TypeVar("Row", Columns, Impersonation)


class Kind(Enum):
    """What rows are of, as a line of progress names it."""

    USERS = "Users:"
    SESSIONS = "Sessions:"
    LOGINS = "Sign-ins:"
    GRANTS = "Grants:"
    VISITS = "Visits:"
    OPEN_VISITS = "Visits that go on:"
    EVENTS = "Events:"


# Told of what is made, and of how many more.
Watch = Callable[[Kind, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many rows of each kind there are to be."""

    users: int = 0
    sessions: int = 0
    logins: int = 0
    grants: int = 0
    visits: int = 0
    open_visits: int = 0
    events: int = 0

    @property
    def needs_people(self) -> bool:
        """Whether anything is asked for that is somebody's."""
        return any(getattr(self, field.name) for field in fields(self))


class NobodyThere(Exception):  # noqa: N818  # said as a command says it
    """Rows are asked for that are somebody's, and nobody is there."""

    def __init__(self) -> None:
        super().__init__("Sessions, events and the like are somebody's. Make users first, or with them: --users 1000.")


def seed_load(size: Size, *, now: datetime, watch: Watch) -> Organization:
    """Make what of ``size`` is not there, and return the organization. A second run with the same adds nothing.

    Raises :class:`NobodyThere` where something of people is asked for, and there are none.
    """
    with roomy_cache():
        return _Load(size, now, watch).run()


class _Load:
    """One run. Each row depends on its number alone; the first is number 0."""

    def __init__(self, size: Size, now: datetime, watch: Watch) -> None:
        self.size, self.now, self.watch = size, now, watch
        self.organization = _organization(now - HISTORY)
        self.of_it = {"organization": self.organization}
        self.profiles = {profile.standard: profile for profile in Profile.objects.filter(**self.of_it)}
        self.roles = list(Role.objects.filter(**self.of_it).order_by("path"))
        # Of everybody the same: it depends on the password alone.
        self.auth_hash = User(password=NO_PASSWORD).get_session_auth_hash()
        self.event_every = min(EVENT_EVERY, HISTORY / max(size.events, 1))

    def run(self) -> Organization:
        size, of_it = self.size, self.of_it
        people = User.objects.filter(**of_it)
        with filling_users(size.users - people.count()):
            self._fill(Kind.USERS, size.users, people, map(self._user, count()))
        actor = people.order_by("pk").first()
        if actor is None:
            if size.needs_people:
                raise NobodyThere
            return self.organization
        own = Session.objects.filter(type=SessionType.UI, key_hash__isnull=False, **of_it)
        able = people.filter(is_active=True, is_frozen=False)
        self._fill(Kind.SESSIONS, size.sessions, own, map(self._own_session, count(), _again(able)))
        self._fill(Kind.LOGINS, size.logins, Login.objects.filter(**of_it), map(self._login, count(), _again(people)))
        # One for each person: of a second the first would no longer be the latest.
        grants = LoginAccessGrant.objects.filter(**of_it)
        self._fill(Kind.GRANTS, size.grants, grants, map(self._grant, count(), _once(people)))
        self._fill_visits(people, actor)
        events = map(self._event, count(), _again(people), cycle(EVENTS), repeat(actor))
        # That of the organization, and those of its roles, are among them.
        self._fill(Kind.EVENTS, size.events, AuditEvent.objects.filter(**of_it), events)
        with connection.cursor() as cursor:
            # So that the first page after it is planned as the thousandth is.
            cursor.execute("ANALYZE")
        return self.organization

    def _fill(self, kind: Kind, wanted: int, there: "QuerySet[Any]", rows: Iterator[Columns]) -> None:
        """Write those of ``rows`` that are not there, in batches."""
        for batch in _missing(rows, there, wanted):
            write_rows(there.model, batch)
            self.watch(kind, len(batch))

    def _fill_visits(self, people: "QuerySet[User]", actor: User) -> None:
        """Write visits by ``actor``, each with both of its sessions: their ids are the database's."""
        targets = people.filter(is_active=True, profile__is_external=False).exclude(pk=actor.pk)
        visits = Impersonation.objects.filter(**self.of_it)
        for kind, wanted, there in (
            (Kind.VISITS, self.size.visits, visits.exclude(ended_at=None)),
            (Kind.OPEN_VISITS, self.size.open_visits, visits.filter(ended_at=None)),
        ):
            rows = map(self._visit, count(), _again(targets), repeat(actor), repeat(kind))
            for batch in _missing(rows, there, wanted):
                with transaction.atomic():
                    Session.objects.bulk_create(one.actor_session for one in batch)
                    for one in batch:
                        one.session.parent = one.actor_session
                    Session.objects.bulk_create(one.session for one in batch)
                    for one in batch:
                        # Now that they have ids.
                        one.session, one.actor_session = one.session, one.actor_session
                    Impersonation.objects.bulk_create(batch)
                self.watch(kind, len(batch))

    # --- one row of each kind ----------------------------------------------------------------------------------------

    def _user(self, number: int) -> Columns:
        first, last = name_of(number)
        alias, username = f"{plain(first)[:1]}{plain(last)[:4]}{number % 1000}", username_of(number)
        role = self.roles[_chance(number, "role") % len(self.roles)] if number % 3 else None
        return {
            "organization_id": self.organization.pk,
            "username": username,
            "email": username,
            "first_name": first,
            "last_name": last,
            "name_key": sort_key(f"{first} {last}"),
            "alias": alias,
            "alias_key": sort_key(alias),
            "profile_id": self.profiles[_profile_of(number)].pk,
            "role_id": role and role.pk,
            "is_active": number == 0 or number % INACTIVE != 0,
            "is_frozen": number % FROZEN == 1,
            "password": NO_PASSWORD,
            "last_login": self._back(number, "last login") if number % 7 else None,
            "created_at": self.now - HISTORY,
            "created_by_name": ORIGIN.process_name,
        }

    def _own_session(self, number: int, user: User) -> Columns:
        return self._session(user, number, "session") | {"key_hash": hash_key(f"seed_load {number}")}

    def _session(self, user: User, number: int, what: str) -> Columns:
        active = self.now - ACTIVE * (_chance(number, what) % 1000) / 1000
        return {
            "public_id": UUID(bytes=sha256(f"{what} {number}".encode()).digest()[:16]),
            "user_id": user.pk,
            "organization_id": self.organization.pk,
            "backend": BACKEND,
            "auth_hash": self.auth_hash,
            "address": _address(number),
            "agent": AGENT,
            "created_at": active - ACTIVE,
            "last_active_at": active,
            "authenticated_at": active - ACTIVE,
        }

    def _login(self, number: int, user: User) -> Columns:
        return {
            "organization_id": self.organization.pk,
            "user_id": user.pk,
            "username": user.username,
            "created_at": self._back(number, "sign-in"),
            "status": LoginStatus.SUCCESS if number % 20 else LoginStatus.WRONG_PASSWORD,
            "address": _address(number),
            "agent": AGENT,
        }

    def _grant(self, number: int, user: User) -> Columns:
        granted_at = self.now - timedelta(days=_chance(number, "grant") % 27, minutes=1)
        return {
            "organization_id": self.organization.pk,
            "user_id": user.pk,
            "granted_at": granted_at,
            "expires_at": granted_at + timedelta(days=30),
        }

    def _visit(self, number: int, target: User, actor: User, kind: Kind) -> Impersonation:
        is_open = kind is Kind.OPEN_VISITS
        what = "open visit" if is_open else "visit"
        at = self.now - ACTIVE if is_open else self._back(number, what)
        ended_at = None if is_open else at + timedelta(minutes=1 + number % 59)
        times = {"created_at": at, "last_active_at": at, "authenticated_at": at, "ended_at": ended_at}
        # The actor's own session has no key while another account is worn, and what ended has none either.
        key = hash_key(f"{what} {number}") if is_open else None
        worn = {"type": SessionType.SUBSTITUTE_USER, "key_hash": key, **times}
        return Impersonation(
            session=Session(**self._session(target, number, f"{what}, worn") | worn),
            actor_session=Session(**self._session(actor, number, f"{what}, own") | times),
            organization=self.organization,
            actor=actor,
            target=target,
            actor_name=str(actor),
            target_name=str(target),
            basis=Basis.ANY_USER,
            address=_address(number),
            agent=AGENT,
            started_at=at,
            ends_at=at + timedelta(hours=1),
            ended_at=ended_at,
            end_cause="" if is_open else EndCause.LOGGED_OUT,
            ended_by=None if is_open else actor,
            noticed_at=ended_at,
        )

    def _event(self, number: int, about: User, what: tuple[AuditAction, dict[str, Any]], actor: User) -> Columns:
        action, words = what
        event = build_event(
            action,
            origin=Origin(user=actor, actor=actor, address=_address(0), agent=AGENT),
            organization_id=self.organization.pk,
            about=about,
            at=self.now - HISTORY + number * self.event_every,
            **words,
        )
        return vars(event)

    def _back(self, number: int, what: str) -> datetime:
        """Return a moment of the time that history goes back."""
        return self.now - timedelta(seconds=_chance(number, what) % int(HISTORY.total_seconds()))


def _missing(rows: Iterator[Row], there: "QuerySet[Any]", wanted: int) -> Iterator[list[Row]]:
    """Yield batches of those of the first ``wanted`` rows that are not there."""
    missing = islice(rows, there.count(), wanted) if wanted else iter(())
    while batch := list(islice(missing, BATCH)):
        yield batch


def _once(people: "QuerySet[User]") -> Iterator[User]:
    """Yield people by their ids, a batch in memory at a time."""
    after = 0
    while batch := list(people.filter(pk__gt=after).order_by("pk").only(*PERSON)[:BATCH]):
        yield from batch
        after = batch[-1].pk


def _again(people: "QuerySet[User]") -> Iterator[User]:
    """Yield people by their ids, and again from the first, if there is anybody."""
    while people.exists():
        yield from _once(people)


@transaction.atomic
def _organization(at: datetime) -> Organization:
    """Return the organization of that name, made with its profiles and roles if it is not there."""
    if there := Organization.objects.filter(name=NAME).first():
        return there
    made = create_organization(name=NAME, edition=Edition.ENTERPRISE, origin=ORIGIN, at=at)
    create_standard_profiles(made)
    for department in range(1, DEPARTMENTS + 1):
        above = create_role(made, name=f"Department {department}", origin=ORIGIN, at=at)
        for team in range(1, TEAMS + 1):
            create_role(made, name=f"Team {department}.{team}", parent=above, origin=ORIGIN, at=at)
    return made


def name_of(number: int) -> tuple[str, str]:
    """Return the first and the last name of a user, by number."""
    chance = _chance(number, "name")
    first, chance = FIRST[chance % len(FIRST)], chance // len(FIRST)
    onset, chance = ONSETS[chance % len(ONSETS)], chance // len(ONSETS)
    middle, chance = MIDDLES[chance % len(MIDDLES)], chance // len(MIDDLES)
    return first, f"{onset}{middle}{ENDINGS[chance % len(ENDINGS)]}".capitalize()


def username_of(number: int) -> str:
    """Return the username of a user, by number."""
    first, last = name_of(number)
    return f"{plain(first)}.{plain(last)}.{number}@{DOMAIN}"


def plain(name: str) -> str:
    """Return a name as it may stand in a username."""
    return name.lower().translate(PLAIN)


PLAIN = str.maketrans("åäáàãâéèëêíïóöôøúüýñçß", "aaaaaaeeeeiioooouuyncs")


def _profile_of(number: int) -> StandardProfile:
    if number % ADMINISTRATORS == 0:
        return StandardProfile.SYSTEM_ADMINISTRATOR
    if number % EXTERNAL == 0:
        return StandardProfile.EXTERNAL_USER
    return StandardProfile.STANDARD_USER


def _chance(number: int, what: str) -> int:
    """Return what looks like chance, and is the same each time."""
    return int.from_bytes(sha256(f"{what} {number}".encode()).digest()[:8], "big")


def _address(number: int) -> str:
    """Return an address that is nobody's (RFC 5737)."""
    return f"203.0.113.{number % 250 + 1}"
