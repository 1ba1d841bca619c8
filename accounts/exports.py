"""The lists of people's sign-ins, visits and grants that can be downloaded."""

from typing import TYPE_CHECKING, Any

from orgs.exports.listing import ExportFormat, Listing, Writer
from orgs.exports.sheet import Column, Sheet, as_json, label_in, moment, text

from .enums import Access, Basis, EndCause, LoginStatus, LoginType
from .presence import browser_of, platform_of
from .services.grants import COMPANY_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

    from .models import Impersonation, Login, LoginAccessGrant


def _full_name(first: str | None, last: str | None, username: str | None) -> str:
    """Return how someone is called (accounts/models/user.py); nothing for nobody."""
    return text(f"{first or ''} {last or ''}".strip() or username)


def _person(field: str) -> tuple[str, ...]:
    """Return what :func:`_full_name` asks of a person that a row refers to."""
    return f"{field}__first_name", f"{field}__last_name", f"{field}__username"


LOGIN_HISTORY = Sheet(
    Column.of("Id", "id"),
    Column.of("Login Time", "created_at", words=moment),
    Column.of("Username", "username"),
    Column.of("User", *_person("user"), words=_full_name),
    Column.of("User Id", "user_id"),
    Column.of("Source IP", "address"),
    Column.of("Login Type", "type", words=label_in(dict(LoginType.choices))),
    Column.of("Status", "status", words=label_in(dict(LoginStatus.choices))),
    Column.of("Browser", "agent", words=lambda agent: text(browser_of(agent))),
    Column.of("Platform", "agent", words=lambda agent: text(platform_of(agent))),
    Column.of("User Agent", "agent"),
    Column.of("Delegate User", "delegate_user_name"),
    Column.of("Delegate User Id", "delegate_user_id"),
)


def _yes_or_no(value: object) -> str:
    return "Yes" if value else "No"


def _ended_by(organization: int, home: int | None, home_name: str | None, *person: str | None) -> str:
    """Return who ended a visit; one who is not of its organization with where they are from (orgs/audit.py)."""
    name = _full_name(*person)
    return name if home in {None, organization} else f"{name} ({home_name})"


_VISIT = (
    Column.of("Id", "session_id"),
    Column.of("Started", "started_at", words=moment),
    Column.of("Ended", "ended_at", words=moment),
    Column.of("Noticed", "noticed_at", words=moment),
    Column.of("Ends at the latest", "ends_at", words=moment),
    Column.of("Logged in", "actor_name"),
    Column.of("Logged in Id", "actor_id"),
    Column.of("Logged in as", "target_name"),
    Column.of("Logged in as Id", "target_id"),
    Column.of("Basis", "basis", words=label_in(dict(Basis.choices))),
    Column.of("Grant", "grant_id"),
    Column.of("Delegated Group", "group_name"),
    Column.of("Access", "access", words=label_in(dict(Access.choices))),
    Column.of("Stepped up", "stepped_up_at", words=moment),
    Column.of("End", "end_cause", words=label_in(dict(EndCause.choices))),
    Column.of(
        "Ended by",
        "organization_id",
        "ended_by__organization_id",
        "ended_by__organization__name",
        *_person("ended_by"),
        words=_ended_by,
    ),
    Column.of("Ended by Id", "ended_by_id"),
    Column.of("Source IP", "address"),
    Column.of("User Agent", "agent"),
    Column.of("Pages opened are recorded", "records_pages", words=_yes_or_no),
    Column.of("Ran under", "ran_under", words=as_json),
)

IMPERSONATIONS = Sheet(*_VISIT)
# Why someone was logged in as another is for holders of View All Data.
IMPERSONATIONS_WITH_REASONS = Sheet(
    *_VISIT,
    Column.of("Reason", "reason"),
    Column.of("Ticket", "ticket"),
    Column.of("Step-up reason", "step_up_reason"),
)


GRANTS = Sheet(
    Column.of("Id", "id"),
    Column.of("User", *_person("user"), words=_full_name),
    Column.of("Username", "user__username"),
    Column.of("User Id", "user_id"),
    Column.of("Grantee", "support_organization__name", words=lambda name: text(name or COMPANY_NAME)),
    Column.of("Granted", "granted_at", words=moment),
    Column.of("Until", "expires_at", words=moment),
    Column.of("Taken back or replaced", "revoked_at", words=moment),
)


def login_history_listing(querysets: "Sequence[QuerySet[Login]]") -> Listing:
    """Return sign-ins as a list that can be downloaded."""
    return _listing("the Login History", "login-history", querysets, ("created_at", "id"), LOGIN_HISTORY)


def impersonations_listing(querysets: "Sequence[QuerySet[Impersonation]]", *, shows_reasons: bool) -> Listing:
    """Return visits as a list that can be downloaded, with their reasons and tickets or without."""
    sheet = IMPERSONATIONS_WITH_REASONS if shows_reasons else IMPERSONATIONS
    return _listing("the Impersonations", "impersonations", querysets, ("started_at", "session_id"), sheet)


def grants_listing(querysets: "Sequence[QuerySet[LoginAccessGrant]]") -> Listing:
    """Return grants as a list that can be downloaded."""
    return _listing("the Login Access Grants", "login-access-grants", querysets, ("id",), GRANTS)


def _listing(
    what: str, slug: str, querysets: "Sequence[QuerySet[Any]]", order: tuple[str, ...], sheet: Sheet
) -> Listing:
    return Listing(what, slug, tuple(querysets), order, {ExportFormat.CSV: Writer.of(sheet)})
