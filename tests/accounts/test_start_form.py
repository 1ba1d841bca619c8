"""The form before a log-in-as: when there is one, what it says and asks, and what it takes."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from accounts.enums import Access
from accounts.forms.visits import StartForm
from accounts.models import Impersonation, LoginAccessGrant, Session, User
from accounts.services.impersonation import start_impersonation
from accounts.services.start_policy import DetailsNeeded, DetailsWrong, StartDetails
from orgs.http import Origin
from orgs.models import AccessMode, AuditEvent, LoginAccessPolicy, Organization, OrganizationKind
from tests.factories import OrganizationFactory, UserFactory
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]

READ_ONLY_FIRST = AccessMode.READ_ONLY_FIRST
LIST = "/setup/users/?view=active&q=gr"


@pytest.fixture
def at_work(any_user_login: Organization, ada: User, client_of: "ClientOf") -> "PortalClient":
    """Ada's browser, in an organization with any-user login whose policy asks nothing."""
    return client_of(ada)


def ask(**settings: Any) -> None:
    """Let the policy ask for something before a start."""
    LoginAccessPolicy.objects.update(**settings)


def login_as(target: User | int, **query: str) -> str:
    path = f"/setup/users/{target.pk if isinstance(target, User) else target}/login-as/"
    return f"{path}?{urlencode(query)}" if query else path


def send(client: "PortalClient", target: User, **typed: str) -> Any:  # noqa: ANN401  # Django's test response
    """Press Login on the form."""
    return client.post(login_as(target), {"asked": "1", **typed})


def words(answer: Any) -> str:  # noqa: ANN401
    """Return a page on one line, without the tokens of its forms."""
    return re.sub(r'value="[^"]{32,}"', "", " ".join(answer.content.decode().split()))


def errors(answer: Any) -> dict[str, list[str]]:  # noqa: ANN401
    """Return what the form says beside its fields."""
    return {name: list(said) for name, said in answer.context["form"].errors.items()}


# --- one click, or a form --------------------------------------------------------------------------------------------


def test_one_click_where_the_policy_asks_nothing(at_work: "PortalClient", grace: User) -> None:
    with captured_queries() as statements:
        answer = at_work.post(login_as(grace))

    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert Impersonation.objects.get().access == Access.FULL
    assert len(statements) == 7, statements


@pytest.mark.parametrize("method", ["get", "head"])
def test_get_is_no_page_where_the_policy_asks_nothing(at_work: "PortalClient", grace: User, method: str) -> None:
    answer = getattr(at_work, method)(login_as(grace))

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


ASKS: dict[str, dict[str, Any]] = {
    "reason": {"reason_required": True},
    "ticket": {"ticket_pattern": "T-[0-9]+"},
    "read-only": {"access_mode": READ_ONLY_FIRST},
}


@pytest.mark.parametrize("settings", ASKS.values(), ids=ASKS)
def test_login_leads_to_the_form_where_the_policy_asks(
    at_work: "PortalClient", grace: User, settings: dict[str, Any]
) -> None:
    ask(**settings)

    answer = at_work.post(login_as(grace), {"back": LIST})

    assert (answer.status_code, answer.headers["Location"]) == (302, login_as(grace, back=LIST))
    assert at_work.get(answer.headers["Location"]).status_code == 200
    assert Impersonation.objects.count() == AuditEvent.objects.count() == 0


@pytest.mark.parametrize("settings", [{"mail_at_start": True}, {"time_limit_minutes": 5}, {"sign_in_again_minutes": 5}])
def test_login_is_one_click_where_nothing_is_to_be_told(
    at_work: "PortalClient", grace: User, settings: dict[str, Any]
) -> None:
    ask(**settings)

    assert at_work.post(login_as(grace)).headers["Location"] == "/"


@pytest.mark.parametrize("method", ["get", "head"])
def test_form_that_is_read_starts_nothing(at_work: "PortalClient", grace: User, method: str) -> None:
    ask(reason_required=True)

    for _ in range(2):
        assert getattr(at_work, method)(login_as(grace)).status_code == 200

    assert Impersonation.objects.count() == AuditEvent.objects.count() == 0
    assert at_work.get("/").context["user"].first_name == "Ada"


