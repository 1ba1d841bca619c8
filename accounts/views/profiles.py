"""Profiles: the list, what one permits and who has it, a new one, edit and delete."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms.profiles import CloneProfileForm, ProfileForm, permissions_in
from accounts.models import DelegatedGroup, Profile, User
from accounts.querysets import CountUpTo
from accounts.services.guards import (
    LastAdministrator,
    ModifyAllDataNeeded,
    NameTaken,
    sees_users,
    visible_to,
)
from accounts.services.profiles import (
    ExternalHoldsNothing,
    PermissionNeeded,
    ProfileAct,
    ProfileChangedMeanwhile,
    ProfileInUse,
    StandardProfileFixed,
    Ticks,
    clone_profile,
    delete_profile,
    refusal_of,
    refusal_to_untick,
    shared_refusal_of,
    update_profile,
    version_of,
)
from orgs.http import Origin
from orgs.list_filters import ListFilterForm
from orgs.paging import COUNTED, keyset_page
from orgs.permissions import Permission, in_order, permission_required, refused_to_guests
from orgs.text import listed, validate_plain_text

from .profile_boxes import as_ticked, groups_of_boxes, not_to_be_ticked
from .user_list_state import ListState, read_id
from .user_list_words import count_in_words

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from portal.http import PortalRequest

SHOWN = 10
# The element of the page that htmx takes anew after each tick.
BOXES = "permissions"
gate = permission_required(Permission.MANAGE_PROFILES)


class ProfileFilterForm(ListFilterForm):
    """What the list of profiles can be narrowed by."""

    name = forms.CharField(
        label="Profile name",
        required=False,
        max_length=80,
        validators=[validate_plain_text],
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )
    start = None  # type: ignore[assignment]  # Django's way to leave out a form's inherited field
    end = None  # type: ignore[assignment]


# --- the list ----------------------------------------------------------------------------------------------------

_SHORT: dict[type[PermissionDenied], str] = {
    StandardProfileFixed: "Standard: not edited",
    ModifyAllDataNeeded: "Needs Modify All Data",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list, with why it can't be edited or cloned where it can't."""

    profile: Profile
    users: str
    users_url: str
    edit: PermissionDenied | None
    clone: PermissionDenied | None

    @property
    def whys(self) -> dict[str, str]:
        """The reasons that are this line's own, in two or three words and in full."""
        refusals = (why for why in (self.edit, self.clone) if why is not None)
        return {_SHORT[type(why)]: str(why) for why in refusals if type(why) in _SHORT}

    @property
    def is_clone_refused_to_all(self) -> bool:
        """Whether the reason stands above the list."""
        return self.clone is not None and type(self.clone) not in _SHORT


@require_safe
@permission_required(Permission.VIEW_SETUP)
def profile_list(request: "HttpRequest") -> "HttpResponse":
    """List the profiles of one's organization. Two queries, however many there are."""
    request = cast("PortalRequest", request)
    organization, origin = request.user.organization, Origin.of(request)
    form = ProfileFilterForm(request.GET)
    profiles = profiles_of(request)
    if name := form.chosen.get("name"):
        profiles = profiles.filter(name__icontains=name)
    page = keyset_page(profiles, order=("name", "id"), cursor=request.GET.get("cursor", ""))
    no_change, no_clone = (
        shared_refusal_of(act, organization, origin=origin) for act in (ProfileAct.EDIT, ProfileAct.CLONE)
    )
    context = {
        "organization": organization,
        "form": form,
        "rows": [_row(request, profile, origin) for profile in page.rows],
        "has_actions": no_change is None,
        "may_create": no_clone is None,
        "note": no_change or no_clone,
        "next_url": form.page_url("profile_list", page.next_cursor),
        "previous_url": form.page_url("profile_list", page.previous_cursor),
    }
    return render(request, "accounts/profile_list.html", context)


def _row(request: "PortalRequest", profile: Profile, origin: Origin) -> Row:
    profile.organization = request.user.organization
    return Row(
        profile,
        users=count_in_words(_count_of(profile)),
        users_url=_users_url(request, profile),
        edit=refusal_of(ProfileAct.EDIT, profile, origin=origin),
        clone=refusal_of(ProfileAct.CLONE, profile, origin=origin),
    )


def profiles_of(request: "PortalRequest") -> "QuerySet[Profile]":
    """Return the profiles of one's organization, each with how many users have it, as far as that is cheap."""
    users = User.objects.filter(profile=OuterRef("pk")).order_by().values("pk")
    found: QuerySet[Profile] = Profile.objects.filter(organization=request.user.organization_id).annotate(
        user_count=CountUpTo(users[: COUNTED + 1])
    )
    return found


