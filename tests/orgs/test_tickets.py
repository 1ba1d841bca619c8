"""Ticket numbers: an example of what a pattern takes."""

import pytest

from orgs.tickets import example_of, is_ticket


@pytest.mark.parametrize(
    ("pattern", "example"),
    [
        ("OPS-[0-9]+", "OPS-123"),
        (r"SOY-\d{3,6}", "SOY-123"),
        (r"^[A-Z]{2}\-\d{4}$", "AB-1234"),
        ("T-[0-9]*x?", "T-123x"),
        ("#[a-z]/_1", "#a/_1"),
        # Not simple: no example is better than a wrong one.
        ("(a|b)-1", ""),
        ("T-.*", ""),
        ("[0-9]{60}", ""),
        ("A{50}", ""),
        ("T-[0-9]+|X", ""),
    ],
)
def test_example_is_what_the_pattern_takes(pattern: str, example: str) -> None:
    assert example_of(pattern) == example
    assert not example or is_ticket(pattern, example)
