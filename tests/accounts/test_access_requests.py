"""Asking a user for access, and the user's answer: service, page, mail, trail, and the card on Home."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail
from django.http import Http404
from django.utils import timezone

from accounts.enums import GrantDuration
from accounts.facts import find_target
from accounts.login_access import HEALED_BY_GRANT, is_healed_by_grant, may_impersonate
from accounts.models import AccessRequest, LoginAccessGrant, User
from accounts.services.access_answers import open_requests
from accounts.services.access_requests import (
    AlreadyAsked,
    AskedWrongly,
    NothingToAsk,
    RequestIsClosed,
    answer_request,
    ask_for_access,
)
from accounts.services.grants import COMPANY, GrantRefused, OnlyThePersonGrants, save_grants
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import AuditEvent, LoginAccessPolicy, Organization, SupportAccess, SupportAvailability
from orgs.permissions import RefusedInside
from tests.factories import AccessRequestFactory, LoginAccessGrantFactory

from .reading import Answer, html_of, section_of, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import DjangoCaptureOnCommitCallbacks

    from accounts.testing import PortalClient

    Browser = Callable[[], PortalClient]
    ClientOf = Callable[[User], PortalClient]

ASKS = "Who asks to log in as me"


def own(user: User) -> Origin:
    return Origin(user=user, actor=user)


def ask(actor: User, target: User, **changes: Any) -> AccessRequest:
    words = {"reason": "Ticket 7", "duration": "3_days", "origin": own(actor), **changes}
    return ask_for_access(actor, target, **words)


def answer(user: User, request: AccessRequest, *, grants: bool = True, **changes: Any) -> AccessRequest:
    return answer_request(user, request.pk, **{"grants": grants, "origin": own(user), **changes})


def message_of(response: Answer) -> str:
    found = re.search(r'<div class="alert alert-\w+" role="\w+">(.*?)</div>', response.content.decode(), re.DOTALL)
    return words_of(found[1]) if found else ""


def policy_of(organization: Organization, **changes: Any) -> None:
    LoginAccessPolicy.objects.filter(organization=organization).update(**changes)


# --- when there is something to ask ------------------------------------------------------------------------------


def refused_now(actor: User, target: User) -> tuple[str, bool]:
    """Return the rule's refusal, and whether a grant would heal it."""
    found, at = find_target(actor, target.pk), timezone.now()
    assert found
    verdict = may_impersonate(actor=actor, target=found.user, facts=found.facts, at=at)
    healed = is_healed_by_grant(verdict, actor=actor, target=found.user, facts=found.facts, at=at)
    return str(verdict.refusal or ""), healed


@pytest.mark.parametrize(
    ("who", "whose", "policy", "organization", "refusal", "healed"),
    [
        ("ada", "grace", {}, {}, "off", True),
        ("ada", "grace", {"any_user_login": True}, {}, "", False),
        ("ada", "grace", {}, {"provisioned": False}, "not_provisioned", True),
        ("ada", "alan", {"any_user_login": True, "protect_administrators": True}, {}, "protected", True),
        ("ada", "grace", {}, {"edition": Edition.GROUP}, "edition", False),
        ("ada", "katherine", {}, {}, "inactive", False),
        ("ada", "margaret", {}, {}, "external", False),
        ("ada", "ada", {}, {}, "self", False),
        ("hedy", "grace", {}, {}, "no_permission", False),
        ("sam", "grace", {}, {}, "no_grant", True),
        ("sam", "margaret", {}, {}, "external", False),
    ],
)
def test_grant_heals_what_the_rule_says_yes_to_once_there_is_one(
    request: pytest.FixtureRequest,
    acme: Organization,
    who: str,
    whose: str,
    policy: dict[str, Any],
    organization: dict[str, Any],
    refusal: str,
    healed: bool,
) -> None:
    actor, target = request.getfixturevalue(who), request.getfixturevalue(whose)
    policy_of(acme, **policy)
    Organization.objects.filter(pk=acme.pk).update(**organization)

    assert refused_now(actor, target) == (refusal, healed)
    assert (refusal in HEALED_BY_GRANT) == healed


