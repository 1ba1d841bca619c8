"""Impersonations: who was logged in as whom in the organization, and what was done inside."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.db.models import Prefetch, Q
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.views.decorators.http import require_safe

from accounts.enums import Basis, EndCause, MailOutcome
from accounts.models import Impersonation, Session, User
from accounts.presence import Visit, with_ends
from accounts.services.users import UserAct, refusal_of
from accounts.visit_story import Story, story_of
from orgs.audit import name_in
from orgs.http import Origin
from orgs.list_filters import NOT_A_CHOICE, ListFilterForm, PersonField, PersonFilter
from orgs.paging import keyset_page
from orgs.permissions import Permission, permission_required
from orgs.services.login_access_policies import SETTINGS as POLICY_SETTINGS
from orgs.services.session_settings import SETTINGS as SESSION_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from orgs.models import Organization, SessionSettings
    from portal.http import PortalRequest

# An end that was seen within this time of its moment was seen at once.
AT_ONCE = timedelta(minutes=1)


# --- the list ----------------------------------------------------------------------------------------------------


class VisitFilterForm(ListFilterForm):
    """What the list of visits can be narrowed by."""

    person = PersonField()
    role = forms.ChoiceField(
        label="Is",
        required=False,
        choices=(("", "Either of the two"), ("actor", "Who logged in"), ("target", "Whose account it was")),
        error_messages={"invalid_choice": NOT_A_CHOICE},
    )
    basis = forms.ChoiceField(
        required=False, choices=(("", "Any"), *Basis.choices), error_messages={"invalid_choice": NOT_A_CHOICE}
    )
    state = forms.ChoiceField(
        required=False,
        choices=(("", "All"), ("open", "Logged in now"), ("ended", "Ended")),
        error_messages={"invalid_choice": NOT_A_CHOICE},
    )
    cause = forms.ChoiceField(
        label="Ended because",
        required=False,
        choices=(("", "Any"), *((cause.value, capfirst(cause.label)) for cause in EndCause)),
        error_messages={"invalid_choice": NOT_A_CHOICE},
    )


@dataclass(frozen=True, slots=True)
class VisitRow:
    """One visit in the list, and who ended it where a person did."""

    visit: Visit
    ended_by: str
    actor_is_here: bool

    @classmethod
    def of(cls, row: Impersonation, settings: "SessionSettings", *, at: datetime) -> "VisitRow":
        """Read a row that :func:`_visits_in` fetched."""
        visit = Visit.of(row, settings, at=at)
        return cls(visit, _name_of(row, row.ended_by), row.actor.organization_id == row.organization_id)


@require_safe
@permission_required(Permission.MONITOR_LOGIN_HISTORY)
def impersonation_list(request: "HttpRequest") -> "HttpResponse":
    """List who was logged in as whom in one's organization, newest first, narrowed by what the address says."""
    organization, at = cast("PortalRequest", request).user.organization, timezone.now()
    form = VisitFilterForm(request.GET)
    people = PersonFilter.of(form, organization)
    page = keyset_page(
        *(_with_actors_apart(visits) for visits in narrowed(organization, form, people, at=at)),
        order=("started_at", "session_id"),
        cursor=request.GET.get("cursor", ""),
        descending=True,
    )
    settings = organization.session_settings
    context = {
        "rows": [VisitRow.of(row, settings, at=at) for row in page.rows],
        "form": form,
        "people": people,
        "next_url": form.page_url("impersonation_list", page.next_cursor),
        "previous_url": form.page_url("impersonation_list", page.previous_cursor),
    }
    return render(request, "accounts/impersonation_list.html", context)


def _visits_in(organization: "Organization") -> "QuerySet[Impersonation]":
    """Return an organization's visits: those in its people's accounts, whoever came, with all that a row shows."""
    visits = with_ends(Impersonation.objects.filter(organization=organization))
    return visits.select_related("ended_by__organization")


def _with_actors_apart(visits: "QuerySet[Impersonation]") -> "QuerySet[Impersonation]":
    """Fetch the actors in a query of their own: SQLite would begin with their few organizations, and sort visits."""
    actors = User.objects.select_related("organization__session_settings")
    apart = visits.select_related(None).select_related("grant", "ended_by__organization")
    return apart.prefetch_related(Prefetch("actor", actors))


