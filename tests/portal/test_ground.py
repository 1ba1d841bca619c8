"""What a stranger's machine meets first: `make`, the pinned requirements, and what a test run leaves out."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Interpreters that answer as another machine's would; make asks each with `-c CODE`.
OLD_PYTHON = "import sys; sys.version_info = (3, 9, 2); exec(sys.argv[1])"
PYTHON_WITHOUT_VENV = "import sys; sys.modules['ensurepip'] = None; exec(sys.argv[1])"

TESTS_WITH_NEEDS = """
import pytest

@pytest.mark.browser
def test_in_a_browser(): pass

@pytest.mark.postgres
def test_on_postgres(): pass

def test_anywhere(): pass
"""


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run make on a copy of the Makefile in a folder that has no virtual environment."""
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / "requirements", folder / "requirements", dirs_exist_ok=True)
    # The suite may itself be run by make, which says so to every make below it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *words],  # noqa: S607
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def python_that_runs(folder: Path, code: str) -> str:
    """Write an interpreter that runs ``code`` in place of what it is asked, and return its path."""
    fake = folder / "python"
    fake.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$2"\n')
    fake.chmod(0o755)
    return "./python"


@pytest.mark.parametrize("target", ["demo", "test", "check", "bench", "screenshots", "pins"])
def test_make_says_in_one_line_that_python_is_too_old(tmp_path: Path, target: str) -> None:
    python = python_that_runs(tmp_path, OLD_PYTHON)

    result = make(tmp_path, target, f"PYTHON={python}")

    assert result.returncode == 2
    assert result.stdout == ""
    assert re.sub(r"^Makefile:\d+: ", "", result.stderr) == (
        "*** Python 3.11 or newer is needed, and ./python is 3.9. Name another: PYTHON=python3.12.  Stop.\n"
    )
    assert not (tmp_path / ".venv").exists()


def test_make_says_in_one_line_that_venv_is_missing(tmp_path: Path) -> None:
    python = python_that_runs(tmp_path, PYTHON_WITHOUT_VENV)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"

    result = make(tmp_path, "demo", f"PYTHON={python}")

    assert result.returncode == 2
    assert re.sub(r"^Makefile:\d+: ", "", result.stderr) == (
        f"*** ./python has no ensurepip module. Install it (Debian: apt install python{version}-venv), "
        "or name another: PYTHON=python3.12.  Stop.\n"
    )


def test_make_says_in_one_line_that_there_is_no_such_python(tmp_path: Path) -> None:
    result = make(tmp_path, "demo", "PYTHON=python-of-nowhere")

    assert result.returncode == 2
    assert re.sub(r"^Makefile:\d+: ", "", result.stderr) == (
        "*** There is no python-of-nowhere here. Install Python 3.11 or newer, or name one: PYTHON=python3.12.  Stop.\n"
    )


def test_make_alone_lists_the_targets_and_makes_nothing(tmp_path: Path) -> None:
    result = make(tmp_path)

    assert result.returncode == 0
    targets = re.findall(r"^make (\w+)", result.stdout, re.MULTILINE)
    assert targets == ["demo", "test", "check", "bench", "screenshots", "pins"]
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("name", ["run", "develop", "benchmark"])
def test_requirements_are_pinned_with_hashes_and_name_no_host(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()

    lines = text.replace("\\\n", " ").splitlines()

    assert [line for line in lines if not re.match(r"[a-z0-9.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []
    assert "://" not in text


@pytest.fixture
def suite_with_needs(tmp_path: Path) -> Path:
    """Return a test module with one test of each kind, outside the suite."""
    module = tmp_path / "test_needs.py"
    module.write_text(TESTS_WITH_NEEDS)
    return module


def run_suite(module: Path, **environment: str) -> tuple[int, list[str]]:
    """Run ``module`` on SQLite, and return the exit code with what stands under "left out"."""
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml", module],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in {"REQUIRE", "DATABASE_URL"}}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = result.stdout.splitlines()
    title = next((number for number, line in enumerate(lines) if " left out " in line), len(lines))
    return result.returncode, lines[title + 1 : -1]


def test_what_the_machine_lacks_is_left_out_and_named_last(suite_with_needs: Path) -> None:
    code, left_out = run_suite(suite_with_needs, PATH="", CHROMIUM="")

    assert code == 0
    assert left_out == [
        "1 left out: needs browser (install chromium, or name one: CHROMIUM=/path/to/chromium)",
        "1 left out: needs postgres (DATABASE_URL=postgres://USER@HOST/NAME)",
    ]


def test_what_is_required_fails_when_it_is_left_out(suite_with_needs: Path) -> None:
    code, left_out = run_suite(suite_with_needs, REQUIRE="browser,postgres", CHROMIUM="/bin/true")

    assert code == 1
    assert left_out == [
        "1 left out: needs postgres (DATABASE_URL=postgres://USER@HOST/NAME)",
        "FAILED: REQUIRE asks for every postgres test, and not every one ran",
    ]


def test_what_is_required_passes_when_it_ran(suite_with_needs: Path) -> None:
    code, left_out = run_suite(suite_with_needs, REQUIRE="browser", CHROMIUM="/bin/true")

    assert code == 0
    assert left_out == ["1 left out: needs postgres (DATABASE_URL=postgres://USER@HOST/NAME)"]


def test_what_is_required_fails_when_there_is_none(tmp_path: Path) -> None:
    module = tmp_path / "test_one.py"
    module.write_text("def test_anywhere(): pass\n")

    code, left_out = run_suite(module, REQUIRE="browser")

    assert code == 1
    assert left_out == ["FAILED: REQUIRE asks for every browser test, and not every one ran"]


def test_an_unknown_requirement_is_refused(suite_with_needs: Path) -> None:
    code, left_out = run_suite(suite_with_needs, REQUIRE="chrome")

    assert code == pytest.ExitCode.USAGE_ERROR
    assert left_out == []