def test_expired_grant_is_healed_by_another_and_a_barred_support_organization_by_none(
    acme: Organization, support: Organization, ada: User, sam: User, grace: User, alan: User
) -> None:
    LoginAccessGrantFactory.create(user=grace, granted_at=timezone.now() - timedelta(days=2))

    assert refused_now(ada, grace) == ("grant_expired", True)
    SupportAccess.objects.create(
        organization=acme, support_organization=support, availability=SupportAvailability.ADMINISTRATORS
    )
    assert [refused_now(sam, target) for target in (grace, alan)] == [("no_grant", False), ("no_grant", True)]


# --- ask ---------------------------------------------------------------------------------------------------------


def test_question_is_kept_mailed_and_in_the_trail(
    ada: User, grace: User, django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks"
) -> None:
    at = timezone.now()

    with django_capture_on_commit_callbacks(execute=True):
        ask(ada, grace, reason="  Ticket\n 7: the report ", at=at)

    request = AccessRequest.objects.get()
    assert (request.requester, request.user, request.organization) == (ada, grace, grace.organization)
    assert (request.reason, request.duration, request.state) == ("Ticket 7: the report", "3_days", "open")
    assert (request.created_at, request.lapses_at) == (at, at + timedelta(days=7))
    event = AuditEvent.objects.get()
    assert (event.action, event.section, event.user, event.about) == ("access.asked", "Manage Users", ada, grace)
    assert event.sentence == "Asked Grace Hopper for 3 days of login access"
    [letter] = mail.outbox
    assert (letter.to, letter.subject) == (
        ["grace@acme.example"],
        "Ada Lovelace asks for access to your portal account",
    )
    assert "for 3 days." in letter.body
    assert "Reason: Ticket 7: the report\n" in letter.body


def test_support_agent_asks_by_name_and_house(
    sam: User, grace: User, django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks"
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        ask(sam, grace)

    assert mail.outbox[0].subject == "Sam Spade (Portal Support) asks for access to your portal account"
    event = AuditEvent.objects.get()
    assert (event.organization, event.user_name) == (grace.organization, "Sam Spade (Portal Support)")


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"reason": ""}, {"reason": "Say why. The user reads it, and decides."}),
        ({"reason": " \n\t "}, {"reason": "Say why. The user reads it, and decides."}),
        ({"reason": "\u3164"}, {"reason": "Say why. The user reads it, and decides."}),
        ({"reason": "x" * 1001}, {"reason": "A reason has 1000 characters at most."}),
        ({"duration": "none"}, {"duration": "Choose one of the durations that are offered."}),
        ({"duration": "decade"}, {"duration": "Choose one of the durations that are offered."}),
        (
            {"reason": "", "duration": ""},
            {
                "reason": "Say why. The user reads it, and decides.",
                "duration": "Choose one of the durations that are offered.",
            },
        ),
    ],
)
def test_question_without_words_or_duration_is_refused(
    ada: User, grace: User, typed: dict[str, str], wrong: dict[str, str]
) -> None:
    with pytest.raises(AskedWrongly) as refused:
        ask(ada, grace, **typed)

    assert refused.value.fields == wrong
    assert not AccessRequest.objects.exists()


def test_longest_reason_is_taken(ada: User, grace: User) -> None:
    assert len(ask(ada, grace, reason="x" * 1000).reason) == 1000


def test_there_is_nothing_to_ask_where_a_grant_would_not_help(
    any_user_login: Organization, ada: User, hedy: User, grace: User, katherine: User
) -> None:
    said = []
    for actor, target in ((ada, grace), (ada, katherine), (hedy, grace)):
        with pytest.raises(NothingToAsk) as refused:
            ask(actor, target)
        said.append(str(refused.value))

    assert said == [
        "You can log in as Grace Hopper without asking.",
        "This user is inactive. Only active users can be logged in as.",
        "To log in as users you need Modify All Data and Manage Users on your profile. Ask your administrator.",
    ]


def test_another_organizations_user_and_one_that_never_was_are_not_found(ada: User, stranger: User) -> None:
    nobody = User(pk=stranger.pk + 1000, organization=ada.organization)

    for target in (stranger, nobody):
        with pytest.raises(Http404):
            ask(ada, target)


def test_nobody_asks_from_inside_a_visit(ada: User, alan: User, grace: User) -> None:
    with pytest.raises(RefusedInside):
        ask(ada, grace, origin=Origin(user=alan, actor=ada, impersonation_id=1))


