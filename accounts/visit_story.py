"""What was done inside a visit, as a page tells it: requests, refusals and pages, and the events of the trail."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import merge
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING

from django.core import signing

from orgs.audit import AuditAction
from orgs.models import AuditEvent

from .enums import ActivityKind
from .models import Impersonation, ImpersonationActivity, User

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

    _Row = ImpersonationActivity | AuditEvent

STORY_SIZE = 50
FORWARD, BACK = "f", "b"
# How long a request may well be still running.
STILL_RUNNING = timedelta(minutes=1)

# --- what, of whom, and how it went, in words ----------------------------------------------------------------------

# Names of URLs begin with the noun (urls.py). These say it as people do; what is not here is said as it is called.
_PHRASES = {
    "": "An address where there is no page",
    "account_change_password": "Change password",
    "account_confirm_email": "Confirm an e-mail address",
    "account_confirm_email_done": "E-mail address confirmed",
    "account_inactive": "Account inactive",
    "account_login": "Log in",
    "account_login_elsewhere": "Log in",
    "account_logout": "Log out",
    "account_reauthenticate": "Sign in again",
    "account_reset_password": "Reset a forgotten password",
    "account_reset_password_done": "Reset a forgotten password",
    "account_reset_password_from_key": "Choose a new password",
    "account_reset_password_from_key_done": "New password chosen",
    "audit_event": "Event of the trail",
    "audit_trail": "Setup Audit Trail",
    "company": "Company Information",
    "company_edit": "Edit Company Information",
    "home": "Home",
    "impersonation_detail": "Impersonation page",
    "login_access": "Grant Account Login Access",
    "logout": "Log out",
    "profile_detail": "Profile page",
    "session_list": "Session Management",
    "session_stay": "Stay signed in",
    "settings_login_history": "One's own login history",
    "settings_personal": "Personal settings",
    "settings_session_end": "End a session of one's own",
    "settings_sessions": "One's own sessions",
    "settings_sessions_end_others": "End one's other sessions",
    "settings_who_can_log_in": "Who can log in as oneself",
    "setup_home": "Setup",
    "user_ask_for_access": "Ask user for access",
    "user_detail": "User page",
    "user_end_sessions": "End sessions of user",
    "user_import": "Import users",
    "user_import_check": "Check a file of users",
    "user_import_template": "Template for importing users",
    "user_login_as": "Log in as user",
    "user_reset_password": "Reset password of user",
    "user_selected": "Act on selected users",
    "user_summary": "Summary of user",
    "user_who_can_log_in": "Who can log in as user",
    "visit_step_up": "Step up to full access",
}
_VERBS = {
    *("activate", "answer", "change", "create", "deactivate", "delete", "download", "edit", "end", "freeze"),
    *("move", "remove", "unfreeze", "unlock"),
}


def view_in_words(view: str) -> str:
    """Return how a view is called on a page: ``user_edit`` is "Edit user"."""
    if view.startswith("admin:"):
        return "Operator console"
    if view in _PHRASES:
        return _PHRASES[view]
    *noun, last = view.split("_")
    if noun and last in _VERBS:
        return f"{last.capitalize()} {' '.join(noun)}"
    if noun and last == "list":
        return f"{' '.join(noun).capitalize()}s"
    return view.replace("_", " ").capitalize()


_OUTCOMES: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "Refused",
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.METHOD_NOT_ALLOWED: "Not accepted: this page takes nothing in",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Not accepted: the form was shown again",
    HTTPStatus.CONFLICT: "Changed meanwhile: not saved",
    HTTPStatus.GONE: "No longer there",
    HTTPStatus.TOO_MANY_REQUESTS: "Refused: too many tries",
}
_KILLED = "Unknown: the process ended before it was written down"


def outcome_in_words(activity: ImpersonationActivity, *, is_live: bool, at: datetime) -> str:
    """Return how something that was done inside went, by its answer's status."""
    if activity.kind == ActivityKind.OPENED:
        return "Opened"
    if activity.status is None:
        return "Still running" if is_live and at - activity.created_at < STILL_RUNNING else _KILLED
    if activity.status < HTTPStatus.BAD_REQUEST:
        return _of_an_answer(activity)
    if activity.status == HTTPStatus.FORBIDDEN and activity.detail:
        return f"Refused: {activity.detail}"
    failed = "Failed" if activity.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "Not accepted"
    return _OUTCOMES.get(activity.status, failed)


def _of_an_answer(activity: ImpersonationActivity) -> str:
    """Return what an answer without an error means. Nothing was done where a view says so, or was not reached."""
    if activity.kind == ActivityKind.REFUSAL:
        return "Nothing was done"
    return f"Nothing was done: {activity.detail}" if activity.detail else "Done"


