"""Importing a file of users: everyone in it, or nobody."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from accounts.services.passwords import NEW_ACCOUNT, build_password_mail
from accounts.services.users import UserDetails, build_user, require_creating, told_of_creation
from orgs.audit import AuditAction, build_event, record
from orgs.mails import send_many
from orgs.models import AuditEvent
from orgs.services.guards import lock_organization

from .checking import Step, Watch, check_into, faults_of_taken, nobody_watches, record_taken
from .faults import Fault, Report, number_of
from .giving import Giving
from .rows import HEADINGS, ByteLines
from .staging import Staging

if TYPE_CHECKING:
    from django.core.mail import EmailMessage

    from orgs.http import Origin
    from orgs.models import Organization

GONE = "This was deleted a moment ago. Give another."


def import_users(
    organization: "Organization",
    file: ByteLines,
    *,
    origin: "Origin",
    site: str = "",
    mail_for: timedelta | None = None,
    limit: int | None = None,
    at: datetime | None = None,
    watch: Watch = nobody_watches,
) -> Report:
    """Create all users of a file, each with a row of the trail, in one transaction; nobody where anything is wrong.

    Who may is as with :func:`~accounts.services.users.create_user`. More than ``limit`` users are wrong. With ``site``
    each is mailed a link to choose a password once all are there, for no longer than ``mail_for``; a mail that fails
    undoes nothing.
    """
    at = at or timezone.now()
    with Staging() as staging:
        report = check_into(staging, organization, file, origin=origin, limit=limit, at=at, watch=watch)
        if report.is_right:
            _create(organization, staging, report, origin=origin, at=at, watch=watch)
        record_taken(report, organization, origin=origin, at=at)
        if report.is_imported and site:
            # The name of a command would tell the people who get the mail nothing.
            by = "An administrator" if origin.user is None else origin.doer_name
            mails = _mails(organization, staging, site=site, by=by, watch=watch)
            report.mails = send_many(mails, may_go_on=_for(mail_for))
        return report


def _create(
    organization: "Organization", staging: Staging, report: Report, *, origin: "Origin", at: datetime, watch: Watch
) -> None:
    """Create everyone in ``staging``, or nobody. What was checked may have changed since, and is told like the rest."""
    try:
        # The outermost, so that all is committed when it ends, and mails may go out.
        with transaction.atomic(durable=True):
            locked = lock_organization(organization.pk)
            giving = Giving(locked, origin, require_creating(locked, origin))
            report.blame(_no_longer_given(staging, giving))
            if report.is_right:
                _insert(locked, staging, giving, origin=origin, at=at, watch=watch)
                count = {"users": report.users}
                words = number_of(report.users, "user")
                record(AuditAction.USERS_IMPORTED, origin=origin, organization=locked, at=at, after=count, count=words)
    except IntegrityError:
        for batch in staging.batches():
            report.blame(faults_of_taken(batch, organization, report))
        if report.is_right:
            raise
    report.is_imported = report.is_right


def _no_longer_given(staging: Staging, giving: Giving) -> Iterator[Fault]:
    """Yield what is wrong with rows whose profile or role may, under the lock, not be given: asked once for each."""
    for profile_id, role_id in staging.pairs():
        profile, role = giving.profiles.get(profile_id), giving.roles.get(role_id)
        if profile is None or (role is None and role_id):
            refusal = ("profile" if profile is None else "role", GONE)
        elif (found := giving.refusal(profile, role)) is not None:
            refusal = found
        else:
            continue
        for number in staging.numbers_of(profile_id, role_id):
            yield Fault(number, HEADINGS[refusal[0]], refusal[1])


def _insert(
    organization: "Organization", staging: Staging, giving: Giving, *, origin: "Origin", at: datetime, watch: Watch
) -> None:
    by = origin.doer_name
    watch(Step.WRITE, 0)
    for batch in staging.batches():
        users = []
        for row in batch:
            details = UserDetails(**row.texts(), profile=giving.profiles[row.profile], role=giving.roles.get(row.role))
            users.append(build_user(organization, details, by=by, at=at))
        User.objects.bulk_create(users)
        AuditEvent.objects.bulk_create(
            build_event(
                AuditAction.USER_CREATED,
                origin=origin,
                organization_id=organization.pk,
                **told_of_creation(user, at=at),
            )
            for user in users
        )
        watch(Step.WRITE, len(users))


def _for(duration: timedelta | None) -> Callable[[], bool]:
    """Return what says yes until ``duration`` is over; always without one."""
    if duration is None:
        return lambda: True
    ends_at = time.monotonic() + duration.total_seconds()
    return lambda: time.monotonic() < ends_at


def _mails(
    organization: "Organization", staging: Staging, *, site: str, by: str, watch: Watch
) -> "Iterator[EmailMessage]":
    """Yield each new user's mail. Users come from the database by batch: memory holds no more of them."""
    watch(Step.MAIL, 0)
    for batch in staging.batches():
        for user in User.objects.filter(username__in=[row.username for row in batch]).order_by("pk"):
            user.organization = organization
            yield build_password_mail(user, kind=NEW_ACCOUNT, site=site, by=by)
            watch(Step.MAIL, 1)
