"""Activation requests in the operator console: who sees and answers which."""

import re
from typing import TYPE_CHECKING

import pytest
from django.core import mail

from accounts.models import User
from orgs.models import (
    ActivationRequest,
)
from orgs.services.activation_requests import decline_activation_request
from tests.accounts.reading import html_of

from .reading import as_themselves, errors_of, facts_of, messages_of, rows_of, to, trail_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import DjangoCaptureOnCommitCallbacks

    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("state", "of_sales", "of_support"),
    [("open", 0, 1), ("approved", 1, 1), ("declined", 0, 1), ("done", 0, 1)],
)
def test_sales_list_is_what_support_approved(
    state: str,
    of_sales: int,
    of_support: int,
    asked: ActivationRequest,
    sally: User,
    sam: User,
    client_of: "ClientOf",
) -> None:
    ActivationRequest.objects.filter(pk=asked.pk).update(state=state)
    address = to("orgs_activationrequest_changelist")

    shown = [len(rows_of(client_of(user).get(address))) for user in (sally, sam)]
    opened = [client_of(user).get(to("orgs_activationrequest_change", asked.pk)).status_code for user in (sally, sam)]

    assert shown == [of_sales, of_support]
    assert opened == [200 if one else 404 for one in (of_sales, of_support)]


def test_page_of_a_request_tells_all_of_it(asked: ActivationRequest, sam: User, client_of: "ClientOf") -> None:
    client = client_of(sam)

    row = rows_of(client.get(to("orgs_activationrequest_changelist")))
    page = client.get(to("orgs_activationrequest_change", asked.pk))

    at = f"{asked.created_at:%Y-%m-%d %H:%M} UTC"
    assert row == [["Initech", "Unlimited", "Test Petrov", "Open", at, "–"]]
    assert facts_of(page) == {
        "Organization": f"Initech ({asked.organization.reference})",
        "Edition": "Unlimited",
        "State": "Open",
        "Requested by": "Test Petrov",
        "Asked": at,
        "Business case": "We help our users.Every day.",
        "Answer": "-",
        "Answered by": "–",
        "Answered": "–",
        "Provisioned": "–",
    }
    assert f'href="{to("orgs_organization_change", asked.organization_id)}"' in html_of(page)


@pytest.mark.parametrize(
    ("decision", "state", "sentence"),
    [
        ("approve", "approved", "Approved the activation request of Test Petrov"),
        ("decline", "declined", "Declined the activation request of Test Petrov"),
    ],
)
def test_support_answers(
    decision: str,
    state: str,
    sentence: str,
    asked: ActivationRequest,
    sam: User,
    client_of: "ClientOf",
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = {"decision": decision, "answer": "Because of this."}
        page = client_of(sam).post(to("orgs_activationrequest_answer", asked.pk), answer, follow=True)

    asked.refresh_from_db()
    assert (asked.state, asked.answer, asked.answered_by_name) == (
        state,
        "Because of this.",
        "Sam Spade (Portal Support)",
    )
    assert messages_of(page) == [f"The request of Initech is answered: {asked.get_state_display()}."]
    assert [message.to for message in mail.outbox] == [["ivan@initech.example"]]
    assert trail_of(asked.organization) == [("Sam Spade (Portal Support)", sentence)]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"decision": "decline"}, "Say why. The requester reads it."),
        ({"decision": "decline", "answer": " \n "}, "Say why. The requester reads it."),
        ({"decision": "decline", "answer": "x" * 4001}, "Ensure this value has at most 4000 characters (it has 4001)."),
        ({"decision": "perhaps"}, "Select a valid choice. perhaps is not one of the available choices."),
        ({}, "This field is required."),
    ],
)
def test_answer_that_can_not_be_is_refused(
    given: dict[str, str], error: str, asked: ActivationRequest, sam: User, client_of: "ClientOf"
) -> None:
    page = client_of(sam).post(to("orgs_activationrequest_answer", asked.pk), given)

    assert (page.status_code, errors_of(page)) == (422, [error])
    asked.refresh_from_db()
    assert (asked.state, trail_of(asked.organization)) == ("open", [])


@pytest.mark.parametrize(("state", "offered"), [("open", ["approve", "decline"]), ("approved", ["decline"])])
def test_what_is_approved_can_only_be_declined(
    state: str, offered: list[str], asked: ActivationRequest, sam: User, client_of: "ClientOf"
) -> None:
    ActivationRequest.objects.filter(pk=asked.pk).update(state=state)

    page = client_of(sam).get(to("orgs_activationrequest_answer", asked.pk))

    assert re.findall(r'<option value="(\w*)"', html_of(page)) == offered


def test_second_of_two_who_answer_is_told(asked: ActivationRequest, sam: User, client_of: "ClientOf") -> None:
    client, address = client_of(sam), to("orgs_activationrequest_answer", asked.pk)
    decline_activation_request(asked, "No.", origin=as_themselves(sam))

    page = client.post(address, {"decision": "approve"})

    assert (page.status_code, errors_of(page)) == (422, ["This request is not open any more. It is now: Declined."])
    asked.refresh_from_db()
    assert asked.answer == "No."


@pytest.mark.parametrize(
    ("who", "state", "offered"),
    [("sam", "open", True), ("sam", "approved", True), ("sam", "done", False), ("sally", "approved", False)],
)
def test_answer_is_offered_to_support_while_there_is_something_to_answer(
    who: str,
    state: str,
    offered: bool,
    asked: ActivationRequest,
    client_of: "ClientOf",
    request: pytest.FixtureRequest,
) -> None:
    ActivationRequest.objects.filter(pk=asked.pk).update(state=state)

    page = client_of(request.getfixturevalue(who)).get(to("orgs_activationrequest_change", asked.pk))

    assert (to("orgs_activationrequest_answer", asked.pk) in html_of(page)) is offered
