"""One user's page, what one does there, edit, and new."""

import re
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import DelegatedGroup, Impersonation, Login, LoginAccessGrant, Session, User
from accounts.presence import browser_words, length_in_words
from orgs.models import AuditEvent, SessionSettings, SupportAccess
from orgs.permissions import Permission
from orgs.text import validate_plain_text
from tests.factories import (
    PASSWORD,
    DelegatedGroupFactory,
    LoginAccessGrantFactory,
    OrganizationFactory,
    ProfileFactory,
    RoleFactory,
    UserFactory,
)
from tests.guards import unguarded
from tests.queries import captured_queries

from .reading import Answer, html_of, section_of, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import DjangoCaptureOnCommitCallbacks

    from accounts.models import Profile
    from accounts.testing import PortalClient
    from orgs.models import Organization

    Browser = Callable[[], PortalClient]
    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]
    Profiles = dict[str, Profile]

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
KEPT = {"first_name": "Typed", "email": "typed@acme.example"}
FOREIGN_IDS = ("999999999999", "999999999999999999", "9999999999999999999", "-1", "1.0", "x", "%00", "1e3")


def page_of(user: User, act: str = "") -> str:
    return f"/setup/users/{user.pk}/{act}"


def main_of(response: Answer) -> str:
    """Return what a person reads on a page of Setup."""
    found = re.search(r'<div class="setup-main">.*</main>', response.content.decode(), re.DOTALL)
    assert found
    return words_of(found[0])


def acts_of(response: Answer) -> list[str]:
    """Return the buttons of a user's page, in their order."""
    found = re.search(r'<div class="actions mb-3">(.*?)</div>', html_of(response), re.DOTALL)
    assert found
    return [words_of(one) for one in re.findall(r"<(?:button|a) .*?</(?:button|a)>", found[1])]


def headings_of(response: Answer) -> list[str]:
    # Behind the page's own stands the dialog that every page has.
    return [words_of(one) for one in re.findall(r"<h2 id=.*?</h2>", html_of(response).partition("<dialog")[0])]


def message_of(response: Answer) -> str:
    found = re.search(r'<div class="alert alert-\w+" role="\w+">(.*?)</div>', html_of(response), re.DOTALL)
    return words_of(found[1]) if found else ""


def typed(**changes: Any) -> dict[str, Any]:
    return {"first_name": "Mary", "last_name": "Jackson", "alias": "", "role": "", "version": "", **changes}


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    """Return what the edit form of a user sends when nothing but ``changes`` was typed."""
    return {
        "first_name": user.first_name,
        "last_name": user.last_name,
        "alias": user.alias,
        "username": user.username,
        "email": user.email,
        "profile": user.profile_id,
        "role": user.role_id or "",
        "version": "",
        **changes,
    }


# --- who finds it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["", "edit/", "summary/", "deactivate/"])
def test_foreign_and_unknown_ids_are_the_same_404(client_of: "ClientOf", ada: User, stranger: User, act: str) -> None:
    client = client_of(ada)

    answers = [client.get(f"/setup/users/{pk}/{act}") for pk in (stranger.pk, *FOREIGN_IDS)]

    assert {answer.status_code for answer in answers} == {404}
    # Tokens are masked anew each time, and seconds go by.
    masks = r'name="(csrfmiddlewaretoken|opened_as)" value="[^"]*"|data-seconds="[0-9]+"|<time .*?</time>'
    assert len({re.sub(masks, "", answer.content.decode()) for answer in answers}) == 1


@pytest.mark.parametrize(
    "act", ["reset-password", "unlock", "freeze", "unfreeze", "activate", "deactivate", "end-sessions", "edit"]
)
def test_acts_do_not_find_another_organizations_user(
    client_of: "ClientOf", ada: User, stranger: User, act: str
) -> None:
    assert client_of(ada).post(page_of(stranger, f"{act}/")).status_code == 404


def test_page_needs_view_all_users_also_of_oneself(client_of: "ClientOf", grace: User, audrey: User) -> None:
    assert [client_of(person).get(page_of(grace)).status_code for person in (grace, audrey)] == [403, 200]


# --- the page ----------------------------------------------------------------------------------------------------


def test_page_tells_who_it_is(client_of: "ClientOf", ada: User, grace: User, acme: "Organization") -> None:
    manager = RoleFactory.create(
        organization=acme, name="Manager", parent=RoleFactory.create(organization=acme, name="Top")
    )
    grace.role, grace.modified_at, grace.modified_by_name = manager, timezone.now(), "Alan Turing (by Ada Lovelace)"
    grace.last_login = timezone.now() - timedelta(days=2, minutes=1)
    grace.save()

    response = client_of(ada).get(page_of(grace))

    assert section_of(response, "Details") == (
        "Full Name Grace Hopper Profile Standard User Alias grace Role Top › Manager Username grace@acme.example "
        "Last Login 2 days ago E-mail address grace@acme.example Organization Acme Created just now "
        "Last modified just now by Alan Turing (by Ada Lovelace)"
    )
    assert "Back to Users" in main_of(response)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"is_active": False}, "Grace Hopper is inactive and cannot sign in."),
        (
            {"is_frozen": True},
            "Grace Hopper is frozen and cannot sign in. Administrators can still log in as this user.",
        ),
        ({"locked_until": timedelta(minutes=9)}, "Too many wrong passwords: nobody can sign in to this account until"),
    ],
)
def test_page_says_what_keeps_a_user_out(
    client_of: "ClientOf", any_user_login: "Organization", ada: User, grace: User, change: dict[str, Any], words: str
) -> None:
    fields = {name: timezone.now() + value if isinstance(value, timedelta) else value for name, value in change.items()}
    before = client_of(ada).get(page_of(grace))
    User.objects.filter(pk=grace.pk).update(**fields)

    after = client_of(ada).get(page_of(grace))

    assert (words in main_of(before), words in main_of(after)) == (False, True)


