# The front door. `make` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
ARCH := $(shell uname -m | sed 's/x86_64/x64/;s/aarch64/arm64/')
NODE_DIR := $(CURDIR)/node_modules/node-linux-$(ARCH)/bin
# npm runs on whatever Node there is; everything of ours runs on the Node 24 that npm brought.
RUN := PATH="$(NODE_DIR):$(CURDIR)/node_modules/.bin:$$PATH"
VITEST := $(RUN) node node_modules/vitest/vitest.mjs run
NAME ?= default
STAMP := node_modules/.installed

.PHONY: help demo up down doctor test check types lint format formatted boundaries core transcripts adapters test-storage promises faults sample bench toolchain bundle generate events lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or newer with npm"; exit 1; }
	npm ci --no-fund --no-audit --loglevel=error
	@touch $@

toolchain: $(STAMP) ## build and fetch what tests and the local platform need (cached)
	@$(RUN) node tools/local/main.ts ensure

bundle: $(STAMP) ## one file per app
	@$(RUN) node tools/bundle.ts

demo: toolchain bundle ## a real cluster created, broken and healed before your eyes
	@$(RUN) node tools/demo/main.ts

up: toolchain bundle ## a local Kubernetes with Slotkeeper installed, left running
	@$(RUN) node tools/demo/up.ts $(NAME)

events: $(STAMP) ## what happens on the platform of `make up`, one line an event
	@$(RUN) node tools/demo/events.ts $(NAME)

down: $(STAMP) ## stop what `make up` started
	@$(RUN) node tools/local/main.ts down --name $(NAME)

doctor: $(STAMP) ## what is there, what is missing, and what to do
	@$(RUN) node tools/local/main.ts doctor

types: $(STAMP)
	@$(RUN) node node_modules/typescript/bin/tsc -p tsconfig.json

lint: $(STAMP)
	@$(RUN) node_modules/.bin/oxlint --quiet

format: $(STAMP) ## write every file as the formatter wants it
	@$(RUN) node_modules/.bin/oxfmt --write

formatted: $(STAMP)
	@$(RUN) node_modules/.bin/oxfmt --check || { echo 'not formatted: run `make format`'; exit 1; }

boundaries: $(STAMP)
	@$(VITEST) --project core tools/

check: types lint formatted boundaries ## types, lint, format, boundaries, tidy, generated files

core: $(STAMP) ## pure logic: tables, properties, laws
	@$(VITEST) --project core

transcripts: $(STAMP) ## the scenarios of libs/redis-topology told anew: read the difference before you commit it
	@$(VITEST) --project core libs/redis-topology/test/scenarios.test.ts --update

adapters: toolchain ## contracts against a real API server, Redis, Valkey, NATS, S3 and Azurite
	@$(RUN) node tools/local/main.ts ensure azurite
	@$(VITEST) --project adapters

test-storage: $(STAMP) ## the contract of storages against Ceph's S3, 0.5 GB of packages; not part of `make test`
	@$(RUN) node tools/local/main.ts ensure ceph
	@$(VITEST) --project storage

promises: toolchain bundle ## the local platform, then the apps on it
	@$(VITEST) --project platform
	@$(VITEST) --project promises

faults: toolchain bundle ## everything that may break, broken under a writer; SIZE=sample, SEED=1, ONLY=primary-killed/rdb
	@$(RUN) node tools/faults/main.ts

sample: toolchain bundle ## the part of `make faults` that belongs to `make test`
	@SIZE=sample $(RUN) node tools/faults/main.ts

bench: toolchain bundle ## figures into docs/benchmarks.md; ONLY=formation RUNS=5 for a part, printed only; ADD=1 SIZE=sample
	@$(RUN) node tools/bench/main.ts

test: check core adapters promises sample demo ## everything that must hold, the demo included

lock: $(STAMP) ## complete package-lock.json after `npm install`
	@$(RUN) node tools/complete-lock-file.ts

generate: $(STAMP) ## CRDs, RBAC, docs and scripts from their sources
	@$(RUN) node tools/generate.ts

clean: ## what was built here; the cache of built tools stays
	rm -rf node_modules apps/*/dist .nx coverage
