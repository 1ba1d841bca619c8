"""What people type."""

import pytest
from django.core.exceptions import ValidationError

from orgs.text import is_plain, is_seen, listed, validate_name, validate_plain_lines


@pytest.mark.parametrize(
    ("text", "plain", "seen"),
    [
        ("Grace", True, True),
        ("Ηλίας – 漢字 👍", True, True),
        ("…", True, True),
        ("", True, False),
        (" ", True, False),
        ("\u200b", True, False),
        ("\u3164", True, False),
        ("a\u0007", False, True),
        ("a\u202eb", False, True),
        ("a\ud800", False, True),
        ("a\nb", False, True),
        ("a\0", True, True),
    ],
)
def test_what_a_page_can_show_and_what_is_seen(text: str, plain: bool, seen: bool) -> None:
    assert (is_plain(text), is_seen(text)) == (plain, seen)


def test_a_text_of_several_lines_is_plain_but_for_its_ends_of_lines() -> None:
    validate_plain_lines("one\r\n\ttwo")

    with pytest.raises(ValidationError):
        validate_plain_lines("one\r\n\u202etwo")


@pytest.mark.parametrize("name", ["\u200b", "\u3164 \u200b", "Ac\u202eme"])
def test_a_name_is_plain_and_something_of_it_is_seen(name: str) -> None:
    validate_name(f"A\u200b{name[:1]}")

    with pytest.raises(ValidationError):
        validate_name(name)


@pytest.mark.parametrize(
    ("names", "words"), [(["Users"], "Users"), ("ab", "a and b"), ((1, 2, 3), "1, 2 and 3")], ids=["1", "2", "3"]
)
def test_names_are_listed_as_a_sentence_has_them(names: list[object], words: str) -> None:
    assert listed(names) == words
