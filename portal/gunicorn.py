"""How gunicorn serves in production: ``gunicorn -c python:portal.gunicorn portal.wsgi``.

Processes times threads are the requests that run at once, and without a pool the database's connections. The
application is loaded in each worker, not before the fork: no thread, connection or lock is shared with the master, and
a worker that begins anew has what stands on disk.
"""

import logging
import os
import shutil
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import environ

from portal.logs import LOG_FORMATS, logging_config

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

env = environ.Env()
MEMORY = "/dev/shm"  # noqa: S108  # a memory file system: gunicorn and we put files with names of their own there
METRICS = "PROMETHEUS_MULTIPROC_DIR"

# --- what serves -------------------------------------------------------------------------------------------------

bind = env.str("BIND", default="127.0.0.1:8000")
worker_class = "gthread"
workers = env.int("WEB_CONCURRENCY", default=2)
threads = env.int("THREADS", default=8)
# Connections that wait beyond these are the proxy's to hold.
backlog = 512
preload_app = False
# The proxy's idle connections must end before ours do, or a request meets a closed one.
keepalive = env.int("KEEPALIVE", default=75)
# A worker whose own thread says nothing for so long is killed. A request is not: PostgreSQL's limits below end it.
timeout = env.int("REQUEST_TIMEOUT", default=30)
# So long may requests take that are under way when a stop is asked for.
graceful_timeout = env.int("GRACEFUL_TIMEOUT", default=30)
max_requests = env.int("MAX_REQUESTS", default=0)
max_requests_jitter = max_requests // 10
# A worker's sign of life is a file: on a disk that is full or slow it would look dead.
worker_tmp_dir = MEMORY if Path(MEMORY).is_dir() else None
# Commands from beside are systemd's or the container's to give, by signals.
control_socket_disable = True

# --- the log -----------------------------------------------------------------------------------------------------

# Each request has its line from portal.middleware.RequestLogMiddleware: gunicorn's would tell keys that stand in paths.
accesslog = None
_form = env.str("LOG_FORMAT", default="line" if env.bool("DEBUG", default=False) else "json", choices=LOG_FORMATS)
# Python's own, lest they stand between the lines.
logging.captureWarnings(True)
logconfig_dict = logging_config(_form, env.str("LOG_LEVEL", default="INFO"))

# --- the database ------------------------------------------------------------------------------------------------

# libpq's own variable. For pages only: manage.py has no such limits, a migration takes what it takes. A pooler may
# refuse it: set it empty there, and the same by ALTER ROLE.
os.environ.setdefault(
    "PGOPTIONS", "-c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
)

# --- metrics -----------------------------------------------------------------------------------------------------

# Of each worker, by its age in gunicorn's words: how many were made before it.
numbers: dict[int, int] = {}


def on_starting(server: "Arbiter") -> None:  # noqa: ARG001
    """Make a place where workers keep their counts, so that each of them can tell those of all."""
    if env.str("METRICS_TOKEN", default=""):
        os.environ[METRICS] = tempfile.mkdtemp(prefix="portal-metrics-", dir=worker_tmp_dir)


def pre_fork(server: "Arbiter", worker: "Worker") -> None:
    """Give a worker the lowest number that is free."""
    taken = {numbers[other.age] for other in server.WORKERS.values()}
    numbers[worker.age] = next(number for number in count(1) if number not in taken)


def post_fork(server: "Arbiter", worker: "Worker") -> None:  # noqa: ARG001
    """Let a worker go on with the counts of the last one of its number, instead of a file for each process ever."""
    if METRICS in os.environ:
        from prometheus_client import values  # noqa: PLC0415  # it looks at the environment when it is imported

        values.ValueClass = values.MultiProcessValue(lambda: numbers[worker.age])  # type: ignore[no-untyped-call]


def on_exit(server: "Arbiter") -> None:  # noqa: ARG001
    """Take the counts away: Prometheus knows a new beginning by itself."""
    shutil.rmtree(os.environ.get(METRICS, ""), ignore_errors=True)
