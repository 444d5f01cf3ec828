# From a bare checkout: `make demo` runs the main job, `make test` runs every check.
# Both set up .venv first; that needs python3 (3.11 or newer), and once the network for pip.

PYTHON ?= python3
JOBS ?= 2
# How often `make hunt` draws new examples, and what `make variants` takes from numpy's kernels.
ROUNDS ?= 3
OLD_CPU ?= X86_V3
# Other versions may warn of other things: what is deprecated there is no fault here.
WARN ?= default
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
.PHONY: help demo test lint unit typed slow docs browser page-library bench peers hunt quantus variants lowest highest clean

help:
	@echo "make demo    explain fifty decisions of a model, write results and a page for a browser to onlyif-demo/"
	@echo "make test    every check: format, lint, types, layers, tests and doctests, documentation"
	@echo "make lint    format, lint, types and layers only"
	@echo "make unit    tests and doctests only"
	@echo "make typed   some of the tests, with the types and shapes of all arguments and results looked at"
	@echo "make slow    tests that take minutes, and all others with types and shapes looked at"
	@echo "make hunt    property tests on new random examples, ROUNDS=$(ROUNDS) times"
	@echo "make quantus comparisons with Quantus (GPLv3, so in an environment of its own)"
	@echo "make variants, lowest, highest   the tests as other machines run them, and with other versions"
	@echo "make docs    the documentation, to build/docs/index.html"
	@echo "make browser the page of explanations in a real browser (Debian's chromium, installed where it may be)"
	@echo "make page-library   what the page draws with, built anew from the versions in vendor/page"
	@echo "make bench   speed and memory, as ratios"
	@echo "make peers   speed, memory and games beside other libraries, in an environment of their own"
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

test: lint unit typed docs

lint: $(READY)
	$(RUN) -m ruff format --check
	$(RUN) -m ruff check
	$(RUN) -m mypy --strict
	$(VENV)/bin/lint-imports
	@find src -name '*.py' -exec wc -l {} + | awk '$$2 != "total" && $$1 > 400 {print $$2 ": " $$1 " lines; which second idea is in there?"}'

unit: $(READY)
	$(RUN) -m pytest -q -n $(JOBS)

# Types and shapes of all arguments and results, looked at while tests run that walk through every kind of work.
TYPED := --jaxtyping-packages=onlyif,beartype.beartype
typed: $(READY)
	$(RUN) -m pytest -q -n $(JOBS) $(TYPED) tests/test_golden.py tests/engine tests/extending tests/criteria

slow: $(READY)
	$(RUN) -m pytest -q -m slow
	$(RUN) -m pytest -q -n $(JOBS) $(TYPED)

docs: $(READY)
	@$(RUN) -m sphinx -q -W --keep-going -d build/doctrees docs build/docs
	ONLYIF_PAGES=build/docs $(RUN) -m pytest -q tests/packaging/test_pages.py

# Chromium comes from the distribution; where it cannot be installed, the tests are skipped and say so.
BROWSER_TOOLS := vendor/page/node_modules/.package-lock.json
$(BROWSER_TOOLS): vendor/page/package-lock.json
	cd vendor/page && npm ci --no-audit --no-fund
browser: $(READY) $(BROWSER_TOOLS)
	$(INSTALL) --no-build-isolation --editable '.[browser]'
	@command -v chromium > /dev/null || { $(if $(filter 0,$(shell id -u)),,sudo -n) apt-get install --yes --no-install-recommends \
	chromium > /dev/null; } || echo "chromium could not be installed: apt-get install chromium, as root"
	vendor/page/node_modules/.bin/eslint --config vendor/page/eslint.config.js src
	$(RUN) -m pytest -q -rs tests/browser

page-library: $(BROWSER_TOOLS)
	cd vendor/page && npm run build

hunt: $(READY)
	for round in $$(seq $(ROUNDS)); do \
	$(RUN) -m pytest -q -n $(JOBS) --hypothesis-profile=hunt -m "hypothesis and not slow and not gpu" || exit 1; done

# The same tests with threads, with the matrix kernels of other processors, in another order, with other hashes of
# strings, without data sets, and from a folder with a space in its name.
variants: $(READY)
	OMP_NUM_THREADS=2 PYTHONHASHSEED=1 $(RUN) -m pytest -q -n $(JOBS) --shuffle 1
	env -u ONLYIF_DATA ATEN_CPU_CAPABILITY=default NPY_DISABLE_CPU_FEATURES="$(OLD_CPU)" OPENBLAS_CORETYPE=Nehalem \
	PYTHONHASHSEED=2 $(RUN) -m pytest -q -n $(JOBS) --shuffle 2
	rm -rf "build/a folder" && mkdir -p "build/a folder" && git archive HEAD | tar -x -C "build/a folder"
	cd "build/a folder" && ln -s ../../$(VENV) $(VENV) && \
	PYTHONPATH="$$PWD/src" ATEN_CPU_CAPABILITY=avx2 OPENBLAS_CORETYPE=Haswell $(RUN) -m pytest -q -n $(JOBS)

# Environments of their own: the lowest versions that pyproject.toml allows, and the newest there are.
lowest: VERSIONS := --constraint constraints-lowest.txt
highest: VERSIONS := --upgrade torch==2.13.0
lowest highest:
	$(PYTHON) -m venv .venv-$@
	.venv-$@/bin/python -m pip install --quiet hatchling editables
	.venv-$@/bin/python -m pip install --quiet --no-build-isolation --editable '.[dev]' $(VERSIONS)
	.venv-$@/bin/python -m pip freeze --exclude-editable > build/versions-$@.txt
	.venv-$@/bin/python -m pytest -q -n $(JOBS) -W "$(WARN)" --ignore tests/packaging --ignore tests/architecture

quantus:
	$(PYTHON) -m venv .venv-$@
	.venv-$@/bin/python -m pip install --quiet --constraint constraints.txt hatchling editables
	.venv-$@/bin/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev,quantus]'
	.venv-$@/bin/python -m pytest -q tests/interop/test_quantus.py tests/metrics -k quantus

bench: $(READY)
	for script in tables trees explainers; do $(RUN) "benchmarks/$$script.py" || exit 1; done
	@if [ -d "$(MODELS)" ]; then for script in fans masks; do $(RUN) "benchmarks/$$script.py" --models "$(MODELS)" || exit 1; done; \
	else echo "fans and masks are left out: no trained networks in $(MODELS)/ (experiments/train_networks.py makes them)"; fi

peers:
	$(PYTHON) -m venv .venv-$@
	.venv-$@/bin/python -m pip install --quiet --constraint benchmarks/peers.txt hatchling editables
	.venv-$@/bin/python -m pip install --quiet --constraint benchmarks/peers.txt --no-build-isolation \
	--editable '.[pandas,sklearn,lightgbm]' xgboost-cpu shap shapiq woodelf-explainer
	.venv-$@/bin/python -m pip install --quiet --constraint constraints.txt pytest hypothesis beartype
	.venv-$@/bin/python -m pytest -q --noconftest tests/interop/test_shapiq.py
	.venv-$@/bin/python benchmarks/peers.py

clean:
	rm -rf $(VENV) .venv-* build dist onlyif-demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
