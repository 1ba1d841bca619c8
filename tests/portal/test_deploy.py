"""The files of deploy/ speak of the portal as it is: its variables, its commands, its Python, its timers."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = DEPLOY / "systemd"
SETTINGS = "".join((ROOT / "portal" / name).read_text() for name in ("settings.py", "gunicorn.py"))
# What is read by others: Python, pip, libpq, and the images of PostgreSQL and Caddy.
OTHERS = {
    "PATH",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "PIP_DISABLE_PIP_VERSION_CHECK",
    "PIP_NO_CACHE_DIR",
    "PGOPTIONS",
    "POSTGRES_PASSWORD",
    "PORTAL_OWNER_PASSWORD",
    "PORTAL_DATABASE_PASSWORD",
    "SITE",
}
HOURS = {"every 5 minutes": "*:0/5", "every 10 minutes": "*:0/10", "daily": None}


def text_of(name: str) -> str:
    return (DEPLOY / name).read_text()


def timers() -> dict[str, str]:
    """Return what README.md has for a timer, and how often."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    return {name: often for name, often in rows if often in HOURS}


def test_every_variable_is_one_that_something_reads() -> None:
    read = set(re.findall(r'env(?:\.\w+)?\(\s*"(\w+)"', SETTINGS)) | OTHERS
    compose = re.findall(r"^ {4,6}([A-Z][A-Z_]+): ", text_of("compose.yaml"), re.MULTILINE)
    named = re.findall(r"^([A-Z][A-Z_]+)=", text_of("portal.env.example"), re.MULTILINE)
    image = [
        name
        for line in re.findall(r"^ENV (.*)$", text_of("Dockerfile"), re.MULTILINE)
        for name in re.findall(r"([A-Z_]+)=", line)
    ]

    assert compose
    assert named
    assert image
    assert {*compose, *named, *image} - read == set()


def test_every_secret_of_compose_must_be_given() -> None:
    assert re.findall(r"\$\{(\w+)\}", text_of("compose.yaml")) == []


@pytest.mark.parametrize(
    "name", ["Dockerfile", "compose.yaml", "timers.py", *sorted(f"systemd/{path.name}" for path in UNITS.iterdir())]
)
def test_every_command_is_one_of_manage_py(name: str) -> None:
    asked = re.findall(r"manage\.py,? (?!%i|for )(\w+)|portal@(\w+)\.service", text_of(name))

    assert {command for pair in asked for command in pair if command} <= get_commands().keys()


def test_timers_of_the_readme_are_scheduled_by_systemd() -> None:
    units = {
        path.name.removeprefix("portal-").removesuffix(".timer"): path.read_text() for path in UNITS.glob("*.timer")
    }

    assert units.keys() == timers().keys() != set()
    for name, unit in units.items():
        (calendar,) = re.findall(r"^OnCalendar=(.*)$", unit, re.MULTILINE)
        assert f"Unit=portal@{name}.service" in unit
        expected = HOURS[timers()[name]]
        assert calendar == expected if expected else re.fullmatch(r"\d\d:\d\d", calendar)


def test_timers_of_the_readme_are_scheduled_in_containers() -> None:
    found = re.findall(r'"(\w+)": timedelta\((\w+)=(\d+)\)', text_of("timers.py"))

    often = {
        name: "daily" if (unit, count) == ("days", "1") else f"every {count} {unit}" for name, unit, count in found
    }
    assert often == timers()


def test_image_has_a_python_that_the_project_takes_and_the_pinned_packages() -> None:
    dockerfile = text_of("Dockerfile")
    least = re.search(r'requires-python = ">=3\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    copied = re.findall(r"^COPY (?!--from)(\S+) ", dockerfile, re.MULTILINE)

    assert least
    versions = re.findall(r"python:3\.(\d+)-slim", dockerfile)
    assert len(versions) == 2
    assert len(set(versions)) == 1
    assert int(versions[0]) >= int(least[1])
    assert [name for name in copied if not (ROOT / name).exists()] == []
    # What the build may see holds what it copies, and neither secrets nor a database.
    seen = re.findall(r"^!(\S+)$", text_of("Dockerfile.dockerignore"), re.MULTILINE)
    assert sorted(seen) == sorted(copied)
    assert "--require-hashes" in dockerfile
    assert "USER portal" in dockerfile


@pytest.mark.parametrize("name", ["Dockerfile", "systemd/portal.service"])
def test_web_processes_are_started_as_the_readme_says(name: str) -> None:
    words = re.sub(r'[",\[\]]', "", text_of(name))

    assert "gunicorn --config python:portal.gunicorn portal.wsgi" in words


def test_proxy_gives_up_idle_connections_before_the_processes_do_and_shows_no_metrics() -> None:
    caddyfile = text_of("Caddyfile")

    assert re.search(r"^\s*respond /metrics 404$", caddyfile, re.MULTILINE)
    (ours,) = re.findall(r'"KEEPALIVE", default=(\d+)', SETTINGS)
    (proxy,) = re.findall(r"^\s*keepalive (\d+)s$", caddyfile, re.MULTILINE)
    assert int(proxy) < int(ours)


def test_containers_stop_later_than_requests_under_way() -> None:
    (graceful,) = re.findall(r'"GRACEFUL_TIMEOUT", default=(\d+)', SETTINGS)
    web = text_of("compose.yaml").partition("\n  web:\n")[2].partition("\n\n")[0]

    assert int(re.findall(r"stop_grace_period: (\d+)s", web)[0]) > int(graceful)
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", text_of("systemd/portal.service"), re.MULTILINE)[0]) > int(
        graceful
    )
