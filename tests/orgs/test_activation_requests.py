"""Asking for any-user login: the service, the page, and Support's answers."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import ActivationRequest, ActivationState, AuditEvent, Organization
from orgs.permissions import PermissionMissing, RefusedInside, RefusedToGuest
from orgs.services.activation_requests import (
    ActivationAnswered,
    ActivationDetailsWrong,
    ActivationPending,
    AlreadyProvisioned,
    approve_activation_request,
    decline_activation_request,
    request_activation,
)
from orgs.services.guards import OperatorNeeded
from orgs.services.organizations import NotEligible
from tests.factories import ActivationRequestFactory, LoginAccessGrantFactory
from tests.origins import origin_of
from tests.queries import captured_queries

from .reading import alerts_of, errors_of, inputs_of, main_of, part_of, texts_of

if TYPE_CHECKING:
    from django.core.mail import EmailMessage
    from pytest_django import DjangoCaptureOnCommitCallbacks

    from accounts.models import User
    from accounts.testing import PortalClient

ClientOf = Callable[["User"], "PortalClient"]
Browser = Callable[[], "PortalClient"]

PAGE = "/setup/company/request-activation/"
AT = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
CASE = "Our people call us,\nand we look at what they see."
FEATURE = "Administrators Can Log in as Any User"
ASKED = {"has_read": "on", "business_case": CASE}

BLANK = "Say what you need it for. Support reads it."
UNREAD = "Read it first, and say that you have."
TOO_LONG = "The business case can have 4,000 characters at most. This one has {:,}."
ODD = "This holds characters that cannot be shown. Type it anew."


@pytest.fixture(autouse=True)
def waiting(acme: Organization) -> Organization:
    """Acme, on an eligible edition and not provisioned."""
    acme.provisioned = False
    acme.save()
    return acme


def sentences() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("sentence", flat=True))


# --- asking ------------------------------------------------------------------------------------------------------


def test_a_request_is_kept_and_audited(acme: Organization, ada: "User") -> None:
    made = request_activation(acme, f"  {CASE}\n", True, origin=origin_of(ada), at=AT)

    stored = ActivationRequest.objects.get()
    assert stored == made
    assert (stored.organization, stored.requested_by, stored.requested_by_name) == (acme, ada, "Ada Lovelace")
    assert (stored.business_case, stored.state, stored.created_at) == (CASE, ActivationState.OPEN, AT)
    event = AuditEvent.objects.get()
    assert (event.sentence, event.user_name, event.created_at) == (f"Requested activation of {FEATURE}", str(ada), AT)
    assert event.after == {"business_case": CASE}


@pytest.mark.parametrize("state", ActivationState)
def test_there_is_one_pending_request_at_a_time(
    acme: Organization, ada: "User", alan: "User", state: ActivationState
) -> None:
    ActivationRequestFactory.create(requested_by=alan, state=state, created_at=AT)
    is_pending = state in {ActivationState.OPEN, ActivationState.APPROVED}

    if is_pending:
        with pytest.raises(ActivationPending) as told:
            request_activation(acme, CASE, True, origin=origin_of(ada))
        assert str(told.value) == "A request of 2026-11-22 by Alan Turing is open already."
        with pytest.raises(IntegrityError), transaction.atomic():
            ActivationRequestFactory.create(requested_by=ada)
    else:
        request_activation(acme, CASE, True, origin=origin_of(ada))

    assert ActivationRequest.objects.count() == (1 if is_pending else 2)


@pytest.mark.parametrize(
    ("case", "has_read", "fields"),
    [
        ("", True, {"business_case": BLANK}),
        (" \n\t ", True, {"business_case": BLANK}),
        ("\u3164\u200b", True, {"business_case": BLANK}),
        ("x" * 4001, True, {"business_case": TOO_LONG.format(4001)}),
        ("x" * 102_400, True, {"business_case": TOO_LONG.format(102_400)}),
        (CASE, False, {"has_read": UNREAD}),
        ("", False, {"business_case": BLANK, "has_read": UNREAD}),
        ("x" * 4000, True, {}),
        ("x", True, {}),
    ],
)
def test_business_case_and_tick_are_both_needed(
    acme: Organization, ada: "User", case: str, has_read: bool, fields: dict[str, str]
) -> None:
    if fields:
        with pytest.raises(ActivationDetailsWrong) as wrong:
            request_activation(acme, case, has_read, origin=origin_of(ada))
        assert wrong.value.fields == fields
    else:
        request_activation(acme, case, has_read, origin=origin_of(ada))

    assert ActivationRequest.objects.count() == (0 if fields else 1)


@pytest.mark.parametrize("who", ["hedy", "audrey", "stranger", "command"])
def test_administrators_of_the_organization_alone_ask(
    acme: Organization, request: pytest.FixtureRequest, who: str
) -> None:
    origin = Origin.automated("test") if who == "command" else origin_of(request.getfixturevalue(who))

    with pytest.raises(PermissionMissing) as refused:
        request_activation(acme, CASE, True, origin=origin)

    assert str(refused.value) == "You need Modify All Data and Manage Users on your profile. Ask your administrator."


def test_a_guest_does_not_ask(acme: Organization, ada: "User") -> None:
    with pytest.raises(RefusedToGuest):
        request_activation(acme, CASE, True, origin=Origin(user=ada, actor=ada, impersonation_id=7, is_limited=True))


def test_what_is_not_in_the_edition_is_not_asked_for(acme: Organization, ada: "User") -> None:
    Organization.objects.filter(pk=acme.pk).update(edition=Edition.PROFESSIONAL)

    with pytest.raises(NotEligible):
        request_activation(acme, CASE, True, origin=origin_of(ada))


def test_what_is_provisioned_is_not_asked_for(acme: Organization, ada: "User") -> None:
    Organization.objects.filter(pk=acme.pk).update(provisioned=True)

    with pytest.raises(AlreadyProvisioned) as refused:
        request_activation(acme, CASE, True, origin=origin_of(ada))

    assert str(refused.value) == f"{FEATURE} is provisioned already. Switch it on in Login Access Policies."


# --- answering ---------------------------------------------------------------------------------------------------

ANSWERS = {"approve": approve_activation_request, "decline": decline_activation_request}


@pytest.mark.parametrize(
    ("act", "state", "sentence", "subject"),
    [
        (
            "approve",
            "approved",
            "Approved the activation request of Ada Lovelace",
            "Your activation request was approved",
        ),
        (
            "decline",
            "declined",
            "Declined the activation request of Ada Lovelace",
            "Your activation request was declined",
        ),
    ],
)
def test_support_answers_and_the_requester_has_mail(
    *, ada: "User", sam: "User", act: str, state: str, sentence: str, subject: str, mailoutbox: list["EmailMessage"],
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:  # fmt: skip
    asked = ActivationRequestFactory.create(requested_by=ada, created_at=AT)

    with django_capture_on_commit_callbacks(execute=True):
        answered = ANSWERS[act](asked, " We <know> you.\n", origin=origin_of(sam), at=AT)

    asked.refresh_from_db()
    assert answered == asked
    assert (asked.state, asked.answer, asked.answered_at) == (state, "We <know> you.", AT)
    assert asked.answered_by_name == "Sam (Portal Support)"
    event = AuditEvent.objects.get()
    assert (event.sentence, event.user_name, event.about) == (sentence, "Sam (Portal Support)", ada)
    assert (event.organization, event.before) == (ada.organization, {"state": "open"})
    assert event.after == {"state": state, "answer": "We <know> you."}
    (mail,) = mailoutbox
    assert (mail.to, mail.subject) == ([ada.email], subject)
    assert "We <know> you." in mail.body


def test_approving_needs_no_answer_and_says_what_comes_next(
    ada: "User", sam: "User", mailoutbox: list["EmailMessage"],
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        approve_activation_request(ActivationRequestFactory.create(requested_by=ada), origin=origin_of(sam))

    assert mailoutbox[0].body.endswith("Sales provisions it next. You get another mail when it can be enabled.\n")


@pytest.mark.parametrize("act", ANSWERS)
def test_who_has_left_has_no_mail(
    ada: "User", sam: "User", act: str, mailoutbox: list["EmailMessage"],
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:  # fmt: skip
    ada.is_active = False
    ada.save()

    with django_capture_on_commit_callbacks(execute=True):
        ANSWERS[act](ActivationRequestFactory.create(requested_by=ada), "No.", origin=origin_of(sam))

    assert mailoutbox == []


@pytest.mark.parametrize(
    ("act", "answer", "told"),
    [
        ("decline", "", "Say why. The requester reads it."),
        ("decline", " \n", "Say why. The requester reads it."),
        ("decline", "x" * 4001, "The answer can have 4,000 characters at most. This one has 4,001."),
        ("approve", "x" * 4001, "The answer can have 4,000 characters at most. This one has 4,001."),
        ("approve", "x" * 4000, ""),
        ("decline", "x" * 4000, ""),
        ("approve", "", ""),
    ],
)
def test_declining_needs_an_answer_and_none_is_too_long(
    ada: "User", sam: "User", act: str, answer: str, told: str
) -> None:
    asked = ActivationRequestFactory.create(requested_by=ada)

    if told:
        with pytest.raises(ActivationDetailsWrong) as wrong:
            ANSWERS[act](asked, answer, origin=origin_of(sam))
        assert wrong.value.fields == {"answer": told}
        assert str(wrong.value) == told
    else:
        ANSWERS[act](asked, answer, origin=origin_of(sam))

    asked.refresh_from_db()
    assert (asked.state == ActivationState.OPEN) is bool(told)


@pytest.mark.parametrize(
    ("act", "state", "is_answered"),
    [
        ("approve", ActivationState.OPEN, True),
        ("approve", ActivationState.APPROVED, False),
        ("approve", ActivationState.DECLINED, False),
        ("approve", ActivationState.DONE, False),
        ("decline", ActivationState.OPEN, True),
        ("decline", ActivationState.APPROVED, True),
        ("decline", ActivationState.DECLINED, False),
        ("decline", ActivationState.DONE, False),
    ],
)
def test_what_was_answered_is_not_answered_again(
    *, ada: "User", sam: "User", act: str, state: ActivationState, is_answered: bool
) -> None:
    asked = ActivationRequestFactory.create(requested_by=ada, state=state)

    if is_answered:
        ANSWERS[act](asked, "So be it.", origin=origin_of(sam))
    else:
        with pytest.raises(ActivationAnswered) as told:
            ANSWERS[act](asked, "So be it.", origin=origin_of(sam))
        assert str(told.value) == f"This request is not open any more. It is now: {state.label}."

    assert AuditEvent.objects.exists() is is_answered


@pytest.mark.parametrize("act", ANSWERS)
@pytest.mark.parametrize(
    ("who", "refusal"), [("sally", OperatorNeeded), ("ada", OperatorNeeded), ("ada as sam", RefusedInside)]
)
def test_support_alone_answers(
    ada: "User", sam: "User", sally: "User", act: str, who: str, refusal: type[Exception]
) -> None:
    asked = ActivationRequestFactory.create(requested_by=ada)
    inside = Origin(user=sam, actor=ada, impersonation_id=7)
    origin = {"sally": origin_of(sally), "ada": origin_of(ada), "ada as sam": inside}[who]

    with pytest.raises(refusal):
        ANSWERS[act](asked, "Yes.", origin=origin)

    asked.refresh_from_db()
    assert asked.state == ActivationState.OPEN


def test_a_command_answers_too(ada: "User") -> None:
    asked = ActivationRequestFactory.create(requested_by=ada)

    answered = approve_activation_request(asked, origin=Origin.automated("seed_demo"))

    assert answered.answered_by_name == "seed_demo by root"


# --- the page ----------------------------------------------------------------------------------------------------


def test_url_is_below_company_information() -> None:
    assert reverse("activation_request") == PAGE


def test_page_says_what_to_read_first_and_asks_for_tick_and_case(
    acme: Organization, ada: "User", client_of: ClientOf
) -> None:
    response = client_of(ada).get(PAGE)

    assert part_of(response, "Read this first") == (
        "What it is A setting. While it is on, whoever holds Modify All Data and Manage Users logs in as any active "
        "user of Acme without asking them first. "
        "What it does The administrator sees and does what that user sees and does, no more, until they log out as "
        "that user or the time limit falls. That user’s password, username, e-mail address and grants are never "
        "changed from inside. "
        "Never Inactive users and external site users are never logged in as. Nobody logs in as a second user from "
        "inside the first. "
        "What is recorded Every start, end and refusal, with both names, in the Setup Audit Trail; what was changed "
        "inside, with both names too; and each visit on the user’s own Home. "
        "Who decides Support reads your business case. Approved, a member of Sales provisions it, and you get mail. "
        "It stays off until an administrator switches it on in Login Access Policies."
    )
    assert (inputs_of(response), texts_of(response)) == ({"has_read": "off"}, {"business_case": ""})


def test_saving_sends_it_and_shows_its_state(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    case = {"has_read": "on", "business_case": CASE.replace("\n", "\r\n")}

    response = client_of(ada).post(PAGE, case, follow=True)

    assert response.redirect_chain == [(PAGE, 302)]
    assert alerts_of(response) == ["Your request went to Support."]
    assert part_of(response, "Your request") == (
        "Requested By Ada Lovelace, just now State Open Support has not answered yet. "
        "Business case Our people call us, and we look at what they see."
    )
    assert inputs_of(response) == {}
    assert ActivationRequest.objects.get().business_case == CASE


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("", BLANK),
        ("  \r\n ", BLANK),
        ("x" * 102_400, TOO_LONG.format(102_400)),
        ("\r\n".join(["x"] * 2001), TOO_LONG.format(4001)),
        ("turned \u202e round", ODD),
    ],
)
def test_a_bad_case_is_said_beside_it_and_what_was_typed_is_kept(
    acme: Organization, ada: "User", client_of: ClientOf, case: str, told: str
) -> None:
    response = client_of(ada).post(PAGE, {"has_read": "on", "business_case": case})

    assert response.status_code == 422
    assert errors_of(response) == [told]
    assert inputs_of(response) == {"has_read": "on"}
    assert texts_of(response) == {"business_case": case}
    assert not ActivationRequest.objects.exists()


def test_lines_count_as_they_are_typed(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    client_of(ada).post(PAGE, {"has_read": "on", "business_case": "\r\n".join(["x"] * 2000) + "y"})

    assert len(ActivationRequest.objects.get().business_case) == 4000


def test_without_the_tick_it_is_not_sent(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    response = client_of(ada).post(PAGE, {"business_case": CASE})

    assert errors_of(response) == [UNREAD]
    assert texts_of(response) == {"business_case": CASE}


def test_a_second_request_is_told_of_the_first_and_keeps_what_was_typed(
    acme: Organization, ada: "User", alan: "User", client_of: ClientOf
) -> None:
    ActivationRequestFactory.create(requested_by=alan, created_at=AT)

    response = client_of(ada).post(PAGE, ASKED)

    assert response.status_code == 409
    assert alerts_of(response) == ["A request of 2026-11-22 by Alan Turing is open already. Nothing was sent."]
    assert part_of(response, "What you had typed") == f"Business case {CASE}".replace("\n", " ")
    assert ActivationRequest.objects.count() == 1


@pytest.mark.parametrize(
    ("state", "heading", "shown", "has_form"),
    [
        ("open", "Your request", "State Open Support has not answered yet.", False),
        ("approved", "Your request", "State Approved Sales provisions it next. Answered By Sam, just now", False),
        ("declined", "Your last request", "State Declined Answered By Sam, just now Answer Not <now>.", True),
        ("done", "Your last request", "State Provisioned just now. It has been taken back since.", True),
    ],
)
def test_page_shows_how_far_the_request_is(
    *, acme: Organization, ada: "User", client_of: ClientOf, state: str, heading: str, shown: str, has_form: bool
) -> None:
    now = datetime.now(tz=UTC)
    answered = {"answered_by_name": "Sam", "answered_at": now} if state in {"approved", "declined"} else {}
    answer = "Not <now>." if state == "declined" else ""
    done_at = now if state == "done" else None
    ActivationRequestFactory.create(requested_by=ada, state=state, answer=answer, done_at=done_at, **answered)

    response = client_of(ada).get(PAGE)

    assert part_of(response, heading) == (
        f"Requested By Ada Lovelace, just now {shown} Business case Support our people."
    )
    assert bool(texts_of(response)) is has_form


def test_where_it_is_provisioned_there_is_nothing_to_ask_for(
    acme: Organization, ada: "User", client_of: ClientOf
) -> None:
    Organization.objects.filter(pk=acme.pk).update(provisioned=True)
    client = client_of(ada)

    response, refused = client.get(PAGE), client.post(PAGE, ASKED)

    assert part_of(response, "Nothing to ask for") == (
        "It is provisioned. An administrator enables it in Login Access Policies."
    )
    assert texts_of(response) == {}
    assert refused.status_code == 403
    assert not ActivationRequest.objects.exists()


def test_where_the_edition_does_not_have_it_the_page_says_what_would_help(
    acme: Organization, ada: "User", client_of: ClientOf
) -> None:
    Organization.objects.filter(pk=acme.pk).update(edition=Edition.PROFESSIONAL)
    client = client_of(ada)

    response, refused = client.get(PAGE), client.post(PAGE, ASKED)

    assert part_of(response, "Not in your edition") == (
        f"{FEATURE} is only available for Enterprise, Performance, Unlimited and Developer Editions. Acme has "
        "Professional Edition: an edition upgrade is needed. Please call Sales: 1-800-NO-SOFTWARE."
    )
    assert texts_of(response) == {}
    assert refused.status_code == 403
    assert not ActivationRequest.objects.exists()


@pytest.mark.parametrize("who", ["hedy", "audrey", "grace"])
def test_others_do_not_open_it(request: pytest.FixtureRequest, client_of: ClientOf, who: str) -> None:
    client = client_of(request.getfixturevalue(who))

    assert (client.get(PAGE).status_code, client.post(PAGE, ASKED).status_code) == (403, 403)
    assert not ActivationRequest.objects.exists()


def test_a_guest_reads_it_and_sends_nothing(acme: Organization, ada: "User", sam: "User", browser: Browser) -> None:
    LoginAccessGrantFactory.create(user=ada, support_organization=sam.organization)
    client = browser()
    client.login_as(ada, actor=sam)

    response, refused = client.get(PAGE), client.post(PAGE, ASKED)

    assert alerts_of(response) == [
        "This is for the organization's own administrators. You are logged in as a user without being one."
    ]
    assert "<form" not in main_of(response)
    assert refused.status_code == 403
    assert not ActivationRequest.objects.exists()


def test_page_asks_for_the_person_and_the_request(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    client = client_of(ada)

    with captured_queries() as queries:
        client.get(PAGE)

    assert len(queries) == 2, queries
