# Two commands set everything up on a fresh machine: `make pretrain` and `make test`. The second also
# installs what only tests and linters need.

PYTHON ?= python3
VENV ?= .venv
RUN ?= runs/first
SUITE ?= notebooks/suites/phantom.yaml
WORKERS ?= 2
SAMPLE ?= 20
FILES ?=
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
READY_MUTANTS := $(VENV)/.ready-mutants
# What is never imported need not be compiled, which takes two fifths of an installation.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt

# With this set, as in many containers, each process would compile torch and transformers anew (13 of
# the 22 seconds that `import reclf.pretrain` took). Empty is as not set.
export PYTHONDONTWRITEBYTECODE :=

# As reclf itself sets it (reclf/__init__.py), for tests that load torch first.
export GOMP_SPINCOUNT ?= 1000

.PHONY: help install install-dev pretrain evaluate test soak mutants lint style format lab clean

help:
	@echo "make pretrain   train on the embedded phantom into $(RUN), with a notebook to read"
	@echo "make evaluate   the suite $(SUITE) on $(RUN): five tasks, and one table"
	@echo "make test       linters, type checker and all tests"
	@echo "make soak       ten minutes of work in one process: does anything grow?"
	@echo "make mutants    small changes of the core that the tests must see: $(SAMPLE) a file; SAMPLE=0 for all"
	@echo "make lab        JupyterLab on the notebooks"
	@echo "make install    what these need, into $(VENV); make install-dev: what make test needs, too"

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "reclf needs Python 3.11 to 3.13: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $(READY)

$(READY_DEV): $(READY)
	$(PIP) -e '.[dev]'
	touch $(READY_DEV)

$(READY_MUTANTS): $(READY_DEV)
	$(PIP) -e '.[mutants]'
	touch $(READY_MUTANTS)

install: $(READY)

install-dev: $(READY_DEV)

pretrain: $(READY)
	mkdir -p $(RUN)
	$(BIN)/papermill notebooks/pretrain.ipynb $(RUN)/notebook.ipynb -p run_dir $(RUN) --log-output

evaluate: $(READY)
	mkdir -p $(RUN)
	$(BIN)/papermill notebooks/paper_table.ipynb $(RUN)/evaluation.ipynb -p suite $(SUITE) \
		-p runs '{"this run": "$(RUN)"}' --log-output
	$(BIN)/python -m reclf.tasks.scoreboard $(RUN)

# Half of the time goes into starting kernels and browsers, so files are tested side by side; the
# type checker is one of the tests.
test: style
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Memory, open files and the like, over ten minutes of training, explaining and exploring.
soak: $(READY_DEV)
	$(BIN)/python -m pytest -m soak tests/test_soak.py

mutants: $(READY_MUTANTS)
	$(BIN)/python tests/mutants/make_mutants.py --sample $(SAMPLE) --processes $(WORKERS) $(FILES)

lint: style
	$(BIN)/mypy

style: $(READY_DEV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(READY_DEV)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lab: $(READY)
	$(BIN)/jupyter lab

clean:
	rm -rf $(VENV) .mutants .pytest_cache .ruff_cache .mypy_cache
