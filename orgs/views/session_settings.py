"""Session Settings: read them, and, for those who may, save them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from orgs.forms import SessionSettingsForm
from orgs.http import Origin, client_address
from orgs.permissions import Permission, RefusedToGuest, permission_required
from orgs.services.session_settings import (
    SETTINGS,
    SettingsChangedMeanwhile,
    may_save,
    refuse_unless_savable,
    save_session_settings,
    settings_values,
)

from .meanwhile import FIELD, Merged, as_read, carry
from .whom_to_ask import administrators_to_ask

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from orgs.models import SessionSettings
    from portal.http import PortalRequest

SALT = "orgs.session_settings"
UNKNOWN = "an unknown address"


@dataclass(frozen=True, slots=True)
class _Page:
    """The page as it is asked for: by whom, and what holds."""

    request: "PortalRequest"
    origin: Origin
    settings: "SessionSettings"
    values: dict[str, Any]

    @classmethod
    def of(cls, request: "PortalRequest", settings: "SessionSettings | None" = None) -> "_Page":
        """Read what holds, unless someone has just done so."""
        settings = settings or request.user.organization.session_settings
        return cls(request, Origin.of(request), settings, settings_values(settings))


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(Permission.VIEW_SETUP)
def session_settings(request: "HttpRequest") -> "HttpResponse":
    """Show the page, or save it."""
    request = cast("PortalRequest", request)
    if request.method == "POST":
        return _save(request)
    page = _Page.of(request)
    return _show(page, SessionSettingsForm(initial=page.values))


def _save(request: "PortalRequest") -> "HttpResponse":
    origin, organization = Origin.of(request), request.user.organization
    refuse_unless_savable(origin, organization)
    page, read = _Page.of(request), as_read(request, salt=SALT)
    form = SessionSettingsForm(request.POST, initial=page.values, read=read)
    if not form.is_valid():
        return _show(page, form, status=422)
    try:
        save_session_settings(organization, version=form.cleaned_data["version"], origin=origin, **form.changes())
    except SettingsChangedMeanwhile as changed:
        return _changed_meanwhile(_Page.of(request, changed.settings), dict(form.changes()), read)
    messages.success(request, "Session settings saved.")
    return redirect("session_settings")


def _changed_meanwhile(page: _Page, chosen: dict[str, Any], read: dict[str, Any]) -> "HttpResponse":
    """Show the form again and tell what changed. What one chose oneself is kept; the rest is as it now is."""
    merged, words = Merged.of(chosen, read=read, stored=page.values), _words_of(page.values)
    return _show(
        page,
        SessionSettingsForm(initial=merged.values),
        status=409,
        was_changed=True,
        changed_words=[words[name] for name in merged.theirs],
        agrees=merged.agrees,
    )


def _words_of(values: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return how each setting is called and written."""
    return {name: (label, words(values[name])) for name, (label, words) in SETTINGS.items()}


def _show(page: _Page, form: SessionSettingsForm, *, status: int = 200, **more: Any) -> "HttpResponse":
    request, organization = page.request, page.request.user.organization
    is_kept = form.is_bound and "version" not in form.errors
    lacks_permission = not request.user.has_permission(Permission.CUSTOMIZE_APPLICATION)
    context = {
        **more,
        "settings": page.settings,
        "form": form,
        # An incomplete form goes on being of the version that was read.
        "version": form["version"].value() if is_kept else page.settings.version,
        "read": request.POST.get(FIELD, "") if is_kept else carry(page.values, salt=SALT),
        "words": _words_of(page.values).values(),
        "has_form": may_save(page.origin, organization),
        "guest_words": str(RefusedToGuest()) if page.origin.is_limited else "",
        "lacks_permission": lacks_permission,
        "administrators": administrators_to_ask(organization) if lacks_permission else "",
        **_addresses(request),
    }
    return render(request, "orgs/session_settings.html", context, status=status)


def _addresses(request: "PortalRequest") -> dict[str, str]:
    """Say where the person's own session began, if they are elsewhere now: a lock would end it."""
    identity, here = request.identity, client_address(request)
    session = None if identity is None else identity.parent or identity.session
    if session is None or session.address == here:
        return {}
    return {"began_at": session.address or UNKNOWN, "is_at": here or UNKNOWN}