def test_external_user_is_said_to_be_one(client_of: "ClientOf", ada: User, margaret: User, grace: User) -> None:
    pages = [client_of(ada).get(page_of(person)) for person in (margaret, grace)]

    assert ['<span class="tag tag-info">External</span>' in html_of(page) for page in pages] == [True, False]


@pytest.mark.parametrize(
    ("whose", "acts"),
    [
        ("grace", ["Login", "Edit", "Reset Password", "Freeze", "End Sessions", "Deactivate", "View Summary"]),
        ("alan", ["Login", "Edit", "Reset Password", "Freeze", "End Sessions", "Deactivate", "View Summary"]),
        ("ada", ["Login", "Edit", "Reset Password", "End Sessions", "View Summary"]),
        ("katherine", ["Login", "Edit", "Activate", "View Summary"]),
        ("dennis", ["Login", "Edit", "Reset Password", "Unfreeze", "End Sessions", "Deactivate", "View Summary"]),
    ],
)
def test_administrator_sees_the_acts_that_make_sense(
    request: pytest.FixtureRequest, client_of: "ClientOf", ada: User, whose: str, acts: list[str]
) -> None:
    assert acts_of(client_of(ada).get(page_of(request.getfixturevalue(whose)))) == acts


def test_locked_user_can_be_unlocked(client_of: "ClientOf", ada: User, grace: User) -> None:
    grace.locked_until = timezone.now() + timedelta(minutes=5)
    grace.save()
    client = client_of(ada)

    assert "Unlock" in acts_of(client.get(page_of(grace)))
    assert message_of(client.post(page_of(grace, "unlock/"), follow=True)) == "Grace Hopper is unlocked."
    assert "Unlock" not in acts_of(client.get(page_of(grace)))


def test_acts_are_shown_to_those_who_may_do_them(
    client_of: "ClientOf", hedy: User, audrey: User, ada: User, grace: User
) -> None:
    seen = {
        (str(reader), str(user)): acts_of(client_of(reader).get(page_of(user)))
        for reader in (hedy, audrey)
        for user in (ada, grace)
    }

    assert seen == {
        ("Hedy Lamarr", "Ada Lovelace"): ["Login", "View Summary"],
        ("Hedy Lamarr", "Grace Hopper"): [
            "Login",
            "Edit",
            "Reset Password",
            "Freeze",
            "End Sessions",
            "Deactivate",
            "View Summary",
        ],
        ("Audrey Tang", "Ada Lovelace"): ["Login", "View Summary"],
        ("Audrey Tang", "Grace Hopper"): ["Login", "View Summary"],
    }


def test_login_is_one_click_or_says_why_not(
    client_of: "ClientOf", any_user_login: "Organization", ada: User, grace: User, katherine: User, audrey: User
) -> None:
    may, may_not, never = (
        client_of(reader).get(page_of(user)) for reader, user in ((ada, grace), (ada, katherine), (audrey, grace))
    )

    button = f'type="submit" form="act-form" formaction="/setup/users/{grace.pk}/login-as/">Login</button>'
    assert [button in html_of(page) for page in (may, may_not, never)] == [True, False, False]
    assert "No login: This user is inactive. Only active users can be logged in as." in main_of(may_not)
    assert "No login: To log in as users you need Modify All Data and Manage Users" in main_of(never)
    assert 'aria-disabled="true" aria-describedby="why-no-login">Login</button>' in html_of(may_not)


def test_login_that_is_switched_off_leads_to_what_would_help(client_of: "ClientOf", ada: User, grace: User) -> None:
    page = html_of(client_of(ada).get(page_of(grace)))

    ask = f'<a href="/setup/users/{grace.pk}/ask-for-access/?back=%2Fsetup%2Fusers%2F">Ask for access</a>'
    assert f'<a href="/setup/login-access-policies/">Login Access Policies</a> · {ask}</p>' in page


# --- who is there now, and who was -------------------------------------------------------------------------------


def test_page_says_who_is_there_now(
    client_of: "ClientOf", browser: "Browser", any_user_login: "Organization", ada: User, alan: User, grace: User
) -> None:
    now = timezone.now()
    nobody = client_of(alan).get(page_of(grace))
    client_of(grace)
    Session.objects.filter(user=grace).update(last_active_at=now - timedelta(minutes=2, seconds=5))
    visit = browser().login_as(grace, actor=ada)
    Session.objects.filter(pk=visit.pk).update(created_at=now - timedelta(minutes=12, seconds=5))

    someone = client_of(alan).get(page_of(grace))

    assert section_of(nobody, "Who is there now") == "Nobody."
    assert section_of(someone, "Who is there now") == (
        "Grace Hopper is signed in, active 2 minutes ago. "
        "Ada Lovelace has been logged in as Grace Hopper for 12 minutes."
    )


