"""Passwords: what a change ends, and the mail that lets one choose."""

from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from accounts.enums import EndCause
from orgs.audit import AuditAction, record
from orgs.mails import build_mail, mail_after_commit

from .sessions import end_sessions_of
from .visits import end_fallen_of

if TYPE_CHECKING:
    from django.core.mail import EmailMessage

    from accounts.models import Session, User
    from orgs.http import Origin


class PasswordMail(Enum):
    """Why someone gets a link to choose a password: the name of the mail."""

    NEW_ACCOUNT = "new_account"
    RESET = "password_reset"


NEW_ACCOUNT, RESET = PasswordMail.NEW_ACCOUNT, PasswordMail.RESET


@transaction.atomic
def password_was_changed(
    user: "User", *, origin: "Origin", keep: "Session | None" = None, at: datetime | None = None
) -> None:
    """End every session of ``user`` but ``keep``, and the visits in and from them; write the trail."""
    at = at or timezone.now()
    end_fallen_of(Q(user=user), origin=origin, at=at)
    end_sessions_of(
        user,
        as_actor=EndCause.PASSWORD_CHANGED,
        as_target=EndCause.PASSWORD_CHANGED,
        origin=origin,
        by=origin.actor,
        keep=keep,
        at=at,
    )
    # By the link in a mail nobody is signed in yet: whoever holds the link is taken to be the user, as allauth does.
    doer = user if origin.user is None else None
    record(AuditAction.PASSWORD_CHANGED, origin=origin, organization=user.organization_id, about=user, user=doer, at=at)


def send_password_mail(user: "User", *, kind: PasswordMail, site: str, by: str) -> None:
    """Mail ``user``, after the commit, allauth's link to choose a password. ``site`` is where this site answers."""
    mail_after_commit(f"accounts/{kind.value}", **_words_for(user, site=site, by=by))


def build_password_mail(user: "User", *, kind: PasswordMail, site: str, by: str) -> "EmailMessage":
    """Return the same mail, for whoever sends many."""
    return build_mail(f"accounts/{kind.value}", **_words_for(user, site=site, by=by))


def _words_for(user: "User", *, site: str, by: str) -> dict[str, Any]:
    key = default_token_generator.make_token(user)
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(user), "key": key})
    return {
        "to": user.email,
        "user": user,
        "by": by,
        "url": site.rstrip("/") + path,
        "again_url": site.rstrip("/") + reverse("account_reset_password"),
        "days": timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT).days,
    }
