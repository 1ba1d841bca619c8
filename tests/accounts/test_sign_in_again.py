"""Sign in again first: a start with a sign-in that is too old leads to the password, back to the form, and in."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.utils import timezone
from django.utils.html import escape

from accounts.models import Impersonation, Login, Session, User
from accounts.services.impersonation import start_impersonation
from accounts.services.sign_in import LOCKED_FOR
from accounts.services.start_policy import SignInNeeded, StartDetails
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import AuditEvent, LoginAccessPolicy, Organization
from tests.factories import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    ClientOf = Callable[[User], PortalClient]

LIST = "/setup/users/?view=active&q=gr"
AGAIN = "/account/reauthenticate/"


@pytest.fixture(autouse=True)
def _nobody_has_tried_before() -> "Iterator[None]":
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def at_work(any_user_login: Organization, ada: User, client_of: "ClientOf") -> PortalClient:
    """Ada's browser, signed in an hour ago, where the policy asks for a sign-in of the last ten minutes."""
    LoginAccessPolicy.objects.update(sign_in_again_minutes=10)
    client = client_of(ada)
    signed_in(ada, ago=timedelta(hours=1))
    return client


def signed_in(user: User, *, ago: timedelta) -> None:
    """Let someone have signed in as long ago."""
    then = timezone.now() - ago
    Session.objects.filter(user=user, parent=None).update(created_at=then, authenticated_at=then)


def form_of(target: User, **query: str) -> str:
    path = f"/setup/users/{target.pk}/login-as/"
    return f"{path}?{urlencode(query)}" if query else path


def again(path: str) -> str:
    return f"{AGAIN}?{urlencode({'next': path})}"


def confirm(client: PortalClient, password: str = PASSWORD, **fields: str) -> Any:  # noqa: ANN401  # Django's answer
    return client.post(AGAIN, {"password": password, **fields})


def errors(answer: Any) -> list[str]:  # noqa: ANN401
    return [words for fields in answer.context["form"].errors.values() for words in fields]


# --- when ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields", [{"back": LIST}, {"back": LIST, "from": "user"}, {}, {"asked": "1", "reason": "", "back": LIST}]
)
def test_start_with_an_old_sign_in_leads_to_the_password_and_back_to_the_form(
    at_work: PortalClient, grace: User, fields: dict[str, str]
) -> None:
    along = {name: fields[name] for name in ("back", "from") if name in fields}

    answer = at_work.post(form_of(grace), fields)

    assert (answer.status_code, answer.headers["Location"]) == (302, again(form_of(grace, **along)))
    assert Impersonation.objects.count() == AuditEvent.objects.count() == 0


def test_form_with_an_old_sign_in_leads_there_too(at_work: PortalClient, grace: User) -> None:
    answer = at_work.get(form_of(grace, back=LIST))

    assert answer.headers["Location"] == again(form_of(grace, back=LIST))


def test_refusal_comes_before_the_password(at_work: PortalClient, katherine: User, stranger: User) -> None:
    assert [at_work.post(form_of(user)).status_code for user in (katherine, stranger)] == [403, 404]


@pytest.mark.parametrize(("moment", "is_old"), [(timedelta(), False), (timedelta(microseconds=1), True)])
def test_sign_in_counts_for_as_many_minutes_and_not_a_moment_longer(
    at_work: PortalClient, ada: User, grace: User, moment: timedelta, is_old: bool
) -> None:
    session, at = Session.objects.get(user=ada), timezone.now()
    session.authenticated_at = at - timedelta(minutes=10) - moment

    def start() -> None:
        start_impersonation(actor=ada, session=session, target_id=grace.pk, origin=Origin(user=ada, actor=ada), at=at)

    if is_old:
        with pytest.raises(SignInNeeded):
            start()
    else:
        start()

    assert Impersonation.objects.count() == (0 if is_old else 1)


def test_service_refuses_by_itself_whatever_was_told(at_work: PortalClient, ada: User, grace: User) -> None:
    session = Session.objects.get(user=ada)
    key = session.key_hash
    origin = Origin(user=ada, actor=ada)
    for authenticated_at in (session.authenticated_at, None):
        session.authenticated_at = authenticated_at
        with pytest.raises(SignInNeeded):
            start_impersonation(
                actor=ada, session=session, target_id=grace.pk, origin=origin, details=StartDetails("Because")
            )

    assert Session.objects.get(user=ada).key_hash == key
    assert Impersonation.objects.count() == 0


