"""What the policy asks before a visit and inside it, as a person without scripts meets it."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts.enums import MailOutcome
from accounts.models import Impersonation, Session, User
from orgs.models import AccessMode, AuditEvent, LoginAccessPolicy
from tests.factories import PASSWORD

from .browsing import Browser, Page

if TYPE_CHECKING:
    from orgs.models import Organization

pytestmark = pytest.mark.usefixtures("any_user_login")

LIST = "/setup/users/?q=lamarr"
INTO_HEDY = "Ada Lovelace, you are logged in as Hedy Lamarr."


@pytest.fixture
def strict(any_user_login: "Organization") -> None:
    """Everything is asked."""
    LoginAccessPolicy.objects.update(
        reason_required=True,
        ticket_pattern="T-[0-9]+",
        access_mode=AccessMode.READ_ONLY_FIRST,
        mail_at_start=True,
        sign_in_again_minutes=10,
        time_limit_minutes=30,
    )


def ask(**settings: Any) -> None:
    LoginAccessPolicy.objects.update(**settings)


def signed_in_long_ago(user: User) -> None:
    Session.objects.filter(user=user).update(authenticated_at=timezone.now() - timedelta(hours=1))


def said_beside(page: Page) -> list[str]:
    """Return what is wrong, as it stands beside the fields."""
    return [node.text for node in page.root.walk() if "invalid-feedback" in node.get("class").split()]


def what_happened() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("strict")
def test_everything_that_can_be_asked_is_asked_once_and_in_order(
    adas: Browser, ada: User, hedy: User, grace: User
) -> None:
    signed_in_long_ago(ada)

    # Login in the list leads to the password, and that to the form
    password = adas.open(LIST).press("Login", row="Hedy Lamarr")
    assert (password.place, password.heading) == ("/account/reauthenticate/", "Confirm that it is you")
    wrong = password.press("Confirm", Password="wrong")
    assert wrong.heading == "Confirm that it is you"
    form = wrong.press("Confirm", Password=PASSWORD)
    assert (form.place, form.heading) == (f"/setup/users/{hedy.pk}/login-as/", "Log in as Hedy Lamarr")
    for sentence in (
        "Nobody is signed in to this account.",
        "30 minutes at most.",
        "Read-only at first: you see what Hedy Lamarr sees and change nothing,",
        "By e-mail as you log in, and on Home. The reason is read there too.",
    ):
        assert sentence in form.text

    # What is wrong stands beside the fields, and what was typed stays
    refused = form.press("Login", **{"Reason": " \n ", "Ticket number": "42"})
    assert (refused.status, len(said_beside(refused))) == (422, 2)
    assert (mail.outbox, what_happened()) == ([], [])
    method, address, fields = refused.about_to_press("Login", Reason="She cannot see\nGrace's orders")
    assert fields["ticket"] == ["42"]

    # In, read-only, and she has mail
    fields["ticket"] = ["T-42"]
    inside = adas.send(method, address, fields)
    assert (inside.path, inside.heading) == ("/", "Welcome, Hedy")
    assert inside.banner == f"{INTO_HEDY} Read-only. Step up to full access 30 minutes left Log out as Hedy Lamarr"
    visit = Impersonation.objects.get()
    assert (visit.reason, visit.ticket, visit.mail, visit.back) == (
        "She cannot see Grace's orders",
        "T-42",
        MailOutcome.SENT,
        LIST,
    )
    assert [message.to for message in mail.outbox] == [["hedy@acme.example"]]

    # Reading works; a change is refused, gives back what was typed, and leads to the step and back to the form
    edit = f"/setup/users/{grace.pk}/edit/"
    refused = adas.send(
        *adas.open(edit).about_to_press("Save", **{"First name": "Admiral"}), Referer=f"http://testserver{edit}"
    )
    assert (refused.status, refused.heading) == (403, "Not allowed as Hedy Lamarr")
    assert refused.typed["First name"] == "Admiral"
    step = refused.click("Step up to full access")
    assert step.heading == "Step up to full access"
    blank = step.press("Step up", Reason="  ")
    assert said_beside(blank) == ["Say why you need full access. The reason is kept."]
    again = blank.press("Step up", Reason="Her name is wrong")
    assert (again.place, again.alerts) == (edit, ["You have full access as Hedy Lamarr now."])
    assert again.banner == f"{INTO_HEDY} 30 minutes left Log out as Hedy Lamarr"
    saved = again.press("Save", **{"First name": "Admiral"})
    assert (saved.status, saved.place) == (200, f"/setup/users/{grace.pk}/")
    grace.refresh_from_db()
    assert grace.first_name == "Admiral"

    # Out, and at her page with the way back to the list
    out = saved.press("Log out as Hedy Lamarr").press("Log in", Username=ada.username, Password=PASSWORD)
    assert (out.place, out.click("Back to Users").path) == (f"/setup/users/{hedy.pk}/", LIST)
    assert what_happened() == [
        "impersonation.started",
        "impersonation.stepped_up",
        "user.changed",
        "impersonation.ended",
    ]


# --- the form --------------------------------------------------------------------------------------------------------


def test_cancel_leads_back_to_where_one_came_from(adas: Browser, hedy: User) -> None:
    ask(reason_required=True)
    page = f"/setup/users/{hedy.pk}/"
    from_list = adas.open(LIST).press("Login", row="Hedy Lamarr")
    from_page = adas.open(LIST).click("Hedy Lamarr", row="Hedy Lamarr").press("Login")
    from_bare_page = adas.open(page).press("Login")

    cancelled = [form.click("Cancel") for form in (from_list, from_page, from_bare_page)]

    assert [one.place for one in cancelled] == ["/setup/users/", page, page]
    assert cancelled[0].path == LIST
    assert cancelled[1].click("Back to Users").path == LIST
    assert what_happened() == []


def test_double_click_on_the_forms_login_lands_once(adas: Browser, hedy: User) -> None:
    ask(reason_required=True)
    form = adas.open(f"/setup/users/{hedy.pk}/login-as/")
    second = adas.twin()
    click = form.about_to_press("Login", Reason="Because")

    answers = [browser.send_once(*click)[1] for browser in (adas, second, second)]

    assert [(answer.status_code, answer.headers["Location"]) for answer in answers] == [(302, "/")] * 3
    # The browser keeps the cookies of the last answer that set any.
    assert second.open("/").banner.startswith(INTO_HEDY)
    assert (Impersonation.objects.count(), what_happened()) == (1, ["impersonation.started"])


def test_stale_form_gives_back_the_reason(adas: Browser, hedy: User, grace: User) -> None:
    ask(reason_required=True, ticket_pattern="T-.*")
    stale = adas.open(f"/setup/users/{hedy.pk}/login-as/?back={LIST}")
    adas.open(f"/setup/users/{grace.pk}/login-as/").press("Login", **{"Reason": "Another", "Ticket number": "T-1"})

    page = stale.press("Login", **{"Reason": "A long story", "Ticket number": "T-2"})

    assert (page.status, page.heading) == (403, "This page is out of date")
    assert page.typed == {"Reason": "A long story", "Ticket number": "T-2"}
    assert page.banner.startswith("Ada Lovelace, you are logged in as Grace Hopper.")
    assert what_happened() == ["impersonation.started"]


def test_form_of_a_visit_that_is_refused_by_now_says_why(adas: Browser, hedy: User) -> None:
    ask(reason_required=True)
    form = adas.open(f"/setup/users/{hedy.pk}/login-as/")
    ask(any_user_login=False)

    page = form.press("Login", Reason="Because")

    assert (page.status, page.heading) == (403, "Not allowed")
    assert "Administrators Can Log in as Any User is off in Login Access Policies." in page.text
    assert what_happened() == ["impersonation.refused"]


def test_form_that_one_comes_to_after_a_timeout_is_there_after_signing_in(adas: Browser, ada: User, hedy: User) -> None:
    ask(reason_required=True)
    Session.objects.update(ended_at=timezone.now())

    page = adas.open(f"/setup/users/{hedy.pk}/login-as/?back=/setup/users/")
    form = page.press("Log in", Username=ada.username, Password=PASSWORD)

    assert form.heading == "Log in as Hedy Lamarr"
    assert form.click("Cancel").path == "/setup/users/"


# --- sign in again ---------------------------------------------------------------------------------------------------


def test_after_the_password_alone_there_is_just_a_login_button(adas: Browser, ada: User, hedy: User) -> None:
    ask(sign_in_again_minutes=10)
    signed_in_long_ago(ada)

    form = adas.open(f"/setup/users/{hedy.pk}/").press("Login").press("Confirm", Password=PASSWORD)

    assert form.heading == "Log in as Hedy Lamarr"
    assert "You have signed in a short while ago. Nothing else is asked." in form.text
    assert [node.name for node in form.root.find("main")[0].find("textarea")] == []
    assert form.press("Login").banner.startswith(INTO_HEDY)


def test_password_of_a_moment_ago_is_not_asked_again(adas: Browser, hedy: User) -> None:
    ask(sign_in_again_minutes=1)

    inside = adas.open(LIST).press("Login", row="Hedy Lamarr")

    assert (inside.path, inside.heading) == ("/", "Welcome, Hedy")


# --- inside ----------------------------------------------------------------------------------------------------------


def test_double_click_on_step_up_steps_once_and_goes_on(adas: Browser, hedy: User) -> None:
    ask(access_mode=AccessMode.READ_ONLY_FIRST)
    inside = adas.open(LIST).press("Login", row="Hedy Lamarr").press("Login")
    adas.open(LIST)
    click = inside.browser.open(LIST).click("Step up to full access").about_to_press("Step up", Reason="Because")

    answers = [browser.send_once(*click)[1] for browser in (adas, adas.twin())]

    assert [answer.headers["Location"] for answer in answers] == [LIST, LIST]
    assert what_happened() == ["impersonation.started", "impersonation.stepped_up"]


def test_one_may_stay_read_only(adas: Browser, hedy: User) -> None:
    ask(access_mode=AccessMode.READ_ONLY_FIRST)
    adas.open(LIST).press("Login", row="Hedy Lamarr").press("Login")

    stayed = adas.open(LIST).click("Step up to full access").click("Stay read-only")

    assert (stayed.path, "Read-only." in stayed.banner) == (LIST, True)


def test_step_that_was_left_open_when_the_visit_ended_is_a_late_write(adas: Browser, hedy: User, alan: User) -> None:
    ask(access_mode=AccessMode.READ_ONLY_FIRST)
    inside = adas.open(LIST).press("Login", row="Hedy Lamarr").press("Login")
    step = inside.click("Step up to full access")
    alans = Browser()
    alans.sign_in(alan)
    alans.open("/setup/login-access-policies/").press("Save", Enabled=False)

    page = step.press("Step up", Reason="A long story")

    assert (page.status, page.heading, page.typed) == (403, "This page is out of date", {"Reason": "A long story"})
    assert adas.open("/").alerts[0].startswith("Your visit as Hedy Lamarr has ended")
    assert Impersonation.objects.get().step_up_reason == ""