def test_who_is_there_from_two_browsers_is_named_once_since_the_first(
    client_of: "ClientOf", browser: "Browser", any_user_login: "Organization", ada: User, alan: User, grace: User
) -> None:
    now = timezone.now()
    for minutes in (3, 12, 5):
        visit = browser().login_as(grace, actor=ada)
        Session.objects.filter(pk=visit.pk).update(created_at=now - timedelta(minutes=minutes, seconds=5))
    browser().login_as(grace, actor=alan)

    page = client_of(alan).get(page_of(grace))

    there = section_of(page, "Who is there now")
    assert "Ada Lovelace has been logged in as Grace Hopper for 12 minutes." in there
    assert (there.count("Ada Lovelace"), there.count("Alan Turing")) == (1, 1)


def test_session_that_a_limit_has_ended_is_nobodys(
    client_of: "ClientOf", browser: "Browser", any_user_login: "Organization", ada: User, alan: User, grace: User
) -> None:
    client_of(grace)
    browser().login_as(grace, actor=ada)
    reader = client_of(alan)
    Session.objects.exclude(user=alan).update(last_active_at=timezone.now() - timedelta(hours=3))

    response = reader.get(page_of(grace))

    assert section_of(response, "Who is there now") == "Nobody."
    assert section_of(response, "Sessions") == "No session goes on."
    assert "There was no activity for too long" in section_of(response, "Logged in as Grace Hopper")


def test_visit_past_its_end_that_nobody_closed_counts_as_over(
    client_of: "ClientOf", browser: "Browser", any_user_login: "Organization", ada: User, alan: User, grace: User
) -> None:
    visit = browser().login_as(grace, actor=ada)
    start = timezone.now() - timedelta(minutes=90)
    Impersonation.objects.filter(pk=visit.pk).update(started_at=start, ends_at=start + timedelta(minutes=60))

    response = client_of(alan).get(page_of(grace))

    assert section_of(response, "Who is there now") == "Nobody."
    assert section_of(response, "Logged in as Grace Hopper") == (
        "Who Started Lasted Why Access Ended Ada Lovelace Administrators Can Log in as Any User "
        "1 hour ago 1 hour – Full access The time limit was reached Every visit in this account, in Impersonations"
    )


def test_visit_that_ended_with_its_grant_says_so_before_anyone_closes_it(
    client_of: "ClientOf", browser: "Browser", acme: "Organization", ada: User, alan: User, grace: User
) -> None:
    start = timezone.now() - timedelta(minutes=90)
    grant = LoginAccessGrantFactory.create(user=grace, expires_at=timezone.now() + timedelta(minutes=5))
    visit = browser().login_as(grace, actor=ada)
    over = start + timedelta(minutes=30)
    LoginAccessGrant.objects.filter(pk=grant.pk).update(granted_at=start, expires_at=over)
    Impersonation.objects.filter(pk=visit.pk).update(started_at=start, ends_at=over)

    response = client_of(alan).get(page_of(grace))

    assert "The user's grant ran out" in section_of(response, "Logged in as Grace Hopper")


def test_lists_tell_visits_sessions_logins_and_changes(
    browser: "Browser", client_of: "ClientOf", any_user_login: "Organization", ada: User, alan: User, grace: User
) -> None:
    graces = browser()
    graces.login(username=grace.username, password=PASSWORD)
    Session.objects.filter(user=grace).update(agent=FIREFOX, address="203.0.113.9")
    Login.objects.filter(user=grace).update(agent=FIREFOX, address="203.0.113.9")
    visit = browser().login_as(grace, actor=ada)
    reader = client_of(alan)
    reader.post(page_of(grace, "freeze/"))
    reader.post(page_of(grace, "unfreeze/"))

    response = reader.get(page_of(grace))

    assert headings_of(response) == [
        "Who is there now",
        "Details",
        "Who can log in as Grace Hopper",
        "Login Access Grants",
        "Delegated Groups",
        "Logged in as Grace Hopper",
        "Sessions",
        "Login History",
        "Changes",
    ]
    assert section_of(response, "Logged in as Grace Hopper") == (
        "Who Started Lasted Why Access Ended Ada Lovelace Administrators Can Log in as Any User "
        "just now less than a minute – Full access Logged in now "
        "Every visit in this account, in Impersonations"
    )
    assert section_of(response, "Sessions") == (
        "Type Person Source IP Browser Created Last active "
        "SubstituteUser Ada Lovelace – Unknown browser just now just now "
        "Sessions of Grace Hopper in Session Management"
    )
    assert section_of(response, "Login History") == (
        "Login Time Source IP Login Type Status Browser Platform Delegate User "
        "just now – Login-As Success Unknown Unknown Ada Lovelace "
        "just now 203.0.113.9 Application Success Firefox Windows – Login History of Grace Hopper"
    )
    assert section_of(response, "Changes") == (
        "Date User Action Delegate User just now Alan Turing Unfroze user Grace Hopper – "
        "just now Alan Turing Froze user Grace Hopper – Every event about Grace Hopper, in the trail"
    )
    keys = Session.objects.exclude(key_hash=None).values_list("key_hash", flat=True)
    assert not any(str(key) in html_of(response) for key in [*keys, *(s.public_id for s in Session.objects.all())])
    assert visit.target == grace