def test_one_open_question_a_pair(ada: User, alan: User, grace: User, hedy: User) -> None:
    first = ask(ada, grace)

    with pytest.raises(AlreadyAsked, match=f"You asked Grace Hopper on {first.created_at:%Y-%m-%d}") as refused:
        ask(ada, grace)
    ask(alan, grace)
    ask(ada, hedy)

    assert refused.value.request == first
    assert AccessRequest.objects.count() == 3


def test_question_that_nobody_answered_is_gone_after_seven_days(ada: User, grace: User) -> None:
    first = ask(ada, grace)
    almost, over = first.lapses_at - timedelta(seconds=1), first.lapses_at

    assert [open_requests(at=at, user=grace).count() for at in (almost, over)] == [1, 0]
    with pytest.raises(RequestIsClosed):
        answer(grace, first, at=over)
    with pytest.raises(AlreadyAsked):
        ask(ada, grace, at=almost)
    second = ask(ada, grace, at=over)

    first.refresh_from_db()
    assert (first.state, first.answered_at) == ("lapsed", over)
    assert list(open_requests(at=over, user=grace)) == [second]


# --- answer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grants", "state", "action", "sentence", "subject"),
    [
        (
            True,
            "granted",
            "access.granted",
            "Granted the login access that Ada Lovelace asked for",
            "Grace Hopper granted the access that you asked for",
        ),
        (
            False,
            "declined",
            "access.declined",
            "Declined the login access that Ada Lovelace asked for",
            "Grace Hopper declined the access that you asked for",
        ),
    ],
)
def test_answer_is_kept_mailed_and_in_the_trail(
    ada: User,
    grace: User,
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
    grants: bool,
    state: str,
    action: str,
    sentence: str,
    subject: str,
) -> None:
    request, at = ask(ada, grace), timezone.now()

    with django_capture_on_commit_callbacks(execute=True):
        answer(grace, request, grants=grants, at=at)

    request.refresh_from_db()
    assert (request.state, request.answered_at) == (state, at)
    assert [grant.expires_at for grant in LoginAccessGrant.objects.all()] == [at + timedelta(days=3)] * grants
    event = AuditEvent.objects.latest("id")
    assert (event.action, event.sentence, event.user, event.about) == (action, sentence, grace, ada)
    [letter] = mail.outbox
    assert (letter.to, letter.subject) == (["ada@acme.example"], subject)
    assert refused_now(ada, grace) == ("" if grants else "off", not grants)


def test_support_agent_gets_a_grant_to_the_support_organization(
    support: Organization, sam: User, grace: User, ada: User
) -> None:
    answer(grace, ask(sam, grace))

    assert LoginAccessGrant.objects.get().support_organization == support
    assert [refused_now(actor, grace)[0] for actor in (sam, ada)] == ["", "off"]
    event = AuditEvent.objects.latest("id")
    assert event.sentence == "Granted the login access that Sam Spade (Portal Support) asked for"
    assert event.about_name == "Sam Spade (Portal Support)"


@pytest.mark.parametrize(("held", "lasts"), [("year", 365), ("day", 3)])
def test_granting_never_shortens_what_lasts_longer(ada: User, grace: User, held: str, lasts: int) -> None:
    request, at = ask(ada, grace), timezone.now()
    held_until = at + GrantDuration(held).length
    LoginAccessGrantFactory.create(user=grace, granted_at=at, expires_at=held_until)

    answer(grace, request, at=at)

    assert LoginAccessGrant.objects.get(is_latest=True).expires_at == at + timedelta(days=lasts)


