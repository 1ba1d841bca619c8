"""What must hold in the database whatever happened: each a function that yields one sentence for each violation.

Run as a program it reads what the actors saw (:meth:`tests.load.tally.Tally.as_question`) and answers with what it
looked at and what does not hold.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()

from django.db.models import Count, Exists, F, OuterRef, Q, Subquery
from django.db.models.fields.json import KT

from accounts.enums import ActivityKind, EndCause, LoginType, SessionType
from accounts.models import Impersonation, ImpersonationActivity, Login, Session, User
from orgs.audit import AuditAction
from orgs.models import AuditEvent, LoginAccessPolicy, Organization
from orgs.services.seals import seal_trail
from orgs.services.verification import verify_trail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import QuerySet

REDIRECT = 302
STARTED, ENDED, CHANGED = (
    AuditAction.IMPERSONATION_STARTED,
    AuditAction.IMPERSONATION_ENDED,
    AuditAction.USER_CHANGED,
)


# --- visits and their sessions -----------------------------------------------------------------------------------


def one_open_visit_per_session() -> Iterator[str]:
    """Of one's own session at most one visit goes on."""
    open_by_session = Impersonation.objects.filter(ended_at=None).values("actor_session").annotate(number=Count("pk"))
    for row in open_by_session.filter(number__gt=1):
        yield f"session {row['actor_session']} has {row['number']} open visits"


def each_visit_has_its_events() -> Iterator[str]:
    """A visit has one row of the trail that it began; one that it ended, if it did, with the same cause; no other."""
    for action, visits in (
        (STARTED, Impersonation.objects.all()),
        (ENDED, Impersonation.objects.exclude(ended_at=None)),
    ):
        told = _by_visit(AuditEvent.objects.filter(action=action))
        ids = set(visits.values_list("pk", flat=True))
        for pk in sorted(ids | told.keys()):
            expected = int(pk in ids)
            if told.get(pk, 0) != expected:
                yield f"visit {pk} has {told.get(pk, 0)} rows of {action}, and should have {expected}"
    causes = dict(Impersonation.objects.exclude(ended_at=None).values_list("pk", "end_cause"))
    for pk, after in AuditEvent.objects.filter(action=ENDED).values_list("impersonation_id", "after"):
        if pk in causes and after["cause"] != causes[pk]:
            yield f"visit {pk} ended for {causes[pk]}, and the trail says {after['cause']}"


def _by_visit(events: QuerySet[AuditEvent]) -> dict[int, int]:
    return dict(Counter(pk for pk in events.values_list("impersonation_id", flat=True) if pk is not None))


def each_visit_has_its_login_row() -> Iterator[str]:
    """The login history has one Login-As row for each visit."""
    logins, visits = Login.objects.filter(type=LoginType.LOGIN_AS).count(), Impersonation.objects.count()
    if logins != visits:
        yield f"{visits} visits, and {logins} Login-As rows"


def each_worn_session_has_its_visit() -> Iterator[str]:
    """A worn session has its visit and its parent, and a visit its worn session, below the session it names."""
    worn = Session.objects.filter(type=SessionType.SUBSTITUTE_USER)
    for pk in worn.filter(impersonation=None).values_list("pk", flat=True):
        yield f"worn session {pk} has no visit"
    its_session = Session.objects.filter(
        pk=OuterRef("pk"), parent=OuterRef("actor_session"), user=OuterRef("target"), type=SessionType.SUBSTITUTE_USER
    )
    for pk in Impersonation.objects.filter(~Exists(its_session)).values_list("pk", flat=True):
        yield f"visit {pk} has no worn session of its own below the session it names"