def test_histories_need_monitor_login_history(client_of: "ClientOf", audrey: User, grace: User) -> None:
    client_of(grace)

    response = client_of(audrey).get(page_of(grace))

    assert headings_of(response) == [
        "Who is there now",
        "Details",
        "Who can log in as Grace Hopper",
        "Login Access Grants",
        "Delegated Groups",
        "Changes",
    ]
    assert section_of(response, "Who is there now") == "Grace Hopper is signed in, active just now."


def test_page_asks_the_same_few_queries_however_much_happened(
    client_of: "ClientOf", browser: "Browser", any_user_login: "Organization", ada: User, alan: User, grace: User
) -> None:
    client = client_of(ada)
    counts = []
    for _ in range(2):
        with captured_queries() as queries:
            client.get(page_of(grace))
        counts.append(len(queries))
        for _ in range(3):
            client_of(grace)
            browser().login_as(grace, actor=alan)
            client.post(page_of(grace, "freeze/"))
            client.post(page_of(grace, "unfreeze/"))
            client.get("/")

    # Who is it; user; what the rule reads; settings; sessions; grants; support organizations; administrators' profiles,
    # people and their groups; visits; groups; logins; changes. Nothing stands above her role.
    assert counts == [14, 14]


def test_page_shows_who_can_log_in_and_leads_to_all(
    client_of: "ClientOf", make: "Make", support: "Organization", ada: User, alan: User, audrey: User, grace: User
) -> None:
    for number in range(4):
        make(f"Bea{number}", "Zuse", "System Administrator")

    response = client_of(audrey).get(page_of(grace), {"back": "/setup/users/?q=g"})

    words = section_of(response, "Who can log in as Grace Hopper")
    assert words.startswith("Who Can log in Why Portal Support Support organization No")
    # A support organization, and five people.
    assert words.count("Administrator No") == 5
    assert words.endswith("Who can log in as Grace Hopper, in full")
    full = f'href="/setup/users/{grace.pk}/who-can-log-in/?back=%2Fsetup%2Fusers%2F%3Fq%3Dg"'
    assert full in html_of(response)


def test_page_lists_live_grants_and_groups(
    client_of: "ClientOf", acme: "Organization", support: "Organization", audrey: User, grace: User
) -> None:
    client = client_of(audrey)
    before = [section_of(client.get(page_of(grace)), name) for name in ("Login Access Grants", "Delegated Groups")]
    LoginAccessGrantFactory.create(user=grace, granted_at=timezone.now() - timedelta(days=2))
    live = LoginAccessGrantFactory.create(user=grace, support_organization=support)
    SupportAccess.objects.create(organization=acme, support_organization=support, availability="administrators")
    DelegatedGroupFactory.create(organization=acme, name="North", delegates=[grace], login_access=True)
    DelegatedGroupFactory.create(organization=acme, name="South", delegates=[grace], login_access=False)

    page = client.get(page_of(grace))

    whole = "Grants of Grace Hopper in Login Access Grants"
    assert before == [f"No live grant. {whole}", "A delegate of no group."]
    assert section_of(page, "Login Access Grants") == (
        f"Portal Support, granted just now, until {live.expires_at:%Y-%m-%d %H:%M:%S} UTC. "
        f"Does not count now: Portal Support is available to administrators only. {whole}"
    )
    assert section_of(page, "Delegated Groups") == "North, with login access South"


def test_every_list_of_the_page_leads_to_the_whole_list(client_of: "ClientOf", ada: User, grace: User) -> None:
    client_of(grace)
    client = client_of(ada)

    page = html_of(client.get(page_of(grace)))

    target = "person=grace%40acme.example&role=target"
    whole = {
        "Grants of Grace Hopper in Login Access Grants": "/setup/login-access-grants/?q=grace%40acme.example",
        "Delegated Administration": "/setup/delegated-groups/",
        "Every visit in this account, in Impersonations": f"/setup/impersonations/?{target}",
        "Sessions of Grace Hopper in Session Management": "/setup/sessions/?person=grace%40acme.example",
        "Login History of Grace Hopper": "/setup/login-history/?person=grace%40acme.example&role=user",
        "Every event about Grace Hopper, in the trail": "/setup/audit-trail/?person=grace%40acme.example&role=about",
    }
    found = {words: unescape(url) for url, words in re.findall(r'<p><a href="([^"]*)">([^<]*)</a></p>', page)}
    assert {words: found.get(words) for words in whole} == whole
    assert {url: client.get(url).status_code for url in whole.values()} == dict.fromkeys(whole.values(), 200)


def test_delegate_without_view_all_users_sees_no_grants(
    client_of: "ClientOf", make: "Make", acme: "Organization", profiles: "Profiles", grace: User
) -> None:
    profiles["Delegate"] = ProfileFactory.create(
        organization=acme, name="Delegate", permissions=(Permission.VIEW_SETUP,)
    )
    barbara = make("Barbara", "Liskov", "Delegate")
    DelegatedGroupFactory.create(organization=acme, delegates=[barbara], roles=[grace.role])

    assert headings_of(client_of(barbara).get(page_of(grace))) == ["Who is there now", "Details", "Changes"]


