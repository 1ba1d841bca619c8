"""What is not kept for ever: the login history, ended sessions, and how often unknown usernames were tried.

Visits, what was done in them, and the trail stay; of a visit that is kept the sessions may be gone.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.models import Impersonation, Login, Session, UnknownUsernames
from orgs.audit import AuditAction, record
from orgs.models.session_settings import LONGEST_HISTORY
from orgs.months import months_before

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet

    from orgs.http import Origin
    from orgs.models import Organization

# Rows in one transaction: nobody waits long for it, and SQLite has one writer at a time.
BATCH = 500


@dataclass(slots=True)
class Trimmed:
    """How much of one organization's history was deleted, or would be."""

    months: int
    before: datetime
    logins: int = 0
    sessions: int = 0

    def __bool__(self) -> bool:
        return bool(self.logins or self.sessions)

    @property
    def words(self) -> dict[str, str]:
        """The same in words: "12 login rows", "1 ended session"."""
        return {
            "logins": f"{self.logins} login row{'' if self.logins == 1 else 's'}",
            "sessions": f"{self.sessions} ended session{'' if self.sessions == 1 else 's'}",
        }


def trim_history(organization: "Organization", *, origin: "Origin", at: datetime | None = None) -> Trimmed:
    """Delete an organization's login rows and ended sessions that are older than the months it keeps.

    In batches, each a transaction of its own, so that a million rows block nobody. What was deleted is one row of the
    trail; also where the run breaks off, as far as it came. Two at once delete each row once, and skip what the other
    holds. A worn session goes before its parent, and a parent whose worn session is still kept, by another
    organization's months, stays until then.
    """
    trimmed = _to_trim(organization, at)
    try:
        for batch in _delete_in_batches(_old_logins(trimmed, organization), by="created_at"):
            trimmed.logins += batch
        for kind in (_old_worn_sessions, _old_own_sessions):
            for batch in _delete_in_batches(kind(trimmed, organization), by="ended_at"):
                trimmed.sessions += batch
    finally:
        if trimmed:
            record(
                AuditAction.HISTORY_TRIMMED,
                origin=origin,
                organization=organization,
                at=at,
                after={
                    "logins": trimmed.logins,
                    "sessions": trimmed.sessions,
                    "before": trimmed.before.isoformat(timespec="seconds"),
                },
                months=str(trimmed.months),
                **trimmed.words,
            )
    return trimmed


def count_old_history(organization: "Organization", *, at: datetime | None = None) -> Trimmed:
    """Return what :func:`trim_history` would delete, and delete nothing."""
    trimmed = _to_trim(organization, at)
    trimmed.logins = _old_logins(trimmed, organization).count()
    old = _closed(_old_sessions(trimmed, organization))
    # Its own worn sessions ended no later than their parent, and would go first.
    elsewhere = Session.objects.filter(parent=OuterRef("pk")).exclude(organization=organization)
    trimmed.sessions = old.exclude(Exists(elsewhere)).count()
    return trimmed


def trim_unknown_usernames(*, at: datetime | None = None) -> int:
    """Delete the counts of days that no organization keeps anything of, and return how many."""
    old = _old_days(at)
    deleted, _ = old.delete()
    return deleted


def count_old_unknown_usernames(*, at: datetime | None = None) -> int:
    """Return how many :func:`trim_unknown_usernames` would delete."""
    return _old_days(at).count()


def _to_trim(organization: "Organization", at: datetime | None) -> Trimmed:
    months = organization.session_settings.history_months
    return Trimmed(months, months_before(at or timezone.now(), months))


def _old_days(at: datetime | None) -> "QuerySet[UnknownUsernames]":
    return UnknownUsernames.objects.filter(day__lt=months_before(at or timezone.now(), LONGEST_HISTORY).date())


def _old_logins(trimmed: Trimmed, organization: "Organization") -> "QuerySet[Any]":
    return Login.objects.filter(organization=organization, created_at__lt=trimmed.before)


def _old_sessions(trimmed: Trimmed, organization: "Organization") -> "QuerySet[Any]":
    """Return the ended sessions, by the index of these. A session that goes on has no end."""
    return Session.objects.filter(organization=organization, ended_at__isnull=False, ended_at__lt=trimmed.before)


def _old_worn_sessions(trimmed: Trimmed, organization: "Organization") -> "QuerySet[Any]":
    return _closed(_old_sessions(trimmed, organization).filter(parent__isnull=False))


def _old_own_sessions(trimmed: Trimmed, organization: "Organization") -> "QuerySet[Any]":
    own = _closed(_old_sessions(trimmed, organization).filter(parent=None))
    return own.exclude(Exists(Session.objects.filter(parent=OuterRef("pk"))))


def _closed(sessions: "QuerySet[Any]") -> "QuerySet[Any]":
    """Leave out the sessions of a visit that is open: the next request or the sweep closes it, and needs them."""
    return sessions.exclude(Exists(Impersonation.objects.open().filter(session=OuterRef("pk")))).exclude(
        Exists(Impersonation.objects.open().filter(actor_session=OuterRef("pk")))
    )


def _delete_in_batches(rows: "QuerySet[Any]", *, by: str) -> "Iterator[int]":
    """Delete ``rows`` from the oldest on, and yield after each transaction how many went with it."""
    reached: datetime | None = None
    while True:
        with transaction.atomic():
            # Not from the beginning again, where on PostgreSQL the index still has what was deleted.
            rest = rows if reached is None else rows.filter(**{f"{by}__gte": reached})
            locked = rest.order_by(by).select_for_update(of=("self",), skip_locked=True)
            found = list(locked.values_list("pk", by)[:BATCH])
            if not found:
                return
            _, deleted = rows.model.objects.filter(pk__in=[pk for pk, _ in found]).delete()
        reached = found[-1][1]
        yield deleted[rows.model._meta.label]