# --- one thing after the other -------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Deed:
    """One line of the story: a request inside, or an event of the trail."""

    at: datetime
    what: str
    outcome: str
    # Of whom or what: a user, where it is one of the organization, or the words that the row has.
    about: str = ""
    person: User | None = None
    event_id: int | None = None
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """One page of what was done inside, and what leads to its neighbours where there are any."""

    deeds: list[Deed] = field(default_factory=list)
    next_cursor: str | None = None
    previous_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """A place between two lines: the last activity and the last event that stand before it, by id."""

    activity: int = 0
    event: int = 0

    def after(self, rows: "Iterable[_Row]") -> "_Place":
        """Return the place behind ``rows``, which stand behind this one."""
        last = {type(row): row.pk for row in rows}
        return _Place(last.get(ImpersonationActivity, self.activity), last.get(AuditEvent, self.event))

    def before(self, rows: "Iterable[_Row]") -> "_Place":
        """Return the place before ``rows``, of which the last stands before this one; given from the last on."""
        first = {type(row): row.pk - 1 for row in rows}
        return _Place(first.get(ImpersonationActivity, self.activity), first.get(AuditEvent, self.event))


def story_of(visit: Impersonation, *, is_live: bool, at: datetime, cursor: str = "", size: int = STORY_SIZE) -> Story:
    """Return a page of what was done inside ``visit``, the first thing first.

    Three queries. Both sources are read by their index, from where the page begins and no further than it is long, and
    merged by time; the third names the users on it. A cursor that was edited, or of another visit, gives the first
    page.
    """
    signer = signing.Signer(salt=f"accounts.visit_story:{visit.pk}")
    where, place = _read(signer, cursor)
    rows = _rows_before(visit, place, size + 1) if where == BACK else _rows_after(visit, place, size + 1)
    has_more = len(rows) > size
    rows = rows[:size]
    if where == BACK:
        begin, end, has_previous, has_next = place.before(rows), place, has_more, True
        rows.reverse()
    else:
        begin, end, has_previous, has_next = place, place.after(rows), place != _Place(), has_more
    deeds = [_deed(row, is_live=is_live, at=at) for row in rows]
    _name_users(deeds, visit)
    return Story(
        deeds,
        next_cursor=_write(signer, FORWARD, end) if has_next else None,
        previous_cursor=_write(signer, BACK, begin) if has_previous else None,
    )


def _write(signer: signing.Signer, where: str, place: _Place) -> str:
    return signer.sign_object([where, place.activity, place.event])


def _read(signer: signing.Signer, cursor: str) -> tuple[str, _Place]:
    try:
        where, activity, event = signer.unsign_object(cursor)
    except signing.BadSignature:
        return FORWARD, _Place()
    return where, _Place(activity, event)


def _sources(visit: Impersonation) -> "tuple[QuerySet[ImpersonationActivity], QuerySet[AuditEvent]]":
    """Return what is merged. Ids rise with time in both, and their indexes are by id."""
    activities = ImpersonationActivity.objects.filter(impersonation_id=visit.pk)
    # One column of the condition has an index; the other holds what another organization's trail has of the visit back.
    events = AuditEvent.objects.filter(impersonation_id=visit.pk, organization_id=visit.organization_id)
    return activities, events


def _rows_after(visit: Impersonation, place: _Place, size: int) -> "list[_Row]":
    activities, events = _sources(visit)
    merged: Iterable[_Row] = merge(
        activities.filter(pk__gt=place.activity).order_by("pk")[:size],
        events.filter(pk__gt=place.event).order_by("pk")[:size],
        key=_time_of,
    )
    return list(islice(merged, size))


def _rows_before(visit: Impersonation, place: _Place, size: int) -> "list[_Row]":
    """Return the last rows before ``place``, from the last on. Of two of one time the request came before the event."""
    activities, events = _sources(visit)
    merged: Iterable[_Row] = merge(
        events.filter(pk__lte=place.event).order_by("-pk")[:size],
        activities.filter(pk__lte=place.activity).order_by("-pk")[:size],
        key=_time_of,
        reverse=True,
    )
    return list(islice(merged, size))


def _time_of(row: "_Row") -> tuple[datetime, bool]:
    """Return what is merged by. Nothing was done inside before the start."""
    is_start = isinstance(row, AuditEvent) and row.action == AuditAction.IMPERSONATION_STARTED
    return row.created_at, not is_start


# --- a row as a line -----------------------------------------------------------------------------------------------

_USER = re.compile(r"user (\d+)")


def _deed(row: "_Row", *, is_live: bool, at: datetime) -> Deed:
    if isinstance(row, AuditEvent):
        return Deed(row.created_at, row.sentence, "Written in the trail", event_id=row.pk)
    is_refused = row.kind == ActivityKind.REFUSAL or row.status == HTTPStatus.FORBIDDEN
    return Deed(
        row.created_at,
        view_in_words(row.view),
        outcome_in_words(row, is_live=is_live, at=at),
        about=row.object,
        is_refused=is_refused,
    )


def _name_users(deeds: list[Deed], visit: Impersonation) -> None:
    """Say who each "user 17" is, where it is someone of the visit's organization. One query, if there are any."""
    ids = {deed: int(found[1]) for deed in deeds if (found := _USER.fullmatch(deed.about))}
    if not ids:
        return
    users = User.objects.filter(organization_id=visit.organization_id).in_bulk(set(ids.values()))
    for deed, user_id in ids.items():
        deed.person = users.get(user_id)
