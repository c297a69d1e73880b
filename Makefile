# CComet's tasks. "make" alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run cluster build test check lint lint-here fmt bench bench-targets bench-results bench-churn bench-siege bench-vm bench-vm-upgrade bench-report fuzz soak soak-cluster clean

T ?= 30s
OUT ?= bench/out
CONNS ?= 200000
MEMORY ?= $(if $(filter 1,$(shell echo $$(($(CONNS) > 250000)))),16G,5G)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' Makefile

run: build ## Build and run the server with its demo pages, and print their addresses
	@bin/ccomet serve --demo --log-format console $(patsubst %,--ccomet 127.0.0.1:%,8081 8082 8083 8084 8085)

# The version that "ccomet version" prints, because Go does not record the tag itself.
VERSION ?= $(shell git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null)

# The commit that results of measurements name.
COMMIT ?= $(shell git rev-parse --short HEAD 2>/dev/null)

cluster: build ## Run three nodes that share their channels, a Redis and an nginx, and print the addresses of the pages
	@go build -o bin/cluster ./demo/cluster
	@bin/cluster

build: ## Build bin/ccomet and bin/ccomet-bench
	CGO_ENABLED=0 go build -ldflags '-X main.release=$(VERSION) -X main.commit=$(COMMIT)' -o bin/ ./cmd/...

test: ## Run all checks: format, vet, staticcheck, all tests with the race detector, browsers
	@.ci/prepare slowhttptest
	@$(MAKE) --no-print-directory lint
	@race=-race; \
	if ! command -v gcc >/dev/null; then race=; echo "!!! no gcc: tests run WITHOUT the race detector"; fi; \
	echo "go test $$race ./..."; \
	$(GO_TEST) $$race ./...; \
	echo "go test $$race -tags faults -run Faults ./comet/... ./reactor ./cmd/ccomet"; \
	$(GO_TEST) $$race -tags faults -run Faults ./comet/... ./reactor ./cmd/ccomet; \
	if [ -n "$$race" ]; then echo "go test -run 'Alloc|Resident' ./..."; $(GO_TEST) -run 'Alloc|Resident' ./comet/... ./httplite/... ./reactor ./cmd/ccomet; fi

# The timeout is only for tests that hang. "make lint" has run vet already.
GO_TEST = go test -timeout 1h -vet=off

check: lint-here ## Run the quick checks, in about two minutes: format, vet, staticcheck, tests without browsers and nginx
	$(GO_TEST) -short ./reactor ./httplite/... ./comet/... ./demo/... ./cmd/ccomet

lint: lint-here ## Run gofmt, go vet (amd64, arm64) and staticcheck
	GOARCH=$(if $(filter arm64,$(shell go env GOARCH)),amd64,arm64) CGO_ENABLED=0 go vet ./...
	go tool staticcheck -tags faults ./reactor ./comet/... ./cmd/ccomet/...

lint-here:
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt): $$unformatted"; exit 1; fi
	go vet ./...
	go vet -tags faults ./reactor ./comet/... ./cmd/ccomet/...
	go tool staticcheck ./...

fmt: ## Format all code
	gofmt -w .

# The servers to compare with: those that are installed.
NGINX_MODULES = /usr/lib/nginx/modules
OTHERS ?= $(if $(wildcard $(NGINX_MODULES)/ngx_nchan_module.so),nchan) $(if $(wildcard $(NGINX_MODULES)/ngx_http_push_stream_module.so),pushstream)

bench: build bench-targets ## Measure this server, and compare it with others that are installed (some 20 minutes)
	@.ci/prepare slowhttptest
	@mkdir -p $(OUT)
	bin/ccomet-bench compare $(OTHERS) --json $(OUT)/compare.json
	bin/ccomet-bench compare gws nbio --transport ws --only sequential,fanout,connect --rounds 3 --label 'ccomet, WebSocket' --json $(OUT)/websocket.json
	bin/ccomet-bench hold --conns 18000 --steps 6 --json $(OUT)/hold-shared.json
	bin/ccomet-bench hold --conns 18000 --steps 6 --channels own --json $(OUT)/hold-own.json
	bin/ccomet-bench fanout --messages 20 --rounds 5 --json $(OUT)/fanout.json
	bin/ccomet-bench fanout --burst 50 --rounds 5 --json $(OUT)/fanout-burst.json
	bin/ccomet-bench channels --rounds 3 --json $(OUT)/channels.json
	bin/ccomet-bench latency --rounds 5 --json $(OUT)/latency.json
	bin/ccomet-bench latency --rounds 5 --transport poll --json $(OUT)/latency-poll.json
	bin/ccomet-bench storm --json $(OUT)/storm.json
	if command -v redis-server >/dev/null; then bin/ccomet-bench cluster $(filter nchan,$(OTHERS)) --json $(OUT)/cluster.json; fi
	bin/ccomet-bench upgrade --conns 18000 --rate 200 --json $(OUT)/upgrade.json
	bin/ccomet-bench loop --pairs 1000,3000,5000,7000,9000 --rounds 9 --json $(OUT)/loop.json
	@$(MAKE) --no-print-directory bench-siege bench-report

