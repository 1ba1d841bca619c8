"""System checks: what must hold before a request is answered."""

from itertools import pairwise
from typing import Any

import pytest
from django.core.checks import Error, run_checks
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from portal.checks import MIDDLEWARE_IN_ORDER, TAG, refuse_unsafe_start


def found() -> list[Any]:
    return list(run_checks(tags=[TAG]))


def ids() -> list[str | None]:
    return [one.id for one in found()]


def test_checks_find_nothing_in_the_settings_as_they_are() -> None:
    refuse_unsafe_start()

    assert found() == []


@pytest.mark.parametrize("name", MIDDLEWARE_IN_ORDER)
def test_checks_find_middleware_that_is_missing(settings: Settings, name: str) -> None:
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if one != name]

    assert found() == [
        Error(f"MIDDLEWARE lacks {name}.", hint="Add them in the order of portal/checks.py.", id="portal.E001")
    ]


@pytest.mark.parametrize(("first", "second"), list(pairwise(MIDDLEWARE_IN_ORDER)))
def test_checks_find_middleware_that_is_out_of_order(settings: Settings, first: str, second: str) -> None:
    swapped = {first: second, second: first}
    settings.MIDDLEWARE = [swapped.get(one, one) for one in settings.MIDDLEWARE]

    assert found() == [
        Error(
            "MIDDLEWARE has the portal's middleware out of order.",
            hint=f"The order must be: {', '.join(MIDDLEWARE_IN_ORDER)}.",
            id="portal.E002",
        )
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"SESSION_ENGINE": "django.contrib.sessions.backends.db"}, "portal.E003"),
        ({"MESSAGE_STORAGE": "django.contrib.messages.storage.fallback.FallbackStorage"}, "portal.E004"),
        ({"SESSION_COOKIE_HTTPONLY": False}, "portal.E005"),
        ({"CSRF_COOKIE_HTTPONLY": False}, "portal.E005"),
        ({"DEVELOPMENT": False, "SESSION_COOKIE_SECURE": False, "CSRF_COOKIE_SECURE": True}, "portal.E006"),
        ({"DEVELOPMENT": False, "SESSION_COOKIE_SECURE": True, "CSRF_COOKIE_SECURE": False}, "portal.E006"),
        ({"DEVELOPMENT": True, "ALLOWED_HOSTS": ["localhost", "portal.example"]}, "portal.E007"),
        ({"DEVELOPMENT": True, "ALLOWED_HOSTS": ["*"]}, "portal.E007"),
        ({"METRICS_TOKEN": "x" * 31}, "portal.E008"),
        ({"METRICS_TOKEN": "ü" * 32}, "portal.E008"),
        ({"METRICS_TOKEN": "x" * 32 + "\n"}, "portal.E008"),
    ],
)
def test_checks_find_settings_that_are_unsafe(settings: Settings, changes: dict[str, Any], expected: str) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)

    assert ids() == [expected]
    with pytest.raises(ImproperlyConfigured, match=expected):
        refuse_unsafe_start()


@pytest.mark.parametrize(
    "changes",
    [
        {"DEVELOPMENT": False, "SESSION_COOKIE_SECURE": True, "CSRF_COOKIE_SECURE": True, "ALLOWED_HOSTS": ["*"]},
        {"DEVELOPMENT": True, "SESSION_COOKIE_SECURE": False, "CSRF_COOKIE_SECURE": False},
        {"METRICS_TOKEN": "x" * 32},
    ],
    ids=["production", "development", "metrics"],
)
def test_checks_let_safe_settings_pass(settings: Settings, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)

    assert ids() == []


def test_silenced_check_still_refuses_the_start(settings: Settings) -> None:
    settings.SESSION_COOKIE_HTTPONLY = False
    settings.SILENCED_SYSTEM_CHECKS = ["portal.E005"]

    with pytest.raises(ImproperlyConfigured, match=r"portal\.E005"):
        refuse_unsafe_start()
