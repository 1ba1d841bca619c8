# The portal. `make` alone lists what there is.
#
#   PYTHON=python3.12   the interpreter that .venv is made with (3.11 or newer)
#   PORT=8001           where `make demo` serves
#   DATABASE_URL=...    PostgreSQL instead of the SQLite file
#   ARGS="-k start -x"  more words for pytest, or for `make bench`: ARGS="lists endings"
#   SIZE=small          a short `make bench`
#   REQUIRE=browser,postgres  makes tests that this machine can't run a failure

PYTHON ?= python3
PORT ?= 8000
ARGS ?=
UPGRADE ?=

venv := .venv
bin := $(venv)/bin
python := $(bin)/python
install := $(python) -m pip install -qq --disable-pip-version-check --no-input --require-hashes -r
# DEBUG gives every setting a default; unbuffered, mail to the console shows when it is sent.
develop_env := DEBUG=true PYTHONUNBUFFERED=1

.DEFAULT_GOAL := help
.PHONY: help demo test check bench screenshots pins

help:
	@echo 'make demo    set all up, migrate, seed, and serve on http://127.0.0.1:$(PORT)/'
	@echo 'make test    set all up and run every test that this machine can, naming the rest last'
	@echo 'make check   linters, types, import contract, migrations, deployment checks'
	@echo 'make bench   measure beside plain Django and other log-in-as libraries'
	@echo 'make screenshots  take a picture of every page in light, dark and narrow, into screenshots/'
	@echo 'make pins    resolve requirements/*.in anew (UPGRADE=--upgrade takes the newest)'

# --- the virtual environment --------------------------------------------------------------------------------------

# One that was moved, half made, or whose Python is gone or too old is made again.
venv_works := $(shell $(python) -c 'import sys, pip; print(sys.version_info >= (3, 11))' 2>/dev/null)
ifneq ($(venv_works),True)
.PHONY: $(venv)/pyvenv.cfg
endif

# Prints why $(PYTHON) won't do, or nothing. Old Pythons, 2 too, must be able to read it.
define look_at_python
import sys; \
new = sys.version_info >= (3, 11); \
find = new and __import__("importlib.util").util.find_spec; \
missing = [name for name in ("venv", "ensurepip") if new and not find(name)]; \
version = "%d.%d" % sys.version_info[:2]; \
print("" if new and not missing else \
"Python 3.11 or newer is needed, and $(PYTHON) is %s. Name another: PYTHON=python3.12" % version if not new else \
"$(PYTHON) has no %s module. Install it (Debian: apt install python%s-venv), or name another: PYTHON=python3.12" \
% (missing[0], version))
endef
why_not_python = $(shell command -v '$(PYTHON)' >/dev/null 2>&1 \
	|| { echo 'There is no $(PYTHON) here. Install Python 3.11 or newer, or name one: PYTHON=python3.12'; exit; }; \
	'$(PYTHON)' -c '$(look_at_python)' 2>&1)

$(venv)/pyvenv.cfg:
	$(eval why := $(why_not_python))$(if $(why),$(error $(why)))
	@echo 'Making $(venv) ...'
	@'$(PYTHON)' -m venv --clear $(venv)

# A stamp for each list, so that it is installed again only when it changed.
$(venv)/run.installed: requirements/run.txt $(venv)/pyvenv.cfg
$(venv)/develop.installed: requirements/develop.txt $(venv)/run.installed
$(venv)/benchmark.installed: requirements/benchmark.txt $(venv)/develop.installed
$(venv)/%.installed: requirements/%.txt
	@echo 'Installing $< ...'
	@$(install) $<
	@touch $@

# --- what to do ---------------------------------------------------------------------------------------------------

can_serve = $(shell $(python) -c 'import socket; socket.create_server(("127.0.0.1", $(PORT))); print("yes")' 2>/dev/null)

demo: $(venv)/run.installed
	$(if $(can_serve),,$(error Port $(PORT) of 127.0.0.1 is taken or not ours to open. Name another: make demo PORT=8001))
	@$(develop_env) $(python) manage.py migrate --verbosity 0
	@$(develop_env) $(python) manage.py seed_demo
	@echo
	@echo 'The portal is at http://127.0.0.1:$(PORT)/ (Ctrl+C stops it)'
	@exec env $(develop_env) $(python) -m gunicorn --bind 127.0.0.1:$(PORT) --threads 8 \
		--no-control-socket --log-level warning portal.wsgi

test: $(venv)/develop.installed
	@$(python) -m pytest -n auto --maxprocesses 8 --dist worksteal --cov --cov-report=term $(ARGS)

check: $(venv)/develop.installed
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports --no-logo
	DEBUG=true $(python) manage.py makemigrations --check --dry-run
	@# As production would start: no development default, a secret of the moment.
	DEBUG= ALLOWED_HOSTS=portal.example SECRET_KEY="$$($(python) -c 'import secrets; print(secrets.token_urlsafe(64))')" \
		$(python) manage.py check --deploy --fail-level WARNING

bench: $(venv)/benchmark.installed
	@$(develop_env) $(python) -m tests.benchmarks $(ARGS)

screenshots: $(venv)/develop.installed
	@REQUIRE=browser $(python) -m pytest -q tests/browser/screenshots.py $(ARGS)

resolve := -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

pins: $(venv)/pyvenv.cfg
	@$(python) -m uv --version >/dev/null 2>&1 || $(python) -m pip install -qq --disable-pip-version-check uv
	@cd requirements && for list in run develop benchmark; do \
		../$(python) $(resolve) $(UPGRADE) --output-file $$list.txt $$list.in || exit; \
	done
