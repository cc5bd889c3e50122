# Bonafides. `make help` lists every target.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
PYTEST := $(BIN)/pytest

.PHONY: help
help: ## List every target.
	@awk 'BEGIN {FS = ":.*## "} /^[a-zA-Z0-9_%-]+:.*## / {printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements/dev.lock pyproject.toml scripts/bootstrap.sh
	@scripts/bootstrap.sh $(VENV)
	@touch $@

.PHONY: bootstrap
bootstrap: $(STAMP) ## Build .venv from the hash-locked requirements and install the node tools and Kafka's jars.
	@$(BIN)/bonafides lab stack tools

.PHONY: demo
demo: bootstrap ## The main job, end to end, on a local stack; stays up until Ctrl-C (ONCE=1 ends by itself).
	@$(BIN)/bonafides lab demo $(if $(ONCE),--once)

.PHONY: test
test: bootstrap lint unit contracts suites ## Everything, as CI runs it: lint, types, unit, contracts, chart, integration, end to end.

.PHONY: check
check: $(STAMP) lint unit ## The fast part of the gate.

.PHONY: lint
lint: $(STAMP) ## Format, lint, types and import rules.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(STAMP) ## Put the code into form.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: unit
unit: $(STAMP) ## Unit tests: no socket, no sleep, no clock.
	$(PYTEST) -q -m unit

.PHONY: contracts
contracts: bootstrap ## Solidity tests: unit, fuzz, invariants.
	$(BIN)/bonafides lab forge test

.PHONY: forks
forks: bootstrap ## Random fork trees over the whole path, other ones each time: EXAMPLES=n (500).
	FORKS_EXAMPLES=$(or $(EXAMPLES),500) $(PYTEST) -q tests/integration/test_ingest_forks_random.py

.PHONY: chart
chart: $(STAMP) ## Helm chart, compose file and container files.
	$(PYTEST) -q -m chart

.PHONY: integration
integration: bootstrap ## Against the local stack: real broker, PostgreSQL, chain.
	$(PYTEST) -m integration -n 2 --dist loadfile

.PHONY: e2e
e2e: bootstrap ## The product's story on real parts.
	$(PYTEST) -m e2e

# The end-to-end story is one world for all of its tests; the others share two cores, a file at a time.
.PHONY: suites
suites: bootstrap
	$(PYTEST) -m e2e
	$(PYTEST) -m "integration or chart" -n 2 --dist loadfile

SEED ?= 1
RUNS ?= 100
.PHONY: faults
faults: bootstrap ## RUNS=100 faults drawn from SEED=1 to a whole system under load; counts what was lost or doubled.
	$(BIN)/python -m tests.faults --seed $(SEED) --runs $(RUNS)

bench-%: bootstrap ## Measure and write benchmarks/results/<name>.json: bench-ingest, bench-live, bench-training.
	$(BIN)/python -m benchmarks.$*

.PHONY: train
train: bootstrap ## Train the synthetic model again: simulate a market, decode its logs, train, evaluate out of time.
	$(BIN)/bonafides lab train

.PHONY: lock
lock: $(STAMP) ## Resolve the dependencies again into requirements/*.lock.
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --universal --no-header --python-version 3.12 --extra dev pyproject.toml -o requirements/dev.lock
	for extra in base service ingest scoring attestation; do \
	  $(BIN)/uv pip compile -q --generate-hashes --universal --no-header --python-version 3.12 -c requirements/dev.lock \
	    $$([ $$extra = base ] || echo --extra $$extra) pyproject.toml -o requirements/$$extra.lock || exit 1; \
	done
	printf 'hatchling>=1.27\n' | $(BIN)/uv pip compile -q --generate-hashes --universal --no-header --python-version 3.12 \
	  -c requirements/dev.lock - -o requirements/build.lock
	printf 'ethereum-etl==2.4.2\nsetuptools<81\n' | $(BIN)/uv pip compile -q --generate-hashes --universal --no-header \
	  --python-version 3.10 - -o requirements/ethereum-etl.lock

.PHONY: clean
clean: ## Remove the virtual environment and what the tools made.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist .stack
