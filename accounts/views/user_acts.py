"""What one does to a user: POST only, each one call of one service."""

from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.services.users import (
    UserAct,
    activate_user,
    deactivate_user,
    end_user_sessions,
    freeze_user,
    refusal_of,
    send_password_reset,
    unfreeze_user,
    unlock_user,
)
from orgs.http import Origin, note_nothing_done
from orgs.permissions import permission_required

from .sessions import sessions_list_before
from .users import back_of, find_user, page_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from accounts.models import User
    from portal.http import PortalRequest


def _done(request: "PortalRequest", user: "User", words: str) -> "HttpResponse":
    messages.success(request, words)
    return HttpResponseRedirect(page_of(user, back=back_of(request)))


@require_POST
@permission_required(UserAct.RESET_PASSWORD.permission)
def user_reset_password(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Mail a link to choose a new password."""
    request = cast("PortalRequest", request)
    site = request.build_absolute_uri("/")
    user = send_password_reset(find_user(request, user_id), origin=Origin.of(request), site=site)
    return _done(request, user, f"A mail to choose a new password is on its way to {user.email}.")


@require_POST
@permission_required(UserAct.UNLOCK.permission)
def user_unlock(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Unlock an account after wrong passwords."""
    request = cast("PortalRequest", request)
    user = unlock_user(find_user(request, user_id), origin=Origin.of(request))
    return _done(request, user, f"{user} is unlocked.")


@require_POST
@permission_required(UserAct.FREEZE.permission)
def user_freeze(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Freeze a user."""
    request = cast("PortalRequest", request)
    user = freeze_user(find_user(request, user_id), origin=Origin.of(request))
    return _done(request, user, f"{user} is frozen, and signed out.")


@require_POST
@permission_required(UserAct.UNFREEZE.permission)
def user_unfreeze(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Unfreeze a user."""
    request = cast("PortalRequest", request)
    user = unfreeze_user(find_user(request, user_id), origin=Origin.of(request))
    return _done(request, user, f"{user} is no longer frozen.")


@require_POST
@permission_required(UserAct.ACTIVATE.permission)
def user_activate(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Activate a user."""
    request = cast("PortalRequest", request)
    user = activate_user(find_user(request, user_id), origin=Origin.of(request))
    return _done(request, user, f"{user} is active.")


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(UserAct.DEACTIVATE.permission)
def user_deactivate(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Deactivate a user; GET asks first, since what is ended then does not come back."""
    request = cast("PortalRequest", request)
    user, origin = find_user(request, user_id), Origin.of(request)
    if request.method == "POST":
        user = deactivate_user(user, origin=origin)
        return _done(request, user, f"{user} is inactive. Every session has been ended.")
    if refusal := refusal_of(UserAct.DEACTIVATE, user, origin=origin):
        raise refusal
    back = back_of(request)
    return render(
        request, "accounts/user_deactivate.html", {"person": user, "back": back, "cancel_url": page_of(user, back=back)}
    )


@require_POST
@permission_required(UserAct.END_SESSIONS.permission)
def user_end_sessions(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """End every session of a user but the one that asks; from Session Management it leads back there."""
    request = cast("PortalRequest", request)
    user = find_user(request, user_id)
    ended = end_user_sessions(user, origin=Origin.of(request))
    if not ended:
        note_nothing_done(request, "there was no session to end")
    words = {0: f"{user} had no session to end.", 1: f"1 session of {user} has been ended."}
    said = words.get(ended, f"{ended} sessions of {user} have been ended.")
    sessions = sessions_list_before(request)
    if sessions is None:
        return _done(request, user, said)
    messages.success(request, said)
    return HttpResponseRedirect(sessions)
