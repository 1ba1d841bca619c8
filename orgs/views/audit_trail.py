"""The Setup Audit Trail, and one row of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from orgs.audit import SECTIONS
from orgs.models import AuditEvent
from orgs.paging import keyset_page
from orgs.permissions import Permission, permission_required
from orgs.querysets import events_of

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest, HttpResponse

    from accounts.models import User
    from portal.http import PortalRequest


@require_safe
@permission_required(Permission.VIEW_SETUP)
def audit_trail(request: "HttpRequest") -> "HttpResponse":
    """List what was done in one's organization, newest first; one section of it, if asked."""
    user = cast("PortalRequest", request).user
    section = request.GET.get("section", "")
    section = section if section in SECTIONS else ""
    events = events_of(user.organization, section=section)
    page = keyset_page(events, order=("id",), cursor=request.GET.get("cursor", ""), descending=True)
    context = {
        "events": page.rows,
        "section": section,
        "tabs": [(label, label == (section or "All"), _url(value)) for value, label in _TABS],
        "next_url": _url(section, page.next_cursor) if page.next_cursor else "",
        "previous_url": _url(section, page.previous_cursor) if page.previous_cursor else "",
    }
    return render(request, "orgs/audit_trail.html", context)


_TABS = (("", "All"), *((section, section) for section in SECTIONS))


def _url(section: str, cursor: str | None = None) -> str:
    asked = {name: value for name, value in (("section", section), ("cursor", cursor)) if value}
    query = f"?{urlencode(asked)}" if asked else ""
    return f"{reverse('audit_trail')}{query}"


@require_safe
@permission_required(Permission.VIEW_SETUP)
def audit_event(request: "HttpRequest", event_id: int) -> "HttpResponse":
    """Show everything that one row holds. Another organization's is not found, like one that never was."""
    user = cast("PortalRequest", request).user
    people = events_of(user.organization).select_related("user", "delegate_user", "about")
    event = get_object_or_404(people, pk=event_id)
    context = {
        "event": event,
        "user_url": _page_of(event.user, reader=user),
        "delegate_user_url": _page_of(event.delegate_user, reader=user),
        "about_url": _page_of(event.about, reader=user),
        "changes": _changes(event),
    }
    return render(request, "orgs/audit_event.html", context)


def _page_of(person: "Model | None", *, reader: "User") -> str:
    """Return where a person's page is, or nothing where ``reader`` could not open it."""
    user = cast("User | None", person)
    if user is None or user.organization_id != reader.organization_id:
        return ""
    return reverse("user_detail", args=[user.pk]) if reader.has_permission(Permission.VIEW_ALL_USERS) else ""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a row tells of, before and after, in words."""

    name: str
    before: str
    after: str


def _changes(event: AuditEvent) -> list[Change]:
    # Sorted, since PostgreSQL does not keep the order in which they were written.
    names = sorted(event.before.keys() | event.after.keys())
    return [Change(_label(name), _words(event.before.get(name)), _words(event.after.get(name))) for name in names]


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _words(value: Any) -> str:  # noqa: ANN401  # whatever JSON holds
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
