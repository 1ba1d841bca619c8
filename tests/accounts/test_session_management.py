"""Session Management: who is there, as a tree, and Remove."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from accounts.enums import EndCause
from accounts.keys import hash_key
from accounts.models import Impersonation, Session, User
from accounts.services.expiry import close_expired
from accounts.services.guards import ModifyAllDataNeeded, NotInOrganization
from accounts.services.session_removal import remove_session
from accounts.session_list import session_page
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import AuditEvent, Organization, SessionSettings
from orgs.permissions import Permission, RefusedInside
from tests.factories import LoginAccessGrantFactory, ProfileFactory, UserFactory
from tests.queries import captured_queries

from .reading import html_of, words_of

pytestmark = pytest.mark.django_db

ClientOf = Callable[[User], PortalClient]
Browser = Callable[[], PortalClient]

URL = "/setup/sessions/"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"


def row_of(client: PortalClient) -> Session:
    return Session.objects.get(key_hash=hash_key(client.cookies[django_settings.SESSION_COOKIE_NAME].value))


def rows_of(client: PortalClient, query: str = "") -> list[str]:
    """Return what stands in the column User, row by row; "> " before those below the one above."""
    html = html_of(client.get(f"{URL}{query}"))
    return [words_in(cell) for cell in re.findall(r'<td data-label="User"[^>]*>(.*?)</td>', html, re.DOTALL)]


def words_in(cell: str) -> str:
    return words_of(cell).replace("↳ From the session above:", ">")


def columns_of(client: PortalClient) -> list[list[str]]:
    html = html_of(client.get(URL)).partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [words_in(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    ]


def remove(client: PortalClient, session: Session, **data: Any) -> Any:  # noqa: ANN401
    return client.post(f"{URL}{session.public_id}/remove/", data)


def limits(organization: Organization, **changes: Any) -> None:
    SessionSettings.objects.filter(organization=organization).update(**changes)


@pytest.fixture
def acmes(any_user_login: Organization) -> Organization:
    limits(any_user_login, force_relogin=False)
    return any_user_login


@pytest.fixture
def auditor(acme: Organization, make: Callable[..., User]) -> User:
    """Monitors, and ends nobody's."""
    user = make("Audrey", "Horne")
    user.profile = ProfileFactory.create(organization=acme, permissions=(Permission.MONITOR_LOGIN_HISTORY,))
    user.save()
    return user


ADA, ALAN = "Ada Lovelace ada@acme.example", "Alan Turing alan@acme.example"
GRACE, GRACE_BY_ADA = "Grace Hopper grace@acme.example", "> as Grace Hopper by Ada Lovelace grace@acme.example"
BY_SAM = "as Grace Hopper by Sam Spade (Portal Support) grace@acme.example"
ALAN_HERE = "Alan Turing This is you alan@acme.example"


@pytest.fixture
def visited(
    acmes: Organization, ada: User, alan: User, grace: User, client_of: ClientOf, browser: Browser
) -> PortalClient:
    """Alan, who looks; Grace is there, and Ada as Grace."""
    client_of(grace)
    browser().login_as(grace, actor=ada)
    return client_of(alan)


@pytest.fixture
def guest(acmes: Organization, grace: User, sam: User, browser: Browser) -> PortalClient:
    """Sam of Portal Support, as Grace."""
    LoginAccessGrantFactory.create(user=grace, support_organization=sam.organization)
    client = browser()
    client.login_as(grace, actor=sam)
    return client


# --- the tree ----------------------------------------------------------------------------------------------------


def test_actors_session_stands_above_the_worn_one(visited: PortalClient) -> None:
    assert rows_of(visited) == [ALAN_HERE, ADA, GRACE_BY_ADA, GRACE]


