# `make help` lists what can be done. Two commands are enough: make run, make test.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
PEERS := .peers
BENCH := .bench
BIN := $(VENV)/bin
# The locks name everything with its version: nothing is left to resolve, so pip must not try.
PIP_INSTALL := -m pip install -qq --disable-pip-version-check --no-deps
# How many share a run of the tests. Each starts servers of its own, so cores are not counted.
CALOTYPE_TEST_WORKERS ?= 2
SHARED := -n $(CALOTYPE_TEST_WORKERS) --dist loadgroup --no-loadscope-reorder

.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: $(VENV)/.run ## serve on http://127.0.0.1:9292 from ./var, no configuration needed
	@$(BIN)/calotype serve --quickstart var --access-log -

demo: $(VENV)/.run $(PEERS)/.ready ## push a disk image in with the real client, get it back, compare
	@$(BIN)/python tools/demo.py --openstack $(PEERS)/bin/openstack

test: $(VENV)/.dev $(PEERS)/.ready check ## run all tests this machine has the parts for
	@$(BIN)/python -m pytest $(SHARED)

check: $(VENV)/.dev ## lint, types, layers
	@$(BIN)/ruff format --check src client tempest tests tools
	@$(BIN)/ruff check src client tempest tests tools
	@$(BIN)/mypy
	@PYTHONPATH=src $(BIN)/lint-imports --no-logo

services: ## install the real servers that tests talk to (Debian, root)
	@tools/install-services

bench: $(VENV)/.dev $(PEERS)/.ready $(BENCH)/.ready ## measure beside real Glance and nginx
	@$(BIN)/python -m tools.bench

docs: $(VENV)/.dev $(PEERS)/.ready ## make the generated pages of docs/ again, and what commands show in them
	@$(BIN)/python -m tools.generate_docs

lock: ## resolve the dependencies anew (needs uv)
	uv pip compile -q --generate-hashes --no-header --python-version 3.11 -c requirements/constraints.in pyproject.toml -o requirements/run.txt
	uv pip compile -q --generate-hashes --no-header --python-version 3.11 --all-extras requirements/dev.in pyproject.toml client/pyproject.toml -o requirements/dev.txt
	uv pip compile -q --generate-hashes --no-header --python-version 3.11 requirements/peers.in -o requirements/peers.txt
	uv pip compile -q --generate-hashes --no-header --python-version 3.11 requirements/bench.in -o requirements/bench.txt

clean: ## remove the environments and ./var
	rm -rf $(VENV) $(PEERS) $(BENCH) var

$(VENV)/bin/python:
	@echo "Making the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing the service and what it needs"
	@$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements/run.txt
	@$(BIN)/python $(PIP_INSTALL) --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt client/pyproject.toml $(VENV)/.run
	@echo "Installing the client, and what tests and checks need"
	@$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	@$(BIN)/python $(PIP_INSTALL) --no-build-isolation -e client
	@touch $@

$(PEERS)/.ready: requirements/peers.txt client/pyproject.toml tempest/pyproject.toml
	@echo "Installing Keystone, Swift, Cinder, Tempest, the clients and our plugins for them, as peers of the tests"
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python $(PIP_INSTALL) --require-hashes -r requirements/peers.txt
	@$(PEERS)/bin/python $(PIP_INSTALL) --no-build-isolation -e client -e tempest
	@touch $@

$(BENCH)/.ready: requirements/bench.txt
	@echo "Installing Glance, to measure beside and to take turns with"
	@$(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python $(PIP_INSTALL) --require-hashes -r requirements/bench.txt
	@touch $@

.PHONY: help run demo test check services bench docs lock clean
