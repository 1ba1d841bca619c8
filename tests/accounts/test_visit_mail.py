"""E-mail to the user at start: after the commit, to whom and with what, and when no mail server answers."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction

from accounts.enums import MailOutcome
from accounts.models import Impersonation, Session, User
from accounts.services.impersonation import ImpersonationRefused, start_impersonation
from accounts.services.start_policy import StartDetails
from orgs.http import Origin
from orgs.models import AccessMode, AuditEvent, LoginAccessPolicy, Organization

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]
    Committed = Callable[..., Any]

AT = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)


@pytest.fixture
def own(any_user_login: Organization, ada: User, client_of: "ClientOf") -> Session:
    """Ada's session, where the policy asks for a mail at start."""
    LoginAccessPolicy.objects.update(mail_at_start=True)
    client_of(ada)
    session: Session = Session.objects.get(user=ada)
    session.created_at = AT
    return session


def start(session: Session, target: User, **more: Any) -> Impersonation:
    actor = session.user
    assert actor is not None
    origin = Origin(user=actor, actor=actor)
    started = start_impersonation(
        actor=actor, session=session, target_id=target.pk, origin=origin, **{"at": AT, **more}
    )
    return started.impersonation


def outcome() -> str:
    return Impersonation.objects.get().mail


class AwayBackend(BaseEmailBackend):
    """A mail server that is away."""

    def send_messages(self, email_messages: Any) -> int:  # noqa: ANN401
        raise OSError(f"no route to host for {len(email_messages)}")


AWAY = f"{__name__}.AwayBackend"


def test_mail_tells_the_user_who_and_for_how_long(
    own: Session, grace: User, django_capture_on_commit_callbacks: "Committed"
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        start(own, grace)

    (message,) = mail.outbox
    assert (message.to, message.subject) == (["grace@acme.example"], "Ada Lovelace logged in as you")
    assert message.body == (
        "Hello Grace,\n\n"
        "Ada Lovelace logged in to your account grace@acme.example on 2 March 2026 at 23:30 UTC.\n\n"
        "Access: full, they can do what you can\n"
        "Until: 3 March 2026, 00:30 UTC at the latest\n\n"
        "You see it on your Home, where you can also end it while it lasts. If you did not expect it, ask\n"
        "Ada Lovelace or your administrator.\n"
    )
    assert outcome() == MailOutcome.SENT


def test_mail_tells_reason_ticket_and_that_it_is_read_only(
    own: Session, grace: User, django_capture_on_commit_callbacks: "Committed"
) -> None:
    LoginAccessPolicy.objects.update(ticket_pattern="T-.*", access_mode=AccessMode.READ_ONLY_FIRST)

    with django_capture_on_commit_callbacks(execute=True):
        start(own, grace, details=StartDetails(reason="<Orders> & more", ticket="T-<1>"))

    assert (
        "\n\nReason: <Orders> & more\nTicket: T-<1>\nAccess: read-only, until they step up to full access and say why\n"
    ) in mail.outbox[0].body


def test_no_mail_where_the_policy_asks_for_none(
    own: Session, grace: User, django_capture_on_commit_callbacks: "Committed"
) -> None:
    LoginAccessPolicy.objects.update(mail_at_start=False)

    with django_capture_on_commit_callbacks(execute=True):
        start(own, grace)

    assert (mail.outbox, outcome()) == ([], "")


def test_mail_waits_for_the_commit(own: Session, grace: User, django_capture_on_commit_callbacks: "Committed") -> None:
    with django_capture_on_commit_callbacks(execute=False) as waiting:
        start(own, grace)

    # What a process that dies now leaves; the other that waits counts the visit for Prometheus.
    assert (mail.outbox, outcome(), len(waiting)) == ([], MailOutcome.WAITING, 2)


def test_no_mail_of_a_start_that_is_refused(
    own: Session, katherine: User, django_capture_on_commit_callbacks: "Committed"
) -> None:
    with django_capture_on_commit_callbacks(execute=True) as callbacks, pytest.raises(ImpersonationRefused):
        start(own, katherine)

    assert (mail.outbox, callbacks) == ([], [])


def test_no_mail_of_a_start_that_is_rolled_back(
    own: Session, grace: User, django_capture_on_commit_callbacks: "Committed"
) -> None:
    with django_capture_on_commit_callbacks(execute=True) as callbacks:  # noqa: SIM117  # the order is the point
        with transaction.atomic():
            start(own, grace)
            transaction.set_rollback(True)

    assert (mail.outbox, callbacks, Impersonation.objects.count()) == ([], [], 0)


def test_mail_server_that_is_away_takes_nothing_back(
    own: Session,
    grace: User,
    settings: Any,  # noqa: ANN401  # pytest-django's
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: "Committed",
) -> None:
    settings.EMAIL_BACKEND = AWAY

    with django_capture_on_commit_callbacks(execute=True):
        visit = start(own, grace)

    assert (outcome(), visit.mail) == (MailOutcome.FAILED, MailOutcome.FAILED)
    assert [event.action for event in AuditEvent.objects.all()] == ["impersonation.started"]
    assert [record.getMessage() for record in caplog.records] == [
        f"The mail that tells of visit {visit.pk} could not be sent."
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("backend", "expected"),
    [(AWAY, MailOutcome.FAILED), ("django.core.mail.backends.locmem.EmailBackend", MailOutcome.SENT)],
)
def test_one_is_inside_whether_or_not_the_mail_went_out(
    any_user_login: Organization,
    ada: User,
    grace: User,
    client_of: "ClientOf",
    settings: Any,  # noqa: ANN401  # pytest-django's
    backend: str,
    expected: str,
) -> None:
    LoginAccessPolicy.objects.update(mail_at_start=True)
    settings.EMAIL_BACKEND = backend
    client = client_of(ada)

    answer = client.post(f"/setup/users/{grace.pk}/login-as/")

    assert (answer.status_code, answer.headers["Location"], outcome()) == (302, "/", expected)
    assert b"you are logged in as <strong>Grace Hopper</strong>" in client.get("/").content


def test_user_without_an_address_is_told_nothing_and_the_row_says_so(
    own: Session, grace: User, django_capture_on_commit_callbacks: "Committed"
) -> None:
    User.objects.filter(pk=grace.pk).update(email="")

    with django_capture_on_commit_callbacks(execute=True):
        start(own, grace)

    assert (mail.outbox, outcome()) == ([], MailOutcome.FAILED)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\u2028", "\x0b"])
def test_name_with_an_end_of_a_line_adds_no_header(
    own: Session, ada: User, grace: User, django_capture_on_commit_callbacks: "Committed", end: str
) -> None:
    assert own.user is not None
    own.user.first_name = f"Ada{end}Bcc: all@acme.example{end}"

    with django_capture_on_commit_callbacks(execute=True):
        start(own, grace)

    (message,) = mail.outbox
    sent = message.message()
    assert (message.recipients(), sent["Bcc"], sent["To"]) == (["grace@acme.example"], None, "grace@acme.example")
    assert "\n" not in message.subject
    assert outcome() == MailOutcome.SENT
