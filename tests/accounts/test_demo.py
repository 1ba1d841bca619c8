"""The demo: who is there, and what happened."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction
from django.db.models import Count, Q
from django.urls import reverse

from accounts.enums import Basis, EndCause, LoginStatus, SessionType
from accounts.identity import live_sessions
from accounts.models import (
    DelegatedGroup,
    Impersonation,
    ImpersonationActivity,
    Login,
    LoginAccessGrant,
    Role,
    Session,
    User,
)
from accounts.services.demo import PASSWORD, seed_demo
from accounts.services.demo.history import History, Visit, add_grants
from accounts.services.demo.people import HOUSES, Person
from accounts.services.expiry import close_expired
from orgs.audit import AuditAction
from orgs.http import Origin
from orgs.models import AccessMode, AuditEvent, LoginAccessPolicy, Organization
from orgs.permissions import Permission, with_needs

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_demo")]

NOW = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
DATED: tuple[Any, ...] = (AuditEvent, Login)
P = Permission


@pytest.fixture(scope="module")
def _demo(django_db_setup: None, django_db_blocker: "DjangoDbBlocker") -> Iterator[None]:
    """Seed once for all tests of this module, in a transaction around theirs that is rolled back in the end."""
    with django_db_blocker.unblock(), transaction.atomic():
        seed_demo(NOW)
        yield
        transaction.set_rollback(True)


# --- who is there ------------------------------------------------------------------------------------------------


def test_organizations_stand_as_specified() -> None:
    policies = LoginAccessPolicy.objects.select_related("organization").order_by("pk")

    assert [
        (
            policy.organization.name,
            policy.organization.kind,
            policy.organization.edition,
            policy.organization.provisioned,
            policy.any_user_login,
            policy.protect_administrators,
            policy.organization.account_executive_name,
        )
        for policy in policies
    ] == [
        ("Acme", "customer", "enterprise", True, False, False, "Nora Fields"),
        ("Globex", "customer", "professional", False, False, False, ""),
        ("Initech", "customer", "unlimited", False, False, False, "Erin Vale"),
        ("Umbrella", "customer", "performance", False, False, False, ""),
        ("Hooli", "customer", "developer", True, True, False, ""),
        ("Soylent", "customer", "unlimited", True, True, True, ""),
        ("Portal Support", "operator", "unlimited", True, False, False, ""),
    ]


def test_people_are_the_specified_ones() -> None:
    cast = [f"{person.local_part}@{house.domain}" for house in HOUSES for person in house.people if person.is_cast]
    people = User.objects.filter(username__in=cast).select_related("profile", "role").order_by("pk")

    assert [
        (
            user.username,
            user.profile.name,
            user.role.name if user.role else "",
            user.is_active,
            user.is_frozen,
            user.operator_role,
        )
        for user in people
    ] == [
        ("ada@acme.example", "System Administrator", "", True, False, ""),
        ("alan@acme.example", "System Administrator", "Sales Manager", True, False, ""),
        ("grace@acme.example", "Standard User", "Sales Rep", True, False, ""),
        ("linus@acme.example", "Standard User", "Engineer", True, False, ""),
        ("joan@acme.example", "Standard User", "Support Agent", True, False, ""),
        ("katherine@acme.example", "Standard User", "Accountant", False, False, ""),
        ("dennis@acme.example", "Standard User", "Engineer", True, True, ""),
        ("margaret@acme.example", "External User", "", True, False, ""),
        ("barbara@acme.example", "Delegated Administrator", "", True, False, ""),
        ("hedy@acme.example", "User Manager", "", True, False, ""),
        ("audrey@acme.example", "Auditor", "", True, False, ""),
        ("gina@globex.example", "System Administrator", "", True, False, ""),
        ("gus@globex.example", "Standard User", "", True, False, ""),
        ("ivan@initech.example", "System Administrator", "", True, False, ""),
        ("ida@initech.example", "Standard User", "", True, False, ""),
        ("uma@umbrella.example", "System Administrator", "", True, False, ""),
        ("ugo@umbrella.example", "Standard User", "", True, False, ""),
        ("hank@hooli.example", "System Administrator", "", True, False, ""),
        ("hana@hooli.example", "Standard User", "", True, False, ""),
        ("sol@soylent.example", "System Administrator", "", True, False, ""),
        ("sue@soylent.example", "System Administrator", "", True, False, ""),
        ("stan@soylent.example", "Standard User", "", True, False, ""),
        ("sally@support.example", "System Administrator", "", True, False, "sales"),
        ("sam@support.example", "Standard User", "", True, False, "support"),
    ]


def test_roles_profiles_and_password_are_as_specified() -> None:
    acme = Organization.objects.get(name="Acme")
    alan = User.objects.select_related("role").get(username="alan@acme.example")
    grace = User.objects.select_related("role").get(username="grace@acme.example")

    assert [role.name for role in Role.objects.get_ancestors(grace.role)] == ["Sales", "Sales Manager"]
    assert alan.role == Role.objects.get_parent(grace.role)
    own = {profile.name: profile.permissions for profile in acme.profiles.filter(standard="")}
    assert own == {
        "User Manager": with_needs({P.MANAGE_USERS}),
        "Auditor": {P.VIEW_SETUP, P.VIEW_ALL_USERS, P.MONITOR_LOGIN_HISTORY, P.VIEW_ALL_DATA},
        "Delegated Administrator": {P.VIEW_SETUP},
    }
    assert P.MODIFY_ALL_DATA not in own["User Manager"]
    assert grace.check_password(PASSWORD)
    assert set(User.objects.values_list("password", flat=True)) == {grace.password}


def test_sixty_more_of_acme_look_real() -> None:
    cast = [person.local_part for person in HOUSES[0].people if person.is_cast]
    others = User.objects.filter(organization__name="Acme").exclude(
        username__in=[f"{name}@acme.example" for name in cast]
    )

    assert len(others) == 60
    assert len({user.full_name for user in others}) == 60
    assert all(user.username.isascii() and user.alias.isalpha() and user.alias.isascii() for user in others)
    assert dict(others.values_list("profile__name").annotate(Count("pk")).order_by()) == {
        "Standard User": 43,
        "Read Only": 5,
        "Minimum Access": 6,
        "External User": 6,
    }
    assert others.filter(Q(role=None) & ~Q(profile__name="External User")).count() == 0
    assert others.filter(is_active=False).count() == 3


@pytest.mark.parametrize(
    ("name", "mailbox", "alias"),
    [
        ("Đorđe Jovanović", "dorde.jovanovic", "djova"),
        ("Ingrid Søndergaard", "ingrid.sondergaard", "isond"),
        ("Henrik Kjær", "henrik.kjaer", "hkjae"),
        ("Liam O’Connor", "liam.oconnor", "locon"),
        ("Zoë van Dijk", "zoe.van.dijk", "zvand"),
        ("Qing Li", "qing.li", "qli"),
    ],
)
def test_names_make_plain_usernames_and_aliases(name: str, mailbox: str, alias: str) -> None:
    person = Person(name, is_cast=False)

    assert (person.local_part, person.alias) == (mailbox, alias)


# --- what happened -----------------------------------------------------------------------------------------------


def test_history_goes_back_thirty_days_and_lies_in_the_past() -> None:
    for model in DATED:
        times = list(model.objects.order_by("created_at").values_list("created_at", flat=True))

        assert times[0] >= datetime(2026, 10, 23, tzinfo=UTC)
        assert times[-1] < NOW
    assert (NOW - AuditEvent.objects.earliest("created_at").created_at).days == 29


def test_each_organizations_lists_stand_in_the_order_of_their_times() -> None:
    for organization in Organization.objects.all():
        for model in DATED:
            rows = model.objects.filter(organization=organization).order_by("pk")
            times = list(rows.values_list("created_at", flat=True))

            assert times
            assert all(before <= after for before, after in itertools.pairwise(times))


def test_past_visits_are_closed_each_with_its_cause_and_two_rows_of_the_trail() -> None:
    visits = Impersonation.objects.order_by("organization", "started_at")

    assert [(str(visit), visit.end_cause, str(visit.ended_by or "")) for visit in visits] == [
        ("Ada Lovelace as Grace Hopper", EndCause.LOGGED_OUT, "Ada Lovelace"),
        ("Alan Turing as Linus Pauling", EndCause.TIME_LIMIT, ""),
        ("Barbara Liskov as Grace Hopper", EndCause.LOGGED_OUT, "Barbara Liskov"),
        ("Ada Lovelace as Hedy Lamarr", EndCause.LOGGED_OUT, "Ada Lovelace"),
        ("Alan Turing as Joan Clarke", EndCause.PARENT_SESSION_ENDED, "Alan Turing"),
        ("Ada Lovelace as Joan Clarke", EndCause.ENDED_BY_TARGET, "Joan Clarke"),
        ("Ada Lovelace as Grace Hopper", EndCause.POLICY_CHANGED, "Alan Turing"),
        ("Sam Carter (Portal Support) as Joan Clarke", EndCause.LOGGED_OUT, "Sam Carter"),
        ("Ada Lovelace as Linus Pauling", EndCause.LOGGED_OUT, "Ada Lovelace"),
        ("Hank Walters as Hana Kimura", EndCause.LOGGED_OUT, "Hank Walters"),
        ("Hank Walters as Hana Kimura", EndCause.TIME_LIMIT, ""),
        ("Hank Walters as Hana Kimura", EndCause.LOGGED_OUT, "Hank Walters"),
        ("Sol Thorn as Stan Novak", EndCause.LOGGED_OUT, "Sol Thorn"),
        ("Sue Mbeki as Stan Novak", EndCause.ENDED_BY_TARGET, "Stan Novak"),
    ]
    events = AuditEvent.objects.filter(action__startswith="impersonation.")
    assert dict(events.values_list("action").annotate(Count("pk"))) == {
        AuditAction.IMPERSONATION_STARTED: 14,
        AuditAction.IMPERSONATION_ENDED: 14,
        AuditAction.IMPERSONATION_REFUSED: 2,
        AuditAction.IMPERSONATION_STEPPED_UP: 1,
    }
    assert not Session.objects.live().exclude(parent=None).exists()


def test_some_people_are_signed_in_within_every_limit() -> None:
    sessions = Session.objects.live().select_related("user__organization__session_settings").order_by("created_at")

    assert [(str(session.user), session.type) for session in sessions] == [
        ("Grace Hopper", SessionType.UI),
        ("Linus Pauling", SessionType.UI),
        ("Joan Clarke", SessionType.UI),
        ("Barbara Liskov", SessionType.UI),
        ("Hana Kimura", SessionType.UI),
        ("Hedy Lamarr", SessionType.UI),
    ]
    assert len({session.address for session in sessions}) == len(sessions)
    assert len({session.agent for session in sessions}) > 1
    assert [identity.fault(address=None, at=NOW) for identity in live_sessions([one.pk for one in sessions])] == [
        None
    ] * len(sessions)
    for session in sessions:
        assert session.user is not None
        assert session.user.last_login == session.created_at


def test_sessions_that_ran_out_are_not_made_anew() -> None:
    later = NOW + timedelta(days=1)
    close_expired(origin=Origin.automated("close_expired"), at=later)

    seed_demo(later)

    assert not Session.objects.live().exists()


def test_sign_ins_failed_for_every_reason() -> None:
    failed = Login.objects.exclude(status=LoginStatus.SUCCESS)

    assert set(failed.values_list("status", flat=True)) == set(LoginStatus) - {LoginStatus.SUCCESS}
    assert not User.objects.filter(locked_until__gt=NOW).exists()


def test_visits_rest_on_what_they_should() -> None:
    visits = Impersonation.objects.exclude(basis=Basis.ANY_USER, group=None).order_by("started_at")

    assert [(visit.target_name, visit.basis, visit.group_name) for visit in visits] == [
        ("Grace Hopper", Basis.ANY_USER, "Sales administrators"),
        ("Joan Clarke", Basis.SUPPORT_GRANT, ""),
        ("Linus Pauling", Basis.GRANT, ""),
    ]


def test_soylent_asks_for_all_that_can_be_asked() -> None:
    policy = LoginAccessPolicy.objects.get(organization__name="Soylent")

    assert (policy.reason_required, policy.ticket_pattern, policy.access_mode, policy.mail_at_start) == (
        True,
        r"SOY-\d{3,6}",
        AccessMode.READ_ONLY_FIRST,
        True,
    )
    assert policy.record_pages_opened
    visits = Impersonation.objects.filter(organization__name="Soylent").order_by("started_at")
    assert [visit.ticket for visit in visits] == ["SOY-1042", "SOY-1187"]
    assert all(visit.reason for visit in visits)


def test_barbara_is_delegated_administrator_over_sales() -> None:
    group = DelegatedGroup.objects.get()

    assert ([str(user) for user in group.delegates.all()], [str(role) for role in group.roles.all()]) == (
        ["Barbara Liskov"],
        ["Sales"],
    )
    assert group.login_access


def grants() -> list[tuple[str, str, timedelta, bool]]:
    """Return whose grants are live at the demo's moment: to whom, for how long, and whether it is the first."""
    rows = LoginAccessGrant.objects.live(NOW).order_by("user__username")
    return [
        (row.user.username, row.grantee_name, row.expires_at - row.granted_at, row.granted_at < NOW) for row in rows
    ]


