"""Grants: the service, the person's own page, and the organization's live ones in Setup."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from accounts.enums import EndCause, GrantDuration
from accounts.models import Impersonation, LoginAccessGrant, Session, User
from accounts.services.grants import (
    COMPANY,
    GrantRefused,
    NoGrantPage,
    OnlyThePersonGrants,
    grantees_of,
    save_grants,
)
from accounts.services.impersonation import ImpersonationRefused
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import AuditEvent, LoginAccessPolicy, Organization, SupportAccess, SupportAvailability
from orgs.permissions import RefusedInside
from tests.factories import LoginAccessGrantFactory, OrganizationFactory, UserFactory
from tests.queries import captured_queries

from .reading import Answer, html_of, section_of, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient

    Browser = Callable[[], PortalClient]
    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]

PAGE = "/settings/login-access/"
GRANTS = "/setup/login-access-grants/"
ONLY_ADMINISTRATORS = "Portal Support is available to administrators only."
NOT_IN_EDITION = "Your organization's edition does not have Administrators Can Log in as Any User."


def own(user: User) -> Origin:
    return Origin(user=user, actor=user)


def shown(user: User) -> list[tuple[str, bool, bool, str]]:
    """Return the rows of the page: grantee, whether it may be granted, whether it is, why it does not count."""
    rows = grantees_of(User.objects.get(pk=user.pk), at=timezone.now())
    return [(row.name, row.is_available, row.grant is not None, row.why_not) for row in rows]


def only_for_administrators(customer: Organization, support: Organization) -> SupportAccess:
    return SupportAccess.objects.create(
        organization=customer, support_organization=support, availability=SupportAvailability.ADMINISTRATORS
    )


def policy_of(organization: Organization, **changes: Any) -> None:
    LoginAccessPolicy.objects.filter(organization=organization).update(**changes)


# --- whom one may grant ------------------------------------------------------------------------------------------


def test_ones_administrators_and_every_support_organization_may_be_granted(
    acme: Organization, support: Organization, grace: User
) -> None:
    OrganizationFactory.create(name="A Support House", kind="operator")

    assert shown(grace) == [
        ("Your Company's Administrator", True, False, ""),
        ("A Support House", True, False, ""),
        ("Portal Support", True, False, ""),
    ]


def test_ones_own_house_is_no_grantee_of_an_operator(sam: User) -> None:
    assert [name for name, *_ in shown(sam)] == ["Your Company's Administrator"]


@pytest.mark.parametrize(
    ("change", "protect", "of_grace", "of_alan"),
    [
        ({}, False, True, True),
        ({"edition": Edition.PROFESSIONAL}, False, False, False),
        ({"any_user_login": True}, False, False, False),
        ({"any_user_login": True}, True, False, True),
        ({"any_user_login": True, "provisioned": False}, False, True, True),
        ({"any_user_login": True, "edition": Edition.GROUP}, True, False, False),
    ],
)
def test_ones_administrators_are_offered_where_they_need_it(
    acme: Organization, grace: User, alan: User, change: dict[str, Any], protect: bool, of_grace: bool, of_alan: bool
) -> None:
    policy_of(acme, any_user_login=change.pop("any_user_login", False), protect_administrators=protect)
    Organization.objects.filter(pk=acme.pk).update(**change)

    offered = [("Your Company's Administrator", True, False, "") in shown(person) for person in (grace, alan)]

    assert offered == [of_grace, of_alan]


def test_support_that_is_available_to_administrators_only_is_offered_to_them(
    acme: Organization, support: Organization, grace: User, alan: User
) -> None:
    decided = only_for_administrators(acme, support)

    barred = [("Portal Support", True, False, "") in shown(person) for person in (grace, alan)]
    decided.availability = SupportAvailability.USERS
    decided.save()
    offered = [("Portal Support", True, False, "") in shown(person) for person in (grace, alan)]

    assert (barred, offered) == ([False, True], [True, True])


def test_live_grant_stays_on_the_page_where_its_grantee_is_no_longer_offered(
    acme: Organization, support: Organization, grace: User
) -> None:
    LoginAccessGrantFactory.create(user=grace)
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    counted = shown(grace)
    only_for_administrators(acme, support)
    Organization.objects.filter(pk=acme.pk).update(edition=Edition.PROFESSIONAL)

    assert counted == [("Your Company's Administrator", True, True, ""), ("Portal Support", True, True, "")]
    assert shown(grace) == [
        ("Your Company's Administrator", False, True, NOT_IN_EDITION),
        ("Portal Support", False, True, ONLY_ADMINISTRATORS),
    ]


def test_grant_to_a_support_organization_that_is_none_any_more_does_not_count(
    client_of: "ClientOf", support: Organization, audrey: User, grace: User
) -> None:
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    Organization.objects.filter(pk=support.pk).update(kind="customer")

    assert f"Portal Support Does not count now: {ONLY_ADMINISTRATORS}" in words_of(
        html_of(client_of(audrey).get(GRANTS))
    )


def test_expired_and_revoked_grants_are_none(grace: User) -> None:
    now = timezone.now()
    LoginAccessGrantFactory.create(user=grace, granted_at=now - timedelta(days=2))

    assert shown(grace) == [("Your Company's Administrator", True, False, "")]


# --- save --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration", "days"),
    [("day", 1), ("3_days", 3), ("week", 7), ("month", 30), ("year", 365)],
)
def test_grant_is_given_for_its_duration_and_stands_in_the_trail(grace: User, duration: str, days: int) -> None:
    at = timezone.now()

    [given] = save_grants(grace, {COMPANY: duration}, origin=own(grace), at=at)

    grant = LoginAccessGrant.objects.get()
    assert given == grant
    assert (grant.user, grant.organization, grant.support_organization) == (grace, grace.organization, None)
    assert (grant.granted_at, grant.expires_at) == (at, at + timedelta(days=days))
    assert (grant.revoked_at, grant.is_latest) == (None, True)
    event = AuditEvent.objects.get()
    until = at + timedelta(days=days)
    assert (event.action, event.section, event.user, event.about) == ("grant.given", "Manage Users", grace, grace)
    assert event.sentence == f"Granted login access to Your Company's Administrator until {until:%Y-%m-%d %H:%M} UTC"
    assert event.after == {"until": until.isoformat(), "duration": duration}


def test_each_grantee_has_a_grant_of_its_own(grace: User, support: Organization) -> None:
    save_grants(grace, {COMPANY: "day", str(support.pk): "week"}, origin=own(grace))

    assert [str(grant) for grant in LoginAccessGrant.objects.order_by("id")] == [
        "Grace Hopper to Your Company's Administrator",
        "Grace Hopper to Portal Support",
    ]


def test_grant_lets_administrators_in_until_it_is_revoked(browser: "Browser", ada: User, grace: User) -> None:
    with pytest.raises(ImpersonationRefused):
        browser().login_as(grace, actor=ada)
    save_grants(grace, {COMPANY: "day"}, origin=own(grace))
    visit = browser().login_as(grace, actor=ada)

    [revoked] = save_grants(grace, {COMPANY: "none"}, origin=own(grace))

    assert (visit.grant, visit.ends_at <= revoked.expires_at) == (revoked, True)
    with pytest.raises(ImpersonationRefused):
        browser().login_as(grace, actor=ada)


def test_no_access_ends_what_rests_on_the_grant_and_nothing_else(
    browser: "Browser", ada: User, alan: User, grace: User, support: Organization, sam: User
) -> None:
    save_grants(grace, {COMPANY: "day", str(support.pk): "day"}, origin=own(grace))
    by_ada, by_sam = (browser().login_as(grace, actor=actor) for actor in (ada, sam))
    at = timezone.now()

    save_grants(grace, {COMPANY: GrantDuration.NONE}, origin=own(grace), at=at)

    by_ada.refresh_from_db()
    by_sam.refresh_from_db()
    assert (by_ada.end_cause, by_ada.ended_at, by_ada.ended_by) == (EndCause.GRANT_REVOKED, at, grace)
    assert by_sam.ended_at is None
    grant = LoginAccessGrant.objects.get(support_organization=None)
    assert (grant.revoked_at, grant.is_latest) == (at, True)
    assert list(AuditEvent.objects.order_by("-id").values_list("sentence", flat=True)[:2]) == [
        "Logged out using Login-As access for Grace Hopper: the user took back the grant",
        "Revoked login access of Your Company's Administrator",
    ]
    assert Session.objects.get(pk=by_ada.actor_session_id).ended_at is None


@pytest.mark.parametrize("duration", ["none", "day"])
def test_another_duration_is_a_new_row_on_which_visits_go_on(
    browser: "Browser", ada: User, grace: User, duration: str
) -> None:
    save_grants(grace, {COMPANY: "week"}, origin=own(grace))
    visit = browser().login_as(grace, actor=ada)
    Impersonation.objects.filter(pk=visit.pk).update(ends_at=timezone.now() + timedelta(days=2))
    at = timezone.now()

    save_grants(grace, {COMPANY: duration}, origin=own(grace), at=at)

    visit.refresh_from_db()
    rows = [(row.revoked_at, row.is_latest) for row in LoginAccessGrant.objects.order_by("id")]
    if duration == "none":
        assert (rows, visit.ended_at) == ([(at, True)], at)
    else:
        assert rows == [(at, False), (None, True)]
        assert (visit.ended_at, visit.grant) == (None, LoginAccessGrant.objects.latest("id"))
        assert visit.ends_at == at + timedelta(days=1)


def test_longer_grant_does_not_lengthen_a_visit(browser: "Browser", ada: User, grace: User) -> None:
    save_grants(grace, {COMPANY: "day"}, origin=own(grace))
    client = browser()
    visit = client.login_as(grace, actor=ada)

    save_grants(grace, {COMPANY: "year"}, origin=own(grace))

    assert Impersonation.objects.get().ends_at == visit.ends_at
    assert client.get("/").status_code == 200
    before = AuditEvent.objects.latest("id").before
    assert before == {"until": LoginAccessGrant.objects.earliest("id").expires_at.isoformat()}


def test_grant_after_one_that_ran_out_leaves_that_as_it_was(grace: User) -> None:
    old = LoginAccessGrantFactory.create(user=grace, granted_at=timezone.now() - timedelta(days=2))

    save_grants(grace, {COMPANY: "day"}, origin=own(grace))

    old.refresh_from_db()
    assert (old.revoked_at, old.is_latest) == (None, False)
    assert LoginAccessGrant.objects.filter(is_latest=True).count() == 1


def test_nothing_to_take_away_changes_nothing(grace: User) -> None:
    assert save_grants(grace, {COMPANY: "none"}, origin=own(grace)) == []
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("key", "duration", "words"),
    [
        (COMPANY, "decade", "Access is granted for one of the durations that are offered. Nothing was saved."),
        (COMPANY, "", "Access is granted for one of the durations that are offered. Nothing was saved."),
        ("0", "day", "You can't grant access to this grantee. Nothing was saved."),
        ("everyone", "day", "You can't grant access to this grantee. Nothing was saved."),
    ],
)
def test_what_is_not_offered_is_refused_and_nothing_is_saved_by_half(
    grace: User, support: Organization, key: str, duration: str, words: str
) -> None:
    with pytest.raises(GrantRefused, match=re.escape(words)):
        save_grants(grace, {str(support.pk): "day", key: duration}, origin=own(grace))

    assert not LoginAccessGrant.objects.exists()
    assert not AuditEvent.objects.exists()


def test_customer_of_another_name_is_no_grantee(grace: User, stranger: User) -> None:
    with pytest.raises(GrantRefused):
        save_grants(grace, {str(stranger.organization_id): "day"}, origin=own(grace))


def test_grant_that_is_no_longer_offered_is_taken_back_but_not_given_anew(
    acme: Organization, support: Organization, grace: User
) -> None:
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    only_for_administrators(acme, support)

    with pytest.raises(
        GrantRefused, match=r"You can't grant access to Portal Support at present\. Nothing was saved\."
    ):
        save_grants(grace, {str(support.pk): "week"}, origin=own(grace))
    save_grants(grace, {str(support.pk): "none"}, origin=own(grace))

    assert LoginAccessGrant.objects.get().revoked_at is not None


@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        ("grace", None),
        ("ada", OnlyThePersonGrants),
        ("ada as grace", RefusedInside),
        ("nobody", OnlyThePersonGrants),
    ],
)
def test_only_the_person_grants(ada: User, grace: User, who: str, refusal: type[PermissionDenied] | None) -> None:
    origin = {
        "grace": own(grace),
        "ada": own(ada),
        "ada as grace": Origin(user=grace, actor=ada, impersonation_id=1),
        "nobody": Origin.automated("a command"),
    }[who]

    if refusal is None:
        save_grants(grace, {COMPANY: "day"}, origin=origin)
    else:
        with pytest.raises(refusal):
            save_grants(grace, {COMPANY: "day"}, origin=origin)

    assert LoginAccessGrant.objects.exists() == (refusal is None)


def test_external_users_grant_nothing(client_of: "ClientOf", margaret: User, grace: User) -> None:
    with pytest.raises(NoGrantPage):
        save_grants(margaret, {COMPANY: "day"}, origin=own(margaret))

    pages = [client_of(person).get(PAGE) for person in (grace, margaret)]

    assert [page.status_code for page in pages] == [200, 403]
    assert "External users grant no login access: nobody logs in as them." in pages[1].content.decode()


def test_toggling_any_user_login_neither_erases_nor_makes_grants(acme: Organization, grace: User) -> None:
    save_grants(grace, {COMPANY: "day"}, origin=own(grace))
    before = list(LoginAccessGrant.objects.values())

    policy_of(acme, any_user_login=True)
    on = shown(grace)
    policy_of(acme, any_user_login=False)

    assert on == [("Your Company's Administrator", False, True, "")]
    assert shown(grace) == [("Your Company's Administrator", True, True, "")]
    assert list(LoginAccessGrant.objects.values()) == before


# --- the page ----------------------------------------------------------------------------------------------------


def options_of(response: Answer, grantee: str) -> list[tuple[str, str, bool]]:
    """Return what the select of a grantee offers: value, words, and whether it is chosen."""
    found = re.search(rf'<select name="grantee_{grantee}".*?</select>', response.content.decode(), re.DOTALL)
    assert found
    read = re.findall(r'<option value="([^"]*)"( selected)?>([^<]*)<', found[0])
    return [(value, words, bool(selected)) for value, selected, words in read]


def message_of(response: Answer) -> str:
    found = re.search(r'<div class="alert alert-\w+" role="\w+">(.*?)</div>', response.content.decode(), re.DOTALL)
    return words_of(found[1]) if found else ""


DURATIONS = [
    ("day", "1 Day", False),
    ("3_days", "3 Days", False),
    ("week", "1 Week", False),
    ("month", "1 Month", False),
    ("year", "1 Year", False),
]


def test_page_offers_the_six_durations_and_a_live_grant_shows_its_end(client_of: "ClientOf", grace: User) -> None:
    client = client_of(grace)
    before = options_of(client.get(PAGE), COMPANY)
    client.post(PAGE, {"grantee_company": "week"})
    LoginAccessGrant.objects.update(expires_at="2126-05-03T12:00:00Z")

    after = options_of(client.get(PAGE), COMPANY)

    # That nothing was chosen yet reads "No Access", and saving the page again changes nothing.
    assert before == [("keep", "No Access", True), *DURATIONS]
    assert after == [("keep", "Until 2126-05-03 12:00 UTC", True), ("none", "No Access", False), *DURATIONS]


def test_save_gives_keeps_and_revokes(client_of: "ClientOf", grace: User) -> None:
    client = client_of(grace)

    said = [
        message_of(client.post(PAGE, {"grantee_company": value}, follow=True))
        for value in ("week", "keep", "", "none", "none")
    ]

    assert said == [
        "Login access saved.",
        "Nothing was changed.",
        "Nothing was changed.",
        "Login access saved.",
        "Nothing was changed.",
    ]
    assert LoginAccessGrant.objects.count() == 1


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"grantee_company": "decade"}, "Choose one of the durations that are offered."),
        ({"grantee_999": "day"}, "You can&#x27;t grant access to this grantee. Nothing was saved."),
    ],
)
def test_what_the_page_does_not_offer_is_answered_in_words(
    client_of: "ClientOf", grace: User, form: dict[str, str], words: str
) -> None:
    answer = client_of(grace).post(PAGE, form)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not LoginAccessGrant.objects.exists()


def test_stale_tab_keeps_what_is_no_longer_offered_and_cannot_grant_it(
    client_of: "ClientOf", acme: Organization, support: Organization, grace: User
) -> None:
    only_for_administrators(acme, support)
    client = client_of(grace)

    kept, given = (
        client.post(PAGE, {"grantee_company": "day", f"grantee_{support.pk}": value}) for value in ("keep", "day")
    )

    assert (kept.status_code, given.status_code) == (302, 422)
    assert "You can&#x27;t grant access to this grantee. Nothing was saved." in given.content.decode()
    assert LoginAccessGrant.objects.count() == 1


def test_page_is_refused_inside(browser: "Browser", any_user_login: Organization, ada: User, grace: User) -> None:
    inside = browser()
    inside.login_as(grace, actor=ada)

    answers = [inside.get(PAGE), inside.post(PAGE, {"grantee_company": "day"})]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert not LoginAccessGrant.objects.exists()


def test_page_says_that_administrators_need_no_grant_and_what_does_not_count(
    client_of: "ClientOf", acme: Organization, support: Organization, grace: User
) -> None:
    notice = "Administrators of Acme can log in as you without a grant. Every time is listed here."
    client = client_of(grace)
    client.post(PAGE, {"grantee_company": "day", f"grantee_{support.pk}": "day"})
    off = words_of(html_of(client.get(PAGE)))
    policy_of(acme, any_user_login=True)
    only_for_administrators(acme, support)

    page = client.get(PAGE)

    words = words_of(html_of(page))
    assert (notice in off, notice in words) == (False, True)
    until = LoginAccessGrant.objects.get(support_organization=None).expires_at
    granted = f"Granted until {until:%Y-%m-%d %H:%M:%S} UTC"
    assert granted in off
    assert f"{granted} Not needed now: administrators can log in without it." in words
    assert f"Does not count now {ONLY_ADMINISTRATORS}" in words
    assert [value for value, *_ in options_of(page, str(support.pk))] == ["keep", "none"]


def test_page_of_someone_with_nobody_to_grant_says_so(
    client_of: "ClientOf", any_user_login: Organization, grace: User
) -> None:
    page = html_of(client_of(grace).get(PAGE))

    assert "Nobody to grant access to." in page
    assert "<select" not in page


def test_history_tells_whom_when_until_and_revoked(client_of: "ClientOf", grace: User) -> None:
    start = timezone.now() - timedelta(days=5)
    client = client_of(grace)
    empty = section_of(client.get(PAGE), "What I granted")
    LoginAccessGrantFactory.create(user=grace, granted_at=start, is_latest=False)
    LoginAccessGrantFactory.create(user=grace, granted_at=start, revoked_at=start + timedelta(hours=2), is_latest=False)
    LoginAccessGrantFactory.create(user=grace)

    words = section_of(client.get(PAGE), "What I granted")

    def exact(days: int, hours: int = 0) -> str:
        return f"{start + timedelta(days=days, hours=hours):%Y-%m-%d %H:%M:%S} UTC"

    assert empty == "Nothing yet."
    to = "Grace Hopper Your Company's Administrator"
    assert words.startswith(f"Granted by To Granted Until Revoked {to}")
    assert re.findall(r"Live|No, it ran out", words) == ["Live", "No, it ran out"]
    assert words.endswith(f"{to} {exact(0)} {exact(1)} {exact(0, 2)} {to} {exact(0)} {exact(1)} No, it ran out")


@pytest.mark.parametrize("rows", [1, 3, 50])
def test_page_asks_the_same_few_queries_and_pages(client_of: "ClientOf", grace: User, rows: int) -> None:
    LoginAccessGrantFactory.create_batch(rows + 1, user=grace, is_latest=False)
    client = client_of(grace)

    with captured_queries() as queries:
        page = client.get(PAGE)

    # Who is it; policy; grants; support organizations; history; session settings; visits.
    assert len(queries) == 7
    links = dict(re.findall(r'href="([^"]*)" rel="(next|prev)"', html_of(page)))
    assert list(links.values()) == (["next"] if rows == 50 else [])
    for url in links:
        assert section_of(client.get(PAGE + url.removeprefix(PAGE)), "What I granted").count("Grace Hopper") == 1


def test_page_lists_who_logged_in_as_me_with_end(
    client_of: "ClientOf", browser: "Browser", any_user_login: Organization, ada: User, grace: User
) -> None:
    visit = browser().login_as(grace, actor=ada)

    page = client_of(grace).get(PAGE)

    assert f'action="/settings/visits/{visit.pk}/end/"' in html_of(page)
    assert section_of(page, "Who logged in as me").startswith("Who Started Lasted Why Access Ended Ada Lovelace")


# --- Setup -------------------------------------------------------------------------------------------------------


def rows_of(response: Answer) -> list[str]:
    body = re.search(r"<tbody>.*</tbody>", html_of(response), re.DOTALL)
    return [words_of(row) for row in re.findall(r"<tr>.*?</tr>", body[0], re.DOTALL)] if body else []


def test_setup_lists_the_live_grants_of_the_organization(
    client_of: "ClientOf", support: Organization, audrey: User, grace: User, alan: User, stranger: User
) -> None:
    now = timezone.now()
    LoginAccessGrantFactory.create(user=stranger)
    LoginAccessGrantFactory.create(user=grace, granted_at=now - timedelta(days=2), is_latest=False)
    LoginAccessGrantFactory.create(user=alan, revoked_at=now)
    live = LoginAccessGrantFactory.create(user=grace, granted_at=now)
    LoginAccessGrantFactory.create(user=grace, granted_at=now, support_organization=support)

    rows = rows_of(client_of(audrey).get(GRANTS))

    times = f"{live.granted_at:%Y-%m-%d %H:%M:%S} UTC {live.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    assert rows == [
        f"Grace Hopper Portal Support {times}",
        f"Grace Hopper Your Company's Administrator {times}",
    ]


def test_setup_says_which_grants_do_not_count(
    client_of: "ClientOf", acme: Organization, support: Organization, audrey: User, grace: User, katherine: User
) -> None:
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    LoginAccessGrantFactory.create(user=katherine)
    client = client_of(audrey)
    before = rows_of(client.get(GRANTS))
    only_for_administrators(acme, support)

    after = rows_of(client.get(GRANTS))

    why = "Does not count now: This user is inactive. Only active users can be logged in as."
    assert [why in before[0], why in after[0]] == [True, True]
    said = f"Does not count now: {ONLY_ADMINISTRATORS}"
    assert [said in before[1], said in after[1]] == [False, True]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Alan", "Grace"]),
        ("?grantee=company", ["Grace"]),
        ("?grantee={support}", ["Alan"]),
        ("?grantee=0", ["Alan", "Grace"]),
        ("?q=hop", ["Grace"]),
        ("?q=hop&grantee={support}", []),
        ("?q=gus", []),
    ],
)
def test_setup_narrows_by_grantee_and_user(
    client_of: "ClientOf",
    support: Organization,
    audrey: User,
    grace: User,
    alan: User,
    stranger: User,
    query: str,
    found: list[str],
) -> None:
    LoginAccessGrantFactory.create(user=grace)
    LoginAccessGrantFactory.create(user=alan, support_organization=support)
    LoginAccessGrantFactory.create(user=stranger)

    page = client_of(audrey).get(GRANTS + query.format(support=support.pk))

    assert [row.split()[0] for row in rows_of(page)] == found
    assert ("No grant matches." in html_of(page)) == (not found)


def test_setup_says_where_nobody_has_granted_anything(client_of: "ClientOf", audrey: User) -> None:
    page = html_of(client_of(audrey).get(GRANTS))

    assert ("Nobody has granted access." in page, "No grant matches." in page) == (True, False)


def test_setup_page_needs_view_all_users(client_of: "ClientOf", audrey: User, grace: User) -> None:
    assert [client_of(person).get(GRANTS).status_code for person in (audrey, grace)] == [200, 403]


@pytest.mark.parametrize("rows", [1, 3, 50])
def test_setup_page_asks_the_same_few_queries_and_pages(
    client_of: "ClientOf", acme: Organization, audrey: User, grace: User, rows: int
) -> None:
    for user in UserFactory.create_batch(rows, organization=acme, profile=grace.profile):
        LoginAccessGrantFactory.create(user=user)
    LoginAccessGrantFactory.create(user=grace)
    client = client_of(audrey)

    with captured_queries() as queries:
        page = client.get(GRANTS)

    # Who is it; support organizations; where the walk ends; grants with their users; policy.
    assert len(queries) == 5
    assert len(rows_of(page)) == min(rows + 1, 50)
    links = re.findall(r'href="([^"]*)" rel="next"', html_of(page))
    assert [rows_of(client.get(url))[0].split()[0] for url in links] == (["Test"] if rows == 50 else [])
