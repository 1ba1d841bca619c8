"""Runs the commands that README.md has for a timer where there is no systemd: in a container of their own.

Each may run anywhere, at any time, twice at once, so one that a restart cut off is simply run again.
"""

import logging
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import FrameType

MANAGE = Path(__file__).resolve().parent.parent / "manage.py"
TIMERS = {
    "close_expired": timedelta(minutes=5),
    "seal_trail": timedelta(minutes=10),
    "verify_trail": timedelta(days=1),
    "trim_history": timedelta(days=1),
    "clearsessions": timedelta(days=1),
}

logger = logging.getLogger("timers")


def run(command: str) -> None:
    """Run one command; what it prints goes where this prints."""
    begun = time.monotonic()
    status = subprocess.run([sys.executable, str(MANAGE), command], check=False).returncode  # noqa: S603  # our own words
    level = logging.ERROR if status else logging.INFO
    logger.log(level, "%s ended with %s after %.1f s", command, status, time.monotonic() - begun)


def run_forever() -> None:
    """Run each command when it is due, one at a time, all of them once at the start."""
    due = dict.fromkeys(TIMERS, time.monotonic())
    while True:
        command = min(due, key=lambda name: due[name])
        time.sleep(max(0.0, due[command] - time.monotonic()))
        due[command] = time.monotonic() + TIMERS[command].total_seconds()
        run(command)


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # as signals call it
    raise SystemExit(0)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    signal.signal(signal.SIGTERM, _stop)
    run_forever()
