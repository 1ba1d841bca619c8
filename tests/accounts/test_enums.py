"""What is said to the one whose account it is, beside what is said of them."""

import re

import pytest

from accounts.enums import Basis, EndCause, GrantDuration, Refusal

# Said to whoever tries, and on no page of the target's.
TO_THE_ACTOR = {Refusal.NOT_FOUND, Refusal.NO_PERMISSION, Refusal.SELF, Refusal.NESTED, Refusal.NOT_DELEGATE}
TOLD = [*Basis, *EndCause, *(one for one in Refusal if one not in TO_THE_ACTOR)]
SPEAKS_OF_THE_USER = re.compile(r"\b(this|the) user\b", re.IGNORECASE)


@pytest.mark.parametrize("one", TOLD, ids=lambda one: f"{type(one).__name__}.{one.name}")
def test_target_is_spoken_to(one: Basis | EndCause | Refusal) -> None:
    label = str(one.label)

    assert not SPEAKS_OF_THE_USER.search(one.to_target)
    # What does not speak of the user is the same for everybody.
    is_about_user = SPEAKS_OF_THE_USER.search(label) or "external site user" in label
    assert (one.to_target == label) is not bool(is_about_user)


def test_duration_stands_in_a_sentence() -> None:
    assert [one.in_a_sentence for one in (GrantDuration.DAY, GrantDuration.THREE_DAYS)] == ["1 day", "3 days"]
