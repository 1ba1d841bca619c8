"""Asking a user for access, and the user's answer. One open question a pair; after seven days it is gone."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.enums import AccessRequestState, GrantDuration, Refusal
from accounts.facts import find_target
from accounts.login_access import is_healed_by_grant, may_impersonate
from accounts.models import AccessRequest, User
from orgs.audit import AuditAction, name_in, record
from orgs.mails import mail_after_commit
from orgs.moments import write_day
from orgs.permissions import RefusedInside
from orgs.services.guards import lock_organization
from orgs.text import is_seen

from .access_answers import close_request, open_requests
from .grants import COMPANY, grantees_of, require_own_hands, save_grants
from .guards import NotInOrganization

if TYPE_CHECKING:
    from orgs.http import Origin

LASTS = timedelta(days=7)
LONGEST_REASON = 1000


class NothingToAsk(PermissionDenied):
    """A grant would change nothing: one may log in already, or something else is in the way."""

    # What a page leads on to.
    help_url = help_label = ""


class AskedWrongly(Exception):  # noqa: N818  # said as a page says it
    """What was asked won't do: ``fields`` holds a sentence for each field."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.fields = fields
        super().__init__(" ".join(fields.values()))


class AlreadyAsked(Exception):  # noqa: N818  # said as a page says it
    """The same person has asked the same user, and the question is open. ``request`` is that one."""

    def __init__(self, request: AccessRequest) -> None:
        self.request = request
        super().__init__(f"You asked {request.user} on {write_day(request.created_at)}. The question is still open.")


class RequestIsClosed(Exception):  # noqa: N818  # said as a page says it
    """The question was answered before, or not in time."""

    def __init__(self) -> None:
        super().__init__("This question is no longer open.")


@transaction.atomic
def ask_for_access(
    actor: User, target: User, *, reason: str, duration: str, origin: "Origin", at: datetime | None = None
) -> AccessRequest:
    """Ask ``target`` to let ``actor`` log in as them; the question stands on their Home and goes out by mail.

    Raises :class:`NothingToAsk` where a grant would not help, :class:`AskedWrongly`, :class:`AlreadyAsked`, and for a
    target that ``actor`` may not know of what a page says of one that never was.
    """
    at = at or timezone.now()
    if origin.is_impersonating:
        raise RefusedInside(str(origin.user))
    lock_organization(target.organization_id)
    target = _find(actor, target, at=at)
    reason = _require_words(reason, duration)
    _close_lapsed(actor, target, at=at)
    if (waiting := open_requests(at=at, user=target, requester=actor).first()) is not None:
        raise AlreadyAsked(waiting)
    request = AccessRequest.objects.create(
        organization=target.organization,
        requester=actor,
        user=target,
        reason=reason,
        duration=duration,
        created_at=at,
        lapses_at=at + LASTS,
    )
    _tell(request, actor, target, origin=origin, at=at)
    return request


def _tell(request: AccessRequest, actor: User, target: User, *, origin: "Origin", at: datetime) -> None:
    """Write the row of the trail, and mail the question to whom it is asked of."""
    words = GrantDuration(request.duration).in_a_sentence
    record(
        AuditAction.ACCESS_ASKED,
        origin=origin,
        organization=target.organization_id,
        about=target,
        at=at,
        after={"duration": request.duration},
        duration=words,
    )
    asker = name_in(target.organization_id, actor)
    mail_after_commit(
        "accounts/access_asked", to=target.email, user=target, asker=asker, request=request, duration=words
    )


def _find(actor: User, target: User, *, at: datetime) -> User:
    """Return the target as it is now; raise unless the rule says no and a grant would turn that into a yes."""
    found = find_target(actor, target.pk)
    if found is None:
        raise NotInOrganization
    verdict = may_impersonate(actor=actor, target=found.user, facts=found.facts, at=at)
    if verdict.refusal == Refusal.NOT_FOUND:
        raise NotInOrganization
    if verdict:
        raise NothingToAsk(f"You can log in as {found.user} without asking.")
    if not is_healed_by_grant(verdict, actor=actor, target=found.user, facts=found.facts, at=at):
        raise NothingToAsk(verdict.reason)
    return found.user


def _require_words(reason: str, duration: str) -> str:
    """Return the reason as it is kept; raise what is wrong with what was asked."""
    reason = " ".join(reason.split())
    wrong: dict[str, str] = {}
    if not is_seen(reason):
        wrong["reason"] = "Say why. The user reads it, and decides."
    elif len(reason) > LONGEST_REASON:
        wrong["reason"] = f"A reason has {LONGEST_REASON} characters at most."
    if duration not in GrantDuration.values or duration == GrantDuration.NONE:
        wrong["duration"] = "Choose one of the durations that are offered."
    if wrong:
        raise AskedWrongly(wrong)
    return reason


def _close_lapsed(actor: User, target: User, *, at: datetime) -> None:
    """Close a question that nobody answered in time: it would stand in the way of the next."""
    lapsed = AccessRequest.objects.filter(
        requester=actor, user=target, state=AccessRequestState.OPEN, lapses_at__lte=at
    )
    lapsed.update(state=AccessRequestState.LAPSED, answered_at=F("lapses_at"))


@transaction.atomic
def answer_request(
    user: User, request_id: int, *, grants: bool, origin: "Origin", at: datetime | None = None
) -> AccessRequest:
    """Grant what was asked for, or decline it; the requester hears of it by mail.

    Only the person who was asked answers. A grant that lasts longer already stays as it is. Raises
    :class:`RequestIsClosed`, and :class:`~accounts.services.grants.GrantRefused` where it can't be granted now.
    """
    at = at or timezone.now()
    require_own_hands(user, origin)
    lock_organization(user.organization_id)
    asked = AccessRequest.objects.select_related("requester__organization", "user")
    request = asked.filter(pk=request_id, user=user).first()
    if request is None:
        raise NotInOrganization
    if request.state != AccessRequestState.OPEN or request.lapses_at <= at:
        raise RequestIsClosed
    if grants:
        _grant(user, request, origin=origin, at=at)
        # A grant that was given closes every question that it answers, this one too.
        request.refresh_from_db(fields=["state", "answered_at"])
    if request.state == AccessRequestState.OPEN:
        close_request(request, is_granted=grants, origin=origin, at=at)
    return request


def _grant(user: User, request: AccessRequest, *, origin: "Origin", at: datetime) -> None:
    """Give the grant, unless a live one lasts longer and counts."""
    is_own = request.requester.organization_id == user.organization_id
    key = COMPANY if is_own else str(request.requester.organization_id)
    row = next((row for row in grantees_of(user, at=at) if row.key == key), None)
    lasts = row.grant.expires_at if row and row.grant and not row.why_not else None
    if lasts is None or lasts < at + GrantDuration(request.duration).length:
        save_grants(user, {key: request.duration}, origin=origin, at=at)
