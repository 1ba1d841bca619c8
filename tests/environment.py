"""The environment that tests and type checks read the settings under.

Both load this before they load Django: pytest by ``-p tests.environment``, mypy as a plugin. What is set here wins
over the caller's, so that a suite run beside a production shell is still a test run. ``DATABASE_URL`` and
``TEST_DATABASE`` stay the caller's: which database, and where the test database goes.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy.plugin import Plugin

os.environ |= {
    "DEBUG": "true",
    "TECHNICAL_PAGES": "false",
    # A hasher that resists guessing would be most of the suite's time.
    "PASSWORD_HASHERS": "django.contrib.auth.hashers.MD5PasswordHasher",
}


def plugin(version: str) -> "type[Plugin]":
    """Answer mypy, which has what it came for by loading this."""
    from mypy.plugin import Plugin  # noqa: PLC0415  # pytest has no use for it

    return Plugin
