"""Roles: the tree, a new role, edit, which renames and moves, move by keys, and delete."""

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.db.models import OuterRef
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.forms.roles import MoveRoleForm, RoleForm
from accounts.models import Role, User
from accounts.querysets import CountUpTo
from accounts.services.guards import NameTaken
from accounts.services.roles import (
    RoleBelowItself,
    RoleChangedMeanwhile,
    RoleInUse,
    RoleTooDeep,
    change_role,
    create_role,
    delete_role,
    move_role,
    version_of,
    why_kept,
)
from orgs.http import Origin
from orgs.paging import COUNTED, cursor_behind, keyset_page
from orgs.permissions import Permission, permission_required, refused_to_guests

from .user_list_state import ListState, read_id
from .user_list_words import count_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from portal.http import PortalRequest

ROLES_A_PAGE = 100
# How many roles of the tree stand before the one that an address asks for, where it is not on the first page.
BEFORE = 20
ORDER = ("path",)
gate = permission_required(Permission.MANAGE_ROLES)


@dataclass(slots=True)
class Row:
    """One role of the tree, and what its place makes of the list's markup."""

    role: Role
    # Only to show where the page's first role stands; its own line is on a page before.
    is_above: bool
    users: str = ""
    users_url: str = ""
    # What stands below it on this page begins behind it; and how many lists end behind it.
    opens: bool = False
    closes: range = range(0)

    @property
    def below(self) -> str:
        """How many roles stand directly below it, in words."""
        return f"{self.role.numchild} role{'' if self.role.numchild == 1 else 's'} below"


@require_safe
@permission_required(Permission.VIEW_SETUP)
def role_list(request: "HttpRequest") -> "HttpResponse":
    """Show the tree of roles. Two queries, however many there are; ``?role=`` asks for the page that has a role."""
    return _tree_page(cast("PortalRequest", request))


def _tree_page(request: "PortalRequest", *, status: int = 200) -> "HttpResponse":
    holders = User.objects.filter(role=OuterRef("pk")).order_by().values("pk")
    roles = Role.objects.filter(organization=request.user.organization_id)
    asked = request.GET.get("role", "")
    role = roles.filter(pk=read_id(asked)).first() if asked else None
    cursor = request.GET.get("cursor", "") or _cursor_of(roles, role)
    counted = roles.annotate(user_count=CountUpTo(holders[: COUNTED + 1]))
    page = keyset_page(counted, order=ORDER, cursor=cursor, size=ROLES_A_PAGE)
    context = {
        "is_role_gone": bool(asked) and role is None,
        "rows": _rows(page.rows, sees_all=request.user.has_permission(Permission.VIEW_ALL_USERS)),
        "may_change": request.user.has_permission(Permission.MANAGE_ROLES) and not Origin.of(request).is_limited,
        "next_url": _url(page.next_cursor) if page.next_cursor else "",
        "previous_url": _url(page.previous_cursor) if page.previous_cursor else "",
    }
    return render(request, "accounts/role_list.html", context, status=status)


def _cursor_of(roles: "QuerySet[Role]", role: Role | None) -> str:
    """Return the cursor of a page that has a role; nothing where that is the first, or no role is asked for."""
    if role is None:
        return ""
    before = list(roles.filter(path__lt=role.path).order_by("-path")[:ROLES_A_PAGE])
    return cursor_behind(before[BEFORE], order=ORDER) if len(before) == ROLES_A_PAGE else ""


def _rows(roles: "Sequence[Role]", *, sees_all: bool) -> list[Row]:
    """Return the lines of a page, with those above its first role, so that each stands at its depth."""
    above = Role.objects.get_ancestors(roles[0]) if roles and roles[0].depth > 1 else ()
    rows = [Row(role, is_above=True) for role in above]
    for role in roles:
        count = cast("Any", role).user_count
        users_url = ListState(role=role.pk).url() if sees_all and count else ""
        rows.append(Row(role, is_above=False, users=count_in_words(count), users_url=users_url))
    for row, following in zip_longest(rows, rows[1:]):
        depth = following.role.depth if following else 1
        row.opens = depth > row.role.depth
        row.closes = range(max(0, row.role.depth - depth))
    return rows


def _url(cursor: str) -> str:
    return f"{reverse('role_list')}?{urlencode({'cursor': cursor})}"


def _place_of(role: Role) -> str:
    """Return where a role is in the tree."""
    return f"{reverse('role_list')}?{urlencode({'role': role.pk})}#role-{role.pk}"