def test_reason_is_for_holders_of_view_all_data(
    client_of: "ClientOf", browser: "Browser", any_user_login: "Organization", ada: User, hedy: User, grace: User
) -> None:
    visit = browser().login_as(grace, actor=ada)
    with unguarded():
        Impersonation.objects.filter(pk=visit.pk).update(
            reason="The report is empty", ticket="T-7", stepped_up_at=timezone.now(), step_up_reason="To correct it"
        )

    # Hedy manages users, and holds no View All Data.
    pages = [section_of(client_of(by).get(page_of(grace)), "Logged in as Grace Hopper") for by in (ada, hedy)]

    said = ("The report is empty", "T-7", "To correct it", "stepped up to full access")
    assert [[words in page for words in said] for page in pages] == [[True] * 4, [False, False, False, True]]


@pytest.mark.parametrize(
    ("limits", "is_live"),
    [
        ({}, True),
        ({"support": {"idle_minutes": 15}}, False),
        ({"acme": {"idle_minutes": 15}}, False),
        ({"support": {"idle_minutes": 15}, "home": True}, True),
    ],
)
def test_agents_visit_falls_idle_by_both_organizations_limits(
    client_of: "ClientOf",
    browser: "Browser",
    any_user_login: "Organization",
    support: "Organization",
    sam: User,
    ada: User,
    alan: User,
    grace: User,
    limits: dict[str, Any],
    is_live: bool,
) -> None:
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    browser().login_as(grace, actor=ada if limits.get("home") else sam)
    reader = client_of(alan)
    Session.objects.exclude(user=alan).update(last_active_at=timezone.now() - timedelta(minutes=20))
    for organization in (support, any_user_login):
        changes = limits.get("support" if organization == support else "acme")
        if changes:
            SessionSettings.objects.filter(organization=organization).update(**changes)

    page = reader.get(page_of(grace))

    now, over = section_of(page, "Who is there now"), section_of(page, "Logged in as Grace Hopper")
    assert ("has been logged in as Grace Hopper" in now, "Logged in now" in over) == (is_live, is_live)
    assert ("There was no activity for too long" in over) != is_live


def test_customers_see_of_an_agent_the_worn_session_alone(
    client_of: "ClientOf", browser: "Browser", support: "Organization", sam: User, ada: User, grace: User
) -> None:
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    browser().login_as(grace, actor=sam)
    Session.objects.filter(user=sam).update(address="203.0.113.77")

    page = client_of(ada).get(page_of(grace))

    assert section_of(page, "Sessions") == (
        "Type Person Source IP Browser Created Last active "
        "SubstituteUser Sam Spade (Portal Support) – Unknown browser just now just now "
        "Sessions of Grace Hopper in Session Management"
    )
    assert "203.0.113.77" not in html_of(page)


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        ("", "Unknown browser"),
        ("curl/8.5.0", "curl"),
    ],
)
def test_browser_is_named_in_words(agent: str, words: str) -> None:
    assert browser_words(agent) == words


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=12, seconds=59), "12 minutes"),
        (timedelta(hours=3, minutes=20), "3 hours"),
    ],
)
def test_length_is_told_in_words(length: timedelta, words: str) -> None:
    now = timezone.now()

    assert length_in_words(now - length, now) == words


# --- the way back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "leads_to"),
    [
        ("/setup/users/?q=hop&cursor=abc", "/setup/users/?q=hop&cursor=abc"),
        ("/setup/audit-trail/", "/setup/users/"),
        ("//evil.example/setup/users/", "/setup/users/"),
        ("https://evil.example/setup/users/", "/setup/users/"),
        ("/setup/users/\\evil", "/setup/users/"),
        ("", "/setup/users/"),
    ],
)
def test_back_to_users_leads_to_the_list_as_it_was_left(
    client_of: "ClientOf", ada: User, grace: User, asked: str, leads_to: str
) -> None:
    page = html_of(client_of(ada).get(page_of(grace), {"back": asked}))

    found = re.search(r'href="([^"]*)">Back to Users</a>', page)
    assert found
    assert unescape(found[1]) == leads_to


def test_way_back_survives_an_act(client_of: "ClientOf", ada: User, grace: User) -> None:
    answer = client_of(ada).post(page_of(grace, "freeze/"), {"back": "/setup/users/?view=active"})

    assert answer.headers["Location"] == f"/setup/users/{grace.pk}/?back=%2Fsetup%2Fusers%2F%3Fview%3Dactive"


# --- acts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["reset-password", "unlock", "freeze", "unfreeze", "activate", "end-sessions"])
def test_acts_are_done_by_post_alone(client_of: "ClientOf", ada: User, grace: User, act: str) -> None:
    assert client_of(ada).get(page_of(grace, f"{act}/")).status_code == 405


@pytest.mark.parametrize(
    ("act", "permission"),
    [
        ("reset-password", Permission.RESET_USER_PASSWORDS),
        ("unlock", Permission.RESET_USER_PASSWORDS),
        ("freeze", Permission.FREEZE_USERS),
        ("unfreeze", Permission.FREEZE_USERS),
        ("activate", Permission.MANAGE_INTERNAL_USERS),
        ("deactivate", Permission.MANAGE_INTERNAL_USERS),
        ("edit", Permission.MANAGE_INTERNAL_USERS),
        ("end-sessions", Permission.MANAGE_USERS),
    ],
)
def test_act_without_its_permission_is_refused_in_words(
    client_of: "ClientOf", audrey: User, grace: User, act: str, permission: Permission
) -> None:
    response = client_of(audrey).post(page_of(grace, f"{act}/"))

    assert response.status_code == 403
    assert f"You need {permission.label} on your profile. Ask your administrator." in response.content.decode()


