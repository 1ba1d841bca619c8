"""Impersonations: the list in Setup, the page of each, and the story of what was done inside."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from accounts.enums import Access, ActivityKind, EndCause, SessionType
from accounts.keys import new_key
from accounts.models import DelegatedGroup, Impersonation, ImpersonationActivity, Session, User
from accounts.services.activity import begin_activity, finish_activity, record_opened, record_refused
from accounts.services.start_policy import StartDetails
from accounts.visit_story import outcome_in_words, story_of, view_in_words
from orgs.audit import AuditAction, record
from orgs.http import Origin
from orgs.models import AccessMode, AuditEvent, LoginAccessPolicy, Organization
from orgs.permissions import Permission
from tests.factories import LoginAccessGrantFactory, ProfileFactory, UserFactory
from tests.guards import unguarded
from tests.orgs.reading import main_of, part_of, rows_of
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient

    from .reading import Answer

    Browser = Callable[[], PortalClient]
    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]

LIST = "/setup/impersonations/"
AT = datetime(2025, 11, 22, 15, 0, tzinfo=UTC)
ANY_USER = "Administrators Can Log in as Any User"


def page_of(visit: Impersonation) -> str:
    return f"{LIST}{visit.pk}/"


@pytest.fixture
def monitor(acme: Organization) -> User:
    """Reads everyone's visits, and not what was done inside."""
    profile = ProfileFactory.create(organization=acme, permissions=(Permission.MONITOR_LOGIN_HISTORY,))
    user: User = UserFactory.create(organization=acme, profile=profile, first_name="Mona", last_name="Tor")
    return user


@pytest.fixture
def auditor(acme: Organization) -> User:
    """Reads what was done inside too."""
    permissions = (Permission.MONITOR_LOGIN_HISTORY, Permission.VIEW_ALL_DATA)
    profile = ProfileFactory.create(organization=acme, permissions=permissions)
    user: User = UserFactory.create(organization=acme, profile=profile, first_name="Audie", last_name="Tor")
    return user


def make_visit(actor: User, target: User, **fields: Any) -> Impersonation:
    """Make a visit as it was: by default one hour from :data:`AT`, at the end of which Ada logged out."""
    started_at: datetime = fields.pop("started_at", AT)
    ended_at: datetime | None = fields.pop("ended_at", started_at + timedelta(minutes=12))
    common = {"created_at": started_at, "ended_at": ended_at}
    parent = Session.objects.create(user=actor, organization_id=actor.organization_id, key_hash=new_key(), **common)
    worn = Session.objects.create(
        user=target,
        organization_id=target.organization_id,
        key_hash=new_key(),
        parent=parent,
        type=SessionType.SUBSTITUTE_USER,
        **common,
    )
    ended = {"end_cause": EndCause.LOGGED_OUT, "ended_by": actor, "noticed_at": ended_at} if ended_at else {}
    values: dict[str, Any] = {
        "session": worn,
        "actor_session": parent,
        "organization": target.organization,
        "actor": actor,
        "target": target,
        "actor_name": str(actor),
        "target_name": str(target),
        "basis": "any_user",
        "started_at": started_at,
        "ends_at": started_at + timedelta(hours=1),
        "ended_at": ended_at,
    }
    visit: Impersonation = Impersonation.objects.create(**values | ended | fields)
    return visit


# --- the list ----------------------------------------------------------------------------------------------------


def test_visits_stand_newest_first_with_people_basis_and_end(
    client_of: "ClientOf", browser: "Browser", any_user_login: Organization, ada: User, alan: User, grace: User,
    monitor: User,
) -> None:  # fmt: skip
    group = DelegatedGroup.objects.create(organization=any_user_login, name="Sales people", created_at=AT)
    make_visit(ada, grace)
    make_visit(
        alan,
        grace,
        started_at=AT + timedelta(days=1),
        group=group,
        group_name=group.name,
        end_cause=EndCause.ENDED_BY_TARGET,
        ended_by=grace,
    )
    browser().login_as(grace, actor=ada)
    now = Impersonation.objects.order_by("started_at").last()
    assert now

    response = client_of(monitor).get(LIST)

    assert rows_of(response) == [
        [
            f"{now.started_at:%Y-%m-%d %H:%M:%S} UTC", "Ada Lovelace", "Grace Hopper", ANY_USER, "less than a minute",
            "Logged in now",
        ],
        [
            "2025-11-23 15:00:00 UTC", "Alan Turing", "Grace Hopper", f"{ANY_USER}; delegated group Sales people",
            "12 minutes", "The user ended it by Grace Hopper",
        ],
        [
            "2025-11-22 15:00:00 UTC", "Ada Lovelace", "Grace Hopper", ANY_USER, "12 minutes",
            "Logged out by Ada Lovelace",
        ],
    ]  # fmt: skip
    assert f'href="{page_of(now)}"' in main_of(response)


