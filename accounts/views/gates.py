"""The gates of pages that a delegated administrator may open beside those who hold a permission."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, cast

from accounts.services.guards import edits_users, sees_users
from accounts.services.users import SEVERAL, UserAct
from orgs.permissions import Permission, PermissionMissing, View

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from accounts.models import User
    from portal.http import PortalRequest


def _gate(may: "Callable[[User], bool]", missing: "Callable[[HttpRequest], Permission]") -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: "HttpRequest", *args: object, **kwargs: object) -> "HttpResponseBase":
            if not may(cast("PortalRequest", request).user):
                raise PermissionMissing((missing(request),))
            response: HttpResponseBase = view(request, *args, **kwargs)
            return response

        return cast("View", wrapped)

    return decorate


# What such a page may show of whom is for accounts.services.guards.visible_to to say.
for_those_who_see_users = _gate(sees_users, lambda _: Permission.VIEW_ALL_USERS)
for_those_who_edit_users = _gate(edits_users, lambda _: Permission.MANAGE_INTERNAL_USERS)
# One of the acts is enough to get in; which of them it is to be, the view asks.
for_those_who_act_on_several = _gate(
    lambda user: any(user.has_permission(act.permission) for act in SEVERAL.values()),
    lambda request: SEVERAL.get(request.POST.get("act", ""), UserAct.DEACTIVATE).permission,
)
