"""Login History: the page in Setup, one's own in settings, and what leads there."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from accounts.models import Login, User
from accounts.views.login_history import LoginHistoryForm, narrowed
from orgs.audit import AuditAction, record
from orgs.http import Origin
from orgs.models import Organization
from orgs.months import months_before
from tests.orgs.reading import main_of, rows_of, words
from tests.queries import captured_queries

from .reading import html_of, section_of, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]

PAGE, OWN = "/setup/login-history/", "/settings/login-history/"
DAY = timedelta(days=1)
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"


def sign_in(user: User, *, ago: timedelta = timedelta(), **fields: Any) -> Login:
    at = timezone.now() - ago
    values = {"username": user.username, "address": "192.0.2.7", "agent": FIREFOX, "created_at": at, **fields}
    row: Login = Login.objects.create(user=user, organization_id=user.organization_id, **values)
    return row


def log_in_as(target: User, actor: User, *, ago: timedelta = timedelta(), name: str = "") -> Login:
    return sign_in(target, ago=ago, type="login_as", delegate_user=actor, delegate_user_name=name or str(actor))


def exactly(row: Login) -> str:
    return f"{row.created_at:%Y-%m-%d %H:%M:%S} UTC"


def usernames(client: "PortalClient", query: str = "", page: str = PAGE) -> list[str]:
    """Return the people of the rows, by the first part of their usernames."""
    response = client.get(f"{page}{query}")
    assert response.status_code == 200
    return [login.row.username.partition("@")[0] for login in response.context["logins"]]


@pytest.fixture
def auditor(client_of: "ClientOf", ada: User) -> "PortalClient":
    """One who reads it, and whose own sign-in is not in it."""
    client = client_of(ada)
    Login.objects.all().delete()
    return client


# --- Setup -----------------------------------------------------------------------------------------------------------


def test_login_history_tells_of_each_sign_in_the_columns_newest_first(
    auditor: "PortalClient", ada: User, grace: User
) -> None:
    good = sign_in(grace, ago=3 * DAY)
    bad = sign_in(grace, ago=2 * DAY, status="wrong_password", address=None, agent="")
    worn = log_in_as(grace, ada, ago=DAY)

    response = auditor.get(PAGE)

    username = "grace@acme.example"
    assert rows_of(response) == [
        [username, exactly(worn), "192.0.2.7", "Login-As", "Success", "Firefox", "Windows", "Ada Lovelace"],
        [username, exactly(bad), "–", "Application", "Wrong password", "Unknown", "Unknown", "–"],
        [username, exactly(good), "192.0.2.7", "Application", "Success", "Firefox", "Windows", "–"],
    ]
    assert f'href="/setup/users/{grace.pk}/"' in main_of(response)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("wrong_password", "Wrong password"),
        ("locked", "Account locked"),
        ("inactive", "User inactive"),
        ("frozen", "User frozen"),
    ],
)
def test_login_history_says_why_a_sign_in_failed(auditor: "PortalClient", grace: User, status: str, why: str) -> None:
    sign_in(grace, status=status)

    assert [row[4] for row in rows_of(auditor.get(PAGE))] == [why]


def test_login_history_is_the_organizations_own(auditor: "PortalClient", grace: User, stranger: User) -> None:
    sign_in(stranger)
    sign_in(grace)

    assert usernames(auditor) == ["grace"]
    assert usernames(auditor, f"?person={stranger.username}") == []


def test_login_history_goes_back_six_months_and_says_so(auditor: "PortalClient", grace: User, alan: User) -> None:
    now = timezone.now()
    edge = months_before(now, 6)
    sign_in(grace, created_at=edge + timedelta(minutes=5))
    sign_in(alan, created_at=edge - timedelta(minutes=5))

    assert usernames(auditor) == ["grace"]
    page = words(main_of(auditor.get(PAGE)))
    assert "in the last six months; newest first, times and days in UTC. A download has all that is kept." in page
    assert "This page goes back to" not in page
    older = auditor.get(f"{PAGE}?start=2020-01-01&end=2020-12-31")
    assert f"This page goes back to {edge:%Y-%m-%d}." in words(main_of(older))
    assert "No sign-in matches." in words(main_of(older))


def test_narrowed_goes_back_as_far_as_rows_are_kept(grace: User, ada: User, stranger: User) -> None:
    old = [sign_in(grace, ago=700 * DAY), log_in_as(grace, ada, ago=600 * DAY)]
    sign_in(stranger)

    everyone = [list(rows.order_by("id")) for rows in narrowed(grace.organization, LoginHistoryForm({}))]
    of_ada = [list(rows) for rows in narrowed(grace.organization, LoginHistoryForm({"person": "ada@acme.example"}))]

    assert (everyone, of_ada) == ([old], [[], old[1:]])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["grace", "alan", "alan", "grace", "ada"]),
        ("?person=grace@acme.example", ["grace", "grace"]),
        ("?person=GRACE@acme.example", ["grace", "grace"]),
        ("?person=hopper", ["grace", "grace"]),
        ("?person=ada@acme.example", ["grace", "ada"]),
        ("?person=ada@acme.example&role=user", ["ada"]),
        ("?person=ada@acme.example&role=delegate", ["grace"]),
        ("?person=grace@acme.example&role=delegate", []),
        ("?role=delegate", ["grace", "alan", "alan", "grace", "ada"]),
        ("?person=nobody", []),
        ("?type=login_as", ["grace"]),
        ("?type=application", ["alan", "alan", "grace", "ada"]),
        ("?status=locked", ["alan"]),
        ("?status=wrong_password&person=alan@acme.example", ["alan"]),
        ("?person=ada@acme.example&type=login_as", ["grace"]),
    ],
)
def test_login_history_is_narrowed(
    auditor: "PortalClient", ada: User, alan: User, grace: User, query: str, found: list[str]
) -> None:
    sign_in(ada, ago=5 * DAY)
    sign_in(grace, ago=4 * DAY)
    sign_in(alan, ago=3 * DAY, status="wrong_password")
    sign_in(alan, ago=2 * DAY, status="locked")
    log_in_as(grace, ada, ago=DAY)

    assert usernames(auditor, query) == found


def test_login_history_of_a_person_who_could_be_two_asks_which(
    auditor: "PortalClient", make: "Callable[..., User]"
) -> None:
    sign_in(make("Grace", "Hopper"))
    sign_in(make("Gracie", "Hopper"))

    response = auditor.get(f"{PAGE}?person=hopper")

    assert usernames(auditor, "?person=hopper") == []
    assert "Who is “hopper”?" in words(main_of(response))
    assert '<a href="/setup/login-history/?person=grace%40acme.example">' in main_of(response)
    assert "No sign-in matches." not in words(main_of(response))


def test_login_history_finds_a_support_agent_as_delegate_user(
    auditor: "PortalClient", grace: User, sam: User, acme: Organization
) -> None:
    log_in_as(grace, sam, name="Sam Spade (Portal Support)")
    sign_in(sam)
    unnamed = usernames(auditor, f"?person={sam.username}")
    record(AuditAction.IMPERSONATION_STARTED, origin=Origin(), organization=acme, user=sam, about=grace)

    assert unnamed == []
    assert usernames(auditor, f"?person={sam.username}") == ["grace"]
    assert usernames(auditor, f"?person={sam.username}&role=user") == []


def test_login_history_is_narrowed_by_days(auditor: "PortalClient", ada: User, grace: User) -> None:
    rows = [sign_in(grace, ago=ago * DAY) for ago in (9, 7, 5)]
    day = f"{rows[1].created_at:%Y-%m-%d}"

    counts = [len(usernames(auditor, query)) for query in (f"?start={day}", f"?end={day}", f"?start={day}&end={day}")]

    assert counts == [2, 2, 1]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?start=yesterday", "This is not a day."),
        ("?end=2026-02-30", "This is not a day."),
        ("?start=2026-03-02&end=2026-03-01", "This is before the first day."),
        ("?type=telepathy", "There is no such choice."),
        ("?status=%00", "There is no such choice."),
        ("?role=owner", "There is no such choice."),
        (f"?person={'x' * 300}", "at most 254 characters"),
        ("?person=%00", ""),
        ("?cursor=edited", ""),
        ("?cursor=", ""),
        ("?end=9999-12-31", ""),
        ("?start=0001-01-01", "This page goes back to"),
    ],
)
@pytest.mark.parametrize("page", [PAGE, OWN])
def test_what_cannot_be_read_is_told_and_left_out(
    client_of: "ClientOf", ada: User, page: str, query: str, says: str
) -> None:
    client = client_of(ada)
    is_elsewhere = page == OWN and query.startswith(("?role", "?person"))

    response = client.get(f"{page}{query}")

    assert response.status_code == 200
    assert ("" if is_elsewhere else says) in words_of(response.content.decode())


def test_empty_login_history_and_one_without_a_match_say_so(auditor: "PortalClient", grace: User) -> None:
    empty = words(main_of(auditor.get(PAGE)))
    sign_in(grace)
    unmatched = words(main_of(auditor.get(f"{PAGE}?status=frozen")))

    assert "Nobody has signed in during the last six months." in empty
    assert "No sign-in matches. Try other days, or fewer filters. Clear all filters" in unmatched


def test_login_history_is_for_those_who_monitor_it(client_of: "ClientOf", audrey: User, hedy: User) -> None:
    assert [client_of(user).get(PAGE).status_code for user in (audrey, hedy)] == [403, 200]


# --- pages -----------------------------------------------------------------------------------------------------------


def test_login_history_is_read_page_by_page_with_its_filters(
    auditor: "PortalClient", ada: User, grace: User, alan: User
) -> None:
    moment = timezone.now() - DAY
    # Many of one moment: the id decides.
    rows = [sign_in(grace, created_at=moment) for _ in range(60)] + [log_in_as(alan, grace, ago=2 * DAY)] * 1
    sign_in(ada)
    query = "?person=grace%40acme.example"

    first = auditor.get(f"{PAGE}{query}")
    second = auditor.get(first.context["next_url"])
    back = auditor.get(second.context["previous_url"])

    newest_first = [row.pk for row in reversed(rows[:60])] + [rows[60].pk]
    shown = [[login.row.pk for login in page.context["logins"]] for page in (first, second, back)]
    assert shown == [newest_first[:50], newest_first[50:], newest_first[:50]]
    assert (first.context["previous_url"], second.context["next_url"]) == ("", "")
    assert first.context["next_url"].startswith(f"{PAGE}{query}&cursor=")


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("page", "queries"),
    [
        (PAGE, 2),
        (f"{PAGE}?type=application&status=success&start=2026-01-01", 2),
        (f"{PAGE}?person=grace@acme.example&role=user", 3),
        (f"{PAGE}?person=grace@acme.example", 4),
        (OWN, 2),
    ],
)
def test_login_history_asks_the_same_few_queries(
    auditor: "PortalClient", ada: User, grace: User, page: str, queries: int, count: int
) -> None:
    for _ in range(count):
        log_in_as(grace, ada)
        sign_in(ada)

    with captured_queries() as asked:
        assert auditor.get(page).status_code == 200

    # Who it is, and the rows; whom a name means; and the rows as Delegate User beside those as User.
    assert len(asked) == queries


# --- one's own -------------------------------------------------------------------------------------------------------


def test_ones_own_login_history_names_who_logged_in_as_one(client_of: "ClientOf", ada: User, grace: User) -> None:
    client = client_of(grace)
    Login.objects.all().delete()
    good = sign_in(grace, ago=2 * DAY)
    worn = log_in_as(grace, ada, ago=DAY)
    sign_in(ada)
    log_in_as(ada, grace)

    response = client.get(OWN)

    table = html_of(response).partition("<tbody>")[2].partition("</tbody>")[0]
    assert [words_of(row) for row in table.split("</tr>")[:-1]] == [
        f"{exactly(worn)} 192.0.2.7 Login-As Success Firefox Windows Ada Lovelace",
        f"{exactly(good)} 192.0.2.7 Application Success Firefox Windows –",
    ]
    assert "Username" not in html_of(response)


def test_ones_own_login_history_is_narrowed_and_read_page_by_page(client_of: "ClientOf", grace: User) -> None:
    client = client_of(grace)
    for _ in range(51):
        sign_in(grace, status="locked")

    first = client.get(f"{OWN}?status=locked")
    second = client.get(first.context["next_url"])

    assert [len(page.context["logins"]) for page in (first, second)] == [50, 1]
    assert first.context["next_url"].startswith(f"{OWN}?status=locked&cursor=")
    assert usernames(client, "?type=login_as", OWN) == []


def test_ones_own_login_history_goes_back_six_months(client_of: "ClientOf", grace: User) -> None:
    client = client_of(grace)
    Login.objects.all().delete()
    sign_in(grace, created_at=months_before(timezone.now(), 6) - DAY)

    assert "Nobody has signed in to your account during the last six months." in words_of(html_of(client.get(OWN)))


def test_everyone_has_a_login_history_of_their_own(client_of: "ClientOf", margaret: User, audrey: User) -> None:
    assert [client_of(user).get(OWN).status_code for user in (margaret, audrey)] == [200, 200]


# --- what leads there ------------------------------------------------------------------------------------------------


def test_settings_and_home_lead_to_ones_own(client_of: "ClientOf", grace: User) -> None:
    client = client_of(grace)

    for page in ("/", "/settings/"):
        assert f'href="{OWN}"' in html_of(client.get(page))
    assert "Firefox" not in section_of(client.get("/"), "My last sign-ins")


def test_users_page_leads_to_their_rows_for_who_may_read_them(
    auditor: "PortalClient", client_of: "ClientOf", audrey: User, grace: User
) -> None:
    link = f'href="{PAGE}?person=grace%40acme.example&amp;role=user"'
    sign_in(grace)

    seen = [link in html_of(client.get(f"/setup/users/{grace.pk}/")) for client in (auditor, client_of(audrey))]

    assert seen == [True, False]
    assert usernames(auditor, "?person=grace%40acme.example&role=user") == ["grace"]


# --- how far back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "months", "before"),
    [
        ("2026-11-22T21:36:05+00:00", 6, "2026-05-22T21:36:05+00:00"),
        ("2026-08-31T12:00:00+00:00", 6, "2026-02-28T12:00:00+00:00"),
        ("2024-08-31T12:00:00+00:00", 6, "2024-02-29T12:00:00+00:00"),
        ("2026-01-31T00:00:00+00:00", 24, "2024-01-31T00:00:00+00:00"),
        ("2026-12-31T00:00:00+00:00", 12, "2025-12-31T00:00:00+00:00"),
        ("2026-06-30T01:00:00+02:00", 6, "2025-12-29T23:00:00+00:00"),
    ],
)
def test_months_are_calendar_months_in_utc(at: str, months: int, before: str) -> None:
    assert months_before(datetime.fromisoformat(at), months).isoformat() == before
