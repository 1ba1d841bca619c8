"""A PostgreSQL and a Redis of one's own, to be stopped, restarted and filled without anybody else's noticing."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING

from tests.load.programs import answers, end, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

IS_ROOT = os.geteuid() == 0


def binaries() -> Path | None:
    """Return the folder of PostgreSQL's server programs: Debian's newest, or those on the path."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@dataclass(slots=True)
class Cluster:
    """A PostgreSQL cluster in a folder of its own."""

    folder: Path
    programs: Path
    port: int = field(default_factory=free_port)

    @property
    def data(self) -> Path:
        """Where its files are."""
        return self.folder / "data"

    @property
    def url(self) -> str:
        """The address of its database."""
        return f"postgres://postgres@127.0.0.1:{self.port}/portal"

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of its programs, as root's stand-in where one is root: the server refuses to be root's."""
        whole = [str(self.programs / command[0]), *command[1:]]
        if IS_ROOT:
            whole = ["runuser", "-u", "postgres", "--", *whole]
        # Not piped: the server that pg_ctl starts would hold the pipe open.
        with (self.folder / "programs.log").open("a+", encoding="utf-8") as words:
            return subprocess.run(  # noqa: S603  # PostgreSQL's own
                whole, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=words, stderr=words, text=True, check=check
            )

    def make(self) -> None:
        """Make its files. What it is told to keep small fills soon."""
        self.run("initdb", "--pgdata", str(self.data), "--auth", "trust", "--username", "postgres", "--no-sync")
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
                "min_wal_size = 32MB\nmax_wal_size = 64MB\nshared_buffers = 128MB\n"
            )

    def start(self, *, check: bool = True) -> bool:
        """Start it and wait; tell whether it came up."""
        log = str(self.folder / "server.log")
        return self.run("pg_ctl", "start", "-w", "-D", str(self.data), "-l", log, check=check).returncode == 0

    def stop(self, *, check: bool = True) -> None:
        """Stop it as a crash does: nobody is waited for, and nothing is put in order."""
        self.run("pg_ctl", "stop", "-w", "-D", str(self.data), "-m", "immediate", check=check)

    def restart(self) -> None:
        """Stop it so and start it."""
        self.stop()
        self.start()

    def is_up(self) -> bool:
        """Tell whether it takes connections."""
        command = ("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port))
        return self.run(*command, check=False).returncode == 0

    def log(self) -> str:
        """Return what the server said."""
        return (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")


@contextmanager
def own_cluster(*, quota: str = "") -> Iterator[Cluster]:
    """Yield a running cluster with an empty database, on a file system of ``quota`` bytes ("200m") if given."""
    programs = binaries()
    if programs is None:
        raise SystemExit("PostgreSQL's server programs are not here (Debian: postgresql).")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="load-cluster-")))
        if quota:
            _mount(folder, quota)
            stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
        if IS_ROOT:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        folder.chmod(0o755)
        cluster = Cluster(folder, programs)
        cluster.make()
        stack.callback(cluster.stop, check=False)
        cluster.start()
        cluster.run("createdb", "-h", "127.0.0.1", "-p", str(cluster.port), "-U", "postgres", "portal")
        yield cluster


def _mount(folder: Path, size: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if not IS_ROOT or subprocess.run(command, check=False).returncode:  # noqa: S603  # mount, with a folder of ours
        raise SystemExit("A full disk needs a file system of its own: run this as root, where one may be mounted.")


@dataclass(slots=True)
class Redis:
    """A Redis that keeps nothing."""

    program: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of its database."""
        return f"redis://127.0.0.1:{self.port}/1"

    def start(self) -> None:
        """Start it and wait."""
        command = [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(  # noqa: S603  # Redis, with a port of ours
            command,
            cwd=gettempdir(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        wait_for(lambda: answers(self.port), "Redis")

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self.process is not None and self.process.poll() is None:
            end(self.process)

    def pause(self, signal_number: int) -> None:
        """Send it a signal: stopped it takes connections and says nothing."""
        if self.process is not None:
            self.process.send_signal(signal_number)


@contextmanager
def own_redis() -> Iterator[Redis]:
    """Yield a running Redis."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise SystemExit("Neither redis-server nor valkey-server is here.")
    redis = Redis(program)
    redis.start()
    try:
        yield redis
    finally:
        redis.stop()
