"""A visit that is read-only first: what it refuses, and what the page then offers."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from accounts.enums import Access
from accounts.models import Impersonation, User
from accounts.services.start_policy import StartDetails
from accounts.testing import PortalClient
from orgs.models import AccessMode, AuditEvent, LoginAccessPolicy, Organization
from tests import probe

if TYPE_CHECKING:
    from collections.abc import Callable

    Browser = Callable[[], PortalClient]

pytestmark = pytest.mark.urls("tests.probe")

HOST = "http://testserver"
STEP_UP = "/visit/step-up/"
SAFE, UNSAFE = ["GET", "HEAD", "OPTIONS", "TRACE"], ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"]
NOTHING_CHANGED = "This visit is read-only: nothing was changed. To change something, step up first."


@pytest.fixture
def ran() -> list[str]:
    probe.ran.clear()
    return probe.ran


@pytest.fixture
def inside(any_user_login: Organization, ada: User, hedy: User, browser: "Browser") -> PortalClient:
    """Ada's browser, read-only in the account of Hedy, who may edit users."""
    LoginAccessPolicy.objects.update(access_mode=AccessMode.READ_ONLY_FIRST)
    client = browser()
    client.login_as(hedy, actor=ada, details=StartDetails())
    client.get("/")
    return client


def words(answer: Any) -> str:  # noqa: ANN401  # Django's test response
    return " ".join(answer.content.decode().split())


def step_up_link(page: str | None = None) -> str:
    """Return the refusal's link to where one steps up, and from there back to ``page``."""
    path = STEP_UP + (f"?{urlencode({'next': page})}" if page else "")
    return f'<a class="btn btn-primary" href="{path}">Step up to full access</a>'


# --- which methods ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("access", Access)
def test_unsafe_methods_are_refused_while_it_is_read_only(
    inside: PortalClient, ran: list[str], method: str, access: str
) -> None:
    Impersonation.objects.update(access=access)

    answer = inside.generic(method, "/probe/")

    assert (answer.status_code, ran) == ((403, []) if access == Access.READ_ONLY else (200, [method]))


@pytest.mark.parametrize("method", SAFE)
def test_safe_methods_are_not(inside: PortalClient, ran: list[str], method: str) -> None:
    assert (inside.generic(method, "/probe/").status_code, ran) == (200, [method])


@pytest.mark.parametrize("path", ["/probe/open/", "/probe/refused/", "/setup/", "/healthz"])
def test_views_that_are_open_or_take_no_post_refuse_it_too(inside: PortalClient, ran: list[str], path: str) -> None:
    assert (inside.post(path).status_code, ran) == (403, [])


def test_what_is_never_done_inside_says_that_rather_than_to_step_up(inside: PortalClient) -> None:
    page = words(inside.post("/probe/refused/"))

    assert "This is not available while you are logged in as Hedy Lamarr." in page
    assert "Step up to full access" not in page


def test_htmx_is_refused_too_and_leads_back_to_its_page(inside: PortalClient, ran: list[str]) -> None:
    answer = inside.post(
        "/probe/", headers={"HX-Request": "true", "HX-Current-URL": f"{HOST}/setup/users/?q=gr", "Referer": f"{HOST}/"}
    )

    assert (answer.status_code, ran) == (403, [])
    assert step_up_link("/setup/users/?q=gr") in words(answer)


def test_own_sessions_are_never_read_only(inside: PortalClient, alan: User, browser: "Browser", ran: list[str]) -> None:
    client = browser()
    client.force_login(alan)

    assert (client.post("/probe/").status_code, ran) == (200, ["POST"])


# --- the page that says so -------------------------------------------------------------------------------------------


def test_refusal_has_the_banner_and_offers_the_step(inside: PortalClient, grace: User) -> None:
    page = words(inside.post(f"/setup/users/{grace.pk}/freeze/"))

    assert "<h1>Not allowed as Hedy Lamarr</h1>" in page
    assert NOTHING_CHANGED in page
    assert step_up_link() in page
    assert f'<a href="{STEP_UP}">Step up<span class="visually-hidden"> to full access</span></a>' in page
    assert "Log out as Hedy Lamarr</button>" in page


