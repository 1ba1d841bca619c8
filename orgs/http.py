"""What a request says of who does something and from where."""

import ipaddress
import os
import pwd
import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.http import url_has_allowed_host_and_scheme

if TYPE_CHECKING:
    from django.http import HttpRequest

    from accounts.models import User

AGENT_LENGTH = 300
PATH_LENGTH = 500
# What a column for the name of whoever did something takes: two people and an organization can be longer.
NAME_LENGTH = 400


def client_address(request: "HttpRequest") -> str | None:
    """Return the client's IP address (RFC 4291 text for IPv6), or None where there is none, as in a bare request.

    ``X-Forwarded-For`` counts only as far as proxies of one's own append to it (``TRUSTED_PROXY_COUNT``, from the
    right): whatever stands further left was written by the client.
    """
    address = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXY_COUNT:
        forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        address = forwarded[-settings.TRUSTED_PROXY_COUNT :][0] or address
    return _canonical(address)


@lru_cache(maxsize=1024)
def _canonical(address: str) -> str | None:
    """Return an address in its one spelling, as every database keeps it. Remembered: it is asked on every request."""
    try:
        # A zone ("%eth0") says something on one machine only, and PostgreSQL's inet holds none.
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(known, "ipv4_mapped", None) or known)


def _system_user() -> str:
    """Return the name of the system's user who runs this, or its number where it has no name, as in some containers."""
    # Not what LOGNAME says: that anyone sets for their own shell.
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def client_agent(request: "HttpRequest") -> str:
    """Return the browser's name for itself, cut to what is stored."""
    return str(request.META.get("HTTP_USER_AGENT", ""))[:AGENT_LENGTH]


def actor_of(request: "HttpRequest") -> "User":
    """Return the person at the keyboard: ``request.actor``, or ``request.user`` for a request that was handed bare."""
    actor: User = getattr(request, "actor", None) or request.user  # type: ignore[assignment]
    return actor


def note_nothing_done(request: "HttpRequest", why: str) -> None:
    """Say of an unsafe request that it did nothing, for the list of what was done inside a visit.

    A redirect looks the same either way. ``why`` is kept: nothing of what was typed belongs in it.
    """
    request.nothing_done_because = why  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who does something and from where: what services hand on to the trail.

    ``user`` is the account it is done as, ``actor`` the person at the keyboard. The two differ inside an
    impersonation only. Both are None for what nobody signed in does; ``command`` then names what ran.
    """

    user: "User | None" = None
    actor: "User | None" = None
    address: str | None = None
    agent: str = ""
    session_public_id: uuid.UUID | None = None
    impersonation_id: int | None = None
    # Inside a visit whose actor is no administrator of the organization: a delegate, or a support agent.
    is_limited: bool = False
    request_id: str = ""
    command: str = ""
    system_user: str = ""

    @classmethod
    def of(cls, request: "HttpRequest") -> "Origin":
        """Return the origin of what ``request`` asks for. An anonymous request has neither person."""
        signed_in = request.user.is_authenticated
        session = getattr(request, "session_row", None)
        impersonation = getattr(request, "impersonation", None)
        return cls(
            user=request.user if signed_in else None,  # type: ignore[arg-type]
            actor=actor_of(request) if signed_in else None,
            address=client_address(request),
            agent=client_agent(request),
            session_public_id=session.public_id if session else None,
            impersonation_id=impersonation.pk if impersonation else None,
            is_limited=impersonation is not None and impersonation.is_limited,
            request_id=getattr(request, "request_id", ""),
        )

    @classmethod
    def automated(cls, command: str) -> "Origin":
        """Return the origin of what ``command`` does with nobody signed in."""
        return cls(command=command, system_user=_system_user())

    @property
    def process_name(self) -> str:
        """What ran with nobody signed in, and which of the system's users ran it: "close_expired by root"."""
        return " by ".join(filter(None, (self.command, self.system_user)))

    @property
    def is_impersonating(self) -> bool:
        """Whether the person at the keyboard wears another's account."""
        return self.impersonation_id is not None

    @property
    def doer_name(self) -> str:
        """Who does it, as created-and-modified columns have it: both names inside a visit."""
        if self.is_impersonating and self.user is not None and self.actor is not None:
            abroad = self.actor.organization_id != self.user.organization_id
            names = f"{self.user} (by {self.actor}{f', {self.actor.organization}' if abroad else ''})"
            return names[:NAME_LENGTH]
        return str(self.user or self.process_name)


def safe_path(text: str) -> str | None:
    """Return ``text`` if it is a plain path on this site, else None: what a ``next`` may lead to.

    Refused: other hosts and schemes, ``//host``, backslashes and control characters (browsers read both as slashes or
    skip them, WHATWG URL), and whatever is not ASCII, which may be spelled as ``/`` or ``.`` to someone.
    """
    is_plain = text.startswith("/") and text.isascii() and text.isprintable() and "\\" not in text
    if not is_plain or len(text) > PATH_LENGTH or not url_has_allowed_host_and_scheme(text, allowed_hosts=None):
        return None
    return text