bench-targets: ## Build the push servers on other libraries for comparison: targets gws and nbio
	go build -C bench/targets -o $(CURDIR)/bin/ ./push-gws ./push-nbio

bench-siege: build ## Measure how hostile clients and stuck readers affect others (some 3 minutes; installs slowhttptest)
	@.ci/prepare slowhttptest
	@mkdir -p $(OUT)
	bin/ccomet-bench siege --conns 5000 --each 4s --rounds 2 --json $(OUT)/siege.json
	bin/ccomet-bench fanout --stuck 1000 --messages 30 --rounds 3 --json $(OUT)/stuck.json
	bin/ccomet-bench storm --accept-rate 2000 --json $(OUT)/storm-rate.json

bench-results: ## Put the results of "make bench" into bench/RESULTS.md and bench/results
	rm -f bench/results/*
	cp $(OUT)/*.json bench/results/
	bin/ccomet-bench report --svg bench/results --update bench/RESULTS.md bench/results/*.json
	cd bench && for plot in results/*.svg; do grep -qF "($$plot)" RESULTS.md || rm $$plot; done # the document does not show all

bench-churn: build ## Measure memory while connections come and go, for 10 minutes
	@mkdir -p $(OUT)
	bin/ccomet-bench hold --conns 15000 --steps 5 --churn 0.05 --for 10m --json $(OUT)/churn.json

# Both ends run inside the virtual machine, whose processor may be emulated: heartbeats of every
# connection each half minute would keep it busy, and a request may take long to arrive.
VM_SERVER = --per-client 125000 --spawn '/bin/ccomet serve --front {front} --admin {admin} --log-level warn --polling-timeout 86400 --request-timeout 600'
VM_HOLD = /bin/ccomet-bench hold --conns $(CONNS) --steps $(if $(filter 16G,$(MEMORY)),100,20) --idle 0s $(VM_SERVER)
VM_STREAMS = -- $(VM_HOLD) --json /results/vm-$(CONNS)-stream-shared.json \
	--then $(VM_HOLD) --channels own --json /results/vm-$(CONNS)-stream-own.json
VM_POLLS = --then $(VM_HOLD) --transport poll --json /results/vm-$(CONNS)-poll-shared.json \
	--then $(VM_HOLD) --transport poll --channels own --json /results/vm-$(CONNS)-poll-own.json

bench-vm: ## Measure CONNS connections in a throw-away virtual machine (CONNS=200000: 10 minutes; 1000000: half an hour)
	bench/vm/run --memory $(MEMORY) --timeout 120 --out $(OUT) $(VM_STREAMS) $(if $(filter 5G,$(MEMORY)),$(VM_POLLS))

# Most connections receive nothing until the end. Some receive messages during the upgrades.
VM_UPGRADE = /bin/ccomet-bench upgrade --conns 180 --publishers 20 --rate 10 --window 5s --churn 0 --upgrades 3 --idle $(CONNS) $(VM_SERVER)

bench-vm-upgrade: ## Upgrade a server with CONNS connections in a throw-away virtual machine
	bench/vm/run --memory $(MEMORY) --timeout 120 --out $(OUT) -- $(VM_UPGRADE) --json /results/vm-$(CONNS)-upgrade-shared.json \
		--then $(VM_UPGRADE) --channels own --json /results/vm-$(CONNS)-upgrade-own.json

bench-report: ## Turn the results into a page with plots and tables: bench/out/report.html
	bin/ccomet-bench report --html $(OUT)/report.html --svg $(OUT) --markdown $(OUT)/report.md $(OUT)/*.json

fuzz: ## Run every fuzz target in turn, each for T (make fuzz T=5m)
	@for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "fuzzing $$package $$target for $(T)"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(T) -fuzzminimizetime 100x $$package; \
	  done; \
	done

# The default of T is for fuzz; a soak takes 5 minutes unless T is set.
soak: build ## Soak test: clients, faults, attacks and upgrades at random for T, every message verified (make soak T=30m SEED=N)
	bin/ccomet-bench soak --for $(if $(filter file,$(origin T)),5m,$(T)) $(if $(SEED),--seed $(SEED))

soak-cluster: build ## Soak test of three nodes over a Redis with a replica and Sentinels (make soak-cluster T=30m SEED=N)
	bin/ccomet-bench soak --cluster --for $(if $(filter file,$(origin T)),5m,$(T)) $(if $(SEED),--seed $(SEED))

clean: ## Remove what was built
	rm -rf bin
