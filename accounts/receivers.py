"""Django's and allauth's signals, and our own, handed straight to services."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from allauth.account.signals import password_changed, password_reset
from django.apps import apps
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.models import update_last_login
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db import connections
from django.db.models.signals import post_migrate
from django.dispatch import receiver
from django.utils import timezone

from orgs.http import Origin, client_address, client_agent
from orgs.signals import limits_changing, login_access_changed
from orgs.triggers import install

from .search_index import mend_search_table
from .services.expiry import close_expired
from .services.operators import make_operator_groups
from .services.passwords import password_was_changed
from .services.sign_in import record_failed_sign_in, record_sign_in
from .services.visits import VisitsOf, end_lost_visits
from .triggers import VISIT_GUARDS

if TYPE_CHECKING:
    from django.http import HttpRequest

    from orgs.models import Organization

    from .models import User

# Ours writes it, in the same statement that forgets wrong passwords.
user_logged_in.disconnect(update_last_login, dispatch_uid="update_last_login")


@receiver(user_logged_in)
def bind_session(request: "HttpRequest", user: "User", **kwargs: Any) -> None:  # noqa: ARG001
    """Make the session this person's. Nothing else does (accounts/session_store.py)."""
    at = timezone.now()
    address, agent = client_address(request), client_agent(request)
    backend = request.session[BACKEND_SESSION_KEY]
    if hasattr(request.session, "bind"):
        request.session.bind(user, backend=backend, at=at, address=address, agent=agent)
    if hasattr(request, "actor"):
        # As login() itself does with request.user; from here on this request is theirs.
        request.actor = user
    record_sign_in(user, origin=Origin(address=address, agent=agent), at=at)


@receiver(user_login_failed)
def count_failure(credentials: dict[str, Any], request: "HttpRequest | None" = None, **kwargs: Any) -> None:  # noqa: ARG001
    """Write why, where the username is somebody's."""
    origin = Origin() if request is None else Origin(address=client_address(request), agent=client_agent(request))
    record_failed_sign_in(str(credentials.get("username") or ""), origin=origin)


@receiver([password_changed, password_reset])
def end_other_sessions(request: "HttpRequest", user: "User", **kwargs: Any) -> None:  # noqa: ARG001
    """End what the old password had opened, all but the session that changed it."""
    password_was_changed(user, origin=Origin.of(request), keep=getattr(request, "session_row", None))


@receiver(login_access_changed)
def end_lost_visits_of(organization: "Organization", origin: Origin, at: datetime, **kwargs: Any) -> int:  # noqa: ARG001
    """End the visits that the change took the ground from, in its own transaction; answer how many."""
    return end_lost_visits(VisitsOf.organization(organization), origin=origin, at=at)


@receiver(limits_changing)
def end_what_has_fallen(organization: "Organization", origin: Origin, at: datetime, **kwargs: Any) -> None:  # noqa: ARG001
    """End what the limits that hold until now have ended, before others do."""
    close_expired(organization=organization, origin=origin, at=at)


# Django's own receiver makes each app's permissions as its turn comes: at accounts', those of orgs are there too.
@receiver(post_migrate, sender=apps.get_app_config("accounts"))
def give_operators_their_rights(using: str, **kwargs: Any) -> None:  # noqa: ARG001
    """Make the groups of the operator console."""
    make_operator_groups(using=using)


@receiver(post_migrate, sender=apps.get_app_config("accounts"))
def guard_visits(using: str, **kwargs: Any) -> None:  # noqa: ARG001
    """Make what keeps visits as they were written."""
    install(connections[using], VISIT_GUARDS)


@receiver(post_migrate, sender=apps.get_app_config("accounts"))
def keep_search_table(using: str, **kwargs: Any) -> None:  # noqa: ARG001
    """Make what keeps SQLite's index of users right."""
    mend_search_table(connections[using])
