"""Who is measured: plain data, one entry each. Nothing here imports Django."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

SESSION: Final = "django.contrib.sessions.middleware.SessionMiddleware"
AUTHENTICATION: Final = "django.contrib.auth.middleware.AuthenticationMiddleware"
MESSAGES: Final = "django.contrib.messages.middleware.MessageMiddleware"


@dataclass(frozen=True, slots=True)
class Post:
    """A POST that starts or leaves; the target's key stands in its path, in a field of its form, or nowhere."""

    path: str
    field: str = ""

    def path_for(self, pk: int) -> str:
        """Return the path for this target."""
        return self.path.format(pk=pk)

    def data_for(self, pk: int) -> dict[str, str]:
        """Return the form for this target."""
        return {self.field: str(pk)} if self.field else {}


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to know who is asking, set up as its own documentation says."""

    name: str
    label: str
    distribution: str  # what pip calls it: is it installed, and which version
    apps: tuple[str, ...] = ()
    middleware: tuple[str, ...] = ()
    urls: str = ""
    mount: str = "library/"
    start: Post | None = None
    leave: Post | None = None
    environment: tuple[tuple[str, str], ...] = ()
    database_options: tuple[tuple[str, Any], ...] = ()
    postgresql_only: bool = False

    @property
    def is_portal(self) -> bool:
        """Whether this is ours, with the portal's own settings."""
        return self.name.startswith("portal")


PLAIN: Final = Contender("plain", "plain Django", "Django", middleware=(SESSION, AUTHENTICATION))
PLAIN_PREPARED: Final = Contender(  # what Django could do itself, were every statement prepared
    "plain_prepared",
    "plain Django, server-side binding, all prepared",
    "Django",
    middleware=PLAIN.middleware,
    database_options=(("server_side_binding", True), ("prepare_threshold", 0)),
    postgresql_only=True,
)
HIJACK: Final = Contender(
    "hijack",
    "django-hijack",
    "django-hijack",
    apps=("hijack",),
    middleware=(SESSION, AUTHENTICATION, "hijack.middleware.HijackUserMiddleware"),
    urls="hijack.urls",
    start=Post("/library/acquire/", field="user_pk"),
    leave=Post("/library/release/"),
)
IMPERSONATE: Final = Contender(
    "impersonate",
    "django-impersonate",
    "django-impersonate",
    apps=("impersonate",),
    middleware=(SESSION, AUTHENTICATION, "impersonate.middleware.ImpersonateMiddleware"),
    urls="impersonate.urls",
    start=Post("/library/{pk}/"),
    leave=Post("/library/stop/"),
)
LOGINAS: Final = Contender(
    "loginas",
    "django-loginas",
    "django-loginas",
    apps=("django.contrib.messages", "django.contrib.admin", "loginas"),
    middleware=(SESSION, AUTHENTICATION, MESSAGES),  # its leave does not work without messages
    urls="loginas.urls",
    start=Post("/library/login/user/{pk}/"),
    leave=Post("/library/logout/"),
)
PORTAL: Final = Contender(
    "portal",
    "portal",
    "Django",
    urls="portal.urls",
    mount="",
    start=Post("/setup/users/{pk}/login-as/"),
    leave=Post("/logout/"),
)
PORTAL_UNPREPARED: Final = Contender(
    "portal_unprepared",
    "portal, PREPARED_STATEMENTS=false",
    "Django",
    urls=PORTAL.urls,
    mount=PORTAL.mount,
    start=PORTAL.start,
    leave=PORTAL.leave,
    environment=(("PREPARED_STATEMENTS", "false"),),
    postgresql_only=True,
)
EVERYONE: Final = (PLAIN, PLAIN_PREPARED, HIJACK, IMPERSONATE, LOGINAS, PORTAL, PORTAL_UNPREPARED)
CONTENDERS: Final = {contender.name: contender for contender in EVERYONE}
