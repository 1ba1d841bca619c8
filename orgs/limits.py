"""Limits: how often something was done within a while, and whether for the first time.

They live in the cache. Where that is away they hold in each process for itself: more passes then, but never all.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, ClassVar

from django.core.cache import cache, caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import PermissionDenied
from django.utils import timezone

logger = logging.getLogger(__name__)

# The alias of the cache that all processes share.
SHARED = "shared"
# Seconds for which a cache that failed is not asked again: a server that says nothing would hold up every request.
LEFT_ALONE = 30.0


class SharedOrProcessCache(LocMemCache):
    """The shared cache while it answers; this process's memory for a while after it did not.

    It is the project's default cache, so that the sign-in's own limits (allauth's) hold too.
    """

    asked_again_at: ClassVar[float] = 0.0

    def _ask(self, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # whatever that method answers
        if monotonic() >= SharedOrProcessCache.asked_again_at:
            try:
                return getattr(caches[SHARED], method)(*args, **kwargs)
            except ValueError:
                # What a cache says to incr() of a key that it does not hold. It is there.
                raise
            except Exception:
                # Each kind of cache has errors of its own, its client's absence among them.
                SharedOrProcessCache.asked_again_at = monotonic() + LEFT_ALONE
                logger.exception("The cache is away: until it is back, limits hold in each process for itself.")
        return getattr(super(), method)(*args, **kwargs)

    def add(self, *args: Any, **kwargs: Any) -> bool:
        return bool(self._ask("add", *args, **kwargs))

    def get(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # what was put there
        return self._ask("get", *args, **kwargs)

    def set(self, *args: Any, **kwargs: Any) -> None:
        self._ask("set", *args, **kwargs)

    def incr(self, *args: Any, **kwargs: Any) -> int:
        return int(self._ask("incr", *args, **kwargs))

    def touch(self, *args: Any, **kwargs: Any) -> bool:
        return bool(self._ask("touch", *args, **kwargs))

    def delete(self, *args: Any, **kwargs: Any) -> bool:
        return bool(self._ask("delete", *args, **kwargs))

    def has_key(self, *args: Any, **kwargs: Any) -> bool:
        return bool(self._ask("has_key", *args, **kwargs))

    def clear(self) -> None:
        """Forget everything, in both places."""
        self._ask("clear")
        super().clear()


@dataclass(frozen=True, slots=True)
class Count:
    """How often something was done, this time included, and when counting begins anew."""

    number: int
    ends_at: datetime


class TooMany(PermissionDenied):
    """Refused until ``ends_at``, for how often it was tried. Answered as 429; a forgotten handler means 403."""

    def __init__(self, words: str, *, ends_at: datetime) -> None:
        self.ends_at = ends_at
        super().__init__(words)


def count(key: str, *, per: timedelta, at: datetime | None = None) -> Count:
    """Count one more of ``key``, and return how many there were since the first one, at most ``per`` ago."""
    start, _ = _window(key, per, at or timezone.now())
    counter = f"{_name(key)}:{start}"
    cache.add(counter, 0, timeout=_seconds(per))
    try:
        number = cache.incr(counter)
    except ValueError:
        # It fell out of the cache since the line above.
        number = 1
        cache.set(counter, number, timeout=_seconds(per))
    return Count(number, datetime.fromtimestamp(start, tz=UTC) + per)


def first_in(key: str, *, per: timedelta, at: datetime | None = None) -> bool:
    """Tell whether this is the first of ``key`` within ``per``. Of two at once, one is."""
    _, is_new = _window(key, per, at or timezone.now())
    return is_new


def _window(key: str, per: timedelta, at: datetime) -> tuple[float, bool]:
    """Return when the while that ``at`` falls into began, and whether it begins now."""
    stamp, name = at.timestamp(), _name(key)
    if cache.add(name, stamp, timeout=_seconds(per)):
        return stamp, True
    start: float | None = cache.get(name)
    # By the time that was passed, not by the cache's own clock alone.
    if start is None or stamp - start >= per.total_seconds():
        cache.set(name, stamp, timeout=_seconds(per))
        return stamp, True
    return start, False


def _name(key: str) -> str:
    return f"limits:{key}"


def _seconds(per: timedelta) -> int:
    return int(per.total_seconds())
