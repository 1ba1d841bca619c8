"""The list of causes, total: each end of a visit is made by a real act, and its row says why, when and whose doing.

The many ways of each (a service, the rows alone, the right given back) are in ``test_ends_midway``, whose Acme this is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.enums import END_CAUSE, EndCause
from accounts.models import Impersonation, LoginAccessGrant, Session
from accounts.services.expiry import close_expired
from accounts.services.session_removal import end_own_session, remove_session
from accounts.services.users import deactivate_user, end_user_sessions
from accounts.services.visits import end_visit_as_target
from accounts.session_store import SessionStore
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import AuditEvent, SessionSettings
from tests.guards import unguarded

from .test_ends_midway import (
    BY_SERVICE,
    HOUR,
    MINUTE,
    Act,
    World,
    act_on,
    log_in,
    on_a_grant,
    on_any_user,
    save_policy,
    world,
)

__all__ = ["world"]

pytestmark = [pytest.mark.urls("tests.probe"), pytest.mark.usefixtures("world")]

BACKEND = "accounts.backends.PasswordBackend"


@dataclass(frozen=True)
class End:
    """One cause: how the visit begins, what ends it, whose doing that is, and whether it ends the own session too."""

    begins: Act
    act: Act
    by: str = ""
    ends_own: bool = False
    # The moment that it fell at, where that was a limit; otherwise it is the moment of the act.
    fell: Callable[[Impersonation, Session], datetime] | None = None


def by_service(name: str) -> End:
    """Take a row of the table of what is taken away in the middle of a visit."""
    way = BY_SERVICE[name]
    assert way.service is not None

    def begins(world: World) -> None:
        way.before(world)
        way.begins(world)

    return End(begins, way.service, way.by, ends_own=way.goes == "to sign in")


def look(world: World) -> None:
    world.client.get("/probe/")


def look_from_elsewhere(world: World) -> None:
    SessionSettings.objects.update(lock_to_address=True)
    world.client.get("/probe/", REMOTE_ADDR="198.51.100.77")


def signed_in(world: World, name: str, *, at: datetime) -> PortalClient:
    """Sign somebody in at a moment that is past."""
    store = SessionStore()
    store.bind(world.person(name), backend=BACKEND, at=at, address="127.0.0.1", agent="")
    store.save()
    client = PortalClient()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(store.session_key)
    return client


def some_time_ago(**ago: timedelta) -> Act:
    """Begin a visit in which nobody has done anything since."""

    def begins(world: World) -> None:
        at = timezone.now() - ago["started"]
        world.client = signed_in(world, "ada", at=timezone.now() - ago["signed_in"])
        world.client.login_as(world.person("grace"), at=at)

    return begins


def on_a_grant_that_runs_out(world: World) -> None:
    on_a_grant(world)
    end = timezone.now() - MINUTE
    LoginAccessGrant.objects.update(granted_at=end - HOUR, expires_at=end)
    with unguarded():
        Impersonation.objects.update(started_at=end - HOUR / 2, ends_at=end)


def remove(world: World) -> None:
    remove_session(world.visit.session.public_id, origin=world.origin("alan"))


def end_ones_own(world: World) -> None:
    end_own_session(world.visit.actor_session.public_id, origin=world.origin("ada"))


def end_as_target(world: World) -> None:
    client = PortalClient()
    client.force_login(world.person("grace"))
    client.post(f"/settings/visits/{world.visit.pk}/end/")


def log_out(world: World) -> None:
    world.client.log_out_as()


def ends_at(visit: Impersonation, own: Session) -> datetime:
    return visit.ends_at


def idle_end(visit: Impersonation, own: Session) -> datetime:
    return own.idle_end(timedelta(hours=2))


ENDS: dict[EndCause, End] = {
    EndCause.LOGGED_OUT: End(on_any_user, log_out, "ada", ends_own=True),
    EndCause.TIME_LIMIT: End(
        some_time_ago(signed_in=100 * MINUTE, started=90 * MINUTE), look, ends_own=True, fell=ends_at
    ),
    EndCause.IDLE: End(some_time_ago(signed_in=150 * MINUTE, started=50 * MINUTE), look, ends_own=True, fell=idle_end),
    EndCause.PARENT_SESSION_ENDED: End(on_any_user, end_ones_own, "ada", ends_own=True),
    EndCause.ENDED_BY_ADMINISTRATOR: End(on_any_user, remove, "alan"),
    EndCause.ENDED_BY_TARGET: End(on_any_user, end_as_target, "grace"),
    EndCause.POLICY_CHANGED: by_service("policy off"),
    EndCause.DEPROVISIONED: by_service("deprovisioned"),
    EndCause.EDITION_CHANGED: by_service("downgrade"),
    EndCause.GRANT_REVOKED: by_service("grant revoked"),
    EndCause.GRANT_EXPIRED: End(on_a_grant_that_runs_out, look, fell=ends_at),
    EndCause.DELEGATE_REMOVED: by_service("delegate removed from the group"),
    EndCause.OUT_OF_REACH: by_service("role moved"),
    EndCause.BECAME_PROTECTED: by_service("protect administrators"),
    EndCause.TARGET_DEACTIVATED: by_service("target deactivated"),
    EndCause.TARGET_BECAME_EXTERNAL: by_service("target becomes external"),
    EndCause.ACTOR_DEACTIVATED: by_service("actor deactivated"),
    EndCause.ACTOR_FROZEN: by_service("actor frozen"),
    EndCause.ACTOR_LOST_PERMISSION: by_service("actor loses Modify All Data"),
    EndCause.PASSWORD_CHANGED: by_service("target's password"),
    EndCause.ADDRESS_CHANGED: End(on_any_user, look_from_elsewhere, ends_own=True),
}


def test_every_cause_has_its_end() -> None:
    assert set(ENDS) == set(EndCause)
    assert set(END_CAUSE.values()) < set(EndCause)


@pytest.mark.parametrize("cause", EndCause)
def test_end_says_why_when_and_whose_doing_it_was(world: World, cause: EndCause) -> None:
    end = ENDS[cause]
    end.begins(world)
    own = Session.objects.get(pk=world.visit.actor_session_id)
    before = timezone.now()
    end.act(world)

    visit, after = world.visit, timezone.now()
    worn, own_now = Session.objects.get(pk=visit.pk), Session.objects.get(pk=own.pk)
    by = str(world.people[end.by]) if end.by else ""
    assert (visit.end_cause, str(visit.ended_by or "")) == (cause, by)
    assert visit.ended_at is not None
    assert visit.noticed_at is not None
    assert before <= visit.noticed_at <= after
    if end.fell is None:
        assert before <= visit.ended_at <= visit.noticed_at
    else:
        assert visit.ended_at == end.fell(visit, own) < before
    assert (worn.ended_at, worn.data) == (visit.ended_at, "")
    assert own_now.ended_at == (visit.ended_at if end.ends_own else None)
    (event,) = AuditEvent.objects.filter(action="impersonation.ended")
    why = "" if cause == EndCause.LOGGED_OUT else f": {cause.label}"
    # Whose doing it was, where it was neither of the two; the vendor's own with where they are from.
    by += " (Portal Support)" if end.by == "sally" else ""
    why += f" ({by})" if by and visit.ended_by not in {visit.actor, visit.target} else ""
    assert event.sentence == f"Logged out using Login-As access for {visit.target}{why}"
    assert (event.user, event.delegate_user, event.about) == (visit.actor, None, visit.target)
    assert (event.impersonation_id, event.created_at) == (visit.pk, visit.noticed_at)
    assert event.after == {"cause": cause.value, "ended_at": visit.ended_at.isoformat(), "ended_by": by}


# --- what a limit had ended before ------------------------------------------------------------------------------------

# Whoever comes later ends nothing any more: the visit was over when its limit fell, and was nobody's doing.
LATER: dict[str, Act] = {
    "deactivate the actor": act_on("ada", deactivate_user),
    "deactivate the user": act_on("grace", deactivate_user),
    "end all sessions": act_on("ada", end_user_sessions),
    "remove": remove,
    "end one's own": end_ones_own,
    "the target's End": end_as_target,
    "policy off": save_policy(any_user_login=False),
    "the sweep": lambda _: close_expired(origin=Origin.automated("close_expired")),
    "the next page": look,
}


@pytest.mark.parametrize("act", LATER.values(), ids=LATER)
@pytest.mark.parametrize("force_relogin", [False, True])
def test_limit_that_fell_unnoticed_was_first(world: World, act: Act, force_relogin: bool) -> None:
    SessionSettings.objects.update(force_relogin=force_relogin)
    some_time_ago(signed_in=100 * MINUTE, started=90 * MINUTE)(world)
    act(world)

    visit = world.visit
    assert (visit.end_cause, visit.ended_at, visit.ended_by) == (EndCause.TIME_LIMIT, visit.ends_at, None)
    if force_relogin:
        assert Session.objects.get(pk=visit.actor_session_id).ended_at == visit.ends_at


def test_limit_made_shorter_ends_no_visit_before_it_began(world: World) -> None:
    some_time_ago(signed_in=100 * MINUTE, started=20 * MINUTE)(world)
    SessionSettings.objects.update(absolute_hours=1, idle_minutes=60)
    look(world)

    assert (world.visit.end_cause, world.visit.ended_at) == (EndCause.TIME_LIMIT, world.visit.started_at)


def test_end_by_someone_else_s_visit_is_not_found(world: World) -> None:
    log_in(world, "ada")
    alan = world.person("alan")

    assert not end_visit_as_target(alan, visit_id=world.visit.pk, origin=world.origin("alan"))
    assert world.visit.ended_at is None
