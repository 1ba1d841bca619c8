"""One user: the page, what they may do, edit, and new."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.http import Http404, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from accounts.facts import find_target
from accounts.forms.users import UserForm
from accounts.login_access import is_healed_by_grant, may_impersonate
from accounts.middleware import page_in
from accounts.models import Role, User
from accounts.presence import last_active, live_sessions_of, visits_of, worn_now
from accounts.services.access_answers import open_requests
from accounts.services.grants import grantees_of
from accounts.services.guards import NameTaken, visible_to
from accounts.services.impersonation import help_for
from accounts.services.users import (
    NotDelegated,
    UserAct,
    UserChangedMeanwhile,
    UserDetails,
    create_user,
    different_details,
    needless_because,
    refusal_of,
    update_user,
    version_of,
)
from accounts.user_rights import delegated_to, operator_words, ways_in, why_no_delegate
from accounts.who_can import Standing, who_can
from orgs.http import Origin, safe_path
from orgs.models import AuditEvent
from orgs.permissions import PERMISSION_GROUPS, Permission, refused_to_guests

from .gates import for_those_who_edit_users, for_those_who_see_users
from .login_history import login_rows_of

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse

    from accounts.login_access import Facts
    from orgs.models import LoginAccessPolicy
    from portal.http import PortalRequest

SHOWN = 10
SHOWN_OF_WHO_CAN = 5


# --- the page ----------------------------------------------------------------------------------------------------


@require_safe
@for_those_who_see_users
def user_detail(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Show a user: who they are, who is there now, what was done, and what one may do."""
    request = cast("PortalRequest", request)
    user, at = find_user(request, user_id), timezone.now()
    target = find_target(request.actor, user.pk, is_impersonating=request.impersonation is not None)
    if target is None:  # pragma: no cover  # nobody is ever deleted
        raise Http404
    settings = request.user.organization.session_settings
    sessions = live_sessions_of(user, settings, at=at)
    may_monitor = request.user.has_permission(Permission.MONITOR_LOGIN_HISTORY)
    context = {
        **_about(request, user),
        "person": user,
        "role_path": role_path(user),
        "is_locked": user.is_locked(at),
        "acts": _acts(request, user, at=at),
        **_login(request, user, target.facts, at=at),
        **_access(request, user, target.policy, at=at),
        "active_at": last_active(sessions),
        "visits_now": worn_now(sessions, at=at),
        "visits": visits_of(user, settings, at=at, limit=SHOWN, policy=target.policy) if may_monitor else None,
        "shows_reasons": request.user.has_permission(Permission.VIEW_ALL_DATA),
        "sessions": sessions if may_monitor else None,
        "logins": login_rows_of(user, limit=SHOWN) if may_monitor else None,
        "changes": changes_of(user, limit=SHOWN),
    }
    return render(request, "accounts/user_detail.html", context)


def _login(request: "PortalRequest", user: User, facts: "Facts", *, at: "datetime") -> dict[str, Any]:
    """Return whether one may log in as ``user``; if not, what would help: a page, or asking them."""
    login = may_impersonate(actor=request.actor, target=user, facts=facts, at=at)
    may_ask = is_healed_by_grant(login, actor=request.actor, target=user, facts=facts, at=at)
    return {
        "login": login,
        "login_help": help_for(login.refusal) if login.refusal else ("", ""),
        "may_ask": may_ask,
        "asked": open_requests(at=at, requester=request.actor, user=user).first() if may_ask else None,
    }


def _access(request: "PortalRequest", user: User, policy: "LoginAccessPolicy", *, at: "datetime") -> dict[str, Any]:
    """Return the live grants of ``user``, who can log in as them, and their groups: for View All Users."""
    if not request.user.has_permission(Permission.VIEW_ALL_USERS):
        return {}
    standing = Standing.of(user, policy)
    return {
        "who_can": who_can(standing, at=at, size=SHOWN_OF_WHO_CAN).rows,
        "grants": [row for row in grantees_of(user, at=at, standing=standing) if row.grant],
        "groups": user.delegated_groups.order_by("name", "id")[:SHOWN],
        "may_open_groups": request.user.has_permission(Permission.CUSTOMIZE_APPLICATION),
    }