def test_user_is_frozen_and_unfrozen(client_of: "ClientOf", ada: User, grace: User) -> None:
    client = client_of(ada)

    assert message_of(client.post(page_of(grace, "freeze/"), follow=True)) == "Grace Hopper is frozen, and signed out."
    assert message_of(client.post(page_of(grace, "unfreeze/"), follow=True)) == "Grace Hopper is no longer frozen."


def test_user_is_deactivated_after_a_question_and_activated(client_of: "ClientOf", ada: User, grace: User) -> None:
    client = client_of(ada)

    question = client.get(page_of(grace, "deactivate/"))
    assert "Deactivate Grace Hopper?" in main_of(question)
    assert User.objects.get(pk=grace.pk).is_active
    answer = client.post(page_of(grace, "deactivate/"), follow=True)
    assert message_of(answer) == "Grace Hopper is inactive. Every session has been ended."
    assert message_of(client.post(page_of(grace, "activate/"), follow=True)) == "Grace Hopper is active."


def test_nobody_is_asked_about_what_would_be_refused(client_of: "ClientOf", ada: User, hedy: User) -> None:
    own, of_a_holder = client_of(ada).get(page_of(ada, "deactivate/")), client_of(hedy).get(page_of(ada, "deactivate/"))

    assert (own.status_code, of_a_holder.status_code) == (403, 403)
    assert "You cannot deactivate or freeze the account that you are signed in with." in own.content.decode()
    assert (
        "Only someone with Modify All Data may do this to Ada Lovelace, who holds it." in of_a_holder.content.decode()
    )


def test_last_administrator_stays(
    browser: "Browser", any_user_login: "Organization", profiles: "Profiles", ada: User
) -> None:
    # Ada is the only administrator; whoever manages her account wears nobody and holds Modify All Data without it.
    keeper = UserFactory.create(
        organization=any_user_login,
        profile=ProfileFactory.create(
            organization=any_user_login, permissions=(Permission.MODIFY_ALL_DATA, Permission.MANAGE_INTERNAL_USERS)
        ),
    )
    client = browser()
    client.force_login(keeper)

    response = client.post(page_of(ada, "deactivate/"))

    assert response.status_code == 403
    assert (
        "Acme would be left without an administrator who can sign in. Nothing was changed." in response.content.decode()
    )


