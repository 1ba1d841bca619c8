"""What the actors saw: answers, times, and what must be found in the database afterwards."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from statistics import quantiles
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.load.wire import Answer

REFUSED, SERVER_ERROR = 400, 500
TRACES = ("Traceback (most recent call last)", "Exception Type:", "psycopg.", "django.db.utils")
# What a page of ours has.
OURS = '<main id="main"'
# What a page says is in one of these.
SAID = re.compile(r"<main.*?</main>", re.DOTALL)
ALERT = re.compile(
    r'class="[^"]*(?:alert-danger|errorlist|invalid-feedback)[^"]*"[^>]*>(.*?)</(?:div|ul|p)>', re.DOTALL
)
LENGTH = 160
TAG = re.compile(r"<[^>]*>")


def _said(answer: Answer) -> str:
    """Return what a page says: its alerts, or how it begins."""
    alerts = [found[1] for found in ALERT.finditer(answer.body)]
    found = " ".join(alerts) or next(iter(SAID.findall(answer.body)), answer.body)
    return " ".join(TAG.sub(" ", found).split())[:LENGTH]


@dataclass(slots=True)
class Tally:
    """What was sent and what came back."""

    began: float = field(default_factory=time.monotonic)
    # When all are to stop.
    until: float = float("inf")
    # When, what, status (0: no answer came), seconds.
    answers: list[tuple[float, str, int, float]] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    # Error answers that were no page of ours, and others that must not be.
    foul: list[str] = field(default_factory=list)
    # What was typed into an edit, and what became of it: "saved", "refused", "unknown".
    edits: dict[str, str] = field(default_factory=dict)
    # Starts that were answered with a worn key, and those whose answer never came.
    started: int = 0
    maybe_started: int = 0
    stories: Counter[str] = field(default_factory=Counter)
    # What pages of refusals and errors said.
    refusals: Counter[str] = field(default_factory=Counter)
    # Moments at which something was done to the server, in words.
    marks: list[tuple[float, str]] = field(default_factory=list)

    def add(self, what: str, answer: Answer) -> None:
        """Count an answer, and look at what an error says."""
        self.answers.append((time.monotonic(), what, answer.status, answer.seconds))
        if answer.status >= REFUSED:
            self.refusals[f"{what}: {answer.status} {_said(answer)}"] += 1
        if answer.status >= SERVER_ERROR:
            said = answer.body
            is_plain = answer.header("content-type").startswith("text/plain") and len(said) < 300
            if any(trace in said for trace in TRACES) or not (is_plain or OURS in said):
                self.foul.append(f"{what} {answer.path}: {answer.status} {said[:200]!r}")

    def add_lost(self, what: str, why: str) -> None:
        """Count a request that no answer came to."""
        self.answers.append((time.monotonic(), what, 0, 0.0))
        self.lost[why] += 1

    def mark(self, words: str) -> None:
        """Write down what was done to the server."""
        self.marks.append((time.monotonic(), words))

    def statuses(self, since: float = 0.0, until: float = float("inf")) -> Counter[str]:
        """Count answers by status; "none" is where none came."""
        return Counter(str(status or "none") for at, _, status, _ in self.answers if since <= at < until)

    def seconds(self) -> float:
        """Return how long it took."""
        return self.answers[-1][0] - self.began if self.answers else 0.0

    def times(self, kinds: Collection[str] = ()) -> tuple[int, float, float, float]:
        """Return how many answers there were to these, or to all, and the 50th, 95th and 99th of 100 of their times."""
        found = [seconds for _, what, status, seconds in self.answers if status and (not kinds or what in kinds)]
        if len(found) < 2:  # as quantiles() asks
            only = sum(found)
            return len(found), only, only, only
        cut = quantiles(found, n=100)
        return len(found), cut[49], cut[94], cut[98]

    def errors(self, kinds: Collection[str] = ()) -> int:
        """Count the errors of the server's, and requests that no answer came to."""
        return sum(
            1 for _, what, status, _ in self.answers if (not kinds or what in kinds) and not 0 < status < SERVER_ERROR
        )

    def as_question(self) -> dict[str, Any]:
        """Return what the invariants are asked with."""
        return {"edits": self.edits, "started": self.started, "maybe_started": self.maybe_started}
