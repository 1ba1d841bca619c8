"""Why one's own session ended: kept on its row by whoever ended it, and told by the next page."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import logout
from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import urlencode

from accounts.enums import SESSION_END, EndCause, SessionEnd
from accounts.models import Impersonation, Session, User
from accounts.services.expiry import close_expired
from accounts.services.passwords import password_was_changed
from accounts.services.session_removal import end_other_sessions, end_own_session, remove_session
from accounts.services.users import deactivate_user, end_user_sessions, freeze_user
from accounts.session_store import SessionStore
from orgs.http import Origin
from orgs.models import SessionSettings

from .reading import words_of

if TYPE_CHECKING:
    from accounts.testing import PortalClient
    from orgs.models import Organization

ClientOf = Callable[[User], "PortalClient"]
Browser = Callable[[], "PortalClient"]
End = Callable[[Session, User], object]


def sign_out(session: Session, by: User) -> None:
    """Sign out as Django does, with the key that ``session`` is about to have."""
    request = HttpRequest()
    request.user = session.user  # type: ignore[assignment]  # somebody's
    request.session = SessionStore(SESSION_KEYS[session.pk])
    logout(request)


def fall_idle(session: Session, by: User) -> None:
    Session.objects.filter(pk=session.pk).update(last_active_at=timezone.now() - timedelta(hours=3))
    close_expired(origin=Origin.automated("close_expired"))


def own(user: User) -> Origin:
    return Origin(user=user, actor=user)


SESSION_KEYS: dict[int, str] = {}
ENDS: dict[str, tuple[End, SessionEnd]] = {
    "signed out": (sign_out, SessionEnd.SIGNED_OUT),
    "by oneself": (
        lambda session, _: end_own_session(session.public_id, origin=own(session.user)),  # type: ignore[arg-type]
        SessionEnd.ENDED_BY_ONESELF,
    ),
    "all others, by oneself": (
        lambda session, _: end_other_sessions(origin=own(session.user)),  # type: ignore[arg-type]  # somebody's
        SessionEnd.ENDED_BY_ONESELF,
    ),
    "removed": (
        lambda session, by: remove_session(session.public_id, origin=own(by)),
        SessionEnd.ENDED_BY_ADMINISTRATOR,
    ),
    "all of them": (
        lambda session, by: end_user_sessions(session.user, origin=own(by)),  # type: ignore[arg-type]  # somebody's
        SessionEnd.ENDED_BY_ADMINISTRATOR,
    ),
    "deactivated": (
        lambda session, by: deactivate_user(session.user, origin=own(by)),  # type: ignore[arg-type]  # somebody's
        SessionEnd.DEACTIVATED,
    ),
    "frozen": (
        lambda session, by: freeze_user(session.user, origin=own(by)),  # type: ignore[arg-type]  # somebody's
        SessionEnd.FROZEN,
    ),
    "password": (
        lambda session, by: password_was_changed(session.user, origin=own(by)),  # type: ignore[arg-type]  # as above
        SessionEnd.PASSWORD_CHANGED,
    ),
    "idle": (fall_idle, SessionEnd.IDLE),
}


@pytest.mark.parametrize(("end", "cause"), ENDS.values(), ids=ENDS)
def test_next_page_tells_why_ones_own_session_ended(
    client_of: ClientOf, ada: User, grace: User, end: End, cause: SessionEnd
) -> None:
    client = client_of(grace)
    session = Session.objects.select_related("user__profile").get(user=grace)
    SESSION_KEYS[session.pk] = client.cookies["portal_session"].value
    end(session, ada)

    page = client.get("/settings/", follow=True)
    late = client.post("/settings/sessions/end-others/")

    session.refresh_from_db()
    assert (session.end_cause, session.data) == (cause, "")
    assert page.redirect_chain == [(f"/login/?{urlencode({'next': '/settings/', 'ended': cause.value})}", 302)]
    assert f"Your session has ended: {cause.label}." in words_of(page.content.decode())
    assert f"The session it belonged to has ended: {cause.label}." in words_of(late.content.decode())


def test_worn_session_leaves_it_to_its_visit(
    any_user_login: "Organization", browser: Browser, ada: User, alan: User, grace: User
) -> None:
    client = browser()
    visit = client.login_as(grace, actor=ada)
    end_user_sessions(ada, origin=own(alan))

    ended = Session.objects.get(pk=visit.pk), Session.objects.get(pk=visit.actor_session_id)

    assert [row.end_cause for row in ended] == [None, SessionEnd.ENDED_BY_ADMINISTRATOR]
    assert Impersonation.objects.get().end_cause == EndCause.ENDED_BY_ADMINISTRATOR


def test_deactivated_user_is_told_so_and_not_what_the_visits_in_the_account_are(
    any_user_login: "Organization", browser: Browser, client_of: ClientOf, ada: User, alan: User, grace: User
) -> None:
    """Both ended in one statement: a session of the user's own, and one in which another wore the account."""
    client_of(grace)
    browser().login_as(grace, actor=ada)
    deactivate_user(grace, origin=own(alan))

    assert Session.objects.get(user=grace, parent=None).end_cause == SessionEnd.DEACTIVATED
    assert Impersonation.objects.get().end_cause == EndCause.TARGET_DEACTIVATED


@pytest.mark.parametrize("force_relogin", [True, False])
def test_leaving_signs_out_of_ones_own_only_where_that_ends(
    any_user_login: "Organization", browser: Browser, ada: User, grace: User, *, force_relogin: bool
) -> None:
    SessionSettings.objects.update(force_relogin=force_relogin)
    client = browser()
    visit = client.login_as(grace, actor=ada)

    client.log_out_as()

    own_session = Session.objects.get(pk=visit.actor_session_id)
    assert own_session.end_cause == (SessionEnd.SIGNED_OUT if force_relogin else None)


def test_visitor_is_told_why_the_session_that_the_visit_was_started_from_ended(
    any_user_login: "Organization", browser: Browser, ada: User, grace: User
) -> None:
    client = browser()
    visit = client.login_as(grace, actor=ada)
    end_own_session(visit.actor_session.public_id, origin=own(ada))

    page = client.get("/settings/", follow=True)

    assert "Your session has ended: you ended it from another session." in words_of(page.content.decode())


def test_every_cause_that_ends_ones_own_session_is_told() -> None:
    assert set(SESSION_END.values()) == set(SessionEnd)
