# `make demo` and `make test` need Python 3.11 or later, make and git; all else is installed into .venv.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SUITABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
# Processes that the tests run in; each takes up to 2.5 GB of memory.
WORKERS ?= 2
PYTHON ?= $(firstword $(foreach python,python3.13 python3.12 python3.11 python3 python,\
	$(shell $(python) -c '$(SUITABLE)' >/dev/null 2>&1 && echo $(python))))

.PHONY: help demo test checks tests slow lint docs lock clean

help:
	@echo "make demo   diffraction, microscope and absorption on simulated samples, into demo/"
	@echo "make test   everything that must hold: style, types, layers, documentation, tests"
	@echo "make slow   the tests that take minutes each, on measured data"
	@echo "make lint   style, types and layers only"
	@echo "make docs   the documentation, its gallery executed, into docs/_build/html"
	@echo "make lock   choose the newest versions that pyproject.toml allows, into requirements.lock"
	@echo "make clean  remove what can be made again"

$(READY): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
		echo "error: no Python 3.11 or later with venv found (tried python3.13 ... python3, python);" \
			"install one, or name it: make PYTHON=/path/to/python" >&2; exit 2; fi
	$(PYTHON) -m venv $(VENV)
	@echo "Installing what requirements.lock names into $(VENV); the first time this may take some minutes"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.lock
	$(BIN)/python -m pip install --quiet --require-hashes -r $(VENV)/uv.lock
	@# uv is ten times as fast as pip, but knows none of pip's settings (an index of one's own).
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock || \
		$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)
	$(BIN)/nescio demo -o demo

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: $(READY)
	$(BIN)/sphinx-build -W --keep-going -n -E -q -b html docs docs/_build/html

# Style, types and documentation are checked beside the tests: neither fills two cores all the time.
test: $(READY)
	@$(MAKE) --no-print-directory --jobs=2 checks tests

checks: lint
	@$(MAKE) --no-print-directory docs

tests: $(READY)
	$(BIN)/pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder --durations=20

slow: $(READY)
	$(BIN)/pytest -m slow

lock: $(READY)
	UV_NO_CONFIG=1 UV_INDEX= UV_DEFAULT_INDEX= UV_FIND_LINKS= $(BIN)/uv pip compile pyproject.toml --quiet \
		--extra bluesky --extra network --extra hyperspy --extra zarr --extra tiff --extra area --extra ase --extra dask --group dev --universal --python-version 3.11 --generate-hashes --upgrade \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --output-file requirements.lock

clean:
	rm -rf $(VENV) build dist docs/_build demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
