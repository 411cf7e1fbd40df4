# The few commands of this project. `make demo` shows what BIB does, `make test` checks that it does it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

.PHONY: help demo test verify fix bench microbench chaos docs reference proto-lint prerequisites prerequisites-test

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | column -t -s "$$(printf '\t')" 2>/dev/null || grep -hE '## ' $(MAKEFILE_LIST)

prerequisites:
	@.ci/prerequisites

prerequisites-test:
	@.ci/prerequisites test

demo: prerequisites ## Two nodes, real data, a query on the other machine, a proof (KEEP=1 leaves them running)
	@$(CARGO) build --locked --profile demo -p bib-actors -p bib-cli -p bib-node-tests --bins
	@exec "$(TARGET)/demo/bib-demo" examples/data $(if $(KEEP),--keep)

# there are no examples in the docstrings to run, and looking for them takes longer than many a test
test: prerequisites-test ## Every test, with real PostgreSQL, real sockets and real processes
	$(CARGO) build --locked --workspace --bins
	@.ci/with-cluster-template .ci/test --locked --workspace --lib --bins --tests

verify: prerequisites-test ## All that a change must pass; writes nothing into the tree
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(MAKE) --no-print-directory test
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

fix: ## Format, and apply what clippy can apply
	$(CARGO) clippy --workspace --all-targets --fix --allow-dirty --allow-staged
	$(CARGO) fmt --all

bench: prerequisites ## Ours and the peer's in turn, as ratios (ROWS=ingest-1g,ask runs two rows, CURVES=1 how costs grow, SLOW_PEERS=0 spares compiling sendme)
	@$(CARGO) build --locked --release -p bib-actors -p bib-cli -p bib-bench --bins
	@CARGO_MANIFEST_DIR="$(CURDIR)/bib-actors/tests/bench" exec "$(TARGET)/release/bib-bench" --report "$(TARGET)/bench/report.json" $(if $(ROWS),--rows $(ROWS)) \
		$(if $(CURVES),--curves) $(if $(QUICK),--quick) $(if $(filter 0 no,$(SLOW_PEERS)),--no-slow-peers) $(if $(NO_INSTALL),--no-install)

microbench: prerequisites ## The hot parts one by one: chunker, hash, manifests, ask, audit log, queries
	$(CARGO) bench --locked --workspace --bench hot

docs: ## The book from docs/, in target/book
	@mdbook=$$(command -v mdbook || echo "$(TARGET)/tools/bin/mdbook"); \
	[ -x "$$mdbook" ] || $(CARGO) install --quiet --locked --root "$(TARGET)/tools" --no-default-features --features search mdbook@0.5.4; \
	"$$mdbook" build docs --dest-dir "$(TARGET)/book"

reference: ## Writes the pages in docs/reference that are made from the sources
	BIB_BLESS=1 $(CARGO) test --locked --workspace reference

chaos: prerequisites-test ## Kills, damage, liars, floods in their whole numbers (SCENARIOS=kill SEED=7 RUNS=20 narrows it)
	@$(CARGO) build --locked -p bib-actors -p bib-cli -p bib-chaos --bins
	@exec "$(TARGET)/debug/bib-chaos" --report "$(TARGET)/chaos/report.json" $(if $(SCENARIOS),--scenarios $(SCENARIOS)) $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS))

proto-lint: ## Style and compatibility rules of the .proto files
	$(CARGO) test --locked --workspace --test proto_lint
