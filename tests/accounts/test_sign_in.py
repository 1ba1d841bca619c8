"""What a sign-in, good or bad, leaves behind."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from accounts.enums import LoginStatus, LoginType
from accounts.models import Login, Session, UnknownUsernames, User
from accounts.services.sign_in import LOCKED_FOR, WRONG_PASSWORDS, record_failed_sign_in, record_sign_in
from accounts.testing import PortalClient
from orgs.http import Origin
from tests.factories import PASSWORD

Make = Callable[..., User]

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FROM = Origin(address="192.0.2.7", agent="Netscape")


def fail(user: User, times: int = 1, at: datetime = AT) -> None:
    for _ in range(times):
        record_failed_sign_in(user.username, origin=FROM, at=at)


def state_of(user: User) -> tuple[int, datetime | None]:
    user.refresh_from_db()
    return user.failed_logins, user.locked_until


def statuses() -> list[str]:
    return list(Login.objects.order_by("id").values_list("status", flat=True))


# --- the services ----------------------------------------------------------------------------------------------------


def test_sign_in_is_written_and_forgets_wrong_passwords(grace: User) -> None:
    User.objects.filter(pk=grace.pk).update(failed_logins=9, locked_until=AT)

    record_sign_in(grace, origin=FROM, at=AT)

    row = Login.objects.get()
    assert (row.user, row.organization, row.username) == (grace, grace.organization, "grace@acme.example")
    assert (row.type, row.status, row.created_at) == (LoginType.APPLICATION, LoginStatus.SUCCESS, AT)
    assert (row.address, row.agent, row.delegate_user_name) == ("192.0.2.7", "Netscape", "")
    assert (state_of(grace), grace.last_login, grace.last_login_key) == ((0, None), AT, AT)


def test_wrong_password_is_counted_and_written(grace: User) -> None:
    fail(grace)

    row = Login.objects.get()
    assert (row.user, row.status, row.created_at, row.address) == (grace, LoginStatus.WRONG_PASSWORD, AT, "192.0.2.7")
    assert (state_of(grace), grace.last_login) == ((1, None), None)


def test_unknown_username_leaves_no_row_but_a_nameless_count(grace: User) -> None:
    for at in (AT, AT + timedelta(hours=11, minutes=59), AT + timedelta(hours=12)):
        record_failed_sign_in("nobody@acme.example", origin=FROM, at=at)
    record_failed_sign_in("", origin=FROM, at=AT.astimezone(timezone(timedelta(hours=13))))

    assert (Login.objects.count(), state_of(grace)) == (0, (0, None))
    assert list(UnknownUsernames.objects.order_by("day").values_list("day", "tries")) == [
        (date(2026, 3, 2), 3),
        (date(2026, 3, 3), 1),
    ]


def test_known_username_is_not_counted_among_the_unknown(grace: User, dennis: User) -> None:
    fail(grace)
    fail(dennis)

    assert UnknownUsernames.objects.count() == 0


def statements_of(act: Callable[[], object]) -> list[str]:
    """Return what ``act`` asks the database, statement by statement: the first word, savepoints among them."""
    with CaptureQueriesContext(connection) as context:
        act()
    return [query["sql"].split()[0].rstrip(";") for query in context.captured_queries]


@pytest.mark.parametrize("name", ["grace", "nobody", "katherine", "dennis", "locked"])
def test_failed_sign_in_costs_the_same_statements_whoever_it_was(
    make: Make, grace: User, katherine: User, dennis: User, name: str
) -> None:
    make("Locked", "Out", locked_until=AT + LOCKED_FOR)

    asked = statements_of(lambda: record_failed_sign_in(f"{name}@acme.example", origin=FROM, at=AT))

    # Outside of a test the first and the last are BEGIN and COMMIT: one transaction.
    assert asked == ["SAVEPOINT", "SELECT", "UPDATE", "UPDATE", "INSERT", "RELEASE"]


def test_nine_wrong_passwords_lock_nothing(grace: User) -> None:
    fail(grace, times=WRONG_PASSWORDS - 1)

    assert state_of(grace) == (9, None)


def test_ten_wrong_passwords_lock_for_a_quarter_of_an_hour(grace: User) -> None:
    fail(grace, times=WRONG_PASSWORDS)

    assert (10, timedelta(minutes=15)) == (WRONG_PASSWORDS, LOCKED_FOR)
    assert state_of(grace) == (0, AT + LOCKED_FOR)
    assert [grace.is_locked(AT + later) for later in (timedelta(), LOCKED_FOR - timedelta(seconds=1), LOCKED_FOR)] == [
        True,
        True,
        False,
    ]


def test_lock_is_not_lengthened_by_further_attempts(grace: User) -> None:
    fail(grace, times=WRONG_PASSWORDS)

    fail(grace, times=20, at=AT + timedelta(minutes=14))

    assert state_of(grace) == (0, AT + LOCKED_FOR)
    assert statuses() == ["wrong_password"] * 10 + ["locked"] * 20


def test_counting_begins_anew_after_the_lock(grace: User) -> None:
    fail(grace, times=WRONG_PASSWORDS)

    fail(grace, at=AT + LOCKED_FOR)

    assert state_of(grace)[0] == 1
    assert statuses()[-1] == "wrong_password"


def test_attempt_on_a_shut_account_is_written_and_counts_nothing(katherine: User, dennis: User) -> None:
    fail(katherine)
    fail(dennis)

    assert statuses() == ["inactive", "frozen"]
    assert state_of(katherine) == state_of(dennis) == (0, None)


# --- over HTTP -------------------------------------------------------------------------------------------------------


def sign_in(client: PortalClient, username: str, password: str = PASSWORD) -> tuple[int, str]:
    """Sign in as a browser does; return the status, and the page or where it leads."""
    response = client.post(
        "/login/",
        {"login": username, "password": password},
        headers={"User-Agent": "Netscape"},
        REMOTE_ADDR="192.0.2.7",
    )
    return response.status_code, response.headers.get("Location") or " ".join(
        error for errors in response.context["form"].errors.values() for error in errors
    )


def test_signing_in_leads_home(anonymous: PortalClient, grace: User) -> None:
    assert sign_in(anonymous, "Grace@Acme.example") == (302, "/")

    row = Session.objects.get()
    assert (row.user, row.address, row.agent) == (grace, "192.0.2.7", "Netscape")
    assert [(one.status, one.address, one.agent) for one in Login.objects.all()] == [
        ("success", "192.0.2.7", "Netscape")
    ]
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("username", "password", "expected"),
    [
        ("grace@acme.example", "wrong", ["wrong_password"]),
        ("nobody@acme.example", PASSWORD, []),
        ("katherine@acme.example", PASSWORD, ["inactive"]),
        ("dennis@acme.example", PASSWORD, ["frozen"]),
    ],
)
def test_signing_in_fails_with_the_same_words_for_all(
    anonymous: PortalClient,
    grace: User,
    katherine: User,
    dennis: User,
    username: str,
    password: str,
    expected: list[str],
) -> None:
    answer = sign_in(anonymous, username, password)

    assert answer == (200, "The username and/or password you specified are not correct.")
    assert (statuses(), Session.objects.filter(user__isnull=False).count()) == (expected, 0)


def whole(client: PortalClient, username: str, password: str) -> tuple[int, dict[str, str], str, list[str]]:
    """Return all that is to be seen of a sign-in, tokens apart, and what it asks the database."""
    cache.clear()
    answers = []
    asked = statements_of(lambda: answers.append(client.post("/login/", {"login": username, "password": password})))
    (response,) = answers
    headers = {
        name: value
        for name, value in response.headers.items()
        if name not in {"Content-Length", "Expires", "X-Request-ID"}
    }
    page = re.sub(r'(name="(?:csrfmiddlewaretoken|opened_as)" value=")[^"]*', r"\1", response.content.decode())
    return response.status_code, headers, page.replace(username, "USERNAME"), asked


def test_answer_to_a_failed_sign_in_tells_nothing_of_the_account(
    browser: Callable[[], PortalClient], make: Make, grace: User, katherine: User, dennis: User
) -> None:
    """Not whether there is one, nor whether it is shut, nor whether the password was right."""
    make("Locked", "Out", locked_until=now() + LOCKED_FOR)
    invited = make("Invited", "Today")
    invited.set_unusable_password()
    invited.save()
    names = ["katherine", "dennis", "locked", "invited"]
    tried = [
        ("grace", "wrong"),
        ("nobody", PASSWORD),
        *((name, word) for name in names for word in (PASSWORD, "wrong")),
    ]

    answers = [whole(browser(), f"{name}@acme.example", password) for name, password in tried]

    assert [answer for answer in answers if answer != answers[0]] == []
    assert (answers[0][0], answers[0][1].get("Location")) == (200, None)
    # Who it is, why not, and the two counts that all cost; nobody is signed in, so no session is asked.
    assert answers[0][3] == ["SELECT", "SAVEPOINT", "SELECT", "UPDATE", "UPDATE", "INSERT", "RELEASE"]
    assert statuses() == [
        "wrong_password",
        *("inactive",) * 2,
        *("frozen",) * 2,
        *("locked",) * 2,
        *("wrong_password",) * 2,
    ]


def test_signing_in_to_a_locked_account_fails_until_the_lock_ends(anonymous: PortalClient, grace: User) -> None:
    for _ in range(WRONG_PASSWORDS):
        sign_in(anonymous, grace.username, "wrong")
    locked = sign_in(anonymous, grace.username)
    User.objects.update(locked_until=AT)

    unlocked = sign_in(anonymous, grace.username)

    assert locked == (200, "The username and/or password you specified are not correct.")
    assert unlocked == (302, "/")
    assert statuses() == ["wrong_password"] * 10 + ["locked", "success"]


def test_reset_answers_the_same_whether_or_not_the_address_is_somebodys(anonymous: PortalClient, ada: User) -> None:
    answers = {}
    for address in (ada.email, "nobody@acme.example"):
        cache.clear()
        response = anonymous.post("/account/password/reset/", {"email": address})
        answers[address] = (response.status_code, response.headers["Location"])

    assert set(answers.values()) == {(302, "/account/password/reset/done/")}
    assert [message.to for message in mail.outbox] == [[ada.email]]