def test_password_reset_goes_out(
    client_of: "ClientOf",
    ada: User,
    grace: User,
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    client = client_of(ada)

    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(page_of(grace, "reset-password/"), follow=True)

    assert message_of(response) == "A mail to choose a new password is on its way to grace@acme.example."
    assert "http://testserver/account/password/reset/key/" in str(mail.outbox[0].body)


@pytest.mark.parametrize(
    ("sessions", "words"),
    [
        (0, "Grace Hopper had no session to end."),
        (1, "1 session of Grace Hopper has been ended."),
        (2, "2 sessions of Grace Hopper have been ended."),
    ],
)
def test_sessions_are_ended_and_counted(
    client_of: "ClientOf", ada: User, grace: User, sessions: int, words: str
) -> None:
    for _ in range(sessions):
        client_of(grace)

    assert message_of(client_of(ada).post(page_of(grace, "end-sessions/"), follow=True)) == words
    assert not Session.objects.live().filter(user=grace).exists()


@pytest.mark.parametrize("act", ["reset-password/", "end-sessions/"])
def test_password_and_sessions_of_the_worn_account_are_refused(
    browser: "Browser", any_user_login: "Organization", ada: User, alan: User, grace: User, act: str
) -> None:
    client = browser()
    client.login_as(alan, actor=ada)

    own, others = client.post(page_of(alan, act)), client.post(page_of(grace, act))

    assert (own.status_code, others.status_code) == (403, 302)
    assert "This is not available while you are logged in as Alan Turing." in own.content.decode()
    assert not {"Reset Password", "End Sessions"} & set(acts_of(client.get(page_of(alan))))


# --- summary -----------------------------------------------------------------------------------------------------


def test_summary_says_what_one_may_do_and_why(client_of: "ClientOf", ada: User, audrey: User) -> None:
    response = client_of(ada).get(page_of(audrey, "summary/"), {"back": "/setup/users/?q=a"})

    page = main_of(response)
    assert "What Audrey Tang may do Permissions come from the profile Read Only." in page
    assert "View All Users Yes See every user of the organization, and live login access grants. Profile Read" in page
    assert "Modify All Data No Change all data, and, with Manage Users, log in as other users. –" in page
    assert f'href="/setup/users/{audrey.pk}/?back=%2Fsetup%2Fusers%2F%3Fq%3Da">Back to Audrey Tang' in html_of(response)


def test_summary_tells_what_a_delegated_group_adds(
    client_of: "ClientOf", ada: User, audrey: User, barbara: User, sales_group: DelegatedGroup
) -> None:
    client = client_of(ada)
    page = client.get(page_of(barbara, "summary/"))
    read = html_of(client_of(audrey).get(page_of(barbara, "summary/")))
    barbara.delegated_groups.clear()
    nobody = main_of(client.get(page_of(barbara, "summary/")))

    words = (
        "Sales people Creates and edits users In Sales and every role below Gives them the profiles Standard User "
        "Login access Yes: may log in as them, as said below"
    )
    link = f'<a href="/setup/delegated-groups/{sales_group.pk}/">Sales people</a>'
    assert (words in main_of(page), words in nobody) == (True, False)
    assert "Barbara Liskov is in no delegated group." in nobody
    assert (link in html_of(page), link in read) == (True, False)


def test_summary_shows_a_delegate_no_more_than_a_user_s_own_ways(
    client_of: "ClientOf", barbara: User, rosalind: User, ada: User
) -> None:
    """Who can log in as someone is for those who see all users."""
    by_delegate, by_administrator = (
        main_of(client_of(person).get(page_of(rosalind, "summary/"))) for person in (barbara, ada)
    )

    asked = "Who can log in as Rosalind Franklin"
    assert (asked in by_delegate, asked in by_administrator) == (False, True)
    assert "Nobody. To log in as users takes Modify All Data and Manage Users on the profile" in by_delegate


@pytest.mark.parametrize("groups", [1, 3])
def test_summary_asks_the_same_few_queries_however_many_groups(
    client_of: "ClientOf", ada: User, barbara: User, groups: int
) -> None:
    for _ in range(groups - 1):
        DelegatedGroupFactory.create(organization=ada.organization, delegates=[barbara], login_access=True)
    client = client_of(ada)

    with captured_queries() as queries:
        client.get(page_of(barbara, "summary/"))

    # Who is it; the user; the policy; groups, roles, profiles; grants, support; who can: profiles, people, reaches.
    assert len(queries) == 11


@pytest.mark.parametrize(
    ("whose", "words"),
    [
        ("margaret", "It is a profile of external users, who hold no permission."),
        ("katherine", "The user is inactive, and can do none of it at present."),
        ("dennis", "The user is frozen, and can do none of it at present."),
    ],
)
def test_summary_says_what_stands_in_the_way(
    request: pytest.FixtureRequest, client_of: "ClientOf", ada: User, whose: str, words: str
) -> None:
    assert words in main_of(client_of(ada).get(page_of(request.getfixturevalue(whose), "summary/")))


# --- edit --------------------------------------------------------------------------------------------------------


def test_user_is_edited(client_of: "ClientOf", ada: User, grace: User, profiles: "Profiles") -> None:
    client = client_of(ada)
    form = form_of(grace, last_name="Murray Hopper", profile=profiles["Read Only"].pk, back="/setup/users/?q=g")

    response = client.post(page_of(grace, "edit/"), form)

    assert response.headers["Location"] == f"/setup/users/{grace.pk}/?back=%2Fsetup%2Fusers%2F%3Fq%3Dg"
    assert message_of(client.get(response.headers["Location"])) == "Grace Murray Hopper has been saved."
    grace.refresh_from_db()
    assert (grace.last_name, grace.profile.name, grace.role) == ("Murray Hopper", "Read Only", grace.role)


def test_edit_form_holds_what_is_stored(client_of: "ClientOf", ada: User, grace: User) -> None:
    page = html_of(client_of(ada).get(page_of(grace, "edit/")))

    fields = dict(re.findall(r'<input type="(?:text|email)" name="(\w+)" value="([^"]*)"', page))
    assert fields == {
        "first_name": "Grace",
        "last_name": "Hopper",
        "alias": "grace",
        "username": "grace@acme.example",
        "email": "grace@acme.example",
    }
    assert re.findall(r'<option value="\d+" selected>([^<]*)<', page) == ["Standard User", "Sales Rep"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("last_name", "", "This field is required."),
        ("last_name", "x" * 81, "Ensure this value has at most 80 characters (it has 81)."),
        ("first_name", "Gr\x00ace", "Null characters are not allowed."),
        ("first_name", "Gr\x07ace", "This holds characters that cannot be shown. Type it anew."),
        ("alias", "\u202ecarg", "This holds characters that cannot be shown. Type it anew."),
        ("alias", "x" * 21, "Ensure this value has at most 20 characters (it has 21)."),
        ("username", "grace", "A username looks like an e-mail address: grace@acme.example."),
        ("username", f"{'x' * 250}@acme.example", "Ensure this value has at most 254 characters (it has 263)."),
        ("username", "ADA@acme.example", "This username is taken. Usernames are unique everywhere, and ignore case."),
        ("email", "grace at acme", "Enter a valid email address."),
        ("profile", "x", "Select a valid choice. That choice is not one of the available choices."),
        ("role", "999999999", "Select a valid choice. That choice is not one of the available choices."),
    ],
)
def test_bad_input_is_answered_beside_its_field(
    client_of: "ClientOf", ada: User, grace: User, field: str, value: str, words: str
) -> None:
    form = {**form_of(grace, **KEPT), field: value}

    page = html_of(client_of(ada).post(page_of(grace, "edit/"), form), 422)

    before, *errors = page.split('<div class="invalid-feedback d-block"')
    assert [words_of(f"<div{error.partition('</div>')[0]}") for error in errors] == [words]
    assert f'name="{field}"' in before.rpartition("<label")[2]
    assert [(name, f'value="{kept}"' in page) for name, kept in KEPT.items() if name != field] == [
        (name, True) for name in KEPT if name != field
    ]
    grace.refresh_from_db()
    assert (grace.first_name, grace.email) == ("Grace", "grace@acme.example")


