# The commands of this project. `make test` needs Go and nothing else; what a
# target needs beyond that it says. Numbers can be changed on the command line:
# make chaos CHAOS_ROUNDS=5.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

BIN          := bin
GOTEST       := go run ./tests/internal/gotest
STATICCHECK  := honnef.co/go/tools/cmd/staticcheck@v0.8.2
PROTOC_GO    := google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
PROTOC_GRPC  := google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
PROTOC       := 3.21.12
CONFORMANCE  ?= $(abspath ../shared/conformance)

# What takes long or wants the machine for itself runs after the rest, alone.
ALONE      := ./tests/chaos
# The packages with goroutines of their own, for the race detector.
CONCURRENT := ./internal/... ./multiraft/... ./region/... ./txn/... ./pgwire/... ./placement/...

SIM_SEEDS    ?= 200
# How many crash points, 0 for all, and which share of them: each day another.
CRASHPOINTS  ?= 0
CRASHPOINTS_SHARE ?= $(shell date +%-j)
# With MUTANTS_SLICE, a time, mutants runs as many as fit in, each day others.
MUTANTS      ?= .
MUTANTS_SLICE ?= 0
CHAOS_ROUNDS ?= 20
CHAOS_KILL_ALL ?= 10
CHAOS_SECONDS ?= 20
CHAOS_GAPS    ?= 100
# CHAOS_TESTS is a pattern of tests. TestRuns runs what the others name: each is a
# name, several by comma, or all; two nemeses at once are joined by +. With
# CHAOS_SLICE, a time, it runs as much as fits in, each day something else.
CHAOS_TESTS    ?= .
CHAOS_WORKLOAD ?= all
CHAOS_LEVEL    ?= all
CHAOS_NEMESIS  ?= all
CHAOS_RUN_SECONDS ?= 30
CHAOS_SEED     ?= 1
CHAOS_SLICE    ?= 0
# How much of 1,000 splits, 1,000 transfers, 300 moves and 300 merges, in per cent.
CHAOS_CHURN    ?= 100
# With CLIENTS_SLICE, a number, clients runs those whose turn it is on that day.
CLIENTS_SLICE ?=
FUZZTIME     ?= 60s
# How many fuzz targets, 0 for all, and which share of them: each day another.
FUZZ_TARGETS ?= 0
FUZZ_SHARE   ?= $(shell date +%j)
CORPUS_RECORDS ?= 2000
# The whole corpus: make conformance CORPUS=all (a quarter of an hour on two cores).
CORPUS       ?= sample
SQLDIFF_STATEMENTS ?= 200000
SQLDIFF_SEED := $(or $(SQLDIFF_SEED),$(shell date +%s))
BENCH_SECONDS ?= 10
BENCH_OUT    ?= $(BIN)/bench.txt
# The comparison with peers: PEERS_ONLY is a pattern of loads, PEERS_BASE a binary of
# Quorate to compare with instead of PostgreSQL.
PEERS_SECONDS ?= 5
PEERS_ONLY    ?=
PEERS_BASE    ?=
PEERS_OUT     ?= tests/bench/peers.txt
TPCH_SCALE   ?= 0.1
TPCH_REPEAT  ?= 3
# The replicated log beside etcd. RAFTBENCH_ETCD=none leaves etcd out, whose modules
# come from the Go module proxy.
RAFTBENCH_SECONDS   ?= 10
RAFTBENCH_ROUNDS    ?= 3
RAFTBENCH_GROUPS    ?= 1,64,1024
RAFTBENCH_PROPOSERS ?= 64
RAFTBENCH_BYTES     ?= 100
RAFTBENCH_ETCD      ?=
# How many regions nobody uses, and what they may cost before make idle fails: per cent
# of a core and MB of the three processes together. make idle IDLE_REGIONS=1000 IDLE_CPU=3 IDLE_MB=450
IDLE_REGIONS ?= 10000
IDLE_CPU     ?= 10
IDLE_MB      ?= 1200
IDLE_LED     ?= 10s

.PHONY: help build test unit race lint fmt vet staticcheck bench bench-peers tpch idle raftbench sim crashpoints mutants chaos churn fuzz conformance sqldiff clients proto verify clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | expand -t 14

build: ## the binary, at bin/quorate
	go build -o $(BIN)/quorate ./cmd/quorate