def test_grant_that_was_not_asked_for_answers_whoever_asked(
    ada: User,
    alan: User,
    sam: User,
    grace: User,
    hedy: User,
    support: Organization,
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    """By one's own settings: every open question that the grant answers is closed, and whoever asked hears of it."""
    by_ada, by_alan, by_sam, of_hedy = ask(ada, grace), ask(alan, grace), ask(sam, grace), ask(ada, hedy)
    at = timezone.now()

    with django_capture_on_commit_callbacks(execute=True):
        save_grants(grace, {COMPANY: "week"}, origin=own(grace), at=at)

    states = [AccessRequest.objects.get(pk=one.pk) for one in (by_ada, by_alan, by_sam, of_hedy)]
    assert [(one.state, one.answered_at) for one in states] == [("granted", at)] * 2 + [("open", None)] * 2
    assert [event.sentence for event in AuditEvent.objects.filter(action="access.granted").order_by("id")] == [
        "Granted the login access that Ada Lovelace asked for",
        "Granted the login access that Alan Turing asked for",
    ]
    assert sorted(letter.to[0] for letter in mail.outbox) == ["ada@acme.example", "alan@acme.example"]


def test_what_can_no_longer_be_granted_stays_open(
    acme: Organization, support: Organization, sam: User, grace: User
) -> None:
    request = ask(sam, grace)
    SupportAccess.objects.create(
        organization=acme, support_organization=support, availability=SupportAvailability.ADMINISTRATORS
    )

    with pytest.raises(GrantRefused):
        answer(grace, request)

    request.refresh_from_db()
    assert request.state == "open"
    assert answer(grace, request, grants=False).state == "declined"


def test_answer_is_given_once(ada: User, grace: User) -> None:
    request = ask(ada, grace)
    answer(grace, request, grants=False)

    with pytest.raises(RequestIsClosed, match=r"This question is no longer open\."):
        answer(grace, request)
    assert not LoginAccessGrant.objects.exists()


def test_only_the_person_who_was_asked_answers(ada: User, grace: User, hedy: User) -> None:
    request = ask(ada, grace)

    with pytest.raises(Http404):
        answer(hedy, request)
    with pytest.raises(OnlyThePersonGrants):
        answer(grace, request, origin=own(ada))
    with pytest.raises(RefusedInside):
        answer(grace, request, origin=Origin(user=grace, actor=ada, impersonation_id=1))
    assert AccessRequest.objects.get().state == "open"


# --- pages -------------------------------------------------------------------------------------------------------


def page_of(user: User) -> str:
    return f"/setup/users/{user.pk}/ask-for-access/"


def test_question_is_asked_beside_the_disabled_login(client_of: "ClientOf", ada: User, grace: User) -> None:
    client = client_of(ada)
    link = f'<a href="{page_of(grace)}?back=%2Fsetup%2Fusers%2F%3Fq%3Dg">Ask for access</a>'
    before = html_of(client.get(f"/setup/users/{grace.pk}/", {"back": "/setup/users/?q=g"}))
    form = html_of(client.get(page_of(grace)))

    answer = client.post(page_of(grace), {"reason": "Ticket 7", "duration": "week", "back": "/setup/users/?q=g"})

    assert answer.headers["Location"] == f"/setup/users/{grace.pk}/?back=%2Fsetup%2Fusers%2F%3Fq%3Dg"
    after = client.get(answer.headers["Location"])
    assert message_of(after) == "Grace Hopper has been asked. The question stands for 7 days."
    today = timezone.now()
    said = f"You asked on {today:%Y-%m-%d}."
    assert [(link in page, said in page) for page in (before, html_of(after))] == [(True, False), (False, True)]
    assert re.findall(r'<option value="(\w*)"', form) == ["day", "3_days", "week", "month", "year"]
    assert "<form method" not in words_of(html_of(client.get(page_of(grace))))
    assert said in html_of(client.get(page_of(grace)))


def test_second_question_is_told_of_the_first(client_of: "ClientOf", ada: User, grace: User) -> None:
    client = client_of(ada)
    typed = {"reason": "Ticket 7", "duration": "week"}

    said = [message_of(client.post(page_of(grace), typed, follow=True)) for _ in range(2)]

    assert said == [
        "Grace Hopper has been asked. The question stands for 7 days.",
        f"You asked Grace Hopper on {timezone.now():%Y-%m-%d}. The question is still open.",
    ]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"reason": " ", "duration": "week"}, "Say why. The user reads it, and decides."),
        ({"reason": "\u3164", "duration": "week"}, "Say why. The user reads it, and decides."),
        ({"reason": "x" * 1001, "duration": "week"}, "Ensure this value has at most 1000 characters (it has 1001)."),
        ({"reason": "Why", "duration": "none"}, "Choose one of the durations that are offered."),
        ({"reason": "Why"}, "This field is required."),
    ],
)
def test_bad_question_is_answered_beside_its_field(
    client_of: "ClientOf", ada: User, grace: User, typed: dict[str, str], words: str
) -> None:
    answer = client_of(ada).post(page_of(grace), typed)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not AccessRequest.objects.exists()