def test_columns_tell_what_a_session_is(
    acmes: Organization, ada: User, alan: User, grace: User, browser: Browser
) -> None:
    inside, client = browser(), browser()
    inside.login_as(grace, actor=ada)
    client.force_login(alan)
    at = timezone.now()
    Session.objects.update(address="192.0.2.7", agent=FIREFOX, created_at=at - HOUR, last_active_at=at - 20 * MINUTE)
    Session.objects.filter(user=alan).update(
        created_at=at - 11 * HOUR - 30 * MINUTE - MINUTE / 2, agent="", address=None
    )
    Impersonation.objects.update(ends_at=at + 10 * MINUTE + MINUTE / 2)

    assert columns_of(client) == [
        ["Remove", ALAN_HERE, "UI", "–", "Unknown Unknown", "11 hours ago", "just now", "in 29 minutes absolute limit"],
        [
            "Remove",
            ADA,
            "UI",
            "192.0.2.7",
            "Firefox Windows",
            "1 hour ago",
            "20 minutes ago",
            "in 1 hour, 39 minutes inactivity",
        ],
        [
            *("Remove", GRACE_BY_ADA, "SubstituteUser", "192.0.2.7", "Firefox Windows"),
            *("1 hour ago", "20 minutes ago", "in 10 minutes end of the visit"),
        ],
    ]


@pytest.mark.parametrize(
    ("created", "active", "goes_on"),
    [
        (HOUR, 2 * HOUR, False),
        (3 * HOUR, 2 * HOUR - MINUTE, True),
        (12 * HOUR, MINUTE, False),
        (12 * HOUR - MINUTE, MINUTE, True),
    ],
)
def test_session_whose_limit_fell_unnoticed_is_not_shown(
    created: timedelta, active: timedelta, goes_on: bool, visited: PortalClient, grace: User
) -> None:
    at = timezone.now()
    Session.objects.filter(user=grace, parent=None).update(created_at=at - created, last_active_at=at - active)

    assert rows_of(visited) == [ALAN_HERE, ADA, GRACE_BY_ADA, *([GRACE] if goes_on else [])]


def test_visit_past_its_end_is_not_shown_and_its_parent_is(visited: PortalClient) -> None:
    Impersonation.objects.update(ends_at=timezone.now() - MINUTE)

    assert rows_of(visited) == [ALAN_HERE, ADA, GRACE]
    assert rows_of(visited, "?type=SubstituteUser") == []


def test_visit_goes_with_its_parents_limits(visited: PortalClient, ada: User) -> None:
    Session.objects.filter(user=ada).update(last_active_at=timezone.now() - 3 * HOUR)

    assert rows_of(visited) == [ALAN_HERE, GRACE]


def test_what_is_shown_is_what_the_sweep_leaves(
    visited: PortalClient, guest: PortalClient, acmes: Organization
) -> None:
    """Every few minutes, until every limit of every session has fallen."""
    limits(acmes, idle_minutes=30, absolute_hours=3)
    settings = acmes.session_settings
    settings.refresh_from_db()
    start = timezone.now()
    parents = Session.objects.filter(parent=None, organization=acmes)
    for number, pk in enumerate(parents.order_by("id").values_list("pk", flat=True)):
        Session.objects.filter(pk=pk).update(last_active_at=start + number * 7 * MINUTE)
    Session.objects.filter(parent__organization=acmes).update(last_active_at=start)

    for minutes in range(0, 200, 3):
        at = start + minutes * MINUTE
        shown = {one.session.pk for tree in session_page(settings, at=at)[1] for one in tree.rows}
        close_expired(origin=Origin(command="test"), at=at, organization=acmes)
        assert shown == set(Session.objects.live().filter(organization=acmes).values_list("pk", flat=True))
    assert not Session.objects.live().filter(organization=acmes).exists()


def test_person_who_looks_inside_a_visit_is_both(acmes: Organization, ada: User, alan: User, browser: Browser) -> None:
    inside = browser()
    inside.login_as(alan, actor=ada)

    assert rows_of(inside) == [
        "Ada Lovelace This is you ada@acme.example",
        "> as Alan Turing by Ada Lovelace This is you alan@acme.example",
    ]


def test_page_shows_no_key_and_no_hash(visited: PortalClient) -> None:
    html = html_of(visited.get(URL))

    for session in Session.objects.all():
        for secret in (session.key_hash, session.return_hash, session.auth_hash):
            assert not secret or secret not in html