test: ## all tests, short numbers; needs Go alone, and names what it skipped
	@$(GOTEST) -timeout 8m $$(go list ./... | grep -v '/tests/chaos$$')
	@$(GOTEST) -count=1 -timeout 8m $(ALONE)

unit: ## the tests of the packages only, without processes
	@$(GOTEST) -short -timeout 8m ./...

race: ## the concurrent packages under the race detector (needs a C compiler)
	@$(GOTEST) -race -short -timeout 15m $(CONCURRENT)

lint: fmt vet staticcheck ## gofmt, go vet, staticcheck
	@$(GOTEST) ./tests/arch

fmt:
	@bad=$$(gofmt -l $$(git ls-files '*.go' | while read -r f; do [ -f "$$f" ] && echo "$$f"; done)); \
	if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi

vet:
	go vet ./...

staticcheck:
	go run $(STATICCHECK) ./...

bench: build ## pgbench against Quorate and PostgreSQL 15 in the same run (needs postgresql-15)
	go run ./tests/bench -quorate $(BIN)/quorate -seconds $(BENCH_SECONDS) -out $(BENCH_OUT)

bench-peers: build ## all loads against PostgreSQL alone and with two synchronous standbys (an hour; QUICK=1: five minutes)
	go run ./tests/bench -peers -timeout 3h -quorate $(BIN)/quorate -peers-only '$(PEERS_ONLY)' $(if $(PEERS_BASE),-peers-base $(PEERS_BASE)) \
		$(if $(QUICK),-peers-quick -peers-scale 1 -seconds 1 -out $(BIN)/peers.txt,-seconds $(PEERS_SECONDS) -out $(PEERS_OUT))

tpch: ## the 22 queries of TPC-H at TPCH_SCALE beside PostgreSQL 15, answers compared, times printed
	go test ./tests/tpch -count=1 -timeout 60m -v -run TestQueries -scale $(TPCH_SCALE) -repeat $(TPCH_REPEAT)

raftbench: ## the replicated log alone beside etcd, three processes each (RAFTBENCH_GROUPS and others)
	@mkdir -p $(BIN)
	go run ./tests/bench/raftlog -seconds $(RAFTBENCH_SECONDS) -rounds $(RAFTBENCH_ROUNDS) -groups $(RAFTBENCH_GROUPS) \
		-proposers $(RAFTBENCH_PROPOSERS) -bytes $(RAFTBENCH_BYTES) -etcdpeer '$(RAFTBENCH_ETCD)' -out $(BIN)/raftbench.txt

idle: build ## IDLE_REGIONS regions on three processes: cut, at rest, and led again after a SIGKILL of all (some minutes, 2 GB)
	go run ./tests/bench -quorate $(BIN)/quorate -idle $(IDLE_REGIONS) -idle-max-cpu $(IDLE_CPU) -idle-max-rss $(IDLE_MB) -idle-max-led $(IDLE_LED)

sim: ## the deterministic simulation, SIM_SEEDS seeds
	go test -tags faults ./tests/sim -count=1 -timeout 180m -run TestSeeds -seeds $(SIM_SEEDS)

crashpoints: ## a crash at every named point of the product (internal/fault), under load, or at CRASHPOINTS of them; a loss during changes
	go test -tags faults ./placement -count=1 -timeout 20m -run TestCrashPoints
	go test -tags faults ./tests/sim -count=1 -timeout 20m -run 'TestCrashPoints|TestLossDuringChange' -points $(CRASHPOINTS) -share $(CRASHPOINTS_SHARE)

mutants: ## known mistakes put in one at a time: the suite must notice each; MUTANTS is a pattern of names
	@go run ./tests/mutants -only '$(MUTANTS)' -slice $(MUTANTS_SLICE)

chaos: ## real processes hurt in all ways, the full numbers (hours); CHAOS_TESTS and what follows it choose
	CHAOS_ROUNDS=$(CHAOS_ROUNDS) CHAOS_KILL_ALL=$(CHAOS_KILL_ALL) CHAOS_SECONDS=$(CHAOS_SECONDS) CHAOS_GAPS=$(CHAOS_GAPS) go test ./tests/chaos -run '$(CHAOS_TESTS)' -count=1 -timeout 24h -v \
		-workload $(CHAOS_WORKLOAD) -level $(CHAOS_LEVEL) -nemesis $(CHAOS_NEMESIS) -seconds $(CHAOS_RUN_SECONDS) -seed $(CHAOS_SEED) -slice $(CHAOS_SLICE)