def test_old_sign_in_is_fresh_enough_where_the_policy_does_not_ask(at_work: PortalClient, grace: User) -> None:
    LoginAccessPolicy.objects.update(sign_in_again_minutes=None)

    assert at_work.post(form_of(grace)).headers["Location"] == "/"


# --- after the password ----------------------------------------------------------------------------------------------


def test_after_the_password_one_is_at_the_form_which_has_just_a_button(
    at_work: PortalClient, ada: User, grace: User
) -> None:
    page = at_work.get(at_work.post(form_of(grace), {"back": LIST}).headers["Location"])

    answer = confirm(at_work, next=page.context["redirect_field_value"])

    assert answer.headers["Location"] == form_of(grace, back=LIST)
    form = at_work.get(answer.headers["Location"])
    words = form.content.decode()
    assert "You have signed in a short while ago. Nothing else is asked." in words
    assert ("<textarea" in words, "The reason is read there too." in words) == (False, False)
    started = at_work.post(form_of(grace), {"asked": "1", **form.context["carried"]})
    assert (started.headers["Location"], Impersonation.objects.get().back) == ("/", LIST)


def test_after_the_password_the_form_asks_what_else_is_asked(at_work: PortalClient, grace: User) -> None:
    LoginAccessPolicy.objects.update(reason_required=True)
    confirm(at_work)

    form = at_work.get(form_of(grace))

    assert list(form.context["form"].fields) == ["reason"]
    assert at_work.post(form_of(grace), {"asked": "1", "reason": "Because"}).headers["Location"] == "/"


def test_after_the_password_one_click_is_enough_for_a_while(at_work: PortalClient, ada: User, grace: User) -> None:
    confirm(at_work)

    assert at_work.post(form_of(grace)).headers["Location"] == "/"


@pytest.mark.parametrize("typed", [{"reason": "A long story"}, {"ticket": "T-1"}])
def test_form_that_was_typed_into_for_too_long_gives_back_what_was_typed(
    at_work: PortalClient, ada: User, grace: User, typed: dict[str, str]
) -> None:
    confirm(at_work)
    assert at_work.get(form_of(grace)).status_code == 200
    signed_in(ada, ago=timedelta(minutes=11))

    answer = at_work.post(form_of(grace), {"asked": "1", "back": LIST, **typed})

    assert answer.status_code == 403
    assert [field.value for field in answer.context["typed"]] == list(typed.values())
    assert (answer.context["help_url"], answer.context["help_label"]) == (
        again(form_of(grace, back=LIST)),
        "Sign in again",
    )
    assert "Your last sign-in is too long ago to log in as a user." in answer.content.decode()
    assert Impersonation.objects.count() == 0


@pytest.mark.parametrize(
    ("path", "cancel"),
    [
        (f"/setup/users/7/login-as/?{urlencode({'back': LIST})}", LIST),
        ("/setup/users/7/login-as/", "/"),
        ("/setup/users/7/login-as/?back=//elsewhere.example", "/"),
        ("//[", "/"),
        ("", "/"),
    ],
)
def test_cancel_leads_to_the_list_that_one_came_from(at_work: PortalClient, path: str, cancel: str) -> None:
    shown, wrong = at_work.get(again(path)), confirm(at_work, "wrong", next=path)

    assert [page.context["cancel_url"] for page in (shown, wrong)] == [cancel, cancel]
    assert f'<a href="{escape(cancel)}">Cancel</a>' in shown.content.decode()


def test_nothing_of_the_start_is_kept_in_the_session(at_work: PortalClient, ada: User, grace: User) -> None:
    at_work.post(form_of(grace), {"asked": "1", "reason": "Confidential", "back": LIST}, headers={"X-Header": "mine"})
    before = dict(at_work.session.items())

    confirm(at_work, next=form_of(grace))

    after = dict(at_work.session.items())
    kept = {name: value for name, value in after.items() if not name.startswith("_auth_user_")}
    (record,) = kept["account_authentication_methods"]
    assert kept.keys() == {"account_authentication_methods", "account_authentication_methods_user"}
    assert record.keys() == {"method", "at", "reauthenticated"}
    assert "Confidential" not in f"{before}{after}{Session.objects.get(user=ada).data}"


