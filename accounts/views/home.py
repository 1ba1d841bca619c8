"""Home: one's own account, what one may do, and who was here."""

from typing import TYPE_CHECKING, cast

from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.enums import LoginType
from accounts.login_access import Facts, may_impersonate
from accounts.models import Profile, User
from accounts.presence import visits_of
from orgs.permissions import ADMINISTRATOR_BITS, Permission

from .users import changes_of, login_rows_of, role_path

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse

    from portal.http import PortalRequest

SHOWN = 5


@require_safe
def home(request: "HttpRequest") -> "HttpResponse":
    """Show the account that is signed in, or worn."""
    request = cast("PortalRequest", request)
    user, at = request.user, timezone.now()
    context = {
        "role_path": role_path(user),
        "permissions": [one for one in Permission if user.has_permission(one)],
        "may_end": request.impersonation is None,
        "is_open_to_administrators": _is_open_to_administrators(user, at=at),
        "visits": visits_of(user, user.organization.session_settings, at=at, limit=SHOWN),
        "logins": login_rows_of(user, limit=SHOWN, type=LoginType.APPLICATION),
        "changes": changes_of(user, limit=SHOWN),
    }
    return render(request, "accounts/home.html", context)


def _is_open_to_administrators(user: User, *, at: "datetime") -> bool:
    """Tell whether any administrator of the organization can log in as ``user``: the rule is asked for one such."""
    organization = user.organization
    administrator = User(organization=organization, profile=Profile(permission_bits=ADMINISTRATOR_BITS))
    facts = Facts.of(organization, organization.login_access_policy)
    return bool(may_impersonate(actor=administrator, target=user, facts=facts, at=at))
