"""What the person whose account is worn can do about it."""

from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from accounts.models import Impersonation
from accounts.services.visits import end_visit_as_target
from orgs.http import Origin
from orgs.permissions import refused_inside

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from portal.http import PortalRequest


@refused_inside
@require_POST
def visit_end(request: "HttpRequest", visit_id: int) -> "HttpResponse":
    """End a visit in one's own account; not from inside one."""
    user = cast("PortalRequest", request).user
    get_object_or_404(Impersonation, pk=visit_id, target=user)
    if end_visit_as_target(user, visit_id=visit_id, origin=Origin.of(request)):
        messages.success(request, "The visit has been ended. Whoever was logged in as you is out.")
    else:
        messages.info(request, "That visit has already ended.")
    return redirect("home")
