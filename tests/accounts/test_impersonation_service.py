"""Logging in as another user, and out again: each one transaction, or nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NoReturn

import pytest
from django.conf import settings
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.enums import Access, Basis, EndCause, LoginStatus, LoginType, Refusal, SessionType
from accounts.identity import Fault, Identity
from accounts.keys import hash_key, new_key
from accounts.middleware import touch
from accounts.models import Impersonation, Login, Session, User
from accounts.services.impersonation import (
    ImpersonationRefused,
    Started,
    TargetNotFound,
    end_lost_visit,
    hand_back,
    leave_impersonation,
    may_return,
    rejoin_impersonation,
    start_impersonation,
)
from accounts.services.sessions import end_session
from accounts.services.start_policy import StartDetails
from accounts.services.visits import VisitsOf, end_lost_visits
from accounts.session_store import SessionStore
from accounts.testing import PortalClient
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import AuditEvent, LoginAccessPolicy, Organization, SessionSettings
from tests.guards import unguarded
from tests.queries import captured_queries

pytestmark = pytest.mark.urls("tests.probe")

SESSION, RETURN = "portal_session", "portal_return"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SECOND = timedelta(seconds=1)
EVERY_MODEL: tuple[Any, ...] = (Session, Impersonation, AuditEvent, Login, User)

ClientOf = Callable[[User], PortalClient]
Browser = Callable[[], PortalClient]
Start = Callable[..., Started]


@pytest.fixture
def own(any_user_login: Organization, ada: User, client_of: ClientOf) -> Session:
    """Ada's own session, in an organization with any-user login."""
    client_of(ada)
    session: Session = Session.objects.get()
    return session


@pytest.fixture
def start(own: Session, ada: User) -> Start:
    """Start as Ada, from 192.0.2.7: ``start(grace, at=…)``."""

    def begin(target: User | int, **rest: Any) -> Started:
        origin = Origin(
            user=ada,
            actor=ada,
            address="192.0.2.7",
            agent="Netscape",
            session_public_id=own.public_id,
            request_id="request-1",
        )
        target_id = target if isinstance(target, int) else target.pk
        return start_impersonation(
            actor=rest.pop("actor", ada), session=rest.pop("session", own), target_id=target_id, origin=origin, **rest
        )

    return begin


def identity_of(key: str) -> Identity:
    identity = SessionStore(key).identify()
    assert identity is not None
    return identity


def everything() -> dict[str, list[dict[str, Any]]]:
    """Return every row that a start or a leave may write."""
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in EVERY_MODEL}


# --- start -----------------------------------------------------------------------------------------------------------


def test_start_makes_a_second_session_and_takes_the_key_of_the_first(start: Start, own: Session, grace: User) -> None:
    key_hash = own.key_hash
    at = timezone.now()

    started = start(grace, at=at)

    first, worn = Session.objects.order_by("id")
    assert worn == started.session
    assert (worn.user, worn.parent, worn.type, worn.data) == (grace, own, SessionType.SUBSTITUTE_USER, "")
    assert (worn.key_hash, worn.auth_hash) == (hash_key(started.key), grace.get_session_auth_hash())
    assert (worn.address, worn.agent) == ("192.0.2.7", "Netscape")
    assert (worn.created_at, worn.last_active_at, worn.ended_at) == (at, None, None)
    assert worn.authenticated_at == first.authenticated_at == own.authenticated_at
    assert (first.key_hash, first.previous_key_hash) == (None, key_hash)
    assert (first.return_hash, first.ended_at) == (hash_key(started.return_token), None)


def test_start_writes_the_visit(start: Start, own: Session, acme: Organization, ada: User, grace: User) -> None:
    LoginAccessPolicy.objects.update(ticket_pattern="T-[0-9]+")
    at = timezone.now()

    started = start(grace, at=at, details=StartDetails(reason="Ticket 7", ticket="T-7"), back="/setup/users/?q=gr")

    visit = Impersonation.objects.get()
    assert visit == started.impersonation
    assert visit.pk == started.session.pk
    assert (visit.actor, visit.target, visit.organization, visit.actor_session) == (ada, grace, acme, own)
    assert (visit.actor_name, visit.target_name, visit.basis) == ("Ada Lovelace", "Grace Hopper", Basis.ANY_USER)
    assert (visit.reason, visit.ticket, visit.back) == ("Ticket 7", "T-7", "/setup/users/?q=gr")
    assert (visit.grant, visit.group, visit.group_name, visit.is_limited) == (None, None, "", False)
    assert (visit.access, visit.stepped_up_at, visit.mail) == (Access.FULL, None, "")
    assert (visit.address, visit.agent) == ("192.0.2.7", "Netscape")
    assert (visit.started_at, visit.ends_at, visit.ended_at, visit.end_cause) == (at, at + HOUR, None, "")


