"""Settings: what a person decides for themselves."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms.personal import PersonalForm
from accounts.middleware import is_htmx
from accounts.models import User
from accounts.services.personal import PersonalSettings, save_personal_settings
from accounts.services.sign_in import confirm_sign_in
from accounts.services.users import UserAct, UserChangedMeanwhile, different_details, refusal_of, version_of
from orgs.http import Origin
from orgs.moments import read_by, reader_of
from orgs.permissions import refused_inside

if TYPE_CHECKING:
    from django.http import HttpRequest

    from accounts.models import Session
    from portal.http import PortalRequest


@require_safe
def settings(request: "HttpRequest") -> HttpResponse:
    """List one's settings. Inside a visit only what may be read there."""
    request = cast("PortalRequest", request)
    is_own = request.impersonation is None
    context = {"may_grant": is_own and not request.user.is_external, "is_own": is_own}
    return render(request, "accounts/settings.html", context)


@refused_inside
@require_http_methods(["GET", "HEAD", "POST"])
def settings_personal(request: "HttpRequest") -> HttpResponse:
    """Change one's own name, e-mail address, time zone, language of dates and colours.

    htmx takes the line that says how a time is then written, while one chooses.
    """
    request = cast("PortalRequest", request)
    if request.method != "POST" and is_htmx(request):
        return HttpResponse(_now_as_chosen(request.GET.get("time_zone"), request.GET.get("date_language")))
    # The row that the identity statement brings leaves out what few pages need.
    user: User = User.objects.get(pk=request.user.pk)
    form = PersonalForm(
        request.POST if request.method == "POST" else None,
        user=user,
        request=request,
        initial={**asdict(PersonalSettings.of(user)), "version": version_of(user)},
    )
    if request.method == "POST" and form.is_valid():
        origin = Origin.of(request)
        if form.is_confirmed:
            confirm_sign_in(user, session=cast("Session", request.session_row), origin=origin)
        try:
            changed = save_personal_settings(
                form.settings(), origin=origin, version=form.cleaned_data["version"], is_confirmed=form.is_confirmed
            )
        except UserChangedMeanwhile as meanwhile:
            return _changed_meanwhile(request, form, meanwhile.user)
        else:
            messages.success(request, _saved_words(changed, old=user.email))
            return HttpResponseRedirect(reverse("settings_personal"))
    return _page(request, form, status=422 if form.errors else 200)


def _saved_words(changed: list[str], *, old: str) -> str:
    if not changed:
        return "Nothing was changed."
    told = f" A mail that says so went to {old}." if "email" in changed else ""
    return f"Your settings have been saved.{told}"


def _changed_meanwhile(request: "PortalRequest", form: PersonalForm, user: User) -> HttpResponse:
    """Show what was typed again, and what somebody else has stored meanwhile; saving again is then meant."""
    now, typed = PersonalSettings.of(user), form.settings().normalized()
    stored = [
        (form.fields[name].label or name.replace("_", " "), getattr(now, name))
        for name in different_details(now, typed)
    ]
    form.data = {**request.POST.dict(), "version": version_of(user)}
    return _page(request, form, status=409, changed_by=user.modified_by_name, stored=stored)


def _page(request: "PortalRequest", form: PersonalForm, *, status: int, **words: Any) -> HttpResponse:
    now = _now_as_chosen(form["time_zone"].value(), form["date_language"].value())
    may_edit = refusal_of(UserAct.EDIT, form.user, origin=Origin.of(request)) is None
    context = {"form": form, "now": now, "may_edit": may_edit, **words}
    return render(request, "accounts/settings_personal.html", context, status=status)


def _now_as_chosen(time_zone: str | None, date_language: str | None) -> str:
    """Return what time it is, written as it would be with these settings."""
    with read_by(reader_of(time_zone or "", date_language or "")):
        return render_to_string("accounts/settings_now.html", {"now": timezone.now()})
