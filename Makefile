# Each target sets up its own environment; nothing else is needed but Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all lint docs clean

demo: .venv/installed
	$(BIN)/asmg fit --config configs/demo.yaml --checkpoint.overwrite true

test: .venv/installed
	$(BIN)/pytest -n auto --dist loadfile -m 'not slow'

test-all: .venv/installed
	$(BIN)/pytest -n auto --dist loadfile

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.venv/installed: setup.cfg constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test,docs]'
	touch $@

clean:
	rm -rf .venv build *.egg-info
