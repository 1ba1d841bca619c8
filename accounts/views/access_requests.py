"""Asking a user for access, and the user's answer: each one call of one service."""

from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.http import HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.facts import facts_about
from accounts.forms.grants import AskForm
from accounts.login_access import is_healed_by_grant, may_impersonate
from accounts.services.access_answers import open_requests
from accounts.services.access_requests import (
    AlreadyAsked,
    NothingToAsk,
    RequestIsClosed,
    answer_request,
    ask_for_access,
)
from accounts.services.grants import GrantRefused
from orgs.http import Origin
from orgs.permissions import refused_inside

from .gates import for_those_who_see_users
from .users import back_of, find_user, page_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from portal.http import PortalRequest


@refused_inside
@require_http_methods(["GET", "HEAD", "POST"])
@for_those_who_see_users
def user_ask_for_access(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Ask a user for access, where a grant is all that is missing."""
    request = cast("PortalRequest", request)
    user, at = find_user(request, user_id), timezone.now()
    facts = facts_about(request.actor, user)
    verdict = may_impersonate(actor=request.actor, target=user, facts=facts, at=at)
    page = page_of(user, back=back_of(request))
    if not is_healed_by_grant(verdict, actor=request.actor, target=user, facts=facts, at=at):
        nothing = NothingToAsk(verdict.reason or f"You can log in as {user} without asking.")
        nothing.help_url, nothing.help_label = page, f"Back to {user}"
        raise nothing
    form = AskForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            ask_for_access(request.actor, user, **form.cleaned_data, origin=Origin.of(request), at=at)
        except AlreadyAsked as already:
            messages.info(request, str(already))
        else:
            messages.success(request, f"{user} has been asked. The question stands for 7 days.")
        return HttpResponseRedirect(page)
    context = {
        "person": user,
        "form": form,
        "back": back_of(request),
        "page_url": page,
        "login": verdict,
        "asked": open_requests(at=at, requester=request.actor, user=user).first(),
    }
    return render(request, "accounts/user_ask_for_access.html", context, status=422 if form.errors else 200)


@refused_inside
@require_POST
def access_request_answer(request: "HttpRequest", request_id: int) -> "HttpResponse":
    """Grant what was asked for, or decline it. Other people's questions are not found."""
    user = cast("PortalRequest", request).user
    grants = request.POST.get("answer") == "grant"
    try:
        asked = answer_request(user, request_id, grants=grants, origin=Origin.of(request))
    except RequestIsClosed as closed:
        messages.info(request, str(closed))
    except GrantRefused as refused:
        messages.error(request, str(refused))
    else:
        who = asked.requester
        messages.success(request, f"You granted the access that {who} asked for." if grants else f"{who} was declined.")
    return redirect("home")
