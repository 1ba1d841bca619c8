"""Limits: in the shared cache, and in this process where that is away."""

import logging
import socket
from collections.abc import Generator
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache, caches
from django.test import override_settings

from orgs import limits
from orgs.limits import Count, SharedOrProcessCache, count, first_in

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
DEFAULT = {
    "BACKEND": "orgs.limits.SharedOrProcessCache",
    "LOCATION": "process",
}
# Nobody listens on the port of tcpmux.
REDIS_THAT_IS_AWAY = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": "redis://127.0.0.1:1/0",
    "OPTIONS": {"socket_connect_timeout": 1},
}


@pytest.fixture(autouse=True)
def nothing_is_counted_yet() -> Generator[None]:
    cache.clear()
    SharedOrProcessCache.asked_again_at = 0.0
    yield
    SharedOrProcessCache.asked_again_at = 0.0
    cache.clear()


@pytest.fixture
def away(caplog: pytest.LogCaptureFixture) -> Generator[pytest.LogCaptureFixture]:
    """Settings that name a Redis which is not there."""
    with override_settings(CACHES={"default": DEFAULT, "shared": REDIS_THAT_IS_AWAY}), caplog.at_level(logging.ERROR):
        yield caplog


def test_count_goes_up_until_the_while_is_over() -> None:
    times = [AT, AT + SECOND, AT + HOUR - SECOND, AT + HOUR, AT + HOUR + SECOND]

    counted = [count("one", per=HOUR, at=at) for at in times]

    assert counted == [
        Count(1, AT + HOUR),
        Count(2, AT + HOUR),
        Count(3, AT + HOUR),
        Count(1, AT + 2 * HOUR),
        Count(2, AT + 2 * HOUR),
    ]


def test_each_key_is_counted_for_itself() -> None:
    assert [count(key, per=HOUR, at=AT).number for key in ("one", "other", "one")] == [1, 1, 2]


def test_first_in_a_while_is_one() -> None:
    times = [AT, AT + SECOND, AT + HOUR - SECOND, AT + HOUR, AT + HOUR + SECOND]

    assert [first_in("one", per=HOUR, at=at) for at in times] == [True, False, False, True, False]
    assert first_in("other", per=HOUR, at=AT + SECOND)


def test_time_is_now_unless_told() -> None:
    assert [first_in("one", per=HOUR) for _ in range(2)] == [True, False]
    assert [count("two", per=HOUR).number for _ in range(2)] == [1, 2]


def test_count_begins_anew_where_the_cache_lost_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        count("one", per=HOUR, at=AT)
    # It falls out between the two statements that count.
    monkeypatch.setattr(SharedOrProcessCache, "add", lambda self, key, *_, **__: self.delete(key))

    assert [count("one", per=HOUR, at=AT).number for _ in range(2)] == [1, 1]


def test_limits_live_in_the_shared_cache() -> None:
    count("one", per=HOUR, at=AT)

    assert caches["shared"].get(f"limits:one:{AT.timestamp()}") == 1


def test_limits_hold_in_the_process_while_the_cache_is_away(away: pytest.LogCaptureFixture) -> None:
    assert [count("one", per=HOUR, at=AT).number for _ in range(3)] == [1, 2, 3]
    assert [first_in("two", per=HOUR, at=AT) for _ in range(2)] == [True, False]
    assert len(away.records) == 1
    assert away.messages[0].startswith("The cache is away")


def test_cache_that_is_away_does_what_a_cache_does(away: pytest.LogCaptureFixture) -> None:
    cache.set("a", 1, 60)

    assert (cache.get("a"), cache.has_key("a"), cache.touch("a", 60), cache.incr("a"), "a" in cache) == (
        1,
        True,
        True,
        2,
        True,
    )
    assert (cache.delete("a"), cache.get("a"), cache.add("a", 3), cache.get_or_set("a", 4)) == (True, None, True, 3)
    cache.clear()
    assert cache.get("a") is None


def test_cache_that_failed_is_left_alone_for_a_while(
    away: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([1000.0, 1000.0, 1000.0 + limits.LEFT_ALONE - 1, 1000.0 + limits.LEFT_ALONE])
    monkeypatch.setattr(limits, "monotonic", lambda: next(clock, 3000.0))

    for _ in range(3):
        cache.get("a")

    assert len(away.records) == 2


def test_cache_that_came_back_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(limits, "monotonic", lambda: now)
    with override_settings(CACHES={"default": DEFAULT, "shared": REDIS_THAT_IS_AWAY}):
        count("one", per=HOUR, at=AT)

    now += limits.LEFT_ALONE
    count("one", per=HOUR, at=AT)

    assert caches["shared"].get(f"limits:one:{AT.timestamp()}") == 1


@pytest.fixture
def silent_port() -> Generator[int]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_limits_hold_while_the_cache_says_nothing(silent_port: int, caplog: pytest.LogCaptureFixture) -> None:
    silent = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": f"redis://127.0.0.1:{silent_port}/0",
        "OPTIONS": {"socket_connect_timeout": 0.1, "socket_timeout": 0.1},
    }
    with override_settings(CACHES={"default": DEFAULT, "shared": silent}):
        numbers = [count("one", per=HOUR, at=AT).number for _ in range(3)]

    # It was asked once, and then left alone.
    (record,) = caplog.records
    assert numbers == [1, 2, 3]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "Timeout reading from socket"
