"""Visits that somebody else ends: the target by *End*, and whoever takes away what many rest on."""

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse
from django.utils import timezone

from accounts.enums import EndCause
from accounts.models import Impersonation, Session, User
from accounts.services import batches
from accounts.services.expiry import close_expired
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import AuditEvent, LoginAccessPolicy, Organization, SessionSettings
from orgs.services.login_access_policies import save_login_access_policy
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import DjangoCaptureOnCommitCallbacks


def test_target_ends_a_visit_once(
    any_user_login: Organization,
    ada: User,
    grace: User,
    client_of: "Callable[[User], PortalClient]",
    portal_client: PortalClient,
) -> None:
    visit = portal_client.login_as(grace, actor=ada)
    of_grace = client_of(grace)
    end = reverse("visit_end", args=[visit.pk])

    first, second = of_grace.post(end), of_grace.post(end)

    assert [str(one) for one in get_messages(first.wsgi_request)] == [
        "The visit has been ended. Whoever was logged in as you is out."
    ]
    assert "That visit has already ended." in [str(one) for one in get_messages(second.wsgi_request)]
    row = Impersonation.objects.get()
    assert (row.end_cause, row.ended_by) == (EndCause.ENDED_BY_TARGET, grace)


# --- many at once ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows in a batch."""
    monkeypatch.setattr(batches, "BATCH", 2)


def start(count: int, *, actor: User, target: User) -> "list[PortalClient]":
    """Let ``actor`` be logged in as ``target`` from so many browsers."""
    made = [PortalClient() for _ in range(count)]
    for client in made:
        client.login_as(target, actor=actor)
    return made


def switch_off(organization: Organization, by: User) -> int:
    """Switch any-user login off, and return how many visits that ended."""
    version = organization.login_access_policy.version
    origin = Origin(user=by, actor=by)
    return save_login_access_policy(
        organization, version=version, origin=origin, at=AT, any_user_login=False
    ).visits_ended


def ends() -> list[tuple[Any, ...]]:
    """Return of each visit cause, moment and by whom, whether its session goes on, and its rows of the trail."""
    rows = Impersonation.objects.select_related("session").order_by("pk")
    told = Counter(AuditEvent.objects.filter(action="impersonation.ended").values_list("impersonation_id", flat=True))
    return [(row.end_cause, row.ended_at, row.ended_by_id, row.session.ended_at, told[row.pk]) for row in rows]


GOES_ON = ("", None, None, None, 0)
# Within the hour that a visit may take, and after what a slow machine has run before.
AT = timezone.now() + timedelta(minutes=40)


@pytest.mark.usefixtures("small_batches")
def test_many_visits_end_in_batches_the_first_with_the_change(
    any_user_login: Organization,
    ada: User,
    alan: User,
    grace: User,
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    start(5, actor=ada, target=grace)
    ended = (EndCause.POLICY_CHANGED, AT, alan.pk, AT, 1)

    with django_capture_on_commit_callbacks() as rest:
        assert switch_off(any_user_login, alan) == 5
    in_the_transaction = ends()
    for end in rest:
        end()

    assert (in_the_transaction, ends()) == ([ended] * 2 + [GOES_ON] * 3, [ended] * 5)
    # The actor's own go on.
    assert Session.objects.live().filter(user=ada, parent=None).count() == 5


@pytest.mark.usefixtures("small_batches")
def test_visit_that_its_actor_closes_before_its_batch_is_closed_once(
    any_user_login: Organization,
    ada: User,
    alan: User,
    grace: User,
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    *_, last = start(3, actor=ada, target=grace)
    with django_capture_on_commit_callbacks() as rest:
        switch_off(any_user_login, alan)

    last.get("/")
    before = ends()
    for end in rest:
        end()

    assert ends() == before
    assert before[-1] == (EndCause.POLICY_CHANGED, AT, None, AT, 1)


@pytest.mark.usefixtures("small_batches")
def test_what_a_killed_process_leaves_lets_nobody_in_and_is_swept(
    any_user_login: Organization, ada: User, alan: User, grace: User
) -> None:
    SessionSettings.objects.update(force_relogin=False)
    *_, asks, _ = start(4, actor=ada, target=grace)
    # Nothing that was to follow the commit runs.
    switch_off(any_user_login, alan)
    goes_on = ends()

    came = asks.get("/settings/", follow=True)
    later = timezone.now() + timedelta(hours=1, minutes=1)
    close_expired(origin=Origin.automated("close_expired"), at=later)

    assert goes_on[2:] == [GOES_ON] * 2
    assert came.wsgi_request.user == ada
    assert [end[:2] for end in ends()] == [(EndCause.POLICY_CHANGED, AT)] * 4
    assert [end[-1] for end in ends()] == [1] * 4


def test_switching_off_costs_the_same_for_one_visit_or_many(
    any_user_login: Organization, ada: User, alan: User, grace: User
) -> None:
    def cost(count: int) -> int:
        start(count, actor=ada, target=grace)
        any_user_login.login_access_policy.refresh_from_db()
        with captured_queries() as queries:
            switch_off(any_user_login, alan)
        LoginAccessPolicy.objects.update(any_user_login=True, login_access_lost_at=None)
        return len(queries)

    assert cost(1) == cost(4)
