"""Mails that follow a change: written inside its transaction, sent once it is committed."""

from typing import Any

from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string


def mail_after_commit(name: str, *, to: str, **words: Any) -> None:  # whatever its template shows
    """Send the mail ``name`` to ``to`` after the commit: "accounts/reset" is ``accounts/mail/reset.txt``.

    Its first line is the subject. A mail server that is away is logged and takes back nothing: what the mail tells of
    has been done.
    """
    transaction.on_commit(_message(name, to=to, **words).send, robust=True)


def send_mail_now(name: str, *, to: str, **words: Any) -> bool:
    """Send such a mail at once; whatever keeps it from being sent is raised. False where there is no address."""
    return _message(name, to=to, **words).send() > 0


def _message(name: str, *, to: str, **words: Any) -> EmailMessage:
    subject, _, body = render_to_string(_template(name), words).strip().partition("\n")
    # A name may hold any end of a line: Django would rather send nothing.
    return EmailMessage(" ".join(subject.split()), body.strip() + "\n", to=[to])


def _template(name: str) -> str:
    app, _, mail = name.partition("/")
    return f"{app}/mail/{mail}.txt"
