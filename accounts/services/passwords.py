"""Passwords: what a change ends."""

from typing import TYPE_CHECKING

from django.db import transaction

from accounts.enums import EndCause
from orgs.audit import AuditAction, record

from .sessions import end_sessions_of

if TYPE_CHECKING:
    from accounts.models import Session, User
    from orgs.http import Origin


@transaction.atomic
def password_was_changed(user: "User", *, origin: "Origin", keep: "Session | None" = None) -> None:
    """End every session of ``user`` but ``keep``, and the visits in and from them; write the trail."""
    end_sessions_of(
        user,
        as_actor=EndCause.PASSWORD_CHANGED,
        as_target=EndCause.PASSWORD_CHANGED,
        origin=origin,
        by=origin.actor,
        keep=keep,
    )
    record(AuditAction.PASSWORD_CHANGED, origin=origin, organization=user.organization_id, about=user)
