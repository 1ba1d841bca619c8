"""Log in as another user, step up, and log out: done by POST only, each one call of one service."""

from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from accounts.enums import Access, EndCause, VisitEnd
from accounts.forms.visits import StartForm, StepUpForm
from accounts.middleware import come_back, delete_key_cookie, landing_of, page_before, set_key_cookie
from accounts.presence import last_active, live_sessions_of, worn_now
from accounts.services.impersonation import (
    Started,
    TargetNotFound,
    find_startable,
    leave_impersonation,
    rejoin_impersonation,
    start_impersonation,
)
from accounts.services.refusals import TooManyRefusals
from accounts.services.start_policy import (
    DetailsNeeded,
    DetailsWrong,
    SignInNeeded,
    asks_before_start,
    is_sign_in_needed,
)
from accounts.services.step_up import step_up
from orgs.http import Origin, safe_path
from orgs.permissions import allowed_read_only, records_itself
from orgs.views.too_many import answer_too_many

from .users import page_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from accounts.identity import Identity
    from accounts.models import Impersonation, Session, User
    from accounts.session_store import SessionStore
    from portal.http import PortalRequest

# A hidden field of the form that comes before a start: without it, it was one click on Login.
FORM_SENT = "asked"
# What the user's own page sends as "from", beside the way back to the list.
FROM_USER_PAGE = "user"


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def user_login_as(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Log the person at the keyboard in as a user and land on that user's home page.

    One click where the policy asks nothing. Otherwise GET shows the form that asks, and starts nothing; where there is
    nothing to ask it is no page. Open to the anonymous for one reason: the second half of a double click comes with the
    key that the first half took away. Anyone else without a session is sent to sign in.
    """
    request = cast("PortalRequest", request)
    session = request.session_row
    if session is None:
        return _second_click(request, user_id) or _sign_in_first(request, user_id)
    try:
        if request.method == "POST":
            return _start(request, session, user_id)
        return _show_form(request, session, user_id)
    except TargetNotFound as error:
        raise Http404 from error
    except TooManyRefusals as refused:
        return answer_too_many(request, refused)


def _start(request: "PortalRequest", session: "Session", user_id: int) -> "HttpResponse":
    """Start, or lead to what is still asked: the form, the password again, other words in the form."""
    form = StartForm(request.POST)
    try:
        started = start_impersonation(
            actor=request.actor,
            session=session,
            target_id=user_id,
            origin=Origin.of(request),
            details=form.details() if FORM_SENT in request.POST else None,
            back=_carried(request).get("back", ""),
        )
    except SignInNeeded as needed:
        if not any(request.POST.get(name) for name in form.fields):
            return _sign_in_again(request, user_id)
        # It is kept nowhere, and the way by the password would lose it: given back, it can be copied.
        needed.help_url, needed.gives_back = _path_to_sign_in_again(request, user_id), True
        raise
    except DetailsNeeded:
        return HttpResponseRedirect(_form_path(request, user_id))
    except DetailsWrong as wrong:
        form.refuse(wrong.fields)
        return _show_form(request, session, user_id, form)
    return _inside(request, started)


def _show_form(
    request: "PortalRequest", session: "Session", user_id: int, form: StartForm | None = None
) -> "HttpResponse":
    """Show the form that comes before a start: who is there now, what kind of visit it will be, and what is asked."""
    at = timezone.now()
    is_inside = request.impersonation is not None
    target, _ = find_startable(request.actor, user_id, is_impersonating=is_inside, at=at)
    person, policy = target.user, target.policy
    if form is None and not asks_before_start(policy) and policy.sign_in_again_minutes is None:
        return HttpResponseNotAllowed(["POST"])
    if is_sign_in_needed(policy, session, at=at):
        return _sign_in_again(request, user_id)
    status = 200 if form is None else 422
    form = form or StartForm()
    form.show_what_is_asked(policy)
    sessions = live_sessions_of(person, person.organization.session_settings, at=at)
    carried = _carried(request)
    context = {
        "person": person,
        "policy": policy,
        "form": form,
        "carried": carried,
        "cancel_url": _cancel_url(person, request.actor, carried),
        "active_at": last_active(sessions),
        "visits_now": worn_now(sessions, at=at),
    }
    return render(request, "accounts/user_login_as.html", context, status=status)


def _carried(request: "PortalRequest") -> dict[str, str]:
    """Return what goes along from a page to the form and on: the way back, the way on, and whether it is the user's."""
    given = {name: request.POST.get(name) or request.GET.get(name, "") for name in ("back", "next", "from")}
    carried = {name: safe_path(given[name]) or "" for name in ("back", "next")}
    carried["from"] = FROM_USER_PAGE if given["from"] == FROM_USER_PAGE else ""
    return {name: value for name, value in carried.items() if value}


def _cancel_url(person: "User", actor: "User", carried: dict[str, str]) -> str:
    """Return where one came from: a list as it was left, or the page of the user."""
    back = carried.get("back", "")
    if back and "from" in carried and person.organization_id == actor.organization_id:
        return page_of(person, back=back)
    return back or page_before(person, actor)


def _form_path(request: "PortalRequest", user_id: int) -> str:
    """Return where the form is, with what goes along."""
    path = reverse("user_login_as", args=[user_id])
    carried = _carried(request)
    full = f"{path}?{urlencode(carried)}" if carried else path
    # Longer than what anything leads to: better to come to the form without the way back than to come to Home.
    return safe_path(full) or path


def _sign_in_again(request: "PortalRequest", user_id: int) -> "HttpResponse":
    """Send to the page that asks for the password, which leads back to the form. Nothing of the request is kept."""
    return HttpResponseRedirect(_path_to_sign_in_again(request, user_id))


def _path_to_sign_in_again(request: "PortalRequest", user_id: int) -> str:
    query = urlencode({"next": _form_path(request, user_id)})
    return f"{reverse('account_reauthenticate')}?{query}"


@allowed_read_only
@require_http_methods(["GET", "HEAD", "POST"])
def visit_step_up(request: "HttpRequest") -> "HttpResponse":
    """Go from read-only to full access in a visit, and say why. Where there is nothing to step up, just go on."""
    request = cast("PortalRequest", request)
    visit = request.impersonation
    next_path = safe_path(request.POST.get("next") or request.GET.get("next", "")) or ""
    if visit is None or visit.access == Access.FULL:
        return HttpResponseRedirect(next_path or reverse("home"))
    form = StepUpForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        identity = cast("Identity", request.identity)
        if step_up(identity, reason=form.cleaned_data["reason"], origin=Origin.of(request)):
            messages.success(request, f"You have full access as {visit.target_name} now.")
        return HttpResponseRedirect(next_path or reverse("home"))
    context = {"form": form, "visit": visit, "next_path": next_path}
    return render(request, "accounts/visit_step_up.html", context, status=422 if form.is_bound else 200)


def _second_click(request: "PortalRequest", user_id: int) -> "HttpResponse | None":
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    started = rejoin_impersonation(key=key, target_id=user_id) if key and request.method == "POST" else None
    return _inside(request, started) if started else None


def _sign_in_first(request: "PortalRequest", user_id: int) -> "HttpResponse":
    query = {"next": _page_to_act_from(request, user_id) if request.method == "POST" else _form_path(request, user_id)}
    if request.ended is not None:
        query["ended"] = request.ended.value
    return HttpResponseRedirect(f"{reverse(settings.LOGIN_URL)}?{urlencode(query)}")


def _page_to_act_from(request: "PortalRequest", user_id: int) -> str:
    """Return the page of the user, in the console for a support agent whose session has just ended."""
    identity = request.identity
    is_agent = identity is not None and identity.actor is not None and identity.actor.is_support_agent
    return reverse("admin:accounts_user_change" if is_agent else "user_detail", args=[user_id])


def _inside(request: "PortalRequest", started: Started) -> "HttpResponse":
    """Give the browser the worn key and the return cookie in place of the actor's key, and a new CSRF token."""
    cast("SessionStore", request.session).switch(started.key, row=started.session)
    rotate_token(request)
    response = HttpResponseRedirect(safe_path(request.POST.get("next", "")) or reverse("home"))
    set_key_cookie(response, settings.RETURN_COOKIE_NAME, started.return_token)
    return response


@allowed_read_only
@records_itself
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def log_out(request: "HttpRequest") -> "HttpResponse":
    """Log out as the target, or sign out. A key that has ended is answered as a leave would be.

    GET, from a bookmark or a typed address, changes nothing: it shows the button.
    """
    request = cast("PortalRequest", request)
    if request.method != "POST":
        return _ask_to_log_out(request)
    identity = request.identity
    visit = identity.impersonation if identity is not None else None
    if identity is None or visit is None:
        logout(request)
        return HttpResponseRedirect(reverse(settings.LOGIN_URL))
    if request.impersonation is None:
        return _left_already(request, identity, visit)
    return _leave(request, identity, visit)


def _ask_to_log_out(request: "PortalRequest") -> "HttpResponse":
    """Show the button that logs out; nobody is led to the login page."""
    if request.session_row is None:
        return HttpResponseRedirect(reverse(settings.LOGIN_URL))
    return render(request, "accounts/log_out.html")


def _leave(request: "PortalRequest", identity: "Identity", visit: "Impersonation") -> "HttpResponse":
    token = request.COOKIES.get(settings.RETURN_COOKIE_NAME, "")
    left = leave_impersonation(identity, return_token=token, origin=Origin.of(request))
    if left is None:
        return _left_already(request, identity, visit)
    store = cast("SessionStore", request.session)
    landing = landing_of(visit, identity.actor)
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
    landing = landing_of(visit, identity.actor)
    if identity.force_relogin:
        return _to_login(visit, landing)
    return HttpResponseRedirect(landing)


def _to_login(visit: "Impersonation", landing: str) -> "HttpResponse":
    """Send to the login page, which says what happened and leads on to where a leave leads."""
    cause = visit.end_cause or EndCause.LOGGED_OUT
    query = urlencode({"ended": VisitEnd.of(cause) or cause, "next": landing})
    return HttpResponseRedirect(f"{reverse(settings.LOGIN_URL)}?{query}")
