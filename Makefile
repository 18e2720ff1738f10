# The same targets by hand and in CI. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

GO ?= go
BIN := $(CURDIR)/.bin
GOLANGCI_VERSION := 2.15.0
GOLANGCI := $(BIN)/golangci-lint-$(GOLANGCI_VERSION)

# Nested modules, so that what they depend on reaches nobody: only those that are there.
NESTED := $(patsubst %/go.mod,%,$(wildcard bench/go.mod lab/go.mod))
# Those whose tests are part of ours.
NESTED_TESTED := $(patsubst %/go.mod,%,$(wildcard interop/go.mod))

# The race detector links with a C compiler; without one the tests run all the same. One processor at a time: the timers
# of a testing/synctest bubble share one race context, and two processors that fire timer channels of one bubble at once
# crash the detector (golang.org/issue/78156). Races are found by what happens before what, which needs no second
# processor, though some orders of events come up less often. Two packages still run side by side; the one that takes
# longest is named first, so that it doesn't run alone in the end. SQLite itself, C made into Go, isn't watched: its code
# runs on one connection at a time, and watching it takes two thirds of a world's time.
RACE := $(if $(shell command -v $$($(GO) env CC)),-race -cpu=1 '-gcflags=github.com/ncruces/go-sqlite3-wasm/...=-race=false')

# web/ brings its own Node with it, and npm needs one to begin with.
NPM := $(shell command -v npm)
CHROMIUM ?= $(shell command -v chromium chromium-browser google-chrome | head -1)
export CHROMIUM
WEB_INSTALL = cd web && npm ci --no-audit --no-fund

SEEDS ?= 200
FROM ?= 1
DEVICE_SEEDS ?= 1000
LOOP_SEEDS ?= 20
TOKEN_RUNS ?= 100000
KILLS ?= 200
UPLOAD_MIB ?= 1024
UPLOAD_KILLS ?= 20
SEED ?=
FUZZTIME ?= 30s
TEST_TIMEOUT ?= 40m

SOAK = $(GO) test -count=1 -timeout 0 -v

.DEFAULT_GOAL := help

demo: ## a page with two clients and a network to break; prints its address
	$(GO) run ./cmd/chatsdk demo

tour: ## server, faulty network and two clients by a fixed plan, with a verdict at the end
	$(GO) run ./cmd/chatsdk demo --tour

test: ## all tests, with the race detector and in random order; nested modules and web/ too, as far as npm and Chromium are there
	@$(if $(RACE),,echo "no C compiler: running without the race detector (apt install gcc)")
	$(GO) test $(RACE) -shuffle=on -timeout $(TEST_TIMEOUT) ./scenario ./...
	@for module in $(NESTED); do echo "$$module: build and vet"; \
		(cd $$module && $(GO) build ./... && $(GO) vet ./...) || exit 1; done
	@for module in $(NESTED_TESTED); do echo "$$module: vet and test"; \
		(cd $$module && $(GO) vet ./... && $(GO) test $(RACE) -shuffle=on -timeout $(TEST_TIMEOUT) ./...) || exit 1; done
	@$(if $(NPM),$(if $(CHROMIUM),$(MAKE) web,echo "no Chromium: web/ without its tests in a browser (apt install chromium)"; \
		$(WEB_INSTALL) && npm run check:code),echo "no npm: web/ was left out (apt install nodejs npm chromium)")

web: ## web/: types, tests, tests in Chromium, and that the built files are those of the sources
	$(WEB_INSTALL) && npm run check

verify: ## the failure scenarios on real sockets, and how often the quality of a network is told right
	$(GO) run ./cmd/chatsdk suite run
	$(GO) run ./cmd/chatsdk suite accuracy

lint: $(GOLANGCI) ## formatting, linters, go vet for other systems, go.mod, go fix
	$(GOLANGCI) fmt --diff
	$(GOLANGCI) run
	CGO_ENABLED=0 GOOS=windows $(GO) vet ./...
	CGO_ENABLED=0 GOOS=darwin $(GO) vet ./...
	$(GO) mod tidy -diff
	$(GO) fix -diff ./...

fmt: $(GOLANGCI) ## format all Go files
	$(GOLANGCI) fmt
	$(GO) mod tidy

bench: ## measurements on real sockets, beside centrifuge-js and tus-js-client (needs npm)
	if [ -f bench/js/package-lock.json ]; then cd bench/js && npm ci --no-audit --no-fund; fi
	cd bench && $(GO) run .

soak: ## the long tests: SEEDS=200 random worlds, of uploads too, and DEVICE_SEEDS=1000 with power loss, FROM=1 on, LOOP_SEEDS=20 of what the client gains by what it measures, TOKEN_RUNS=100000, KILLS=200, UPLOAD_MIB=1024; or SEED=n again
	SOAK_SEEDS=$(SEEDS) SOAK_FROM=$(FROM) SEED=$(SEED) $(SOAK) -run '^TestRandomWorlds$$' ./scenario
	SOAK_SEEDS=$(DEVICE_SEEDS) SOAK_FROM=$(FROM) SEED=$(SEED) $(SOAK) -run '^TestDurableWorlds$$' ./scenario
	SOAK_SEEDS=$(SEEDS) SOAK_FROM=$(FROM) SEED=$(SEED) $(SOAK) -run '^TestUploadWorlds$$' ./scenario
	KILLS=$(KILLS) SEED=$(SEED) $(SOAK) -run '^TestKilledProcessesLoseNothing$$' ./cmd/chatsdk
	UPLOAD_MIB=$(UPLOAD_MIB) UPLOAD_KILLS=$(UPLOAD_KILLS) SEED=$(SEED) $(SOAK) -run '^(TestKilledUploadGoesOn|TestUploadNeedsLittleMemory)$$' ./cmd/chatsdk
	SOAK_SEEDS=$(SEEDS) SEED=$(SEED) $(SOAK) -run '^TestNoDuplicateEffects$$' ./api
	TOKEN_RUNS=$(TOKEN_RUNS) SEED=$(SEED) $(SOAK) -run '^TestNoLogoutWithAValidGrant$$' ./token
	SOAK_SEEDS=$(LOOP_SEEDS) SEED=$(SEED) $(SOAK) -run '^TestLoopPays$$' .
	SOAK_HOURS=50 $(SOAK) -run '^TestLossyHour' ./realtime

fuzz: ## each fuzz target for FUZZTIME=30s
	@$(GO) test -list '^Fuzz' ./... | awk '/^Fuzz/ { names[++n] = $$1 } /^ok/ { for (i = 1; i <= n; i++) print $$2, names[i]; n = 0 }' \
	| while read -r package name; do \
		echo "$$package $$name"; \
		$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null || exit 1; \
	done

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The pinned linter: the one on the PATH if it is that version, else built from source (some minutes, once).
$(GOLANGCI):
	@mkdir -p $(BIN)
	@found=$$(command -v golangci-lint || true); \
	if [ -n "$$found" ] && [ "$$($$found version --short 2>/dev/null)" = "$(GOLANGCI_VERSION)" ]; then \
		ln -sf "$$found" $@; \
	else \
		GOBIN=$(BIN) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_VERSION) && \
		mv $(BIN)/golangci-lint $@; \
	fi

.PHONY: demo tour test web verify lint fmt bench soak fuzz help