@refused_to_guests
@require_http_methods(["GET", "HEAD", "POST"])
@gate
def role_create(request: "HttpRequest") -> "HttpResponse":
    """Make a role; ``?below=`` names the role that it is to stand below, until another is chosen."""
    request = cast("PortalRequest", request)
    organization = request.user.organization
    typed = request.POST if request.method == "POST" else None
    form = RoleForm(typed, organization=organization, initial={"below": request.GET.get("below")})
    if form.is_valid():
        name, parent = form.cleaned_data["name"], form.cleaned_data["below"]
        try:
            role = create_role(organization, name=name, parent=parent, origin=Origin.of(request))
        except (NameTaken, RoleTooDeep) as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"The role {role} has been created.")
            return redirect(_place_of(role))
    return render(request, "accounts/role_form.html", {"form": form}, status=422 if form.is_bound else 200)


@refused_to_guests
@require_http_methods(["GET", "HEAD", "POST"])
@gate
def role_edit(request: "HttpRequest", role_id: int) -> "HttpResponse":
    """Rename a role, move it with everything below it, or both."""
    request = cast("PortalRequest", request)
    organization = request.user.organization
    role = _find(request, role_id)
    typed = request.POST if request.method == "POST" else None
    has = {"name": role.name, "below": Role.objects.get_parent(role), "version": version_of(role)}
    form = RoleForm(typed, organization=organization, role=role, initial=has)
    if form.is_valid():
        name, parent, version = (form.cleaned_data[field] for field in ("name", "below", "version"))
        try:
            saved = change_role(role, name=name, parent=parent, version=version or None, origin=Origin.of(request))
        except RoleChangedMeanwhile as changed:
            return _changed_meanwhile(request, form, changed)
        except (NameTaken, RoleBelowItself, RoleTooDeep) as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"The role {saved} has been saved.")
            return redirect(_place_of(saved))
    return _edit_page(request, form, role, status=422 if form.is_bound else 200)


def _edit_page(request: "PortalRequest", form: RoleForm, role: Role, *, status: int) -> "HttpResponse":
    context = {"form": form, "role": role, "place_url": _place_of(role)}
    return render(request, "accounts/role_form.html", context, status=status)


def _changed_meanwhile(request: "PortalRequest", form: RoleForm, changed: RoleChangedMeanwhile) -> "HttpResponse":
    """Show the form again with what was typed, and say what holds now; saving again is then meant."""
    form.data = {**request.POST.dict(), "version": version_of(changed.role)}
    form.add_error(None, f"{changed} Save again to let yours hold.")
    return _edit_page(request, form, changed.role, status=409)


@refused_to_guests
@require_POST
@gate
def role_move(request: "HttpRequest", role_id: int) -> "HttpResponse":
    """Move a role by the keys of the tree: below another, or, without one, to the top."""
    request = cast("PortalRequest", request)
    role = _find(request, role_id)
    form = MoveRoleForm(request.POST, organization=request.user.organization)
    if not form.is_valid():
        messages.error(request, f"{role} was not moved. There is no such role to put it below any more.")
        return _tree_page(request, status=422)
    parent = form.cleaned_data["below"]
    try:
        move_role(role, parent=parent, origin=Origin.of(request))
    except (RoleBelowItself, RoleTooDeep) as refusal:
        messages.error(request, str(refusal))
        return _tree_page(request, status=422)
    messages.success(request, f"{role} is below {parent} now." if parent else f"{role} is at the top now.")
    return redirect(_place_of(role))


@refused_to_guests
@require_http_methods(["GET", "HEAD", "POST"])
@gate
def role_delete(request: "HttpRequest", role_id: int) -> "HttpResponse":
    """Delete a role on which nothing hangs; GET asks first, or says what does."""
    request = cast("PortalRequest", request)
    role = _find(request, role_id)
    if request.method != "POST":
        return _delete_page(request, role, why_kept(role))
    try:
        delete_role(role, origin=Origin.of(request))
    except RoleInUse as refusal:
        return _delete_page(request, role, str(refusal), status=422)
    messages.success(request, f"The role {role} has been deleted.")
    return redirect("role_list")


def _delete_page(request: "PortalRequest", role: Role, why: str, *, status: int = 200) -> "HttpResponse":
    sees_all = request.user.has_permission(Permission.VIEW_ALL_USERS)
    context = {
        "role": role,
        "why_kept": why,
        "cancel_url": _place_of(role),
        "users_url": ListState(role=role.pk).url() if why and sees_all else "",
    }
    return render(request, "accounts/role_delete.html", context, status=status)


def _find(request: "PortalRequest", role_id: int) -> Role:
    """Return a role of one's own organization; another's is not found, like one that never was."""
    role: Role = get_object_or_404(Role, organization=request.user.organization, pk=role_id)
    return role
