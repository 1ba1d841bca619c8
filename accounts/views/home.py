"""Home: one's own account, what one may do, and who was here."""

from typing import TYPE_CHECKING, cast

from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import Impersonation, Login
from orgs.models import AuditEvent
from orgs.permissions import Permission

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from portal.http import PortalRequest

SHOWN = 5


@require_safe
def home(request: "HttpRequest") -> "HttpResponse":
    """Show the account that is signed in, or worn."""
    user = cast("PortalRequest", request).user
    return render(
        request,
        "accounts/home.html",
        {
            "person": user,
            "permissions": [one for one in Permission if user.has_permission(one)],
            "visits": Impersonation.objects.filter(target=user).order_by("-started_at")[:SHOWN],
            "logins": Login.objects.filter(user=user).order_by("-id")[:SHOWN],
            "changes": AuditEvent.objects.filter(about=user, action__startswith="user.").order_by("-id")[:SHOWN],
        },
    )
