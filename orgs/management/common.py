"""What several commands share: whom they are about, and how far they are."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.core.management.base import CommandError
from django.db import reset_queries
from django.template.defaultfilters import pluralize

from orgs.models import Organization

if TYPE_CHECKING:
    from enum import Enum

    from django.core.management.base import OutputWrapper

# How often a line says how far it is: rewritten on a terminal, a new one elsewhere.
ON_TERMINAL, ELSEWHERE = 0.2, 10.0


def find_organization(given: str) -> Organization:
    """Return the organization of a name, or of an id: as Company Information has it, or the plain number."""
    found = Organization.objects.filter(name__iexact=given).first()
    number = given.upper().removeprefix("00D")
    if found is None and number.isascii() and number.isdigit() and len(number) < len(str(2**63)):
        found = Organization.objects.filter(pk=int(number)).first()
    if found is None:
        raise CommandError(
            f"There is no organization {given}. Give its name, or its id as Company Information has it (00D...)."
        )
    return found


class Progress:
    """How many rows were written, and how fast: one line, rewritten on a terminal, and plain lines elsewhere."""

    def __init__(self, stream: "OutputWrapper", *, what: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream
        # What is done to them, where a command does several things.
        self.what = f"{what} " if what else ""
        self.clock = clock
        self.is_terminal = stream.isatty()
        self.rows = 0
        self.began_at = self.said_at = clock()

    def add(self, rows: int) -> None:
        """Count rows, and say so where it is time to."""
        self.rows += rows
        at = self.clock()
        if at - self.said_at >= (ON_TERMINAL if self.is_terminal else ELSEWHERE):
            self.said_at = at
            self._say(self._words(at), is_last=not self.is_terminal)

    def finish(self) -> None:
        """Say how many there were in all."""
        self._say(f"{self._words(self.clock())}. Done", is_last=True)

    def _words(self, at: float) -> str:
        seconds = at - self.began_at
        rate = f", {self.rows / seconds:,.0f} a second" if seconds else ""
        return f"{self.what}{self.rows:,} row{pluralize(self.rows)}{rate}"

    def _say(self, words: str, *, is_last: bool) -> None:
        # Without a style: colours would count as characters of the line.
        line = f"\r{words:<60}" if self.is_terminal else words
        self.stream.write(line, lambda text: text, ending="\n" if is_last else "")
        self.stream.flush()


class Steps:
    """A line of progress for each step of what a command does; called with the step, and how many more rows."""

    def __init__(self, stream: "OutputWrapper") -> None:
        self.stream = stream
        self.step: Enum | None = None
        self.progress: Progress | None = None

    def __call__(self, step: "Enum", rows: int) -> None:
        if step is not self.step or self.progress is None:
            self.finish()
            self.step, self.progress = step, Progress(self.stream, what=step.value)
        self.progress.add(rows)
        # With DEBUG each statement is remembered, and these are long.
        reset_queries()

    def finish(self) -> None:
        """Say how far the step came."""
        if self.progress is not None:
            self.progress.finish()
