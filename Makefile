# make test is what CI runs. It installs what it needs; what takes long has a target of its own.
GO ?= go
# The longest packages begin first, so that none of them is left alone at the end.
PKGS := ./handlers ./cluster/clustertest ./cli ./handlers/realtime ./store/eventlog/journal ./store/streams ./store/eventlog/pebble ./...
export CGO_ENABLED ?= 1

.PHONY: help build test deps check unit e2e e2e-firefox e2e-cluster cross soak soak-connections models race-one crash chaos trouble trouble-memory trouble-stop tabs fuzz halfopen bench microbench generate nats-server cluster

# build comes first, so that make alone builds.
build: ## the binary, in bin/
	$(GO) build -o bin/sluice .

nats-server: ## the NATS server that tests of clusters and make cluster run, in bin/
	GO="$(GO)" ./scripts/nats-server.sh

cluster: build nats-server ## a whole cluster on this machine, to try it: 3 NATS servers, 3 gateways, nginx. PORT=, NATS_PORT=
	./deploy/cluster/laptop.sh

test: deps check unit e2e cross ## everything that CI runs

deps: ## nginx, Chromium, Firefox, a C compiler for -race, and what the examples run on, where they are missing
	./scripts/install-test-deps.sh

check: ## the source, without running it: gofmt, vet, staticcheck, tidy go.mod files, bench/ and openapi/ built and tested, no tracked file that .gitignore names
	GO="$(GO)" ./scripts/check.sh

# Three packages at a time: most tests wait, so two of them leave two cores idle.
unit: ## all tests, with the race detector
	$(GO) test -race -p 3 -timeout 20m $(PKGS)
	$(GO) test -run TestResumeFarBack ./broker

# What Firefox is asked each time: the first page, the SDK and its hooks, cookies, examples. tabs-model has tabs in both.
FIREFOX := browser first-start sdk-own sdk-react cookies rooms auth-example

e2e: build ## the binary in real browsers: all in Chromium, and what matters most in Firefox
	cd e2e && npm ci --no-audit --no-fund --silent && node --test --test-concurrency=3 # they mostly wait
	cd e2e && BROWSER=firefox node --test --test-concurrency=3 $(FIREFOX:%=%.test.mjs)

e2e-firefox: build ## all tests that need a browser, in Firefox
	cd e2e && npm ci --no-audit --no-fund --silent && \
		BROWSER=firefox node --test --test-concurrency=3 $$(grep -lE 'from "./(browsers|sdk-browser|dashboard|example-site).mjs"' *.test.mjs)

e2e-cluster: build nats-server ## the same tests; three gateways behind a balancer take the place of one. ARGS="sdk.test.mjs" for one file
	cd e2e && npm ci --no-audit --no-fund --silent && node run-cluster.mjs --test-concurrency=2 $(ARGS)

cross: ## other systems: build only
	GOOS=darwin CGO_ENABLED=0 $(GO) build -o /dev/null .
	GOOS=windows CGO_ENABLED=0 $(GO) build -o /dev/null .

crash: build ## 20 rounds of kill -9 under load (CI runs 2)
	CRASH_ROUNDS=20 $(GO) test -count=1 -timeout 30m -run 'TestKill' -v ./cli

trouble: trouble-memory trouble-stop ## what goes wrong below the gateway, for long: full disks of 160 MB, 900 MB and 4 GB (in memory), frozen and throttled ones (loop devices), damaged files, and the machine's clock an hour ahead for some seconds (root)
	DISK_VOLUMES=160,900,4096 $(GO) test -tags trouble -count=1 -timeout 60m -run 'TestDisk|TestDamaged' -v ./cli
	$(GO) test -count=20 -timeout 30m -run 'TestDisk|TestNoRoom|TestNoLoop|TestDamage|TestLevels|TestFastWriter' ./store/eventlog/pebble
	$(GO) test -tags trouble -count=1 -timeout 10m -run 'TestClockStep' -v ./cli

soak-connections: ## 15,000 connections over TLS and 15,000 WebSockets that come and go under load miss nothing: SOAK_CONNECTIONS=, SOAK_RATE=
	GO="$(GO)" ./scripts/soak-connections.sh

soak: build ## crowds of 15,000 come and go for some minutes; nothing may stay behind
	./scripts/soak.sh

tabs: build ## 20 tabs at random in Chromium and Firefox, 10 rounds each (CI tries 6 tabs once): SEED=, ROUNDS=, STEPS=, TABS=, BROWSER=
	cd e2e && npm ci --no-audit --no-fund --silent && \
		ROUNDS=$${ROUNDS:-10} STEPS=$${STEPS:-100} TABS=$${TABS:-20} node --test tabs-model.test.mjs

CHAOS_MINUTES ?= 10
chaos: nats-server ## a cluster that loses gateways, servers, networks and disks at random for CHAOS_MINUTES, under load; and journals that are damaged (root: namespaces): CHAOS_SEED=, CHAOS_ONLY=
	CHAOS_MINUTES=$(CHAOS_MINUTES) $(GO) test -tags chaos -count=1 -timeout $$(($(CHAOS_MINUTES) + 30))m -run 'TestChaos' -v ./cluster/clustertest

halfopen: build ## a client that vanishes without a word (root: it makes a network namespace)
	./scripts/halfopen.sh

trouble-memory: ## containers of 256 and 64 MiB under load (root: it makes control groups)
	./scripts/trouble-memory.sh

trouble-stop: ## the process stopped for a minute with 10,000 clients
	./scripts/trouble-stop.sh

MODELS := ./broker ./store/streams ./store/documents/... ./store/eventlog/memory ./store/eventlog/pebble ./handlers ./handlers/directus ./handlers/driftdb ./handlers/persistr ./handlers/realtime ./handlers/restdb
models: ## the models with 400 cases each (CI tries 40 to 100)
	$(GO) test -race -count=1 -timeout 60m $(MODELS) -rapid.checks=400

race-one: ## the same tests on one processor, where other orders show
	GOMAXPROCS=1 $(GO) test -race -timeout 20m $(PKGS)

FUZZTIME ?= 60s
fuzz: ## every fuzz target for FUZZTIME each
	./scripts/fuzz.sh $(FUZZTIME)

bench: ## the whole server against its peers and against floors: BENCH="-only idle", BENCH=-write for the docs
	./scripts/bench.sh $(BENCH)

microbench: ## benchmarks beside the code
	$(GO) test -run '^$$' -bench . -benchmem $(PKGS)

generate: ## .env.example and the tables of docs/settings.md, from config.Config; the manual pages, from the help
	$(GO) generate ./config ./cli

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
