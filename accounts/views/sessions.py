"""Sessions that go on: the organization's in Setup, one's own in settings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from accounts.enums import SessionType
from accounts.presence import LiveSession, visits_of
from accounts.services.guards import ModifyAllDataNeeded
from accounts.services.session_removal import end_other_sessions, end_own_session, remove_session
from accounts.services.users import UserAct, refusal_of
from accounts.session_list import SessionTree, nobody, own_session_page, session_page
from orgs.http import Origin, note_nothing_done, safe_path
from orgs.list_filters import NOT_A_CHOICE, ListFilterForm, PersonField, PersonFilter
from orgs.permissions import Permission, RefusedInside, permission_required, refused_inside

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from accounts.models import User
    from portal.http import PortalRequest

VISITS_SHOWN = 20
# Why someone's sessions are not ended here: in a row, and once above the list.
WHY_NOT: "dict[type[Exception], tuple[str, str]]" = {
    ModifyAllDataNeeded: (
        "Holds Modify All Data",
        "Only someone with Modify All Data may end the sessions of those who hold it.",
    ),
    RefusedInside: (
        "Not from inside",
        "The sessions of the account that you are logged in as are not ended from inside the visit. Log out first.",
    ),
}


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One line of a list of sessions."""

    live: LiveSession
    # Below the session that it is worn from.
    is_below: bool
    # The one that asks; inside a visit also the one that it is worn from.
    is_mine: bool
    # Why one may not end it, in two or three words; empty where one may.
    why_not: str


# --- Setup -------------------------------------------------------------------------------------------------------


class SessionFilterForm(ListFilterForm):
    """What the list of sessions can be narrowed by."""

    person = PersonField()
    type = forms.ChoiceField(
        label="Session Type",
        required=False,
        choices=(("", "Any"), *SessionType.choices),
        error_messages={"invalid_choice": NOT_A_CHOICE},
    )
    # A session that goes on goes on now.
    start = None  # type: ignore[assignment]  # Django's way to leave out a form's inherited field
    end = None  # type: ignore[assignment]


@require_safe
@permission_required(Permission.MONITOR_LOGIN_HISTORY)
def session_list(request: "HttpRequest") -> "HttpResponse":
    """List the organization's live sessions as a tree, the latest first, narrowed by what the address says."""
    request = cast("PortalRequest", request)
    organization = request.user.organization
    form = SessionFilterForm(request.GET)
    people = PersonFilter.of(form, organization)
    page, trees = (
        nobody()
        if people.is_open
        else session_page(
            organization.session_settings,
            at=timezone.now(),
            cursor=request.GET.get("cursor", ""),
            person=people.person,
            kind=form.chosen.get("type", ""),
        )
    )
    may_remove = request.user.has_permission(UserAct.END_SESSIONS.permission)
    rows = list(_rows(request, trees))
    shown = {row.why_not for row in rows} if may_remove else set()
    context = {
        "rows": rows,
        "why_not": [words for short, words in WHY_NOT.values() if short in shown],
        "form": form,
        "people": people,
        "may_remove": may_remove,
        "may_remove_all": people.person is not None and not _why_not(people.person, Origin.of(request)),
        "back": request.get_full_path(),
        "next_url": form.page_url("session_list", page.next_cursor),
        "previous_url": form.page_url("session_list", page.previous_cursor),
    }
    return render(request, "accounts/session_list.html", context)


def _rows(request: "PortalRequest", trees: "Iterable[SessionTree]") -> "Iterable[SessionRow]":
    origin, mine = Origin.of(request), _mine(request)
    for tree in trees:
        for live in tree.rows:
            user: User = live.session.user  # type: ignore[assignment]  # a list holds nobody's sessions
            yield SessionRow(
                live,
                is_below=live is not tree.root,
                is_mine=live.session.public_id in mine,
                why_not=_why_not(user, origin),
            )


def _why_not(user: "User", origin: Origin) -> str:
    """Return in two or three words why one may not end the sessions of ``user``, or nothing."""
    refusal = refusal_of(UserAct.END_SESSIONS, user, origin=origin)
    return "" if refusal is None else WHY_NOT.get(type(refusal), (str(refusal),))[0]


