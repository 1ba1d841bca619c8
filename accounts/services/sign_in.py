"""What a sign-in, good or bad, leaves behind: the login row, and the lock after ten wrong passwords."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.enums import LoginStatus
from accounts.models import Login, Session, User

if TYPE_CHECKING:
    from orgs.http import Origin

WRONG_PASSWORDS = 10
LOCKED_FOR = timedelta(minutes=15)


def record_sign_in(user: User, *, origin: "Origin", at: datetime | None = None) -> None:
    """Write that ``user`` signed in, and forget wrong passwords."""
    at = at or timezone.now()
    User.objects.filter(pk=user.pk).update(last_login=at, failed_logins=0, locked_until=None)
    user.last_login = at
    _write(user, LoginStatus.SUCCESS, origin=origin, at=at)


def confirm_sign_in(user: User, *, session: Session, origin: "Origin", at: datetime | None = None) -> None:
    """Count the right password in the middle of a session as a sign-in, as the wrong ones are counted.

    The session is as fresh as a new one for what asks for a fresh sign-in, and ends when it would have ended.
    """
    at = at or timezone.now()
    with transaction.atomic():
        Session.objects.live().filter(pk=session.pk).update(authenticated_at=at)
        record_sign_in(user, origin=origin, at=at)
    session.authenticated_at = at


def record_failed_sign_in(username: str, *, origin: "Origin", at: datetime | None = None) -> None:
    """Write why a known username did not get in; ten wrong passwords lock it for a quarter of an hour.

    An unknown username leaves no row.
    """
    at = at or timezone.now()
    user = User.objects.filter(username=username).first()
    if user is None:
        return
    status = _status(user, at)
    if status == LoginStatus.WRONG_PASSWORD:
        User.objects.filter(pk=user.pk).update(failed_logins=F("failed_logins") + 1)
        User.objects.filter(pk=user.pk, failed_logins__gte=WRONG_PASSWORDS).update(
            failed_logins=0, locked_until=at + LOCKED_FOR
        )
    _write(user, status, origin=origin, at=at)


def _status(user: User, at: datetime) -> LoginStatus:
    if not user.is_active:
        return LoginStatus.INACTIVE
    if user.is_frozen:
        return LoginStatus.FROZEN
    if user.is_locked(at):
        return LoginStatus.LOCKED
    return LoginStatus.WRONG_PASSWORD


def _write(user: User, status: LoginStatus, *, origin: "Origin", at: datetime) -> None:
    Login.objects.create(
        organization_id=user.organization_id,
        user=user,
        username=user.username,
        created_at=at,
        status=status,
        address=origin.address,
        agent=origin.agent,
    )
