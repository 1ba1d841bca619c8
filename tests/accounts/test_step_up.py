"""Stepping up from read-only to full access: what it asks, what it writes, and when it does nothing."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from accounts.enums import Access, EndCause
from accounts.identity import Identity, identify
from accounts.models import Impersonation, Session, User
from accounts.services.sessions import end_session
from accounts.services.start_policy import DetailsWrong
from accounts.services.step_up import step_up
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import AccessMode, AuditEvent, LoginAccessPolicy, Organization

if TYPE_CHECKING:
    from collections.abc import Callable

    Browser = Callable[[], PortalClient]

STEP_UP = "/visit/step-up/"
DETAILS = {"asked": "1"}


@pytest.fixture
def read_only(any_user_login: Organization) -> None:
    LoginAccessPolicy.objects.update(access_mode=AccessMode.READ_ONLY_FIRST)


@pytest.fixture
def inside(read_only: None, ada: User, grace: User, browser: "Browser") -> PortalClient:
    """Ada's browser, read-only in Grace's account."""
    client = browser()
    enter(client, ada, grace)
    return client


def enter(client: PortalClient, actor: User, target: User) -> None:
    """Log in as someone by the form."""
    client.force_login(actor)
    client.post(f"/setup/users/{target.pk}/login-as/", DETAILS)
    client.get("/")


def words(answer: Any) -> str:  # noqa: ANN401  # Django's test response
    return " ".join(answer.content.decode().split())


def row() -> tuple[str, bool, str]:
    """Return a visit's access, whether it was stepped up, and why."""
    visit = Impersonation.objects.get()
    return visit.access, visit.stepped_up_at is not None, visit.step_up_reason


READ_ONLY = (Access.READ_ONLY, False, "")
FULL = (Access.FULL, True, "A wrong order")


def steps() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="impersonation.stepped_up"))


# --- over HTTP -------------------------------------------------------------------------------------------------------


def test_step_up_asks_why_and_says_what_it_means(inside: PortalClient) -> None:
    page = inside.get(f"{STEP_UP}?next=/setup/")

    assert page.status_code == 200
    assert "<h1>Step up to full access</h1>" in words(page)
    assert "and Grace Hopper reads them." in words(page)
    assert '<a class="btn btn-outline-secondary" href="/setup/">Stay read-only</a>' in words(page)
    assert row() == READ_ONLY


def test_step_up_writes_the_row_and_the_trail_and_changes_the_banner(
    inside: PortalClient, ada: User, grace: User
) -> None:
    before = words(inside.get("/"))

    answer = inside.post(STEP_UP, {"reason": " A wrong\n order ", "next": "/?a=1"})

    after = words(inside.get("/"))
    (event,) = steps()
    assert (answer.status_code, answer.headers["Location"]) == (302, "/?a=1")
    assert ("Read-only." in before, "Read-only." in after) == (True, False)
    assert "You have full access as Grace Hopper now." in after
    assert row() == FULL
    assert event.sentence == "Stepped up to full access while logged in as Grace Hopper"
    assert (event.user_id, event.about_id, event.delegate_user_id) == (ada.pk, grace.pk, None)
    assert event.impersonation_id == Impersonation.objects.get().pk
    assert (event.before, event.after) == ({"access": "read_only"}, {"access": "full"})
    # Why is for the target and for whoever holds View All Data, not for all who read the trail.
    assert "A wrong order" not in f"{event.sentence}{event.before}{event.after}"


def test_after_the_step_one_writes_as_the_target(
    read_only: None, ada: User, hedy: User, grace: User, browser: "Browser"
) -> None:
    client = browser()
    enter(client, ada, hedy)
    unlock = f"/setup/users/{grace.pk}/unlock/"
    refused = client.post(unlock)
    client.post(STEP_UP, {"reason": "A wrong order"})

    allowed = client.post(unlock)

    assert (refused.status_code, allowed.status_code) == (403, 302)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "Say why you need full access. The reason is kept."),
        (" \t\n ", "Say why you need full access. The reason is kept."),
        ("\u200b", "Say why you need full access. The reason is kept."),
        ("a" * 1001, "Ensure this value has at most 1000 characters (it has 1001)."),
        ("Because\x07", "This holds characters that cannot be shown. Type it anew."),
    ],
)
def test_step_up_without_a_reason_that_can_be_read_is_refused(inside: PortalClient, typed: str, said: str) -> None:
    answer = inside.post(STEP_UP, {"reason": typed, "next": "/setup/"})

    assert (answer.status_code, answer.context["form"].errors) == (422, {"reason": [said]})
    assert answer.context["next_path"] == "/setup/"
    assert (row(), steps()) == (READ_ONLY, [])


def test_step_up_with_nothing_sent_is_refused(inside: PortalClient) -> None:
    assert inside.post(STEP_UP).status_code == 422


@pytest.mark.parametrize("method", ["get", "head"])
def test_reading_the_page_does_nothing(inside: PortalClient, method: str) -> None:
    assert getattr(inside, method)(f"{STEP_UP}?reason=A+wrong+order").status_code == 200
    assert (row(), steps()) == (READ_ONLY, [])


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_step_up_is_a_post(inside: PortalClient, method: str) -> None:
    assert getattr(inside, method)(STEP_UP).status_code == 405
    assert row() == READ_ONLY


