"""Ticket numbers: the pattern that an organization gives them, and where one is to be read.

Patterns are RE2's, which matches in time that grows with the text alone (https://github.com/google/re2/wiki/Syntax):
no pattern that an administrator types can hold up the server. What needs backtracking is not taken.
"""

from functools import lru_cache
from typing import Any
from urllib.parse import quote

import re2

PLACE = "{ticket}"
_MEMORY = 1 << 20


class NotAPattern(ValueError):  # noqa: N818  # said as a page says it
    """A text that is no pattern, with what is wrong about it."""


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:  # noqa: ANN401  # RE2 has no types
    """Return a pattern ready to match, or raise :class:`NotAPattern`."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        words = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise NotAPattern(words) from error


def is_ticket(pattern: str, text: str) -> bool:
    """Tell whether the whole of ``text`` matches ``pattern``."""
    return bool(compiled(pattern).fullmatch(text))


def ticket_url(template: str, ticket: str) -> str:
    """Return where ``ticket`` is to be read; nothing without a template or a ticket."""
    return template.replace(PLACE, quote(ticket, safe="")) if template and ticket else ""