# --- who may see it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post"])
def test_form_of_the_unknown_and_the_foreign_is_not_found(at_work: "PortalClient", stranger: User, method: str) -> None:
    ask(reason_required=True)

    unknown, foreign = (getattr(at_work, method)(login_as(target)) for target in (10**17, stranger))

    assert (unknown.status_code, foreign.status_code) == (404, 404)
    assert words(unknown) == words(foreign)


def test_form_is_refused_with_the_reason(at_work: "PortalClient", grace: User, katherine: User) -> None:
    ask(reason_required=True)

    allowed, refused = at_work.get(login_as(grace)), at_work.get(login_as(katherine))

    assert (allowed.status_code, refused.status_code) == (200, 403)
    assert "This user is inactive. Only active users can be logged in as." in words(refused)
    assert AuditEvent.objects.count() == 0


def test_form_for_a_protected_administrator_is_refused(at_work: "PortalClient", alan: User) -> None:
    ask(reason_required=True)
    open_to_all = at_work.get(login_as(alan))
    ask(protect_administrators=True)

    refused = at_work.get(login_as(alan))

    assert (open_to_all.status_code, refused.status_code) == (200, 403)
    assert "This user is an administrator, and your organization protects administrators." in words(refused)


def test_form_is_refused_inside_a_visit(at_work: "PortalClient", grace: User, alan: User) -> None:
    at_work.login_as(alan)
    ask(reason_required=True)

    answer = at_work.get(login_as(grace))

    assert answer.status_code == 403
    assert "You are already logged in as a user." in words(answer)


@pytest.mark.parametrize("typed", [{"reason": "Because"}, {"reason": "a" * 1001}, {}])
def test_refused_start_from_the_form_is_recorded_whatever_was_typed(
    at_work: "PortalClient", katherine: User, typed: dict[str, str]
) -> None:
    ask(reason_required=True)

    answer = send(at_work, katherine, **typed)

    assert answer.status_code == 403
    assert [(event.action, event.after) for event in AuditEvent.objects.all()] == [
        ("impersonation.refused", {"refusal": "inactive"})
    ]


def test_form_leads_the_anonymous_to_sign_in_and_back_to_it(
    anonymous: "PortalClient", any_user_login: Organization, grace: User
) -> None:
    ask(reason_required=True)

    answer = anonymous.get(login_as(grace, back=LIST))

    assert answer.headers["Location"] == f"/login/?{urlencode({'next': login_as(grace, back=LIST)})}"


# --- what it says ----------------------------------------------------------------------------------------------------


def test_form_says_who_is_there_and_what_kind_of_visit_it_will_be(
    at_work: "PortalClient", grace: User, alan: User, client_of: "ClientOf"
) -> None:
    ask(reason_required=True, mail_at_start=True, access_mode=READ_ONLY_FIRST, time_limit_minutes=25)
    empty = words(at_work.get(login_as(grace)))
    client_of(grace)
    client_of(alan).login_as(grace, details=StartDetails(reason="Because"))
    Session.objects.filter(user=grace).update(created_at=timezone.now() - timedelta(minutes=12))

    page = words(at_work.get(login_as(grace)))

    assert "Nobody is signed in to this account." in empty
    assert "Grace Hopper is signed in, active <time" in page
    assert "Alan Turing has been logged in as Grace Hopper for 12 minutes." in page
    assert "<dd>25 minutes at most.</dd>" in page
    assert "<strong>Read-only</strong> at first" in page
    assert "By e-mail as you log in, and on Home. The reason is read there too." in page


def test_form_says_what_is_otherwise(at_work: "PortalClient", dennis: User) -> None:
    ask(reason_required=True)

    page = words(at_work.get(login_as(dennis)))

    assert "Full: you can do what Dennis Ritchie can." in page
    assert "<dd>On Home. The reason is read there too.</dd>" in page
    assert "Dennis Ritchie is frozen and cannot sign in. You can still log in as this user." in page


def test_form_tells_of_a_visit_that_began_before_many_short_ones(
    at_work: "PortalClient", grace: User, alan: User, browser: "Callable[[], PortalClient]"
) -> None:
    browser().login_as(grace, actor=alan)
    for _ in range(12):
        short = browser()
        short.login_as(grace, actor=alan)
        short.log_out_as()
    ask(reason_required=True)

    page = words(at_work.get(login_as(grace)))

    assert page.count("Alan Turing has been logged in as Grace Hopper for less than a minute.") == 1


