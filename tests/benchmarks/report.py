"""The figures as Markdown tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.benchmarks.contenders import Contender

BASELINE = ("plain", "idle", "request")
WORDS = {
    "nobody": "nobody signed in",
    "untouched": "user not touched",
    "idle": "signed in",
    "impersonating": "impersonating",
    "banner": "impersonating, HTML page with its banner",
    "idle, all": "signed in, all of its middleware",
    "impersonating, all": "impersonating, all of its middleware",
    "visit": "back to one's own session",
    "visit to login": "to the login page, as is the default",
}
Key = tuple[str, str, str]  # contender, case, step


@dataclass(slots=True)
class Figures:
    """What one run on one database found."""

    statements: dict[Key, int] = field(default_factory=dict)
    nanoseconds: dict[Key, list[float]] = field(default_factory=dict)  # the median of each round

    def microseconds(self, key: Key) -> str:
        """Return the median of the rounds' medians."""
        return f"{median(self.nanoseconds[key]) / 1000:,.0f}"

    def ratios(self, key: Key) -> list[float]:
        """Return, round by round, the ratio to plain Django in the same round."""
        pairs = zip(self.nanoseconds[key], self.nanoseconds[BASELINE], strict=True)
        return [mine / plain for mine, plain in pairs]


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield a Markdown table: the first column is words, the others are numbers."""
    yield f"| {' | '.join(heads)} |"
    yield f"|---|{'---:|' * (len(heads) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def request_rows(figures: Figures, contenders: Iterable[Contender]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each page case."""
    for contender in contenders:
        for key in figures.nanoseconds:
            name, case, step = key
            if name != contender.name or step != "request":
                continue
            ratios = figures.ratios(key)
            low, _, high = quantiles(ratios, n=4)
            yield (
                f"{contender.label}, {WORDS[case]}",
                str(figures.statements[key]),
                figures.microseconds(key),
                f"{median(ratios):.2f}",
                f"{low:.2f} to {high:.2f}",
            )


def visit_rows(figures: Figures, contenders: Iterable[Contender]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each case of start and leave."""
    for contender in contenders:
        for key in figures.nanoseconds:
            name, case, step = key
            if name != contender.name or step != "start":
                continue
            leave = (name, case, "leave")
            yield (
                f"{contender.label}, {WORDS[case]}",
                str(figures.statements[key]),
                figures.microseconds(key),
                str(figures.statements[leave]),
                figures.microseconds(leave),
            )


def report(figures: Figures, contenders: tuple[Contender, ...]) -> Iterator[str]:
    """Yield both tables of one database."""
    heads = ("one request", "queries", "µs, median", "× plain", "middle half of rounds")
    yield from table(heads, request_rows(figures, contenders))
    rows = list(visit_rows(figures, contenders))
    if rows:
        yield ""
        yield from table(("start and leave", "start: statements", "µs", "leave: statements", "µs"), rows)