REFERERS: dict[str, tuple[str | None, str | None]] = {
    "the form's page": (f"{HOST}/setup/users/?q=gr", "/setup/users/?q=gr"),
    "another site's": ("https://elsewhere.example/", None),
    "one that looks like a path": (f"{HOST}//elsewhere.example/", None),
    "none": (None, None),
}


@pytest.mark.parametrize(("referer", "page"), REFERERS.values(), ids=REFERERS)
def test_step_leads_back_to_the_page_whose_form_was_refused(
    inside: PortalClient, grace: User, referer: str | None, page: str | None
) -> None:
    headers = {"Referer": referer} if referer else {}

    answer = inside.post(f"/setup/users/{grace.pk}/freeze/", headers=headers)

    assert step_up_link(page) in words(answer)


def test_what_was_typed_is_given_back_secrets_aside(inside: PortalClient, grace: User) -> None:
    typed = {
        "first_name": "Admiral <Grace>",
        "password1": "correct horse",
        "version": "7",
        "back": "/setup/users/",
        "asked": "1",
        "from": "user",
    }

    answer = inside.post(f"/setup/users/{grace.pk}/edit/", typed)

    page = answer.content.decode()
    assert [(field.label, field.value) for field in answer.context["typed"]] == [("First name", "Admiral <Grace>")]
    assert '<h2 id="typed-heading">What you had typed</h2>' in page
    assert "Admiral &lt;Grace&gt;" in page
    grace.refresh_from_db()
    assert grace.first_name == "Grace"


def test_other_refusals_give_nothing_back(inside: PortalClient) -> None:
    answer = inside.post("/probe/refused/", {"first_name": "Admiral"})

    assert answer.context["typed"] == []


def test_refusal_leaves_nothing_behind(inside: PortalClient, grace: User) -> None:
    before = AuditEvent.objects.count()

    inside.post(f"/setup/users/{grace.pk}/freeze/")

    grace.refresh_from_db()
    assert (grace.is_frozen, AuditEvent.objects.count()) == (False, before)


# --- the banner ------------------------------------------------------------------------------------------------------


def banner(answer: Any) -> str:  # noqa: ANN401
    return words(answer).partition('<section class="banner"')[2].partition("</section>")[0]


@pytest.mark.parametrize("path", ["/", "/setup/users/?q=gr&view=active", "/nowhere/?a=1"])
def test_banner_says_read_only_and_leads_to_the_step_and_back(inside: PortalClient, path: str) -> None:
    link = f'Read-only. <a href="{STEP_UP}?{urlencode({"next": path})}">Step up'

    assert link in banner(inside.get(path))
    Impersonation.objects.update(access=Access.FULL)
    assert "Read-only" not in banner(inside.get(path))


def test_banner_of_the_step_itself_does_not_lead_there_again(inside: PortalClient) -> None:
    said = banner(inside.get(f"{STEP_UP}?next=/"))

    assert "Read-only." in said
    assert "Step up" not in said


def test_banner_names_both_says_frozen_and_how_long(inside: PortalClient, hedy: User) -> None:
    awake = banner(inside.get("/"))
    User.objects.filter(pk=hedy.pk).update(is_frozen=True)

    frozen = banner(inside.get("/"))

    assert "<strong>Ada Lovelace</strong>, you are logged in as <strong>Hedy Lamarr</strong>." in frozen
    assert "60 minutes left" in frozen
    assert ("This user is frozen." in awake, "This user is frozen." in frozen) == (False, True)


# --- the way out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/logout/", "/account/logout/"])
def test_leaving_always_works(inside: PortalClient, path: str) -> None:
    answer = inside.post(path)

    assert (answer.status_code, Impersonation.objects.get().end_cause) == (302, "logged_out")


def test_late_double_click_on_login_lands_in_the_read_only_visit(
    any_user_login: Organization, ada: User, hedy: User, browser: "Browser"
) -> None:
    LoginAccessPolicy.objects.update(access_mode=AccessMode.READ_ONLY_FIRST)
    first, second = browser(), browser()
    first.force_login(ada)
    second.cookies.update(first.cookies)
    answers = [client.post(f"/setup/users/{hedy.pk}/login-as/", {"asked": "1"}) for client in (first, second)]

    assert [answer.headers["Location"] for answer in answers] == ["/", "/"]
    assert "Read-only." in banner(second.get("/"))
    assert Impersonation.objects.count() == 1