FIELDS: dict[str, tuple[dict[str, Any], list[tuple[str, str, bool]]]] = {
    "reason": ({"reason_required": True}, [("reason", "Reason", True)]),
    "ticket": (
        {"ticket_pattern": "T-[0-9]+"},
        [("reason", "Reason (optional)", False), ("ticket", "Ticket number", True)],
    ),
    "read-only": ({"access_mode": READ_ONLY_FIRST}, [("reason", "Reason (optional)", False)]),
    "sign in again alone": ({"sign_in_again_minutes": 5}, []),
}


@pytest.mark.parametrize(("settings", "expected"), FIELDS.values(), ids=FIELDS)
def test_form_asks_what_the_policy_asks(
    at_work: "PortalClient", grace: User, settings: dict[str, Any], expected: list[tuple[str, str, bool]]
) -> None:
    ask(**settings)

    form = at_work.get(login_as(grace)).context["form"]

    assert [
        (name, field.label or "Reason", "required" in field.widget.attrs) for name, field in form.fields.items()
    ] == (expected)


# --- where Cancel leads ----------------------------------------------------------------------------------------------


def test_cancel_leads_back_to_the_list_as_it_was_left(at_work: "PortalClient", grace: User) -> None:
    ask(reason_required=True)

    page = at_work.post(login_as(grace), {"back": LIST}, follow=True)

    assert page.context["cancel_url"] == LIST


def test_cancel_leads_back_to_the_users_page(at_work: "PortalClient", grace: User) -> None:
    ask(reason_required=True)

    pages = [
        at_work.post(login_as(grace), fields, follow=True)
        for fields in ({}, {"back": LIST, "from": "user"}, {"back": "/setup/users/", "from": "user"})
    ]

    users = f"/setup/users/{grace.pk}/"
    assert [page.context["cancel_url"] for page in pages] == [users, f"{users}?{urlencode({'back': LIST})}", users]


@pytest.mark.parametrize("back", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)", "/\\x"])
def test_cancel_leads_nowhere_else(at_work: "PortalClient", grace: User, back: str) -> None:
    ask(reason_required=True)

    page = at_work.get(login_as(grace, back=back, next=back))

    assert page.context["cancel_url"] == f"/setup/users/{grace.pk}/"
    assert page.context["carried"] == {}


def test_way_back_and_way_on_go_through_the_form(at_work: "PortalClient", grace: User) -> None:
    ask(reason_required=True)
    form = at_work.post(login_as(grace), {"back": LIST, "next": "/setup/"}, follow=True)
    wrong = send(at_work, grace, **form.context["carried"])

    answer = send(at_work, grace, reason="Because", **wrong.context["carried"])

    assert answer.headers["Location"] == "/setup/"
    assert Impersonation.objects.get().back == LIST


def test_way_back_that_is_too_long_to_lead_on_is_left_out(at_work: "PortalClient", grace: User) -> None:
    ask(reason_required=True)
    short, long = f"/setup/users/?q={'a' * 380}", f"/setup/users/?q={'a' * 480}"

    leads = [at_work.post(login_as(grace), {"back": back}).headers["Location"] for back in (short, long)]

    assert leads == [login_as(grace, back=short), login_as(grace)]


def test_cancel_of_a_support_agent_leads_to_where_they_came_from(
    any_user_login: Organization, grace: User, client_of: "ClientOf"
) -> None:
    ask(reason_required=True)
    house = OrganizationFactory.create(name="Portal Support", kind=OrganizationKind.OPERATOR)
    sam = UserFactory.create(organization=house, operator_role="support")
    now = timezone.now()
    LoginAccessGrant.objects.create(
        organization=any_user_login,
        user=grace,
        support_organization=house,
        granted_at=now,
        expires_at=now + timedelta(days=1),
    )

    page = client_of(sam).get(login_as(grace, back="/admin/", **{"from": "user"}))

    assert (page.status_code, page.context["cancel_url"]) == (200, "/admin/")
    assert "Standard User of Acme" in words(page)