def test_start_writes_the_trail(start: Start, own: Session, ada: User, grace: User) -> None:
    LoginAccessPolicy.objects.update(ticket_pattern="T-[0-9]+")
    at = timezone.now()

    started = start(grace, at=at, details=StartDetails(reason="Ticket 7", ticket="T-7"))

    event = AuditEvent.objects.get()
    assert (event.sentence, event.section) == ("Logged in using Login-As access for Grace Hopper", "Manage Users")
    assert (event.user_id, event.user_name) == (ada.pk, "Ada Lovelace")
    assert (event.delegate_user_id, event.delegate_user_name) == (None, "")
    assert (event.about_id, event.about_name) == (grace.pk, "Grace Hopper")
    assert (event.created_at, event.impersonation_id) == (at, started.impersonation.pk)
    assert (event.address, event.agent, event.request_id) == ("192.0.2.7", "Netscape", "request-1")
    assert event.session_public_id == own.public_id
    # Reason and ticket are for whoever holds View All Data: in the visit, not in the trail that all of Setup reads.
    assert event.after == {"basis": "any_user", "access": "full", "ends_at": (at + HOUR).isoformat()}


def test_start_writes_one_row_of_the_targets_login_history(start: Start, grace: User) -> None:
    at = timezone.now()

    start(grace, at=at)

    row = Login.objects.get(user=grace)
    assert (row.type, row.status, row.username) == (LoginType.LOGIN_AS, LoginStatus.SUCCESS, "grace@acme.example")
    assert (row.created_at, row.address, row.agent) == (at, "192.0.2.7", "Netscape")
    assert row.delegate_user_name == "Ada Lovelace"


def test_start_leaves_the_targets_account_alone_and_sends_no_mail(start: Start, grace: User) -> None:
    User.objects.filter(pk=grace.pk).update(last_login=timezone.now() - 9 * HOUR, failed_logins=3)
    before = User.objects.filter(pk=grace.pk).values().get()

    start(grace)

    assert User.objects.filter(pk=grace.pk).values().get() == before
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("limit_minutes", "signed_in_ago", "absolute_hours", "expected"),
    [
        (60, timedelta(), 12, HOUR),
        (5, timedelta(), 12, 5 * MINUTE),
        (480, timedelta(), 12, 8 * HOUR),
        (480, 5 * HOUR, 12, 7 * HOUR),
        (60, 2 * HOUR - MINUTE, 2, MINUTE),
    ],
)
def test_visit_ends_at_the_earliest_of_its_limits(
    start: Start,
    own: Session,
    grace: User,
    limit_minutes: int,
    signed_in_ago: timedelta,
    absolute_hours: int,
    expected: timedelta,
) -> None:
    at = timezone.now()
    LoginAccessPolicy.objects.update(time_limit_minutes=limit_minutes)
    SessionSettings.objects.update(absolute_hours=absolute_hours)
    own.created_at = at - signed_in_ago

    started = start(grace, at=at)

    assert started.impersonation.ends_at == at + expected


def test_start_and_leave_cost_their_literal_queries(
    any_user_login: Organization, ada: User, grace: User, client_of: ClientOf
) -> None:
    client = client_of(ada)

    with captured_queries() as who_is_it:
        client.get("/probe/")
    with captured_queries() as start_it:
        client.post(f"/setup/users/{grace.pk}/login-as/")
    client.get("/probe/")
    with captured_queries() as who_is_it_inside:
        client.get("/probe/")
    with captured_queries() as leave_it:
        client.post("/logout/")

    assert [len(one) for one in (who_is_it, start_it, who_is_it_inside, leave_it)] == [1, 7, 1, 5]


def test_leave_into_ones_own_session_costs_the_same(
    any_user_login: Organization, ada: User, grace: User, client_of: ClientOf
) -> None:
    SessionSettings.objects.update(force_relogin=False)
    client = client_of(ada)
    client.login_as(grace)
    client.get("/probe/")

    with captured_queries() as queries:
        client.post("/logout/")

    assert len(queries) == 5


# --- refused ---------------------------------------------------------------------------------------------------------


