# make demo: set up everything and open the app on the sample results.  make test: set up everything and run the tests.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# What one process has compiled is there for the next: the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test long bench lint format clean

demo: .venv/ready
	$(BIN)/python -m xai_core demo

test: .venv/ready-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 3 --dist loadfile --no-loadscope-reorder

long: .venv/ready-dev
	$(BIN)/python -m pytest -m long

bench: .venv/ready
	$(BIN)/python -m bench.explainers

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv

# The tests of the pages drive Debian's Chromium.
# Debian ships venv apart from Python: fetch it where it is missing and we may.
.venv/bin/python:
	$(PYTHON) -m venv .venv || { rm -rf .venv; apt-get update && apt-get install -y python3-venv && $(PYTHON) -m venv .venv; }

.venv/ready: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/ready-dev: requirements-dev.txt requirements-language.txt .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	command -v chromium-headless-shell || { apt-get update && apt-get install -y chromium-headless-shell; } || command -v chromium
	touch $@