def no_session_outlives_its_end() -> Iterator[str]:
    """A worn session lives as long as its visit, and no longer than its parent."""
    worn = Session.objects.filter(type=SessionType.SUBSTITUTE_USER)
    for pk in worn.filter(ended_at=None).exclude(impersonation__ended_at=None).values_list("pk", flat=True):
        yield f"worn session {pk} lives, and its visit has ended"
    for pk in worn.exclude(ended_at=None).filter(impersonation__ended_at=None).values_list("pk", flat=True):
        yield f"worn session {pk} has ended, and its visit goes on"
    for pk in worn.filter(ended_at=None).exclude(parent__ended_at=None).values_list("pk", flat=True):
        yield f"worn session {pk} lives, and its parent has ended"
    for pk in Session.objects.exclude(ended_at=None).exclude(data="").values_list("pk", flat=True):
        yield f"session {pk} has ended, and holds data"


def no_visit_is_half_started() -> Iterator[str]:
    """A session has no key while another account is worn from it, and waits for one only after such a visit."""
    own = Session.objects.filter(type=SessionType.UI, ended_at=None, user__isnull=False)
    is_worn_from = Exists(Session.objects.filter(parent=OuterRef("pk"), ended_at=None))
    for pk in own.filter(is_worn_from, key_hash__isnull=False).values_list("pk", flat=True):
        yield f"session {pk} has its key, and another account is worn from it"
    # Ended by somebody else: the browser may come back for it, once.
    waits = Exists(
        Impersonation.objects.filter(actor_session=OuterRef("pk"), ended_at__isnull=False, handed_back_at=None)
    )
    lost = own.filter(~is_worn_from, ~waits, key_hash=None)
    for pk in lost.values_list("pk", flat=True):
        yield f"session {pk} has no key, and no visit that took it"
    left = Impersonation.objects.filter(end_cause=EndCause.LOGGED_OUT, actor_session__ended_at=None)
    for pk in left.filter(actor_session__key_hash=None).values_list("pk", flat=True):
        if not Impersonation.objects.filter(actor_session__impersonations=pk).exclude(pk=pk).exists():
            yield f"visit {pk} was left, and its actor's session lives without a key"


# --- changes and their events ------------------------------------------------------------------------------------


def each_change_has_its_event() -> Iterator[str]:
    """What a user is called, whether active, and what the policy says is what the last row of the trail says."""
    last = (
        AuditEvent.objects.filter(about=OuterRef("pk"), action=CHANGED, after__has_key="alias")
        .order_by("-id")
        .annotate(alias=KT("after__alias"))
        .values("alias")[:1]
    )
    users = User.objects.annotate(told=Subquery(last)).exclude(told=None).exclude(told=F("alias"))
    for pk, alias, told in users.values_list("pk", "alias", "told"):
        yield f"user {pk} has the alias {alias}, and the trail says {told}"
    # One that no row tells of has the form that an edit gives.
    silent = User.objects.filter(alias__regex=r"^\d+-\d+$").annotate(told=Subquery(last)).filter(told=None)
    for pk in silent.values_list("pk", flat=True):
        yield f"user {pk} has a new alias, and no row of the trail"
    acts = (AuditAction.USER_ACTIVATED, AuditAction.USER_DEACTIVATED)
    latest = AuditEvent.objects.filter(about=OuterRef("pk"), action__in=acts).order_by("-id").values("action")[:1]
    for pk, is_active, act in (
        User.objects.annotate(act=Subquery(latest)).exclude(act=None).values_list("pk", "is_active", "act")
    ):
        if is_active != (act == AuditAction.USER_ACTIVATED):
            yield f"user {pk} is {'active' if is_active else 'inactive'}, and the trail says {act}"


def each_switch_has_its_event() -> Iterator[str]:
    """Any-user login is on or off as the trail last says."""
    for policy in LoginAccessPolicy.objects.all():
        events = AuditEvent.objects.filter(
            organization=policy.organization_id, action=AuditAction.POLICY_CHANGED, after__has_key="any_user_login"
        )
        after = events.order_by("-id").values_list("after", flat=True).first()
        if after is not None and after["any_user_login"] != policy.any_user_login:
            yield f"any-user login is {policy.any_user_login}, and the trail says {after['any_user_login']}"


