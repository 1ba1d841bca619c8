"""The link in the mail to a new e-mail address: a page that asks, and what confirming answers."""

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.services.users import EmailLinkIsDead, confirm_email, find_by_email_link
from orgs.http import Origin
from orgs.permissions import refused_inside

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

GONE = 410


@refused_inside
@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def email_confirm(request: "HttpRequest", token: str) -> "HttpResponse":
    """Ask whether the address is to be used, and take the answer. Opening the page changes nothing: scanners do."""
    template = "account/email_confirm.html"
    try:
        if request.method == "POST":
            confirm_email(token, origin=Origin.of(request))
            return redirect("account_confirm_email_done")
        return render(request, template, {"person": find_by_email_link(token)})
    except EmailLinkIsDead:
        days = timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT).days
        return render(request, template, {"days": days}, status=GONE)


@login_not_required
@require_safe
def email_confirmed(request: "HttpRequest") -> "HttpResponse":
    """Say that the address counts from now on; of whom, the page does not know."""
    return render(request, "account/email_confirmed.html")
