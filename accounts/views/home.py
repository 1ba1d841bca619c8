"""Home: one's own account, what one may do, who was here, and who may come."""

from typing import TYPE_CHECKING, cast

from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.enums import GrantDuration, LoginType
from accounts.presence import visits_of
from accounts.services.access_answers import open_requests
from accounts.services.grants import grantees_of
from accounts.services.guards import is_acting_delegate
from accounts.who_can import is_open_to_administrators
from orgs.audit import name_in
from orgs.permissions import Permission

from .login_history import login_rows_of
from .users import changes_of, role_path

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from django.http import HttpRequest, HttpResponse

    from accounts.models import User
    from portal.http import PortalRequest

SHOWN = 5


@require_safe
def home(request: "HttpRequest") -> "HttpResponse":
    """Show the account that is signed in, or worn."""
    request = cast("PortalRequest", request)
    user, at = request.user, timezone.now()
    policy, settings = user.organization.login_access_policy, user.organization.session_settings
    context = {
        "role_path": role_path(user),
        # One query: nobody else asks for it, and the identity statement is long enough.
        "pending_email": user.pending_email,
        "permissions": [one for one in Permission if user.has_permission(one)],
        "is_delegate": is_acting_delegate(user),
        **_access(user, at=at),
        "is_own": request.impersonation is None,
        "may_end": request.impersonation is None,
        "shows_reasons": True,
        "visits": visits_of(user, settings, at=at, limit=SHOWN, policy=policy, to_target=True),
        "logins": login_rows_of(user, limit=SHOWN, type=LoginType.APPLICATION),
        "changes": changes_of(user, limit=SHOWN),
    }
    return render(request, "accounts/home.html", context)


def _access(user: "User", *, at: "datetime") -> "dict[str, Any]":
    """Return who may log in as ``user``: everyone, those who were granted it, and those who ask for it."""
    asked = open_requests(at=at, user=user).select_related("requester__organization").order_by("id")
    return {
        "is_open_to_administrators": is_open_to_administrators(user, at=at),
        "grants": [row for row in grantees_of(user, at=at, to_target=True) if row.grant],
        "requests": [
            (one, name_in(user.organization_id, one.requester), GrantDuration(one.duration).in_a_sentence)
            for one in asked
        ],
    }