def refuse_by(**changes: Any) -> Callable[[User, User], None]:
    """Return what changes one fact, named ``model__column``."""

    def change(actor: User, target: User) -> None:
        rows = {
            "actor": User.objects.filter(pk=actor.pk),
            "target": User.objects.filter(pk=target.pk),
            "policy": LoginAccessPolicy.objects.all(),
            "organization": Organization.objects.all(),
        }
        for name, value in changes.items():
            model, column = name.split("__")
            rows[model].update(**{column: value})

    return change


REFUSALS: dict[Refusal, Callable[[User, User], None]] = {
    Refusal.INACTIVE: refuse_by(target__is_active=False),
    Refusal.EDITION: refuse_by(organization__edition=Edition.GROUP),
    Refusal.NOT_PROVISIONED: refuse_by(organization__provisioned=False),
    Refusal.OFF: refuse_by(policy__any_user_login=False),
}


@pytest.mark.parametrize(("refusal", "change"), REFUSALS.items(), ids=REFUSALS)
def test_refusal_leaves_everything_as_it_was_and_is_recorded(
    start: Start, own: Session, ada: User, grace: User, refusal: Refusal, change: Callable[[User, User], None]
) -> None:
    change(ada, grace)
    before = everything()

    with pytest.raises(ImpersonationRefused) as caught:
        start(grace)

    (event,) = AuditEvent.objects.all()
    assert (caught.value.refusal, caught.value.target, str(caught.value)) == (refusal, grace, refusal.label)
    assert everything() | {"AuditEvent": []} == before
    assert event.sentence == f"Was refused Login-As access for Grace Hopper: {refusal.label}"
    assert (event.user_name, event.delegate_user_name, event.about_id) == ("Ada Lovelace", "", grace.pk)
    assert (event.after, event.impersonation_id) == ({"refusal": refusal.value}, None)
    assert (event.session_public_id, event.address) == (own.public_id, "192.0.2.7")


def test_refusal_is_recorded_for_oneself_too(start: Start, ada: User) -> None:
    with pytest.raises(ImpersonationRefused) as caught:
        start(ada)

    assert caught.value.refusal == Refusal.SELF
    assert AuditEvent.objects.get().after == {"refusal": "self"}


@pytest.mark.parametrize("which", ["unknown", "of another organization"])
def test_target_that_is_not_there_is_not_found(start: Start, stranger: User, which: str) -> None:
    before = everything()

    with pytest.raises(TargetNotFound):
        start(stranger if which == "of another organization" else 10**18 - 1)

    assert everything() == before


def test_no_nesting_ever(start: Start, own: Session, grace: User, alan: User) -> None:
    started = start(grace)
    worn = Session.objects.get(pk=started.session.pk)

    with pytest.raises(ImpersonationRefused) as caught:
        start(alan, session=worn)

    assert caught.value.refusal == Refusal.NESTED
    assert Impersonation.objects.open().get().target == grace
    assert AuditEvent.objects.latest("id").after == {"refusal": "nested"}


def test_second_of_two_targets_is_refused(start: Start, own: Session, grace: User, alan: User) -> None:
    start(grace)

    with pytest.raises(ImpersonationRefused) as caught:
        start(alan)

    assert caught.value.refusal == Refusal.NESTED
    assert [(visit.target, visit.ended_at) for visit in Impersonation.objects.all()] == [(grace, None)]


def test_start_under_a_key_that_was_changed_meanwhile_is_refused(start: Start, own: Session, grace: User) -> None:
    Session.objects.filter(pk=own.pk).update(key_hash="0" * 64)

    with pytest.raises(ImpersonationRefused):
        start(grace)

    assert Impersonation.objects.count() == 0
    assert Session.objects.get().key_hash == "0" * 64


def test_second_of_two_is_refused_by_the_database_too(start: Start, own: Session, grace: User, alan: User) -> None:
    start(grace)
    Session.objects.filter(pk=own.pk).update(key_hash=own.key_hash)

    with pytest.raises(ImpersonationRefused) as caught:
        start(alan)

    assert caught.value.refusal == Refusal.NESTED
    assert AuditEvent.objects.latest("id").about_name == "Alan Turing"
    assert [(visit.target, visit.ended_at) for visit in Impersonation.objects.all()] == [(grace, None)]


