# make run: the hub, the demo assistant and the local Twilio simulator. make test: every test and linter.
PYTHON ?= python3
PORT ?= 8000
SIMULATOR_PORT ?= 8010
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := twilio watson http_assistant openai webhooks attachments demo simulator
EDITABLE := -e .[postgres] $(foreach plugin,$(PLUGINS),-e plugins/$(plugin))
MANIFESTS := setup.cfg pyproject.toml constraints.txt requirements-dev.txt $(wildcard plugins/*/setup.cfg) Makefile
JOBS ?= 2

.PHONY: run test lint types unit wheels bench bench-webhook bench-turns bench-slow bench-latency bench-stages bench-memory clean

run: $(VENV)/.installed
	@$(BIN)/hub demo --port $(PORT) --simulator-port $(SIMULATOR_PORT)

test: lint types unit

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/.installed-dev
	$(BIN)/mypy -p hub
	@for plugin in $(PLUGINS); do echo "mypy plugins/$$plugin"; $(BIN)/mypy plugins/$$plugin/hub_$$plugin || exit 1; done

unit: $(VENV)/.installed-dev
	@mkdir -p .tmp
	TMPDIR=$(CURDIR)/.tmp $(BIN)/pytest -n $(JOBS) --dist worksteal

bench bench-webhook bench-turns bench-slow bench-latency bench-stages bench-memory: $(VENV)/.installed-dev
	$(BIN)/python -m bench $(patsubst bench%,%,$(subst bench-,bench,$@))

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=…")'
	@echo "making a virtual environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python $(MANIFESTS)
	@echo "installing the hub and its plugins (once) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt $(EDITABLE)
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	@echo "installing the tools for tests (once) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) instance build bench/results .tmp
