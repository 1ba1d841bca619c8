"""What is past its months goes, in batches, and the trail says so; what is kept stays whole."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from accounts.enums import SessionType
from accounts.models import Impersonation, ImpersonationActivity, Login, Session, UnknownUsernames, User
from accounts.services import retention
from accounts.services.retention import (
    Trimmed,
    count_old_history,
    count_old_unknown_usernames,
    trim_history,
    trim_unknown_usernames,
)
from orgs.http import Origin
from orgs.models import AuditEvent, Organization, SessionSettings
from tests.factories import LoginAccessGrantFactory
from tests.queries import captured_queries

from .test_postgres_concurrency import alone

if TYPE_CHECKING:
    from accounts.testing import PortalClient

AT = datetime(2026, 8, 31, 12, 0, tzinfo=UTC)
# Acme keeps twelve months.
EDGE = datetime(2025, 8, 31, 12, 0, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
BY = Origin.automated("trim_history")
Make = Callable[..., User]


def sign_in(user: User, at: datetime, **fields: Any) -> Login:
    row: Login = Login.objects.create(
        user=user, organization_id=user.organization_id, username=user.username, created_at=at, **fields
    )
    return row


def session_of(user: User | None, *, ended_at: datetime | None, parent: Session | None = None) -> Session:
    row: Session = Session.objects.create(
        user=user,
        organization_id=user.organization_id if user else None,
        created_at=EDGE - 300 * DAY,
        ended_at=ended_at,
        parent=parent,
        type=SessionType.SUBSTITUTE_USER if parent else SessionType.UI,
    )
    return row


def visit_of(worn: Session, *, is_open: bool = False) -> Impersonation:
    parent = worn.parent
    assert parent is not None
    assert parent.user is not None
    assert worn.user is not None
    ended = {} if is_open else {"ended_at": worn.ended_at, "end_cause": "logged_out", "noticed_at": worn.ended_at}
    row: Impersonation = Impersonation.objects.create(
        session=worn,
        actor_session=parent,
        organization_id=worn.user.organization_id,
        actor=parent.user,
        target=worn.user,
        actor_name=str(parent.user),
        target_name=str(worn.user),
        basis="any_user",
        started_at=worn.created_at,
        ends_at=worn.created_at + DAY,
        **ended,
    )
    return row


def trim(organization: Organization, at: datetime = AT) -> tuple[int, int]:
    trimmed = trim_history(organization, origin=BY, at=at)
    return trimmed.logins, trimmed.sessions


def events() -> list[tuple[str, str, str, dict[str, Any]]]:
    rows = AuditEvent.objects.filter(action="history.trimmed").order_by("id")
    return [(row.user_name, row.section, row.sentence, row.after) for row in rows]


# --- the service -----------------------------------------------------------------------------------------------------


def test_login_rows_past_the_months_are_deleted(acme: Organization, grace: User, stranger: User) -> None:
    kept = [sign_in(grace, EDGE), sign_in(grace, AT), sign_in(stranger, EDGE - DAY)]
    for at in (EDGE - SECOND, EDGE - 400 * DAY):
        sign_in(grace, at)

    assert trim(acme) == (2, 0)

    assert list(Login.objects.order_by("id")) == kept
    assert events() == [
        (
            "Automated Process (trim_history by root)",
            "Records",
            "Deleted 2 login rows and 0 ended sessions older than 12 months",
            {"logins": 2, "sessions": 0, "before": "2025-08-31T12:00:00+00:00"},
        )
    ]


@pytest.mark.parametrize(("months", "edge"), [(6, "2026-02-28"), (24, "2024-08-31")])
def test_each_organization_keeps_its_own_months(acme: Organization, grace: User, months: int, edge: str) -> None:
    SessionSettings.objects.filter(organization=acme).update(history_months=months)
    acme.refresh_from_db()
    at = datetime.fromisoformat(f"{edge}T12:00:00+00:00")
    kept = sign_in(grace, at)
    sign_in(grace, at - SECOND)

    assert trim(acme) == (1, 0)
    assert Login.objects.get() == kept


def test_ended_sessions_past_the_months_are_deleted_and_live_ones_never(
    acme: Organization, grace: User, stranger: User
) -> None:
    kept = [
        session_of(grace, ended_at=None),
        session_of(grace, ended_at=EDGE),
        session_of(stranger, ended_at=EDGE - DAY),
        # Nobody's are for clearsessions.
        session_of(None, ended_at=EDGE - DAY),
    ]
    session_of(grace, ended_at=EDGE - SECOND)

    assert trim(acme) == (0, 1)

    assert list(Session.objects.order_by("id")) == kept
    assert [sentence for *_, sentence, _ in events()] == [
        "Deleted 0 login rows and 1 ended session older than 12 months"
    ]


def test_worn_sessions_go_before_their_parents_and_the_visit_stays(acme: Organization, ada: User, grace: User) -> None:
    parent = session_of(ada, ended_at=EDGE - DAY)
    worn = session_of(grace, ended_at=EDGE - 2 * DAY, parent=parent)
    visit = visit_of(worn)
    ImpersonationActivity.objects.create(
        impersonation=visit, created_at=EDGE - 2 * DAY, kind="write", method="POST", view="user_edit"
    )

    assert trim(acme) == (0, 2)

    assert (Session.objects.count(), ImpersonationActivity.objects.count()) == (0, 1)
    stays = Impersonation.objects.get()
    assert (stays.pk, stays.actor_session_id, stays.actor, stays.target) == (worn.pk, parent.pk, ada, grace)


def test_parent_stays_as_long_as_its_worn_session(acme: Organization, sam: User, grace: User) -> None:
    """The agent's own organization keeps six months, the customer twelve."""
    SessionSettings.objects.filter(organization=sam.organization).update(history_months=6)
    parent = session_of(sam, ended_at=EDGE + 2 * DAY)
    worn = session_of(grace, ended_at=EDGE + DAY, parent=parent)
    alone_ = session_of(sam, ended_at=EDGE + DAY)
    house = Organization.objects.get(pk=sam.organization_id)

    expected = count_old_history(house, at=AT).sessions
    now = trim(house)
    left = set(Session.objects.values_list("pk", flat=True))
    later = [trim(acme, AT + 3 * DAY), trim(house, AT + 3 * DAY)]

    assert (expected, now, left) == (1, (0, 1), {parent.pk, worn.pk})
    assert alone_.pk not in left
    assert (later, Session.objects.count()) == ([(0, 1), (0, 1)], 0)


