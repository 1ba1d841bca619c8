"""The portal's addresses and a few more, whose views tell who a request is: a urlconf for tests of the middleware."""

from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_not_required
from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.urls import include, path

from orgs.http import actor_of
from orgs.permissions import refused_inside
from portal.urls import handler400, handler403, handler404, handler500

if TYPE_CHECKING:
    from accounts.models import Impersonation

__all__ = ["handler400", "handler403", "handler404", "handler500", "ran", "urlpatterns"]

# The methods with which the views below were run, in order; the fixture of the same name empties it.
ran: list[str] = []


def tell(request: HttpRequest) -> JsonResponse:
    """Answer who this is: whose account, whose hands, whether inside a visit, and the messages that wait."""
    ran.append(str(request.method))
    visit: Impersonation | None = getattr(request, "impersonation", None)
    return JsonResponse(
        {
            "user": str(request.user),
            "actor": str(actor_of(request)),
            "visit": visit.pk if visit else None,
            "messages": [str(message) for message in get_messages(request)] if request.user.is_authenticated else [],
        }
    )


async def tell_async(request: HttpRequest) -> JsonResponse:
    """Answer the same by way of the async accessor."""
    user = await request.auser()
    visit: Impersonation | None = request.impersonation  # type: ignore[attr-defined]
    return JsonResponse({"user": str(user), "actor": str(actor_of(request)), "visit": visit.pk if visit else None})


def token(request: HttpRequest) -> HttpResponse:
    """Answer a CSRF token, as a page with a form would hold it."""
    return HttpResponse(get_token(request))


def keep(request: HttpRequest) -> HttpResponse:
    """Put something into the session and answer what was there before."""
    before = request.session.get("kept", "")
    request.session["kept"] = request.GET.get("value", "")
    return HttpResponse(before)


def fail(request: HttpRequest) -> HttpResponse:
    """Put something into the session, and fail."""
    request.session["kept"] = "never"
    raise RuntimeError(request.path)


@login_not_required
def tell_anyone(request: HttpRequest) -> JsonResponse:
    return tell(request)


@refused_inside
@login_not_required
def tell_nobody_inside(request: HttpRequest) -> JsonResponse:
    return tell(request)


@login_not_required
def keep_for_anyone(request: HttpRequest) -> HttpResponse:
    return keep(request)


@login_not_required
def clear_for_anyone(request: HttpRequest) -> HttpResponse:
    """Throw away what the session holds, without having read it."""
    request.session.clear()
    return HttpResponse()


urlpatterns = [
    path("", include("portal.urls")),
    path("probe/", tell),
    path("probe/open/", tell_anyone),
    path("probe/refused/", tell_nobody_inside),
    path("probe/async/", tell_async),
    path("probe/token/", token),
    path("probe/keep/", keep),
    path("probe/keep/open/", keep_for_anyone),
    path("probe/clear/open/", clear_for_anyone),
    path("probe/fail/", fail),
]
