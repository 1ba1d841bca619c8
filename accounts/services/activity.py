"""What is done inside a visit, written down as it happens: before the view runs, and how it went after."""

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import DatabaseError
from django.utils import timezone

from accounts.enums import ActivityKind
from accounts.models import ImpersonationActivity

if TYPE_CHECKING:
    from accounts.models import Impersonation

logger = logging.getLogger(__name__)

DETAIL_LENGTH = 300
# A client may send a method of any length.
METHOD_LENGTH = 10


def begin_activity(
    visit: "Impersonation", *, method: str, view: str, about: str, at: datetime | None = None
) -> ImpersonationActivity:
    """Write that something is about to be done. If it can't be written, it is not done: the error goes on."""
    activity: ImpersonationActivity = ImpersonationActivity.objects.create(
        impersonation_id=visit.pk,
        created_at=at or timezone.now(),
        kind=ActivityKind.WRITE,
        method=method[:METHOD_LENGTH],
        view=view,
        object=about,
    )
    return activity


def finish_activity(activity: ImpersonationActivity, *, status: int, detail: str = "") -> None:
    """Write how it went: the answer's HTTP status. What can't be written stays *unknown*; it was done all the same."""
    try:
        unfinished = ImpersonationActivity.objects.filter(pk=activity.pk, status=None)
        unfinished.update(status=status, detail=detail[:DETAIL_LENGTH])
    except DatabaseError:
        logger.exception("How request %s inside visit %s went was not written.", activity.pk, activity.impersonation_id)


def record_refused(
    visit: "Impersonation", *, method: str, view: str, about: str, status: int, detail: str, at: datetime | None = None
) -> None:
    """Write that something was refused before anything of it ran."""
    ImpersonationActivity.objects.create(
        impersonation_id=visit.pk,
        created_at=at or timezone.now(),
        kind=ActivityKind.REFUSAL,
        method=method[:METHOD_LENGTH],
        view=view,
        object=about,
        status=status,
        detail=detail[:DETAIL_LENGTH],
    )


def record_opened(visit: "Impersonation", *, view: str, about: str, at: datetime | None = None) -> None:
    """Write the first opening of a page, and of each object that it shows."""
    known = ImpersonationActivity.objects.filter(
        impersonation_id=visit.pk, kind=ActivityKind.OPENED, view=view, object=about
    )
    if known.exists():
        return
    row = ImpersonationActivity(
        impersonation_id=visit.pk,
        created_at=at or timezone.now(),
        kind=ActivityKind.OPENED,
        method="GET",
        view=view,
        object=about,
        status=200,
    )
    # Of two tabs that open it at once one is first.
    ImpersonationActivity.objects.bulk_create([row], ignore_conflicts=True)
