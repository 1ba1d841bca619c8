"""What a sign-in, good or bad, leaves behind: the login row, and the lock after ten wrong passwords."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.enums import LoginStatus
from accounts.models import Login, Session, UnknownUsernames, User

if TYPE_CHECKING:
    from orgs.http import Origin

WRONG_PASSWORDS = 10
LOCKED_FOR = timedelta(minutes=15)
# No row has this id.
NOBODY = 0


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

    An unknown username leaves no row. It costs what a known one does, so that the answer comes as late: the same
    statements in one transaction, of which two match nobody, and a counter without a name in place of the row.
    """
    at = at or timezone.now()
    with transaction.atomic():
        user = User.objects.filter(username=username).first()
        status = None if user is None else _status(user, at)
        _count_wrong_password(user if status == LoginStatus.WRONG_PASSWORD else None, at)
        if user is None or status is None:
            _count_unknown_username(at)
        else:
            _write(user, status, origin=origin, at=at)


def _count_wrong_password(user: User | None, at: datetime) -> None:
    """Count one more, and lock at the tenth; of nobody, in the same two statements."""
    counted = User.objects.filter(pk=NOBODY if user is None else user.pk)
    counted.update(failed_logins=F("failed_logins") + 1)
    counted.filter(failed_logins__gte=WRONG_PASSWORDS).update(failed_logins=0, locked_until=at + LOCKED_FOR)


def _count_unknown_username(at: datetime) -> None:
    """Count one more of this day (UTC). One statement, the last of its transaction: all who come wait for that row."""
    table = connection.ops.quote_name(UnknownUsernames._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (day, tries) VALUES (%s, 1)"  # noqa: S608  # the name of a table
            f" ON CONFLICT (day) DO UPDATE SET tries = {table}.tries + 1",
            [at.astimezone(UTC).date().isoformat()],
        )


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
