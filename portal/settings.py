"""Settings, one file, top to bottom; machines differ by environment, not by module.

``DEBUG=true`` opens development: everything else then has a default. Without it nothing secret has one, and what
would be unsafe refuses to start (:mod:`portal.checks` says which).
"""

from pathlib import Path
from typing import Any, Final

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from portal.logs import LOG_FORMATS, logging_config

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

# --- development or production -----------------------------------------------------------------------------------

DEVELOPMENT = env.bool("DEBUG", default=False)
# Django's technical pages are for Django's developers; the demo shows the portal's own, with their banner.
DEBUG = DEVELOPMENT and env.bool("TECHNICAL_PAGES", default=False)
if DEVELOPMENT:
    SECRET_KEY = env.str("SECRET_KEY", default="development only, never in production: 7d1c0a52e4b94f0b8d6a")
else:
    SECRET_KEY = env.str("SECRET_KEY", default="")
    if len(SECRET_KEY) < 32:  # noqa: PLR2004  # Django's own deployment check asks more; this is the floor
        message = "Set SECRET_KEY to at least 32 random characters, or DEBUG=true for development."
        raise ImproperlyConfigured(message)
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if DEVELOPMENT else [])

# --- the portal's own --------------------------------------------------------------------------------------------

# Where an empty one would be shown, the sentence is left out.
SALES_PHONE = env.str("SALES_PHONE", default="1-800-NO-SOFTWARE")
IDEA_URL = env.str("IDEA_URL", default="")
# How many proxies of one's own stand in front and append to X-Forwarded-For.
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)

# --- applications ------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    # First, so that accounts can take over what it connects (accounts/receivers.py).
    "django.contrib.auth",
    "portal",
    "orgs",
    "accounts",
    # Without looking for models by itself: portal/console.py says what the console has.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "treebeard",
    "allauth",
    "allauth.account",
    "bootstrap",
    "django_bootstrap5",
    "django_htmx",
    "heroicons",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.content_policy.ContentPolicyMiddleware",
    "orgs.middleware.RequestIdMiddleware",
    "portal.middleware.RequestLogMiddleware",
    "portal.middleware.ProbeMiddleware",
    "accounts.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.middleware.IdentityMiddleware",
    "accounts.middleware.ImpersonationMiddleware",
    "orgs.middleware.MomentsMiddleware",
    "accounts.visit_log.VisitLogMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "portal.middleware.NotAllowedPageMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [("django.template.loaders.cached.Loader", ["portal.template_loader.Loader"])],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.shell",
            ],
        },
    },
]

# --- database ----------------------------------------------------------------------------------------------------

