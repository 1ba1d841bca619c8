"""Your sessions, in settings: see, and end; not from inside a visit."""

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
from accounts.presence import Visit, visits_of, with_ends
from accounts.services.guards import NotInOrganization
from accounts.services.session_removal import end_other_sessions, end_own_session
from accounts.session_list import OWN_SIZE
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import AuditEvent, Organization, SessionSettings
from orgs.permissions import RefusedInside
from tests.factories import LoginAccessGrantFactory
from tests.queries import captured_queries

from .reading import html_of, section_of, words_of

pytestmark = pytest.mark.django_db

ClientOf = Callable[[User], PortalClient]
Browser = Callable[[], PortalClient]

URL = "/settings/sessions/"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def row_of(client: PortalClient) -> Session:
    return Session.objects.get(key_hash=hash_key(client.cookies[django_settings.SESSION_COOKIE_NAME].value))


def rows_of(client: PortalClient) -> list[tuple[str, str]]:
    """Return whose session each row is, and what can be done with it."""
    html = html_of(client.get(URL)).partition("<tbody>")[2].partition("</tbody>")[0]
    cells = [
        re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    ]
    return [(words_of(row[0]), words_of(row[7]) if len(row) > 7 else "") for row in cells]


def end(client: PortalClient, session: Session) -> Any:  # noqa: ANN401
    return client.post(f"{URL}{session.public_id}/end/")


def ended() -> set[str]:
    rows = Session.objects.exclude(ended_at=None).select_related("user")
    return {f"as {row.user}" if row.is_worn else str(row.user) for row in rows}


@pytest.fixture
def acmes(any_user_login: Organization) -> Organization:
    SessionSettings.objects.filter(organization=any_user_login).update(force_relogin=False)
    return any_user_login


@pytest.fixture
def phone(grace: User, client_of: ClientOf) -> PortalClient:
    """Grace's other browser."""
    return client_of(grace)


@pytest.fixture
def client(
    acmes: Organization, ada: User, grace: User, phone: PortalClient, client_of: ClientOf, browser: Browser
) -> PortalClient:
    """Grace, who looks; Ada is logged in as her."""
    browser().login_as(grace, actor=ada)
    made = client_of(grace)
    at = timezone.now()
    Session.objects.filter(user=grace, parent=None).update(last_active_at=at - 5 * MINUTE)
    return made


# --- the page ----------------------------------------------------------------------------------------------------


def test_page_lists_ones_own_sessions_and_who_wears_the_account(client: PortalClient) -> None:
    assert sorted(rows_of(client)) == [
        ("Ada Lovelace as you", "End"),
        ("Yours", "End"),
        ("Yours This one", "Sign out"),
    ]
    assert section_of(client.get(URL), "Who logged in as me") == (
        "Who Started Lasted Why Access Ended Ada Lovelace Administrators Can Log in as Any User just now"
        " less than a minute – Full access Logged in now End"
    )


def test_page_with_nothing_else_offers_nothing_else(acme: Organization, grace: User, client_of: ClientOf) -> None:
    alone = client_of(grace)

    assert rows_of(alone) == [("Yours This one", "Sign out")]
    assert "End all others" not in html_of(alone.get(URL))
    assert section_of(alone.get(URL), "Who logged in as me") == "Nobody yet."


def test_page_shows_no_session_whose_limit_has_fallen(client: PortalClient, phone: PortalClient, grace: User) -> None:
    old = row_of(phone)
    Session.objects.filter(pk=old.pk).update(last_active_at=timezone.now() - 3 * HOUR)

    assert sorted(rows_of(client)) == [("Ada Lovelace as you", "End"), ("Yours This one", "Sign out")]


def test_many_that_are_over_hide_none_that_goes_on(acme: Organization, grace: User, client_of: ClientOf) -> None:
    client = client_of(grace)
    over = timezone.now() - 3 * HOUR
    Session.objects.bulk_create(
        Session(key_hash=f"{n:064}", user=grace, organization=acme, created_at=over, last_active_at=over)
        for n in range(60)
    )

    assert rows_of(client) == [("Yours This one", "Sign out")]


def test_page_shows_a_support_agents_visit_by_name(
    acmes: Organization, grace: User, sam: User, browser: Browser, client_of: ClientOf
) -> None:
    LoginAccessGrantFactory.create(user=grace, support_organization=sam.organization)
    browser().login_as(grace, actor=sam)

    assert ("Sam Spade (Portal Support) as you", "End") in rows_of(client_of(grace))


def test_page_inside_a_visit_is_there_to_read(client: PortalClient, alan: User, grace: User, browser: Browser) -> None:
    inside = browser()
    inside.login_as(grace, actor=alan)

    assert sorted(rows_of(inside)) == [
        ("Ada Lovelace as you", ""),
        ("Alan Turing as you This one", ""),
        ("Yours", ""),
        ("Yours", ""),
    ]
    html = html_of(inside.get(URL))
    assert "End all others" not in html
    assert "/end/" not in html
    assert "Only Grace Hopper can end these, not someone who is logged in as them." in words_of(html)
    assert "Only Grace Hopper can end these" not in words_of(html_of(client.get(URL)))