churn: ## regions split, merged, moved and led elsewhere all the time under clients (an hour; CHAOS_CHURN per cent of it)
	CHAOS_CHURN=$(CHAOS_CHURN) go test ./tests/chaos -run 'TestChurn$$' -count=1 -timeout 4h -v

fuzz: ## each fuzz target for FUZZTIME, or FUZZ_TARGETS of them
	@grep -rE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*\(' . | sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*).*|\1 \2|' | sort | \
	awk -v most=$(FUZZ_TARGETS) -v share=$(FUZZ_SHARE) '{ all[NR-1] = $$0 } END { n = most ? most : NR; for (i = 0; i < n && i < NR; i++) print all[(share*n+i) % NR] }' | \
	while read -r dir name; do \
		echo "fuzz $$dir $$name"; \
		log=$$(mktemp); \
		go test "$$dir" -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -timeout 30m </dev/null 2>&1 | tee "$$log" || { \
			grep -A1 '^--- FAIL' "$$log" | grep -qx '    context deadline exceeded' && ! grep -qE 'Failing input|panic' "$$log" || exit 1; \
			echo "no input has failed: Go before 1.27 takes the end of the time for an error now and then (golang.org/issue/75804)"; \
		}; \
		rm -f "$$log"; \
	done

conformance: ## the sqllogictest corpus that is kept beside the project (CONFORMANCE)
	@[ -d "$(CONFORMANCE)" ] || { echo "no corpus at $(CONFORMANCE): set CONFORMANCE"; exit 1; }
	@QUORATE_CONFORMANCE=$(CONFORMANCE) $(GOTEST) -count=1 -timeout 45m -run TestCorpus ./tests/logictest $(if $(filter all,$(CORPUS)),-corpus -corpus-records 0,-corpus-records $(CORPUS_RECORDS))

sqldiff: ## generated statements against PostgreSQL 15, and laws among queries, SQLDIFF_STATEMENTS
	@echo "seed $(SQLDIFF_SEED)"
	go test ./tests/sqldiff -count=1 -timeout 120m -v -statements $(SQLDIFF_STATEMENTS) -seed $(SQLDIFF_SEED)

clients: build ## real clients on three nodes, drivers, ORMs and tools of all languages; names what is not installed (CLIENTS_SLICE)
	@go build -o $(BIN)/gotest ./tests/internal/gotest
	@cd tests/clients && go vet . && QUORATE_TEST_BINARY=$(abspath $(BIN))/quorate $(abspath $(BIN))/gotest -count=1 -timeout 15m . $(if $(CLIENTS_SLICE),-slice $(CLIENTS_SLICE))

# generate writes the Go of every contract below the folder $(1).
define generate
	@v=$$(protoc --version 2>/dev/null || true); [ "$$v" = "libprotoc $(PROTOC)" ] || { echo "needs protoc $(PROTOC), found '$$v' (Debian: protobuf-compiler)"; exit 1; }
	@mkdir -p $(BIN)/tools
	GOBIN=$(abspath $(BIN))/tools go install $(PROTOC_GO)
	GOBIN=$(abspath $(BIN))/tools go install $(PROTOC_GRPC)
	cd proto && for p in */*.proto; do \
		PATH=$(abspath $(BIN))/tools:$$PATH protoc -I . --go_out=$(1) --go_opt=paths=source_relative --go-grpc_out=$(1) --go-grpc_opt=paths=source_relative $$p; \
	done
endef

proto: ## regenerate the Go of proto/ (needs protoc)
	$(call generate,.)

verify: ## what is generated is what its sources say, and go.mod what the code needs
	@rm -rf $(BIN)/.verify && mkdir -p $(BIN)/.verify
	$(call generate,$(abspath $(BIN))/.verify)
	@cd $(BIN)/.verify && for f in $$(find . -name '*.go'); do cmp "$$f" "$(CURDIR)/proto/$$f" || { echo "proto/$$f is not what its .proto says: make proto"; exit 1; }; done
	@rm -rf $(BIN)/.verify
	go mod verify
	go mod tidy -diff

clean:
	rm -rf $(BIN)