def test_page_says_why_there_is_nothing_to_ask(
    client_of: "ClientOf", any_user_login: Organization, ada: User, grace: User, katherine: User
) -> None:
    pages = [client_of(ada).get(page_of(person)) for person in (grace, katherine)]

    assert [page.status_code for page in pages] == [403, 403]
    assert "You can log in as Grace Hopper without asking." in pages[0].content.decode()
    assert f'href="/setup/users/{grace.pk}/">Back to Grace Hopper</a>' in pages[0].content.decode()
    assert "This user is inactive." in pages[1].content.decode()


def test_page_says_that_a_frozen_user_cannot_answer(
    client_of: "ClientOf", ada: User, grace: User, dennis: User
) -> None:
    client = client_of(ada)

    told = ["is frozen and cannot sign in to answer." in html_of(client.get(page_of(one))) for one in (dennis, grace)]

    assert told == [True, False]


def test_pages_are_refused_inside(
    browser: "Browser", any_user_login: Organization, ada: User, alan: User, grace: User
) -> None:
    request = AccessRequestFactory.create(user=alan, requester=ada)
    inside = browser()
    inside.login_as(alan, actor=ada)

    answers = [
        inside.get(page_of(grace)),
        inside.post(f"/settings/access-requests/{request.pk}/answer/", {"answer": "grant"}),
    ]

    assert [one.status_code for one in answers] == [403, 403]
    assert not LoginAccessGrant.objects.exists()


@pytest.mark.parametrize(
    ("pressed", "state", "said"),
    [
        ("grant", "granted", "You granted the access that Ada Lovelace asked for."),
        ("decline", "declined", "Ada Lovelace was declined."),
        ("", "declined", "Ada Lovelace was declined."),
    ],
)
def test_card_on_home_is_answered(
    client_of: "ClientOf", ada: User, grace: User, pressed: str, state: str, said: str
) -> None:
    request = AccessRequestFactory.create(user=grace, requester=ada)
    client = client_of(grace)
    card = section_of(client.get("/"), ASKS)

    answers = [
        client.post(f"/settings/access-requests/{request.pk}/answer/", {"answer": pressed}, follow=True)
        for _ in range(2)
    ]

    assert card == (
        "Ada Lovelace asked just now to log in as you for 3 days: Ticket 7 Grant Decline "
        "A grant is to all administrators, or to the whole support organization. You can take it back at any time."
    )
    assert [message_of(one) for one in answers] == [said, "This question is no longer open."]
    assert ASKS not in html_of(answers[0])
    request.refresh_from_db()
    assert request.state == state


def test_card_that_can_no_longer_be_granted_says_so(
    client_of: "ClientOf", any_user_login: Organization, ada: User, grace: User
) -> None:
    request = AccessRequestFactory.create(user=grace, requester=ada)

    answer = client_of(grace).post(f"/settings/access-requests/{request.pk}/answer/", {"answer": "grant"}, follow=True)

    assert message_of(answer) == "You can't grant access to this grantee. Nothing was saved."


def test_card_is_seen_inside_without_its_buttons_and_gone_after_seven_days(
    client_of: "ClientOf", browser: "Browser", any_user_login: Organization, ada: User, grace: User
) -> None:
    request = AccessRequestFactory.create(user=grace, requester=ada)
    inside = browser()
    inside.login_as(grace, actor=ada)

    words = "Ada Lovelace asked just now to log in as Grace Hopper for 3 days: Ticket 7"
    assert section_of(inside.get("/"), ASKS) == words
    AccessRequest.objects.update(lapses_at=timezone.now())
    pages = [html_of(client.get("/")) for client in (inside, client_of(grace))]
    assert [ASKS in page for page in pages] == [False, False]
    assert request.state == "open"


def test_other_peoples_questions_are_not_found(client_of: "ClientOf", ada: User, grace: User, hedy: User) -> None:
    request = AccessRequestFactory.create(user=grace, requester=ada)

    answers = [
        client_of(person).post(f"/settings/access-requests/{pk}/answer/", {"answer": "grant"})
        for person, pk in ((hedy, request.pk), (ada, request.pk), (grace, request.pk + 1))
    ]

    assert [one.status_code for one in answers] == [404, 404, 404]
