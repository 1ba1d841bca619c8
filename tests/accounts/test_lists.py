"""Every list at some length: the same pages forward and back, whatever comes meanwhile, and read from an index."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone

from accounts.enums import LoginType
from accounts.models import DelegatedGroup, Impersonation, Login, LoginAccessGrant, Profile, Role, Session, User
from accounts.services.load import Size, seed_load
from accounts.testing import PortalClient
from orgs.models import AuditEvent, LoginAccessPolicy, Organization
from orgs.permissions import ADMINISTRATOR, to_bits
from tests.plans import index_in, plans_of, sorts

pytestmark = pytest.mark.django_db

SIZE = Size(users=1500, sessions=1200, logins=1500, grants=600, visits=600, open_visits=60, events=1800)
# As many of what the generator makes few or none of, all of the reader's own where they are somebody's.
MORE, OTHERS = 230, 1200


@pytest.fixture(scope="module")
def load(django_db_setup: None, django_db_blocker: Any) -> Iterator[Organization]:  # noqa: ANN401  # pytest-django's
    """An organization with enough of everything for several pages, the same for all tests here."""
    with django_db_blocker.unblock(), transaction.atomic():
        organization = seed_load(SIZE, now=timezone.now(), watch=lambda *_: None)
        _add_more(organization)
        LoginAccessPolicy.objects.filter(organization=organization).update(any_user_login=True)
        _weigh()
        yield organization
        transaction.set_rollback(True)


def _weigh() -> None:
    """Let the planner know what is there, and not what other tests left in PostgreSQL's indexes as they rolled back."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            connection.check_constraints()
            for table in dict.fromkeys(TABLES.values()):
                cursor.execute(f"REINDEX TABLE {table}")
        cursor.execute("ANALYZE")