# --- what it takes ---------------------------------------------------------------------------------------------------


def test_reason_and_ticket_are_kept_with_the_visit(at_work: "PortalClient", grace: User) -> None:
    ask(reason_required=True, ticket_pattern="T-[0-9]+", access_mode=READ_ONLY_FIRST)

    answer = send(at_work, grace, reason="  She  cannot\r\nsee her\torders  ", ticket=" T-42 ")

    visit = Impersonation.objects.get()
    assert answer.headers["Location"] == "/"
    assert (visit.reason, visit.ticket, visit.access) == ("She cannot see her orders", "T-42", Access.READ_ONLY)


def test_reason_that_is_not_asked_may_be_left_out(at_work: "PortalClient", grace: User) -> None:
    ask(access_mode=READ_ONLY_FIRST)

    assert send(at_work, grace).headers["Location"] == "/"
    assert Impersonation.objects.get().reason == ""


def test_reason_may_be_told_where_it_is_not_required(at_work: "PortalClient", grace: User) -> None:
    ask(access_mode=READ_ONLY_FIRST)

    send(at_work, grace, reason="Because")

    assert Impersonation.objects.get().reason == "Because"


SAY_WHY = "Say why. The reason is kept with the visit, and the user reads it."
ODD = "This holds characters that cannot be shown. Type it anew."
# What is typed as the reason, and what is said of it.
REASONS = {
    "nothing": ("", [SAY_WHY]),
    "blanks": (" \t\r\n ", [SAY_WHY]),
    "blanks of every kind": ("\u00a0\u2003\u3000\u2028", [SAY_WHY]),
    "what nobody sees": ("\u200b\u2060\ufeff\u00ad", [SAY_WHY]),
    "letters that show as nothing": ("\u3164\u115f\u1160\uffa0\u2800", [SAY_WHY]),
    "accents on nothing": ("\u0301\u0301", [SAY_WHY]),
    "a thousand characters": ("a" * 1000, []),
    "one more": ("a" * 1001, ["Ensure this value has at most 1000 characters (it has 1001)."]),
    "a control character": ("Because\x07", [ODD]),
    "control characters alone": ("\x07\x08", [ODD]),
    "text that runs the other way": ("Because \u202egrof", [ODD]),
    "NUL": ("Because\x00", ["Null characters are not allowed."]),
    "another script": ("सवाल", []),
    "a sign": ("?", []),
}


@pytest.mark.parametrize(("typed", "said"), REASONS.values(), ids=REASONS)
def test_reason_is_something_that_a_person_can_read(
    at_work: "PortalClient", grace: User, typed: str, said: list[str]
) -> None:
    ask(reason_required=True)

    answer = send(at_work, grace, reason=typed)

    assert answer.status_code == (422 if said else 302)
    assert Impersonation.objects.count() == (0 if said else 1)
    if said:
        assert errors(answer) == {"reason": said}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("T-42", []),
        ("", ["Give the number of the ticket it is for. One looks like T-123."]),
        ("T-", ["This does not look like a ticket number here. One looks like T-123."]),
        ("xT-42", ["This does not look like a ticket number here. One looks like T-123."]),
        ("T-42x", ["This does not look like a ticket number here. One looks like T-123."]),
        ("T-42\x07", ["This holds characters that cannot be shown. Type it anew."]),
        ("T-" + "4" * 79, ["Ensure this value has at most 80 characters (it has 81)."]),
    ],
)
def test_ticket_has_to_match_as_a_whole(at_work: "PortalClient", grace: User, typed: str, said: list[str]) -> None:
    ask(ticket_pattern="T-[0-9]+")

    answer = send(at_work, grace, ticket=typed)

    assert answer.status_code == (422 if said else 302)
    if said:
        assert errors(answer) == {"ticket": said}


def test_pattern_that_others_would_try_for_years_answers_at_once(at_work: "PortalClient", grace: User) -> None:
    ask(ticket_pattern="(a+)+$")

    no, yes = send(at_work, grace, ticket="a" * 79 + "!"), send(at_work, grace, ticket="a" * 80)

    assert (no.status_code, yes.status_code) == (422, 302)


