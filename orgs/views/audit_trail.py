"""The Setup Audit Trail, and one row of it."""

from typing import TYPE_CHECKING, cast

from django import forms
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from orgs.audit import SECTIONS, AuditAction, actions_in
from orgs.audit_words import changes_of
from orgs.list_filters import NOT_A_CHOICE, ListFilterForm, PersonField, PersonFilter
from orgs.paging import keyset_page
from orgs.permissions import Permission, permission_required
from orgs.querysets import events_of, events_with

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse

    from accounts.models import User
    from orgs.models import AuditEvent, Organization
    from portal.http import PortalRequest


class TrailFilterForm(ListFilterForm):
    """What the trail can be narrowed by."""

    person = PersonField()
    role = forms.ChoiceField(
        label="Is",
        required=False,
        choices=(
            ("", "User or Delegate User"),
            ("user", "User"),
            ("delegate", "Delegate User"),
            ("about", "Whom it is about"),
            ("any", "Any of these"),
        ),
        error_messages={"invalid_choice": NOT_A_CHOICE},
    )
    section = forms.ChoiceField(
        required=False,
        choices=(("", "All"), *((section, section) for section in SECTIONS)),
        error_messages={"invalid_choice": NOT_A_CHOICE},
    )
    action = forms.ChoiceField(
        label="Kind",
        required=False,
        choices=(
            ("", "All"),
            *((section, [(one.value, one.label) for one in actions_in(section)]) for section in SECTIONS),
        ),
        error_messages={"invalid_choice": NOT_A_CHOICE},
    )


@require_safe
@permission_required(Permission.VIEW_SETUP)
def audit_trail(request: "HttpRequest") -> "HttpResponse":
    """List what was done in one's organization, newest first, narrowed by what the address says."""
    user = cast("PortalRequest", request).user
    form = TrailFilterForm(request.GET)
    sees_users = user.has_permission(Permission.VIEW_ALL_USERS)
    people = PersonFilter.of(form, user.organization, sees_users=sees_users)
    page = keyset_page(
        *narrowed(user.organization, form, people),
        order=("created_at", "id"),
        cursor=request.GET.get("cursor", ""),
        descending=True,
    )
    context = {
        "events": page.rows,
        "form": form,
        "people": people,
        "next_url": form.page_url("audit_trail", page.next_cursor),
        "previous_url": form.page_url("audit_trail", page.previous_cursor),
    }
    return render(request, "orgs/audit_trail.html", context)


def narrowed(organization: "Organization", form: TrailFilterForm, people: PersonFilter) -> "list[QuerySet[AuditEvent]]":
    """Return the rows that are asked for, as one queryset or, of a person in several roles, one for each."""
    asked = {name: form.chosen[name] for name in ("section", "action") if name in form.chosen}
    events = events_of(organization, **asked, **form.between("created_at"))
    # A kind of another section: nobody looks through all of either for what is in both.
    if people.is_open or (len(asked) > 1 and asked["action"] not in actions_in(asked["section"])):
        return [events.none()]
    if people.person is None:
        return [events]
    return events_with(events, people.person, role=form.chosen.get("role", "did"))


@require_safe
@permission_required(Permission.VIEW_SETUP)
def audit_event(request: "HttpRequest", event_id: int) -> "HttpResponse":
    """Show everything that one row holds. Another organization's is not found, like one that never was."""
    user = cast("PortalRequest", request).user
    rows = events_of(user.organization).select_related("user", "delegate_user", "about")
    event = get_object_or_404(rows, pk=event_id)
    people = {"user": event.user, "delegate_user": event.delegate_user, "about": event.about}
    context = {
        "event": event,
        "kind": dict(AuditAction.choices).get(event.action, ""),
        **{f"{role}_url": _page_of(person, reader=user) for role, person in people.items()},
        "may_open_visit": user.has_permission(Permission.MONITOR_LOGIN_HISTORY),
        "did_url": _trail_of(event.delegate_user or event.user, reader=user),
        "about_trail_url": _trail_of(event.about, reader=user, role="about"),
        "changes": changes_of(event),
    }
    return render(request, "orgs/audit_event.html", context)


def _trail_of(person: "Model | None", *, reader: "User", **role: str) -> str:
    """Return the address of all rows that someone has a part in, for a reader who may know usernames."""
    user = cast("User | None", person)
    if user is None or not reader.has_permission(Permission.VIEW_ALL_USERS):
        return ""
    return f"{reverse('audit_trail')}?{urlencode({'person': user.username, **role})}"


def _page_of(person: "Model | None", *, reader: "User") -> str:
    """Return where a person's page is, or nothing where ``reader`` could not open it."""
    user = cast("User | None", person)
    if user is None or user.organization_id != reader.organization_id:
        return ""
    return reverse("user_detail", args=[user.pk]) if reader.has_permission(Permission.VIEW_ALL_USERS) else ""
