"""From read-only to full access, in a visit that goes on."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from accounts.enums import Access
from accounts.models import Impersonation
from orgs.audit import AuditAction, record

from .sessions import lock_ids
from .start_policy import DetailsWrong

if TYPE_CHECKING:
    from accounts.identity import Identity
    from orgs.http import Origin


def step_up(identity: "Identity", *, reason: str, origin: "Origin", at: datetime | None = None) -> bool:
    """Give a read-only visit full access, because its actor says why; False where it has it, or is over.

    Without a reason: :class:`DetailsWrong`.
    """
    visit = identity.impersonation
    if visit is None:
        return False
    if not reason.strip():
        raise DetailsWrong({"reason": "Say why you need full access. The reason is kept."})
    at = at or timezone.now()
    with transaction.atomic():
        if visit.pk not in lock_ids([visit.pk]):
            return False
        waiting = Impersonation.objects.open().filter(pk=visit.pk, access=Access.READ_ONLY)
        if not waiting.update(access=Access.FULL, stepped_up_at=at, step_up_reason=reason):
            return False
        record(
            AuditAction.IMPERSONATION_STEPPED_UP,
            origin=origin,
            organization=visit.organization_id,
            user=visit.actor,
            about=visit.target,
            impersonation_id=visit.pk,
            at=at,
            before={"access": Access.READ_ONLY.value},
            after={"access": Access.FULL.value},
        )
    visit.access = Access.FULL
    return True