def _count_of(profile: Profile) -> int:
    """Return what :func:`profiles_of` counted."""
    return cast("int", cast("Any", profile).user_count)


def _users_url(request: "PortalRequest", profile: Profile) -> str:
    """Return the address of those who have ``profile``; nothing for whoever sees no users."""
    return ListState(profile=profile.pk).url() if sees_users(request.user) else ""


# --- the page ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Act:
    """What one may do with a profile, and why not where one may not."""

    label: str
    url_name: str
    refusal: PermissionDenied | None


@require_safe
@permission_required(Permission.VIEW_SETUP)
def profile_detail(request: "HttpRequest", profile_id: int) -> "HttpResponse":
    """Show a profile: what it permits, and who has it."""
    request = cast("PortalRequest", request)
    profile, origin = _find(request, profile_id), Origin.of(request)
    acts = [
        Act("Edit", "profile_edit", refusal_of(ProfileAct.EDIT, profile, origin=origin)),
        Act("Clone", "profile_create", refusal_of(ProfileAct.CLONE, profile, origin=origin)),
        Act("Delete", "profile_delete", refusal_of(ProfileAct.DELETE, profile, origin=origin)),
    ]
    holders = visible_to(request.user).filter(profile=profile).order_by("name_key", "id")
    context = {
        **_about(request, profile),
        "acts": [act for act in acts if act.refusal is None],
        # Said once, where several acts are refused for the same reason.
        "whys": list(dict.fromkeys(str(act.refusal) for act in acts if act.refusal is not None)),
        "groups": groups_of_boxes(profile.permissions),
        "holders": holders[:SHOWN],
        "sees_everyone": request.user.has_permission(Permission.VIEW_ALL_USERS),
    }
    return render(request, "accounts/profile_detail.html", context)


def _find(request: "PortalRequest", profile_id: int) -> Profile:
    """Return a profile of one's own organization; another's is not found, like one that never was."""
    profile = get_object_or_404(profiles_of(request), pk=profile_id)
    profile.organization = request.user.organization
    return profile


def _about(request: "PortalRequest", profile: Profile) -> dict[str, Any]:
    """Return a profile, and how many have it."""
    count = _count_of(profile)
    return {
        "profile": profile,
        "is_used": count > 0,
        "users": count_in_words(count),
        "have": "has" if count == 1 else "have",
        "users_url": _users_url(request, profile),
    }


# --- new ---------------------------------------------------------------------------------------------------------


@refused_to_guests
@require_http_methods(["GET", "HEAD", "POST"])
@gate
def profile_create(request: "HttpRequest") -> "HttpResponse":
    """Make a profile as a clone; ``?from=`` names the one that it is to be a clone of, until another is chosen."""
    request = cast("PortalRequest", request)
    organization, origin = request.user.organization, Origin.of(request)
    if (refusal := shared_refusal_of(ProfileAct.CLONE, organization, origin=origin)) is not None:
        raise refusal
    typed = request.POST if request.method == "POST" else None
    initial = {"profile": request.GET.get("from")}
    form = CloneProfileForm(typed, organization=organization, origin=origin, initial=initial)
    if form.is_valid():
        source, name = form.cleaned_data["profile"], form.cleaned_data["name"]
        try:
            profile = clone_profile(source, name=name, origin=origin)
        except (NameTaken, ModifyAllDataNeeded) as refused:
            form.refuse(refused)
        else:
            messages.success(request, f"The profile {profile} has been created. It permits what {source} does.")
            return redirect("profile_detail", profile.pk)
    # Where one came from, whatever is chosen by now.
    source = profiles_of(request).filter(pk=read_id(request.GET.get("from", ""))).first()
    context = {"form": form, "source": source}
    return render(request, "accounts/profile_create.html", context, status=422 if form.is_bound else 200)


# --- edit --------------------------------------------------------------------------------------------------------