def test_late_write_after_ones_session_was_ended_blames_no_administrator(
    client: PortalClient, phone: PortalClient
) -> None:
    row = row_of(phone)
    client.post(f"{URL}{row.public_id}/end/")

    answer = phone.post("/settings/login-access/", {"grantee-1": "7"})

    assert answer.status_code == 403
    words = words_of(answer.content.decode())
    assert "Nothing was saved." in words
    assert "administrator" not in words


def test_late_write_after_the_timeout_says_so(phone: PortalClient) -> None:
    Session.objects.filter(pk=row_of(phone).pk).update(last_active_at=timezone.now() - 3 * HOUR)

    answer = phone.post("/settings/login-access/", {})

    words = words_of(answer.content.decode())
    assert "The session it belonged to has ended: there was no activity for too long." in words


def test_home_leads_there(client: PortalClient) -> None:
    assert f'href="{URL}"' in html_of(client.get("/"))


def test_page_shows_no_key_and_no_hash(client: PortalClient) -> None:
    html = html_of(client.get(URL))

    for session in Session.objects.all():
        for secret in (session.key_hash, session.return_hash, session.auth_hash):
            assert not secret or secret not in html


def test_many_are_paged_the_latest_first(acme: Organization, grace: User, client_of: ClientOf) -> None:
    client = client_of(grace)
    at = timezone.now()
    Session.objects.bulk_create(
        Session(key_hash=f"{n:064}", user=grace, organization=acme, created_at=at, last_active_at=at)
        for n in range(OWN_SIZE)
    )

    first = client.get(URL)
    second = client.get(first.context["next_url"])

    assert [len(page.context["rows"]) for page in (first, second)] == [OWN_SIZE, 1]
    assert [row.is_mine for row in second.context["rows"]] == [True]
    shown = [row.live.session.pk for page in (first, second) for row in page.context["rows"]]
    assert shown == sorted(shown, reverse=True)
    # The others are on another page.
    assert "End all others" in html_of(second)
    assert 'aria-label="Pages of sessions"' in html_of(first)
    assert (first.context["previous_url"], second.context["next_url"]) == ("", "")
    assert client.get(second.context["previous_url"]).context["rows"][0].live.session.pk == shown[0]


@pytest.mark.parametrize(
    ("back", "leads_to"),
    [(f"{URL}?cursor=x", f"{URL}?cursor=x"), ("/setup/sessions/", URL), ("https://else.example/", URL), ("", URL)],
)
def test_ending_one_leads_back_to_its_page(back: str, leads_to: str, client: PortalClient, phone: PortalClient) -> None:
    answer = client.post(f"{URL}{row_of(phone).public_id}/end/", {"back": back})

    assert answer.headers["Location"] == leads_to


@pytest.mark.parametrize("others", [1, 3])
def test_page_costs_the_same_at_any_length(others: int, client: PortalClient, grace: User, client_of: ClientOf) -> None:
    for _ in range(others):
        client_of(grace)

    with captured_queries() as queries:
        client.get(URL)

    assert len(queries) == 7


def test_settings_lead_there(client: PortalClient) -> None:
    assert 'href="/settings/sessions/">Your sessions</a>' in html_of(client.get("/settings/"))


# --- ending one --------------------------------------------------------------------------------------------------


def test_end_of_one_says_so_and_is_in_the_trail(client: PortalClient, phone: PortalClient) -> None:
    session = row_of(phone)

    answer = end(client, session)

    assert (answer.status_code, answer.headers["Location"], ended()) == (302, URL, {"Grace Hopper"})
    assert "The session has been ended." in words_of(html_of(client.get(URL)))
    assert phone.get(URL).headers["Location"].startswith("/login/")
    event = AuditEvent.objects.latest("id")
    assert (event.sentence, event.user_name) == ("Ended a session of user Grace Hopper", "Grace Hopper")
    assert event.after == {"session": str(session.public_id), "type": "UI", "sessions": 1}


def test_end_of_one_ends_the_visit_from_it(
    acmes: Organization, ada: User, grace: User, client_of: ClientOf, browser: Browser
) -> None:
    visit = browser().login_as(grace, actor=ada)

    end(client_of(ada), visit.actor_session)

    visit.refresh_from_db()
    assert (visit.end_cause, visit.ended_by) == (EndCause.PARENT_SESSION_ENDED, ada)
    assert ended() == {"Ada Lovelace", "as Grace Hopper"}


def test_end_of_this_one_is_signing_out(client: PortalClient) -> None:
    answer = end(client, row_of(client))

    assert (answer.headers["Location"], ended()) == ("/login/", {"Grace Hopper"})
    assert client.get(URL).headers["Location"].startswith("/login/")


