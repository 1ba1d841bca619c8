"""Log in as another user, and log out: POST only, each one call of one service."""

from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from accounts.enums import EndCause
from accounts.middleware import come_back, delete_key_cookie, landing_of, set_key_cookie
from accounts.services.impersonation import (
    Started,
    TargetNotFound,
    leave_impersonation,
    rejoin_impersonation,
    start_impersonation,
)
from orgs.http import Origin, safe_path

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from accounts.identity import Identity
    from accounts.models import Impersonation
    from accounts.session_store import SessionStore
    from portal.http import PortalRequest


@login_not_required
@require_POST
def user_login_as(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Log the person at the keyboard in as a user and land on that user's home page.

    Open to the anonymous for one reason: the second half of a double click comes with the key that the first half
    took away. Anyone else without a session is sent to sign in.
    """
    request = cast("PortalRequest", request)
    if request.session_row is None:
        return _second_click(request, user_id) or _sign_in_first(request, user_id)
    try:
        started = start_impersonation(
            actor=request.actor,
            session=request.session_row,
            target_id=user_id,
            origin=Origin.of(request),
            back=safe_path(request.POST.get("back", "")) or "",
        )
    except TargetNotFound as error:
        raise Http404 from error
    return _inside(request, started)


def _second_click(request: "PortalRequest", user_id: int) -> "HttpResponse | None":
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    started = rejoin_impersonation(key=key, target_id=user_id) if key else None
    return _inside(request, started) if started else None


def _sign_in_first(request: "PortalRequest", user_id: int) -> "HttpResponse":
    query = {"next": reverse("user_detail", args=[user_id])}
    if request.ended is not None:
        query["ended"] = request.ended.value
    return HttpResponseRedirect(f"{reverse(settings.LOGIN_URL)}?{urlencode(query)}")


def _inside(request: "PortalRequest", started: Started) -> "HttpResponse":
    """Give the browser the worn key and the return cookie in place of the actor's key, and a new CSRF token."""
    cast("SessionStore", request.session).switch(started.key, row=started.session)
    rotate_token(request)
    response = HttpResponseRedirect(safe_path(request.POST.get("next", "")) or reverse("home"))
    set_key_cookie(response, settings.RETURN_COOKIE_NAME, started.return_token)
    return response


@login_not_required
@require_POST
def log_out(request: "HttpRequest") -> "HttpResponse":
    """Log out as the target, or sign out. A key that has ended is answered as a leave would be."""
    request = cast("PortalRequest", request)
    identity = request.identity
    visit = identity.impersonation if identity is not None else None
    if identity is None or visit is None:
        logout(request)
        return HttpResponseRedirect(reverse(settings.LOGIN_URL))
    if request.impersonation is None:
        return _left_already(request, identity, visit)
    return _leave(request, identity, visit)


def _leave(request: "PortalRequest", identity: "Identity", visit: "Impersonation") -> "HttpResponse":
    token = request.COOKIES.get(settings.RETURN_COOKIE_NAME, "")
    left = leave_impersonation(identity, return_token=token, origin=Origin.of(request))
    if left is None:
        return _left_already(request, identity, visit)
    store = cast("SessionStore", request.session)
    landing = landing_of(visit.target_id, identity.actor, back=visit.back)
    if left.key is None:
        store.forget()
        store.is_signed_out = True
        rotate_token(request)
        return _to_login(visit, landing)
    store.switch(left.key)
    rotate_token(request)
    response = HttpResponseRedirect(landing)
    delete_key_cookie(response, settings.RETURN_COOKIE_NAME)
    return response


def _left_already(request: "PortalRequest", identity: "Identity", visit: "Impersonation") -> "HttpResponse":
    """Answer a second leave, or one that came after the end, without ending anything again."""
    if visit.ended_at is None:
        # It ended after this request had been let in.
        visit.refresh_from_db(fields=["ended_at", "end_cause", "handed_back_at"])
        request.ended = EndCause(visit.end_cause)
    if (back := come_back(request, identity)) is not None:
        return back
    landing = landing_of(visit.target_id, identity.actor, back=visit.back)
    if identity.limits is None or identity.limits.force_relogin:
        return _to_login(visit, landing)
    return HttpResponseRedirect(landing)


def _to_login(visit: "Impersonation", landing: str) -> "HttpResponse":
    """Send to the login page, which says what happened and leads on to where a leave leads."""
    query = urlencode({"ended": visit.end_cause or EndCause.LOGGED_OUT, "next": landing})
    return HttpResponseRedirect(f"{reverse(settings.LOGIN_URL)}?{query}")
