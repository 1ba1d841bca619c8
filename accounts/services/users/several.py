"""One act on several users: what it would do to each, and doing it, each in a transaction of its own."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from accounts.models import Session, User
from accounts.services.guards import LastAdministrator, require_administrator_beside
from accounts.services.sessions import session_of
from orgs.mails import sent_together

from .acts import deactivate_user, freeze_user, send_password_reset
from .refusals import UserAct, begin, counts_as_administrator, needless_because, refusal_of

if TYPE_CHECKING:
    from orgs.http import Origin
    from orgs.models import SessionSettings

# What is done to several at once, by the name that a page gives it.
SEVERAL = {act.name.lower(): act for act in (UserAct.RESET_PASSWORD, UserAct.FREEZE, UserAct.DEACTIVATE)}
MOST_AT_ONCE = 200
# How long somebody waits for their mails at most.
MAILING_TIME = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an act does to one user: nothing, for a ``reason``; otherwise so many sessions and visits end with it."""

    user: User
    reason: str = ""
    sessions: int = 0
    visits: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """What was done to each, and how many of its mails did not go out."""

    outcomes: list[Outlook]
    unsent: int = 0


def preview_several(
    act: UserAct, users: Sequence[User], *, origin: "Origin", counts_ends: bool = True, at: datetime | None = None
) -> list[Outlook]:
    """Return what ``act`` would do to each of ``users``, all of ``origin``'s organization, their profiles at hand.

    As if done one after the other: the last administrators do not all go. How many sessions end is counted where
    ``counts_ends`` says so. Four queries at most.
    """
    at = at or timezone.now()
    reasons = {user: _reason_against(act, user, origin=origin, at=at) for user in users}
    done = [user for user, reason in reasons.items() if not reason]
    if last := _last_administrator(act, done):
        done.remove(last[0])
        reasons[last[0]] = last[1]
    ends = _what_ends(act, done, origin=origin, at=at) if done and counts_ends else {}
    return [ends.get(user) or Outlook(user, reason) for user, reason in reasons.items()]


def act_on_several(
    act: UserAct, users: Sequence[User], *, origin: "Origin", site: str, at: datetime | None = None
) -> "Done":
    """Do ``act`` to each, in this order, and return of each why nothing was done, if so.

    Each has a transaction and a row of the trail of its own: who is refused takes nothing back from the others. Mails
    go out together after all of that.
    """
    at = at or timezone.now()
    with sent_together(within=MAILING_TIME) as mails:
        outcomes = [Outlook(user, _do(act, user, origin=origin, site=site, at=at)) for user in users]
    return Done(outcomes, unsent=mails.unsent)


# --- one of them -------------------------------------------------------------------------------------------------


def _do(act: UserAct, user: User, *, origin: "Origin", site: str, at: datetime) -> str:
    """Do ``act`` to one; return why nothing was done, or nothing."""
    services: dict[UserAct, Callable[[User], User]] = {
        UserAct.RESET_PASSWORD: lambda user: send_password_reset(user, origin=origin, site=site, at=at),
        UserAct.FREEZE: lambda user: freeze_user(user, origin=origin, at=at),
        UserAct.DEACTIVATE: lambda user: deactivate_user(user, origin=origin, at=at),
    }
    try:
        with transaction.atomic():
            # Under the lock: someone may have done the same since the preview.
            fresh = begin(act, user, origin)
            reason = needless_because(act, fresh, at=at)
            if not reason:
                services[act](fresh)
    except PermissionDenied as refusal:
        return str(refusal)
    return reason


def _reason_against(act: UserAct, user: User, *, origin: "Origin", at: datetime) -> str:
    refusal = refusal_of(act, user, origin=origin)
    return str(refusal) if refusal else needless_because(act, user, at=at)


def _last_administrator(act: UserAct, users: Sequence[User]) -> tuple[User, str] | None:
    """Return whom ``act`` is refused since nobody would be left who administers, and the words; it is the last one."""
    administrators = [user for user in users if counts_as_administrator(user)]
    if act is UserAct.RESET_PASSWORD or not administrators:
        return None
    try:
        require_administrator_beside(administrators[0].organization, users=administrators)
    except LastAdministrator as refusal:
        return administrators[-1], str(refusal)
    return None


# --- what ends ---------------------------------------------------------------------------------------------------


def _what_ends(act: UserAct, users: Collection[User], *, origin: "Origin", at: datetime) -> dict[User, Outlook]:
    """Return how many sessions and visits of each end with ``act``. Two queries, and one for what is kept."""
    outlooks = {user.pk: Outlook(user) for user in users}
    settings: SessionSettings = next(iter(users)).organization.session_settings
    if act is UserAct.RESET_PASSWORD and not settings.end_on_password_reset:
        return {one.user: one for one in outlooks.values()}
    kept = session_of(origin) if act is UserAct.RESET_PASSWORD else None
    stay = {kept.pk, kept.parent_id} if kept else set()
    rows = Session.objects.filter(user__in=outlooks).going_on(settings, at).values_list("pk", "user", "parent")
    going = [row for row in rows if row[0] not in stay]
    own = {pk: user_id for pk, user_id, parent_id in going if parent_id is None}
    sessions, visits = Counter(own.values()), Counter[int]()
    if act is not UserAct.FREEZE:
        visits.update(user_id for _, user_id, parent_id in going if parent_id is not None)
    worn = Session.objects.live().filter(parent__in=own, impersonation__ends_at__gt=at)
    visits.update(own[parent_id] for parent_id in worn.values_list("parent", flat=True))
    return {
        one.user: replace(one, sessions=sessions[one.user.pk], visits=visits[one.user.pk]) for one in outlooks.values()
    }