def test_linus_and_joan_have_granted_access() -> None:
    assert grants() == [
        ("joan@acme.example", "Portal Support", timedelta(days=3), True),
        ("linus@acme.example", "Your Company's Administrator", timedelta(days=7), True),
    ]


@pytest.mark.parametrize("is_revoked", [False, True])
def test_second_run_renews_what_ran_out_and_leaves_what_was_taken_back(is_revoked: bool) -> None:
    past = {"granted_at": NOW - timedelta(days=9), "expires_at": NOW - timedelta(days=1)}
    LoginAccessGrant.objects.update(**past, revoked_at=past["expires_at"] if is_revoked else None)

    made = seed_demo(NOW)

    assert made == []
    assert grants() == (
        []
        if is_revoked
        else [
            ("joan@acme.example", "Portal Support", timedelta(days=3), False),
            ("linus@acme.example", "Your Company's Administrator", timedelta(days=7), False),
        ]
    )


def test_without_the_demos_agent_nobody_grants_support_anything() -> None:
    history = History(NOW)
    people = {user.first_name.lower(): user for user in User.objects.filter(organization__name="Acme")}
    before = LoginAccessGrant.objects.count()

    add_grants(history, people, None)
    history.happen()

    assert LoginAccessGrant.objects.count() - before == 1


