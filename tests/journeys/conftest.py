"""Whose browser it is."""

from typing import TYPE_CHECKING

import pytest
from django.core.cache import cache

from .browsing import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accounts.models import User


@pytest.fixture(autouse=True)
def _nobody_has_tried_before() -> "Iterator[None]":
    """Sign-ins of one test do not count against the limits that the next one meets."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def adas(ada: "User") -> Browser:
    """Ada's browser: she has signed in on the login page."""
    browser = Browser()
    browser.sign_in(ada)
    return browser
