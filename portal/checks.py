"""System checks: what must hold before a request is answered."""

from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.checks import Error, register, run_checks
from django.core.checks.messages import CheckMessage
from django.core.exceptions import ImproperlyConfigured

TAG = "portal"
# What only this machine answers to. The test client's name stands beside it.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]", "testserver"})

# Of the token that opens /metrics.
TOKEN_LENGTH = 32

# Each stands somewhere after the one before it.
MIDDLEWARE_IN_ORDER = (
    "accounts.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.middleware.IdentityMiddleware",
    "accounts.middleware.ImpersonationMiddleware",
    "orgs.middleware.MomentsMiddleware",
    "accounts.visit_log.VisitLogMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
)


@register(TAG)
def check_middleware(**kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001
    """Find who-is-it middleware that is missing or out of order: without it nobody asks the rule again."""
    present = [name for name in settings.MIDDLEWARE if name in MIDDLEWARE_IN_ORDER]
    missing = [name for name in MIDDLEWARE_IN_ORDER if name not in present]
    if missing:
        return [
            Error(
                f"MIDDLEWARE lacks {', '.join(missing)}.",
                hint="Add them in the order of portal/checks.py.",
                id="portal.E001",
            )
        ]
    if present != list(MIDDLEWARE_IN_ORDER):
        hint = f"The order must be: {', '.join(MIDDLEWARE_IN_ORDER)}."
        return [Error("MIDDLEWARE has the portal's middleware out of order.", hint=hint, id="portal.E002")]
    return []


@register(TAG)
def check_sessions(**kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001
    """Find settings under which a session could be planted, leaked or kept."""
    found: list[CheckMessage] = []
    if settings.SESSION_ENGINE != "accounts.session_store":
        found.append(Error("SESSION_ENGINE must be accounts.session_store.", id="portal.E003"))
    if settings.MESSAGE_STORAGE != "django.contrib.messages.storage.session.SessionStorage":
        found.append(
            Error(
                "MESSAGE_STORAGE must be the session's: a cookie would show the actor's messages to the target.",
                id="portal.E004",
            )
        )
    if not (settings.CSRF_COOKIE_HTTPONLY and settings.SESSION_COOKIE_HTTPONLY):
        found.append(Error("SESSION_COOKIE_HTTPONLY and CSRF_COOKIE_HTTPONLY must be on.", id="portal.E005"))
    if settings.DEVELOPMENT and (others := [host for host in settings.ALLOWED_HOSTS if host not in LOOPBACK]):
        hint = "Start without DEBUG, or let ALLOWED_HOSTS name this machine alone."
        found.append(
            Error(
                f"DEBUG=true is for one's own machine, and would answer as {', '.join(others)}.",
                hint=hint,
                id="portal.E007",
            )
        )
    if not settings.DEVELOPMENT and not (settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE):
        found.append(Error("SESSION_COOKIE_SECURE and CSRF_COOKIE_SECURE must be on in production.", id="portal.E006"))
    return found


@register(TAG)
def check_metrics(**kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001
    """Find a token that could be guessed."""
    token = settings.METRICS_TOKEN
    if token and (len(token) < TOKEN_LENGTH or not token.isascii() or not token.isprintable()):
        hint = "Leave it out, or take what `openssl rand -hex 32` prints."
        return [
            Error(f"METRICS_TOKEN must be {TOKEN_LENGTH} characters of ASCII or more.", hint=hint, id="portal.E008")
        ]
    return []


def refuse_unsafe_start() -> None:
    """Raise ImproperlyConfigured where a server must not start; ``manage.py`` runs the checks by itself."""
    errors = [str(found) for found in run_checks(tags=[TAG]) if found.is_serious()]
    # No check of ``manage.py``: those come before collectstatic has made what this asks for.
    if getattr(staticfiles_storage, "hashed_files", None) == {}:
        errors.append(
            f"Static files are not collected: {settings.STATIC_ROOT} has no staticfiles.json, and "
            "no page could be shown. Run manage.py collectstatic, or set STATIC_ROOT to where it wrote."
        )
    if errors:
        raise ImproperlyConfigured("\n".join(errors))
