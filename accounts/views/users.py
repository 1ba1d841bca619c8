"""One user: the page, what they may do, edit, and new."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms import UserForm
from accounts.login_access import Facts, may_impersonate
from accounts.models import Login, Role, User
from accounts.presence import browser_words, last_active, live_sessions_of, visits_of
from accounts.services.guards import NameTaken
from accounts.services.impersonation import help_for
from accounts.services.users import (
    UserAct,
    UserChangedMeanwhile,
    UserDetails,
    create_user,
    refusal_of,
    update_user,
    version_of,
)
from orgs.http import Origin, safe_path
from orgs.models import AuditEvent
from orgs.permissions import Permission, permission_required

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse

    from portal.http import PortalRequest

SHOWN = 10


# --- the page ----------------------------------------------------------------------------------------------------


@require_safe
@permission_required(Permission.VIEW_ALL_USERS)
def user_detail(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Show a user: who they are, who is there now, what was done, and what one may do."""
    request = cast("PortalRequest", request)
    user, at = find_user(request, user_id), timezone.now()
    organization = request.user.organization
    facts = Facts.of(organization, organization.login_access_policy, is_impersonating=request.impersonation is not None)
    login = may_impersonate(actor=request.actor, target=user, facts=facts, at=at)
    settings = organization.session_settings
    sessions = live_sessions_of(user, settings, at=at)
    visits = visits_of(user, settings, at=at, limit=SHOWN)
    may_monitor = request.user.has_permission(Permission.MONITOR_LOGIN_HISTORY)
    context = {
        **_about(request, user),
        "person": user,
        "role_path": role_path(user),
        "is_locked": user.is_locked(at),
        "acts": _acts(request, user, at=at),
        "login": login,
        "login_help": help_for(login.refusal) if login.refusal else ("", ""),
        "active_at": last_active(sessions),
        "visits_now": [visit for visit in visits if visit.is_live],
        "visits": visits if may_monitor else None,
        "sessions": sessions if may_monitor else None,
        "logins": login_rows_of(user, limit=SHOWN) if may_monitor else None,
        "changes": changes_of(user, limit=SHOWN),
    }
    return render(request, "accounts/user_detail.html", context)


