"""Who signed in to the demo, who was turned away, and which browsers are still open."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from accounts.services.sign_in import LOCKED_FOR, WRONG_PASSWORDS, record_failed_sign_in, record_sign_in
from orgs.http import Origin

from .history import DAYS, History, open_session, origin_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accounts.models import User

SATURDAY = 5
# How often someone signs in on a working day, and how often the password is wrong at first.
SIGN_IN, WRONG = 0.4, 0.06
# Who, signed in how many minutes ago, and last active how many minutes ago. Nobody whom one signs in as first.
OPEN = {
    "acme.example": (("grace", 87, 4), ("linus", 74, 31), ("joan", 66, 2), ("barbara", 58, 17), ("hedy", 12, 1)),
    "hooli.example": (("hana", 41, 6),),
}


def add_sign_ins(history: History, people: Sequence["User"]) -> None:
    """Let everyone sign in now and then on working days, sometimes with a wrong password first."""
    chance = random.Random(people[0].username)  # noqa: S311  # a demo's, and the same each time
    for days_ago in range(DAYS - 2, 0, -1):
        if history.moment(days_ago, 0).weekday() >= SATURDAY:
            continue
        for user in people:
            if chance.random() > SIGN_IN:
                continue
            at = history.moment(days_ago, chance.randint(7, 17), chance.randint(0, 59), chance.randint(0, 59))
            origin = origin_of(user)
            if chance.random() < WRONG:
                wrong_at = at - timedelta(seconds=20)
                history.add(wrong_at, partial(record_failed_sign_in, user.username, origin=origin))
            history.add(at, partial(_sign_in, user, origin=origin))


def _sign_in(user: "User", *, origin: Origin, at: datetime) -> None:
    """Sign in, or be turned away like anyone who has left or is frozen by then."""
    user.refresh_from_db(fields=["is_active", "is_frozen"])
    if user.is_active and not user.is_frozen:
        record_sign_in(user, origin=origin, at=at)
    else:
        record_failed_sign_in(user.username, origin=origin, at=at)


def add_lock_out(history: History, user: "User", *, at: datetime) -> None:
    """Let someone be locked out for a quarter of an hour, try once more meanwhile, and get in after it."""
    origin = origin_of(user)
    for number in range(WRONG_PASSWORDS + 1):
        wrong_at = at + timedelta(seconds=15 * number)
        history.add(wrong_at, partial(record_failed_sign_in, user.username, origin=origin))
    history.add(at + LOCKED_FOR + timedelta(minutes=5), partial(record_sign_in, user, origin=origin))


def add_open_sessions(history: History, people: "Mapping[str, User]") -> None:
    """Let some people of one organization have signed in just now. When these run out nobody renews them."""
    domain = next(iter(people.values())).username.partition("@")[2]
    for name, signed_in, active in OPEN.get(domain, ()):
        at, active_at = (history.now - timedelta(minutes=minutes) for minutes in (signed_in, active))
        history.add(at, partial(_open, people[name], active_at))


def _open(user: "User", active_at: datetime, *, at: datetime) -> None:
    open_session(user, origin=origin_of(user), at=at, active_at=active_at)