def test_sessions_of_an_open_visit_are_kept(acme: Organization, ada: User, grace: User) -> None:
    """Where the rows disagree, the visit has to be closed first; nothing of it is lost."""
    parent = session_of(ada, ended_at=EDGE - DAY)
    visit_of(session_of(grace, ended_at=EDGE - DAY, parent=parent), is_open=True)

    assert (count_old_history(acme, at=AT).sessions, trim(acme), Session.objects.count()) == (0, (0, 0), 2)


def test_parent_of_a_live_worn_session_is_kept(acme: Organization, ada: User, grace: User) -> None:
    parent = session_of(ada, ended_at=EDGE - DAY)
    visit_of(session_of(grace, ended_at=None, parent=parent), is_open=True)

    assert (trim(acme), Session.objects.count()) == ((0, 0), 2)


def test_second_run_deletes_nothing_and_writes_nothing(acme: Organization, grace: User) -> None:
    sign_in(grace, EDGE - DAY)

    assert [trim(acme), trim(acme)] == [(1, 0), (0, 0)]
    assert len(events()) == 1


def test_rows_are_deleted_in_batches(acme: Organization, grace: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    # Two of them at one moment, at the edge of a batch.
    for days in (5, 4, 4, 3, 2):
        sign_in(grace, EDGE - days * DAY)
        session_of(grace, ended_at=EDGE - days * DAY)

    with captured_queries() as asked:
        assert trim(acme) == (5, 5)

    deletes = [sql for sql in asked if sql.startswith("DELETE")]
    assert len(deletes) == 6
    assert [sentence for *_, sentence, _ in events()] == [
        "Deleted 5 login rows and 5 ended sessions older than 12 months"
    ]


def test_run_that_breaks_off_says_what_it_deleted(
    acme: Organization, grace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(grace, EDGE - DAY)

    def breaks_off(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(retention, "_old_worn_sessions", breaks_off)

    with pytest.raises(KeyboardInterrupt):
        trim(acme)

    assert [sentence for *_, sentence, _ in events()] == [
        "Deleted 1 login row and 0 ended sessions older than 12 months"
    ]


def test_counting_deletes_nothing(acme: Organization, ada: User, grace: User) -> None:
    sign_in(grace, EDGE - DAY)
    visit_of(session_of(grace, ended_at=EDGE - 2 * DAY, parent=session_of(ada, ended_at=EDGE - DAY)))
    session_of(grace, ended_at=None)

    counted = count_old_history(acme, at=AT)

    assert counted == Trimmed(months=12, before=EDGE, logins=1, sessions=2)
    assert (Login.objects.count(), Session.objects.count(), events()) == (1, 3, [])
    assert trim(acme) == (counted.logins, counted.sessions)


def test_counts_of_unknown_usernames_go_after_the_longest_months(db: None) -> None:
    for day in (date(2024, 8, 30), date(2024, 8, 31), date(2026, 8, 31)):
        UnknownUsernames.objects.create(day=day, tries=7)

    assert [count_old_unknown_usernames(at=AT), trim_unknown_usernames(at=AT)] == [1, 1]
    assert list(UnknownUsernames.objects.order_by("day").values_list("day", flat=True)) == [
        date(2024, 8, 31),
        date(2026, 8, 31),
    ]


def test_time_is_now_unless_told(acme: Organization, grace: User) -> None:
    sign_in(grace, timezone.now() - 400 * DAY)
    kept = sign_in(grace, timezone.now() - 360 * DAY)

    trim_history(acme, origin=BY)

    assert (Login.objects.get(), count_old_unknown_usernames(), trim_unknown_usernames()) == (kept, 0, 0)


def test_old_rows_are_found_by_their_index(acme: Organization, grace: User) -> None:
    Login.objects.bulk_create(
        Login(user=grace, organization=acme, created_at=AT - timedelta(hours=i)) for i in range(2000)
    )
    Session.objects.bulk_create(
        Session(user=grace, organization=acme, created_at=EDGE, ended_at=AT - timedelta(hours=i)) for i in range(2000)
    )
    with connection.cursor() as cursor:
        for model in (Login, Session):
            cursor.execute(f"ANALYZE {model._meta.db_table}")
    trimmed = Trimmed(12, EDGE)
    rows = {
        "login_by_organization": retention._old_logins(trimmed, acme).order_by("created_at"),  # noqa: SLF001
        "session_ended": retention._old_own_sessions(trimmed, acme).order_by("ended_at"),  # noqa: SLF001
    }

    plans = {index: found[:500].explain() for index, found in rows.items()}

    assert [index for index, plan in plans.items() if index not in plan] == []


# --- pages that tell of what is kept ---------------------------------------------------------------------------------


def test_pages_show_a_visit_whose_sessions_are_gone(
    acme: Organization, ada: User, grace: User, client_of: "Callable[[User], PortalClient]"
) -> None:
    visit_of(session_of(grace, ended_at=EDGE - DAY, parent=session_of(ada, ended_at=EDGE - DAY)))
    trim(acme)

    pages = [client_of(grace).get("/"), client_of(ada).get(f"/setup/users/{grace.pk}/")]

    assert [page.status_code for page in pages] == [200, 200]
    assert [[visit.row.actor_name for visit in page.context["visits"]] for page in pages] == [["Ada Lovelace"]] * 2


# --- the command -----------------------------------------------------------------------------------------------------


def told(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("trim_history", *arguments, stdout=out)
    return out.getvalue().splitlines()


@pytest.fixture
def old(acme: Organization, grace: User, stranger: User) -> None:
    """One old row of everything in Acme, and a login row in Globex."""
    long_ago = timezone.now() - 800 * DAY
    sign_in(grace, long_ago)
    session_of(grace, ended_at=long_ago)
    sign_in(stranger, long_ago)
    UnknownUsernames.objects.create(day=long_ago.date(), tries=1)


def counts() -> tuple[int, int, int, int]:
    return Login.objects.count(), Session.objects.count(), UnknownUsernames.objects.count(), len(events())


def test_command_trims_every_organization_and_says_what_it_did(old: None) -> None:
    assert told() == [
        "Acme: Deleted 1 login row and 1 ended session older than 12 months.",
        "Globex: Deleted 1 login row and 0 ended sessions older than 12 months.",
        "Deleted the count of unknown usernames of 1 day.",
    ]
    assert counts() == (0, 0, 0, 2)


def test_command_again_does_nothing(old: None) -> None:
    told()

    assert told() == [
        "Acme: Deleted 0 login rows and 0 ended sessions older than 12 months.",
        "Globex: Deleted 0 login rows and 0 ended sessions older than 12 months.",
        "Deleted the count of unknown usernames of 0 days.",
    ]
    assert counts() == (0, 0, 0, 2)


def test_dry_run_deletes_nothing(old: None) -> None:
    assert told("--dry-run") == [
        "Acme: Would delete 1 login row and 1 ended session older than 12 months.",
        "Globex: Would delete 1 login row and 0 ended sessions older than 12 months.",
        "Would delete the count of unknown usernames of 1 day.",
    ]
    assert counts() == (2, 1, 1, 0)


@pytest.mark.parametrize("by", ["{.name}", "ACME", "{.pk}", "{.reference}"])
def test_command_trims_one_organization(acme: Organization, old: None, by: str) -> None:
    assert told("--organization", by.format(acme)) == [
        "Acme: Deleted 1 login row and 1 ended session older than 12 months."
    ]
    assert counts() == (1, 0, 1, 1)


@pytest.mark.parametrize("named", ["Nobody", "", "0", "9" * 30, "²", "00D"])
def test_command_refuses_an_organization_that_is_none(acme: Organization, named: str) -> None:
    with pytest.raises(CommandError, match=f"There is no organization {named}."):
        told("--organization", named)


def test_support_agents_visits_are_trimmed_with_their_parents_in_one_run(
    acme: Organization, sam: User, grace: User
) -> None:
    LoginAccessGrantFactory.create(user=grace, support_organization=sam.organization)
    long_ago = timezone.now() - 800 * DAY
    visit_of(session_of(grace, ended_at=long_ago, parent=session_of(sam, ended_at=long_ago)))

    assert [line.partition(" older")[0] for line in told()] == [
        "Acme: Deleted 0 login rows and 1 ended session",
        "Portal Support: Deleted 0 login rows and 1 ended session",
        "Deleted the count of unknown usernames of 0 days.",
    ]


# --- two at once -----------------------------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_delete_each_row_once(
    acme: Organization, ada: User, grace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    for i in range(20):
        sign_in(grace, EDGE - DAY - i * SECOND)
        visit_of(session_of(grace, ended_at=EDGE - DAY, parent=session_of(ada, ended_at=EDGE - DAY)))
    both, old_logins = Barrier(2), retention._old_logins  # noqa: SLF001

    def when_both_are_here(*arguments: Any) -> Any:  # noqa: ANN401  # the rows
        both.wait(60)
        return old_logins(*arguments)

    with monkeypatch.context() as patched, ThreadPoolExecutor(2) as pool:
        patched.setattr(retention, "_old_logins", when_both_are_here)
        runs = [pool.submit(alone, lambda: trim(acme)) for _ in range(2)]
    logins, sessions = (sum(part) for part in zip(*(run.result() for run in runs), strict=True))
    again = trim(acme)

    # What one left because the other held it, a parent above all, is the next run's.
    assert (logins + again[0], sessions + again[1]) == (20, 40)
    assert (Login.objects.count(), Session.objects.count()) == (0, 0)
    assert sum(after["logins"] for *_, after in events()) == 20
    assert sum(after["sessions"] for *_, after in events()) == 40


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_run_does_not_wait_for_rows_that_another_deletes(acme: Organization, grace: User) -> None:
    held, free = sign_in(grace, EDGE - 2 * DAY), sign_in(grace, EDGE - DAY)

    with transaction.atomic():
        list(Login.objects.filter(pk=held.pk).select_for_update())
        with ThreadPoolExecutor(1) as pool:
            meanwhile = pool.submit(alone, lambda: trim(acme)).result(30)

    assert (meanwhile, list(Login.objects.values_list("pk", flat=True))) == ((1, 0), [held.pk])
    assert free.pk != held.pk
    assert trim(acme) == (1, 0)
