# make demo   a fresh checkout to a trained model, a table and a picture
# make test   a fresh checkout to a tested one
# make check  ruff, pyright, import-linter and the quick tests
# make bench  the benchmarks that print ours beside the peers'
#
# A torch of 2.10 or later that is already in the environment is kept, so a GPU user makes the environment and installs
# the CUDA build wanted before anything else (README, "GPU"), or names it here:  make env TORCH="torch==2.13.0"

PYTHON ?= python3
VENV ?= .venv
VENV_FLAGS ?=
TORCH ?=
PYTEST_FLAGS ?=

PY := $(VENV)/bin/python
# what is imported is compiled then: half the installing is compiling what never is
PIP := $(PY) -m pip install --disable-pip-version-check --quiet --no-compile
# and kept, whatever the environment says: torch alone takes every process four seconds
unexport PYTHONDONTWRITEBYTECODE
# the pins, with the torch that is really there in place of ours
PINS := $(VENV)/constraints.txt
TORCH_PIN := $(shell grep '^torch==' constraints.txt)
TORCH_IS := from importlib.metadata import version; v = version("torch")

.PHONY: help env env-dev demo test slow check lint format bench clean

help:
	@sed -n 's/^# \(make [a-z].*\)/\1/p' Makefile

env: $(VENV)/.installed
env-dev: $(VENV)/.installed-dev

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "munmaek needs Python 3.11 or later; name one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)

# torch first and in its CPU build: from the configured index where it has one, else from PyTorch's own through uv.
$(PINS): constraints.txt | $(PY)
	@$(PY) -c '$(TORCH_IS); exit(tuple(map(int, v.split(".")[:2])) < (2, 10))' 2>/dev/null || { \
	    echo "installing torch"; \
	    if [ -n '$(TORCH)' ]; then $(PIP) $(TORCH); \
	    elif ! $(PIP) -c constraints.txt '$(TORCH_PIN)+cpu' 2>/dev/null; then \
	        echo "the configured package index has no CPU build of torch: asking PyTorch's own index"; \
	        $(PIP) uv && $(VENV)/bin/uv pip install --python $(PY) --torch-backend cpu '$(TORCH_PIN)'; \
	    fi || { echo "no torch could be installed; name one with: make $(MAKECMDGOALS) TORCH=..."; exit 1; }; }
	@{ grep -v '^torch==' constraints.txt; $(PY) -c '$(TORCH_IS); print(f"torch=={v}")'; } > $@.part
	@mv $@.part $@

# what the demo needs, which is less than all: no parquet, no tensorboard, no published ELMos
$(VENV)/.installed-demo: $(PINS) pyproject.toml
	@echo "installing munmaek"
	$(PIP) -c $(PINS) -e '.[korean,plots,table]'
	@touch $@

$(VENV)/.installed: $(VENV)/.installed-demo
	@echo "installing what the other commands need"
	$(PIP) -c $(PINS) -e '.[all]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing what the tests and checks need"
	$(PIP) -c $(PINS) -e '.[dev]'
	@$(PIP) -c $(PINS) -e '.[kenlm]' 2>$(VENV)/kenlm.log || \
	    echo "kenlm does not build here (see $(VENV)/kenlm.log): the test beside it will skip"
	@touch $@

demo: $(VENV)/.installed-demo
	$(VENV)/bin/munmaek tour --out demo

test: env-dev
	$(PY) -m pytest $(PYTEST_FLAGS)

slow: env-dev
	$(PY) -m pytest --slow $(PYTEST_FLAGS)

lint: env-dev
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/pyright --warnings
	$(VENV)/bin/lint-imports

check: lint
	$(PY) -m pytest tests/unit tests/surface $(PYTEST_FLAGS)

format: env-dev
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

bench: env-dev
	@for script in benchmarks/*.py; do echo "== $$script"; $(PY) $$script || exit 1; done

clean:
	rm -rf $(VENV) build dist demo .pytest_cache .ruff_cache .hypothesis .import_linter_cache src/*.egg-info
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
