# Everything a developer runs. Needs Python 3.11 and make; the rest is put into .venv at first use.
# Paths are relative throughout, so that a folder with spaces in its name works.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules
# uv writes where it pleases otherwise, and a developer's own environment is not to be changed.
unexport VIRTUAL_ENV UV_PROJECT_ENVIRONMENT PYTHONHOME PYTHONPATH

BIN := .venv/bin
STAMP := .venv/.synced
# An environment that was moved has the former path in its scripts.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(shell pwd))
MOVED := moved
endif

# Where a change is judged, a test that failed is run once more and told of as `RERUN`: real
# servers on a busy machine are late now and then. A developer's own run does not forgive.
AGAIN := $(if $(CI),--reruns 1)
# Processes that run tests, each with servers of its own. One more than two cores: tests also wait.
WORKERS ?= 3

.PHONY: help serve graphiql example test check format bench load soak presence fuzz gateway trial semantic clean $(MOVED)

help: ## Show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

serve: $(STAMP) graphiql ## Start Mela with everything it needs (ARGS="--port 8080 --workers 2 …")
	@exec $(BIN)/mela serve $(ARGS)

graphiql: $(STAMP)
	@$(BIN)/python -m web.graphiql_build

example: $(STAMP) ## Serve the page of examples/web, beside a running `make serve` (ARGS="--port 5180")
	@$(BIN)/python -m examples.serve $(ARGS)

test: $(STAMP) ## Run all tests (ARGS="tests/unit -k money -x")
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal $(AGAIN) $(ARGS)

check: $(STAMP) ## Lint, types, layers, migrations against models, schema against the committed one
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mela db check
	$(BIN)/mela schema check

format: $(STAMP) ## Format the code and fix what can be fixed without thought
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## Measure latency and throughput (ARGS="--help" tells what of)
	@$(BIN)/python -m bench $(ARGS)

load: $(STAMP) ## 200 people on all domains, 1,000 sockets, two minutes (ARGS="--quick"; docs/load.md)
	@$(BIN)/python -m bench.load $(ARGS)

soak: $(STAMP) ## Run for long under load and kills, looking for what is lost (ARGS="--minutes 60")
	@MELA_KILLS=50 $(BIN)/pytest -q tests/concurrency/test_crash_settlement.py
	@$(BIN)/python -m bench.soak $(ARGS)

presence: $(STAMP) ## A thousand people on two servers, one of which is killed: four minutes
	@$(BIN)/python -m tests.concurrency.presence_crowd

fuzz: $(STAMP) ## Throw generated operations at the server (ARGS="--minutes 10")
	@$(BIN)/python -m bench.fuzz $(ARGS)

gateway: $(STAMP) ## Grown operations to one server and to six behind a gateway (ARGS="--operations 5000")
	@$(BIN)/python -m bench.gateway_fuzz $(ARGS)

trial: $(STAMP) ## Six subgraphs behind Hive Gateway on this machine (ARGS="--subscriptions sse")
	@exec $(BIN)/python -m deploy.trial $(ARGS)

semantic: $(STAMP) ## Install the model for search by meaning: 95 MB, then MELA_SEMANTIC=true
	@touch .venv/.semantic
	@sh scripts/bootstrap.sh
	@echo "mela: installed; set MELA_SEMANTIC=true and run $(BIN)/mela search encode"

clean: ## Remove the environment and caches; keeps the data in .mela
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(STAMP): pyproject.toml uv.lock scripts/bootstrap.sh $(MOVED)
	@sh scripts/bootstrap.sh