def test_end_of_what_has_ended_says_so(client: PortalClient, phone: PortalClient) -> None:
    session = row_of(phone)
    end(client, session)
    client.get(URL)

    end(client, session)

    assert "That session had already ended." in words_of(html_of(client.get(URL)))
    assert AuditEvent.objects.filter(action="user.session_ended").count() == 1


def test_others_sessions_and_worn_ones_are_not_found(client: PortalClient, ada: User) -> None:
    of_ada = Session.objects.get(user=ada)
    worn = Session.objects.get(parent=of_ada)

    assert [end(client, session).status_code for session in (of_ada, worn)] == [404, 404]
    assert ended() == set()


# --- ending all others -------------------------------------------------------------------------------------------


def test_end_all_others_leaves_this_one_alone(client: PortalClient, ada: User) -> None:
    answer = client.post(f"{URL}end-others/")

    assert (answer.status_code, answer.headers["Location"]) == (302, URL)
    assert ended() == {"Grace Hopper", "as Grace Hopper"}
    assert rows_of(client) == [("Yours This one", "Sign out")]
    visit = Impersonation.objects.get()
    assert (visit.end_cause, visit.ended_by_id, visit.actor_session.ended_at) == (
        EndCause.ENDED_BY_TARGET,
        Session.objects.live().get(parent=None, user__username="grace@acme.example").user_id,
        None,
    )
    event = AuditEvent.objects.latest("id")
    assert (event.sentence, event.after) == ("Ended the sessions of user Grace Hopper", {"sessions": 2})


@pytest.mark.parametrize(
    ("others", "words"),
    [
        (0, "There was no other session to end."),
        (1, "1 other session has been ended."),
        (2, "2 other sessions have been ended."),
    ],
)
def test_end_all_others_says_how_many(
    others: int, words: str, acme: Organization, grace: User, client_of: ClientOf
) -> None:
    for _ in range(others):
        client_of(grace)
    client = client_of(grace)

    client.post(f"{URL}end-others/")

    assert words in words_of(html_of(client.get(URL)))
    assert AuditEvent.objects.filter(action="user.sessions_ended").count() == (others > 0)


def test_end_all_others_leaves_what_a_limit_ended_to_the_limit(
    acmes: Organization, ada: User, grace: User, client_of: ClientOf, browser: Browser
) -> None:
    visit = browser().login_as(grace, actor=ada)
    later = visit.ends_at + MINUTE

    count = end_other_sessions(origin=Origin(user=grace, actor=grace), at=later)

    visit.refresh_from_db()
    assert (count, visit.end_cause, visit.ended_at, visit.ended_by) == (0, EndCause.TIME_LIMIT, visit.ends_at, None)


# --- inside ------------------------------------------------------------------------------------------------------


def test_nothing_is_ended_from_inside(
    client: PortalClient, phone: PortalClient, alan: User, grace: User, browser: Browser
) -> None:
    inside = browser()
    visit = inside.login_as(grace, actor=alan)
    origin = Origin(user=grace, actor=alan, impersonation_id=visit.pk)

    assert end(inside, row_of(phone)).status_code == 403
    assert inside.post(f"{URL}end-others/").status_code == 403
    with pytest.raises(RefusedInside):
        end_own_session(row_of(phone).public_id, origin=origin)
    with pytest.raises(RefusedInside):
        end_other_sessions(origin=origin)
    assert ended() == set()


def test_nobodys_sessions_are_nobodys_to_end() -> None:
    with pytest.raises(NotInOrganization):
        end_other_sessions(origin=Origin())


# --- visits whose sessions are gone ------------------------------------------------------------------------------


def test_visit_is_told_when_its_sessions_rows_are_gone(client: PortalClient, grace: User) -> None:
    client.post(f"{URL}end-others/")
    Session.objects.filter(pk__in=Impersonation.objects.values("actor_session")).update(ended_at=timezone.now())
    Session.objects.exclude(ended_at=None).delete()

    (visit,) = visits_of(grace, grace.organization.session_settings, at=timezone.now(), limit=5)

    assert (visit.row.actor_name, visit.is_live, visit.ended) == ("Ada Lovelace", False, "the user ended it")
    assert "you ended it".capitalize() in section_of(client.get(URL), "Who logged in as me")


def test_open_visit_without_its_sessions_has_its_own_end_alone(client: PortalClient, acme: Organization) -> None:
    """As no code of ours leaves it: nothing else is known of it."""
    Session.objects.filter(parent__isnull=False).update(ended_at=timezone.now())
    row = with_ends(Impersonation.objects.all()).get()

    now, later = (Visit.of(row, acme.session_settings, at=at) for at in (row.ends_at - MINUTE, row.ends_at + MINUTE))

    assert (now.is_live, later.is_live, later.ended) == (True, False, "the time limit was reached")