# --- support agents ----------------------------------------------------------------------------------------------


def test_customer_sees_the_worn_session_of_a_guest_alone(guest: PortalClient, ada: User, client_of: ClientOf) -> None:
    assert rows_of(client_of(ada)) == ["Ada Lovelace This is you ada@acme.example", BY_SAM]


def test_support_organization_sees_its_own_people_alone(
    guest: PortalClient, support: Organization, client_of: ClientOf
) -> None:
    profile = ProfileFactory.create(organization=support, permissions=tuple(Permission))
    boss = UserFactory.create(
        organization=support, profile=profile, first_name="Bo", last_name="Ss", username="b@s.example"
    )

    assert rows_of(client_of(boss)) == ["Bo Ss This is you b@s.example", "Sam Spade sam@support.example"]


@pytest.mark.parametrize(
    ("whose", "changes"),
    [
        ("customer", {"idle_minutes": 30}),
        ("house", {"idle_minutes": 30}),
        ("house", {"absolute_hours": 1, "idle_minutes": 60}),
    ],
)
def test_guests_session_goes_with_the_limits_of_both_organizations(
    whose: str,
    changes: dict[str, int],
    guest: PortalClient,
    ada: User,
    sam: User,
    acmes: Organization,
    client_of: ClientOf,
) -> None:
    client = client_of(ada)
    at = timezone.now()
    inside = Session.objects.exclude(user=ada)
    inside.update(last_active_at=at - 40 * MINUTE, created_at=at - 70 * MINUTE)
    before = rows_of(client)

    limits(acmes if whose == "customer" else sam.organization, **changes)

    assert (before[1:], rows_of(client)[1:]) == ([BY_SAM], [])


def test_guest_is_found_by_name_and_by_whom_they_wear(guest: PortalClient, ada: User, client_of: ClientOf) -> None:
    client = client_of(ada)

    assert rows_of(client, "?person=sam@support.example") == [BY_SAM]
    assert rows_of(client, "?person=grace@acme.example") == [BY_SAM]
    assert rows_of(client, "?type=SubstituteUser") == [BY_SAM]


# --- filters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("?person=ada@acme.example", [ADA, GRACE_BY_ADA]),
        ("?person=Lovelace", [ADA, GRACE_BY_ADA]),
        ("?person=grace@acme.example", [ADA, GRACE_BY_ADA, GRACE]),
        ("?person=grace@acme.example&type=UI", [GRACE]),
        ("?person=grace@acme.example&type=SubstituteUser", [ADA, GRACE_BY_ADA]),
        ("?person=alan@acme.example&type=SubstituteUser", []),
        ("?type=UI", [ALAN_HERE, ADA, GRACE]),
        ("?type=SubstituteUser", [ADA, GRACE_BY_ADA]),
        ("?type=nonsense", [ALAN_HERE, ADA, GRACE_BY_ADA, GRACE]),
        ("?person=nobody", []),
        ("?person=acme.example", []),
        ("?cursor=edited", [ALAN_HERE, ADA, GRACE_BY_ADA, GRACE]),
    ],
)
def test_filters_narrow(query: str, rows: list[str], visited: PortalClient) -> None:
    assert rows_of(visited, query) == rows


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?type=nonsense", "There is no such choice. Nothing is narrowed by it."),
        ("?person=nobody", "Nobody here is called “nobody”."),
        ("?person=acme.example", "Who is “acme.example”?"),
        ("?person=alan@acme.example&type=SubstituteUser", "No session matches."),
        ("?person=%00", "Null characters are not allowed."),
    ],
)
def test_page_says_what_it_could_not_use_or_find(query: str, words: str, visited: PortalClient) -> None:
    assert words in words_of(html_of(visited.get(f"{URL}{query}")))