def nothing_lost_nothing_double(edits: dict[str, str]) -> Iterator[str]:
    """Each edit that was answered as saved stands in the trail once; one that was refused, never; else once at most."""
    rows = AuditEvent.objects.filter(action=CHANGED, after__has_key="alias")
    found = Counter(rows.values_list("after__alias", flat=True))
    allowed = {"saved": {1}, "refused": {0}, "unknown": {0, 1}}
    for alias, outcome in edits.items():
        if found[alias] not in allowed[outcome]:
            yield f"edit {alias} was {outcome}, and stands {found[alias]} times in the trail"
    for alias in found.keys() - edits.keys():
        yield f"edit {alias} stands in the trail, and nobody sent it"


def as_many_visits_as_were_started(started: int, maybe_started: int) -> Iterator[str]:
    """There are as many visits as starts were answered, and at most those more whose answer was lost."""
    visits = Impersonation.objects.count()
    if not started <= visits <= started + maybe_started:
        yield f"{visits} visits, and {started} starts were answered, {maybe_started} more perhaps done"


def each_act_inside_is_listed() -> Iterator[str]:
    """What was changed inside a visit stands in its list; what the list says was done stands in the trail."""
    writes = ImpersonationActivity.objects.filter(kind=ActivityKind.WRITE, view="user_edit")
    done = _count_by_visit(writes.filter(status=REDIRECT))
    # Killed or failed on the way: done or not.
    unknown = _count_by_visit(writes.filter(Q(status=None) | Q(status__gte=500)))
    events = _by_visit(AuditEvent.objects.filter(action=CHANGED))
    for pk in sorted(done.keys() | events.keys()):
        least, most = done.get(pk, 0), done.get(pk, 0) + unknown.get(pk, 0)
        if not least <= events.get(pk, 0) <= most:
            yield f"visit {pk} has {events.get(pk, 0)} changes in the trail, and {least} to {most} in its list"


def _count_by_visit(activities: QuerySet[ImpersonationActivity]) -> dict[int, int]:
    return dict(Counter(activities.values_list("impersonation_id", flat=True)))


def each_trail_is_whole() -> Iterator[str]:
    """Sealed, the chain is whole."""
    for organization in Organization.objects.all():
        seal_trail(organization)
        report = verify_trail(organization)
        if not report.is_whole:
            yield f"{organization.name}: {report.first.text if report.first else report}"


ALWAYS: tuple[Callable[[], Iterator[str]], ...] = (
    one_open_visit_per_session,
    each_visit_has_its_events,
    each_visit_has_its_login_row,
    each_worn_session_has_its_visit,
    no_session_outlives_its_end,
    no_visit_is_half_started,
    each_change_has_its_event,
    each_switch_has_its_event,
    each_act_inside_is_listed,
    each_trail_is_whole,
)


def violations(seen: dict[str, Any] | None = None) -> dict[str, list[str]]:
    """Return all that does not hold, by the name of what should; ``seen`` is what the actors saw."""
    found = {check.__name__: list(check()) for check in ALWAYS}
    if seen is not None:
        found["nothing_lost_nothing_double"] = list(nothing_lost_nothing_double(seen["edits"]))
        found["as_many_visits_as_were_started"] = list(
            as_many_visits_as_were_started(seen["started"], seen["maybe_started"])
        )
    return {name: sentences for name, sentences in found.items() if sentences}


def counts() -> dict[str, int]:
    """Return how many rows there were to look at."""
    activities = ImpersonationActivity.objects.filter(kind=ActivityKind.WRITE)
    return {
        "visits": Impersonation.objects.count(),
        "open": Impersonation.objects.filter(ended_at=None).count(),
        "changes": AuditEvent.objects.filter(action=CHANGED).count(),
        "events": AuditEvent.objects.count(),
        "acts inside": activities.count(),
        "acts without an outcome": activities.filter(status=None).count(),
        "checks": len(ALWAYS) + 2,
    }


if __name__ == "__main__":
    answer = {"violations": violations(json.load(sys.stdin)), "counts": counts()}
    sys.stdout.write(json.dumps(answer) + "\n")
