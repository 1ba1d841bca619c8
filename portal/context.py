"""What every page's frame needs to know."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from accounts.enums import Theme
from accounts.middleware import page_to_go_on_at, step_up_path
from accounts.timeout import timeout_of
from orgs.permissions import Permission

from .setup_menu import clean_query, setup_menu

if TYPE_CHECKING:
    from django.http import HttpRequest


def shell(request: "HttpRequest") -> dict[str, Any]:
    """Return what base.html and setup.html show.

    It runs for error pages too, where a middleware that failed early may have left the request without a user. For
    an anonymous visitor it must not touch the session (a query, and ``Vary: Cookie``).
    """
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"may_have_messages": settings.SESSION_COOKIE_NAME in request.COOKIES}
    context = {
        "actor": getattr(request, "actor", user),
        "impersonation": getattr(request, "impersonation", None),
        "step_up_path": SimpleLazyObject(lambda: step_up_path(request)),
        "may_have_messages": True,
        # Without one of its own a page is as the system has it.
        "theme": "" if user.theme == Theme.SYSTEM else user.theme,
        "timeout": SimpleLazyObject(lambda: timeout_of(request)),
        # Where timeout.js goes at the end, where this very address is not what one was at.
        "timeout_page": "" if request.method == "GET" else SimpleLazyObject(lambda: page_to_go_on_at(request)),
        "may_open_setup": user.has_permission(Permission.VIEW_SETUP),
        "may_open_console": user.is_staff and getattr(request, "impersonation", None) is None,
    }
    if context["may_open_setup"]:
        quick_find = _quick_find(request)
        context |= {
            "in_setup": request.path.startswith(reverse("setup_home")),
            "quick_find": quick_find,
            "setup_menu": SimpleLazyObject(lambda: setup_menu(user, path=request.path, query=quick_find)),
        }
    return context


def _quick_find(request: "HttpRequest") -> str:
    """Return what was typed into Quick Find; on other pages ``q`` is a search of their own."""
    match = request.resolver_match
    return clean_query(request.GET.get("q", "")) if match and match.url_name == "setup_home" else ""
