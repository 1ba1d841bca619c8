"""Django's own table with as many sessions: who somebody is, and who hijacked whom, stands in the encoded data."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from tests.benchmarks.copies import NUMBERS
from tests.benchmarks.endings_worker import OF_EACH, Figure, Size, check, measured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

# Decoding is measured on one row in so many.
SHARE = 10
BATCH = 500
# The administrator, the one with many sessions, and the first of all others.
ACTOR, ONE, FIRST = 1, 2, 3
HASH = "0" * 64


class Site:
    """All sessions; nobody needs a row of theirs for this."""

    def __init__(self, size: Size, *, at: datetime) -> None:
        self.size, self.at = size, at
        two_weeks = at + timedelta(days=14)
        everybody = range(FIRST, FIRST + size.people)
        self._insert((f"own-{user}", encoded(user), two_weeks) for user in everybody)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO django_session (session_key, session_data, expire_date) {NUMBERS}"  # noqa: S608  # names of ours
                " SELECT s.session_key || '-' || n, s.session_data, s.expire_date FROM django_session s, numbers",
                [OF_EACH - 1],
            )
        self._insert((f"one-{number}", encoded(ONE), two_weeks) for number in range(size.of_one))
        worn = (FIRST + number % size.people for number in range(size.visits))
        self._insert(
            (f"worn-{number}", encoded(user, hijack_history=[str(ACTOR)]), two_weeks)
            for number, user in enumerate(worn)
        )
        late = at - timedelta(hours=2)
        self._insert((f"late-{number}", encoded(FIRST + number), late) for number in range(size.expired))

    @staticmethod
    def _insert(rows: Iterator[tuple[str, str, datetime]]) -> None:
        while batch := [Session(*row) for row in islice(rows, BATCH)]:
            Session.objects.bulk_create(batch)

    def end_one(self) -> Figure:
        """End the sessions of somebody."""
        user = str(FIRST + self.size.people // 2)
        return self._end(f"own-{user}", lambda data: data.get("_auth_user_id") == user, OF_EACH)

    def end_many(self) -> Figure:
        """End the sessions of the one with many."""
        return self._end("one-", lambda data: data.get("_auth_user_id") == str(ONE), self.size.of_one)

    def end_visits(self) -> Figure:
        """End all sessions in which somebody is logged in as another."""
        return self._end("worn-", lambda data: "hijack_history" in data, self.size.visits)

    def end_expired(self) -> Figure:
        """Delete what has run out: here the table has an index, and nothing is decoded."""
        figure = measured(SessionStore.clear_expired)
        check(Session.objects.filter(expire_date__lt=timezone.now()).count(), 0)
        return figure

    def _end(self, keys: str, is_meant: Callable[[dict[str, Any]], bool], count: int) -> Figure:
        """Decode a part of the rows, and delete those of ``keys``, which decoding all of them would find."""
        rows = Session.objects.count() // SHARE
        read = measured(
            lambda: [row.pk for row in islice(Session.objects.iterator(), rows) if is_meant(row.get_decoded())]
        )
        meant = [row for row in Session.objects.filter(session_key__startswith=keys) if is_meant(row.get_decoded())]
        check(len(meant), count)
        deleted = measured(lambda: delete([row.pk for row in meant]))
        return Figure(read.seconds * SHARE + deleted.seconds, read.statements + deleted.statements)


def encoded(user: int, **data: Any) -> str:
    """Return the data of a session as Django stores it."""
    backend = "django.contrib.auth.backends.ModelBackend"
    whole = {"_auth_user_id": str(user), "_auth_user_backend": backend, "_auth_user_hash": HASH, **data}
    return SessionStore().encode(whole)


def delete(keys: list[str]) -> None:
    """Delete sessions, a batch in a statement."""
    rest = iter(keys)
    while batch := list(islice(rest, BATCH)):
        Session.objects.filter(pk__in=batch).delete()