def _mine(request: "PortalRequest") -> "set[UUID]":
    """Return the session that asks, and the one that it is worn from."""
    identity = request.identity
    rows = (identity.session, identity.parent) if identity is not None else ()
    return {row.public_id for row in rows if row is not None}


@require_POST
@permission_required(UserAct.END_SESSIONS.permission)
def session_remove(request: "HttpRequest", public_id: "UUID") -> "HttpResponse":
    """End a session, and the visit in or from it. One's own is signing out."""
    request = cast("PortalRequest", request)
    ended = remove_session(public_id, origin=Origin.of(request))
    return _ended(request, public_id, ended, back=sessions_list_before(request) or reverse("session_list"))


def sessions_list_before(request: "HttpRequest", *, name: str = "session_list") -> str | None:
    """Return the list as it was left, if that is what ``back`` is."""
    path = safe_path(request.POST.get("back", ""))
    return path if path and path.startswith(reverse(name)) else None


def _ended(request: "PortalRequest", public_id: "UUID", ended: int, *, back: str) -> "HttpResponse":
    """Say what became of it, on the page one came from; or sign out where that was the session that asks."""
    if public_id in _mine(request):
        logout(request)
        return HttpResponseRedirect(reverse("account_login"))
    words = {
        0: "That session had already ended.",
        1: "The session has been ended.",
    }
    both = "The session has been ended, and with it the one in which another account was worn."
    if not ended:
        note_nothing_done(request, "the session had ended")
    (messages.success if ended else messages.info)(request, words.get(ended, both))
    return HttpResponseRedirect(back)


# --- one's own ---------------------------------------------------------------------------------------------------


@require_safe
def settings_sessions(request: "HttpRequest") -> "HttpResponse":
    """List the live sessions of one's own account, those in which others wear it among them, and who did."""
    request = cast("PortalRequest", request)
    user, at = request.user, timezone.now()
    organization = user.organization
    settings, policy = organization.session_settings, organization.login_access_policy
    page, live = own_session_page(user, settings, at=at, cursor=request.GET.get("cursor", ""))
    mine, is_own = _mine(request), request.impersonation is None
    rows = [SessionRow(one, is_below=False, is_mine=one.session.public_id in mine, why_not="") for one in live]
    context: dict[str, Any] = {
        "rows": rows,
        "may_end": is_own,
        "has_others": bool(page.next_cursor or page.previous_cursor) or any(not row.is_mine for row in rows),
        "back": request.get_full_path(),
        "next_url": _own_page_url(page.next_cursor),
        "previous_url": _own_page_url(page.previous_cursor),
        "visits": visits_of(user, settings, at=at, limit=VISITS_SHOWN, policy=policy, to_target=True),
        "shows_reasons": True,
    }
    return render(request, "accounts/settings_sessions.html", context)


def _own_page_url(cursor: str | None) -> str:
    return f"{reverse('settings_sessions')}?{urlencode({'cursor': cursor})}" if cursor else ""


@refused_inside
@require_POST
def settings_session_end(request: "HttpRequest", public_id: "UUID") -> "HttpResponse":
    """End a session of one's own. The one that asks is signing out."""
    request = cast("PortalRequest", request)
    ended = end_own_session(public_id, origin=Origin.of(request))
    back = sessions_list_before(request, name="settings_sessions") or reverse("settings_sessions")
    return _ended(request, public_id, ended, back=back)


@refused_inside
@require_POST
def settings_sessions_end_others(request: "HttpRequest") -> "HttpResponse":
    """End every session of one's own account but the one that asks, and every visit in it."""
    request = cast("PortalRequest", request)
    ended = end_other_sessions(origin=Origin.of(request))
    words = {0: "There was no other session to end.", 1: "1 other session has been ended."}
    messages.success(request, words.get(ended, f"{ended} other sessions have been ended."))
    return HttpResponseRedirect(reverse("settings_sessions"))
