"""Delegated Administration: the groups, a new one, edit and delete."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.db.models import Prefetch
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms.delegated_groups import DelegatedGroupForm
from accounts.models import DelegatedGroup, Profile, Role, User
from accounts.services.delegated_groups import (
    GroupChangedMeanwhile,
    GroupDetails,
    GroupRefused,
    create_delegated_group,
    delete_delegated_group,
    editions_with_delegation,
    refuse_edition,
    update_delegated_group,
)
from orgs.editions import Feature
from orgs.http import Origin
from orgs.paging import keyset_page
from orgs.permissions import Permission, permission_required, refused_to_guests

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from portal.http import PortalRequest

NAMED = 5
gate = permission_required(Permission.CUSTOMIZE_APPLICATION)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list."""

    group: DelegatedGroup
    delegates: str
    roles: str
    profiles: str


@require_safe
@gate
def delegated_group_list(request: "HttpRequest") -> "HttpResponse":
    """List the groups of one's organization. Five queries, however many there are."""
    request = cast("PortalRequest", request)
    organization = request.user.organization
    groups = DelegatedGroup.objects.filter(organization=organization).prefetch_related(
        Prefetch("delegates", User.objects.order_by("name_key", "id")),
        Prefetch("roles", Role.objects.order_by("path")),
        Prefetch("profiles", Profile.objects.order_by("name", "id")),
    )
    page = keyset_page(groups, order=("name", "id"), cursor=request.GET.get("cursor", ""))
    has_feature = organization.has(Feature.DELEGATED_ADMINISTRATION)
    context = {
        "organization": organization,
        "rows": [_row(group) for group in page.rows],
        "has_feature": has_feature,
        "editions": editions_with_delegation(),
        "may_change": not Origin.of(request).is_limited,
        "next_url": _url(page.next_cursor) if page.next_cursor else "",
        "previous_url": _url(page.previous_cursor) if page.previous_cursor else "",
    }
    return render(request, "accounts/delegated_group_list.html", context)


def _row(group: DelegatedGroup) -> Row:
    return Row(group, _some(group.delegates.all()), _some(group.roles.all()), _some(group.profiles.all()))


def _some(found: Iterable[User | Role | Profile]) -> str:
    """Name the first few, and how many more there are."""
    names = [str(one) for one in found]
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _url(cursor: str) -> str:
    return f"{reverse('delegated_group_list')}?{urlencode({'cursor': cursor})}"


@refused_to_guests
@require_http_methods(["GET", "HEAD", "POST"])
@gate
def delegated_group_create(request: "HttpRequest") -> "HttpResponse":
    """Make a group."""
    request = cast("PortalRequest", request)
    organization = request.user.organization
    refuse_edition(organization)
    form = DelegatedGroupForm(request.POST if request.method == "POST" else None, organization=organization)
    if form.is_valid():
        try:
            group = create_delegated_group(organization, form.details(), origin=Origin.of(request))
        except GroupRefused as refused:
            form.refuse(refused.faults)
        else:
            messages.success(request, f"The delegated group {group} has been created.")
            return redirect("delegated_group_list")
    return _form_page(request, form)


@refused_to_guests
@require_http_methods(["GET", "HEAD", "POST"])
@gate
def delegated_group_edit(request: "HttpRequest", group_id: int) -> "HttpResponse":
    """Edit a group."""
    request = cast("PortalRequest", request)
    group = _find(request, group_id)
    refuse_edition(group.organization)
    if request.method != "POST":
        initial = DelegatedGroupForm.initial_of(group)
        return _form_page(
            request, DelegatedGroupForm(organization=group.organization, group=group, initial=initial), group
        )
    form = DelegatedGroupForm(request.POST, organization=group.organization, group=group)
    if not form.is_valid():
        return _form_page(request, form, group)
    try:
        version = form.cleaned_data["version"] or 0
        saved = update_delegated_group(group, form.details(), version=version, origin=Origin.of(request))
    except GroupRefused as refused:
        form.refuse(refused.faults)
        return _form_page(request, form, group)
    except GroupChangedMeanwhile as changed:
        return _changed_meanwhile(request, form, changed)
    messages.success(request, f"The delegated group {saved.group} has been saved.")
    _tell_ended(request, saved.visits_ended)
    return redirect("delegated_group_list")


def _changed_meanwhile(
    request: "PortalRequest", form: DelegatedGroupForm, changed: GroupChangedMeanwhile
) -> "HttpResponse":
    """Show the form again with what was typed, say who was faster and what holds now; saving again is then meant."""
    group = changed.group
    now, typed = GroupDetails.of(group).words(), form.details().words()
    stored = [(form.fields[name].label or name, _words(now[name])) for name in now if now[name] != typed[name]]
    data = request.POST.copy()
    data["version"] = str(group.version)
    form.data = data
    return _form_page(request, form, group, changed_by=group.modified_by_name, stored=stored, status=409)


def _words(value: Any) -> str:  # noqa: ANN401  # of a group's details
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(value) if isinstance(value, list) else str(value)


@refused_to_guests
@require_http_methods(["GET", "HEAD", "POST"])
@gate
def delegated_group_delete(request: "HttpRequest", group_id: int) -> "HttpResponse":
    """Delete a group; GET asks first."""
    request = cast("PortalRequest", request)
    group = _find(request, group_id)
    if request.method == "POST":
        ended = delete_delegated_group(group, origin=Origin.of(request))
        messages.success(request, f"The delegated group {group} has been deleted.")
        _tell_ended(request, ended)
        return redirect("delegated_group_list")
    return render(request, "accounts/delegated_group_delete.html", {"group": group})


def _find(request: "PortalRequest", group_id: int) -> DelegatedGroup:
    """Return a group of one's own organization; another's is not found, like one that never was."""
    group = get_object_or_404(DelegatedGroup, organization=request.user.organization_id, pk=group_id)
    group.organization = request.user.organization
    return group


def _tell_ended(request: "PortalRequest", count: int) -> None:
    if count:
        words = "1 running visit was ended." if count == 1 else f"{count} running visits were ended."
        messages.info(request, words)


def _form_page(
    request: "PortalRequest",
    form: DelegatedGroupForm,
    group: DelegatedGroup | None = None,
    *,
    status: int | None = None,
    **words: Any,
) -> "HttpResponse":
    context = {"form": form, "group": group, **words}
    status = status or (422 if form.is_bound else 200)
    return render(request, "accounts/delegated_group_form.html", context, status=status)