def narrowed(
    organization: "Organization", form: VisitFilterForm, people: PersonFilter, *, at: datetime
) -> "list[QuerySet[Impersonation]]":
    """Return the visits that are asked for, as one queryset or, of a person on either side, one for each side."""
    chosen = form.chosen
    columns = {"basis": "basis", "cause": "end_cause"}
    asked = {column: chosen[name] for name, column in columns.items() if name in chosen}
    visits = _visits_in(organization).filter(**asked, **form.between("started_at"))
    if state := chosen.get("state"):
        is_open = Q(ended_at=None, ends_at__gt=at)
        visits = visits.filter(is_open if state == "open" else ~is_open)
    if people.is_open:
        return [visits.none()]
    if people.person is None:
        return [visits]
    roles = [chosen["role"]] if "role" in chosen else ["actor", "target"]
    return [visits.filter(**{role: people.person}) for role in roles]


def _name_of(visit: Impersonation, person: User | None) -> str:
    """Return how the visit's organization names someone who ended it."""
    return name_in(visit.organization_id, person) if person else ""


# --- one visit ---------------------------------------------------------------------------------------------------


@require_safe
@permission_required(Permission.MONITOR_LOGIN_HISTORY)
def impersonation_detail(request: "HttpRequest", visit_id: int) -> "HttpResponse":
    """Show one visit. Another organization's is not found, like one that never was."""
    request = cast("PortalRequest", request)
    reader, at = request.user, timezone.now()
    organization = reader.organization
    rows = _visits_in(organization).select_related("target__profile", "group", "grant__support_organization")
    row = get_object_or_404(rows, pk=visit_id)
    sees_inside = reader.has_permission(Permission.VIEW_ALL_DATA)
    policy = organization.login_access_policy if sees_inside else None
    visit = Visit.of(row, organization.session_settings, at=at, policy=policy)
    row.target.organization = organization
    context = {
        "visit": visit,
        "row": row,
        "actor_is_here": row.actor.organization_id == organization.pk,
        "ended_by": _name_of(row, row.ended_by),
        "noticed_at": _noticed_later(row),
        "mail": MailOutcome(row.mail).label if row.mail else "",
        "may_open_group": row.group is not None and reader.has_permission(Permission.CUSTOMIZE_APPLICATION),
        "ran_under": _ran_under(row.ran_under),
        **_signed_in(row.ran_under),
        "end_url": _end_url(visit, origin=Origin.of(request)),
        "sees_inside": sees_inside,
        **(_inside(request, visit, at=at) if sees_inside else {}),
    }
    return render(request, "accounts/impersonation_detail.html", context)


def _end_url(visit: Visit, *, origin: Origin) -> str:
    """Return where a visit that goes on is ended: by the removal of the worn session, for those who may."""
    if not visit.is_live or refusal_of(UserAct.END_SESSIONS, visit.row.target, origin=origin):
        return ""
    worn = Session.objects.live().filter(pk=visit.row.pk).first()
    return reverse("session_remove", args=[worn.public_id]) if worn else ""


def _noticed_later(row: Impersonation) -> datetime | None:
    """Return when an end was noticed, where that was later than its moment."""
    if row.noticed_at is None or row.ended_at is None or row.noticed_at - row.ended_at < AT_ONCE:
        return None
    return row.noticed_at


def _ran_under(copied: "Mapping[str, Any]") -> list[tuple[str, str]]:
    """Return the settings that a visit ran under, called as their pages call them, in the order of the pages."""
    known = {**POLICY_SETTINGS, **SESSION_SETTINGS}
    return [(label, words(copied[name])) for name, (label, words) in known.items() if name in copied]


def _signed_in(copied: "Mapping[str, Any]") -> dict[str, Any]:
    return {
        "signed_in_at": parse_datetime(copied.get("signed_in_at", "")),
        "signed_in_with": copied.get("signed_in_with", ""),
    }


def _inside(request: "PortalRequest", visit: Visit, *, at: datetime) -> dict[str, Any]:
    """Return a page of what was done inside, and what leads to its neighbours."""
    story: Story = story_of(visit.row, is_live=visit.is_live, at=at, cursor=request.GET.get("cursor", ""))
    path = reverse("impersonation_detail", args=[visit.row.pk])

    def url(cursor: str | None) -> str:
        return f"{path}?{urlencode({'cursor': cursor})}#inside-heading" if cursor else ""

    return {"deeds": story.deeds, "next_url": url(story.next_cursor), "previous_url": url(story.previous_cursor)}
