"""What Prometheus counts: visits that began, were refused and ended, and the time that *who is it* takes.

Labels are the codes of closed lists, never people. Changes are counted once they are committed.
"""

from collections.abc import Iterable
from functools import partial

from django.db import transaction
from prometheus_client import Counter, Histogram

from .enums import Basis, EndCause, Refusal

STARTS = Counter("portal_impersonation_starts", "Log-ins as another user, by what they rest on.", ["basis"])
REFUSALS = Counter("portal_impersonation_refusals", "Refusals to log in as another user.", ["refusal"])
ENDS = Counter("portal_impersonation_ends", "Visits that ended.", ["cause"])
IDENTITY = Histogram(
    "portal_identity_seconds",
    "Time of the statement that says whose session a key opens.",
    buckets=(0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
# All there from the first scrape, at nought: what first appears as one looks like no increase.
for basis in Basis:
    STARTS.labels(basis.value)
for refusal in Refusal:
    REFUSALS.labels(refusal.value)
for cause in EndCause:
    ENDS.labels(cause.value)


def count_start(basis: str) -> None:
    """Count a visit that began."""
    transaction.on_commit(STARTS.labels(basis).inc, robust=True)


def count_refusal(refusal: Refusal) -> None:
    """Count a refusal, at once: what it was asked for is rolled back."""
    REFUSALS.labels(refusal.value).inc()


def count_ends(causes: Iterable[EndCause]) -> None:
    """Count visits that ended, each with its cause."""
    transaction.on_commit(partial(_count_ends, list(causes)), robust=True)


def _count_ends(causes: Iterable[EndCause]) -> None:
    for cause in causes:
        ENDS.labels(cause.value).inc()
