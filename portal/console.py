"""The operator console at ``/admin/``: Django's admin with the pages that are named here, and no other of its own."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.urls import include, path, reverse
from django.views.decorators.http import require_safe

from accounts.admin import CustomerAdmin, PersonAdmin
from accounts.models import User
from accounts.views.impersonation import log_out
from accounts.views.sign_in import to_login
from orgs.admin import ActivationRequestAdmin
from orgs.models import ActivationRequest, Organization
from orgs.permissions import refused_inside

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from django.urls import URLPattern, URLResolver

    from orgs.console import ConsoleAdmin


class NotAnOperator(PermissionDenied):
    """Someone signed in who is none of the vendor's staff."""

    def __init__(self) -> None:
        super().__init__("The operator console is for the vendor's own staff.")


class ConsoleSite(AdminSite):
    """Django's admin for operators: its own sign-in, passwords, history and app pages are not there."""

    site_title = site_header = "Operator console"
    index_title = "Operator console"
    index_template = "console/index.html"
    enable_nav_sidebar = False

    def admin_view(  # type: ignore[override]  # Django's stubs take and give the very same function
        self,
        view: Callable[..., Any],
        cacheable: bool = False,  # noqa: ARG002, FBT001, FBT002  # Django's signature
    ) -> Callable[..., Any]:
        """Let operators in, and nobody from inside a visit; the portal's middleware does all else that Django's does.

        Whoever is not signed in is sent to sign in by LoginRequiredMiddleware, as everywhere.
        """

        @wraps(view)
        def inner(request: "HttpRequest", *args: object, **kwargs: object) -> "HttpResponseBase":
            if not self.has_permission(request):
                raise NotAnOperator
            response: HttpResponseBase = view(request, *args, **kwargs)
            return response

        return refused_inside(inner)

    def get_urls(self) -> "list[URLResolver | URLPattern]":
        """Return the console's pages, one by one; those of a model its admin class names."""
        urls: list[URLResolver | URLPattern] = [
            path("", self.admin_view(require_safe(self.index)), name="index"),
            path("login/", to_login, name="login"),
            path("logout/", log_out, name="logout"),
        ]
        return urls + [
            path(f"{admin.opts.app_label}/{admin.opts.model_name}/", include(admin.get_urls()))
            for admin in self.lists()
        ]

    def lists(self) -> "list[ConsoleAdmin]":
        """Return what is registered."""
        return [cast("ConsoleAdmin", admin) for admin in self._registry.values()]

    def get_app_list(self, request: "HttpRequest", app_label: str | None = None) -> list[Any]:  # noqa: ARG002
        """Return what the first page leads to: the lists that this operator may read."""
        return [
            {
                "label": admin.label,
                "description": admin.description,
                "address": reverse(f"admin:{admin.opts.app_label}_{admin.opts.model_name}_changelist"),
            }
            for admin in self.lists()
            if admin.has_view_permission(request)
        ]

    def get_log_entries(self, request: "HttpRequest") -> Any:  # noqa: ANN401, ARG002
        """Return nothing: what is done here stands in the trail of the organization it is done to."""
        return ()


console = ConsoleSite()
console.register(Organization, CustomerAdmin)
console.register(ActivationRequest, ActivationRequestAdmin)
console.register(User, PersonAdmin)