@require_safe
@for_those_who_see_users
def user_summary(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Show what a user may do, and where that comes from."""
    request = cast("PortalRequest", request)
    user, at = find_user(request, user_id), timezone.now()
    policy = request.user.organization.login_access_policy
    sees_all = request.user.has_permission(Permission.VIEW_ALL_USERS)
    # A delegate sees users in reach, and no group but their own.
    delegated = delegated_to(user) if sees_all else []
    context = {
        **_about(request, user),
        "person": user,
        "permissions": [
            (label, [(permission, user.has_permission(permission)) for permission in group])
            for label, group in PERMISSION_GROUPS
        ],
        "delegated": delegated,
        "why_no_delegate": why_no_delegate(user) if delegated else "",
        "operator_words": operator_words(user),
        "ways": ways_in(user, policy, delegated, at=at),
        "who_can": who_can(Standing.of(user, policy), at=at, size=SHOWN_OF_WHO_CAN).rows if sees_all else None,
        "may_edit_groups": request.user.has_permission(Permission.CUSTOMIZE_APPLICATION),
    }
    return render(request, "accounts/user_summary.html", context)


def find_user(request: "PortalRequest", user_id: int) -> User:
    """Return a user whom one sees; all others are not found, like one that never was.

    One query, and one for what a delegate reaches.
    """
    users = visible_to(request.user).select_related("profile", "role")
    user: User = get_object_or_404(users, pk=user_id)
    user.organization = request.user.organization
    return user


def role_path(user: User) -> list[Role]:
    """Return a user's role and what stands above it, from the top."""
    return [] if user.role is None else [*Role.objects.get_ancestors(user.role), user.role]


def changes_of(user: User, *, limit: int) -> "list[AuditEvent]":
    """Return what was changed on an account, the latest first."""
    changes = AuditEvent.objects.filter(about=user, action__startswith="user.")
    return list(changes.order_by("-created_at", "-id")[:limit])


def _acts(request: "PortalRequest", user: User, *, at: "datetime") -> set[str]:
    """Return the names of the acts that make sense for ``user`` as they are, and that one may do."""
    origin = Origin.of(request)
    acts = [act for act in UserAct if not needless_because(act, user, at=at)]
    return {act.name.lower() for act in acts if refusal_of(act, user, origin=origin) is None}


# --- the way back ------------------------------------------------------------------------------------------------


def back_of(request: "HttpRequest") -> str:
    """Return the users list as it was left, if ``back`` is that, or where one comes from; otherwise the list."""
    users = reverse("user_list")
    asked = request.POST.get("back") or request.GET.get("back") or _list_before(request)
    path = safe_path(asked)
    is_plain = path is not None and "/." not in path.partition("?")[0]
    return path if path and is_plain and path.startswith(users) else users


def _list_before(request: "HttpRequest") -> str:
    """Return the users list as it was left, if one comes from there: the links of its rows carry no way back."""
    page = page_in(request, "Referer") or ""
    return page if page.partition("?")[0] == reverse("user_list") else ""


def page_of(user: User, *, back: str) -> str:
    """Return the address of a user's page, which leads back to where one came from."""
    query = f"?{urlencode({'back': back})}" if back != reverse("user_list") else ""
    return reverse("user_detail", args=[user.pk]) + query


def _about(request: "PortalRequest", user: User) -> dict[str, Any]:
    back = back_of(request)
    return {"back": back, "back_query": urlencode({"back": back}), "page_url": page_of(user, back=back)}


# --- edit and new ------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@for_those_who_edit_users
def user_edit(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Edit a user."""
    request = cast("PortalRequest", request)
    user, origin = find_user(request, user_id), Origin.of(request)
    if refusal := refusal_of(UserAct.EDIT, user, origin=origin):
        raise refusal
    form = UserForm(
        request.POST if request.method == "POST" else None,
        organization=request.user.organization,
        origin=origin,
        user=user,
        initial={**_initial(user), "version": version_of(user)},
    )
    if form.is_valid():
        try:
            site, version = request.build_absolute_uri("/"), form.cleaned_data["version"]
            saved = update_user(user, form.details(), origin=origin, site=site, version=version)
        except NameTaken as taken:
            form.add_error("username", str(taken))
        except NotDelegated as refusal:
            form.refuse(refusal)
        except UserChangedMeanwhile as changed:
            return _changed_meanwhile(request, form, changed)
        else:
            messages.success(request, _saved_words(saved, user))
            return HttpResponseRedirect(page_of(saved, back=back_of(request)))
    return _form_page(request, form, user)


def _initial(user: User) -> dict[str, Any]:
    details = UserDetails.of(user)
    return {field.name: getattr(details, field.name) for field in fields(details)}


def _saved_words(saved: User, before: User) -> str:
    """Return what is said of a save, and where a mail went to confirm a new address."""
    words = f"{saved} has been saved."
    if saved.pending_email in {"", before.pending_email}:
        return words
    return f"{words} A mail with a link went to {saved.pending_email}: the new address counts once it is confirmed."


def _changed_meanwhile(request: "PortalRequest", form: UserForm, changed: UserChangedMeanwhile) -> "HttpResponse":
    """Show the form again with what was typed, say who was faster and what holds now; saving again is then meant."""
    user = changed.user
    now, typed = UserDetails.of(user), form.details().normalized()
    labels = {name: field.label or name.replace("_", " ") for name, field in form.fields.items()}
    if user.pending_email:
        labels["email"] += " that waits to be confirmed"
    stored = [(labels[name], getattr(now, name)) for name in different_details(now, typed)]
    form.data = {**request.POST.dict(), "version": version_of(user)}
    return _form_page(request, form, user, changed_by=user.modified_by_name, stored=stored, status=409)


@refused_to_guests
@require_http_methods(["GET", "HEAD", "POST"])
@for_those_who_edit_users
def user_create(request: "HttpRequest") -> "HttpResponse":
    """Create a user, who gets a mail to choose a password."""
    request = cast("PortalRequest", request)
    organization, origin = request.user.organization, Origin.of(request)
    typed = request.POST if request.method == "POST" else None
    form = UserForm(typed, organization=organization, origin=origin)
    if form.is_valid():
        site = request.build_absolute_uri("/")
        try:
            user = create_user(organization, form.details(), origin=origin, site=site)
        except NameTaken as taken:
            form.add_error("username", str(taken))
        except NotDelegated as refusal:
            form.refuse(refusal)
        else:
            words = f"{user} has been created. A mail to choose a password is on its way to {user.email}."
            messages.success(request, words)
            return HttpResponseRedirect(page_of(user, back=back_of(request)))
    return _form_page(request, form)


def _form_page(
    request: "PortalRequest", form: UserForm, user: User | None = None, *, status: int | None = None, **words: Any
) -> "HttpResponse":
    back = back_of(request)
    context = {
        "form": form,
        "person": user,
        "back": back,
        "cancel_url": page_of(user, back=back) if user else back,
        **words,
    }
    status = status or (422 if form.is_bound else 200)
    return render(request, "accounts/user_form.html", context, status=status)
