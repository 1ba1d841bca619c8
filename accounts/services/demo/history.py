"""What happened in the demo's last thirty days: written by the services themselves, in the order of its times."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Unpack

from django.core.exceptions import PermissionDenied
from django.db.models import Q

from accounts.enums import EndCause, GrantDuration, Refusal
from accounts.identity import live_sessions
from accounts.keys import hash_key, new_key
from accounts.models import LoginAccessGrant, Session, StandardProfile
from accounts.services.activity import begin_activity, finish_activity, record_opened, record_refused
from accounts.services.delegated_groups import GroupDetails, create_delegated_group
from accounts.services.grants import COMPANY, save_grants
from accounts.services.impersonation import Started, start_impersonation
from accounts.services.sessions import end_session, end_sessions
from accounts.services.sign_in import record_sign_in
from accounts.services.start_policy import StartDetails
from accounts.services.step_up import step_up
from accounts.services.users import deactivate_user, freeze_user
from orgs.audit import AuditAction, record
from orgs.exports.listing import ExportFormat
from orgs.http import Origin
from orgs.models import AccessMode
from orgs.permissions import RefusedInside, RefusedReadOnly
from orgs.services.exports import record_export
from orgs.services.login_access_policies import PolicyChanges, save_login_access_policy

if TYPE_CHECKING:
    from accounts.models import User

DAYS = 30
# What the portal answers to what went well, and to what it refuses.
REDIRECTED, FORBIDDEN = 302, 403

MAC, IPHONE = "Macintosh; Intel Mac OS X 10_15_7", "iPhone; CPU iPhone OS 18_6 like Mac OS X"
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    f"Mozilla/5.0 ({MAC}) {WEBKIT} Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    f"Mozilla/5.0 ({IPHONE}) {WEBKIT} Version/18.6 Mobile/15E148 Safari/604.1",
)

Act = Callable[..., object]


class History:
    """Acts, each with its time, to be done in the order of the times: rows are listed in the order of their ids."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        self._acts: list[tuple[datetime, Act]] = []

    def moment(self, days_ago: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
        """Return a time of day, whole days ago, so that it is past whatever the time is now."""
        return self.midnight - timedelta(days=days_ago) + timedelta(hours=hour, minutes=minute, seconds=second)

    def add(self, at: datetime, act: Act) -> None:
        """Remember ``act``, which will be called with ``at``."""
        self._acts.append((at, act))

    def happen(self) -> None:
        """Do everything, the oldest first."""
        for at, act in sorted(self._acts, key=itemgetter(0)):
            act(at=at)


def origin_of(user: "User", session: Session | None = None) -> Origin:
    """Return where someone of the demo does things from: always the same address (RFC 5737) and browser."""
    return Origin(
        user=user,
        actor=user,
        address=f"203.0.113.{user.pk % 250 + 1}",
        agent=AGENTS[user.pk % len(AGENTS)],
        session_public_id=session.public_id if session else None,
        request_id=uuid.uuid4().hex,
    )


def open_session(user: "User", *, origin: Origin, at: datetime, active_at: datetime | None = None) -> Session:
    """Sign in, and return the session, last active ``active_at``. Nobody has its key."""
    record_sign_in(user, origin=origin, at=at)
    session: Session = Session.objects.create(
        key_hash=hash_key(new_key()),
        user=user,
        organization_id=user.organization_id,
        backend="accounts.backends.PasswordBackend",
        auth_hash=user.get_session_auth_hash(),
        address=origin.address,
        agent=origin.agent,
        created_at=at,
        last_active_at=active_at or at,
        authenticated_at=at,
    )
    return session


class Visit:
    """One time that someone was logged in as someone, from the sign-in before to the end of both sessions."""

    def __init__(
        self,
        history: History,
        actor: "User",
        target: "User",
        *,
        at: datetime,
        details: StartDetails | None = None,
    ) -> None:
        self.history, self.actor, self.target, self.at, self.details = history, actor, target, at, details
        self._started: Started | None = None
        history.add(at - timedelta(minutes=2), self._sign_in)
        history.add(at, self._start)

    def ended_after(self, minutes: int, cause: EndCause = EndCause.LOGGED_OUT) -> None:
        """Let it end with ``cause``, and the actor's own session with it."""
        self.history.add(self.at + timedelta(minutes=minutes), partial(self._end, cause))

    def ended_by_target_after(self, minutes: int) -> None:
        """Let the target end it; the actor's own session goes on for a while."""
        self.history.add(self.at + timedelta(minutes=minutes), self._end_as_target)
        self.history.add(self.at + timedelta(minutes=minutes + 30), self._sign_out)

    def overtaken_after(self, minutes: int) -> None:
        """Let something else end it meanwhile; here is when the actor signs out."""
        self.history.add(self.at + timedelta(minutes=minutes), self._sign_out)

    def inside_after(self, minutes: int, action: AuditAction, about: "User", *, view: str) -> None:
        """Let something be done inside, by the target's account and the actor's hands, with its request."""
        self.history.add(self.at + timedelta(minutes=minutes), partial(self._do_inside, action, about, view))

    def refused_after(self, minutes: int, refusal: PermissionDenied, *, view: str) -> None:
        """Let something be refused inside."""
        self.history.add(self.at + timedelta(minutes=minutes), partial(self._be_refused, refusal, view))

    def opened_after(self, minutes: int, view: str) -> None:
        """Let a page be opened inside, where that is recorded."""
        self.history.add(self.at + timedelta(minutes=minutes), partial(self._open, view))

    def stepped_up_after(self, minutes: int, reason: str) -> None:
        """Let a read-only visit step up to full access."""
        self.history.add(self.at + timedelta(minutes=minutes), partial(self._step_up, reason))

    @property
    def started(self) -> Started:
        """What the start made. Acts are done in the order of their times, so that it is there."""
        if self._started is None:
            raise LookupError(f"{self.actor} has not logged in as {self.target} yet.")
        return self._started

    def _sign_in(self, *, at: datetime) -> None:
        origin = origin_of(self.actor)
        self.session = open_session(self.actor, origin=origin, at=at)

    def _start(self, *, at: datetime) -> None:
        self._started = start_impersonation(
            actor=self.actor,
            session=self.session,
            target_id=self.target.pk,
            origin=origin_of(self.actor, self.session),
            details=self.details,
            at=at,
        )

    def _end(self, cause: EndCause, *, at: datetime) -> None:
        visit = self.started.impersonation
        fell_at = visit.ends_at if cause == EndCause.TIME_LIMIT else at
        by = None if cause == EndCause.TIME_LIMIT else self.actor
        origin = origin_of(self.actor, self.session)
        end_session(self.session, cause=cause, origin=origin, by=by, at=fell_at, noticed_at=at)

    def _end_as_target(self, *, at: datetime) -> None:
        worn = Q(pk=self.started.session.pk)
        end_sessions(
            worn,
            cause=lambda _: EndCause.ENDED_BY_TARGET,
            origin=origin_of(self.target),
            by=self.target,
            at=at,
            noticed_at=at,
        )

    def _sign_out(self, *, at: datetime) -> None:
        end_session(self.session, origin=origin_of(self.actor, self.session), at=at, noticed_at=at)

    def _do_inside(self, action: AuditAction, about: "User", view: str, *, at: datetime) -> None:
        activity = begin_activity(self.started.impersonation, method="POST", view=view, about=f"user {about.pk}", at=at)
        record(action, origin=self._inside, organization=self.target.organization_id, about=about, at=at)
        finish_activity(activity, status=REDIRECTED)

    def _be_refused(self, refusal: PermissionDenied, view: str, *, at: datetime) -> None:
        visit = self.started.impersonation
        record_refused(visit, method="POST", view=view, about="", status=FORBIDDEN, detail=str(refusal), at=at)

    def _open(self, view: str, *, at: datetime) -> None:
        record_opened(self.started.impersonation, view=view, about="", at=at)

    def _step_up(self, reason: str, *, at: datetime) -> None:
        (identity,) = live_sessions([self.started.session.pk])
        activity = begin_activity(self.started.impersonation, method="POST", view="visit_step_up", about="", at=at)
        step_up(identity, reason=reason, origin=self._inside, at=at)
        finish_activity(activity, status=REDIRECTED)

    @property
    def _inside(self) -> Origin:
        """Where something is done from inside: both people, and the session that is worn."""
        worn, hands = self.started.session, origin_of(self.actor)
        return Origin(
            user=self.target,
            actor=self.actor,
            address=hands.address,
            agent=hands.agent,
            session_public_id=worn.public_id,
            impersonation_id=worn.pk,
            request_id=hands.request_id,
        )


# --- Acme, Hooli and Soylent -------------------------------------------------------------------------------------


def save_policy(by: "User", *, at: datetime, **changes: Unpack[PolicyChanges]) -> None:
    """Save the Login Access Policies page, as it is at that time."""
    organization = by.organization
    policy = type(organization.login_access_policy).objects.get(pk=organization.pk)
    save_login_access_policy(organization, version=policy.version, origin=origin_of(by), at=at, **changes)


def grant(user: "User", key: str, duration: GrantDuration, *, at: datetime) -> None:
    """Let ``user`` grant access to the grantee ``key`` (accounts/services/grants.py)."""
    save_grants(user, {key: duration}, origin=origin_of(user), at=at)


def add_acme(history: History, people: dict[str, "User"], left: Sequence["User"]) -> None:
    """Let Acme try any-user login for some weeks, and switch it off again in the middle of a visit."""
    ada, alan, grace = people["ada"], people["alan"], people["grace"]
    linus, joan, hedy = people["linus"], people["joan"], people["hedy"]
    history.add(history.moment(24, 10, 4), partial(save_policy, ada, any_user_login=True))
    first = Visit(history, ada, grace, at=history.moment(22, 9, 31))
    first.refused_after(5, RefusedInside(str(grace)), view="login_access")
    first.ended_after(14)
    Visit(history, alan, linus, at=history.moment(19, 13, 5)).ended_after(64, EndCause.TIME_LIMIT)
    for number, user in enumerate(left):
        history.add(history.moment(16, 15, 10 + number), partial(deactivate_user, user, origin=origin_of(hedy)))
    inside = Visit(history, ada, hedy, at=history.moment(13, 11, 20))
    inside.inside_after(4, AuditAction.PASSWORD_RESET_SENT, linus, view="user_reset_password")
    inside.refused_after(6, RefusedInside(str(hedy)), view="account_change_password")
    inside.ended_after(9)
    katherine, dennis = people["katherine"], people["dennis"]
    history.add(history.moment(12, 16, 42), partial(deactivate_user, katherine, origin=origin_of(ada)))
    history.add(history.moment(11, 9, 3), partial(_be_refused, ada, katherine, Refusal.INACTIVE))
    Visit(history, alan, joan, at=history.moment(9, 14, 50)).ended_after(22, EndCause.PARENT_SESSION_ENDED)
    history.add(history.moment(7, 8, 55), partial(freeze_user, dennis, origin=origin_of(alan)))
    Visit(history, ada, joan, at=history.moment(5, 10, 12)).ended_by_target_after(6)
    Visit(history, ada, grace, at=history.moment(3, 16, 2)).overtaken_after(35)
    history.add(history.moment(3, 16, 20), partial(save_policy, alan, any_user_login=False))
    history.add(history.moment(2, 9, 47), partial(_be_refused, ada, grace, Refusal.OFF))
    history.add(history.moment(1, 9, 26), partial(_download, people["audrey"], "the Login History"))


def _download(by: "User", what: str, *, at: datetime) -> None:
    record_export(what, ExportFormat.CSV, organization=by.organization, origin=origin_of(by), at=at)


def add_delegation(history: History, people: dict[str, "User"]) -> None:
    """Let Barbara administer Sales: a group with login access, and one visit."""
    ada, barbara, grace = people["ada"], people["barbara"], people["grace"]
    history.add(history.moment(23, 9, 15), partial(_delegate, ada, barbara))
    Visit(history, barbara, grace, at=history.moment(15, 10, 37)).ended_after(18)


def _delegate(by: "User", delegate: "User", *, at: datetime) -> None:
    organization = by.organization
    details = GroupDetails(
        name="Sales administrators",
        delegates=frozenset({delegate}),
        roles=frozenset(organization.roles.filter(name="Sales")),
        profiles=frozenset(organization.profiles.filter(standard=StandardProfile.STANDARD_USER)),
        login_access=True,
    )
    create_delegated_group(organization, details, origin=origin_of(by), at=at)


def add_grants(history: History, people: dict[str, "User"], agent: "User | None") -> None:
    """Let Linus and Joan grant access, one to the administrators and one to the vendor's support, who both come by."""
    ada, linus, joan = people["ada"], people["linus"], people["joan"]
    history.add(history.moment(2, 8, 30), partial(grant, linus, COMPANY, GrantDuration.WEEK))
    Visit(history, ada, linus, at=history.moment(1, 15, 5)).ended_after(9)
    if agent is None:
        return
    support = str(agent.organization_id)
    history.add(history.moment(1, 10, 20), partial(grant, joan, support, GrantDuration.THREE_DAYS))
    Visit(history, agent, joan, at=history.moment(1, 11, 44)).ended_after(12)


def renew_grants(now: datetime) -> None:
    """Grant again what the demo's people had granted and what has run out since. What they took back stays so."""
    lapsed = LoginAccessGrant.objects.filter(is_latest=True, revoked_at=None, expires_at__lte=now)
    for username, key, duration in (
        ("linus@acme.example", COMPANY, GrantDuration.WEEK),
        ("joan@acme.example", "Portal Support", GrantDuration.THREE_DAYS),
    ):
        to = (
            lapsed.filter(support_organization=None)
            if key == COMPANY
            else lapsed.filter(support_organization__name=key)
        )
        row = to.filter(user__username=username).select_related("user__organization").first()
        if row is not None:
            grant(row.user, str(row.support_organization_id or COMPANY), duration, at=now)


def _be_refused(actor: "User", target: "User", refusal: Refusal, *, at: datetime) -> None:
    record(
        AuditAction.IMPERSONATION_REFUSED,
        origin=origin_of(actor),
        organization=actor.organization_id,
        user=actor,
        about=target,
        at=at,
        after={"refusal": refusal.value},
        reason=str(refusal.label),
    )


def add_hooli(history: History, people: dict[str, "User"]) -> None:
    """Let Hooli's administrator help now and then, with one click."""
    hank, hana = people["hank"], people["hana"]
    history.add(history.moment(27, 8, 15), partial(save_policy, hank, any_user_login=True))
    Visit(history, hank, hana, at=history.moment(21, 9, 8)).ended_after(11)
    Visit(history, hank, hana, at=history.moment(10, 15, 33)).ended_after(63, EndCause.TIME_LIMIT)
    Visit(history, hank, hana, at=history.moment(2, 11, 26)).ended_after(7)


def add_soylent(history: History, people: dict[str, "User"]) -> None:
    """Let Soylent's two administrators help their one user."""
    sol, sue, stan = people["sol"], people["sue"], people["stan"]
    asks: PolicyChanges = {
        "any_user_login": True,
        "reason_required": True,
        "ticket_pattern": r"SOY-\d{3,6}",
        "ticket_url": "https://tickets.soylent.example/browse/{ticket}",
        "protect_administrators": True,
    }
    history.add(history.moment(27, 9, 40), partial(save_policy, sol, **asks))
    cannot_save = StartDetails("Stan cannot save an order; see what he sees.", "SOY-1042")
    Visit(history, sol, stan, at=history.moment(18, 10, 2), details=cannot_save).ended_after(16)
    report_is_empty = StartDetails("His weekly report stays empty.", "SOY-1187")
    more: PolicyChanges = {"access_mode": AccessMode.READ_ONLY_FIRST, "record_pages_opened": True}
    history.add(history.moment(8, 10, 30), partial(save_policy, sue, **more))
    read_only = Visit(history, sue, stan, at=history.moment(6, 14, 21), details=report_is_empty)
    for minutes, view in ((0, "home"), (1, "settings"), (5, "settings_sessions")):
        read_only.opened_after(minutes, view)
    read_only.refused_after(2, RefusedReadOnly(""), view="settings_sessions_end_others")
    read_only.stepped_up_after(4, "His second session holds the report; it has to be ended.")
    read_only.refused_after(6, RefusedInside(str(stan)), view="settings_sessions_end_others")
    read_only.ended_by_target_after(9)
    history.add(history.moment(2, 10, 30), partial(save_policy, sue, mail_at_start=True))