# What libpq does about a server, or a network on the way, that says nothing: seconds, but for the third (ms). The query
# of DATABASE_URL counts more, and holds whatever else libpq knows ("?sslmode=verify-full").
PATIENCE_WITH_POSTGRESQL = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "tcp_user_timeout": 30_000,
}
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}"),
}
database = DATABASES["default"]
test_database = env.str("TEST_DATABASE", default="")
if database["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE: two transactions that read and then write would otherwise be "database is locked" at once.
    database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    # A file, since threads of a test share no memory database.
    database["TEST"] = {"NAME": test_database or str(BASE_DIR / "test.sqlite3")}
else:
    # The most connections that each process holds for its threads to share; none: each thread keeps its own.
    pool = env.int("DATABASE_POOL", default=0)
    database["CONN_MAX_AGE"] = 0 if pool else env.int("CONN_MAX_AGE", default=60)
    database["CONN_HEALTH_CHECKS"] = True
    # A list of choices would open one, a cursor of the session's: three statements for one, and lost behind a pooler.
    database["DISABLE_SERVER_SIDE_CURSORS"] = True
    # Only the identity statement is prepared (accounts/session_store.py). Behind a pooler that keeps no prepared
    # statements (pgbouncer before 1.21 in transaction mode), switch it off.
    prepared = {"prepare_threshold": 0} if env.bool("PREPARED_STATEMENTS", default=True) else {}
    # Seconds. With psycopg's own (30, 300) requests wait while the server is away, and for long after it is back.
    sizes = {"min_size": 1, "max_size": pool, "timeout": 2, "reconnect_timeout": 1}
    pooled = {"pool": sizes} if pool else {}
    database["OPTIONS"] = PATIENCE_WITH_POSTGRESQL | prepared | pooled | database.get("OPTIONS", {})
    if test_database:
        database["TEST"] = {"NAME": test_database}
# A streaming replica of it. Downloads read from it where it has all that was written (orgs/replicas.py); nothing else.
if replica_url := env.str("DATABASE_REPLICA_URL", default=""):
    replica: dict[str, Any] = env.db_url_config(replica_url)
    replica |= {"CONN_HEALTH_CHECKS": True, "DISABLE_SERVER_SIDE_CURSORS": True, "TEST": {"MIRROR": "default"}}
    # One that is away must not hold up a download that the primary can answer.
    replica["OPTIONS"] = PATIENCE_WITH_POSTGRESQL | {"connect_timeout": 2} | replica.get("OPTIONS", {})
    DATABASES["replica"] = replica
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Without a number of its own, memory holds 300 entries: so few are soon pushed out by others.
shared_cache: dict[str, Any] = env.cache("CACHE_URL", default="locmemcache://?max_entries=100000")
if shared_cache["BACKEND"] == "django.core.cache.backends.redis.RedisCache":
    # Seconds. It answers within one thousandth; where it doesn't, limits do without it for a while (orgs/limits.py).
    shared_cache["OPTIONS"] = {"socket_connect_timeout": 0.25, "socket_timeout": 0.25} | shared_cache.get("OPTIONS", {})
CACHES = {
    # What everything asks: the shared one, or this process's memory where that is away. Limits always hold.
    "default": {
        "BACKEND": "orgs.limits.SharedOrProcessCache",
        "LOCATION": "process",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
    "shared": shared_cache,
}

# --- who is it ---------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.PasswordBackend"]
SESSION_ENGINE = "accounts.session_store"
# The server ends sessions (orgs SessionSettings); the cookie goes with the browser.
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_NAME = "portal_session"
SESSION_COOKIE_SECURE = env.bool("SESSION_COOKIE_SECURE", default=not DEVELOPMENT)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE: Final = "Lax"
# Beside a worn session the browser holds this one. It authenticates nothing (accounts/services/impersonation.py).
RETURN_COOKIE_NAME = "portal_return"
# The token is read from the page only, and rotates with every change of person: a stale tab's write is nobody's.
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SECURE = env.bool("CSRF_COOKIE_SECURE", default=not DEVELOPMENT)
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "portal.views.csrf_failure"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# In the session: a message cookie would carry the administrator's messages to the target.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account_login"

PASSWORD_HASHERS = env.list(
    "PASSWORD_HASHERS",
    default=[
        "django.contrib.auth.hashers.Argon2PasswordHasher",
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    ],
)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# allauth signs people in by username and password and resets passwords by mail; sign-up is closed.
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_UNIQUE_EMAIL = False
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_PREVENT_ENUMERATION = True
# Its mail would lead to a sign-up that is not there; an address that nobody has is answered like one that somebody has.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_LOGIN_ON_PASSWORD_RESET = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_USERNAME_MAX_LENGTH = 254
ACCOUNT_USER_DISPLAY = "accounts.adapter.user_display"
# A wrong password counts on the account (accounts/backends.py: ten lock it); by address this is the roof over all.
ACCOUNT_RATE_LIMITS = {"login": "120/m/ip", "login_failed": "60/m/ip", "reset_password": "20/m/ip,5/m/key"}

# --- mail --------------------------------------------------------------------------------------------------------

vars().update(env.email("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Portal <portal@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
# Seconds. Without a limit a mail server that says nothing would hold up whoever waits for the answer to a click.
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=10)

# --- language and time -------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# --- assets ------------------------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))
WHITENOISE_USE_FINDERS = DEVELOPMENT
WHITENOISE_AUTOREFRESH = DEVELOPMENT
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEVELOPMENT
        else "whitenoise.storage.CompressedManifestStaticFilesStorage",
    },
}

# A label stands above each field; the same words inside it say nothing more.
BOOTSTRAP5 = {"set_placeholder": False}
# Where the focus is after a refusal.
FORM_RENDERER = "portal.form_focus.FormRenderer"

# --- headers -----------------------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not DEVELOPMENT)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0 if DEVELOPMENT else 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_SECONDS > 0
SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- logs --------------------------------------------------------------------------------------------------------

LOGGING = logging_config(
    env.str("LOG_FORMAT", default="line" if DEVELOPMENT else "json", choices=LOG_FORMATS),
    env.str("LOG_LEVEL", default="INFO"),
)
# Prometheus reads /metrics with "Authorization: Bearer" and this. Without one the page is not there.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