def test_visit_whose_limit_fell_unnoticed_has_ended(
    client_of: "ClientOf", ada: User, grace: User, monitor: User
) -> None:
    make_visit(ada, grace, ended_at=None)

    assert rows_of(client_of(monitor).get(LIST))[0][-2:] == ["1 hour", "The time limit was reached"]


def test_rows_outlive_their_sessions(client_of: "ClientOf", ada: User, grace: User, auditor: User) -> None:
    visit = make_visit(ada, grace)
    Session.objects.filter(pk=visit.pk).delete()
    Session.objects.filter(pk=visit.actor_session_id).delete()
    client = client_of(auditor)

    assert len(rows_of(client.get(LIST))) == 1
    assert client.get(page_of(visit)).status_code == 200


def test_other_organizations_visits_are_not_there(client_of: "ClientOf", stranger: User, monitor: User) -> None:
    other = UserFactory.create(organization=stranger.organization, profile=stranger.profile)
    visit = make_visit(other, stranger)
    client = client_of(monitor)

    response = client.get(LIST)

    assert rows_of(response) == []
    assert "Nobody has logged in as anyone." in main_of(response)
    assert client.get(page_of(visit)).status_code == 404


def test_visit_of_a_support_agent_is_the_customers(
    client_of: "ClientOf", browser: "Browser", support: Organization, sam: User, grace: User, monitor: User
) -> None:
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    visit = browser().login_as(grace, actor=sam)
    colleague = UserFactory.create(
        organization=support, profile=ProfileFactory.create(organization=support, permissions=tuple(Permission))
    )
    agents_house, customer = client_of(colleague), client_of(monitor)

    response = customer.get(LIST)

    assert [row[1:4] for row in rows_of(response)] == [
        ["Sam Spade (Portal Support)", "Grace Hopper", "The user's grant to a support organization"]
    ]
    assert f"/setup/users/{sam.pk}/" not in main_of(response)
    assert rows_of(agents_house.get(LIST)) == []
    assert [client.get(page_of(visit)).status_code for client in (customer, agents_house)] == [200, 404]


@pytest.fixture
def crowd(ada: User, alan: User, grace: User, hedy: User) -> None:
    """A few visits, each told from the others by how long it lasted."""
    visits: tuple[tuple[int, User, User, int, dict[str, Any]], ...] = (
        (1, ada, grace, 0, {}),
        (2, ada, alan, 0, {"basis": "grant"}),
        (3, alan, ada, 0, {"end_cause": EndCause.IDLE, "ended_by": None}),
        (4, alan, hedy, 1, {}),
    )
    for minutes, actor, target, days, fields in visits:
        started_at = AT + timedelta(days=days, minutes=minutes)
        make_visit(actor, target, started_at=started_at, ended_at=started_at + timedelta(minutes=minutes), **fields)
    now = timezone.now()
    make_visit(ada, hedy, started_at=now - timedelta(minutes=5), ended_at=None, ends_at=now + timedelta(hours=1))
    make_visit(alan, grace, started_at=AT - timedelta(minutes=1), ended_at=None, ends_at=AT + timedelta(minutes=6))