def _add_more(organization: Organization) -> None:
    """Make more of what one page holds all of otherwise."""
    reader, at = User.objects.filter(organization=organization).order_by("pk")[0], timezone.now()
    of_it: dict[str, Any] = {"organization": organization}
    own: dict[str, Any] = {**of_it, "user": reader}
    Profile.objects.bulk_create(Profile(**of_it, name=f"Profile {n:03}") for n in range(MORE))
    Role.objects.bulk_create(Role(**of_it, name=f"Role {n:03}", path=f"z{n:03}", depth=1) for n in range(MORE))
    DelegatedGroup.objects.bulk_create(
        DelegatedGroup(**of_it, name=f"Group {n:03}", created_at=at) for n in range(MORE)
    )
    kind = {"type": LoginType.LOGIN_AS, "username": reader.username}
    bosses = Profile.objects.create(**of_it, name="Bosses", permission_bits=to_bits(ADMINISTRATOR))
    # Most begin with no letter of the list's.
    names = ("Boss", "9", "Ω")
    User.objects.bulk_create(
        User(**of_it, profile=bosses, username=f"boss{n}@load.example", last_name=f"{names[n % 3]} {n % 40}")
        for n in range(MORE)
    )
    _add_others(Organization.objects.create(name="Others", edition=organization.edition), bosses)
    Session.objects.bulk_create(
        Session(**own, key_hash=f"own {n}", created_at=at, last_active_at=at) for n in range(MORE)
    )
    Login.objects.bulk_create(Login(**own, **kind, created_at=at - timedelta(minutes=n // 3)) for n in range(MORE))
    LoginAccessGrant.objects.bulk_create(
        LoginAccessGrant(**own, granted_at=at, expires_at=at + timedelta(days=1), revoked_at=at, is_latest=False)
        for _ in range(MORE)
    )


def _add_others(others: Organization, profile: Profile) -> None:
    """Make another organization's people, with a grant and a session each: indexes are to be worth their while."""
    of_it, at = {"organization": others}, timezone.now()
    people = User.objects.bulk_create(
        User(**of_it, profile=profile, username=f"other{n}@load.example", last_name="Other") for n in range(OTHERS)
    )
    LoginAccessGrant.objects.bulk_create(
        LoginAccessGrant(**of_it, user=one, granted_at=at, expires_at=at + timedelta(days=1)) for one in people
    )
    Session.objects.bulk_create(
        Session(**of_it, user=one, key_hash=f"other {n}", created_at=at) for n, one in enumerate(people)
    )
    # And many that are over.
    Session.objects.bulk_create(Session(**of_it, user=one, created_at=at, ended_at=at) for one in people * 3)


@pytest.fixture
def client(load: Organization) -> PortalClient:
    """The organization's first administrator."""
    client = PortalClient()
    client.cookies[settings.SESSION_COOKIE_NAME] = "seed_load 0"
    return client


# --- the lists ---------------------------------------------------------------------------------------------------

Page = list[Any]


@dataclass(frozen=True)
class List:
    """A list: its address, and the ids of the rows that its page shows."""

    address: str
    rows: Callable[[Any], Page]

    def page(self, client: PortalClient, address: str = "") -> tuple[Page, str, str]:
        """Return the ids of a page, and the addresses of the next and the one before."""
        response = client.get(address or self.address)
        assert response.status_code == 200
        context = response.context
        return self.rows(context), context["next_url"], context["previous_url"]

    def address_with(self, asked: str) -> str:
        return f"{self.address}{'?' if '?' not in self.address else '&'}{asked}" if asked else self.address


LISTS = {
    "users": List("/setup/users/", lambda context: [row.user.pk for row in context["rows"]]),
    "sessions": List("/setup/sessions/", lambda context: [row.live.session.pk for row in context["rows"]]),
    "grants": List("/setup/login-access-grants/", lambda context: [row.grant.pk for row in context["rows"]]),
    "logins": List("/setup/login-history/", lambda context: [login.row.pk for login in context["logins"]]),
    "visits": List("/setup/impersonations/", lambda context: [row.visit.row.pk for row in context["rows"]]),
    "trail": List("/setup/audit-trail/", lambda context: [event.pk for event in context["events"]]),
    "roles": List("/setup/roles/", lambda context: [row.role.pk for row in context["rows"] if not row.is_above]),
    "profiles": List("/setup/profiles/", lambda context: [row.profile.pk for row in context["rows"]]),
    "groups": List("/setup/delegated-groups/", lambda context: [row.group.pk for row in context["rows"]]),
    "own sessions": List("/settings/sessions/", lambda context: [row.live.session.pk for row in context["rows"]]),
    "own logins": List("/settings/login-history/", lambda context: [login.row.pk for login in context["logins"]]),
    "own grants": List("/settings/login-access/", lambda context: [grant.pk for grant, _ in context["history"]]),
}
ADMIN = "person=pedro.nochdo.0@load.example"
SORTED = ("name", "alias", "username", "last_login")
SORTS = [f"sort={sign}{name}" for name in SORTED for sign in ("", "-")]
ASKED = [
    *(("users", f"letter=B&sort={sort}") for sort in ("name", "-name", "alias", "-alias")),
    *(("users", f"view={view}&sort=-last_login") for view in ("active", "administrators", "granted")),
    ("users", "view=active"),
    ("users", "view=granted&sort=-name"),
    ("users", "letter=other"),
    ("users", "letter=other&sort=last_login"),
    ("sessions", ""),
    ("sessions", "type=UI"),
    ("sessions", "type=SubstituteUser"),
    ("sessions", ADMIN),
    ("grants", ""),
    ("grants", "grantee=company"),
    ("logins", ""),
    ("logins", "status=success"),
    ("logins", f"{ADMIN}&type=login_as"),
    ("visits", ""),
    ("visits", "state=ended"),
    ("visits", "cause=logged_out"),
    ("visits", f"basis=any_user&{ADMIN}"),
    ("trail", ""),
    ("trail", "section=Manage Users"),
    ("trail", "action=user.frozen"),
    ("trail", f"{ADMIN}&role=any"),
    *((name, "") for name in ("roles", "profiles", "groups", "own sessions", "own logins", "own grants")),
]


@pytest.mark.parametrize(("name", "asked"), ASKED)
def test_pages_are_the_same_forward_and_back(client: PortalClient, name: str, asked: str) -> None:
    of = LISTS[name]
    first, second_url, before = of.page(client, address := of.address_with(asked))
    second, third_url, first_url = of.page(client, second_url)

    back, back_next, none = of.page(client, first_url)
    edited, _, _ = of.page(client, f"{second_url}x")

    assert (before, none) == ("", "")
    assert (back, of.page(client, back_next)[0], edited) == (first, second, first), address
    assert not set(first) & set(second)
    if third_url:
        third, _, second_again = of.page(client, third_url)
        assert of.page(client, second_again)[0] == second
        assert not set(third) & {*first, *second}


@pytest.mark.parametrize("asked", ["type=SubstituteUser", ADMIN])
def test_sessions_of_many_visits_are_those_of_few(
    client: PortalClient, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    of = LISTS["sessions"]
    few = of.page(client, address := of.address_with(asked))
    monkeypatch.setattr("accounts.session_list.FEW", 10)

    assert of.page(client, address) == few
    assert len(few[0]) >= 50


# --- what comes meanwhile ----------------------------------------------------------------------------------------


def again(row: Any, **changes: Any) -> Any:  # noqa: ANN401  # a row of any model
    """Save a row like another, which sorts right behind it if not by its id."""
    for name, value in ({"pk": None} | changes).items():
        setattr(row, name, value)
    row._state.adding = True
    row.save(force_insert=True)
    return row


def session_again(row: Session) -> Session:
    changes: dict[str, Any] = {"public_id": uuid.uuid4(), "key_hash": uuid.uuid4().hex}
    return again(row, **changes)  # type: ignore[no-any-return]


def visit_again(row: Impersonation) -> Impersonation:
    session, actor_session = session_again(row.session), session_again(row.actor_session)
    return again(row, pk=session.pk, session=session, actor_session=actor_session)  # type: ignore[no-any-return]


NEWCOMERS: dict[str, tuple[type[models.Model], Callable[[Any], Any]]] = {
    "users": (User, lambda row: again(row, username=f"{row.username}x")),
    "sessions": (Session, session_again),
    "grants": (
        LoginAccessGrant,
        lambda row: again(row, user=User.objects.filter(login_access_grants=None).order_by("-pk")[0]),
    ),
    "logins": (Login, again),
    "visits": (Impersonation, visit_again),
    "trail": (AuditEvent, again),
}
MEANWHILE = [
    *(("users", sort) for sort in SORTS),
    *((name, "") for name in ("sessions", "grants", "logins", "visits", "trail")),
]


@pytest.mark.parametrize(("name", "asked"), MEANWHILE)
def test_rows_that_come_meanwhile_make_none_twice_and_lose_none(client: PortalClient, name: str, asked: str) -> None:
    of, (model, make) = LISTS[name], NEWCOMERS[name]
    first, second_url, _ = of.page(client, of.address_with(asked))
    second, third_url, _ = of.page(client, second_url)
    third, _, _ = of.page(client, third_url)

    for pk in (first[0], first[-1], second[0], second[20], third[5]):
        make(model._default_manager.get(pk=pk))
    pages, url = [], second_url
    for _ in range(3):
        page, url, before = of.page(client, url)
        pages.append((page, before))

    rows = [pk for page, _ in pages for pk in page]
    old = {*first, *second, *third}
    assert len(set(rows)) == len(rows)
    assert [pk for pk in rows if pk in old] == [*second, *third]
    # And back: all of the first page, and nothing of the second.
    back, _, _ = of.page(client, pages[0][1])
    assert [pk for pk in back if pk in old] == first[-len([pk for pk in back if pk in old]) :]


# --- how the database answers ------------------------------------------------------------------------------------

TABLES = {
    "users": "accounts_user",
    "sessions": "accounts_session",
    "grants": "accounts_loginaccessgrant",
    "logins": "accounts_login",
    "visits": "accounts_impersonation",
    "trail": "orgs_auditevent",
    "own sessions": "accounts_session",
    "own logins": "accounts_login",
    "own grants": "accounts_loginaccessgrant",
}
SOMEONE = "person=boss7@load.example"
DAY = f"start={timezone.now():%Y-%m-%d}"
# Of each the index of the rows' own table that the page is read from: the first statements', where there are several.
PLANS = [
    *(("users", f"sort={sign}{name}", [f"user_by_{name}"]) for name in SORTED for sign in ("", "-")),
    ("users", "letter=B", ["user_by_name"]),
    ("users", "letter=other", ["user_by_name", "user_by_name"]),
    ("users", "view=inactive", ["user_inactive_by_name"]),
    ("users", "view=frozen", ["user_frozen_by_name"]),
    ("users", "view=external", ["user_by_profile"]),
    ("users", "view=administrators&sort=username", ["user_by_username"]),
    ("users", "view=granted", ["user_by_name"]),
    ("users", "letter=B&sort=alias", ["user_by_alias"]),
    ("users", "role=1", ["user_by_role"]),
    ("users", "role=1&sort=-last_login", ["user_by_last_login"]),
    ("users", "profile=1", ["user_by_profile"]),
    ("sessions", "", ["session_live"]),
    ("sessions", "type=UI", ["session_live"]),
    ("grants", "", ["login_access_grant_standing"]),
    ("logins", "", ["login_by_organization"]),
    ("logins", "type=login_as", ["login_by_type"]),
    ("logins", "status=wrong_password", ["login_by_status"]),
    ("logins", f"status=wrong_password&{DAY}", ["login_by_status"]),
    ("logins", SOMEONE, ["login_by_user", "login_by_delegate_user"]),
    ("visits", "", ["impersonation_by_organization"]),
    ("visits", "state=open", ["impersonation_open_latest"]),
    ("visits", "cause=idle", ["impersonation_by_cause"]),
    ("visits", "basis=grant", ["impersonation_by_basis"]),
    ("visits", DAY, ["impersonation_by_organization"]),
    ("trail", "", ["audit_event_by_time"]),
    ("trail", "section=Roles", ["audit_event_by_section"]),
    ("trail", "action=user.frozen", ["audit_event_by_action"]),
    ("trail", DAY, ["audit_event_by_time"]),
    ("trail", f"section=Roles&{DAY}", ["audit_event_by_section"]),
    ("trail", f"{SOMEONE}&role=user", ["audit_event_by_user"]),
    (
        "trail",
        f"{SOMEONE}&role=any",
        ["audit_event_by_user", "audit_event_by_delegate", "audit_event_by_about"],
    ),
    ("own logins", "", ["login_by_user"]),
]
# Few rows of one person, sorted after they are found.
FOUND = [
    ("sessions", SOMEONE, ["session_by_user"]),
    ("own sessions", "", ["session_by_user"]),
    ("own grants", "", ["login_access_grant_by_user"]),
]


@pytest.mark.parametrize(("name", "asked", "indexes"), PLANS)
def test_page_is_read_from_an_index_in_its_order(
    load: Organization, client: PortalClient, name: str, asked: str, indexes: list[str]
) -> None:
    plans = page_plans(client, load, name, asked, without=("seqscan", "bitmapscan", "sort"))[: len(indexes)]

    assert [index_in(plan, TABLES[name]) for plan in plans] == indexes
    assert [plan for plan in plans if sorts(plan)] == []


@pytest.mark.parametrize(("name", "asked", "indexes"), FOUND)
def test_page_of_one_person_is_found_by_an_index(
    load: Organization, client: PortalClient, name: str, asked: str, indexes: list[str]
) -> None:
    plans = page_plans(client, load, name, asked, without=("seqscan",))[: len(indexes)]

    assert [index_in(plan, TABLES[name]) for plan in plans] == indexes


def page_plans(
    client: PortalClient, organization: Organization, name: str, asked: str, *, without: Sequence[str]
) -> list[str]:
    """Return how the database goes about the rows of a page, on PostgreSQL ``without`` what it does with few rows."""
    role, profile = (model.objects.filter(organization=organization).order_by("pk")[0] for model in (Role, Profile))
    asked = asked.replace("role=1", f"role={role.pk}").replace("profile=1", f"profile={profile.pk}")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for way in without:
                cursor.execute(f"SET LOCAL enable_{way} = off")
            # By the rows that are read alone: what other tests left in the files makes pages dear, here and there.
            cursor.execute("SET LOCAL seq_page_cost = 0; SET LOCAL random_page_cost = 0")
    of = LISTS[name]
    return plans_of(lambda: of.page(client, of.address_with(asked)), table=TABLES[name])
