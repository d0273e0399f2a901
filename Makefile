# Everything runs in .venv, which `make env` makes; PYTHON chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: env demo test slow bench torture lint clean

env: .venv/ready

.venv/ready: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

demo: env
	$(BIN)/python bin/demo

test: env
	$(BIN)/python -m pytest -n 2 --dist loadfile

slow: env
	$(BIN)/python -m pytest -m slow

# ARGS=--quick takes minutes instead of half an hour; see python -m benchmarks --help.
bench: env
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m benchmarks $(ARGS)

# ARGS="--only kills" runs one part, ARGS="--size small" less of each; see
# python -m benchmarks.torture --help.
torture: env
	$(BIN)/python -m benchmarks.torture $(ARGS)

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf .venv build *.egg-info
