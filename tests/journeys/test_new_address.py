"""A new e-mail address, from the administrator who enters it to the person who confirms it, with scripts off."""

import re
from typing import TYPE_CHECKING

import pytest
from django.core import mail

from .browsing import HOST, Browser, Page

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks

    from accounts.models import User
    from orgs.models import Organization

OLD, NEW = "grace@acme.example", "rear.admiral@navy.example"


@pytest.fixture
def entered(adas: Browser, grace: "User", django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks") -> Page:
    """What Ada reads once she has entered a new address for Grace."""
    form = adas.open(f"/setup/users/{grace.pk}/").click("Edit")
    with django_capture_on_commit_callbacks(execute=True):
        return form.press("Save", **{"E-mail address": NEW})


def link_in_the_mail() -> str:
    """Return the address that the mail to the new address leads to."""
    [letter] = [letter for letter in mail.outbox if letter.to == [NEW]]
    found = re.search(rf"{HOST}\S+", str(letter.body))
    assert found
    return found[0]


def test_address_counts_once_the_person_confirms_it(entered: Page, adas: Browser, grace: "User") -> None:
    graces = Browser()

    assert f"A mail with a link went to {NEW}: the new address counts once it is confirmed." in entered.text
    assert f"{OLD}; {NEW} waits to be confirmed" in entered.text
    question = graces.open(link_in_the_mail())
    assert (question.status, question.heading) == (200, "Confirm e-mail address")
    assert f"{NEW} waits to be confirmed" in adas.open(f"/setup/users/{grace.pk}/").text

    thanks = question.press("Confirm")

    assert (thanks.heading, thanks.place) == ("E-mail address confirmed", "/account/email/confirmed/")
    assert f"E-mail address {NEW} Organization" in adas.open(f"/setup/users/{grace.pk}/").text
    home = thanks.click("Log in").browser.sign_in(grace)
    assert f"Changed email for user Grace Hopper from {OLD} to {NEW} Grace Hopper" in home.text
    assert f"Asked to change email for user Grace Hopper from {OLD} to {NEW} Ada Lovelace" in home.text


def test_button_of_a_link_that_was_used_meanwhile_does_nothing(entered: Page) -> None:
    first, second = (Browser().open(link_in_the_mail()) for _ in range(2))

    answers = [page.press("Confirm") for page in (first, second)]

    assert [(page.status, page.heading) for page in answers] == [
        (200, "E-mail address confirmed"),
        (410, "Link no longer valid"),
    ]


def test_withdrawn_change_leaves_a_dead_link(entered: Page, adas: Browser, grace: "User") -> None:
    form = adas.open(f"/setup/users/{grace.pk}/").click("Edit")
    assert f"{NEW} waits to be confirmed; {OLD} counts until then." in form.text

    form.press("Save", **{"E-mail address": OLD})

    dead = Browser().open(link_in_the_mail())
    assert (dead.status, dead.heading) == (410, "Link no longer valid")
    assert dead.click("Back to log in").heading == "Log in"


def test_administrator_inside_does_not_confirm_what_they_entered(
    any_user_login: "Organization", entered: Page, adas: Browser, grace: "User"
) -> None:
    adas.open(f"/setup/users/{grace.pk}/").press("Login")

    refused = adas.open(link_in_the_mail())

    assert (refused.status, refused.heading) == (403, "Not allowed as Grace Hopper")
    grace.refresh_from_db()
    assert (grace.email, grace.pending_email) == (OLD, NEW)
