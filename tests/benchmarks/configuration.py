"""Django configured for one contender. To be called before anything that holds a model is imported."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings

if TYPE_CHECKING:
    from tests.benchmarks.contenders import Contender

# The same for all: connections stay open, and no hidden "SELECT 1" before the first query of a request.
CONNECTIONS = {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": False}
PORTAL_MIDDLEWARE = (
    "accounts.middleware.SessionMiddleware",
    "accounts.middleware.IdentityMiddleware",
    "accounts.middleware.ImpersonationMiddleware",
)


def configure(contender: Contender) -> None:
    """Set Django up: a library's settings as its documentation has them, or the portal's own."""
    if contender.is_portal:
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        settings.DATABASES["default"].update(CONNECTIONS)
        settings.DEBUG_PROPAGATE_EXCEPTIONS = True
        settings.ROOT_URLCONF = "tests.benchmarks.urls"
    else:
        settings.configure(**stock_settings(contender))
    django.setup()


def stock_settings(contender: Contender) -> dict[str, Any]:
    """Return stock Django with one library, on the portal's own connection options."""
    databases: dict[str, dict[str, Any]] = import_module("portal.settings").DATABASES
    databases["default"].update(CONNECTIONS)
    databases["default"].setdefault("OPTIONS", {}).update(contender.database_options)
    return {
        "DEBUG_PROPAGATE_EXCEPTIONS": True,
        "SECRET_KEY": os.environ["SECRET_KEY"],
        "ALLOWED_HOSTS": ["testserver"],
        "DATABASES": databases,
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "INSTALLED_APPS": [
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            *contender.apps,
        ],
        "MIDDLEWARE": [*contender.middleware],
        "ROOT_URLCONF": "tests.benchmarks.urls",
        "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        "LOGIN_REDIRECT_URL": "/",
        "LOGOUT_REDIRECT_URL": "/",
        "USE_I18N": False,
        "USE_TZ": True,
    }