def test_database_holds_one_open_visit_for_each_session_of_an_actor(start: Start, own: Session, grace: User) -> None:
    visit = start(grace).impersonation
    another = Session.objects.create(
        user=grace,
        organization=grace.organization,
        parent=own,
        type=SessionType.SUBSTITUTE_USER,
        key_hash="0" * 64,
        created_at=timezone.now(),
    )
    visit.session = another

    with pytest.raises(IntegrityError), transaction.atomic():
        visit.save(force_insert=True)


@pytest.mark.parametrize(
    "fields", [{"ended_at": timezone.now()}, {"end_cause": "idle"}, {"target": "actor"}], ids=["end", "cause", "self"]
)
def test_database_refuses_a_visit_that_makes_no_sense(start: Start, grace: User, fields: dict[str, Any]) -> None:
    visit = start(grace).impersonation
    values = {name: visit.actor_id if value == "actor" else value for name, value in fields.items()}

    with pytest.raises(IntegrityError), transaction.atomic():
        Impersonation.objects.update(**values)


@pytest.mark.parametrize(
    "fields", [{"type": SessionType.UI}, {"parent": None}, {"user": None}], ids=["type", "parent", "user"]
)
def test_database_refuses_a_worn_session_that_makes_no_sense(start: Start, grace: User, fields: dict[str, Any]) -> None:
    worn = start(grace).session

    with pytest.raises(IntegrityError), transaction.atomic():
        Session.objects.filter(pk=worn.pk).update(**fields)


# --- all or nothing --------------------------------------------------------------------------------------------------


def out_of_order(*args: object, **kwargs: object) -> NoReturn:
    raise IntegrityError("the disk is full")


@pytest.mark.parametrize("model", [AuditEvent, Login, Impersonation, Session])
def test_start_is_nothing_where_a_row_can_not_be_written(
    start: Start, grace: User, monkeypatch: pytest.MonkeyPatch, model: type[Any]
) -> None:
    before = everything()
    with monkeypatch.context() as fault:
        fault.setattr(model, "save", out_of_order)
        with pytest.raises(IntegrityError, match="the disk is full"):
            start(grace)

    assert everything() == before
    assert start(grace).impersonation.target == grace


