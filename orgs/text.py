"""What people type, held to characters that a page can show as they are; and how a few values are written."""

import unicodedata
from collections.abc import Iterable

from django.core.exceptions import ValidationError

# Control characters, halves of characters, ends of lines; and what turns the direction of the text around it.
REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters, numbers, marks on paper and signs are seen; these few are letters and a sign that show as nothing.
SEEN_CATEGORIES = frozenset("LNPS")
UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def is_plain(text: str) -> bool:
    """Tell whether a page can show every character of ``text`` as it is, and none makes another text look like it."""
    # Of NUL Django says so itself.
    return not any(one in TURNING or unicodedata.category(one) in REFUSED_CATEGORIES for one in text.replace("\0", ""))


def validate_plain_text(value: str) -> None:
    """Refuse a text that is not plain."""
    if not is_plain(value):
        raise ValidationError("This holds characters that cannot be shown. Type it anew.", code="odd")


def validate_name(value: str) -> None:
    """Refuse a name that is not plain, or of which nothing shows."""
    validate_plain_text(value)
    if not is_seen(value):
        raise ValidationError("Nothing of this shows on a page. Type a name.", code="unseen")


def validate_plain_lines(value: str) -> None:
    """Refuse the same in a text of several lines, where ends of lines and tabs are what they are."""
    validate_plain_text(value.replace("\r", "").replace("\n", "").replace("\t", ""))


def is_seen(text: str) -> bool:
    """Tell whether anything of ``text`` shows on a page. What nobody can see is nothing."""
    return any(one not in UNSEEN and unicodedata.category(one)[0] in SEEN_CATEGORIES for one in text)


def counted(number: int, noun: str) -> str:
    """Return how many of something: "1 minute", "30 minutes"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: Iterable[object]) -> str:
    """Return names as a sentence has them: "Users, Roles and Profiles"."""
    *others, last = map(str, names)
    return f"{', '.join(others)} and {last}" if others else last


def on_or_off(value: bool) -> str:  # noqa: FBT001  # the value of a switch
    """Return how a page and the trail write a switch."""
    return "on" if value else "off"
