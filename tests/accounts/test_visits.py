"""The target's own *End* on a visit that goes on."""

from typing import TYPE_CHECKING

from django.contrib.messages import get_messages
from django.urls import reverse

from accounts.enums import EndCause
from accounts.models import Impersonation, User
from orgs.models import Organization

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient


def test_target_ends_a_visit_once(
    any_user_login: Organization,
    ada: User,
    grace: User,
    client_of: "Callable[[User], PortalClient]",
    portal_client: "PortalClient",
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