def test_actor_goes_on_where_the_audit_row_can_not_be_written(
    any_user_login: Organization, ada: User, grace: User, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(ada)
    client.raise_request_exception = False
    with monkeypatch.context() as fault:
        fault.setattr(AuditEvent, "save", out_of_order)

        response = client.post(f"/setup/users/{grace.pk}/login-as/")

    assert (response.status_code, response.cookies.get(SESSION), response.cookies.get(RETURN)) == (500, None, None)
    assert client.get("/probe/").json()["user"] == "Ada Lovelace"


@pytest.mark.parametrize("is_forced", [False, True])
def test_leave_is_nothing_where_the_audit_row_can_not_be_written(
    start: Start, grace: User, monkeypatch: pytest.MonkeyPatch, is_forced: bool
) -> None:
    SessionSettings.objects.update(force_relogin=is_forced)
    started = start(grace)
    identity, token = identity_of(started.key), started.return_token
    before = everything()

    with monkeypatch.context() as fault:
        fault.setattr(type(AuditEvent.objects), "bulk_create", out_of_order)
        with pytest.raises(IntegrityError, match="the disk is full"):
            leave_impersonation(identity, return_token=token, origin=Origin())

    assert everything() == before
    assert leave_impersonation(identity_of(started.key), return_token=token, origin=Origin()) is not None


# --- the second half of a double click -------------------------------------------------------------------------------


@pytest.fixture
def old_key(own: Session) -> str:
    """Give Ada's session a key that is known, and return it."""
    own.key_hash = hash_key(key := new_key())
    own.save()
    return key


def test_second_click_lands_in_the_same_visit_under_a_key_of_its_own(start: Start, grace: User, old_key: str) -> None:
    first = start(grace)

    second = rejoin_impersonation(key=old_key, target_id=grace.pk)

    assert second is not None
    assert (second.impersonation, second.session) == (first.impersonation, first.session)
    assert SessionStore(first.key).identify() is None
    assert identity_of(second.key).impersonation == first.impersonation
    assert Session.objects.get(parent=None).return_hash == hash_key(second.return_token)
    assert Impersonation.objects.count() == AuditEvent.objects.count() == 1


def test_second_click_that_waited_for_the_first_lands_in_the_same_visit(start: Start, grace: User) -> None:
    first = start(grace)

    second = start(grace)

    assert (second.impersonation, second.key == first.key) == (first.impersonation, False)
    assert [event.action for event in AuditEvent.objects.all()] == ["impersonation.started"]


def test_key_in_use_stands_when_the_other_click_comes_while_it_is_first_used(
    start: Start, grace: User, old_key: str
) -> None:
    first = start(grace)
    identity = identity_of(first.key)
    second = rejoin_impersonation(key=old_key, target_id=grace.pk)

    touch(identity, at=timezone.now())

    assert second is not None
    assert SessionStore(second.key).identify() is None
    assert may_return(identity_of(first.key).parent, first.return_token)


def test_first_use_that_comes_after_the_leave_changes_nothing(start: Start, grace: User) -> None:
    started = start(grace)
    identity = identity_of(started.key)
    leave_impersonation(identity_of(started.key), return_token=started.return_token, origin=Origin())
    before = everything()

    touch(identity, at=timezone.now() + MINUTE)

    assert everything() == before


NOT_A_SECOND_CLICK: dict[str, Callable[[Started], Any]] = {
    "used": lambda one: Session.objects.filter(pk=one.session.pk).update(last_active_at=timezone.now()),
    "left": lambda one: leave_impersonation(identity_of(one.key), return_token=one.return_token, origin=Origin()),
    "ended": lambda one: end_session(one.session, origin=Origin()),
    "rotated again": lambda one: Session.objects.filter(parent=None).update(previous_key_hash=None),
}


@pytest.mark.parametrize("happen", NOT_A_SECOND_CLICK.values(), ids=NOT_A_SECOND_CLICK)
def test_old_key_opens_nothing_else(start: Start, grace: User, old_key: str, happen: Callable[[Started], Any]) -> None:
    happen(start(grace))
    before = everything()

    assert rejoin_impersonation(key=old_key, target_id=grace.pk) is None
    assert everything() == before


@pytest.mark.parametrize(("later", "lands"), [(29 * SECOND, True), (30 * SECOND, False)])
def test_second_click_comes_within_half_a_minute(
    start: Start, grace: User, old_key: str, later: timedelta, lands: bool
) -> None:
    at = timezone.now()
    start(grace, at=at)

    assert bool(rejoin_impersonation(key=old_key, target_id=grace.pk, at=at + later)) is lands


def test_second_click_for_someone_else_is_none(start: Start, grace: User, alan: User, old_key: str) -> None:
    start(grace)

    assert rejoin_impersonation(key=old_key, target_id=alan.pk) is None
    assert rejoin_impersonation(key=new_key(), target_id=grace.pk) is None


# --- leave -----------------------------------------------------------------------------------------------------------


def test_leave_ends_both_sessions_where_relogin_is_forced(start: Start, own: Session, ada: User, grace: User) -> None:
    started = start(grace)
    at = timezone.now()

    left = leave_impersonation(
        identity_of(started.key), return_token=started.return_token, origin=Origin(address="192.0.2.8"), at=at
    )

    assert left is not None
    assert (left.impersonation, left.key) == (started.impersonation, None)
    assert set(Session.objects.values_list("ended_at", "data", "previous_key_hash")) == {(at, "", None)}
    visit = Impersonation.objects.get()
    assert (visit.ended_at, visit.noticed_at, visit.end_cause) == (at, at, EndCause.LOGGED_OUT)
    assert (visit.ended_by, visit.handed_back_at) == (ada, None)


def test_leave_ends_the_worn_session_alone_where_it_is_not(start: Start, own: Session, ada: User, grace: User) -> None:
    SessionSettings.objects.update(force_relogin=False)
    Session.objects.update(data="of Ada")
    started = start(grace)
    Session.objects.filter(pk=started.session.pk).update(data="of Grace")
    at = timezone.now()

    left = leave_impersonation(identity_of(started.key), return_token=started.return_token, origin=Origin(), at=at)

    assert left is not None
    assert left.key is not None
    first, worn = Session.objects.order_by("id")
    assert (worn.ended_at, worn.data, worn.key_hash) == (at, "", hash_key(started.key))
    assert (first.ended_at, first.data, first.key_hash) == (None, "of Ada", hash_key(left.key))
    assert (first.previous_key_hash, first.return_hash, first.last_active_at) == (None, "", at)
    assert first.key_hash != own.key_hash


def test_leave_with_the_worn_key_alone_ends_both_sessions(start: Start, own: Session, grace: User) -> None:
    SessionSettings.objects.update(force_relogin=False)
    started = start(grace)
    at = timezone.now()

    left = leave_impersonation(identity_of(started.key), return_token="stolen", origin=Origin(), at=at)

    assert left is not None
    assert left.key is None
    assert set(Session.objects.values_list("ended_at", flat=True)) == {at}


@pytest.mark.parametrize("is_forced", [False, True])
def test_leave_writes_the_trail(start: Start, ada: User, grace: User, is_forced: bool) -> None:
    SessionSettings.objects.update(force_relogin=is_forced)
    started = start(grace)
    at = timezone.now()

    leave_impersonation(
        identity_of(started.key),
        return_token=started.return_token,
        origin=Origin(user=grace, actor=ada, address="192.0.2.8"),
        at=at,
    )

    event = AuditEvent.objects.latest("id")
    assert event.sentence == "Logged out using Login-As access for Grace Hopper"
    assert (event.user_name, event.delegate_user_name, event.about_name) == ("Ada Lovelace", "", "Grace Hopper")
    assert (event.created_at, event.address, event.impersonation_id) == (at, "192.0.2.8", started.impersonation.pk)
    assert event.after == {"cause": "logged_out", "ended_at": at.isoformat(), "ended_by": "Ada Lovelace"}


@pytest.mark.parametrize("is_forced", [False, True])
def test_second_leave_is_none_and_changes_nothing(start: Start, grace: User, is_forced: bool) -> None:
    SessionSettings.objects.update(force_relogin=is_forced)
    started = start(grace)
    # Both requests were let in before either left.
    first, second = identity_of(started.key), identity_of(started.key)
    leave_impersonation(first, return_token=started.return_token, origin=Origin())
    before = everything()

    assert leave_impersonation(second, return_token=started.return_token, origin=Origin()) is None
    assert everything() == before


def test_leave_after_the_end_is_none(start: Start, grace: User) -> None:
    started = start(grace)
    identity = identity_of(started.key)
    end_session(started.session, cause=EndCause.ENDED_BY_TARGET, origin=Origin())

    assert leave_impersonation(identity, return_token=started.return_token, origin=Origin()) is None
    assert Impersonation.objects.get().end_cause == EndCause.ENDED_BY_TARGET


def test_leave_of_a_session_in_which_nobody_is_worn_is_none(own: Session, old_key: str) -> None:
    assert leave_impersonation(identity_of(old_key), return_token="", origin=Origin()) is None


# --- an end that nobody at the keyboard asked for --------------------------------------------------------------------


@pytest.mark.parametrize("ends_parent", [False, True])
def test_lost_visit_ends_at_the_moment_its_right_was_lost(start: Start, grace: User, ends_parent: bool) -> None:
    started = start(grace, at=timezone.now() - HOUR)
    fell = timezone.now() - MINUTE
    identity = identity_of(started.key)

    end_lost_visit(identity, Fault(EndCause.TIME_LIMIT, fell, ends_parent=ends_parent), origin=Origin())

    assert identity.impersonation is not None
    assert (identity.impersonation.ended_at, identity.impersonation.end_cause) == (fell, EndCause.TIME_LIMIT)
    assert list(Session.objects.order_by("id").values_list("ended_at", flat=True)) == [
        fell if ends_parent else None,
        fell,
    ]
    assert Impersonation.objects.get().noticed_at > fell  # type: ignore[operator]


def test_lost_visit_that_someone_else_ended_first_keeps_its_cause(start: Start, grace: User) -> None:
    started = start(grace)
    identity = identity_of(started.key)
    end_session(started.session, cause=EndCause.ENDED_BY_TARGET, origin=Origin())

    end_lost_visit(identity, Fault(EndCause.POLICY_CHANGED, timezone.now()), origin=Origin())

    assert identity.impersonation is not None
    assert identity.impersonation.end_cause == Impersonation.objects.get().end_cause == EndCause.ENDED_BY_TARGET
    assert AuditEvent.objects.filter(action="impersonation.ended").count() == 1


def test_lost_visit_without_its_row_is_left_alone(start: Start, grace: User) -> None:
    started = start(grace)
    with unguarded():
        Impersonation.objects.all().delete()

    end_lost_visit(identity_of(started.key), Fault(EndCause.PARENT_SESSION_ENDED, timezone.now()), origin=Origin())

    assert SessionStore(started.key).get("anything") is None


def test_all_visits_of_an_organization_end_with_what_they_rest_on(
    start: Start, acme: Organization, ada: User, alan: User, grace: User, browser: Browser
) -> None:
    start(grace)
    browser().login_as(grace, actor=alan)
    LoginAccessPolicy.objects.update(any_user_login=False)
    at = timezone.now()

    with captured_queries() as queries:
        ended = end_lost_visits(VisitsOf.organization(acme), origin=Origin(user=alan, actor=alan), at=at)

    assert ended == 2
    assert set(Impersonation.objects.values_list("ended_at", "end_cause", "ended_by")) == {
        (at, "policy_changed", alan.pk)
    }
    assert Session.objects.filter(ended_at=None, parent=None).count() == 2
    assert AuditEvent.objects.filter(action="impersonation.ended").count() == 2
    # The rule is asked of all in one; locks, ends and the trail are as many for two as for a hundred.
    assert len(queries) == 7


def test_visits_of_another_organization_go_on(start: Start, grace: User, stranger: User) -> None:
    start(grace)
    LoginAccessPolicy.objects.update(any_user_login=False)

    ended = end_lost_visits(VisitsOf.organization(stranger.organization), origin=Origin(), at=timezone.now())

    assert (ended, Impersonation.objects.open().count()) == (0, 1)


# --- back to one's own session ---------------------------------------------------------------------------------------


@pytest.fixture
def ended(start: Start, grace: User) -> Started:
    """A visit that the target ended."""
    started = start(grace)
    end_session(started.session, cause=EndCause.ENDED_BY_TARGET, origin=Origin())
    return started


def test_worn_key_and_return_token_are_exchanged_for_a_new_key(ended: Started, own: Session, ada: User) -> None:
    at = timezone.now()

    key = hand_back(identity_of(ended.key), ended.return_token, at=at)

    assert key is not None
    identity = identity_of(key)
    assert (identity.session, identity.user, identity.actor) == (own, ada, ada)
    assert (identity.session.return_hash, identity.session.last_active_at) == ("", at)
    assert Impersonation.objects.get().handed_back_at == at


def test_exchange_happens_once(ended: Started) -> None:
    # Both requests were answered who they are before either was handed the key.
    first, second = identity_of(ended.key), identity_of(ended.key)
    key = hand_back(first, ended.return_token)
    before = everything()

    assert key is not None
    assert hand_back(second, ended.return_token) is None
    assert hand_back(identity_of(ended.key), ended.return_token) is None
    assert everything() == before


def test_exchange_does_not_happen_again_after_the_next_start(
    ended: Started, own: Session, start: Start, grace: User
) -> None:
    identity = identity_of(ended.key)
    hand_back(identity, ended.return_token)
    own.refresh_from_db()
    start(grace)

    assert hand_back(identity, ended.return_token) is None


@pytest.mark.parametrize("token", ["", "wrong-token"])
def test_exchange_needs_the_return_token(ended: Started, token: str) -> None:
    before = everything()

    assert hand_back(identity_of(ended.key), token) is None
    assert everything() == before


def test_exchange_is_not_for_whoever_left(start: Start, grace: User) -> None:
    started = start(grace)
    leave_impersonation(identity_of(started.key), return_token=started.return_token, origin=Origin())

    assert hand_back(identity_of(started.key), started.return_token) is None


def test_exchange_is_not_for_the_visit_before_with_the_return_token_of_this_one(
    start: Start, own: Session, grace: User
) -> None:
    SessionSettings.objects.update(force_relogin=False)
    first = start(grace)
    leave_impersonation(identity_of(first.key), return_token=first.return_token, origin=Origin())
    own.refresh_from_db()
    second = start(grace)

    assert hand_back(identity_of(first.key), second.return_token) is None


def test_exchange_is_not_for_whoever_read_the_row_before_someone_left(start: Start, grace: User) -> None:
    SessionSettings.objects.update(force_relogin=False)
    started = start(grace)
    late = identity_of(started.key)
    left = leave_impersonation(identity_of(started.key), return_token=started.return_token, origin=Origin())
    before = everything()

    assert hand_back(late, started.return_token) is None
    assert everything() == before
    assert left is not None
    assert SessionStore(left.key).identify() is not None


def test_exchange_is_not_for_a_session_of_ones_own(own: Session, old_key: str) -> None:
    assert hand_back(identity_of(old_key), "") is None


# --- keys, in two browsers -------------------------------------------------------------------------------------------


def holding(key: str) -> PortalClient:
    """Return another browser that holds a session key and nothing else."""
    client = PortalClient()
    client.cookies[SESSION] = key
    return client


def who(client: PortalClient) -> str:
    """Return whom the portal takes a browser for."""
    response = client.get("/probe/open/")
    name: str = response.json()["user"]
    return name


@pytest.fixture
def at_work(any_user_login: Organization, ada: User, client_of: ClientOf) -> PortalClient:
    return client_of(ada)


def key_of(client: PortalClient) -> str:
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


def log_in_as(client: PortalClient, target: User) -> None:
    client.post(f"/setup/users/{target.pk}/login-as/")


@pytest.mark.parametrize("is_forced", [False, True])
def test_no_key_of_before_opens_anything_after(at_work: PortalClient, grace: User, is_forced: bool) -> None:
    SessionSettings.objects.update(force_relogin=is_forced)
    before = key_of(at_work)
    log_in_as(at_work, grace)
    inside = key_of(at_work)
    assert (who(at_work), who(holding(before))) == ("Grace Hopper", "AnonymousUser")
    at_work.log_out_as()

    seen = [who(client) for client in (at_work, holding(before), holding(inside))]

    assert seen == ["AnonymousUser" if is_forced else "Ada Lovelace", "AnonymousUser", "AnonymousUser"]
    assert len({before, inside, key_of(at_work)}) == 3


def test_key_that_was_planted_opens_nothing_after_sign_in_start_and_leave(
    any_user_login: Organization, ada: User, grace: User, browser: Browser
) -> None:
    SessionSettings.objects.update(force_relogin=False)
    attacker, victim = browser(), browser()
    attacker.get("/probe/keep/open/?value=bait")
    planted = key_of(attacker)
    victim.cookies[SESSION] = planted

    victim.post("/login/", {"login": "ada@acme.example", "password": "a long enough password"})
    after_login = who(attacker)
    log_in_as(victim, grace)
    after_start = who(attacker)
    victim.log_out_as()
    after_leave = who(attacker)

    assert (after_login, after_start, after_leave) == ("AnonymousUser",) * 3
    assert who(victim) == "Ada Lovelace"


def test_worn_session_holds_nothing_of_the_first(at_work: PortalClient, grace: User) -> None:
    at_work.get("/probe/keep/?value=of Ada")

    log_in_as(at_work, grace)

    assert at_work.get("/probe/keep/?value=of Grace").content == b""


def test_messages_of_the_actor_wait_for_the_actor(at_work: PortalClient, grace: User) -> None:
    SessionSettings.objects.update(force_relogin=False)
    own = at_work.session
    own["_messages"] = '[["__json_message", 0, 25, "for Ada alone"]]'
    own.save()

    log_in_as(at_work, grace)
    inside = at_work.get("/probe/").json()["messages"]
    at_work.log_out_as()

    assert inside == []
    assert at_work.get("/probe/").json()["messages"] == ["for Ada alone"]


def test_removing_the_actors_own_session_ends_the_visit_at_once(at_work: PortalClient, ada: User, grace: User) -> None:
    log_in_as(at_work, grace)

    end_session(Session.objects.get(user=ada), origin=Origin(), cause=EndCause.ENDED_BY_ADMINISTRATOR, by=ada)

    visit = Impersonation.objects.get()
    assert (visit.end_cause, visit.ended_by, who(at_work)) == (EndCause.ENDED_BY_ADMINISTRATOR, ada, "AnonymousUser")
    assert set(Session.objects.values_list("ended_at", flat=True)) == {visit.ended_at}


def test_signing_out_elsewhere_leaves_this_visit_alone(
    at_work: PortalClient, ada: User, grace: User, client_of: ClientOf
) -> None:
    elsewhere = client_of(ada)
    log_in_as(at_work, grace)

    elsewhere.post("/logout/")

    assert (who(at_work), who(elsewhere)) == ("Grace Hopper", "AnonymousUser")


def test_one_person_in_two_browsers_has_two_visits(
    at_work: PortalClient, ada: User, alan: User, grace: User, client_of: ClientOf
) -> None:
    elsewhere = client_of(ada)

    log_in_as(at_work, grace)
    log_in_as(elsewhere, alan)

    assert (who(at_work), who(elsewhere)) == ("Grace Hopper", "Alan Turing")


def test_refusal_says_what_it_refuses(start: Start, grace: User) -> None:
    LoginAccessPolicy.objects.update(any_user_login=False)
    at: datetime = timezone.now()

    with pytest.raises(ImpersonationRefused) as caught:
        start(grace, at=at)

    assert (caught.value.help_url, caught.value.help_label) == (
        "/setup/login-access-policies/",
        "Login Access Policies",
    )
