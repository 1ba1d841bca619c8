"""What production refuses to start with: each in a process of its own, with an environment of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a secret of more than fifty characters for a test of production"
PRODUCTION = {"SECRET_KEY": SECRET, "ALLOWED_HOSTS": "portal.example"}
SERVE = "import portal.wsgi; print('serves')"
REFUSED = "django.core.exceptions.ImproperlyConfigured"
CHECK = "import sys; from django.core.management import execute_from_command_line as run; run(['manage.py', 'check'])"


def start(code: str, **environment: str) -> tuple[int, str]:
    """Run ``code`` with the settings that ``environment`` makes, and return how it ended and its last word."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TEST_DATABASE"}}
    result = subprocess.run(  # noqa: S603  # our own interpreter, our own words
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=kept | {"DJANGO_SETTINGS_MODULE": "portal.settings"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return result.returncode, (result.stderr if result.returncode else result.stdout).strip().splitlines()[-1]


def test_production_starts_with_a_secret_its_hosts_and_its_static_files(tmp_path: Path) -> None:
    (tmp_path / "staticfiles.json").write_text('{"version": "1.1", "paths": {"one.css": "one.0.css"}, "hash": "0"}')

    assert start(SERVE, **PRODUCTION, STATIC_ROOT=str(tmp_path)) == (0, "serves")


def test_production_refuses_to_start_without_its_static_files(tmp_path: Path) -> None:
    status, words = start(SERVE, **PRODUCTION, STATIC_ROOT=str(tmp_path))

    assert status == 1
    assert words.startswith(f"{REFUSED}: Static files are not collected: {tmp_path} has no staticfiles.json")
    assert "Run manage.py collectstatic" in words


@pytest.mark.parametrize("secret", [None, "", "x" * 31], ids=["no secret", "empty", "short"])
@pytest.mark.parametrize("code", [SERVE, CHECK], ids=["serve", "check"])
def test_production_refuses_to_start_without_a_secret(code: str, secret: str | None) -> None:
    environment = {} if secret is None else {"SECRET_KEY": secret}

    assert start(code, ALLOWED_HOSTS="portal.example", **environment) == (
        1,
        f"{REFUSED}: Set SECRET_KEY to at least 32 random characters, or DEBUG=true for development.",
    )


@pytest.mark.parametrize("name", ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"])
@pytest.mark.parametrize("code", [SERVE, CHECK], ids=["serve", "check"])
def test_production_refuses_to_start_with_unsafe_cookies(code: str, name: str) -> None:
    status, _ = start(code, **PRODUCTION, **{name: "false"})

    assert status == 1


@pytest.mark.parametrize("code", [SERVE, CHECK], ids=["serve", "check"])
def test_development_settings_refuse_to_answer_to_others(code: str) -> None:
    status, _ = start(code, DEBUG="true", ALLOWED_HOSTS="portal.example")

    assert status == 1


def test_development_starts_with_nothing_but_debug() -> None:
    assert start(SERVE, DEBUG="true") == (0, "serves")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (PRODUCTION, "False False True True True 31536000 []"),
        ({"DEBUG": "true"}, "True False False False False 0 []"),
        ({"DEBUG": "true", "TECHNICAL_PAGES": "true"}, "True True False False False 0 []"),
        (PRODUCTION | {"TECHNICAL_PAGES": "true"}, "False False True True True 31536000 []"),
    ],
    ids=["production", "development", "technical pages", "no technical pages in production"],
)
def test_environment_makes_the_settings(environment: dict[str, str], expected: str) -> None:
    names = (
        "DEVELOPMENT DEBUG SESSION_COOKIE_SECURE CSRF_COOKIE_SECURE SECURE_SSL_REDIRECT SECURE_HSTS_SECONDS "
        "SECRET_KEY_FALLBACKS"
    )
    code = f"from django.conf import settings; print(*(getattr(settings, name) for name in '{names}'.split()))"

    assert start(code, **environment) == (0, expected)


@pytest.mark.parametrize(
    ("prepared", "expected"), [({}, "0"), ({"PREPARED_STATEMENTS": "false"}, "None")], ids=["default", "off"]
)
def test_statements_are_prepared_unless_switched_off(prepared: dict[str, str], expected: str) -> None:
    code = (
        "import django; django.setup(); from django.db import connection as c; "
        "print(c.get_connection_params()['prepare_threshold'])"
    )

    assert start(code, **PRODUCTION, DATABASE_URL="postgres://nobody@127.0.0.1/portal", **prepared) == (0, expected)


POSTGRES = "postgres://nobody@127.0.0.1/portal"
POOL = {"min_size": 1, "timeout": 2, "reconnect_timeout": 1}
WAITS = {"connect_timeout": 5, "keepalives_idle": 30, "tcp_user_timeout": 30_000}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"DATABASE_URL": POSTGRES}, [60, {**WAITS, "prepare_threshold": 0}]),
        (
            {"DATABASE_URL": f"{POSTGRES}?sslmode=verify-full&connect_timeout=9", "PREPARED_STATEMENTS": "false"},
            [60, {**WAITS, "connect_timeout": 9, "sslmode": "verify-full"}],
        ),
        (
            {"DATABASE_URL": POSTGRES, "DATABASE_POOL": "4"},
            [0, {**WAITS, "prepare_threshold": 0, "pool": POOL | {"max_size": 4}}],
        ),
    ],
    ids=["default", "of the address", "pool"],
)
def test_environment_makes_the_connection(environment: dict[str, str], expected: list[object]) -> None:
    code = (
        "import json; from django.conf import settings; found = settings.DATABASES['default']; "
        "print(json.dumps([found['CONN_MAX_AGE'], found['OPTIONS']]))"
    )
    status, said = start(code, **PRODUCTION, **environment)

    assert (status, json.loads(said)) == (0, expected)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("redis://cache:6379/0", ["redis://cache:6379/0", 0.25, 0.25]),
        ("rediss://cache:6379/0?socket_timeout=0.5", ["rediss://cache:6379/0", 0.25, 0.5]),
    ],
)
def test_cache_is_not_waited_for(address: str, expected: list[object]) -> None:
    code = (
        "import json; from django.conf import settings; found = settings.CACHES['shared']; waits = found['OPTIONS']; "
        "print(json.dumps([found['LOCATION'], waits['socket_connect_timeout'], waits['socket_timeout']]))"
    )
    status, said = start(code, **PRODUCTION, CACHE_URL=address)

    assert (status, json.loads(said)) == (0, expected)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [(PRODUCTION, "json"), ({"DEBUG": "true"}, "line"), (PRODUCTION | {"LOG_FORMAT": "line"}, "line")],
    ids=["production", "development", "asked for"],
)
def test_production_logs_json(environment: dict[str, str], expected: str) -> None:
    code = "from django.conf import settings; print(settings.LOGGING['handlers']['console']['formatter'])"

    assert start(code, **environment) == (0, expected)


def test_log_format_that_is_unknown_is_refused() -> None:
    status, said = start(SERVE, **PRODUCTION, LOG_FORMAT="xml")

    assert (status, "xml" in said) == (1, True)
