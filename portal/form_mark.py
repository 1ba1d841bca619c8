"""A signed note in every form of who its page was opened as.

The CSRF token alone tells that a tab is stale, not whose it was. It rotates with every start and end of a log-in-as,
so that a late write is refused; the mark lets the refusal name the person, and proves that what was typed may be
given back since the form was ours.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core import signing

if TYPE_CHECKING:
    from django.http import HttpRequest

FIELD_NAME = "opened_as"
SALT = "portal.form_mark"


@dataclass(frozen=True, slots=True)
class Opener:
    """Who a page was opened as: the account, the person at the keyboard, and the visit, if it was one."""

    user_id: int | None = None
    user_name: str = ""
    actor_id: int | None = None
    impersonation_id: int | None = None

    @classmethod
    def of(cls, request: "HttpRequest") -> "Opener":
        """Return who ``request`` comes from now."""
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            return cls()
        impersonation = getattr(request, "impersonation", None)
        return cls(
            user_id=user.pk,
            user_name=user.full_name,
            actor_id=getattr(request, "actor", user).pk,
            impersonation_id=impersonation.pk if impersonation else None,
        )


def mark_of(request: "HttpRequest") -> str:
    """Return the signed mark of who ``request`` comes from, made once for all the forms of a page."""
    mark: str | None = request.META.get("portal.form_mark")
    if mark is None:
        opener = Opener.of(request)
        mark = signing.dumps([opener.user_id, opener.user_name, opener.actor_id, opener.impersonation_id], salt=SALT)
        request.META["portal.form_mark"] = mark
    return mark


def read_mark(request: "HttpRequest") -> Opener | None:
    """Return who the form that was sent had been opened as, or None where it was not a form of this site."""
    if request.headers.get("Origin", _own_origin(request)) != _own_origin(request):
        return None
    try:
        return Opener(*signing.loads(request.POST.get(FIELD_NAME, ""), salt=SALT))
    except signing.BadSignature:
        return None


def _own_origin(request: "HttpRequest") -> str:
    return f"{request.scheme}://{request.get_host()}"
