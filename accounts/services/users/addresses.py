"""A user's e-mail address: when a new one counts, who is told, and the link that confirms it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from orgs.audit import AuditAction, record
from orgs.mails import mail_after_commit
from orgs.permissions import RefusedInside
from orgs.services.guards import lock_organization

from .refusals import save

if TYPE_CHECKING:
    from orgs.http import Origin

SALT = "accounts.email"


class EmailLinkIsDead(Exception):  # noqa: N818  # said as a page says it
    """The link confirms nothing: it is used, replaced, withdrawn, too old, or was never sent.

    Or the account holds more by now than it did, and than whoever entered the address.
    """


class Addresses(NamedTuple):
    """The address that counts, and the one that waits to be confirmed, if one does."""

    email: str
    pending_email: str

    @classmethod
    def of(cls, user: User) -> "Addresses":
        """Return what a user has now."""
        return cls(user.email, user.pending_email)


# --- a change ----------------------------------------------------------------------------------------------------


def set_address(user: User, address: str, *, origin: "Origin") -> None:
    """Give ``user`` a new address, unsaved.

    The one that counts, entered again, withdraws the one that waits. One's own counts at once, and so does a
    command's; what someone else enters waits.
    """
    if address == user.email.lower():
        user.pending_email = ""
    elif origin.user is None or origin.user == user:
        user.email, user.pending_email = address, ""
    else:
        user.pending_email = address


def address_was_changed(user: User, old: Addresses, *, origin: "Origin", site: str, at: datetime) -> None:
    """Write the trail of a change that was saved, and tell both addresses. ``site`` is what the link begins with."""
    if user.email != old.email:
        _record(AuditAction.USER_EMAIL_CHANGED, user, old, new=user.email, origin=origin, at=at)
        _tell_that_it_counts(user, old.email, by=origin.doer_name)
    elif user.pending_email:
        _record(AuditAction.USER_EMAIL_CHANGE_ASKED, user, old, new=user.pending_email, origin=origin, at=at)
        _ask(user, origin=origin, site=site)
    else:
        _record(AuditAction.USER_EMAIL_CHANGE_WITHDRAWN, user, old, new=old.pending_email, origin=origin, at=at)


def _record(action: AuditAction, user: User, old: Addresses, *, new: str, origin: "Origin", at: datetime) -> None:
    now = Addresses.of(user)
    changed = [name for name in now._fields if getattr(now, name) != getattr(old, name)]
    record(
        action,
        origin=origin,
        organization=user.organization_id,
        about=user,
        at=at,
        before={name: getattr(old, name) for name in changed},
        after={name: getattr(now, name) for name in changed},
        old=old.email or "none",
        new=new,
    )


def _ask(user: User, *, origin: "Origin", site: str) -> None:
    """Mail the new address the link, and tell the one that still counts."""
    if not site:
        message = "An address that has to be confirmed needs the site that its link begins with."
        raise ValueError(message)
    # Whoever entered the address may read what comes there. So the link is for an account that holds what it holds now,
    # or what that person holds: not for one that is made an administrator's meanwhile.
    asker, by = origin.user or user, origin.doer_name
    bits = user.profile.permission_bits | asker.profile.permission_bits
    token = signing.dumps([user.pk, user.pending_email, bits], salt=SALT)
    url = site.rstrip("/") + reverse("account_confirm_email", args=[token])
    days = timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT).days
    mail_after_commit("accounts/email_confirm", to=user.pending_email, user=user, by=by, url=url, days=days)
    mail_after_commit("accounts/email_change_asked", to=user.email, user=user, by=by, days=days)


def _tell_that_it_counts(user: User, old: str, *, by: str, is_confirmed: bool = False) -> None:
    """Forget the old address wherever it could still reset the password, and tell whoever reads it."""
    EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()
    mail_after_commit("accounts/email_changed", to=old, user=user, old=old, by=by, is_confirmed=is_confirmed)


# --- the link ----------------------------------------------------------------------------------------------------


def find_by_email_link(token: str) -> User:
    """Return the active user whose address waits for this link; raises :class:`EmailLinkIsDead`. One query."""
    try:
        pk, address, bits = signing.loads(token, salt=SALT, max_age=settings.PASSWORD_RESET_TIMEOUT)
    except signing.BadSignature as bad:
        raise EmailLinkIsDead from bad
    users = User.objects.select_related("organization", "profile")
    user: User | None = users.filter(pk=pk, pending_email=address, is_active=True).first()
    if user is None or user.profile.permission_bits & ~bits:
        raise EmailLinkIsDead
    return user


@transaction.atomic
def confirm_email(token: str, *, origin: "Origin", at: datetime | None = None) -> User:
    """Make the address that ``token`` was mailed to the one that counts, and tell the old one.

    Whoever holds the link is taken to be the user, whoever is signed in in that browser.
    """
    if origin.is_impersonating:
        raise RefusedInside(str(origin.user))
    at = at or timezone.now()
    lock_organization(find_by_email_link(token).organization_id)
    user = find_by_email_link(token)
    # A session of someone else's, perhaps of another organization, is nothing for this organization's trail.
    session = origin.session_public_id if origin.user == user else None
    origin = replace(origin, user=user, actor=user, session_public_id=session)
    old = Addresses.of(user)
    user.email, user.pending_email = user.pending_email, ""
    save(user, list(Addresses._fields), origin=origin, at=at)
    _record(AuditAction.USER_EMAIL_CHANGED, user, old, new=user.email, origin=origin, at=at)
    _tell_that_it_counts(user, old.email, by=origin.doer_name, is_confirmed=True)
    return user
