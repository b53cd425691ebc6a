# `make demo` and `make test` do all the set-up that they need, in the project's own virtual environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow bench clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(f"sega-vectors needs Python 3.11 or newer, met {sys.version.split()[0]}: run make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

install: $(INSTALLED)  ## set up .venv (the other targets do it by themselves)

demo: $(INSTALLED)  ## record, apply and measure on the embedded model; the picture goes to demo/
	$(BIN)/sega-vec demo --output demo

PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 8

# The tests of the pages drive Debian's Chromium, and are skipped where there is none.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || .ci/chromium.sh

test: $(INSTALLED) chromium  ## ruff, mypy --strict and the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST)

test-slow: $(INSTALLED) chromium  ## the tests that take minutes: crashes, fuzzing, servers
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,slow]'
	$(PYTEST) -m slow

bench: $(INSTALLED)  ## measure speed and size; the table goes to benchmarks/RESULTS.md
	# else glibc gives buffers back to the system within a run, and which contender that slows is a matter of chance
	MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 $(BIN)/python -m benchmarks

clean:  ## remove the virtual environment and what tools left behind
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis demo
