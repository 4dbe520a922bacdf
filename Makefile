# Everything a person does with this checkout. `make help` lists it.
#
# Only Python 3.11 or later with venv, and make, are needed. All else is installed
# into .venv from the lock files, by hash.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
METADATA := setup.cfg pyproject.toml

# 3.11 and 3.12 before 3.13: for these there is a Redis among the wheels. A name that
# is there may still not run (version switchers leave such), so each is tried.
PYTHON_NAMES := python3.12 python3.11 python3 python3.13 python3.14 python
PYTHON_CHECK := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

.PHONY: help setup run test chaos chaos-tests lint types format load bench lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(RUNTIME)  ## make the environment: .venv/bin/idling-ws

run: $(RUNTIME)  ## serve with embedded PostgreSQL and Redis; Ctrl-C ends all of it (ARGS="--port 9000")
	@exec $(BIN)/idling-ws serve $(ARGS)

test: $(DEV)  ## run every test over real servers (ARGS="-k cursor" for some of the Python ones)
	@exec $(BIN)/python scripts/run_tests.py $(ARGS)

chaos: $(DEV)  ## kill, freeze and cut everything under load, and check what the devices saw (under 10 minutes)
	@exec $(BIN)/python scripts/chaos.py $(ARGS)

chaos-tests: $(DEV)  ## run the tests of faults at full size, and print what they measured (about 15 minutes)
	@IDLING_TEST_FULL_SIZE=1 exec $(BIN)/python -m pytest tests/chaos $(ARGS)

lint: $(DEV)  ## check style and the directions of imports
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports --no-cache

types: $(DEV)  ## check the types, Python's and JavaScript's
	@$(BIN)/mypy
	@$(BIN)/python scripts/check_js_types.py

format: $(DEV)  ## put the code into its one form
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

load: $(DEV)  ## put load on servers and prove their promises (ARGS="--url http://127.0.0.1:8080" for running ones)
	@exec $(BIN)/python scripts/load_test.py $(ARGS)

bench: $(DEV)  ## measure what it costs, beside other servers (a quarter of an hour; ARGS=--quick for a look)
	@exec $(BIN)/python scripts/bench.py $(ARGS)

lock: $(DEV)  ## make the lock files anew from setup.cfg (UPGRADE=--upgrade for newer versions)
	@$(PIP) install uv
	@set -e; compile() { $(BIN)/uv pip compile setup.cfg --quiet --universal --python-version 3.11 \
		--generate-hashes --custom-compile-command "make lock" $(UPGRADE) "$$@"; }; \
	compile --extra build --extra embedded --output-file requirements.lock; \
	compile --extra build --extra embedded --extra load --extra dev \
		--constraints requirements.lock --output-file requirements-dev.lock

clean:  ## remove what was made here, the environment included; the data in var/ stays
	rm -rf $(VENV) .peers node_modules build dist reports *.egg-info .coverage* .hypothesis
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment that is there and works is kept, whoever made it; what it lacks is added.
# Only one whose Python does not run is made anew.
$(VENV)/.made:
	@if $(BIN)/python -c '$(PYTHON_CHECK)' 2>/dev/null; then \
		if $(PIP) --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null 2>&1; then exit 0; fi; \
	fi; \
	if [ -e $(VENV) ] && [ ! -e $(VENV)/pyvenv.cfg ] && [ -n "$$(ls -A $(VENV))" ]; then \
		echo "$(VENV) is there and is no Python environment: move it away first." >&2; exit 1; \
	fi; \
	for name in $(PYTHON) $(PYTHON_NAMES); do \
		if "$$name" -c '$(PYTHON_CHECK)' 2>/dev/null; then python="$$name"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or later with venv is needed, and none was found." >&2; \
		echo "On Debian and Ubuntu: apt-get install python3 python3-venv. Elsewhere: https://www.python.org/downloads/" >&2; \
		echo "If it has an unusual name or place: make setup PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	echo "Making the environment in $(VENV) with $$("$$python" -V)"; \
	"$$python" -m venv --clear $(VENV)
	@touch $@

$(RUNTIME): requirements.lock $(METADATA) $(VENV)/.made
	@echo "Installing what the server needs, by the lock (about 60 MB the first time)"
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "Installing what the tests and checks need, by the lock (about 120 MB the first time)"
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@touch $@
