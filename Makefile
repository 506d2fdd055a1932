# Everything a fresh machine needs is Python 3.11 and make: each target sets up what it uses.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test ui check format lock clean
.DEFAULT_GOAL := help

help:  ## say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.venv/installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the locked dependencies into .venv (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: .venv/installed  ## run the main job in the local cloud and print what happened
	@$(BIN)/wif demo

ui: .venv/installed  ## the local cloud with the Dagster UI on http://127.0.0.1:3000
	@$(BIN)/wif ui

test: .venv/installed  ## pass the tests, quick ones first
	$(BIN)/python -m pytest -q -m "not slow"
	$(BIN)/python -m pytest -q -m slow

check: .venv/installed  ## lint, types, architecture, loadable definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q wif_pipelines_tests/architecture
	$(BIN)/dg check defs

format: .venv/installed  ## format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: .venv/installed  ## resolve pyproject.toml into requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command "make lock" pyproject.toml --output-file requirements.lock

clean:  ## forget the local cloud's state and the Dagster instance of the demo
	@$(BIN)/wif sandbox down --forget
	rm -rf .sandbox .dagster .mypy_cache .ruff_cache .pytest_cache
