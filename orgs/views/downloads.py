"""Downloads: the trail's own, and what the others share."""

from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.http import HttpResponseRedirect, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.views.decorators.http import require_POST

from orgs.exports.listing import ExportFormat
from orgs.exports.trail import trail_listing
from orgs.http import Origin
from orgs.list_filters import PersonFilter
from orgs.permissions import Permission, permission_required, refused_inside
from orgs.services.exports import export_list

from .audit_trail import TrailFilterForm, narrowed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from orgs.exports.listing import Listing
    from orgs.list_filters import ListFilterForm
    from orgs.models import Organization
    from portal.http import PortalRequest


@refused_inside
@require_POST
@permission_required(Permission.VIEW_SETUP)
def audit_trail_download(request: "HttpRequest") -> "HttpResponseBase":
    """Download the trail, narrowed as the page was."""
    user = cast("PortalRequest", request).user
    form = TrailFilterForm(request.POST)
    people = PersonFilter.of(form, user.organization, sees_users=user.has_permission(Permission.VIEW_ALL_USERS))
    if trouble := trouble_with(form, people):
        return not_downloaded(request, trouble, form.url("audit_trail"))
    listing = trail_listing(user.organization, narrowed(user.organization, form, people))
    return download(request, listing, narrowed_by=form.narrowed_by, back=form.url("audit_trail"))


UNREADABLE = "A filter could not be read. Nothing was downloaded."


def trouble_with(form: "ListFilterForm", people: PersonFilter) -> str:
    """Return why a list narrowed so is not what someone asked for; nothing where it is.

    A page that can't read a filter says so and shows the rest. A file says nothing of what it left out.
    """
    if form.errors:
        return UNREADABLE
    if people.is_open:
        return f"Say first who “{people.typed}” is. Nothing was downloaded."
    return ""


def not_downloaded(request: "HttpRequest", trouble: str, back: str) -> HttpResponseRedirect:
    """Lead back to the list, and say there why there is no file."""
    messages.error(request, trouble)
    return HttpResponseRedirect(back)


def download(
    request: "HttpRequest", listing: "Listing", *, narrowed_by: "Mapping[str, str]", back: str
) -> "HttpResponseBase":
    """Answer with a list as a file, in the format that the form names, and record that.

    The file is read and sent a batch at a time; its row of the trail is written before.
    """
    organization, at = cast("PortalRequest", request).user.organization, timezone.now()
    asked = request.POST.get("format", ExportFormat.CSV)
    if asked not in listing.writers:
        return not_downloaded(request, "There is no such format. Nothing was downloaded.", back)
    export_format = ExportFormat(asked)
    parts = export_list(
        listing,
        export_format,
        organization=organization,
        origin=Origin.of(request),
        narrowed_by=narrowed_by,
        at=at,
    )
    name = file_name(organization, listing.slug, export_format, at=at)
    disposition = content_disposition_header(as_attachment=True, filename=name)
    return StreamingHttpResponse(
        parts,
        content_type=export_format.content_type,
        headers={"Content-Disposition": disposition, "Cache-Control": "no-store"},
    )


def file_name(organization: "Organization", slug: str, export_format: ExportFormat, *, at: "datetime") -> str:
    """Return "acme-setup-audit-trail-2026-11-22.csv", the day in UTC; an organization in other letters is its id."""
    owner = slugify(organization.name) or organization.reference
    return f"{owner}-{slug}-{at:%Y-%m-%d}.{export_format.extension}"
