"""Closing a question for access: its row, the row of the trail, and the mail to whoever asked."""

from typing import TYPE_CHECKING

from accounts.enums import AccessRequestState
from accounts.models import AccessRequest
from orgs.audit import AuditAction, name_in, record
from orgs.mails import mail_after_commit

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet

    from accounts.models import User
    from orgs.http import Origin
    from orgs.models import Organization


def open_requests(*, at: "datetime", **whose: "User | Organization") -> "QuerySet[AccessRequest]":
    """Return the questions that wait for an answer at ``at``: of a requester, to a user, in an organization."""
    return AccessRequest.objects.filter(state=AccessRequestState.OPEN, lapses_at__gt=at, **whose)


def close_request(request: AccessRequest, *, is_granted: bool, origin: "Origin", at: "datetime") -> None:
    """Close an open question, and tell whoever asked. The organization must be locked."""
    request.state = AccessRequestState.GRANTED if is_granted else AccessRequestState.DECLINED
    request.answered_at = at
    request.save(update_fields=["state", "answered_at"])
    record(
        AuditAction.ACCESS_GRANTED if is_granted else AuditAction.ACCESS_DECLINED,
        origin=origin,
        organization=request.organization_id,
        about=request.requester,
        at=at,
        after={"duration": request.duration},
        name=name_in(request.organization_id, request.requester),
    )
    mail_after_commit("accounts/access_answered", to=request.requester.email, request=request, is_granted=is_granted)


def close_as_granted(user: "User", grantee: "Organization", *, origin: "Origin", at: "datetime") -> None:
    """Close what people of ``grantee`` still ask ``user`` for: a grant that was just given answers all of them."""
    asked = open_requests(at=at, user=user).filter(requester__organization=grantee)
    for request in asked.select_related("requester__organization", "user"):
        close_request(request, is_granted=True, origin=origin, at=at)
