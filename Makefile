# Every target makes the environment it needs; `make demo` and `make test` are all a fresh machine needs.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup lock demo data test lint fix bench clean

setup: .venv/.done  ## the environment, with everything that tests need

PIP := $(BIN)/pip install --quiet --disable-pip-version-check

# PyTorch is not in the lock: which of its builds a machine needs differs, and each has hashes of its own.
.venv/.done: requirements.lock requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes --no-deps -r requirements.lock
	$(PIP) $$(grep '^torch==' requirements.txt)
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

lock:  ## requirements.lock and requirements.txt, anew from pyproject.toml; needs `pip install uv packaging`
	$(PYTHON) .ci/lock.py

demo: setup  ## the whole chain on the sample database with a small model
	$(BIN)/sqlfocus demo

data: setup  ## the training files that the repository ships, made anew from the sample database
	$(BIN)/sqlfocus sample data/shop.sqlite --force
	mkdir -p data/schemas
	$(BIN)/sqlfocus schema data/shop.sqlite > data/schemas/shop.txt
	$(BIN)/sqlfocus synthesize data/shop.sqlite --count 2000 --languages en zh --force \
	    --output data/train_data.jsonl --test_output data/dev_data.jsonl

test: setup lint  ## all tests; database servers are installed and started where they are missing
	tests/install_servers.sh
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

fix: setup
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: setup  ## every benchmark but the GPU's, quickly; each takes --json FILE
	for script in $(filter-out benchmarks/gpu.py,$(wildcard benchmarks/*.py)); do \
	    $(BIN)/python $$script --quick || exit 1; done

clean:
	rm -rf .venv build dist *.egg-info
