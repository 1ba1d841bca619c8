"""Mails that follow a change: written inside its transaction, sent once it is committed."""

from typing import Any

from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string


def mail_after_commit(name: str, *, to: str, **words: Any) -> None:  # whatever its template shows
    """Send the mail ``name`` (``accounts/mail/NAME.txt``, its first line the subject) to ``to`` after the commit.

    A mail server that is away is logged and takes back nothing: what the mail tells of has been done.
    """
    subject, _, body = render_to_string(f"accounts/mail/{name}.txt", words).strip().partition("\n")
    transaction.on_commit(EmailMessage(subject, body.strip() + "\n", to=[to]).send, robust=True)