def test_what_was_done_inside_names_both_people() -> None:
    event = AuditEvent.objects.get(action=AuditAction.PASSWORD_RESET_SENT)
    visit = Impersonation.objects.select_related("session").get(pk=event.impersonation_id)

    assert (event.user_name, event.delegate_user_name, event.about_name) == (
        "Hedy Lamarr",
        "Ada Lovelace",
        "Linus Pauling",
    )
    assert str(visit) == "Ada Lovelace as Hedy Lamarr"
    assert event.session_public_id == visit.session.public_id


def test_what_was_done_inside_is_listed_with_its_outcome() -> None:
    activities = ImpersonationActivity.objects.select_related("impersonation").order_by("pk")
    linus = User.objects.get(username="linus@acme.example")

    assert [(str(one.impersonation), one.kind, one.method, one.view, one.object, one.status) for one in activities] == [
        ("Ada Lovelace as Grace Hopper", "refusal", "POST", "login_access", "", 403),
        ("Ada Lovelace as Hedy Lamarr", "write", "POST", "user_reset_password", f"user {linus.pk}", 302),
        ("Ada Lovelace as Hedy Lamarr", "refusal", "POST", "account_change_password", "", 403),
        ("Sue Mbeki as Stan Novak", "opened", "GET", "home", "", 200),
        ("Sue Mbeki as Stan Novak", "opened", "GET", "settings", "", 200),
        ("Sue Mbeki as Stan Novak", "refusal", "POST", "settings_sessions_end_others", "", 403),
        ("Sue Mbeki as Stan Novak", "write", "POST", "visit_step_up", "", 302),
        ("Sue Mbeki as Stan Novak", "opened", "GET", "settings_sessions", "", 200),
        ("Sue Mbeki as Stan Novak", "refusal", "POST", "settings_sessions_end_others", "", 403),
    ]
    for one in activities:
        reverse(one.view, args=[linus.pk] if one.object else [])
        assert one.impersonation.ended_at is not None
        assert one.impersonation.started_at <= one.created_at < one.impersonation.ended_at
    assert {one.impersonation.records_pages for one in activities if one.kind == "opened"} == {True}


def test_a_download_is_in_the_trail() -> None:
    event = AuditEvent.objects.get(action=AuditAction.EXPORTED)

    assert (event.user_name, event.sentence) == ("Audrey Tang", "Downloaded the Login History as CSV")


def test_a_visit_that_has_not_begun_cannot_be_ended() -> None:
    visit = Visit(History(NOW), User(first_name="Ada"), User(first_name="Grace"), at=NOW)

    with pytest.raises(LookupError, match="Ada has not logged in as Grace yet"):
        _ = visit.started
