"""What a policy asks before a start, beyond the one click: a reason, a ticket, a fresh sign-in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied

from orgs.models import AccessMode, LoginAccessPolicy
from orgs.tickets import example_of, is_ticket

if TYPE_CHECKING:
    from accounts.facts import Target
    from accounts.models import Session


class SignInNeeded(PermissionDenied):
    """The last sign-in is older than the organization's policy allows for a start."""

    # Where a page says it: what leads on, and whether what was typed is given back (portal/views.py).
    help_url, help_label = "", "Sign in again"
    gives_back = False

    def __init__(self) -> None:
        super().__init__("Your last sign-in is too long ago to log in as a user. Sign in again first.")


class DetailsNeeded(Exception):  # noqa: N818  # said as a page says it
    """The policy asks for more than one click, and nothing was told yet."""


class DetailsWrong(Exception):  # noqa: N818  # said as a page says it
    """What was told before a start won't do: ``fields`` holds a sentence for each field."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.fields = fields
        super().__init__(" ".join(fields.values()))


@dataclass(frozen=True, slots=True)
class StartDetails:
    """What is told before a start, where the policy asks."""

    reason: str = ""
    ticket: str = ""
    # Something was typed that could not be taken; the form has the words for it.
    is_unreadable: bool = False


def what_the_policy_asks(
    policy: LoginAccessPolicy, session: "Session", details: StartDetails | None, *, at: datetime
) -> StartDetails:
    """Return what was told before the start; raise what the organization's policy still asks for."""
    if is_sign_in_needed(policy, session, at=at):
        raise SignInNeeded
    if details is None and asks_before_start(policy):
        raise DetailsNeeded
    details = details or StartDetails()
    wrong: dict[str, str] = {}
    if policy.reason_required and not details.reason.strip():
        wrong["reason"] = "Say why. The reason is kept with the visit, and the user reads it."
    if words := _wrong_about_ticket(policy, details.ticket):
        wrong["ticket"] = words
    if wrong or details.is_unreadable:
        raise DetailsWrong(wrong)
    return details


def _wrong_about_ticket(policy: LoginAccessPolicy, ticket: str) -> str:
    """Return what is wrong about a ticket number; nothing where it fits, or none is asked."""
    if not policy.ticket_pattern or is_ticket(policy.ticket_pattern, ticket):
        return ""
    example = example_of(policy.ticket_pattern)
    what = "This does not look like a ticket number here." if ticket else "Give the number of the ticket it is for."
    return f"{what} One looks like {example}." if example else what


def asks_before_start(policy: LoginAccessPolicy) -> bool:
    """Tell whether there is more to a start than one click: a reason, a ticket, or reading that it is read-only."""
    return policy.reason_required or bool(policy.ticket_pattern) or policy.access_mode != AccessMode.FULL


def is_sign_in_needed(policy: LoginAccessPolicy, session: "Session", *, at: datetime) -> bool:
    """Tell whether the last sign-in is too long ago for what the policy asks."""
    if policy.sign_in_again_minutes is None:
        return False
    oldest = at - timedelta(minutes=policy.sign_in_again_minutes)
    return session.authenticated_at is None or session.authenticated_at < oldest


# How an actor had signed in, by what Django calls the backend.
SIGN_IN_METHODS = {"accounts.backends.PasswordBackend": "password"}


def settings_at_start(target: "Target", session: "Session") -> dict[str, Any]:
    """Return what a visit's row copies: the settings that it runs under, and how its actor had signed in.

    Durations in minutes, times in ISO 8601; by the names that the settings have in their models.
    """
    policy, signed_in_at = target.policy, session.authenticated_at
    return {
        "time_limit_minutes": policy.time_limit_minutes,
        "reason_required": policy.reason_required,
        "ticket_pattern": policy.ticket_pattern,
        "access_mode": policy.access_mode,
        "mail_at_start": policy.mail_at_start,
        "protect_administrators": policy.protect_administrators,
        "record_pages_opened": policy.record_pages_opened,
        "sign_in_again_minutes": policy.sign_in_again_minutes,
        "force_relogin": target.force_relogin,
        "signed_in_at": signed_in_at.isoformat() if signed_in_at else "",
        "signed_in_with": SIGN_IN_METHODS.get(session.backend, session.backend),
    }