def test_what_was_typed_stays_and_every_field_says_what_is_wrong(at_work: "PortalClient", grace: User) -> None:
    ask(reason_required=True, ticket_pattern="T-[0-9]+")

    answer = send(at_work, grace, reason="a" * 1001, ticket="<b>42</b>")

    page = answer.content.decode()
    assert "One looks like T-123. The whole number matches the pattern T-[0-9]+" in page
    # No small print.
    assert '<div class="asked">' in page
    assert errors(answer).keys() == {"reason", "ticket"}
    assert "a" * 1001 + "</textarea>" in page
    assert 'value="&lt;b&gt;42&lt;/b&gt;"' in page
    assert page.count('aria-invalid="true"') == 2


@pytest.mark.parametrize("name", ["reason", "ticket"])
def test_odd_words_are_refused_and_shown_where_nothing_is_asked(
    at_work: "PortalClient", grace: User, name: str
) -> None:
    answer = send(at_work, grace, **{name: "Because\x07"})

    assert (answer.status_code, errors(answer)) == (422, {name: [ODD]})
    assert list(answer.context["form"].fields) == [name]
    assert ODD in words(answer)
    assert Impersonation.objects.count() == 0


def test_form_that_is_sent_after_its_policy_asks_more_says_so(at_work: "PortalClient", grace: User) -> None:
    ask(access_mode=READ_ONLY_FIRST)
    at_work.get(login_as(grace))
    ask(reason_required=True)

    answer = send(at_work, grace)

    assert (answer.status_code, errors(answer)) == (422, {"reason": [SAY_WHY]})


# --- the service, past any form --------------------------------------------------------------------------------------


def start(actor: User, session: Session, target: User, details: StartDetails | None) -> Impersonation:
    origin = Origin(user=actor, actor=actor)
    return start_impersonation(
        actor=actor, session=session, target_id=target.pk, origin=origin, details=details
    ).impersonation


@pytest.mark.parametrize("details", [StartDetails(), StartDetails(reason="  \n "), StartDetails("Because", "T-x")])
def test_service_takes_no_start_without_what_the_policy_asks(
    at_work: "PortalClient", ada: User, grace: User, details: StartDetails
) -> None:
    ask(reason_required=True, ticket_pattern="T-[0-9]+")
    session = Session.objects.get(user=ada)

    with pytest.raises(DetailsNeeded):
        start(ada, session, grace, None)
    with pytest.raises(DetailsWrong):
        start(ada, session, grace, details)

    assert Impersonation.objects.count() == AuditEvent.objects.count() == 0
    assert Session.objects.get(user=ada).key_hash == session.key_hash
    assert start(ada, session, grace, StartDetails("Because", "T-1")).reason == "Because"


def test_service_takes_nothing_that_could_not_be_read(at_work: "PortalClient", ada: User, grace: User) -> None:
    with pytest.raises(DetailsWrong) as wrong:
        start(ada, Session.objects.get(user=ada), grace, StartDetails("Because", is_unreadable=True))

    assert wrong.value.fields == {}


def test_service_words_do_not_hide_the_forms_own() -> None:
    form = StartForm({"reason": "a" * 1001, "ticket": ""})
    form.details()

    form.refuse({"reason": "Say why.", "ticket": "Which?"})

    assert form.errors == {
        "reason": ["Ensure this value has at most 1000 characters (it has 1001)."],
        "ticket": ["Which?"],
    }


# --- the limits that a visit began under -----------------------------------------------------------------------------


@pytest.mark.parametrize(("minutes", "later"), [(5, 480), (60, 5), (480, 5)])
def test_visit_lasts_as_long_as_the_policy_said_when_it_began(
    at_work: "PortalClient", grace: User, minutes: int, later: int
) -> None:
    ask(time_limit_minutes=minutes)
    at_work.post(login_as(grace))
    ask(time_limit_minutes=later, access_mode=READ_ONLY_FIRST, mail_at_start=True)

    page = at_work.get("/")

    visit = Impersonation.objects.get()
    assert (visit.ends_at - visit.started_at, visit.access, visit.mail) == (timedelta(minutes=minutes), Access.FULL, "")
    assert f"{minutes} minutes left" in words(page)
    assert "Read-only" not in words(page)
