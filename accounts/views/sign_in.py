"""allauth's pages, mounted one by one under their own names, each with its marks."""

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from allauth.account import views as allauth
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from accounts.enums import EndCause, SessionEnd, VisitEnd
from accounts.services.sign_in import confirm_sign_in
from orgs.http import Origin, safe_path
from orgs.moments import write_time
from orgs.permissions import refused_inside

if TYPE_CHECKING:
    from accounts.models import Session
    from portal.http import PortalRequest


class LoginView(allauth.LoginView):
    """Sign in by username and password; says why one is here if a session has just ended."""

    template_name = "account/login.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return {**context, "ended": _ended(self.request.GET.get("ended", ""))}


class ReauthenticateView(allauth.ReauthenticateView):
    """Confirm that it is you; then the session counts as one that has just signed in (login access policies ask)."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        asked = self.request.POST.get("next") or self.request.GET.get("next", "")
        return {**context, "cancel_url": _list_before(asked) or reverse("home")}

    def form_valid(self, form: Any) -> HttpResponse:  # noqa: ANN401  # allauth's form
        request = cast("PortalRequest", self.request)
        confirm_sign_in(request.user, session=cast("Session", request.session_row), origin=Origin.of(request))
        response: HttpResponse = super().form_valid(form)
        return response

    def form_invalid(self, form: Any) -> HttpResponse:  # noqa: ANN401  # allauth's form
        user = cast("PortalRequest", self.request).user
        user.refresh_from_db(fields=["locked_until"])
        if user.is_locked(timezone.now()):
            until = write_time(user.locked_until)  # type: ignore[arg-type]  # it is locked until then
            form.add_error(None, f"Too many wrong passwords. Try again after {until}.")
        response: HttpResponse = super().form_invalid(form)
        return response


def _list_before(path: str) -> str | None:
    """Return the list that one came from, as the path to what one is about to do carries it."""
    return safe_path(QueryDict(urlsplit(safe_path(path) or "").query).get("back", ""))


def _ended(value: str) -> str:
    """Return the sentence for why one has to sign in; only known causes have one."""
    if value == EndCause.LOGGED_OUT:
        return "You have logged out as that user. Your own session was ended too. Log in again to go on."
    if value == EndCause.PARENT_SESSION_ENDED:
        return "Your session has ended. Log in again to go on."
    if value in VisitEnd:
        return f"Your visit has ended: {VisitEnd(value).label}. Your own session ended with it. Log in again to go on."
    # One's own words first: whoever reads it need not be an administrator.
    cause = next((kind(value) for kind in (SessionEnd, EndCause) if value in kind), None)
    if cause is None:
        return ""
    next_step = "Ask your administrator." if cause in _SHUT_OUT else "Log in again to go on."
    return f"Your session has ended: {cause.label}. {next_step}"


# They cannot log in again.
_SHUT_OUT = frozenset({SessionEnd.DEACTIVATED, SessionEnd.FROZEN})


login = refused_inside(login_not_required(LoginView.as_view()))
password_change = refused_inside(allauth.password_change)
password_reset = refused_inside(allauth.password_reset)
password_reset_done = allauth.password_reset_done
password_reset_from_key = refused_inside(allauth.password_reset_from_key)
password_reset_from_key_done = allauth.password_reset_from_key_done
account_inactive = allauth.account_inactive
reauthenticate = refused_inside(ReauthenticateView.as_view())


@login_not_required
def to_login(request: HttpRequest) -> HttpResponse:
    """Lead the other packages' sign-in addresses to the portal's own."""
    path = safe_path(request.GET.get("next", ""))
    query = f"?{urlencode({'next': path})}" if path else ""
    return redirect(reverse(settings.LOGIN_URL) + query)
