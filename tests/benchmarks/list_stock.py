"""Django's admin and django-impersonate on the portal's users: stock sessions, and what both have documented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session as StockSession
from django.db import connection
from django.urls import URLPattern, URLResolver, include, path

from accounts.models import Impersonation, Login, LoginAccessGrant, Profile, Role, Session, StandardProfile, User
from orgs.models import AuditEvent
from tests.benchmarks.list_cases import PAGE
from tests.benchmarks.traffic import Browser, Handler

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

LINKS = {
    "admin": r"/admin/accounts/user/(\d+)/change/",
    "admin less": r"/less/accounts/user/(\d+)/change/",
    "impersonate": r'href="/impersonate/(\d+)/',
}
if not apps.is_installed("impersonate"):
    del LINKS["impersonate"]
MIDDLEWARE = (  # what `django-admin startproject` writes down
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
)


def may_all(_request: HttpRequest) -> bool:
    """Let anyone in, as a superuser is: no permission is asked of the database."""
    return True


class Site(admin.AdminSite):
    """The admin, open to whoever is signed in."""

    has_permission = staticmethod(may_all)  # type: ignore[assignment]


class StockAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Whatever the documentation names for long lists; permissions as a superuser has them."""

    list_per_page = PAGE

    def _may(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return True

    has_module_permission = has_view_permission = has_add_permission = _may
    has_change_permission = has_delete_permission = _may


class ListAdmin(StockAdmin):
    """A list of an organization's rows, so that the portal's indexes serve here as well."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the organization's."""
        organization = cast("User", request.user).organization_id
        found: QuerySet[Any] = super().get_queryset(request).filter(organization=organization)
        return found


class UserAdmin(ListAdmin):
    """The users list: the portal's columns, its four fields for search, its filters, its order."""

    list_display = ("full_name", "short_name", "username", "role", "is_active", "profile", "signed_in_at")
    list_select_related = ("role", "profile")
    list_filter = ("is_active", "is_frozen", "profile", "role")
    search_fields = ("name_key", "username", "alias_key", "email")
    ordering = ("name_key", "id")
    sortable_by = ("short_name", "username", "signed_in_at")

    # Under names of their own: a field's own name would sort by the field, which no index does.
    @admin.display(description="Alias", ordering="alias_key")
    def short_name(self, row: User) -> str:
        """Sort as the portal does."""
        return row.alias

    @admin.display(description="Last login", ordering="last_login_key")
    def signed_in_at(self, row: User) -> datetime | None:
        """Sort as the portal does."""
        return row.last_login


class EventAdmin(ListAdmin):
    """The trail."""

    list_display = ("created_at", "user_name", "sentence", "section", "delegate_user_name")
    ordering = ("-created_at", "-id")


class SessionAdmin(ListAdmin):
    """Sessions that are live, without those that are worn: the portal shows them below the one they are worn from."""

    list_display = ("user", "type", "address", "agent", "created_at", "last_active_at")
    list_select_related = ("user",)
    list_filter = ("type",)
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        """Return the organization's."""
        return super().get_queryset(request).filter(ended_at=None, parent=None)


class LoginAdmin(ListAdmin):
    """The login history."""

    list_display = ("created_at", "username", "type", "status", "address", "delegate_user_name")
    list_filter = ("type", "status")
    ordering = ("-created_at", "-id")


class GrantAdmin(ListAdmin):
    """Login access that was granted."""

    list_display = ("user", "support_organization", "granted_at", "expires_at", "revoked_at")
    list_select_related = ("user", "support_organization")
    ordering = ("-id",)


class VisitAdmin(ListAdmin):
    """Who was logged in as whom."""

    list_display = ("started_at", "actor_name", "target_name", "basis", "ended_at", "end_cause")
    list_filter = ("basis", "end_cause")
    ordering = ("-started_at", "-session")


ADMINS: dict[type[Model], type[StockAdmin]] = {
    User: UserAdmin,
    AuditEvent: EventAdmin,
    Session: SessionAdmin,
    Login: LoginAdmin,
    LoginAccessGrant: GrantAdmin,
    Impersonation: VisitAdmin,
}


def tables() -> None:
    """Make the table of stock sessions."""
    if StockSession._meta.db_table not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(StockSession)


def places() -> dict[str, Any]:
    """Return the numbers of pages in the middle and at the end, and the profiles and the role that are asked for."""
    tables()
    found: dict[str, Any] = {
        "profile": Profile.objects.get(standard=StandardProfile.STANDARD_USER).pk,
        "external": Profile.objects.get(standard=StandardProfile.EXTERNAL_USER).pk,
        "administrators": Profile.objects.get(standard=StandardProfile.SYSTEM_ADMINISTRATOR).pk,
        "role": Role.objects.order_by("path")[3].pk,
    }
    for name, rows in {
        "": User.objects.all(),
        "trail ": AuditEvent.objects.all(),
        "sessions ": Session.objects.filter(ended_at=None, parent=None),
        "login history ": Login.objects.all(),
        "grants ": LoginAccessGrant.objects.all(),
        "impersonations ": Impersonation.objects.all(),
    }.items():
        last = max(rows.count() - 1, 0) // PAGE
        found |= {f"{name}middle": (last + 1) // 2 + 1, f"{name}last": last + 1}
    return found


def signed_in(contender: str) -> Browser:
    """Return a browser in which the organization's first administrator is signed in, as Django keeps it."""
    user = User.objects.order_by("pk")[0]
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    is_peer = contender == "impersonate"
    settings.MIDDLEWARE = [*MIDDLEWARE, *(["impersonate.middleware.ImpersonateMiddleware"] if is_peer else [])]
    return Browser(Handler(), {settings.SESSION_COOKIE_NAME: str(session.session_key)})


site, less = Site(), Site("less")
for model, of_list in ADMINS.items():
    site.register(model, of_list)
    # For long tables, says Django: no count of all rows beside that of the rows found.
    less.register(model, type(f"Less{of_list.__name__}", (of_list,), {"show_full_result_count": False}))
urlpatterns: list[URLPattern | URLResolver] = [path("admin/", site.urls), path("less/", less.urls)]
if apps.is_installed("impersonate"):
    urlpatterns.append(path("impersonate/", include("impersonate.urls")))