def test_names_of_every_script_are_fine() -> None:
    for name in ("Zoë Ångström", "佐藤 さくら", "علي\u200cرضا", "O’Brien-Łuk", "नेहा"):
        validate_plain_text(name)


def test_second_of_two_who_save_at_once_is_told_what_holds_now(
    client_of: "ClientOf", ada: User, alan: User, grace: User
) -> None:
    client_of(alan).post(page_of(grace, "edit/"), form_of(grace, alias="first"))
    client = client_of(ada)

    told = client.post(page_of(grace, "edit/"), form_of(grace, alias="second"))

    assert told.status_code == 409
    page = told.content.decode()
    assert "Alan Turing changed Grace Hopper while you had this page open. Nothing was saved." in words_of(page)
    assert "Alias is now: first" in words_of(page)
    assert 'name="alias" value="second"' in page
    grace.refresh_from_db()
    assert grace.alias == "first"
    found = re.search(r'name="version" value="([^"]+)"', page)
    assert found
    again = client.post(
        page_of(grace, "edit/"), form_of(grace, alias="second", version=unescape(found[1])), follow=True
    )
    assert message_of(again) == "Grace Hopper has been saved."


def test_edit_of_a_holder_of_modify_all_data_is_refused_to_others(client_of: "ClientOf", hedy: User, ada: User) -> None:
    response = client_of(hedy).get(page_of(ada, "edit/"))

    assert response.status_code == 403
    assert "Only someone with Modify All Data may do this to Ada Lovelace, who holds it." in response.content.decode()


def test_modify_all_data_is_not_offered_to_those_who_do_not_hold_it(
    client_of: "ClientOf", hedy: User, ada: User, grace: User, profiles: "Profiles"
) -> None:
    offered = ["System Administrator" in html_of(client_of(by).get(page_of(grace, "edit/"))) for by in (ada, hedy)]
    crafted = client_of(hedy).post(page_of(grace, "edit/"), form_of(grace, profile=profiles["System Administrator"].pk))

    assert offered == [True, False]
    assert "Select a valid choice." in html_of(crafted, 422)


@pytest.mark.parametrize("field", ["username", "email"])
def test_address_and_username_of_the_worn_account_are_refused_inside(
    browser: "Browser", any_user_login: "Organization", ada: User, alan: User, field: str
) -> None:
    client = browser()
    client.login_as(alan, actor=ada)

    form = html_of(client.get(page_of(alan, "edit/")))
    crafted = client.post(page_of(alan, "edit/"), form_of(alan, **{field: "new@acme.example"}))
    other = client.post(page_of(alan, "edit/"), form_of(alan, alias="turing"))

    assert form.count("readonly") == 2
    assert "Not changed while you are logged in as Alan Turing." in form
    assert (crafted.status_code, other.status_code) == (403, 302)
    alan.refresh_from_db()
    assert (alan.username, alan.email, alan.alias) == ("alan@acme.example", "alan@acme.example", "turing")


# --- new ---------------------------------------------------------------------------------------------------------


def test_user_is_created(
    client_of: "ClientOf",
    ada: User,
    profiles: "Profiles",
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    client = client_of(ada)
    form = typed(username="mary@acme.example", email="mj@acme.example", profile=profiles["Standard User"].pk)

    assert "No role" in html_of(client.get("/setup/users/new/"))
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post("/setup/users/new/", form, follow=True)

    assert message_of(response) == (
        "Mary Jackson has been created. A mail to choose a password is on its way to mj@acme.example."
    )
    assert AuditEvent.objects.latest("id").sentence == "Created new user Mary Jackson"
    assert [letter.to for letter in mail.outbox] == [["mj@acme.example"]]


def test_profile_of_a_new_user_must_be_chosen(client_of: "ClientOf", ada: User) -> None:
    client = client_of(ada)

    page = html_of(
        client.post("/setup/users/new/", typed(username="m@acme.example", email="m@acme.example", profile="")), 422
    )

    assert "Choose a profile" in page
    assert "This field is required." in page


def test_new_user_with_a_taken_name_is_told_beside_the_field(
    client_of: "ClientOf", ada: User, stranger: User, profiles: "Profiles"
) -> None:
    form = typed(username=stranger.username, email="m@acme.example", profile=profiles["Standard User"].pk)

    page = html_of(client_of(ada).post("/setup/users/new/", form), 422)

    assert "This username is taken. Usernames are unique everywhere, and ignore case." in page
    assert 'value="Jackson"' in page


def test_new_user_needs_manage_internal_users(client_of: "ClientOf", audrey: User) -> None:
    assert client_of(audrey).get("/setup/users/new/").status_code == 403


def test_profiles_of_another_organization_are_not_offered(client_of: "ClientOf", ada: User) -> None:
    ProfileFactory.create(organization=OrganizationFactory.create(), name="Elsewhere")

    assert "Elsewhere" not in html_of(client_of(ada).get("/setup/users/new/"))