@pytest.mark.parametrize(
    ("asked", "lasted"),
    [
        ({}, ["5", "4", "3", "2", "1", "7"]),
        ({"person": "ada@acme.example"}, ["5", "3", "2", "1"]),
        ({"person": "ada@acme.example", "role": "actor"}, ["5", "2", "1"]),
        ({"person": "ada@acme.example", "role": "target"}, ["3"]),
        ({"person": "Lovelace"}, ["5", "3", "2", "1"]),
        ({"basis": "grant"}, ["2"]),
        ({"basis": "support_grant"}, []),
        ({"state": "open"}, ["5"]),
        ({"state": "ended"}, ["4", "3", "2", "1", "7"]),
        ({"cause": "idle"}, ["3"]),
        ({"cause": "idle", "state": "open"}, []),
        ({"start": "2025-11-23", "end": "2025-11-23"}, ["4"]),
        ({"end": "2025-11-22"}, ["3", "2", "1", "7"]),
    ],
)
def test_list_can_be_narrowed(
    crowd: None, client_of: "ClientOf", monitor: User, asked: dict[str, str], lasted: list[str]
) -> None:
    shown = [row[4].split()[0] for row in rows_of(client_of(monitor).get(LIST, asked))]

    # Today's clock is not that of the tests' visits: the live one stands where its start puts it.
    assert sorted(shown) == sorted(lasted)
    assert [one for one in shown if one != "5"] == [one for one in lasted if one != "5"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"basis": "luck"}, "There is no such choice. Nothing is narrowed by it."),
        ({"state": "1"}, "There is no such choice. Nothing is narrowed by it."),
        ({"cause": "x" * 500}, "There is no such choice. Nothing is narrowed by it."),
        ({"role": "boss"}, "There is no such choice. Nothing is narrowed by it."),
        ({"start": "soon"}, "This is not a day. Write it as 2026-11-22."),
        (
            {"start": "2025-11-22", "end": "2025-11-21"},
            "This is before the first day. Nothing is narrowed by it.",
        ),
    ],
)
def test_what_cannot_be_read_is_said_beside_its_field(
    client_of: "ClientOf", ada: User, grace: User, monitor: User, asked: dict[str, str], said: str
) -> None:
    make_visit(ada, grace)

    response = client_of(monitor).get(LIST, asked)

    found = re.findall(r'<p class="filter-error"[^>]*>(.*?)</p>', main_of(response))
    assert (response.status_code, found, len(rows_of(response))) == (200, [said], 1)


@pytest.mark.parametrize(
    "asked", [{"start": "0001-01-01", "end": "9999-12-31"}, {"cursor": "junk"}, {"person": ""}, {"cursor": "\0"}]
)
def test_odd_filters_are_no_errors(
    client_of: "ClientOf", ada: User, grace: User, monitor: User, asked: dict[str, str]
) -> None:
    make_visit(ada, grace)

    assert len(rows_of(client_of(monitor).get(LIST, asked))) == 1


def test_no_match_and_nobody_by_that_name_are_told_from_nothing(
    client_of: "ClientOf", ada: User, grace: User, monitor: User
) -> None:
    make_visit(ada, grace)
    client = client_of(monitor)

    no_match, nobody = (main_of(client.get(LIST, asked)) for asked in ({"basis": "grant"}, {"person": "zebra"}))

    assert "Nothing matches." in no_match
    assert "Nobody here is called “zebra”." in nobody
    assert "Nothing matches." not in nobody


