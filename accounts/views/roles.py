"""Roles: the tree, a new role, and edit, which renames and moves."""

from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Left, Length
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms import RoleForm
from accounts.models import Role
from accounts.services.guards import NameTaken
from accounts.services.roles import (
    RoleBelowItself,
    RoleChangedMeanwhile,
    RoleTooDeep,
    change_role,
    create_role,
    version_of,
)
from orgs.http import Origin
from orgs.paging import keyset_page
from orgs.permissions import Permission, permission_required, refused_to_guests

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from portal.http import PortalRequest

gate = permission_required(Permission.MANAGE_ROLES)

# The path of the role above is the beginning of one's own; at the top it is empty, which no role has.
ABOVE = Role.objects.filter(path=Left(OuterRef("path"), Length(OuterRef("path")) - Role.steplen)).values("name")


@require_safe
@permission_required(Permission.VIEW_SETUP)
def role_list(request: "HttpRequest") -> "HttpResponse":
    """List the roles of one's organization in the order of the tree. Two queries, however many there are."""
    request = cast("PortalRequest", request)
    roles = Role.objects.filter(organization=request.user.organization_id).annotate(above=Subquery(ABOVE))
    page = keyset_page(roles, order=("path",), cursor=request.GET.get("cursor", ""))
    context = {
        "rows": [(role, "– " * (role.depth - 1)) for role in page.rows],
        "may_change": request.user.has_permission(Permission.MANAGE_ROLES) and not Origin.of(request).is_limited,
        "next_url": _url(page.next_cursor) if page.next_cursor else "",
        "previous_url": _url(page.previous_cursor) if page.previous_cursor else "",
    }
    return render(request, "accounts/role_list.html", context)


def _url(cursor: str) -> str:
    return f"{reverse('role_list')}?{urlencode({'cursor': cursor})}"


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
            return redirect("role_list")
    return render(request, "accounts/role_form.html", {"form": form})


@refused_to_guests
@require_http_methods(["GET", "HEAD", "POST"])
@gate
def role_edit(request: "HttpRequest", role_id: int) -> "HttpResponse":
    """Rename a role, move it with everything below it, or both."""
    request = cast("PortalRequest", request)
    organization = request.user.organization
    # Another organization's is not found, like one that never was.
    role = get_object_or_404(Role, organization=organization, pk=role_id)
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
            return redirect("role_list")
    return render(request, "accounts/role_form.html", {"form": form, "role": role})


def _changed_meanwhile(request: "PortalRequest", form: RoleForm, changed: RoleChangedMeanwhile) -> "HttpResponse":
    """Show the form again with what was typed, and say what holds now; saving again is then meant."""
    form.data = {**request.POST.dict(), "version": version_of(changed.role)}
    form.add_error(None, f"{changed} Nothing of yours was saved; save again to let yours hold.")
    return render(request, "accounts/role_form.html", {"form": form, "role": changed.role}, status=409)
