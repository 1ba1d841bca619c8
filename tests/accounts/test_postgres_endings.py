"""Many visits that end in batches beside others who end the same, on PostgreSQL: nobody hangs, each is closed once."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from accounts.enums import EndCause
from accounts.models import Impersonation, Session, User
from accounts.services import batches
from accounts.services.expiry import close_expired
from accounts.services.impersonation import leave_impersonation
from accounts.services.users import deactivate_user
from accounts.session_store import SessionStore
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import Organization
from orgs.services.login_access_policies import save_login_access_policy

from .test_postgres_concurrency import RETURN, SESSION, meeting, nothing_is_half_done

if TYPE_CHECKING:
    from accounts.identity import Identity

# Fixtures.
__all__ = ["nothing_is_half_done"]

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("size", [1, 2, 500])
def test_switching_off_in_batches_against_everything_that_ends_visits(
    size: int,
    any_user_login: Organization,
    ada: User,
    alan: User,
    grace: User,
    hedy: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "BATCH", size)
    clients = [PortalClient() for _ in range(6)]
    for client, target in zip(clients, (grace, hedy) * 3, strict=True):
        client.login_as(target, actor=alan)
    at = timezone.now() + timedelta(minutes=1)
    version = any_user_login.login_access_policy.version
    origin = Origin(user=ada, actor=ada)

    def switch_off() -> int:
        return save_login_access_policy(
            any_user_login, version=version, origin=origin, at=at, any_user_login=False
        ).visits_ended

    with meeting(Session.objects.all(), of=4) as send:
        sent = [
            send(switch_off),
            send(leave(clients[-1])),
            send(lambda: deactivate_user(grace, origin=origin)),
            send(lambda: close_expired(origin=Origin(), at=at + timedelta(hours=3))),
        ]

    for one in sent:
        one.result()
    causes = Impersonation.objects.values_list("end_cause", flat=True)
    assert set(causes) <= {
        EndCause.POLICY_CHANGED,
        EndCause.LOGGED_OUT,
        EndCause.TARGET_DEACTIVATED,
        EndCause.TIME_LIMIT,
        EndCause.IDLE,
    }
    assert Impersonation.objects.open().count() == 0


def leave(client: PortalClient) -> Callable[[], object]:
    """Return what logs out of a visit."""
    identity, token = identity_of(client), client.cookies[RETURN].value
    return lambda: leave_impersonation(identity, return_token=token, origin=Origin())


def identity_of(client: PortalClient) -> "Identity":
    identity = SessionStore(client.cookies[SESSION].value).identify()
    assert identity is not None
    return identity