@refused_to_guests
@require_http_methods(["GET", "HEAD", "POST"])
@gate
def profile_edit(request: "HttpRequest", profile_id: int) -> "HttpResponse":
    """Edit a profile's name and permissions. htmx takes the boxes alone, after each tick, with what comes along."""
    request = cast("PortalRequest", request)
    profile, origin = _find(request, profile_id), Origin.of(request)
    if (refusal := refusal_of(ProfileAct.EDIT, profile, origin=origin)) is not None:
        raise refusal
    if request.headers.get("HX-Target") == BOXES and request.method != "POST":
        return _ticked(request)
    typed = request.POST if request.method == "POST" else None
    has = {
        "name": profile.name,
        "permissions": [one.value for one in profile.permissions],
        "version": version_of(profile),
    }
    form = ProfileForm(typed, initial=has)
    if form.is_valid():
        name, permissions, version = (form.cleaned_data[field] for field in ("name", "permissions", "version"))
        try:
            saved = update_profile(profile, name=name, permissions=permissions, version=version, origin=origin)
        except ProfileChangedMeanwhile as changed:
            return _changed_meanwhile(request, form, changed)
        except (NameTaken, PermissionNeeded, ExternalHoldsNothing, LastAdministrator, ModifyAllDataNeeded) as refused:
            form.refuse(refused)
        else:
            messages.success(request, f"The profile {saved.profile} has been saved. {saved.ticks.words}".strip())
            return redirect("profile_detail", profile.pk)
    return _edit_page(request, profile, form, status=422 if form.is_bound else 200)


def _ticked(request: "PortalRequest") -> "HttpResponse":
    """Answer a click on a box with all boxes as they then are, and with what that came to, in words.

    The page sends what is ticked, and what was ``before``: what was taken away in between stays where others need it.
    """
    asked = permissions_in(request.GET.getlist("permissions"))
    before = permissions_in(request.GET.get("before", "").split())
    refusals = [refusal for one in in_order(before - asked) if (refusal := refusal_to_untick(one, asked)) is not None]
    ticks = Ticks.of(asked | {refusal.permission for refusal in refusals})
    said = {refusal.permission: str(refusal) for refusal in refusals} | dict.fromkeys(ticks.because, ticks.words)
    groups = groups_of_boxes(ticks.permissions, too=ticks.too, said=said, why_not=not_to_be_ticked(Origin.of(request)))
    context = {
        "groups": groups,
        "before": as_ticked(ticks.permissions),
        "said": " ".join(filter(None, (*map(str, refusals), ticks.words))),
    }
    response = render(request, "accounts/profile_permissions_part.html", context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def _changed_meanwhile(request: "PortalRequest", form: ProfileForm, changed: ProfileChangedMeanwhile) -> "HttpResponse":
    """Show the form again with what was typed, say who was faster and what holds now; saving again is then meant."""
    now, name, ticked = changed.profile, form.cleaned_data["name"], form.cleaned_data["permissions"]
    differences = {
        "Its name is now": [now.name] if now.name != name else [],
        "It now permits, and below is not ticked": [one.label for one in in_order(now.permissions - ticked)],
        "Below is ticked, and it does not permit now": [one.label for one in in_order(ticked - now.permissions)],
    }
    data = request.POST.copy()
    data["version"] = version_of(now)
    form.data = data
    stored = [(label, listed(names)) for label, names in differences.items() if names]
    # With how many have it by now.
    return _edit_page(request, _find(request, now.pk), form, status=409, stored=stored)


def _edit_page(
    request: "PortalRequest", profile: Profile, form: ProfileForm, *, status: int, **more: Any
) -> "HttpResponse":
    groups = groups_of_boxes(form.ticked, why_not=not_to_be_ticked(Origin.of(request)))
    context = {
        **_about(request, profile),
        "form": form,
        "groups": groups,
        "before": as_ticked(form.ticked),
        **more,
    }
    response = render(request, "accounts/profile_edit.html", context, status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


# --- delete ------------------------------------------------------------------------------------------------------


@refused_to_guests
@require_http_methods(["GET", "HEAD", "POST"])
@gate
def profile_delete(request: "HttpRequest", profile_id: int) -> "HttpResponse":
    """Delete a profile that nobody has; GET asks first."""
    request = cast("PortalRequest", request)
    profile, origin, status = _find(request, profile_id), Origin.of(request), 200
    if (refusal := refusal_of(ProfileAct.DELETE, profile, origin=origin)) is not None:
        raise refusal
    if request.method == "POST":
        try:
            delete_profile(profile, origin=origin)
        except ProfileInUse:
            # It may have got its first user since it was read.
            profile, status = _find(request, profile_id), 422
        else:
            messages.success(request, f"The profile {profile} has been deleted.")
            return redirect("profile_list")
    groups = DelegatedGroup.objects.filter(profiles=profile).order_by("name", "id")
    context = {**_about(request, profile), "groups": listed(groups) if groups else ""}
    return render(request, "accounts/profile_delete.html", context, status=status)
