# Everything runs in .venv, which `make env` makes; PYTHON chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin
# setuptools shows a warning of every editable installation as one of the project's.
INSTALL := PYTHONWARNINGS='ignore:Editable installation' $(BIN)/python -m pip install --quiet

.PHONY: env demo test slow versions docs bench torture lint clean

env: .venv/ready

.venv/ready: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(INSTALL) --upgrade pip
	$(INSTALL) --editable '.[test]'
	touch $@

demo: env
	$(BIN)/mttjax demo

test: env
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

slow: env
	$(INSTALL) --editable '.[docs]'
	$(BIN)/python -m pytest -m slow

# The suite in an environment by uv, of the newest packages that setup.cfg admits, or the oldest:
# make PYTHON=python3.13 versions, make RESOLUTION=lowest-direct versions.
RESOLUTION ?= highest
TRIED := .venv-$(RESOLUTION)
versions:
	uv venv --clear --python $(PYTHON) $(TRIED)
	uv pip install --python $(TRIED) --resolution $(RESOLUTION) '.[test]'
	$(TRIED)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The pages of docs/, README and the results as a site, in site/; a warning is an error.
docs: env
	$(INSTALL) --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# ARGS=--quick takes minutes instead of more than half an hour; see python -m benchmarks --help.
bench: env
	$(INSTALL) --editable '.[bench]'
	$(BIN)/python -m benchmarks $(ARGS)

# Takes an hour; ARGS="--minutes 20 --only kills" less. See python -m tests.torture --help.
torture: env
	$(BIN)/python -m tests.torture $(ARGS)

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv .venv-* build *.egg-info