@pytest.mark.parametrize("asked", ["", "?person=ada%40acme.example"])
def test_pages_lead_on_and_back(
    client_of: "ClientOf", ada: User, alan: User, grace: User, monitor: User, asked: str
) -> None:
    for number in range(110):
        people = (ada, grace) if number % 2 else (alan, ada)
        make_visit(*people, started_at=AT + timedelta(minutes=number // 3))
    client = client_of(monitor)

    first = client.get(f"{LIST}{asked}")
    second = client.get(links_of(first)["next"])
    third = client.get(links_of(second)["next"])
    back = client.get(links_of(second)["prev"])

    times = [row[0] for page in (first, second, third) for row in rows_of(page)]
    assert times == sorted(times, reverse=True)
    assert [len(rows_of(page)) for page in (first, second, third)] == [50, 50, 10]
    assert rows_of(back) == rows_of(first)
    assert [*links_of(third), *links_of(first)] == ["prev", "next"]


def links_of(response: "Answer") -> dict[str, str]:
    """Return the addresses that the pager leads to, by their relation."""
    found = re.findall(r'href="([^"]*)" rel="(next|prev)"', main_of(response))
    return {rel: unescape(url) for url, rel in found}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("asked", "asks"), [({}, 4), ({"state": "ended"}, 4), ({"person": "ada@acme.example"}, 6)])
def test_list_asks_the_same_however_long_it_is(
    *, client_of: "ClientOf", ada: User, alan: User, grace: User, monitor: User, sam: User, count: int,
    asked: dict[str, str], asks: int,
) -> None:  # fmt: skip
    for number in range(count):
        make_visit(ada, grace, started_at=AT + timedelta(minutes=number), ended_by=(ada, alan, sam)[number])
    client = client_of(monitor)

    with captured_queries() as queries:
        response = client.get(LIST, asked)

    assert len(rows_of(response)) == count
    assert len(queries) == asks, queries


# --- one visit ---------------------------------------------------------------------------------------------------


def test_page_shows_all_of_a_visit(
    *, client_of: "ClientOf", ada: User, alan: User, grace: User, auditor: User, any_user_login: Organization
) -> None:
    LoginAccessPolicy.objects.update(ticket_url="https://tickets.example/{ticket}")
    group = DelegatedGroup.objects.create(organization=any_user_login, name="Sales people", created_at=AT)
    grant = LoginAccessGrantFactory.create(user=grace, granted_at=AT - timedelta(hours=1), revoked_at=AT)
    visit = make_visit(
        ada,
        grace,
        basis="grant",
        grant=grant,
        group=group,
        group_name="Sales people",
        reason="She cannot save <b>orders</b>.",
        ticket="T-7",
        access=Access.FULL,
        stepped_up_at=AT + timedelta(minutes=3),
        step_up_reason="To save one for her.",
        mail="sent",
        address="2001:db8::1",
        agent="Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        end_cause=EndCause.ENDED_BY_ADMINISTRATOR,
        ended_by=alan,
        noticed_at=AT + timedelta(minutes=30),
        ran_under={
            "time_limit_minutes": 60,
            "reason_required": True,
            "ticket_pattern": "",
            "access_mode": AccessMode.READ_ONLY_FIRST,
            "sign_in_again_minutes": None,
            "force_relogin": False,
            "signed_in_at": (AT - timedelta(minutes=9)).isoformat(),
            "signed_in_with": "password",
        },
    )

    response = client_of(auditor).get(page_of(visit))

    assert part_of(response, "Who and why") == (
        "Who Ada Lovelace Logged in as Grace Hopper "
        "On what basis The user's grant to the company's administrators "
        "Grant To Your Company's Administrator, granted 2025-11-22 14:00:00 UTC, until 2025-11-23 14:00:00 UTC; "
        "taken back 2025-11-22 15:00:00 UTC Delegated group Sales people "
        "Reason She cannot save <b>orders</b>. Ticket T-7 "
        "Access Read-only, stepped up to full access 2025-11-22 15:03:00 UTC Why stepped up To save one for her. "
        "E-mail to the user Sent"
    )
    assert part_of(response, "When and where from") == (
        "Started 2025-11-22 15:00:00 UTC Ended 2025-11-22 15:12:00 UTC "
        "Why An administrator ended it, by Alan Turing Noticed 2025-11-22 15:30:00 UTC Address 2001:db8::1 "
        "Browser Firefox on Linux Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    )
    assert part_of(response, "The settings it ran under") == (
        "Reason required On Pattern for ticket numbers None Time limit 60 minutes Access at the start Read-only first "
        "Sign in again after Off Force relogin after Login-As-User Off "
        "Ada Lovelace had signed in 2025-11-22 14:51:00 UTC, by password"
    )
    page = main_of(response)
    assert 'href="https://tickets.example/T-7"' in page
    assert [f'<a href="/setup/users/{user.pk}/">' in page for user in (ada, grace)] == [True, True]
    assert "/setup/delegated-groups/" not in page
    assert "End this visit" not in page


def test_what_a_visit_does_not_hold_is_said(client_of: "ClientOf", ada: User, grace: User, auditor: User) -> None:
    response = client_of(auditor).get(page_of(make_visit(ada, grace)))

    assert part_of(response, "Who and why") == (
        f"Who Ada Lovelace Logged in as Grace Hopper On what basis {ANY_USER} Reason None was asked for "
        "Access Full access E-mail to the user None was asked for"
    )
    assert part_of(response, "When and where from") == (
        "Started 2025-11-22 15:00:00 UTC Ended 2025-11-22 15:12:00 UTC Why Logged out, by Ada Lovelace "
        "Address – Browser –"
    )
    assert part_of(response, "The settings it ran under") == (
        "Not recorded: this visit began before the portal copied them."
    )
    assert part_of(response, "What was done inside") == "Pages that were only read are not recorded. Nothing."


def test_real_visit_shows_the_settings_that_it_ran_under(
    client_of: "ClientOf", browser: "Browser", any_user_login: Organization, ada: User, grace: User, auditor: User
) -> None:
    visit = browser().login_as(grace, actor=ada)
    LoginAccessPolicy.objects.update(time_limit_minutes=5, reason_required=True)

    said = part_of(client_of(auditor).get(page_of(visit)), "The settings it ran under")

    assert visit.ran_under.keys() == {
        "time_limit_minutes", "reason_required", "ticket_pattern", "access_mode", "mail_at_start",
        "protect_administrators", "record_pages_opened", "sign_in_again_minutes", "force_relogin", "signed_in_at",
        "signed_in_with",
    }  # fmt: skip
    assert said.startswith(
        "Reason required Off Pattern for ticket numbers None Time limit 60 minutes Access at the start Full access "
        "E-mail to the user at the start Off Record pages opened Off Protect administrators Off "
        "Sign in again after Off Force relogin after Login-As-User On Ada Lovelace had signed in 20"
    )


def test_reason_and_what_was_done_are_for_view_all_data_only(
    client_of: "ClientOf", ada: User, grace: User, monitor: User
) -> None:
    visit = make_visit(ada, grace, reason="A secret.", ticket="T-7", stepped_up_at=AT, step_up_reason="Another.")
    begin_activity(visit, method="POST", view="user_edit", about=f"user {ada.pk}")

    response = client_of(monitor).get(page_of(visit))

    who = part_of(response, "Who and why")
    assert "Reason Only with View All Data Access" in who
    assert "Why stepped up Only with View All Data E-mail" in who
    assert part_of(response, "What was done inside") == "Only with View All Data."
    page = main_of(response)
    assert not any(word in page for word in ("secret", "T-7", "Another", "Edit user"))


def test_group_leads_to_its_page_for_those_who_may_open_it(
    client_of: "ClientOf", ada: User, alan: User, grace: User, acme: Organization
) -> None:
    group = DelegatedGroup.objects.create(organization=acme, name="Sales people", created_at=AT)
    visit = make_visit(alan, grace, group=group, group_name="Sales people")
    client = client_of(ada)

    there = main_of(client.get(page_of(visit)))
    group.delete()
    gone = main_of(client.get(page_of(visit)))

    assert f'<a href="/setup/delegated-groups/{visit.group_id}/">Sales people</a>' in there
    assert "/setup/delegated-groups/" not in gone.partition('id="who-heading"')[2]
    assert "Sales people" in gone


@pytest.mark.parametrize("who", ["alan", "hedy", "monitor", "auditor"])
def test_live_visit_can_be_ended_by_those_who_may(
    *, request: pytest.FixtureRequest, client_of: "ClientOf", browser: "Browser", any_user_login: Organization,
    ada: User, grace: User, who: str,
) -> None:  # fmt: skip
    inside = browser()
    visit = inside.login_as(grace, actor=ada)
    client = client_of(request.getfixturevalue(who))

    page = main_of(client.get(page_of(visit)))

    found = re.search(r'<form class="actions" method="post" action="([^"]*)">', page)
    assert bool(found) is (who in {"alan", "hedy"})
    assert "Logged in now" in page
    if found:
        client.post(found[1])
        visit.refresh_from_db()
        assert visit.end_cause == EndCause.ENDED_BY_ADMINISTRATOR
        assert "End this visit" not in main_of(client.get(page_of(visit)))


def test_administrators_account_is_left_alone_by_lesser_ones(
    client_of: "ClientOf", browser: "Browser", any_user_login: Organization, ada: User, alan: User, hedy: User
) -> None:
    visit = browser().login_as(alan, actor=ada)

    assert "End this visit" not in main_of(client_of(hedy).get(page_of(visit)))


@pytest.mark.parametrize("count", [1, 3])
def test_page_asks_the_same_however_much_was_done(
    client_of: "ClientOf", ada: User, alan: User, grace: User, auditor: User, count: int
) -> None:
    visit = make_visit(ada, grace)
    for number in range(count):
        begin_activity(visit, method="POST", view="user_edit", about=f"user {(ada, alan, grace)[number].pk}")
        record(AuditAction.USER_FROZEN, origin=Origin(user=ada), organization=grace.organization, about=ada,
               impersonation_id=visit.pk)  # fmt: skip
    client = client_of(auditor)

    with captured_queries() as queries:
        response = client.get(page_of(visit))

    assert len(rows_of(response)) == 2 * count
    # Who asks, the visit, two settings, two sources, and the names.
    assert len(queries) == 7, queries


def test_trail_and_the_users_page_lead_to_it(
    client_of: "ClientOf", browser: "Browser", any_user_login: Organization, ada: User, grace: User, monitor: User,
    audrey: User,
) -> None:  # fmt: skip
    visit = browser().login_as(grace, actor=ada)
    event = AuditEvent.objects.get(impersonation_id=visit.pk)
    pages = (f"/setup/audit-trail/{event.pk}/", f"/setup/users/{grace.pk}/")

    leads = [
        [f'href="{page_of(visit)}"' in main_of(client_of(user).get(page)) for page in pages]
        for user in (monitor, audrey)
    ]

    assert leads == [[True, True], [False, False]]
    assert f"Impersonation {visit.pk}" in part_of(client_of(audrey).get(pages[0]), "Where from")


def test_target_finds_no_link_to_what_is_not_theirs_to_open(
    client_of: "ClientOf", browser: "Browser", any_user_login: Organization, ada: User, grace: User
) -> None:
    browser().login_as(grace, actor=ada)

    assert LIST not in client_of(grace).get("/").content.decode()


# --- what was done inside ----------------------------------------------------------------------------------------


def test_requests_refusals_pages_and_events_stand_in_the_order_of_time(
    client_of: "ClientOf", ada: User, grace: User, auditor: User, stranger: User
) -> None:
    visit = make_visit(ada, grace, records_pages=True)
    moments = iter(AT + timedelta(seconds=number) for number in range(60))
    about = f"user {ada.pk}"
    record_opened(visit, view="user_list", about="", at=next(moments))
    done = begin_activity(visit, method="POST", view="user_edit", about=about, at=next(moments))
    inside = Origin(user=grace, actor=ada, impersonation_id=visit.pk)
    event = record(AuditAction.USER_FROZEN, origin=inside, organization=grace.organization, about=ada, at=next(moments))
    record(AuditAction.USER_FROZEN, origin=inside, organization=stranger.organization, about=stranger)
    finish_activity(done, status=302)
    record_refused(visit, method="POST", view="login_access", about="", status=403, detail="No.", at=next(moments))
    begin_activity(visit, method="POST", view="role_edit", about="role 3", at=next(moments))
    begin_activity(visit, method="POST", view="user_freeze", about=f"user {stranger.pk}", at=next(moments))
    begin_activity(make_visit(grace, ada), method="POST", view="user_freeze", about="")

    response = client_of(auditor).get(page_of(visit))

    killed = "Unknown: the process ended before it was written down"
    assert rows_of(response) == [
        ["2025-11-22 15:00:00 UTC", "Users", "", "Opened"],
        ["2025-11-22 15:00:01 UTC", "Edit user", "Ada Lovelace", "Done"],
        ["2025-11-22 15:00:02 UTC", "Froze user Ada Lovelace", "", "Written in the trail"],
        ["2025-11-22 15:00:03 UTC", "Grant Account Login Access", "", "Refused: No."],
        ["2025-11-22 15:00:04 UTC", "Edit role", "Role 3", killed],
        ["2025-11-22 15:00:05 UTC", "Freeze user", f"User {stranger.pk}", killed],
    ]
    page = main_of(response)
    assert f'<a href="/setup/users/{ada.pk}/">Ada Lovelace</a>' in page
    assert f'<a href="/setup/audit-trail/{event.pk}/">Froze user Ada Lovelace</a>' in page
    assert f"/setup/users/{stranger.pk}/" not in page
    assert "Pages that were only read are not recorded." not in page


def test_real_visit_tells_its_whole_story(
    client_of: "ClientOf", browser: "Browser", any_user_login: Organization, ada: User, hedy: User, grace: User,
    auditor: User,
) -> None:  # fmt: skip
    LoginAccessPolicy.objects.update(access_mode=AccessMode.READ_ONLY_FIRST, record_pages_opened=True)
    inside = browser()
    visit = inside.login_as(hedy, actor=ada, details=StartDetails("To help."))
    inside.get(f"/setup/users/{grace.pk}/")
    inside.post(f"/setup/users/{grace.pk}/freeze/")
    inside.post("/visit/step-up/", {"reason": "To freeze her."})
    inside.post(f"/setup/users/{grace.pk}/freeze/")
    inside.get("/settings/login-access/")
    inside.post("/logout/")

    told = [row[1:] for row in rows_of(client_of(auditor).get(page_of(visit)))]

    trail = "Written in the trail"
    read_only = "Refused: This visit is read-only: nothing was changed. To change something, step up first."
    refused = "Refused: This is not available while you are logged in as Hedy Lamarr. Log out as Hedy Lamarr first."
    assert told == [
        ["Logged in using Login-As access for Hedy Lamarr", "", trail],
        ["User page", "Grace Hopper", "Opened"],
        ["Freeze user", "Grace Hopper", read_only],
        ["Step up to full access", "", "Done"],
        ["Stepped up to full access while logged in as Hedy Lamarr", "", trail],
        ["Freeze user", "Grace Hopper", "Done"],
        ["Froze user Grace Hopper", "", trail],
        ["Grant Account Login Access", "", refused],
        ["Logged out using Login-As access for Hedy Lamarr", "", trail],
    ]


@pytest.fixture
def long_story(ada: User, grace: User) -> Impersonation:
    """A visit with 240 lines: of each three at one moment, two requests and an event."""
    visit = make_visit(ada, grace)
    for number in range(80):
        at = AT + timedelta(seconds=number)
        for name in ("a", "b"):
            begin_activity(visit, method="POST", view=f"{name}{number}", about="", at=at)
        record(
            AuditAction.ROLE_CREATED,
            origin=Origin(user=grace, actor=ada, impersonation_id=visit.pk),
            organization=grace.organization,
            at=at,
            role=f"{number}",
        )
    return visit


def test_pages_of_the_story_lead_on_and_back_and_show_each_line_once(
    client_of: "ClientOf", auditor: User, long_story: Impersonation
) -> None:
    client = client_of(auditor)

    pages = [client.get(page_of(long_story))]
    while (following := links_of(pages[-1]).get("next")) and len(pages) < 10:
        pages.append(client.get(following))
    back = [pages[-1]]
    while (previous := links_of(back[-1]).get("prev")) and len(back) < 10:
        back.append(client.get(previous))

    told = [row[1] for page in pages for row in rows_of(page)]
    assert told == [line for number in range(80) for line in (f"A{number}", f"B{number}", f"Created role {number}")]
    assert [len(rows_of(page)) for page in pages] == [50, 50, 50, 50, 40]
    assert [rows_of(page) for page in reversed(back)] == [rows_of(page) for page in pages]
    assert [*links_of(pages[0]), *links_of(pages[-1])] == ["next", "prev"]


def test_page_of_the_story_reads_no_more_than_it_shows(long_story: Impersonation) -> None:
    second = story_of(long_story, is_live=False, at=AT).next_cursor or ""

    with captured_queries() as queries:
        story = story_of(long_story, is_live=False, at=AT, cursor=second)

    assert len(story.deeds) == 50
    assert [query.count("LIMIT 51") for query in queries] == [1, 1]
    assert not any("OFFSET" in query or "COUNT" in query for query in queries)


def test_nothing_stands_before_the_start(ada: User, grace: User) -> None:
    visit = make_visit(ada, grace)
    record_opened(visit, view="home", about="", at=AT)
    record(
        AuditAction.IMPERSONATION_STARTED, origin=Origin(user=ada, actor=ada), organization=grace.organization,
        user=ada, about=grace, impersonation_id=visit.pk, at=AT,
    )  # fmt: skip

    story = story_of(visit, is_live=False, at=AT, size=1)
    told = [deed.what for deed in story_of(visit, is_live=False, at=AT).deeds]
    following = story_of(visit, is_live=False, at=AT, size=1, cursor=story.next_cursor or "")

    assert told == ["Logged in using Login-As access for Grace Hopper", "Home"]
    assert [deed.what for deed in (*story.deeds, *following.deeds)] == told


def test_requests_written_out_of_their_order_are_all_told(ada: User, grace: User) -> None:
    visit = make_visit(ada, grace)
    for number, second in enumerate((0, 5, 2, 9, 7, 7)):
        at = AT + timedelta(seconds=second)
        begin_activity(visit, method="POST", view=f"a{number}", about="", at=at)
        origin = Origin(user=grace, actor=ada, impersonation_id=visit.pk)
        record(AuditAction.ROLE_CREATED, origin=origin, organization=grace.organization, at=at, role=f"{number}")

    told, cursor = [], ""
    story = story_of(visit, is_live=False, at=AT, size=1)
    for _ in range(12):
        story = story_of(visit, is_live=False, at=AT, cursor=cursor, size=1)
        told += [deed.what for deed in story.deeds]
        cursor = story.next_cursor or ""
    returned = [*told[-1:]]
    while story.previous_cursor:
        story = story_of(visit, is_live=False, at=AT, cursor=story.previous_cursor, size=1)
        returned += [deed.what for deed in story.deeds]

    everything = sorted([f"A{number}" for number in range(6)] + [f"Created role {number}" for number in range(6)])
    assert (sorted(told), sorted(returned), cursor) == (everything, everything, "")


@pytest.mark.parametrize("edit", ["junk", "x", "\0", "x" * 5000])
def test_edited_cursor_of_the_story_gives_its_first_page(
    client_of: "ClientOf", auditor: User, long_story: Impersonation, ada: User, alan: User, edit: str
) -> None:
    client = client_of(auditor)
    own = story_of(long_story, is_live=False, at=AT).next_cursor or ""
    of_another = make_visit(ada, alan)
    begin_activity(of_another, method="POST", view="home", about="")

    for cursor in (edit, own + edit, own[:-1]):
        assert rows_of(client.get(page_of(long_story), {"cursor": cursor})) == rows_of(client.get(page_of(long_story)))
    assert len(rows_of(client.get(page_of(of_another), {"cursor": own}))) == 1


def test_row_whose_place_is_gone_shows_an_empty_page_that_leads_back(long_story: Impersonation) -> None:
    second = story_of(long_story, is_live=False, at=AT)
    with unguarded():
        ImpersonationActivity.objects.all().delete()
        AuditEvent.objects.all().delete()

    story = story_of(long_story, is_live=False, at=AT, cursor=second.next_cursor or "")

    assert (story.deeds, story.next_cursor, bool(story.previous_cursor)) == ([], None, True)


# --- in words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ("", "An address where there is no page"),
        ("user_edit", "Edit user"),
        ("delegated_group_create", "Create delegated group"),
        ("delegated_group_list", "Delegated groups"),
        ("user_detail", "User page"),
        ("profile_detail", "Profile page"),
        ("profile_delete", "Delete profile"),
        ("login_access_policies", "Login access policies"),
        ("visit_step_up", "Step up to full access"),
        ("admin:orgs_organization_change", "Operator console"),
        ("settings", "Settings"),
        ("audit_trail_download", "Download audit trail"),
        ("edit", "Edit"),
    ],
)
def test_views_are_called_as_people_call_them(view: str, said: str) -> None:
    assert view_in_words(view) == said