@pytest.mark.parametrize("method", ["get", "post"])
def test_second_step_goes_on_and_changes_nothing(inside: PortalClient, method: str) -> None:
    inside.post(STEP_UP, {"reason": "A wrong order"})

    answer = getattr(inside, method)(STEP_UP, {"reason": "Another", "next": "/?a=1"})

    assert (answer.status_code, answer.headers["Location"]) == (302, "/?a=1")
    assert (row(), len(steps())) == (FULL, 1)


@pytest.mark.parametrize("next_path", ["https://elsewhere.example/", "//elsewhere.example/", "/\\x", ""])
def test_step_up_leads_nowhere_else(inside: PortalClient, next_path: str) -> None:
    page = inside.get(STEP_UP, {"next": next_path})
    answer = inside.post(STEP_UP, {"reason": "A wrong order", "next": next_path})

    assert (page.context["next_path"], answer.headers["Location"]) == ("", "/")


def test_step_up_outside_a_visit_leads_home(ada: User, browser: "Browser", anonymous: PortalClient) -> None:
    client = browser()
    client.force_login(ada)

    answers = [getattr(who, method)(STEP_UP) for who in (client, anonymous) for method in ("get", "post")]

    # Of what nobody could have sent from a page of ours, nothing is left to come back to.
    asked_for = ["/", "/", "/login/?next=/visit/step-up/", "/login/"]
    assert [answer.headers["Location"] for answer in answers] == asked_for
    assert AuditEvent.objects.count() == 0


def test_step_up_of_one_visit_is_none_of_another(
    inside: PortalClient, alan: User, grace: User, browser: "Browser"
) -> None:
    alans = browser()
    enter(alans, alan, grace)

    alans.post(STEP_UP, {"reason": "A wrong order"})

    accesses = Impersonation.objects.order_by("pk").values_list("actor_name", "access")
    assert list(accesses) == [("Ada Lovelace", Access.READ_ONLY), ("Alan Turing", Access.FULL)]
    assert inside.post("/settings/visits/1/end/").status_code == 403


def test_step_up_after_the_visit_was_ended_is_answered_as_any_late_write(inside: PortalClient) -> None:
    end_session(Session.objects.latest("id"), cause=EndCause.ENDED_BY_TARGET, origin=Origin())

    late = inside.post(STEP_UP, {"reason": "A wrong order"})
    told = inside.get(STEP_UP, follow=True)

    assert late.status_code == 403
    assert "The session it belonged to has ended: the user ended it." in words(late)
    assert "Your visit as Grace Hopper has ended: the user ended it." in words(told)
    assert (row(), steps()) == (READ_ONLY, [])


def test_visit_that_ends_while_one_steps_up_stays_as_it_was(
    inside: PortalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*args: Any, **kwargs: Any) -> bool:
        end_session(Session.objects.latest("id"), cause=EndCause.ENDED_BY_TARGET, origin=Origin())
        return step_up(*args, **kwargs)

    monkeypatch.setattr("accounts.views.impersonation.step_up", late)

    answer = inside.post(STEP_UP, {"reason": "A wrong order"}, follow=True)

    assert "Your visit as Grace Hopper has ended: the user ended it." in words(answer)
    assert "You have full access" not in words(answer)
    assert (row(), steps()) == (READ_ONLY, [])


def test_step_up_needs_the_token_of_the_page(read_only: None, ada: User, grace: User) -> None:
    client = PortalClient(enforce_csrf_checks=True)
    inside = PortalClient()
    enter(inside, ada, grace)
    client.cookies.update(inside.cookies)

    answer = client.post(STEP_UP, {"reason": "A wrong order"})

    assert (answer.status_code, row()) == (403, READ_ONLY)


# --- the service -----------------------------------------------------------------------------------------------------


def identity_of(client: PortalClient) -> Identity:
    identity = identify(client.cookies["portal_session"].value)
    assert identity is not None
    return identity


def test_service_writes_when_and_why(inside: PortalClient) -> None:
    identity, at = identity_of(inside), timezone.now() + timedelta(minutes=3)
    assert identity.impersonation is not None

    assert step_up(identity, reason="A wrong order", origin=Origin(), at=at) is True

    visit = Impersonation.objects.get()
    assert (visit.access, visit.stepped_up_at, visit.step_up_reason) == (Access.FULL, at, "A wrong order")
    assert (steps()[0].created_at, identity.impersonation.access) == (at, Access.FULL)


def test_service_of_two_at_once_writes_one(inside: PortalClient) -> None:
    first, second = identity_of(inside), identity_of(inside)

    done = [step_up(one, reason="A wrong order", origin=Origin()) for one in (first, second)]

    assert (done, row(), len(steps())) == ([True, False], FULL, 1)


@pytest.mark.parametrize("reason", ["", " \n "])
def test_service_asks_why(inside: PortalClient, reason: str) -> None:
    with pytest.raises(DetailsWrong):
        step_up(identity_of(inside), reason=reason, origin=Origin())

    assert (row(), steps()) == (READ_ONLY, [])


def test_service_does_nothing_in_a_visit_that_is_over(inside: PortalClient) -> None:
    identity = identity_of(inside)
    end_session(Session.objects.latest("id"), cause=EndCause.ENDED_BY_TARGET, origin=Origin())

    assert step_up(identity, reason="A wrong order", origin=Origin()) is False
    assert (row(), steps()) == (READ_ONLY, [])


def test_service_does_nothing_outside_a_visit(ada: User, browser: "Browser") -> None:
    client = browser()
    client.force_login(ada)

    assert step_up(identity_of(client), reason="A wrong order", origin=Origin()) is False
