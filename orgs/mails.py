"""Mails that follow a change: written inside its transaction, sent once it is committed."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import takewhile
from time import monotonic
from typing import Any

from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.template.loader import render_to_string

from .moments import NOBODY, read_by

logger = logging.getLogger(__name__)

_held: "ContextVar[Held | None]" = ContextVar("held", default=None)


def mail_after_commit(name: str, *, to: str, **words: Any) -> None:  # whatever its template shows
    """Send the mail ``name`` to ``to`` after the commit: "accounts/reset" is ``accounts/mail/reset.txt``.

    Its first line is the subject. A mail server that is away is logged and takes back nothing: what the mail tells of
    has been done.
    """
    mail = build_mail(name, to=to, **words)
    transaction.on_commit(lambda: _post(mail), robust=True)


@dataclass(slots=True)
class Held:
    """Mails that are held back to be sent together."""

    mails: list[EmailMessage] = field(default_factory=list)
    sent: int = 0

    @property
    def unsent(self) -> int:
        """How many did not go out."""
        return len(self.mails) - self.sent


@contextmanager
def sent_together(*, within: timedelta) -> Iterator[Held]:
    """Hold back what the block's commits mail, and send it after the block, over one connection and no longer than so.

    A mail server that says nothing keeps nobody waiting for each mail.
    """
    held = Held()
    token = _held.set(held)
    try:
        yield held
    finally:
        _held.reset(token)
    end = monotonic() + within.total_seconds()
    held.sent = send_many(held.mails, may_go_on=lambda: monotonic() < end)


def _post(mail: EmailMessage) -> None:
    held = _held.get()
    if held is None:
        mail.send()
    else:
        held.mails.append(mail)


def send_mail_now(name: str, *, to: str, **words: Any) -> bool:
    """Send such a mail at once; whatever keeps it from being sent is raised. False where there is no address."""
    return build_mail(name, to=to, **words).send() > 0


def send_many(mails: Iterable[EmailMessage], *, may_go_on: Callable[[], bool] = lambda: True) -> int:
    """Send mails one by one over one connection, as long as ``may_go_on`` says so, and return how many went out.

    One that fails is logged, and the next is tried. A mail server that is away is not tried for each.
    """
    connection = get_connection()
    sent = 0
    for mail in takewhile(lambda _: may_go_on(), mails):
        try:
            connection.open()
        except Exception:
            logger.exception("The mail server is away")
            break
        try:
            sent += connection.send_messages([mail])
        except Exception as error:  # noqa: BLE001  # whatever it is, the next mail may go out
            logger.warning("A mail was not sent: %s", error)
            # Its state is unknown: the next mail opens another.
            connection.close()
    connection.close()
    return sent


def build_mail(name: str, *, to: str, **words: Any) -> EmailMessage:
    """Return such a mail, unsent."""
    # Whoever reads it is not whoever clicks.
    with read_by(NOBODY):
        subject, _, body = render_to_string(_template(name), words).strip().partition("\n")
    # A name may hold any end of a line: Django would rather send nothing.
    return EmailMessage(" ".join(subject.split()), body.strip() + "\n", to=[to])


def _template(name: str) -> str:
    app, _, mail = name.partition("/")
    return f"{app}/mail/{mail}.txt"
