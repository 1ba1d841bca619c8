"""What this machine can't run is left out, named last, and a failure where ``REQUIRE`` asks for it.

A test marked ``browser`` needs a Chromium, one marked ``postgres`` needs ``DATABASE_URL`` to be PostgreSQL. Where that
is missing they are skipped. ``REQUIRE=browser,postgres`` makes it a failure that such a test was left out, or that
there was none.
"""

import os
import shutil
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from django.db import connection

# The one without a window first: it needs half the processor time.
CHROMIUMS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
CHROMIUM_OF_MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def browser_path() -> str | None:
    """Return the path of a Chromium on this machine: ``CHROMIUM``, or the first one found."""
    if chosen := os.environ.get("CHROMIUM"):
        return chosen
    if CHROMIUM_OF_MACOS.exists():
        return str(CHROMIUM_OF_MACOS)
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


class Need(NamedTuple):
    """What the tests of one mark need of the machine."""

    is_met: Callable[[], bool]
    advice: str


NEEDS = {
    "browser": Need(lambda: browser_path() is not None, "install chromium, or name one: CHROMIUM=/path/to/chromium"),
    "postgres": Need(lambda: connection.vendor == "postgresql", "DATABASE_URL=postgres://USER@HOST/NAME"),
}


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks, and refuse a ``REQUIRE`` that would require nothing."""
    for mark, need in NEEDS.items():
        config.addinivalue_line("markers", f"{mark}: left out where the machine lacks it ({need.advice})")
    if unknown := _required() - NEEDS.keys():
        message = f"REQUIRE={','.join(sorted(unknown))}: it knows {', '.join(NEEDS)}"
        raise pytest.UsageError(message)


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Skip what this machine can't run."""
    missing = [mark for mark, need in NEEDS.items() if not need.is_met()]
    for item in items:
        for mark in filter(item.get_closest_marker, NEEDS):
            # Reports carry no marks, and their keywords hold names of directories too.
            item.user_properties.append(("needs", mark))
            if mark in missing:
                item.add_marker(pytest.mark.skip(reason=f"needs {mark}"))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a required test that did not run into a failure; the summary words it."""
    if _required_but_not_run(session.config) and session.exitstatus in {
        pytest.ExitCode.OK,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    }:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Name what was left out after everything else, by reason, with what would help."""
    yield
    skipped: dict[str, int] = {}
    for report in terminalreporter.getreports("skipped"):
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else "skipped"
        skipped[reason] = skipped.get(reason, 0) + 1
    required = _required_but_not_run(terminalreporter.config)
    if skipped or required:
        terminalreporter.section("left out", red=bool(required), yellow=not required)
    for reason, count in sorted(skipped.items()):
        need = NEEDS.get(reason.removeprefix("needs "))
        advice = f" ({need.advice})" if need else ""
        terminalreporter.line(f"{count} left out: {reason}{advice}")
    for mark in required:
        terminalreporter.line(f"FAILED: REQUIRE asks for every {mark} test, and not every one ran", red=True)


def _required() -> set[str]:
    """Return the marks that ``REQUIRE`` names."""
    return set(filter(None, os.environ.get("REQUIRE", "").replace(" ", "").split(",")))


def _required_but_not_run(config: pytest.Config) -> list[str]:
    """Return the required marks of which a test was skipped, or none ran."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput") or config.option.collectonly:
        return []
    ran = _needs_of(reporter.getreports("passed") + reporter.getreports("failed"))
    left = _needs_of(reporter.getreports("skipped"))
    return sorted(mark for mark in _required() if mark in left or mark not in ran)


def _needs_of(reports: Iterable[pytest.TestReport]) -> set[str]:
    """Return the marks of the tests that ``reports`` are about."""
    return {str(mark) for report in reports for name, mark in report.user_properties if name == "needs"}
