"""Stay signed in: what the warning before a timeout asks for."""

from typing import TYPE_CHECKING, cast

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.middleware import page_to_go_on_at
from accounts.timeout import Timeout
from orgs.permissions import allowed_read_only

if TYPE_CHECKING:
    from django.http import HttpRequest

    from accounts.identity import Identity
    from portal.http import PortalRequest

JSON = "application/json"


@allowed_read_only
@require_POST
def session_stay(request: "HttpRequest") -> "HttpResponse":
    """Tell when the session ends now. That someone is there the middleware has already written, as of every request.

    As a plain form it leads back to the page that it was sent from.
    """
    if request.get_preferred_type(["text/html", JSON]) != JSON:
        return HttpResponseRedirect(page_to_go_on_at(request) or reverse("home"))
    identity = cast("Identity", cast("PortalRequest", request).identity)
    return HttpResponse(Timeout.of(identity, at=timezone.now()).as_json(), content_type=JSON)
