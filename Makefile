# Needs Python 3.11 or newer and make. Everything else goes into .venv, pinned with hashes.

.DEFAULT_GOAL := help
SHELL := /bin/sh

# Which Python the virtual environment is made with; unless named, requirements/venv chooses.
PYTHON ?=
ARGS ?=
UPGRADE ?=
# The broker: embedded (in memory, at once) or apache (the real one: needs Java 17, and Maven the first time).
KAFKA ?= embedded
BROKERS ?= 1
# Of make test-faults: the plan of faults follows from it. Chance chooses one, and says which.
SEED ?=
# What make bench measures: all, or routing alone, which needs no server, or what a dead endpoint costs the others.
PART ?= all
BENCH_FILE = $(if $(filter all,$(PART)),$(KAFKA),$(PART))

# What is compiled once is kept: half of what four workers do before their first test is compiling the tests.
unexport PYTHONDONTWRITEBYTECODE

# A third of a test is waiting for another process: one worker more than cores. Each has its own servers, and runs
# whole modules (tests/support/schedule.py).
WORKERS ?= --numprocesses=$(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --maxprocesses=4 --dist=loadfile

VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/lock.txt
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.PHONY: help install demo up test test-kafka test-system test-faults check format bench lock clean

help: ## Say what can be typed here
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(INSTALLED) ## Put everything into .venv, so that .venv/bin/tocsin runs

demo: $(INSTALLED) ## Watch one case event become alerts, end to end, and end by itself
	@$(BIN)/tocsin demo $(ARGS)

up: $(INSTALLED) ## Run everything here until Ctrl-C (KAFKA=apache for the real broker, BROKERS=3 for three)
	@$(BIN)/tocsin up --embedded --kafka $(KAFKA) --brokers $(BROKERS) $(ARGS)

test: $(INSTALLED) ## Run the tests that need nothing but this (ARGS="-k words" to choose)
	@$(BIN)/pytest -m "not faults and not bench and not system" $(WORKERS) $(ARGS)

# The jars come first: without them the tests would fail one by one, each for the same reason.
test-kafka: $(INSTALLED) ## Run the integration and acceptance tests, and a short run of faults, on Apache Kafka
	@$(BIN)/python -m services.devstack.apache
	@TOCSIN_TEST_KAFKA=apache $(BIN)/pytest -m "(integration or acceptance or faults) and not system and not recovery" $(WORKERS) $(ARGS)

# As root where a package is missing; where one cannot be had the tests fail, and none is skipped.
test-system: $(INSTALLED) ## Run the tests against programs from Debian, which are installed first (as root)
	@requirements/debian
	@$(BIN)/pytest -m system $(WORKERS) $(ARGS)

test-faults: $(INSTALLED) ## Kill, restart and freeze everything while alerts flow, for 20 minutes (SEED=… again)
	@$(BIN)/python -m services.devstack.apache
	@TOCSIN_TEST_KAFKA=apache TOCSIN_TEST_FAULTS=full TOCSIN_TEST_SEED=$(SEED) $(BIN)/pytest -m faults $(ARGS)

check: $(INSTALLED) ## Judge format, lint, types and the direction of imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(INSTALLED) ## Format the code and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(INSTALLED) ## Measure throughput, latency and cost on this machine (KAFKA=apache, PART=routing|dead; into .bench/)
	@TOCSIN_TEST_KAFKA=$(KAFKA) $(BIN)/python -m tests.bench --part $(PART) --out .bench/$(BENCH_FILE).json $(ARGS)

lock: $(INSTALLED) ## Pin what pyproject.toml asks for (UPGRADE=--upgrade for newest versions)
	@requirements/lock $(UPGRADE)

clean: ## Remove caches and build products (.venv stays)
	@rm -rf build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis
	@find schemas services tests -type d -name __pycache__ -prune -exec rm -rf {} +

# The stamp depends on what was asked for, so a second run has nothing to do. The lock is whole, so pip resolves nothing
# (a resolver tries the newest release of a package before it sees the pin, and stops because that has no hash); `pip check`
# says if it was not whole. Without build isolation: the build backend comes from the lock too.
$(INSTALLED): $(LOCK) pyproject.toml
	@requirements/venv '$(PYTHON)' $(VENV)
	@echo "Installing $$(grep -c == $(LOCK)) pinned packages ..."
	@$(PIP) install --quiet --require-hashes --no-deps -r $(LOCK)
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(PIP) check >/dev/null || { $(PIP) check; exit 1; }
	@touch $@
	@echo "Ready: $(BIN)/tocsin"
