"""Who can log in as someone: a page in Setup, and one of one's own."""

from typing import TYPE_CHECKING, cast

from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from accounts.who_can import Standing, who_can
from orgs.permissions import Permission, permission_required

from .users import back_of, find_user, page_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest, HttpResponse

    from accounts.models import User
    from portal.http import PortalRequest


@require_safe
@permission_required(Permission.VIEW_ALL_USERS)
def user_who_can_log_in(request: "HttpRequest", user_id: int) -> "HttpResponse":
    """Show who can log in as a user, with the rule's own answer for each."""
    request = cast("PortalRequest", request)
    user = find_user(request, user_id)
    back = back_of(request)
    context = {"back": back, "page_url": page_of(user, back=back), **_list(request, user, along={"back": back})}
    return render(request, "accounts/user_who_can_log_in.html", context)


@require_safe
def settings_who_can_log_in(request: "HttpRequest") -> "HttpResponse":
    """Show who can log in as oneself."""
    request = cast("PortalRequest", request)
    return render(request, "accounts/settings_who_can_log_in.html", _list(request, request.user, to_target=True))


def _list(
    request: "PortalRequest", user: "User", *, along: "Mapping[str, str] | None" = None, to_target: bool = False
) -> dict[str, object]:
    cursor = request.GET.get("cursor", "")
    found = who_can(Standing.of(user), at=timezone.now(), cursor=cursor, to_target=to_target)

    def url(cursor: str | None) -> str:
        return f"{request.path}?{urlencode({**(along or {}), 'cursor': cursor})}" if cursor else ""

    return {
        "person": user,
        "rows": found.rows,
        "next_url": url(found.page.next_cursor),
        "previous_url": url(found.page.previous_cursor),
    }
