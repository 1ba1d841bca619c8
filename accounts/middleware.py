"""Who is it, then may it go on: asked of every request, with the one query of :mod:`accounts.identity`.

Order matters and :mod:`portal.checks` holds it: session, CSRF, messages, identity, impersonation, login required.
"""

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.urls import get_callable, reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin
from django.utils.http import urlencode

from orgs.http import Origin, client_address, safe_path
from orgs.permissions import Permission, RefusedInside, RefusedReadOnly, RefusedToGuest

from .enums import Access, Basis, EndCause, SessionEnd, VisitEnd
from .models import Session
from .services.impersonation import end_lost_visit, hand_back, may_return
from .services.sessions import end_session
from .timeout import timeout_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from portal.http import PortalRequest

    from .identity import Fault, Identity
    from .models import Impersonation, User
    from .session_store import SessionStore

# What portal/static/portal/timeout.js reads of a part of a page.
TIMEOUT_HEADER = "Portal-Timeout"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class SessionMiddleware(DjangoSessionMiddleware):
    """Django's, but for the cookie: it is set only when the key changed, and deleted only to answer a sign-out.

    Django deletes it whenever a request brings a key that is no longer known, and so a late request of a second tab
    would sign the winner of two starts out.
    """

    def process_response(self, request: "HttpRequest", response: "HttpResponseBase") -> "HttpResponseBase":  # type: ignore[override]
        session = cast("SessionStore", request.session)
        if session.accessed:
            patch_vary_headers(response, ("Cookie",))
        if session.modified and not session.is_empty() and response.status_code < 500:  # noqa: PLR2004  # as Django
            session.save()
        name = settings.SESSION_COOKIE_NAME
        if session.session_key is not None:
            if session.session_key != request.COOKIES.get(name):
                set_key_cookie(response, name, session.session_key)
        elif session.is_signed_out:
            delete_key_cookie(response, name)
            delete_key_cookie(response, settings.RETURN_COOKIE_NAME)
        return response


