"""The login history: everyone's in Setup, one's own in settings, and the last rows of it on other pages."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.enums import LoginStatus, LoginType
from accounts.models import Login
from accounts.presence import browser_of, platform_of
from orgs.list_filters import NOT_A_CHOICE, ListFilterForm, PersonField, PersonFilter
from orgs.months import months_before
from orgs.paging import keyset_page
from orgs.permissions import Permission, permission_required

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from accounts.models import User
    from orgs.models import Organization
    from portal.http import PortalRequest

# What the page shows; all that is kept is in the download.
MONTHS_SHOWN = 6
# The indexes' own order (accounts/models/login.py).
ORDER = ("created_at", "id")
ANY = ("", "Any")


@dataclass(frozen=True, slots=True)
class LoginRow:
    """One row of the login history, as a page tells it."""

    row: Login
    browser: str
    platform: str

    @classmethod
    def of(cls, row: Login) -> "LoginRow":
        return cls(row, browser_of(row.agent), platform_of(row.agent))

    @property
    def tag(self) -> str:
        """The style of its status."""
        return "tag-good" if self.row.status == LoginStatus.SUCCESS else "tag-bad"


class OwnLoginHistoryForm(ListFilterForm):
    """What one's own login history can be narrowed by."""

    type = forms.ChoiceField(
        label="Login Type",
        required=False,
        choices=(ANY, *LoginType.choices),
        error_messages={"invalid_choice": NOT_A_CHOICE},
    )
    status = forms.ChoiceField(
        required=False, choices=(ANY, *LoginStatus.choices), error_messages={"invalid_choice": NOT_A_CHOICE}
    )


class LoginHistoryForm(OwnLoginHistoryForm):
    """What an organization's login history can be narrowed by."""

    field_order = ("person", "role", "type", "status")
    person = PersonField()
    role = forms.ChoiceField(
        label="Is",
        required=False,
        choices=(("", "User or Delegate User"), ("user", "User"), ("delegate", "Delegate User")),
        error_messages={"invalid_choice": NOT_A_CHOICE},
    )


def narrowed(
    organization: "Organization", form: LoginHistoryForm, people: PersonFilter | None = None
) -> "list[QuerySet[Login]]":
    """Return an organization's rows that ``form`` asks for: one queryset, or of a person in two roles one for each.

    All that is kept; the page adds how far back it goes. Each is answered by an index of :data:`ORDER`.
    """
    people = people or PersonFilter.of(form, organization)
    if people.is_open:
        return [Login.objects.none()]
    condition = _condition(form)
    if people.person is None:
        return [Login.objects.filter(organization=organization, **condition)]
    return [rows.filter(**condition) for rows in _rows_with(people.person, organization, form.chosen.get("role", ""))]


def _condition(form: OwnLoginHistoryForm) -> dict[str, Any]:
    asked: dict[str, Any] = {name: form.chosen[name] for name in ("type", "status") if name in form.chosen}
    return asked | form.between("created_at")


def _rows_with(person: "User", organization: "Organization", role: str) -> "Iterable[QuerySet[Login]]":
    """Return the rows that a person has a part in, one queryset for each index."""
    if role != "delegate":
        # A user's rows are all of their own organization. Without its name the index of users is the one that fits.
        is_own = person.organization_id == organization.pk
        yield Login.objects.filter(user=person) if is_own else Login.objects.none()
    if role != "user":
        yield Login.objects.filter(delegate_user=person, organization=organization)


@require_safe
@permission_required(Permission.MONITOR_LOGIN_HISTORY)
def login_history(request: "HttpRequest") -> "HttpResponse":
    """List the organization's sign-ins of the last six months, good and bad, newest first."""
    organization = cast("PortalRequest", request).user.organization
    form = LoginHistoryForm(request.GET)
    people = PersonFilter.of(form, organization)
    context = {"people": people, **_page(request, form, narrowed(organization, form, people), "login_history")}
    return render(request, "accounts/login_history.html", context)


@require_safe
def settings_login_history(request: "HttpRequest") -> "HttpResponse":
    """List one's own; a log-in-as names who it was."""
    form = OwnLoginHistoryForm(request.GET)
    rows = Login.objects.filter(user=cast("PortalRequest", request).user, **_condition(form))
    return render(
        request, "accounts/settings_login_history.html", _page(request, form, [rows], "settings_login_history")
    )


def _page(
    request: "HttpRequest", form: OwnLoginHistoryForm, querysets: "Iterable[QuerySet[Login]]", name: str
) -> dict[str, Any]:
    """Return the page that the address leads to. The last one ends where the page ends, and reads no older row."""
    since = months_before(timezone.now(), MONTHS_SHOWN)
    page = keyset_page(
        *(rows.filter(created_at__gte=since) for rows in querysets),
        order=ORDER,
        cursor=request.GET.get("cursor", ""),
        descending=True,
    )
    return {
        "form": form,
        "logins": [LoginRow.of(row) for row in page.rows],
        "since": since,
        "is_before": _is_before(form, since),
        "next_url": form.page_url(name, page.next_cursor),
        "previous_url": form.page_url(name, page.previous_cursor),
    }


def _is_before(form: OwnLoginHistoryForm, since: "datetime") -> bool:
    """Tell whether days are asked for that the page does not go back to."""
    first = timezone.localdate(since)
    return any(day < first for name in ("start", "end") if (day := form.chosen.get(name)))


def login_rows_of(user: "User", *, limit: int, **only: Any) -> list[LoginRow]:
    """Return an account's sign-ins, good and bad, the latest first; ``only`` narrows them."""
    rows = Login.objects.filter(user=user, **only).order_by("-created_at", "-id")[:limit]
    return [LoginRow.of(row) for row in rows]
