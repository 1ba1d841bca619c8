"""For other people's test suites: log in as someone through the real service, and out again.

Put ``pytest_plugins = ["accounts.testing"]`` into a conftest and ask for ``portal_client``; or use
:class:`PortalClient` wherever ``django.test.Client`` stands.
"""

from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import AsyncClient, Client
from django.urls import reverse

from orgs.http import Origin

from .services.impersonation import start_impersonation
from .session_store import SessionStore

if TYPE_CHECKING:
    from django.http import HttpResponse

    from .models import Impersonation, User


class LoginAsMixin:
    """Adds :meth:`login_as` to a Django test client."""

    cookies: Any

    def login_as(self, target: "User", *, actor: "User | None" = None, **start: Any) -> "Impersonation":
        """Log in as ``target``; ``actor`` is signed in first, or whoever this client has signed in already.

        It is the real thing: :exc:`accounts.services.impersonation.ImpersonationRefused` is raised where the rule says
        no. ``start`` goes on to :func:`accounts.services.impersonation.start_impersonation` (``details``, ``at``).
        """
        if actor is not None:
            self.force_login(actor)  # type: ignore[attr-defined]
        cookie = self.cookies.get(settings.SESSION_COOKIE_NAME)
        identity = SessionStore(cookie.value if cookie else None).identify()
        if identity is None or identity.user is None or identity.actor is None or identity.session.ended_at:
            raise ValueError("Nobody is signed in here: give login_as(target, actor=…) the person who logs in.")
        origin = Origin(user=identity.user, actor=identity.actor, session_public_id=identity.session.public_id)
        started = start_impersonation(
            actor=identity.actor, session=identity.session, target_id=target.pk, origin=origin, **start
        )
        self.cookies[settings.SESSION_COOKIE_NAME] = started.key
        self.cookies[settings.RETURN_COOKIE_NAME] = started.return_token
        return started.impersonation


class PortalClient(LoginAsMixin, Client):
    """Django's test client that can log in as another user."""

    def log_out_as(self) -> "HttpResponse":
        """Log out as the target, as the button does, and return the answer."""
        response: HttpResponse = self.post(reverse("logout"))  # type: ignore[assignment]
        return response


class AsyncPortalClient(LoginAsMixin, AsyncClient):
    """The same for asynchronous tests; ``login_as`` itself is called through ``sync_to_async``."""

    async def log_out_as(self) -> "HttpResponse":
        """Log out as the target, as the button does, and return the answer."""
        response: HttpResponse = await self.post(reverse("logout"))  # type: ignore[assignment]
        return response


@pytest.fixture
def portal_client() -> PortalClient:
    """Return a client that can ``login_as(target, actor=…)`` and ``log_out_as()``."""
    return PortalClient()


@pytest.fixture
def async_portal_client() -> AsyncPortalClient:
    """Return the same for asynchronous tests."""
    return AsyncPortalClient()
