"""Ending sessions: whose, which stay, and what it makes of the visits in and from them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.enums import EndCause, SessionEnd
from accounts.keys import hash_key
from accounts.models import Impersonation, Session, User
from accounts.services import batches
from accounts.services.sessions import close_visits, end_session, end_sessions, end_sessions_of, lock_sessions
from accounts.services.users import deactivate_user
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import AuditEvent, Organization
from tests.queries import captured_queries

ClientOf = Callable[[User], PortalClient]
Browser = Callable[[], PortalClient]


class Scene(NamedTuple):
    """Ada has a session, and is logged in as Grace from another; so is Alan; Grace has a session of her own."""

    of_ada: Session
    of_ada_worn_from: Session
    as_grace_by_ada: Session
    of_alan_worn_from: Session
    as_grace_by_alan: Session
    of_grace: Session

    def ended(self) -> set[str]:
        """Return the names of those that have ended."""
        over = set(Session.objects.exclude(ended_at=None).values_list("pk", flat=True))
        return {name for name, row in self._asdict().items() if row.pk in over}


def row_of(client: PortalClient) -> Session:
    return Session.objects.get(key_hash=hash_key(client.cookies[settings.SESSION_COOKIE_NAME].value))


def parent_of(worn: Session) -> Session:
    return Session.objects.get(children=worn)


@pytest.fixture
def scene(
    any_user_login: Organization, ada: User, alan: User, grace: User, client_of: ClientOf, browser: Browser
) -> Scene:
    of_ada, of_grace = row_of(client_of(ada)), row_of(client_of(grace))
    by_ada, by_alan = browser(), browser()
    by_ada.login_as(grace, actor=ada)
    by_alan.login_as(grace, actor=alan)
    worn_by_ada, worn_by_alan = row_of(by_ada), row_of(by_alan)
    Session.objects.update(data="something", previous_key_hash="0" * 64)
    return Scene(
        of_ada,
        parent_of(worn_by_ada),
        worn_by_ada,
        parent_of(worn_by_alan),
        worn_by_alan,
        of_grace,
    )


def causes() -> dict[str, str]:
    """Return who is or was logged in as Grace, and why it ended."""
    return dict(Impersonation.objects.values_list("actor_name", "end_cause"))


def test_ending_a_session_ends_what_is_worn_below_it(scene: Scene, ada: User, alan: User) -> None:
    at = timezone.now() - timedelta(minutes=3)
    noticed_at = timezone.now()

    count = end_session(
        scene.of_ada_worn_from,
        cause=EndCause.ENDED_BY_ADMINISTRATOR,
        origin=Origin(user=alan, actor=alan, address="192.0.2.9"),
        by=alan,
        at=at,
        noticed_at=noticed_at,
    )

    assert (count, scene.ended()) == (2, {"of_ada_worn_from", "as_grace_by_ada"})
    visit = Impersonation.objects.get(actor=ada)
    assert (visit.ended_at, visit.noticed_at, visit.end_cause, visit.ended_by) == (
        at,
        noticed_at,
        EndCause.ENDED_BY_ADMINISTRATOR,
        alan,
    )
    for row in Session.objects.exclude(ended_at=None):
        assert (row.ended_at, row.data, row.previous_key_hash) == (at, "", None)
    event = AuditEvent.objects.latest("id")
    assert (event.user_name, event.about_name, event.delegate_user_name) == ("Ada Lovelace", "Grace Hopper", "")
    assert (event.created_at, event.address) == (noticed_at, "192.0.2.9")
    assert event.after == {
        "cause": "ended_by_administrator",
        "ended_at": at.isoformat(),
        "ended_by": "Alan Turing",
    }


def test_ending_a_worn_session_leaves_its_parent(scene: Scene) -> None:
    count = end_session(scene.as_grace_by_ada, cause=EndCause.ENDED_BY_TARGET, origin=Origin())

    assert (count, scene.ended()) == (1, {"as_grace_by_ada"})
    assert causes() == {"Ada Lovelace": "ended_by_target", "Alan Turing": ""}


def test_ending_a_session_says_by_itself_that_the_parent_ended(scene: Scene) -> None:
    end_session(scene.of_ada_worn_from, origin=Origin())

    assert causes() == {"Ada Lovelace": "parent_session_ended", "Alan Turing": ""}
    assert AuditEvent.objects.latest("id").after["ended_by"] == ""


def test_ending_twice_ends_once(scene: Scene) -> None:
    end_session(scene.of_ada_worn_from, origin=Origin())
    before = list(Session.objects.order_by("id").values())

    assert end_session(scene.of_ada_worn_from, origin=Origin()) == 0
    assert list(Session.objects.order_by("id").values()) == before
    assert AuditEvent.objects.filter(action="impersonation.ended").count() == 1


def test_ending_what_is_not_there_ends_nothing(scene: Scene) -> None:
    assert end_sessions(Q(pk=0), cause=lambda _: EndCause.IDLE, origin=Origin()) == 0
    assert scene.ended() == set()


OF_ADA = {"of_ada", "of_ada_worn_from", "as_grace_by_ada"}


@pytest.mark.parametrize(
    ("name", "as_target", "expected", "expected_causes"),
    [
        ("ada", None, OF_ADA, {"Ada Lovelace": "actor_frozen", "Alan Turing": ""}),
        ("ada", EndCause.TARGET_DEACTIVATED, OF_ADA, {"Ada Lovelace": "actor_frozen", "Alan Turing": ""}),
        ("grace", None, {"of_grace"}, {"Ada Lovelace": "", "Alan Turing": ""}),
        (
            "grace",
            EndCause.TARGET_DEACTIVATED,
            {"of_grace", "as_grace_by_ada", "as_grace_by_alan"},
            {"Ada Lovelace": "target_deactivated", "Alan Turing": "target_deactivated"},
        ),
    ],
)
def test_ending_a_persons_sessions(
    scene: Scene, name: str, as_target: EndCause | None, expected: set[str], expected_causes: dict[str, str]
) -> None:
    user = User.objects.get(username=f"{name}@acme.example")

    count = end_sessions_of(user, as_actor=EndCause.ACTOR_FROZEN, as_target=as_target, origin=Origin())

    assert (scene.ended(), count) == (expected, len(expected))
    assert causes() == expected_causes


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ("of_ada", {"of_ada_worn_from", "as_grace_by_ada"}),
        ("of_ada_worn_from", {"of_ada"}),
        ("as_grace_by_ada", {"of_ada"}),
        ("of_grace", OF_ADA),
    ],
)
def test_ending_a_persons_sessions_keeps_one_and_its_kin(
    scene: Scene, ada: User, keep: str, expected: set[str]
) -> None:
    end_sessions_of(
        ada,
        as_actor=EndCause.PASSWORD_CHANGED,
        as_target=EndCause.PASSWORD_CHANGED,
        origin=Origin(),
        keep=getattr(scene, keep),
    )

    assert scene.ended() == expected


def test_ending_a_targets_sessions_keeps_the_visit_that_asks(scene: Scene, grace: User) -> None:
    cause = EndCause.ENDED_BY_ADMINISTRATOR

    end_sessions_of(grace, as_actor=cause, as_target=cause, origin=Origin(), keep=scene.as_grace_by_ada)

    assert scene.ended() == {"of_grace", "as_grace_by_alan"}


@pytest.mark.parametrize("others", [0, 20])
def test_ending_a_persons_sessions_costs_the_same_beside_many_others(
    scene: Scene, ada: User, others: int, client_of: ClientOf, alan: User
) -> None:
    for _ in range(others):
        client_of(alan)

    with captured_queries() as queries:
        end_sessions_of(ada, as_actor=EndCause.ACTOR_DEACTIVATED, origin=Origin())

    assert len(queries) == 8


@pytest.mark.parametrize("size", [1, 2, 500])
def test_ending_a_persons_sessions_in_batches_ends_each_with_its_own_end(
    scene: Scene, ada: User, alan: User, client_of: ClientOf, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ada is let out: one of her sessions had fallen idle, from another she is logged in as Grace."""
    monkeypatch.setattr(batches, "BATCH", size)
    other = row_of(client_of(ada))
    at = timezone.now() + timedelta(minutes=30)
    idle = at - timedelta(minutes=10)
    Session.objects.filter(pk=scene.of_ada.pk).update(last_active_at=idle - timedelta(hours=2))

    deactivate_user(ada, origin=Origin(user=alan, actor=alan), at=at)

    ended = {row.pk: (row.ended_at, row.end_cause) for row in Session.objects.exclude(ended_at=None)}
    assert ended == {
        scene.of_ada.pk: (idle, SessionEnd.IDLE),
        scene.of_ada_worn_from.pk: (at, SessionEnd.DEACTIVATED),
        scene.as_grace_by_ada.pk: (at, None),
        other.pk: (at, SessionEnd.DEACTIVATED),
    }
    assert causes() == {"Ada Lovelace": EndCause.ACTOR_DEACTIVATED, "Alan Turing": ""}
    assert AuditEvent.objects.filter(action="impersonation.ended").count() == 1


def test_locking_reads_live_sessions_in_order_with_their_visits(scene: Scene) -> None:
    end_session(scene.of_grace, origin=Origin())

    rows = lock_sessions(Q())
    with captured_queries() as queries:
        visits = [row.impersonation if row.is_worn else None for row in rows]

    assert [row.pk for row in rows] == sorted(row.pk for row in scene if row != scene.of_grace)
    assert [visit.actor_name for visit in visits if visit] == ["Ada Lovelace", "Alan Turing"]
    assert queries == []


def test_closing_visits_that_are_closed_writes_nothing(scene: Scene) -> None:
    end_session(scene.as_grace_by_ada, origin=Origin())
    visit = Impersonation.objects.get(actor_name="Ada Lovelace")
    now: Any = timezone.now()

    with captured_queries() as queries:
        close_visits([visit], cause=EndCause.IDLE, origin=Origin(), at=now, noticed_at=now)

    assert queries == []
    assert visit.end_cause == EndCause.PARENT_SESSION_ENDED
