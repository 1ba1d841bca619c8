"""Company Information: what one's organization is and has, its name, and asking for any-user login."""

from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from orgs.forms import ActivationRequestForm, CompanyForm
from orgs.http import Origin
from orgs.models.activation_request import PENDING
from orgs.permissions import Permission, RefusedToGuest, permission_required
from orgs.services.activation_requests import (
    ActivationDetailsWrong,
    ActivationPending,
    latest_request_of,
    request_activation,
)
from orgs.services.login_access_policies import Availability, is_any_user_login_in_effect
from orgs.services.organizations import OrganizationNameTaken, rename_organization, sentence_for_ineligible

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from portal.http import PortalRequest


@require_safe
@permission_required(Permission.VIEW_SETUP)
def company(request: "HttpRequest") -> "HttpResponse":
    """Show name, id, edition, Account Executive, what is provisioned, and what became of asking for it."""
    user = cast("PortalRequest", request).user
    organization = user.organization
    policy, availability = organization.login_access_policy, Availability.of(organization)
    asked = latest_request_of(organization)
    is_missing = availability is Availability.NOT_PROVISIONED
    context = {
        "organization": organization,
        "policy": policy,
        "is_eligible": availability is not Availability.NOT_ELIGIBLE,
        "is_in_effect": is_any_user_login_in_effect(organization, policy),
        "may_rename": user.has_permission(Permission.CUSTOMIZE_APPLICATION),
        "asked": asked,
        "may_request": user.is_administrator and is_missing and (asked is None or asked.state not in PENDING),
    }
    return render(request, "orgs/company.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(Permission.CUSTOMIZE_APPLICATION)
def company_edit(request: "HttpRequest") -> "HttpResponse":
    """Edit what an organization says of itself: its name."""
    organization = cast("PortalRequest", request).user.organization
    form = CompanyForm(request.POST if request.method == "POST" else None, initial={"name": organization.name})
    if form.is_valid():
        try:
            rename_organization(organization, form.cleaned_data["name"], origin=Origin.of(request))
        except OrganizationNameTaken as taken:
            form.add_error("name", str(taken))
        else:
            messages.success(request, "Company Information saved.")
            return redirect("company")
    context = {"form": form, "organization": organization}
    return render(request, "orgs/company_edit.html", context, status=422 if form.is_bound else 200)


# --- asking for any-user login -----------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(Permission.MODIFY_ALL_DATA, Permission.MANAGE_USERS)
def activation_request(request: "HttpRequest") -> "HttpResponse":
    """Show what to read first and a form, or how far the request is; or make the request."""
    request = cast("PortalRequest", request)
    form = ActivationRequestForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _activation_page(request, form)
    try:
        request_activation(request.user.organization, **form.cleaned_data, origin=Origin.of(request))
    except ActivationDetailsWrong as wrong:
        for name, words in wrong.fields.items():
            form.add_error(name, words)
        return _activation_page(request, form)
    except ActivationPending as pending:
        return _activation_page(request, form, status=409, pending_words=str(pending))
    messages.success(request, "Your request went to Support.")
    return redirect("activation_request")


def _activation_page(
    request: "PortalRequest", form: ActivationRequestForm, *, status: int | None = None, **more: Any
) -> "HttpResponse":
    organization = request.user.organization
    availability, asked = Availability.of(organization), latest_request_of(organization)
    is_pending = asked is not None and asked.state in PENDING
    is_limited = Origin.of(request).is_limited
    context = {
        **more,
        "organization": organization,
        "form": form,
        "asked": asked,
        "is_pending": is_pending,
        "is_available": availability is Availability.AVAILABLE,
        "ineligible_words": sentence_for_ineligible(organization),
        "guest_words": str(RefusedToGuest()) if is_limited else "",
        "has_form": availability is Availability.NOT_PROVISIONED and not is_pending and not is_limited,
    }
    status = status or (422 if form.is_bound else 200)
    return render(request, "orgs/activation_request.html", context, status=status)