def test_pages_go_by_roots_and_keep_the_filter(
    acmes: Organization, ada: User, grace: User, alan: User, client_of: ClientOf, browser: Browser
) -> None:
    for _ in range(51):
        browser().login_as(grace, actor=ada)
    client = client_of(alan)

    first = rows_of(client, "?person=ada@acme.example")
    html = html_of(client.get(f"{URL}?person=ada@acme.example"))
    found = re.search(r'href="/setup/sessions/(\?[^"]*)" rel="next"', html)
    assert found
    second = rows_of(client, found[1].replace("&amp;", "&"))

    assert (first, second) == ([ADA, GRACE_BY_ADA] * 50, [ADA, GRACE_BY_ADA])
    assert "person=ada%40acme.example" in found[1]


@pytest.mark.parametrize(
    ("query", "queries"),
    [("", 4), ("?person=ada@acme.example", 11), ("?type=UI", 3), ("?type=SubstituteUser", 7)],
)
@pytest.mark.parametrize("visits", [1, 3])
def test_page_costs_the_same_at_any_length(
    visits: int, query: str, queries: int, visited: PortalClient, ada: User, grace: User, browser: Browser
) -> None:
    for _ in range(visits - 1):
        browser().login_as(grace, actor=ada)
    visited.get(URL)

    with captured_queries() as asked:
        visited.get(f"{URL}{query}")

    assert len(asked) == queries


# --- Remove ------------------------------------------------------------------------------------------------------


def end_of(visit: Impersonation) -> tuple[str, str]:
    visit.refresh_from_db()
    return visit.end_cause, str(visit.ended_by or "")


def ended() -> set[str]:
    """Return whose sessions have ended: "Ada Lovelace", "as Grace Hopper"."""
    rows = Session.objects.exclude(ended_at=None).select_related("user")
    return {f"as {row.user}" if row.is_worn else str(row.user) for row in rows}


def test_remove_ends_a_session_and_says_so(visited: PortalClient, grace: User) -> None:
    session = Session.objects.get(user=grace, parent=None)

    answer = remove(visited, session, back=f"{URL}?type=UI")

    assert (answer.status_code, answer.headers["Location"], ended()) == (302, f"{URL}?type=UI", {"Grace Hopper"})
    assert "The session has been ended." in words_of(html_of(visited.get(URL)))
    event = AuditEvent.objects.latest("id")
    assert (event.sentence, event.user_name, event.about_name) == (
        "Ended a session of user Grace Hopper",
        "Alan Turing",
        "Grace Hopper",
    )
    assert event.after == {"session": str(session.public_id), "type": "UI", "sessions": 1}


@pytest.mark.parametrize(
    "back", ["", "https://elsewhere.example/", "/setup/users/", "//elsewhere.example/setup/sessions/"]
)
def test_remove_leads_back_to_the_list_alone(back: str, visited: PortalClient, grace: User) -> None:
    answer = remove(visited, Session.objects.get(user=grace, parent=None), back=back)

    assert answer.headers["Location"] == URL


def test_remove_of_a_worn_session_ends_the_visit_alone_and_its_actor_is_back(
    acmes: Organization, ada: User, alan: User, grace: User, client_of: ClientOf, browser: Browser
) -> None:
    inside, client = browser(), client_of(alan)
    visit = inside.login_as(grace, actor=ada)

    remove(client, Session.objects.get(pk=visit.pk))

    assert (end_of(visit), ended()) == (("ended_by_administrator", "Alan Turing"), {"as Grace Hopper"})
    answer = inside.get("/", follow=True)
    assert answer.redirect_chain == [(f"/setup/users/{grace.pk}/", 302)]
    assert "Your visit as Grace Hopper has ended: an administrator ended it." in words_of(answer.content.decode())
    assert str(answer.context["user"]) == "Ada Lovelace"


def test_remove_of_a_parent_ends_both(visited: PortalClient, ada: User) -> None:
    visit = Impersonation.objects.get()

    remove(visited, Session.objects.get(user=ada))

    assert (end_of(visit), ended()) == (
        ("ended_by_administrator", "Alan Turing"),
        {"as Grace Hopper", "Ada Lovelace"},
    )
    words = words_of(html_of(visited.get(URL)))
    assert "The session has been ended, and with it the one in which another account was worn." in words