def test_password_never_lengthens_the_session(at_work: PortalClient, ada: User) -> None:
    before = Session.objects.get(user=ada)
    cookie = at_work.cookies["portal_session"].value

    confirm(at_work)

    after = Session.objects.get(user=ada)
    assert (after.pk, after.created_at, after.key_hash) == (before.pk, before.created_at, before.key_hash)
    assert (after.ended_at, at_work.cookies["portal_session"].value) == (None, cookie)
    assert after.authenticated_at is not None
    assert timezone.now() - timedelta(minutes=1) < after.authenticated_at <= timezone.now()


def test_absolute_end_falls_where_it_would_have(at_work: PortalClient, ada: User) -> None:
    signed_in(ada, ago=timedelta(hours=12))
    Session.objects.update(last_active_at=timezone.now(), created_at=timezone.now() - timedelta(hours=11, minutes=59))
    confirm(at_work)
    assert at_work.get("/").status_code == 200
    Session.objects.update(created_at=timezone.now() - timedelta(hours=12))

    assert at_work.get("/").headers["Location"].startswith("/login/")


@pytest.mark.parametrize("next_path", ["https://elsewhere.example/", "//elsewhere.example/", "/\\elsewhere.example/"])
def test_password_leads_nowhere_else(at_work: PortalClient, next_path: str) -> None:
    assert confirm(at_work, next=next_path).headers["Location"] == "/"


# --- the password ----------------------------------------------------------------------------------------------------


def statuses() -> list[str]:
    return list(Login.objects.order_by("id").values_list("status", flat=True))


def test_wrong_password_says_so_and_counts_on_the_account(at_work: PortalClient, ada: User, grace: User) -> None:
    answer = confirm(at_work, "wrong", next=form_of(grace))

    ada.refresh_from_db()
    assert (answer.status_code, errors(answer)) == (200, ["Incorrect password."])
    assert (ada.failed_logins, statuses()[-1]) == (1, "wrong_password")
    assert at_work.post(form_of(grace)).headers["Location"] == again(form_of(grace))


def test_right_password_forgets_the_wrong_ones_as_a_sign_in_does(at_work: PortalClient, ada: User) -> None:
    for _ in range(3):
        confirm(at_work, "wrong")

    confirm(at_work)

    ada.refresh_from_db()
    assert (ada.failed_logins, statuses()[-4:]) == (0, [*["wrong_password"] * 3, "success"])
    assert ada.last_login is not None
    assert timezone.now() - ada.last_login < timedelta(minutes=1)


def test_ten_wrong_passwords_lock_the_account_and_say_until_when(
    at_work: PortalClient, ada: User, grace: User, anonymous: PortalClient
) -> None:
    answers = [confirm(at_work, "wrong") for _ in range(10)]
    cache.clear()

    locked = confirm(at_work)

    ada.refresh_from_db()
    assert ada.locked_until is not None
    assert timedelta() < LOCKED_FOR - (ada.locked_until - timezone.now()) < timedelta(minutes=1)
    assert errors(answers[8]) == ["Incorrect password."]
    until = f"Too many wrong passwords. Try again after {ada.locked_until:%H:%M} UTC."
    assert until in errors(answers[9])
    assert (locked.status_code, until in errors(locked)) == (200, True)
    assert at_work.post(form_of(grace)).headers["Location"] == again(form_of(grace))
    signing_in = anonymous.post("/login/", {"login": ada.username, "password": PASSWORD})
    assert signing_in.status_code == 200
    # It is for signing in that an account is locked; who is in goes on.
    assert at_work.get("/").status_code == 200


def test_more_than_ten_tries_in_a_minute_are_not_looked_at(at_work: PortalClient, ada: User) -> None:
    for _ in range(10):
        confirm(at_work)
    before = statuses()

    answer = confirm(at_work, "wrong")

    assert answer.status_code == 429
    assert "<h1>Too many attempts</h1>" in answer.content.decode()
    assert statuses() == before
    assert at_work.get(AGAIN).status_code == 200


def test_password_of_the_target_is_not_asked_inside_a_visit(at_work: PortalClient, ada: User, grace: User) -> None:
    confirm(at_work)
    at_work.post(form_of(grace))

    answers = [at_work.get(AGAIN), confirm(at_work)]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert b"This is not available while you are logged in as Grace Hopper." in answers[1].content
