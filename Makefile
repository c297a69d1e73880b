# CComet's tasks. "make" alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run build test check lint fmt bench fuzz clean

T ?= 30s

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

run: build ## Build, and run the server with its chat page; says what to open
	@bin/ccomet serve --demo

build: ## Build bin/ccomet
	go build -o bin/ ./cmd/...

test: ## Everything: format, vet, staticcheck, all tests with the race detector, browsers
	@.ci/prepare
	@$(MAKE) --no-print-directory lint
	@race=-race; \
	if ! command -v gcc >/dev/null; then race=; echo "!!! no gcc: tests run WITHOUT the race detector"; fi; \
	echo "go test $$race ./..."; \
	go test $$race -timeout 5m ./...; \
	if [ -n "$$race" ]; then echo "go test -run Alloc ./..."; go test -run Alloc ./comet ./httplite ./reactor; fi

lint: ## gofmt, go vet (amd64, arm64) and staticcheck
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt): $$unformatted"; exit 1; fi
	GOARCH=amd64 CGO_ENABLED=0 go vet ./...
	GOARCH=arm64 CGO_ENABLED=0 go vet ./...
	go tool staticcheck ./...

fmt: ## Format all code
	gofmt -w .

bench: build ## Measure memory, system calls and processor time (some 6 minutes; needs strace)
	bin/ccomet-bench all

fuzz: ## Run every fuzz target in turn, each for T (make fuzz T=5m)
	@for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "fuzzing $$package $$target for $(T)"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(T) -fuzzminimizetime 100x $$package; \
	  done; \
	done

clean: ## Remove what was built
	rm -rf bin