def set_key_cookie(response: "HttpResponseBase", name: str, value: str) -> None:
    """Set the session's or the return cookie: for this browser's time, out of reach of scripts and other sites."""
    response.set_cookie(
        name,
        value,
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


def delete_key_cookie(response: "HttpResponseBase", name: str) -> None:
    """Take back what :func:`set_key_cookie` set."""
    response.delete_cookie(
        name,
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


class IdentityMiddleware(AuthenticationMiddleware):
    """Who is it: reads the session's row with everything that this request will be asked about, in one query.

    A plain session that may go on makes its person. One in which another's account is worn makes nobody yet:
    :class:`ImpersonationMiddleware` decides, so leaving that out makes nobody an administrator's target.
    """

    def process_request(self, request: "HttpRequest") -> None:
        request = cast("PortalRequest", request)
        _be(request, None)
        request.identity = None
        request.ended = None
        request.auser = partial(_auser, request)
        store = cast("SessionStore", request.session)
        if store.session_key is None:
            return
        store.accessed = True
        identity = store.identify()
        if identity is None:
            return
        request.identity = identity
        if identity.session.ended_at is not None:
            cause = identity.session.end_cause
            request.ended = SessionEnd(cause) if cause else EndCause.PARENT_SESSION_ENDED
        elif identity.user is not None and identity.parent is None:
            self._own_session(request, identity, at=timezone.now())

    def _own_session(self, request: "PortalRequest", identity: "Identity", *, at: datetime) -> None:
        fault = identity.fault(address=client_address(request), at=at)
        if fault is None:
            _be(request, identity)
            touch(identity, at=at)
            return
        request.ended = fault.cause
        end_session(identity.session, cause=fault.cause, origin=Origin.of(request), at=fault.at)
        _forget(request)

    def process_response(self, request: "HttpRequest", response: "HttpResponseBase") -> "HttpResponseBase":
        # Back after leaving shows nothing: no page of a person is kept by the browser or on the way to it.
        if getattr(request, "identity", None) is not None or request.user.is_authenticated:
            response.headers["Cache-Control"] = "no-store"
        if is_htmx(request) and (timeout := timeout_of(request)) is not None:
            # The rest of the page stays as it is, and would go on telling the old time.
            response.headers[TIMEOUT_HEADER] = timeout.as_json()
        return response


class ImpersonationMiddleware(MiddlewareMixin):
    """May it go on: asks the rule on every request in which an account is worn, before anything else runs.

    A no ends the impersonation there and then, records why, and tells the person. What was sent to be done after the
    end is refused: it is never run as the actor, nor as anyone.
    """

    def process_request(self, request: "HttpRequest") -> "HttpResponseBase | None":
        request = cast("PortalRequest", request)
        identity = request.identity
        if identity is None or identity.parent is None:
            return None
        if identity.session.ended_at is None:
            at = timezone.now()
            fault = identity.fault(address=client_address(request), at=at)
            if fault is None:
                _be(request, identity)
                touch(identity, at=at)
                return None
            _end(request, identity, fault)
        if identity.impersonation is not None:
            request.ended = EndCause(identity.impersonation.end_cause or EndCause.PARENT_SESSION_ENDED)
        if request.method == "GET" and not is_htmx(request):
            return come_back(request, identity)
        return None

    def process_view(
        self,
        request: "HttpRequest",
        view_func: "Callable[..., HttpResponseBase]",
        view_args: tuple[Any, ...],  # noqa: ARG002
        view_kwargs: dict[str, Any],  # noqa: ARG002
    ) -> "HttpResponseBase | None":
        request = cast("PortalRequest", request)
        if request.impersonation is not None:
            try:
                self._refuse_what_is_not_for_visits(request, request.impersonation, view_func)
            except PermissionDenied as refusal:
                # For the list of what was done inside (accounts/visit_log.py).
                request.refused_because = str(refusal)
                raise
        if request.session_row is not None or not getattr(view_func, "login_required", True):
            return None
        if is_htmx(request):
            # A part of a page cannot hold the sign-in page: load the whole page again, and let that lead there.
            return HttpResponse(headers={"HX-Redirect": _page_of_htmx(request)})
        if request.ended is None:
            # Django's middleware would lead back to this address after signing in; the form is on another page.
            return None if request.method in SAFE_METHODS else _to_sign_in(page_to_go_on_at(request))
        if request.method not in SAFE_METHODS:
            refused: HttpResponseBase = get_callable(settings.CSRF_FAILURE_VIEW)(request, reason=_why_ended(request))
            return refused
        query = urlencode({"next": _after_signing_in(request), "ended": _told_at_login(request).value})
        return HttpResponseRedirect(f"{reverse(settings.LOGIN_URL)}?{query}")

    @staticmethod
    def _refuse_what_is_not_for_visits(
        request: "PortalRequest", visit: "Impersonation", view_func: "Callable[..., HttpResponseBase]"
    ) -> None:
        """Raise where a view's own marks, or a read-only visit, speak against it (orgs/permissions.py)."""
        if getattr(view_func, "refused_inside", False):
            raise RefusedInside(str(request.user))
        if visit.is_limited and getattr(view_func, "refused_to_guests", False):
            raise RefusedToGuest
        is_read_only = visit.access == Access.READ_ONLY and not getattr(view_func, "allowed_read_only", False)
        if is_read_only and request.method not in SAFE_METHODS:
            raise RefusedReadOnly(step_up_path(request))


def _to_sign_in(page: str | None) -> HttpResponseRedirect:
    """Send nobody to sign in, and from there to ``page``, if there is one to go on at."""
    query = f"?{urlencode({'next': page})}" if page else ""
    return HttpResponseRedirect(reverse(settings.LOGIN_URL) + query)


def _told_at_login(request: "PortalRequest") -> EndCause | SessionEnd | VisitEnd:
    """Return what the login page is told of the end that ``request`` came after."""
    cause, identity = request.ended, request.identity
    parent = identity.parent if identity is not None else None
    if cause == EndCause.PARENT_SESSION_ENDED and parent is not None and parent.end_cause:
        # The visit ended with the session that it was started from, which is what one has lost: why is that one's.
        return SessionEnd(parent.end_cause)
    if cause is not None and parent is not None and (limit := VisitEnd.of(cause)):
        return limit
    # That both sessions ended is for the answer to the leave itself to say; another tab may come long after it.
    return EndCause.PARENT_SESSION_ENDED if cause is None or cause == EndCause.LOGGED_OUT else cause


def _why_ended(request: "PortalRequest") -> str:
    """Return why what was sent came too late; nothing where only that it ended is known."""
    cause, identity = request.ended, request.identity
    is_own = identity is not None and identity.parent is None
    if cause is None or (is_own and cause == EndCause.PARENT_SESSION_ENDED):
        return ""
    return str(cause.label)


def step_up_path(request: "HttpRequest") -> str:
    """Return where one steps up, and from there back to this page, or to the one whose form was sent."""
    page = _page_of_htmx(request) if is_htmx(request) else page_to_go_on_at(request)
    return reverse("visit_step_up") + (f"?{urlencode({'next': page})}" if page else "")


def page_to_go_on_at(request: "HttpRequest") -> str | None:
    """Return the path of the page that one is at: this one, or the one whose form was sent."""
    return safe_path(request.get_full_path()) if request.method == "GET" else page_in(request, "Referer")


def _after_signing_in(request: "PortalRequest") -> str:
    """Return where to go on: at the page one was at, or, after a visit, where leaving it would have led."""
    identity = request.identity
    if identity is None or identity.impersonation is None:
        return request.get_full_path()
    if not may_return(identity.parent, request.COOKIES.get(settings.RETURN_COOKIE_NAME, "")):
        # A leaked worn key that has ended tells nobody whose account it was, or where its actor came from.
        return reverse("home")
    return landing_of(identity.impersonation, identity.actor)


def come_back(request: "PortalRequest", identity: "Identity") -> "HttpResponse | None":
    """Take the actor back to their own session after a visit's end and say why, if this browser may; else None."""
    visit, cause = identity.impersonation, request.ended
    if visit is None or cause is None:
        return None
    key = hand_back(identity, request.COOKIES.get(settings.RETURN_COOKIE_NAME, ""))
    if key is None:
        return None
    cast("SessionStore", request.session).switch(key, row=identity.parent)
    rotate_token(request)
    said = f"Your visit as {visit.target_name} has ended: {cause.label}."
    messages.warning(request, f"{said} You are {identity.actor} again.")
    response = HttpResponseRedirect(landing_of(visit, identity.actor))
    delete_key_cookie(response, settings.RETURN_COOKIE_NAME)
    return response


# After these ends a support agent no longer sees the person in the console, nor a delegate the user's page.
_OUT_OF_SUPPORT = frozenset(
    {EndCause.GRANT_REVOKED, EndCause.GRANT_EXPIRED, EndCause.POLICY_CHANGED, EndCause.ACTOR_LOST_PERMISSION}
)
_OUT_OF_REACH = frozenset(
    {
        EndCause.OUT_OF_REACH,
        EndCause.DELEGATE_REMOVED,
        EndCause.TARGET_BECAME_EXTERNAL,
        EndCause.ACTOR_LOST_PERMISSION,
        # Delegated administration went with it.
        EndCause.EDITION_CHANGED,
    }
)


def landing_of(visit: "Impersonation", actor: "User | None") -> str:
    """Return where one lands after a visit: the user's page in Setup or the console, or Home where it is closed."""
    if actor is None or not _is_in_sight(visit, actor):
        return reverse("home")
    if visit.basis == Basis.SUPPORT_GRANT:
        return reverse("admin:accounts_user_change", args=[visit.target_id])
    path = reverse("user_detail", args=[visit.target_id])
    full = f"{path}?{urlencode({'back': visit.back})}" if visit.back else path
    # Longer than what a sign-in leads on to: better the user's page without the way back than Home.
    return safe_path(full) or path


def _is_in_sight(visit: "Impersonation", actor: "User") -> bool:
    """Tell whether the page of the person who was worn is still the actor's to open."""
    if visit.basis == Basis.SUPPORT_GRANT:
        return visit.end_cause not in _OUT_OF_SUPPORT
    is_reached = visit.group_id is not None and visit.end_cause not in _OUT_OF_REACH
    return is_reached or actor.has_permission(Permission.VIEW_ALL_USERS)


def page_before(target: "User", actor: "User") -> str:
    """Return the page of a user from which someone logs in as them."""
    if target.organization_id != actor.organization_id:
        return reverse("admin:accounts_user_change", args=[target.pk])
    return reverse("user_detail", args=[target.pk])


def touch(identity: "Identity", *, at: datetime) -> None:
    """Write down that someone is active, once a minute at most; inside a visit it counts for both sessions.

    The first use of a worn key also settles which of a double click's two stands: the other half may have come between
    the question who is there and this, and would leave a browser that is inside with a key that opens nothing.
    """
    if not identity.is_touch_due(at):
        return
    session, parent = identity.session, identity.parent
    is_first_use = parent is not None and session.last_active_at is None
    # The page tells when it falls idle now.
    session.last_active_at = at
    # One row, one statement: two in one might lock them in the other order than whoever ends both.
    settled = {"key_hash": session.key_hash} if is_first_use else {}
    Session.objects.live().filter(pk=session.pk).update(last_active_at=at, **settled)
    if parent is not None:
        parent.last_active_at = at
        settled = {"return_hash": parent.return_hash} if is_first_use else {}
        # Left meanwhile, it has a key again, and nowhere to return to.
        Session.objects.live().filter(pk=parent.pk, key_hash=None).update(last_active_at=at, **settled)


def is_htmx(request: "HttpRequest") -> bool:
    """Tell whether htmx asks, for a part of a page."""
    return request.headers.get("HX-Request") == "true"


def _page_of_htmx(request: "HttpRequest") -> str:
    """Return the path of the page that htmx asks from."""
    return page_in(request, "HX-Current-URL") or "/"


def page_in(request: "HttpRequest", header: str) -> str | None:
    """Return the path of the page of this site that a header names."""
    origin = f"{request.scheme}://{request.get_host()}"
    return safe_path(request.headers.get(header, "").removeprefix(origin))


def _be(request: "PortalRequest", identity: "Identity | None") -> None:
    """Make ``request`` that person's: whose account, whose hands, and the visit. Asks the database nothing."""
    nobody = AnonymousUser()
    request.user = (identity.user if identity else None) or nobody  # type: ignore[assignment]
    request.actor = (identity.actor if identity else None) or nobody  # type: ignore[assignment]
    request.impersonation = identity.impersonation if identity else None
    request.session_row = identity.session if identity else None
    if identity is not None:
        store = cast("SessionStore", request.session)
        store.origin, store.is_let_in = partial(Origin.of, request), True


async def _auser(request: "PortalRequest") -> Any:  # noqa: ANN401  # a user or AnonymousUser
    return request.user


def _end(request: "PortalRequest", identity: "Identity", fault: "Fault") -> None:
    """End a visit whose right was lost, as the actor's own row of the trail."""
    _be(request, identity)
    end_lost_visit(identity, fault, origin=Origin.of(request))
    _forget(request)


def _forget(request: "PortalRequest") -> None:
    """Be nobody for the rest of this request, with an empty session."""
    _be(request, None)
    cast("SessionStore", request.session).forget()
