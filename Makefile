# From a bare checkout: `make demo` runs the main job, `make test` runs every check.
# Both set up .venv first; that needs python3 (3.11 or newer), and once the network for pip.

PYTHON ?= python3
JOBS ?= 2
# Trained networks for the benchmarks with images, made by experiments/train_networks.py.
MODELS ?= models
# One thread a process: tests run side by side, and threads of small matrices only wait for each other.
export OMP_NUM_THREADS ?= 1

VENV := .venv
RUN := $(VENV)/bin/python
INSTALL := $(RUN) -m pip install --quiet --constraint constraints.txt
# Stamps of what is installed: for the demo little, for the checks everything.
DEMO := $(VENV)/ready-for-demo
READY := $(VENV)/ready

.DELETE_ON_ERROR:
.PHONY: help demo test lint unit slow docs bench clean

help:
	@echo "make demo    train two models, explain ten rows, write results and pictures to onlyif-demo/"
	@echo "make test    every check: format, lint, types, layers, tests and doctests, documentation"
	@echo "make lint    format, lint, types and layers only"
	@echo "make unit    tests and doctests only"
	@echo "make slow    tests that take minutes"
	@echo "make docs    the documentation, to build/docs/index.html"
	@echo "make bench   speed and memory, as ratios"
	@echo "make clean   remove .venv and everything built"

# pip runs again when what it is to install has changed.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "onlyif needs Python 3.11 or newer, got " + sys.version)'
	$(PYTHON) -m venv $(VENV)

$(DEMO): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV): some minutes, once"
	$(INSTALL) hatchling editables
	$(INSTALL) --no-build-isolation --editable '.[pandas,sklearn,plots]'
	@touch $@

$(READY): $(DEMO)
	$(INSTALL) --no-build-isolation --editable '.[dev]'
	@touch $@

demo: $(DEMO)
	$(RUN) examples/demo.py

test: lint unit docs

lint: $(READY)
	$(RUN) -m ruff format --check
	$(RUN) -m ruff check
	$(RUN) -m mypy --strict
	$(VENV)/bin/lint-imports

unit: $(READY)
	$(RUN) -m pytest -q -n $(JOBS)

slow: $(READY)
	$(RUN) -m pytest -q -m slow

docs: $(READY)
	@$(RUN) -m sphinx -q -W --keep-going -d build/doctrees docs build/docs

bench: $(READY)
	for script in tables trees; do $(RUN) "benchmarks/$$script.py" || exit 1; done
	@if [ -d "$(MODELS)" ]; then for script in fans masks; do $(RUN) "benchmarks/$$script.py" --models "$(MODELS)" || exit 1; done; \
	else echo "fans and masks are left out: no trained networks in $(MODELS)/ (experiments/train_networks.py makes them)"; fi

clean:
	rm -rf $(VENV) build dist onlyif-demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
