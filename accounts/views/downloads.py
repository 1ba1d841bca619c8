"""Downloads of sign-ins, visits and grants. Each stands behind the same gate as its list, and narrows as it does."""

from typing import TYPE_CHECKING, cast

from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.exports import grants_listing, impersonations_listing, login_history_listing
from accounts.who_can import support_organizations
from orgs.list_filters import PersonFilter
from orgs.permissions import Permission, permission_required, refused_inside
from orgs.views.downloads import UNREADABLE, download, not_downloaded, trouble_with

from . import grants, impersonations, login_history

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from portal.http import PortalRequest


@refused_inside
@require_POST
@permission_required(Permission.MONITOR_LOGIN_HISTORY)
def login_history_download(request: "HttpRequest") -> "HttpResponseBase":
    """Download the login history: all that is kept, or what the filters leave of it."""
    organization = cast("PortalRequest", request).user.organization
    form = login_history.LoginHistoryForm(request.POST)
    people, back = PersonFilter.of(form, organization), form.url("login_history")
    if trouble := trouble_with(form, people):
        return not_downloaded(request, trouble, back)
    listing = login_history_listing(login_history.narrowed(organization, form, people))
    return download(request, listing, narrowed_by=form.narrowed_by, back=back)


@refused_inside
@require_POST
@permission_required(Permission.MONITOR_LOGIN_HISTORY)
def impersonations_download(request: "HttpRequest") -> "HttpResponseBase":
    """Download who was logged in as whom; why, to those who may know."""
    user = cast("PortalRequest", request).user
    form = impersonations.VisitFilterForm(request.POST)
    people, back = PersonFilter.of(form, user.organization), form.url("impersonation_list")
    if trouble := trouble_with(form, people):
        return not_downloaded(request, trouble, back)
    visits = impersonations.narrowed(user.organization, form, people, at=timezone.now())
    listing = impersonations_listing(visits, shows_reasons=user.has_permission(Permission.VIEW_ALL_DATA))
    return download(request, listing, narrowed_by=form.narrowed_by, back=back)


@refused_inside
@require_POST
@permission_required(Permission.VIEW_ALL_USERS)
def login_access_grants_download(request: "HttpRequest") -> "HttpResponseBase":
    """Download the grants with their history: the page has the live ones alone."""
    organization = cast("PortalRequest", request).user.organization
    names = grants.grantee_names(support_organizations(organization))
    asked = grants.asked_of(request.POST, names)
    back = grants.list_url("login_access_grants", **asked)
    if request.POST.get("grantee", "") != asked["grantee"]:
        return not_downloaded(request, UNREADABLE, back)
    listing = grants_listing([grants.narrowed(organization, **asked)])
    return download(request, listing, narrowed_by={name: value for name, value in asked.items() if value}, back=back)