@pytest.mark.parametrize(
    ("kind", "status", "detail", "said"),
    [
        ("write", 200, "", "Done"),
        ("write", 204, "", "Done"),
        ("write", 302, "", "Done"),
        ("write", 302, "sent twice", "Nothing was done: sent twice"),
        ("write", 200, "asked first", "Nothing was done: asked first"),
        ("write", 400, "", "Not accepted"),
        ("write", 401, "", "Not accepted"),
        ("write", 403, "", "Refused"),
        ("write", 403, "Not you.", "Refused: Not you."),
        ("write", 404, "", "Not found"),
        ("write", 405, "", "Not accepted: this page takes nothing in"),
        ("write", 409, "", "Changed meanwhile: not saved"),
        ("write", 410, "", "No longer there"),
        ("write", 422, "", "Not accepted: the form was shown again"),
        ("write", 429, "", "Refused: too many tries"),
        ("write", 500, "", "Failed"),
        ("write", 503, "", "Failed"),
        ("refusal", 302, "", "Nothing was done"),
        ("refusal", 403, "No.", "Refused: No."),
        ("refusal", 404, "", "Not found"),
        ("opened", 200, "", "Opened"),
    ],
)
def test_outcomes_are_said_in_words(kind: str, status: int, detail: str, said: str) -> None:
    row = ImpersonationActivity(kind=ActivityKind(kind), status=status, detail=detail, created_at=AT)

    assert outcome_in_words(row, is_live=False, at=AT) == said


@pytest.mark.parametrize(
    ("is_live", "seconds", "said"),
    [
        (True, 59, "Still running"),
        (True, 60, "Unknown: the process ended before it was written down"),
        (False, 1, "Unknown: the process ended before it was written down"),
    ],
)
def test_request_without_an_outcome_is_running_or_unknown(is_live: bool, seconds: int, said: str) -> None:
    row = ImpersonationActivity(kind=ActivityKind.WRITE, status=None, created_at=AT)

    assert outcome_in_words(row, is_live=is_live, at=AT + timedelta(seconds=seconds)) == said
