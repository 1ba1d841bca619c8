"""Refusals: the same one is one row a minute, and who goes on is told to wait."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache
from django.test import override_settings
from django.utils import timezone

from accounts.enums import Refusal
from accounts.models import Impersonation, ImpersonationActivity, Login, Session, User
from accounts.services.impersonation import ImpersonationRefused, start_impersonation
from accounts.services.refusals import REFUSALS_AN_HOUR, TooManyRefusals
from orgs.http import Origin
from orgs.limits import SharedOrProcessCache
from orgs.models import AuditEvent, LoginAccessPolicy, Organization
from tests.orgs.test_limits import DEFAULT, REDIS_THAT_IS_AWAY
from tests.queries import captured_queries

from .reading import words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
OFF = "Administrators Can Log in as Any User is off in Login Access Policies."


@pytest.fixture(autouse=True)
def nothing_is_counted_yet() -> "Generator[None]":
    yield
    SharedOrProcessCache.asked_again_at = 0.0


def session_of(user: User) -> Session:
    session: Session = Session.objects.create(
        user=user, organization=user.organization, key_hash=f"{user.pk}-{Session.objects.count()}", created_at=AT
    )
    return session


def refusal_of(session: Session, target: User, *, at: datetime) -> type[Exception]:
    """Try to log in as ``target``, and return how that was refused."""
    assert session.user is not None
    with pytest.raises((ImpersonationRefused, TooManyRefusals)) as raised:
        start_impersonation(
            actor=session.user,
            session=session,
            target_id=target.pk,
            origin=Origin(user=session.user, actor=session.user, session_public_id=session.public_id),
            at=at,
        )
    return raised.type


def rows() -> list[tuple[str, str, datetime]]:
    """Return the refusals of the trail: of whom, why, when."""
    events = AuditEvent.objects.filter(action="impersonation.refused").order_by("id")
    return [(event.about_name, event.after["refusal"], event.created_at) for event in events]


# --- the service -----------------------------------------------------------------------------------------------------


def test_same_refusal_is_one_row_a_minute(ada: User, grace: User) -> None:
    session = session_of(ada)

    for after in (0 * SECOND, SECOND, MINUTE - SECOND, MINUTE, MINUTE + SECOND):
        refusal_of(session, grace, at=AT + after)

    assert rows() == [("Grace Hopper", "off", AT), ("Grace Hopper", "off", AT + MINUTE)]


def test_another_target_reason_or_session_is_another_row(ada: User, grace: User, katherine: User) -> None:
    session, other = session_of(ada), session_of(ada)

    refusal_of(session, grace, at=AT)
    refusal_of(session, katherine, at=AT)
    refusal_of(other, grace, at=AT)
    LoginAccessPolicy.objects.update(any_user_login=True)
    User.objects.filter(pk=grace.pk).update(is_active=False)
    refusal_of(session, grace, at=AT)

    assert [row[:2] for row in rows()] == [
        ("Grace Hopper", "off"),
        ("Katherine Johnson", "inactive"),
        ("Grace Hopper", "off"),
        ("Grace Hopper", "inactive"),
    ]


def test_past_twenty_an_hour_nothing_is_written_any_more(ada: User, grace: User, katherine: User) -> None:
    session = session_of(ada)
    times = [AT + i * MINUTE for i in range(REFUSALS_AN_HOUR)]

    refused = {refusal_of(session, grace, at=at) for at in times}
    past = refusal_of(session, katherine, at=AT + 30 * MINUTE)

    assert (REFUSALS_AN_HOUR, refused, past) == (20, {ImpersonationRefused}, TooManyRefusals)
    assert rows() == [("Grace Hopper", "off", at) for at in times]


def test_refusals_are_counted_by_session_and_hour(ada: User, alan: User, grace: User) -> None:
    session, other, of_alan = session_of(ada), session_of(ada), session_of(alan)
    for _ in range(REFUSALS_AN_HOUR):
        refusal_of(session, grace, at=AT)

    answers = [
        refusal_of(session, grace, at=AT + HOUR - SECOND),
        refusal_of(other, grace, at=AT + HOUR - SECOND),
        refusal_of(of_alan, grace, at=AT + HOUR - SECOND),
        refusal_of(session, grace, at=AT + HOUR),
    ]

    assert answers == [TooManyRefusals, ImpersonationRefused, ImpersonationRefused, ImpersonationRefused]


def test_rule_is_asked_past_the_limit_too(ada: User, grace: User) -> None:
    session = session_of(ada)
    for _ in range(REFUSALS_AN_HOUR + 1):
        refusal_of(session, grace, at=AT)
    User.objects.filter(pk=grace.pk).update(is_active=False)

    with pytest.raises(TooManyRefusals) as raised:
        start_impersonation(actor=ada, session=session, target_id=grace.pk, origin=Origin(user=ada, actor=ada), at=AT)
    User.objects.filter(pk=grace.pk).update(is_active=True)
    LoginAccessPolicy.objects.update(any_user_login=True)
    started = start_impersonation(
        actor=ada, session=session, target_id=grace.pk, origin=Origin(user=ada, actor=ada), at=AT
    )

    assert (raised.value.refusal, str(raised.value)) == (Refusal.INACTIVE, str(Refusal.INACTIVE.label))
    assert (raised.value.ends_at, started.impersonation.target) == (AT + HOUR, grace)


def test_refusal_past_the_limit_asks_the_database_for_the_rule_alone(ada: User, grace: User) -> None:
    session = session_of(ada)
    counts = []

    for _ in range(REFUSALS_AN_HOUR + 1):
        with captured_queries() as queries:
            refusal_of(session, grace, at=AT)
        counts.append(len(queries))

    # The key, which the roll-back gives back, and the target with all that the rule asks; once the row of the trail.
    assert counts == [3, *[2] * REFUSALS_AN_HOUR]


def test_refusals_are_limited_while_the_cache_is_away(ada: User, grace: User) -> None:
    session = session_of(ada)

    with override_settings(CACHES={"default": DEFAULT, "shared": REDIS_THAT_IS_AWAY}):
        answers = [refusal_of(session, grace, at=AT) for _ in range(REFUSALS_AN_HOUR + 1)]

    assert answers == [ImpersonationRefused] * REFUSALS_AN_HOUR + [TooManyRefusals]
    assert rows() == [("Grace Hopper", "off", AT)]


# --- over HTTP -------------------------------------------------------------------------------------------------------


def words_on(answer: Any) -> str:  # noqa: ANN401  # a response
    return words_of(answer.content.decode())


def test_too_many_refusals_are_answered_with_when_to_try_again(client_of: "ClientOf", ada: User, grace: User) -> None:
    client, path = client_of(ada), f"/setup/users/{grace.pk}/login-as/"

    refused = [client.post(path) for _ in range(REFUSALS_AN_HOUR)]
    before = timezone.now()
    answer = client.post(path)

    assert [one.status_code for one in refused] == [403] * REFUSALS_AN_HOUR
    assert (answer.status_code, len(rows()), Login.objects.filter(type="login_as").count()) == (429, 1, 0)
    assert 3500 < int(answer.headers["Retry-After"]) <= 3600
    assert before < answer.context["refused"].ends_at <= before + HOUR
    page = words_on(answer)
    assert "Too many attempts" in page
    assert OFF in page
    assert "You were refused too often within one hour. Nothing was changed. Try again after 20" in page


def test_one_may_go_on_elsewhere_past_the_limit(client_of: "ClientOf", ada: User, grace: User) -> None:
    client, path = client_of(ada), f"/setup/users/{grace.pk}/login-as/"
    for _ in range(REFUSALS_AN_HOUR + 1):
        client.post(path)

    answers = [client.get(page).status_code for page in ("/", "/setup/users/", f"/setup/users/{grace.pk}/")]
    LoginAccessPolicy.objects.update(any_user_login=True)
    started = client.post(path)

    assert (answers, started.status_code, Impersonation.objects.count()) == ([200, 200, 200], 302, 1)


def test_unknown_targets_are_not_found_past_the_limit_too(
    client_of: "ClientOf", ada: User, grace: User, stranger: User
) -> None:
    client = client_of(ada)
    for _ in range(REFUSALS_AN_HOUR + 1):
        client.post(f"/setup/users/{grace.pk}/login-as/")

    answers = [client.post(f"/setup/users/{pk}/login-as/").status_code for pk in (stranger.pk, 999_999)]

    assert answers == [404, 404]


def test_starts_inside_a_visit_are_limited_and_stand_in_its_list(
    any_user_login: Organization, client_of: "ClientOf", ada: User, alan: User, grace: User
) -> None:
    client = client_of(ada)
    client.login_as(grace)
    client.get("/")

    answers = [client.post(f"/setup/users/{alan.pk}/login-as/") for _ in range(REFUSALS_AN_HOUR + 1)]

    assert [one.status_code for one in answers] == [403] * REFUSALS_AN_HOUR + [429]
    assert [row[:2] for row in rows()] == [("Alan Turing", "nested")]
    statuses = ImpersonationActivity.objects.order_by("id").values_list("status", flat=True)
    assert list(statuses) == [403] * REFUSALS_AN_HOUR + [429]
    assert "Log out as Grace Hopper" in words_on(answers[-1])


def test_too_many_attempts_to_sign_in_have_the_same_page(anonymous: "PortalClient", db: None) -> None:
    cache.clear()

    answers = [anonymous.post("/login/", {}) for _ in range(121)]
    cache.clear()

    assert {one.status_code for one in answers[:-1]} == {200}
    assert answers[-1].status_code == 429
    page = words_on(answers[-1])
    assert "Too much was tried in too short a time. Nothing was changed. Wait a minute, then try again." in page


def test_signing_in_goes_on_while_the_cache_is_away(anonymous: "PortalClient", grace: User) -> None:
    with override_settings(CACHES={"default": DEFAULT, "shared": REDIS_THAT_IS_AWAY}):
        wrong = anonymous.post("/login/", {"login": grace.username, "password": "wrong"})
        right = anonymous.post("/login/", {"login": grace.username, "password": "a long enough password"})

    assert (wrong.status_code, right.status_code, right.headers["Location"]) == (200, 302, "/")
