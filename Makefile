# Everything happens in .venv, which each target makes or renews by itself. On Debian: apt-get install make python3 python3-venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests wait for servers and processes most of the time: three at once keep two cores busy. The slow ones work.
WORKERS ?= 3
SLOW_WORKERS ?= 2
# The servers and the browser that the tests run against, and what reads the recipes (promtool, systemd-analyze); installed
# by `make test` where it may. That Debian also starts them as services is harmless: the tests start their own, on other ports.
DEBIAN_PACKAGES := postgresql mariadb-server chromium prometheus redis-server systemd zsh fish

PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PYTEST := $(BIN)/python -m pytest -n $(WORKERS)

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint reference constraints clean debian-packages

help:  ## print this
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */:/' | awk -F: '{ printf "  make %-12s %s\n", $$1, $$2 }'

demo: $(VENV)/.runtime  ## build the incident in ./dedupaudit-demo and audit it
	@$(BIN)/dedupaudit demo

test: $(VENV)/.dev debian-packages  ## run all tests but the slow ones
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/.dev debian-packages  ## run the slow tests, with many more random cases
	HYPOTHESIS_PROFILE=slow $(PYTEST) -m slow -n $(SLOW_WORKERS)

lint: $(VENV)/.dev  ## check style, types and import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

reference: $(VENV)/.dev  ## write docs/commands.md anew from what --help says
	$(BIN)/python -m tools.reference

constraints:  ## write constraints.txt anew from the newest versions that pyproject.toml allows
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	head -n 1 constraints.txt > $(VENV)/constraints
	$(BIN)/python -m pip freeze --exclude-editable | LC_ALL=C sort -f >> $(VENV)/constraints
	mv $(VENV)/constraints constraints.txt

clean:  ## remove .venv, what was built and what was cached
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find dedupaudit tests bench -name __pycache__ -type d -exec rm -rf {} +

# Installs the Debian packages $(1) where that needs no password; otherwise says what to type, and fails. What apt prints is
# shown only where it fails.
define apt_install
if [ "$$(id -u)" = 0 ]; then root=""; \
elif sudo -n true 2>/dev/null; then root="sudo"; \
else echo "Install it first: apt-get install $(1)" >&2; exit 1; fi; \
echo "Installing $(1) ..." >&2; log=$$(mktemp); \
{ $$root apt-get update -qq && $$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(1); } \
	>"$$log" 2>&1 || { cat "$$log" >&2; rm -f "$$log"; exit 1; }; \
rm -f "$$log"
endef

debian-packages:
ifneq ($(DEBIAN_PACKAGES),)
	@dpkg -s $(DEBIAN_PACKAGES) >/dev/null 2>&1 || { $(call apt_install,$(DEBIAN_PACKAGES)); }
endif

# The stamps are older than what they were made from when pyproject.toml or constraints.txt changes: pip runs again.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "dedupaudit needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." \
			"Name another one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python's venv module is missing; on Debian it is in python3-venv." >&2; \
		$(call apt_install,python3-venv); }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.python pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once) ..." >&2
	@$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.python pyproject.toml constraints.txt
	@echo "Setting up $(VENV) with the development tools (once) ..." >&2
	@$(PIP_INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.runtime
