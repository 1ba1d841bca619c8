"""gunicorn as it runs in production: worker processes with threads, connections that stay open."""

from __future__ import annotations

import re
import signal
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.load.programs import ROOT, answers, free_port, running, wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

WORKERS, THREADS = 2, 4
# The last line of a trace names the error; what led to it stands indented above.
ERROR = re.compile(r"^([\w.]*(?:Error|Exception|Interrupted|Refused|Timeout|[a-z]Timed)\w*)\b", re.MULTILINE)

# An entry begins with its time; gunicorn's own in brackets.
ENTRY = re.compile(r"^(?=\[?\d{4}-\d\d-\d\d )", re.MULTILINE)
# What PostgreSQL, Redis and the network say.
FOREIGN = re.compile(r"psycopg|django\.db|redis|Connection|Timeout|BrokenPipe")


@dataclass(frozen=True, slots=True)
class Server:
    """One gunicorn."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text(encoding="ascii").split()]

    def errors(self) -> Counter[str]:
        """Count the errors that the log tells of, by kind."""
        return Counter(kind for kind, _ in self._traces())

    def odd_traces(self) -> list[str]:
        """Return traces of errors that neither a database, a cache nor the network is to blame for."""
        return [trace[-2500:] for kind, trace in self._traces() if not FOREIGN.search(kind)][:3]

    def _traces(self) -> Iterator[tuple[str, str]]:
        """Yield the last error of each entry of the log that has a trace, and the trace."""
        for entry in ENTRY.split(self.log.read_text(encoding="utf-8", errors="replace")):
            if found := ERROR.findall(entry):
                yield found[-1], entry


@contextmanager
def serving(
    application: str, environment: Mapping[str, str], folder: Path, *, threads: int = THREADS, timeout: int = 30
) -> Iterator[Server]:
    """Serve a WSGI application on a port of 127.0.0.1, and wait until it answers."""
    port = free_port()
    log = folder / f"gunicorn-{port}.log"
    command = [
        *(sys.executable, "-m", "gunicorn", application),
        *("--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS), "--threads", str(threads)),
        # More than there are people, or a worker would close connections that nobody is done with.
        *("--worker-connections", "2000", "--keep-alive", "30", "--timeout", str(timeout)),
        *("--graceful-timeout", "5", "--log-level", "warning", "--no-control-socket", "--chdir", str(ROOT)),
    ]
    with running(command, environment, log) as process:
        server = Server(process, port, log)
        wait_for(lambda: process.poll() is not None or answers(port), application)
        if process.poll() is not None:
            raise SystemExit(log.read_text(encoding="utf-8"))
        yield server
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
