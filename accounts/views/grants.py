"""Grants: the person's own page, and the organization's live ones in Setup."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms.grants import GRANTEE, GrantsForm
from accounts.login_access import Facts
from accounts.models import LoginAccessGrant, User
from accounts.presence import visits_of
from accounts.services.grants import (
    COMPANY,
    COMPANY_NAME,
    GrantRefused,
    grantees_of,
    require_grant_page,
    save_grants,
)
from accounts.who_can import (
    Standing,
    Support,
    is_open_to_administrators,
    support_organizations,
    why_grant_does_not_count,
)
from orgs.http import Origin
from orgs.paging import Page, Walk, keyset_page
from orgs.permissions import Permission, permission_required, refused_inside

from .user_list_state import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.http import HttpRequest, HttpResponse, QueryDict

    from accounts.querysets import LoginAccessGrantQuerySet
    from orgs.models import Organization
    from portal.http import PortalRequest

VISITS_SHOWN = 20


# --- one's own ---------------------------------------------------------------------------------------------------


@refused_inside
@require_http_methods(["GET", "HEAD", "POST"])
def login_access(request: "HttpRequest") -> "HttpResponse":
    """Grant Account Login Access: whom one lets log in as oneself, until when, and what was granted before."""
    request = cast("PortalRequest", request)
    user, at = request.user, timezone.now()
    require_grant_page(user)
    standing = Standing.of(user)
    grantees = grantees_of(user, at=at, standing=standing, to_target=True)
    form = GrantsForm(request.POST if request.method == "POST" else None, grantees=grantees)
    if request.method == "POST" and form.is_valid():
        try:
            changed = save_grants(user, form.choices(), origin=Origin.of(request), at=at)
        except GrantRefused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, "Login access saved." if changed else "Nothing was changed.")
            return HttpResponseRedirect(reverse("login_access"))
    context = {
        "form": form,
        "rows": [(grantee, form[f"{GRANTEE}{grantee.key}"]) for grantee in grantees],
        "is_open_to_administrators": is_open_to_administrators(user, at=at),
        **_history(user, cursor=request.GET.get("cursor", ""), at=at),
    }
    return render(request, "accounts/login_access.html", context, status=422 if form.errors else 200)


def _history(user: User, *, cursor: str, at: datetime) -> dict[str, Any]:
    """Return what was granted, newest first, and who logged in."""
    organization = user.organization
    history = keyset_page(
        LoginAccessGrant.objects.filter(user=user).select_related("support_organization"),
        order=("id",),
        cursor=cursor,
        descending=True,
    )
    policy, settings = organization.login_access_policy, organization.session_settings
    return {
        "history": [(grant, grant.is_live(at)) for grant in history.rows],
        "next_url": _page_url("login_access", cursor=history.next_cursor),
        "previous_url": _page_url("login_access", cursor=history.previous_cursor),
        "visits": visits_of(user, settings, at=at, limit=VISITS_SHOWN, policy=policy, to_target=True),
        "may_end": True,
        "shows_reasons": True,
    }


def _page_url(name: str, *, cursor: str | None, **state: str) -> str:
    """Return the address of another page of a list, or nothing where there is none."""
    return list_url(name, **state, cursor=cursor) if cursor else ""


def list_url(name: str, **state: str | None) -> str:
    """Return the address of a list as it is narrowed."""
    asked = {key: value for key, value in state.items() if value}
    return f"{reverse(name)}{f'?{urlencode(asked)}' if asked else ''}"


# --- Setup -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GrantRow:
    """One live grant, and why it lets nobody in at present."""

    grant: LoginAccessGrant
    why_not: str


@require_safe
@permission_required(Permission.VIEW_ALL_USERS)
def login_access_grants(request: "HttpRequest") -> "HttpResponse":
    """List the organization's live grants, newest first; by grantee and by the user's name, if asked."""
    request = cast("PortalRequest", request)
    organization, at = request.user.organization, timezone.now()
    support = support_organizations(organization)
    names = grantee_names(support)
    asked = asked_of(request.GET, names)
    page = _page(organization, at=at, cursor=request.GET.get("cursor", ""), **asked)
    context = {
        **asked,
        "is_grantee_gone": bool(request.GET.get("grantee")) and not asked["grantee"],
        "grantees": names.items(),
        "filters": asked,
        "rows": _rows(organization, page.rows, support, at=at),
        "next_url": _page_url("login_access_grants", cursor=page.next_cursor, **asked),
        "previous_url": _page_url("login_access_grants", cursor=page.previous_cursor, **asked),
    }
    return render(request, "accounts/login_access_grants.html", context)


def _page(organization: "Organization", *, at: datetime, cursor: str, grantee: str, q: str) -> "Page[LoginAccessGrant]":
    """Return the page of live grants that ``cursor`` leads to.

    Those that ran out stand among them, and may be many more: so it walks first, and asks the index of ends then.
    """
    standing = LoginAccessGrant.objects.standing().filter(organization=organization)
    # Asked of each grant: as a set, SQLite would read every user for it.
    is_by_user = Exists(User.objects.filter(pk=OuterRef("user")).read_for(q))
    shown = narrowed(organization, grantee=grantee, q="").live(at).filter(*([is_by_user] if q else []))
    found = narrowed(organization, grantee=grantee, q=q).live(at)
    shown, found = (one.select_related("user__profile", "support_organization") for one in (shown, found))
    return keyset_page(found, order=("id",), cursor=cursor, descending=True, walk=Walk(standing, shown))


def grantee_names(support: "Sequence[Support]") -> dict[str, str]:
    """Return the grantees that an organization's people can have granted access to, as an address names them."""
    return {COMPANY: COMPANY_NAME, **{str(one.organization.pk): str(one.organization) for one in support}}


def asked_of(data: "QueryDict", names: "Mapping[str, str]") -> dict[str, str]:
    """Return what the list is narrowed by; a grantee that there is none of is left out."""
    grantee = data.get("grantee", "")
    return {"grantee": grantee if grantee in names else "", "q": clean_text(data.get("q", ""))}


def narrowed(organization: "Organization", *, grantee: str, q: str) -> "LoginAccessGrantQuerySet":
    """Return an organization's grants, live or not, by grantee and by the user's name."""
    grants: LoginAccessGrantQuerySet = LoginAccessGrant.objects.filter(organization=organization)
    if grantee:
        grants = grants.filter(support_organization=None if grantee == COMPANY else int(grantee))
    if q:
        grants = grants.filter(user__in=User.objects.in_organization(organization).searched_for(q))
    return grants


def _rows(
    organization: "Organization", grants: "Sequence[LoginAccessGrant]", support: "Sequence[Support]", *, at: datetime
) -> list[GrantRow]:
    """Return the lines of a page. The policy alone is asked of the database."""
    shared = Facts.of(organization, organization.login_access_policy)
    rows = []
    for grant in grants:
        grant.user.organization = organization
        why_not = why_grant_does_not_count(grant, grant.user, support, shared=shared, at=at)
        rows.append(GrantRow(grant, why_not))
    return rows
