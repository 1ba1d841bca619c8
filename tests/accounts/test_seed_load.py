"""``seed_load``: so many rows of each kind, the same ones each time, that the portal takes for its own."""

from collections import Counter
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import Impersonation, Login, LoginAccessGrant, Session, StandardProfile, User
from accounts.services import bulk, load
from accounts.services.load import name_of
from orgs.audit import AuditAction
from orgs.models import AuditEvent, LoginAccessPolicy, Organization

if TYPE_CHECKING:
    from pytest_django import Settings

    from accounts.testing import PortalClient

pytestmark = [pytest.mark.django_db, pytest.mark.vendor]

EVERYTHING = {"users": 60, "sessions": 70, "logins": 65, "grants": 20, "visits": 12, "open_visits": 5, "events": 140}


def seed(**size: int) -> str:
    out = StringIO()
    call_command("seed_load", stdout=out, stderr=StringIO(), **size)
    return out.getvalue()


def counts() -> dict[str, int]:
    of_it: dict[str, Any] = {"organization": Organization.objects.get(name="Load")}
    visits = Impersonation.objects.filter(**of_it)
    return {
        "users": User.objects.filter(**of_it).count(),
        "sessions": Session.objects.filter(type="UI", key_hash__isnull=False, **of_it).count(),
        "logins": Login.objects.filter(**of_it).count(),
        "grants": LoginAccessGrant.objects.filter(**of_it).count(),
        "visits": visits.exclude(ended_at=None).count(),
        "open_visits": visits.filter(ended_at=None).count(),
        "events": AuditEvent.objects.filter(**of_it).count(),
    }


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "BATCH", 7)


@pytest.mark.usefixtures("small_batches")
def test_makes_what_was_asked_for_once_and_later_what_is_missing() -> None:
    said = seed(**EVERYTHING)
    made = counts()
    first = set(User.objects.filter(organization__name="Load").values_list("username", flat=True))

    seed(**EVERYTHING)
    again = counts()
    seed(**EVERYTHING | {"users": 75, "events": 150})

    assert "has what was asked for" in said
    assert made == again == EVERYTHING
    assert counts() == EVERYTHING | {"users": 75, "events": 150}
    assert first < set(User.objects.filter(organization__name="Load").values_list("username", flat=True))


def test_people_are_the_same_each_time_and_of_every_kind() -> None:
    seed(users=401)

    people = User.objects.filter(organization__name="Load").select_related("profile").order_by("pk")
    assert [person.username for person in people[:2]] == [
        "pedro.nochdo.0@load.example",
        "bongani.kardsworth.1@load.example",
    ]
    assert [(person.first_name, person.last_name) for person in people[:9]] == [name_of(number) for number in range(9)]
    assert people[0].is_administrator
    assert people[0].is_active
    kinds = Counter(person.profile.standard for person in people)
    assert kinds == {
        StandardProfile.SYSTEM_ADMINISTRATOR: 1,
        StandardProfile.EXTERNAL_USER: 16,
        StandardProfile.STANDARD_USER: 384,
    }
    assert (sum(not person.is_active for person in people), sum(person.is_frozen for person in people)) == (20, 2)
    assert not any(person.has_usable_password() for person in people)


def test_sessions_and_visits_are_what_the_portal_takes_for_its_own(anonymous: "PortalClient") -> None:
    seed(users=30, sessions=3, open_visits=2)
    policy = LoginAccessPolicy.objects.filter(organization__name="Load")
    policy.update(any_user_login=True)
    pages = []

    for key in ("seed_load 1", "open visit 1"):
        anonymous.cookies[settings.SESSION_COOKIE_NAME] = key
        pages.append(anonymous.get("/"))

    visit = Impersonation.objects.order_by("pk").last()
    assert visit is not None
    assert [page.status_code for page in pages] == [200, 200]
    assert "you are logged in as" not in pages[0].content.decode()
    assert pages[1].context["impersonation"].pk == visit.pk
    assert (visit.session.parent_id, visit.session.user) == (visit.actor_session_id, visit.target)


def test_many_users_have_all_their_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MANY", 10)
    seed(users=9)
    seed(users=30)

    people = User.objects.filter(organization__name="Load")
    found = {part: people.searched_for(part).count() for part in ("nochdo", "kardsw", "nowhere")}
    triggers = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'accounts_usersearch%%'"
    indexes = "SELECT COUNT(*) FROM pg_indexes WHERE indexname = 'user_search'"
    with connection.cursor() as cursor:
        cursor.execute(indexes if connection.vendor == "postgresql" else triggers)
        kept_by = cursor.fetchone()
        there = set(connection.introspection.get_constraints(cursor, User._meta.db_table))

    assert found == {"nochdo": 1, "kardsw": 1, "nowhere": 0}
    assert kept_by == ((1,) if connection.vendor == "postgresql" else (3,))
    assert {index.name for index in User._meta.indexes} <= there


def test_events_stand_in_the_order_of_their_times() -> None:
    seed(users=5, events=90)

    events = AuditEvent.objects.filter(organization__name="Load").exclude(delegate_user_name="x").order_by("pk")
    bulk = [event for event in events if event.action == AuditAction.USER_FROZEN]
    times = [event.created_at for event in bulk]
    assert times == sorted(times)
    assert {event.sentence for event in bulk} <= {f"Froze user {person}" for person in User.objects.all()}


def test_nobody_has_two_latest_grants() -> None:
    seed(users=9, grants=20)

    assert counts()["grants"] == 9


def test_what_is_somebodys_needs_people() -> None:
    with pytest.raises(CommandError, match="Make users first"):
        seed(sessions=3)


def test_visits_need_a_second_person() -> None:
    seed(users=1, visits=3)

    assert counts()["visits"] == 0


def test_nothing_asked_for_makes_the_organization() -> None:
    seed()

    assert (counts()["users"], Organization.objects.get(name="Load").provisioned) == (0, True)


def test_production_is_refused(settings: "Settings") -> None:
    settings.DEVELOPMENT = False

    with pytest.raises(CommandError, match="DEBUG=true only"):
        seed(users=1)

    assert not Organization.objects.exists()
