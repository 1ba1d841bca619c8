"""Many mails over one connection."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from orgs.mails import mail_after_commit, send_many, sent_together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_django import DjangoCaptureOnCommitCallbacks, Settings


class Server(BaseEmailBackend):
    """A mail server that writes down what is asked of it, and fails as it is told to."""

    did: ClassVar[list[str]] = []
    is_away: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_open = False

    def open(self) -> bool:
        if self.is_away:
            raise OSError
        if not self.is_open:
            self.did.append("open")
        self.is_open = True
        return True

    def close(self) -> None:
        if self.is_open:
            self.did.append("close")
        self.is_open = False

    def send_messages(self, email_messages: "Sequence[EmailMessage]") -> int:
        (message,) = email_messages
        if message.subject == "bad":
            raise ValueError
        self.did.append(str(message.subject))
        return 1


@pytest.fixture(autouse=True)
def _server(settings: "Settings", monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EMAIL_BACKEND = "tests.orgs.test_mails.Server"
    monkeypatch.setattr(Server, "did", [])


def mails(*subjects: str) -> list[EmailMessage]:
    return [EmailMessage(subject, "Hello", to=["mary@example.com"]) for subject in subjects]


def test_all_go_over_one_connection() -> None:
    assert send_many(mails("1", "2", "3")) == 3
    assert Server.did == ["open", "1", "2", "3", "close"]


def test_one_that_fails_is_not_counted_and_the_next_is_sent_over_another() -> None:
    assert send_many(mails("1", "bad", "3")) == 2
    assert Server.did == ["open", "1", "close", "open", "3", "close"]


def test_server_that_is_away_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "is_away", True)
    left = iter(mails("1", "2", "3"))

    assert send_many(left) == 0
    assert [mail.subject for mail in left] == ["2", "3"]


def test_nothing_is_sent_that_may_not() -> None:
    answers = iter([True, False])

    assert send_many(mails("1", "2", "3"), may_go_on=lambda: next(answers)) == 1
    assert Server.did == ["open", "1", "close"]


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "did", "unsent"), [(15, ["open", "1", "2", "close"], 0), (0, [], 2)])
def test_what_a_block_mails_goes_together_and_for_so_long(
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks", seconds: int, did: list[str], unsent: int
) -> None:
    words = {"user": "Mary", "by": "Ada", "url": "", "again_url": "", "days": 3}

    with sent_together(within=timedelta(seconds=seconds)) as held:
        with django_capture_on_commit_callbacks(execute=True):
            for _ in range(2):
                mail_after_commit("accounts/password_reset", to="mary@example.com", **words)
        before = list(Server.did)
        for mail, subject in zip(held.mails, "12", strict=True):
            mail.subject = subject

    assert (before, Server.did, held.unsent) == ([], did, unsent)
