"""Login Access Policies: read it, and, for those who may, save it."""

from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.shortcuts import redirect, render
from django.utils.text import get_text_list
from django.views.decorators.http import require_http_methods

from orgs.editions import Feature, editions_with
from orgs.forms import LoginAccessPolicyForm
from orgs.http import Origin
from orgs.permissions import Permission, permission_required
from orgs.services.login_access_policies import (
    Availability,
    PolicyChangedMeanwhile,
    holds_what_saving_needs,
    refuse_unless_savable,
    save_login_access_policy,
)

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from orgs.models import LoginAccessPolicy, Organization
    from portal.http import PortalRequest

ASKED = 3


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(Permission.VIEW_SETUP)
def login_access_policies(request: "HttpRequest") -> "HttpResponse":
    """Show the page in whichever of its states holds, or save it."""
    request = cast("PortalRequest", request)
    if request.method == "POST":
        return _save(request)
    policy = request.user.organization.login_access_policy
    return _page(request, policy, LoginAccessPolicyForm(initial={"any_user_login": policy.any_user_login}))


def _save(request: "PortalRequest") -> "HttpResponse":
    organization = request.user.organization
    refuse_unless_savable(request.user, organization)
    form = LoginAccessPolicyForm(request.POST)
    if not form.is_valid():
        return _page(request, organization.login_access_policy, form)
    try:
        saved = save_login_access_policy(organization, **form.cleaned_data, origin=Origin.of(request))
    except PolicyChangedMeanwhile as changed:
        return _page(request, changed.policy, form, was_changed=True, status=409)
    messages.success(request, "Login access policies saved.")
    if saved.visits_ended:
        messages.info(request, _visits_ended(saved.visits_ended))
    return redirect("login_access_policies")


def _visits_ended(count: int) -> str:
    return "1 running visit was ended." if count == 1 else f"{count} running visits were ended."


def _page(
    request: "PortalRequest",
    policy: "LoginAccessPolicy",
    form: LoginAccessPolicyForm,
    *,
    was_changed: bool = False,
    status: int = 200,
) -> "HttpResponse":
    organization = request.user.organization
    availability = Availability.of(organization)
    may_save = holds_what_saving_needs(request.user)
    is_available = availability is Availability.AVAILABLE
    context = {
        "organization": organization,
        "policy": policy,
        "form": form,
        "is_eligible": availability is not Availability.NOT_ELIGIBLE,
        "is_available": is_available,
        "may_save": may_save,
        "has_form": may_save and is_available,
        "was_changed": was_changed,
        "agrees": was_changed and form.cleaned_data["any_user_login"] == policy.any_user_login,
        "administrators": "" if may_save else _whom_to_ask(organization),
        "editions": get_text_list([str(edition.label) for edition in editions_with(Feature.ANY_USER_LOGIN)], "and"),
        "sales_phone": settings.SALES_PHONE,
        "idea_url": settings.IDEA_URL,
    }
    return render(request, "orgs/login_access_policies.html", context, status=status)


def _whom_to_ask(organization: "Organization") -> str:
    """Name up to three administrators who can sign in.

    By way of the few profiles that make one: among a million users SQLite would look for them one by one.
    """
    profiles = [profile.pk for profile in organization.profiles.all() if profile.is_administrator]
    people = get_user_model().objects.filter(profile__in=profiles).able_to_sign_in()
    administrators = people.order_by("name_key", "id")[:ASKED]
    names: str = get_text_list([person.full_name for person in administrators], "or")
    return names
