# The commands of the README. Everything they need is set up under .venv and .make; stamps depend on the locks, so a second call does nothing twice.
SHELL := /bin/bash
PYTHON ?= python3
TOOLS := .make/tools/bin
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS = never
export UV_LINK_MODE = copy

# The test environment holds the server's; whoever has it does not install the smaller one.
ENV := $(if $(wildcard .make/dev),.make/dev,.make/server)

.PHONY: demo serve test check assets oracles check-oracles lock clean

demo: $(ENV)
	@$(BIN)/python manage.py demo

serve: $(ENV) assets
	@$(BIN)/python manage.py serve

test: .make/dev assets
	@$(BIN)/python -m tests.run

check: .make/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache | tail -n 8
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/bandit -q -ll -c pyproject.toml -r hardcases evaluation
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint Dockerfile

assets: .make/assets

# --- Set-up ---------------------------------------------------------------------------------------------------------------------------------------
.make/uv: requirements/uv.txt
	@mkdir -p .make
	@$(PYTHON) -m venv .make/tools >/dev/null 2>&1 \
	  || { [ "$$(id -u)" = 0 ] && apt-get -qq update && apt-get -qqy install python3-venv >/dev/null && $(PYTHON) -m venv .make/tools; } \
	  || { echo "Python's venv module is missing. Install it first: sudo apt install python3-venv"; exit 1; }
	@$(TOOLS)/python -m pip -q --disable-pip-version-check install --require-hashes -r requirements/uv.txt
	@[ -x $(BIN)/python ] || $(TOOLS)/uv venv -q --python $(PYTHON) .venv
	@touch $@

.make/server: .make/uv requirements/server.txt pyproject.toml
	@echo "Setting up (once)…"
	@$(TOOLS)/uv pip sync -q --python $(BIN)/python --require-hashes requirements/server.txt
	@$(TOOLS)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.make/dev: .make/uv requirements/dev.txt pyproject.toml
	@echo "Setting up what the tests need (once)…"
	@$(TOOLS)/uv pip sync -q --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(TOOLS)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Node is needed only here. The system's if it is new enough, else one from a wheel, kept under .make.
.make/node: .make/uv requirements/node.txt
	@if ! node -e 'const [a,b]=process.versions.node.split(".").map(Number);process.exit(a>20||(a==20&&b>=19)?0:1)' 2>/dev/null; then \
	  $(TOOLS)/uv venv -q --python $(PYTHON) .make/nodejs && \
	  $(TOOLS)/uv pip sync -q --python .make/nodejs/bin/python --require-hashes requirements/node.txt; fi
	@touch $@

.make/assets: .make/node hardcases/frontend/package-lock.json $(wildcard hardcases/frontend/src/*.ts)
	@cd hardcases/frontend && export PATH="$(CURDIR)/.make/nodejs/bin:$$PATH" && npm ci --ignore-scripts --no-audit --no-fund --silent && npm run --silent build
	@touch $@

# --- Heavy oracles: an environment of their own, never part of the locks --------------------------------------------------------------------------
oracles: .make/oracles/ready

.make/oracles/ready: requirements/oracles.in
	@[ -x .make/oracles/bin/pip ] || $(PYTHON) -m venv .make/oracles
	@.make/oracles/bin/pip -q --disable-pip-version-check install -r requirements/oracles.in
	@touch $@

check-oracles: oracles
	@for script in benchmarks/oracles*.py; do echo "$$script"; PYTHONPATH=. OMP_NUM_THREADS=1 .make/oracles/bin/python $$script || exit 1; done

# --- Locks: every package with its hashes, no address of an index ---------------------------------------------------------------------------------
COMPILE := $(TOOLS)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header
lock: .make/uv
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) requirements/node.in -o requirements/node.txt
	$(COMPILE) pyproject.toml --extra server --extra onnx --extra dicom --group build -o requirements/server.txt
	$(COMPILE) pyproject.toml --extra server --extra onnx --extra dicom --group build --group dev -c requirements/server.txt -o requirements/dev.txt

clean:
	rm -rf .venv .make hardcases/frontend/node_modules hardcases/static/hardcases/js