def test_customers_remove_of_a_guests_session_ends_only_that(
    guest: PortalClient, ada: User, client_of: ClientOf
) -> None:
    visit = Impersonation.objects.get()

    remove(client_of(ada), Session.objects.get(pk=visit.pk))

    assert (end_of(visit), ended()) == (("ended_by_administrator", "Ada Lovelace"), {"as Grace Hopper"})


def test_guests_own_session_is_not_found(guest: PortalClient, ada: User, sam: User, client_of: ClientOf) -> None:
    answer = remove(client_of(ada), Session.objects.get(user=sam))

    assert (answer.status_code, ended()) == (404, set())


def test_remove_of_ones_own_is_signing_out(visited: PortalClient) -> None:
    answer = remove(visited, row_of(visited))

    assert (answer.status_code, answer.headers["Location"]) == (302, "/login/")
    assert visited.cookies[django_settings.SESSION_COOKIE_NAME].value == ""
    assert ended() == {"Alan Turing"}
    assert visited.get(URL).headers["Location"].startswith("/login/")


def test_remove_of_what_has_ended_says_so(visited: PortalClient, grace: User) -> None:
    session = Session.objects.get(user=grace, parent=None)
    remove(visited, session)
    visited.get(URL)
    events = AuditEvent.objects.count()

    answer = remove(visited, session)

    assert answer.status_code == 302
    assert "That session had already ended." in words_of(html_of(visited.get(URL)))
    assert AuditEvent.objects.count() == events


def test_limit_that_fell_before_is_what_ended_it(visited: PortalClient, alan: User) -> None:
    visit = Impersonation.objects.get()
    later = visit.ends_at + MINUTE
    origin = Origin(user=alan, actor=alan)

    removed = remove_session(Session.objects.get(pk=visit.pk).public_id, origin=origin, at=later)

    visit.refresh_from_db()
    assert (removed, visit.end_cause, visit.ended_at, visit.noticed_at, visit.ended_by) == (
        *(0, EndCause.TIME_LIMIT, visit.ends_at, later, None),
    )
    assert not AuditEvent.objects.filter(action="user.session_ended").exists()


def test_reader_sees_no_button_and_may_not(
    visited: PortalClient, auditor: User, grace: User, client_of: ClientOf
) -> None:
    client = client_of(auditor)

    assert "Remove" not in words_of(html_of(client.get(f"{URL}?person=grace@acme.example")))
    assert remove(client, Session.objects.get(user=grace, parent=None)).status_code == 403
    assert ended() == set()


def test_holders_of_modify_all_data_are_for_holders_alone(
    visited: PortalClient, hedy: User, ada: User, client_of: ClientOf
) -> None:
    client = client_of(hedy)

    assert [row[0] for row in columns_of(client)] == [
        "Remove",
        "Holds Modify All Data",
        "Holds Modify All Data",
        "Remove",
        "Remove",
    ]
    with pytest.raises(ModifyAllDataNeeded):
        remove_session(Session.objects.get(user=ada).public_id, origin=Origin(user=hedy, actor=hedy))
    assert remove(client, Session.objects.get(user=ada)).status_code == 403
    assert "Remove all sessions" not in html_of(client.get(f"{URL}?person=ada@acme.example"))
    assert ended() == set()


def test_why_there_is_no_remove_stands_once_above_the_list(
    visited: PortalClient, hedy: User, auditor: User, client_of: ClientOf
) -> None:
    words = "Only someone with Modify All Data may end the sessions of those who hold it."

    assert words_of(html_of(client_of(hedy).get(URL))).count(words) == 1
    # There is nothing to explain where everyone may be removed, or nobody.
    assert words not in words_of(html_of(visited.get(URL)))
    assert words not in words_of(html_of(client_of(auditor).get(URL)))


def test_what_is_another_organizations_is_not_found(
    visited: PortalClient, stranger: User, client_of: ClientOf, alan: User
) -> None:
    session = row_of(client_of(stranger))

    assert remove(visited, session).status_code == 404
    with pytest.raises(NotInOrganization):
        remove_session(session.public_id, origin=Origin(user=alan, actor=alan))
    assert ended() == set()