@require_safe
@permission_required(Permission.VIEW_ALL_USERS)
def user_summary(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Show what a user may do, and where that comes from."""
    request = cast("PortalRequest", request)
    user = find_user(request, user_id)
    held = [(permission, user.has_permission(permission)) for permission in Permission]
    context = {**_about(request, user), "person": user, "role_path": role_path(user), "permissions": held}
    return render(request, "accounts/user_summary.html", context)


def find_user(request: "PortalRequest", user_id: int) -> User:
    """Return a user of one's own organization; another's is not found, like one that never was."""
    users = User.objects.in_organization(request.user.organization_id).select_related("profile", "role")
    user: User = get_object_or_404(users, pk=user_id)
    user.organization = request.user.organization
    return user


def role_path(user: User) -> list[Role]:
    """Return a user's role and what stands above it, from the top."""
    return [] if user.role is None else [*Role.objects.get_ancestors(user.role), user.role]


def changes_of(user: User, *, limit: int) -> "list[AuditEvent]":
    """Return what was changed on an account, the latest first."""
    return list(AuditEvent.objects.filter(about=user, action__startswith="user.").order_by("-id")[:limit])


@dataclass(frozen=True, slots=True)
class LoginRow:
    """One row of the login history, as a page tells it."""

    row: Login
    browser: str


def login_rows_of(user: User, *, limit: int, **only: Any) -> list[LoginRow]:
    """Return an account's sign-ins, good and bad, the latest first; ``only`` narrows them."""
    rows = Login.objects.filter(user=user, **only).order_by("-id")[:limit]
    return [LoginRow(row, browser_words(row.agent)) for row in rows]


def _acts(request: "PortalRequest", user: User, *, at: "datetime") -> set[str]:
    """Return the names of the acts that make sense for ``user`` as they are, and that one may do."""
    sensible = {
        UserAct.EDIT: True,
        UserAct.RESET_PASSWORD: user.is_active,
        UserAct.UNLOCK: user.is_locked(at),
        UserAct.FREEZE: user.is_active and not user.is_frozen,
        UserAct.UNFREEZE: user.is_frozen,
        UserAct.ACTIVATE: not user.is_active,
        UserAct.DEACTIVATE: user.is_active,
        UserAct.END_SESSIONS: user.is_active,
    }
    origin = Origin.of(request)
    acts = [act for act, makes_sense in sensible.items() if makes_sense]
    return {act.name.lower() for act in acts if refusal_of(act, user, origin=origin) is None}


# --- the way back ------------------------------------------------------------------------------------------------


def back_of(request: "HttpRequest") -> str:
    """Return the users list as it was left, if that is what ``back`` is; otherwise the list."""
    asked = request.POST.get("back") or request.GET.get("back", "")
    path = safe_path(asked)
    users = reverse("user_list")
    return path if path and path.startswith(users) else users


def page_of(user: User, *, back: str) -> str:
    """Return the address of a user's page, which leads back to where one came from."""
    query = f"?{urlencode({'back': back})}" if back != reverse("user_list") else ""
    return reverse("user_detail", args=[user.pk]) + query


def _about(request: "PortalRequest", user: User) -> dict[str, Any]:
    back = back_of(request)
    return {"back": back, "back_query": urlencode({"back": back}), "page_url": page_of(user, back=back)}


# --- edit and new ------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(Permission.MANAGE_INTERNAL_USERS)
def user_edit(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Edit a user."""
    request = cast("PortalRequest", request)
    user, origin = find_user(request, user_id), Origin.of(request)
    if refusal := refusal_of(UserAct.EDIT, user, origin=origin):
        raise refusal
    form = UserForm(
        request.POST or None,
        organization=request.user.organization,
        origin=origin,
        user=user,
        initial={**_initial(user), "version": version_of(user)},
    )
    if request.method == "POST" and form.is_valid():
        try:
            saved = update_user(user, form.details(), origin=origin, version=form.cleaned_data["version"])
        except NameTaken as taken:
            form.add_error("username", str(taken))
        except UserChangedMeanwhile as changed:
            return _changed_meanwhile(request, form, changed)
        else:
            messages.success(request, f"{saved} has been saved.")
            return HttpResponseRedirect(page_of(saved, back=back_of(request)))
    return _form_page(request, form, user)


def _initial(user: User) -> dict[str, Any]:
    return {field.name: getattr(user, field.name) for field in fields(UserDetails)}


def _changed_meanwhile(request: "PortalRequest", form: UserForm, changed: UserChangedMeanwhile) -> "HttpResponse":
    """Show the form again with what was typed, say who was faster and what holds now; saving again is then meant."""
    user = changed.user
    now, typed = UserDetails.of(user), form.details().normalized()
    labels = {name: field.label or name.replace("_", " ") for name, field in form.fields.items()}
    stored = [(labels[name], getattr(now, name)) for name in now.different_from(typed)]
    form.data = {**request.POST.dict(), "version": version_of(user)}
    return _form_page(request, form, user, changed_by=user.modified_by_name, stored=stored, status=409)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(Permission.MANAGE_INTERNAL_USERS)
def user_create(request: "HttpRequest") -> "HttpResponse":
    """Create a user, who gets a mail to choose a password."""
    request = cast("PortalRequest", request)
    organization, origin = request.user.organization, Origin.of(request)
    form = UserForm(request.POST or None, organization=organization, origin=origin)
    if request.method == "POST" and form.is_valid():
        site = request.build_absolute_uri("/")
        try:
            user = create_user(organization, form.details(), origin=origin, site=site)
        except NameTaken as taken:
            form.add_error("username", str(taken))
        else:
            words = f"{user} has been created. A mail to choose a password is on its way to {user.email}."
            messages.success(request, words)
            return HttpResponseRedirect(page_of(user, back=back_of(request)))
    return _form_page(request, form)


def _form_page(
    request: "PortalRequest", form: UserForm, user: User | None = None, *, status: int = 200, **words: Any
) -> "HttpResponse":
    back = back_of(request)
    context = {
        "form": form,
        "person": user,
        "back": back,
        "cancel_url": page_of(user, back=back) if user else back,
        **words,
    }
    return render(request, "accounts/user_form.html", context, status=status)
