"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def processor() -> str:
    """Return the processor's name, as well as this system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def description() -> str:
    """Return one line: processor, cores, system, Python and the libraries' versions."""
    names = ("Django", "psycopg", "django-hijack", "django-impersonate", "django-loginas")
    parts = [
        f"{processor()}, {os.cpu_count()} cores",
        f"{platform.system()} {platform.release().split('-')[0]}",
        f"Python {platform.python_version()}",
        *(f"{name} {installed(name)}" for name in names if installed(name)),
        f"SQLite {sqlite3.sqlite_version}",
    ]
    return ", ".join(parts)


def installed(distribution: str) -> str:
    """Return the installed version, or nothing."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
