"""Ticket numbers: the pattern that an organization gives them, and where one is to be read.

Patterns are RE2's, which matches in time that grows with the text alone (https://github.com/google/re2/wiki/Syntax):
no pattern that an administrator types can hold up the server. What needs backtracking is not taken.
"""

import re
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import re2

PLACE = "{ticket}"
_MEMORY = 1 << 20
LONGEST_EXAMPLE = 40


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


# A pattern of plain characters and simple classes, such as OPS-[0-9]+: what stands for one character, and how often.
_PART = re.compile(r"(\\d|\[0-9\]|\[A-Z\]|\[a-z\]|\\-|[A-Za-z0-9#/_-])(\+|\*|\?|\{(\d+)(?:,\d*)?\})?")
_SAMPLES = {r"\d": "123456789", "[0-9]": "123456789", "[A-Z]": "ABCDEFGHI", "[a-z]": "abcdefghi", r"\-": "-"}


@lru_cache(maxsize=256)
def example_of(pattern: str) -> str:
    """Return a ticket number that ``pattern`` takes, or nothing where it is not a simple one."""
    plain, example, at = pattern.removeprefix("^").removesuffix("$"), "", 0
    while found := _PART.match(plain, at):
        sample, at = _SAMPLES.get(found[1], found[1]), found.end()
        # As many as it wants; where that is any number, some that look like one.
        times = int(found[3]) if found[3] else 3 if found[2] in {"+", "*"} else 1
        example += (sample * times)[: min(times, LONGEST_EXAMPLE)]
    is_one = at == len(plain) and len(example) <= LONGEST_EXAMPLE and is_ticket(pattern, example)
    return example if is_one else ""


def ticket_url(template: str, ticket: str) -> str:
    """Return where ``ticket`` is to be read; nothing without a template or a ticket."""
    return template.replace(PLACE, quote(ticket, safe="")) if template and ticket else ""