def test_session_of_nobody_is_not_found(visited: PortalClient) -> None:
    session = Session.objects.create(key_hash="0" * 64, created_at=timezone.now(), last_active_at=timezone.now())

    assert remove(visited, session).status_code == 404


def test_command_removes_whichever_it_is_told(visited: PortalClient, grace: User) -> None:
    session = Session.objects.get(user=grace, parent=None)

    assert remove_session(session.public_id, origin=Origin.automated("tidy")) == 1
    assert AuditEvent.objects.latest("id").user_name.startswith("Automated Process (tidy by ")


def test_all_of_a_persons_are_one_button(visited: PortalClient, grace: User) -> None:
    html = html_of(visited.get(f"{URL}?person=grace@acme.example"))

    assert f'action="/setup/users/{grace.pk}/end-sessions/"' in html
    assert "Remove all sessions of Grace Hopper" in words_of(html)
    assert "Remove all sessions" not in words_of(html_of(visited.get(URL)))


@pytest.mark.parametrize(
    ("back", "lands_on"),
    [
        (f"{URL}?person=grace@acme.example", f"{URL}?person=grace@acme.example"),
        ("//elsewhere.example/setup/sessions/", "/setup/users/{}/"),
        ("", "/setup/users/{}/"),
    ],
)
def test_removing_all_leads_back_to_the_list_one_came_from(
    back: str, lands_on: str, visited: PortalClient, grace: User
) -> None:
    answer = visited.post(f"/setup/users/{grace.pk}/end-sessions/", {"back": back})

    assert (answer.status_code, answer.headers["Location"]) == (302, lands_on.format(grace.pk))


# --- inside a visit ----------------------------------------------------------------------------------------------


@pytest.fixture
def inside(
    acmes: Organization, ada: User, alan: User, grace: User, client_of: ClientOf, browser: Browser
) -> PortalClient:
    """Ada as Alan; both of them are there elsewhere too, and so is Grace."""
    for person in (ada, alan, grace):
        client_of(person)
    client = browser()
    client.login_as(alan, actor=ada)
    return client


def test_third_persons_session_is_ended_from_inside(inside: PortalClient, grace: User) -> None:
    answer = remove(inside, Session.objects.get(user=grace))

    assert (answer.status_code, ended()) == (302, {"Grace Hopper"})
    event = AuditEvent.objects.latest("id")
    assert (event.user_name, event.delegate_user_name) == ("Alan Turing", "Ada Lovelace")


def test_targets_sessions_are_not_ended_from_inside(inside: PortalClient, ada: User, alan: User) -> None:
    origin = Origin(user=alan, actor=ada, impersonation_id=Impersonation.objects.get().pk)
    for session in Session.objects.filter(user=alan):
        answer = remove(inside, session)

        assert answer.status_code == 403
        assert "This is not available while you are logged in as Alan Turing." in words_of(answer.content.decode())
        with pytest.raises(RefusedInside):
            remove_session(session.public_id, origin=origin)
    assert ended() == set()


def test_inside_the_list_says_once_why_the_targets_sessions_stay(inside: PortalClient) -> None:
    words = "The sessions of the account that you are logged in as are not ended from inside the visit."

    assert [row[0] for row in columns_of(inside)].count("Not from inside") == 2
    assert words_of(html_of(inside.get(URL))).count(words) == 1


def test_actors_own_session_is_removed_from_inside_and_both_are_out(inside: PortalClient) -> None:
    visit = Impersonation.objects.get()

    answer = remove(inside, visit.actor_session)

    assert (answer.headers["Location"], ended()) == ("/login/", {"Ada Lovelace", "as Alan Turing"})
    assert end_of(visit) == ("ended_by_administrator", "Ada Lovelace")
    assert inside.get(URL).headers["Location"].startswith("/login/")


# --- the way there -----------------------------------------------------------------------------------------------


def test_user_page_leads_to_that_persons_sessions(visited: PortalClient, grace: User) -> None:
    html = html_of(visited.get(f"/setup/users/{grace.pk}/"))

    assert (
        '<a href="/setup/sessions/?person=grace%40acme.example">Sessions of Grace Hopper in Session Management</a>'
        in html
    )
