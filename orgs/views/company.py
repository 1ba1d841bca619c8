"""Company Information: what one's organization is and has."""

from typing import TYPE_CHECKING, cast

from django.shortcuts import render
from django.views.decorators.http import require_safe

from orgs.permissions import Permission, permission_required
from orgs.services.login_access_policies import Availability, is_any_user_login_in_effect

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from portal.http import PortalRequest


@require_safe
@permission_required(Permission.VIEW_SETUP)
def company(request: "HttpRequest") -> "HttpResponse":
    """Show name, id, edition, Account Executive, and what is provisioned."""
    organization = cast("PortalRequest", request).user.organization
    policy = organization.login_access_policy
    context = {
        "organization": organization,
        "policy": policy,
        "is_eligible": Availability.of(organization) is not Availability.NOT_ELIGIBLE,
        "is_in_effect": is_any_user_login_in_effect(organization, policy),
    }
    return render(request, "orgs/company.html", context)
