"""Asking the vendor for any-user login: an administrator asks, Support answers, Sales provisions."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from orgs.audit import AuditAction, name_in, record
from orgs.editions import Feature
from orgs.mails import mail_after_commit
from orgs.models import ActivationRequest, ActivationState, Organization
from orgs.models.activation_request import PENDING
from orgs.moments import write_day
from orgs.permissions import ADMINISTRATOR
from orgs.text import is_seen

from .guards import SUPPORT, lock_organization, refuse_to_guest, require_operator, require_person
from .organizations import NotEligible

if TYPE_CHECKING:
    from orgs.http import Origin

LONGEST = 4000


class AlreadyProvisioned(PermissionDenied):
    """There is nothing to ask for: it can be switched on."""

    def __init__(self) -> None:
        super().__init__(
            "Administrators Can Log in as Any User is provisioned already. Switch it on in Login Access Policies."
        )


class ActivationDetailsWrong(Exception):  # noqa: N818  # said as a page says it
    """What was told won't do: ``fields`` holds a sentence for each field."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.fields = fields
        super().__init__(" ".join(fields.values()))


class ActivationPending(Exception):  # noqa: N818  # said as a page says it
    """A request is under way. There is one at a time."""

    def __init__(self, pending: ActivationRequest) -> None:
        self.pending = pending
        day = write_day(pending.created_at)
        super().__init__(f"A request of {day} by {pending.requested_by_name} is open already.")


class ActivationAnswered(PermissionDenied):
    """Someone answered meanwhile."""

    def __init__(self, request: ActivationRequest) -> None:
        super().__init__(f"This request is not open any more. It is now: {request.get_state_display()}.")


@transaction.atomic
def request_activation(
    organization: Organization,
    business_case: str,
    has_read: bool,  # noqa: FBT001  # both are what the form takes in
    *,
    origin: "Origin",
    at: datetime | None = None,
) -> ActivationRequest:
    """Ask for any-user login to be provisioned.

    For administrators of an organization whose edition has it and that has not been provisioned. Raises
    :class:`ActivationPending` where one asked before, and :class:`ActivationDetailsWrong`.
    """
    organization = lock_organization(organization.pk)
    refuse_to_guest(origin)
    requester = require_person(origin, organization, ADMINISTRATOR)
    if not organization.has(Feature.ANY_USER_LOGIN):
        raise NotEligible(organization)
    if organization.provisioned:
        raise AlreadyProvisioned
    if pending := pending_request_of(organization):
        raise ActivationPending(pending)
    business_case = business_case.strip()
    if wrong := _what_is_wrong(business_case, has_read=has_read):
        raise ActivationDetailsWrong(wrong)
    asked = ActivationRequest.objects.create(
        organization=organization,
        requested_by=requester,
        requested_by_name=origin.doer_name,
        business_case=business_case,
        created_at=at or timezone.now(),
    )
    record(
        AuditAction.ACTIVATION_REQUESTED,
        origin=origin,
        organization=organization,
        at=asked.created_at,
        after={"business_case": business_case},
    )
    return asked


@transaction.atomic
def approve_activation_request(
    request: ActivationRequest, answer: str = "", *, origin: "Origin", at: datetime | None = None
) -> ActivationRequest:
    """Let a request go on to Sales, and tell the requester. Raises :class:`ActivationAnswered` unless it is open."""
    return _answer(
        request,
        answer,
        state=ActivationState.APPROVED,
        action=AuditAction.ACTIVATION_APPROVED,
        mail="orgs/activation_approved",
        origin=origin,
        at=at,
    )


@transaction.atomic
def decline_activation_request(
    request: ActivationRequest, answer: str, *, origin: "Origin", at: datetime | None = None
) -> ActivationRequest:
    """Decline a request, and tell the requester why. One that waits for Sales can be declined too.

    Raises :class:`ActivationAnswered`, and :class:`ActivationDetailsWrong` without an answer.
    """
    return _answer(
        request,
        answer,
        state=ActivationState.DECLINED,
        action=AuditAction.ACTIVATION_DECLINED,
        mail="orgs/activation_declined",
        origin=origin,
        at=at,
    )


def pending_request_of(organization: Organization) -> ActivationRequest | None:
    """Return the request that is under way, if one is."""
    return organization.activation_requests.filter(state__in=PENDING).first()


def latest_request_of(organization: Organization) -> ActivationRequest | None:
    """Return the last request, whatever became of it."""
    return organization.activation_requests.order_by("-id").first()


def _what_is_wrong(business_case: str, *, has_read: bool) -> dict[str, str]:
    """Word for each field what is missing or too much."""
    wrong = _too_long("business_case", "business case", business_case)
    if not is_seen(business_case):
        wrong["business_case"] = "Say what you need it for. Support reads it."
    if not has_read:
        wrong["has_read"] = "Read it first, and say that you have."
    return wrong


def _too_long(field: str, name: str, text: str) -> dict[str, str]:
    if len(text) <= LONGEST:
        return {}
    return {field: f"The {name} can have {LONGEST:,} characters at most. This one has {len(text):,}."}


def _answer(
    request: ActivationRequest,
    answer: str,
    *,
    state: ActivationState,
    action: AuditAction,
    mail: str,
    origin: "Origin",
    at: datetime | None,
) -> ActivationRequest:
    """Write Support's answer, its row of the trail, and the mail to the requester if they are still there."""
    require_operator(origin, SUPPORT)
    organization = lock_organization(request.organization_id)
    request = ActivationRequest.objects.select_related("requested_by").get(pk=request.pk)
    request.organization = organization
    is_declined = state == ActivationState.DECLINED
    if request.state not in (PENDING if is_declined else (ActivationState.OPEN,)):
        raise ActivationAnswered(request)
    answer = answer.strip()
    wrong = _too_long("answer", "answer", answer)
    if is_declined and not is_seen(answer):
        wrong = {"answer": "Say why. The requester reads it."}
    if wrong:
        raise ActivationDetailsWrong(wrong)
    before = request.state
    request.state, request.answer, request.answered_at = state, answer, at or timezone.now()
    request.answered_by_name = name_in(organization.pk, origin.user) if origin.user else origin.doer_name
    request.save(update_fields=["state", "answer", "answered_at", "answered_by_name"])
    record(
        action,
        origin=origin,
        organization=organization,
        about=request.requested_by,
        at=request.answered_at,
        before={"state": before},
        after={"state": state.value, "answer": answer},
    )
    if request.requested_by.is_active:
        mail_after_commit(mail, to=request.requested_by.email, asked=request)
    return request
