"""Settings: what a person decides for themselves."""

from typing import TYPE_CHECKING, cast

from django.shortcuts import render
from django.views.decorators.http import require_safe

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from portal.http import PortalRequest


@require_safe
def settings(request: "HttpRequest") -> "HttpResponse":
    """List one's settings. Inside a visit only what may be read there."""
    request = cast("PortalRequest", request)
    is_own = request.impersonation is None
    context = {"may_grant": is_own and not request.user.is_external, "may_change_password": is_own}
    return render(request, "accounts/settings.html", context)
