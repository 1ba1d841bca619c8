"""Text as lists sort and compare it."""

import unicodedata


def sort_key(text: str) -> str:
    """Return ``text`` as lists sort and compare it: NFKC and case folded (Unicode UAX #15, default caseless match)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
