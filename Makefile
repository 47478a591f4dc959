# Every command works from a fresh clone: it makes .venv and installs what it needs first.
# Runs with the make of Linux and of macOS (3.81).

PYTHON  ?= python3
VENV    ?= .venv
# processes of `make check` and `make test`; each computes on one thread, as more threads than cores wait for each other
WORKERS ?= 2

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help book check test lint check-js js coverage fuzz mutate evaluate networks bench notebooks lab repository clean distclean

help:
	@echo "make book        build the site and say where to open it"
	@echo "make check       lint, types, and the tests that are quick and need no network: under a minute"
	@echo "make test        lint, types, unit tests, every notebook, and the site's tests"
	@echo "make check-js    the playground's script: format, types, unit tests (Node 18 or newer)"
	@echo "make coverage    the lines of xaicore that no test runs; fails under 95 % (takes as long as the tests)"
	@echo "make fuzz        damaged pictures, weights and links, ten minutes each; SECONDS=60 for one minute"
	@echo "make mutate      which changes of the code no test notices (half an hour; MODULES= for some of it)"
	@echo "make notebooks   run all notebooks again, in place"
	@echo "make evaluate    measure every method again: chapter 6's tables (takes long; stop and go on at will)"
	@echo "make networks    measure again which of some eighty architectures have an exact map"
	@echo "make bench       measure again how fast everything is, in forward passes (a quarter of an hour)"
	@echo "make lab         open the notebooks in JupyterLab"
	@echo "make repository URL=https://github.com/owner/name"
	@echo "                 set the repository's address everywhere it is written"
	@echo "make clean       delete what was built; make distclean deletes .venv too"
	@echo
	@echo "The first call takes a few minutes: it installs PyTorch and the rest into $(VENV)."
	@echo "It uses $(PYTHON); for another one: make book PYTHON=python3.12"

book: $(VENV)/.installed
	$(BIN)/jupyter-book build . -W -n --keep-going
	@echo
	@echo "The book is ready. Open this file in a browser:"
	@echo "    $(CURDIR)/_build/html/index.html"

lint: $(VENV)/.installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check xaicore tests book benchmarks conftest.py
	$(BIN)/mypy

PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

# For use while you work. Lint and script side by side, as each keeps one core busy.
check: $(VENV)/.installed-for-tests
	$(MAKE) --no-print-directory -j 2 lint check-js
	$(PYTEST) --dist worksteal tests -m "not weights and not browser and not site and not notebooks and not slow"

test: lint check-js
	$(PYTEST) --dist loadscope tests notebooks --nbval-lax

# The playground's script is held against what xaicore says. Without Node a reader's machine leaves that out.
check-js: $(VENV)/.installed-for-tests
	@if command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'; then \
	  $(MAKE) --no-print-directory js; \
	elif [ -n "$$CI" ]; then \
	  echo "The checks of the playground's script need Node 18 or newer, with npm." >&2; exit 1; \
	else \
	  echo "Left out: the checks of the playground's script, which need Node 18 or newer, with npm."; \
	fi

js: tests/js/node_modules/.installed
	$(BIN)/python tests/js/write_vectors.py
	npm --prefix tests/js run --silent check

coverage: $(VENV)/.installed-for-tests
	$(PYTEST) --dist loadscope tests --cov=xaicore --cov-report=term-missing:skip-covered --cov-fail-under=95

# links need Node, and are left out without it
SECONDS ?= 600
fuzz: $(VENV)/.installed-for-tests
	$(BIN)/python tests/fuzz.py $(SECONDS)

evaluate: $(VENV)/.installed-for-tests
	$(BIN)/python -m benchmarks.evaluate

# maps, regions and evaluation, or MODULES="xaicore.maps.cells ...": see tests/mutate.py
mutate: $(VENV)/.installed-for-mutation
	WORKERS=$(WORKERS) $(BIN)/python tests/mutate.py $(MODULES)

networks: $(VENV)/.installed-for-tests
	$(BIN)/python -m benchmarks.zoo

bench: $(VENV)/.installed-for-tests
	$(BIN)/python -m benchmarks.speed

notebooks: $(VENV)/.installed
	$(BIN)/python book/notebooks.py run

lab: $(VENV)/.installed
	$(BIN)/jupyter lab --notebook-dir=notebooks

repository: $(VENV)/.installed
	@test -n "$(URL)" || { echo "Say which: make repository URL=https://github.com/owner/name" >&2; exit 1; }
	$(BIN)/python book/notebooks.py repository "$(URL)"

clean:
	rm -rf _build mutants .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/js/vectors.json
	find xaicore tests book notebooks -type d \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) tests/js/node_modules

# The stamps below say what is installed; a changed list of requirements installs again.

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "This book needs Python 3.11 or newer, and $(PYTHON) is: $$($(PYTHON) --version 2>&1)" >&2; \
	  echo "If you have a newer one, name it: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
	  exit 1; }
	@echo "Creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: requirements.txt pyproject.toml | $(VENV)/.created
	@echo "Installing what the book needs into $(VENV) (PyTorch is large: a few minutes the first time)"
	@$(PIP) install -r requirements.txt
	@touch $@

# grad-cam without its dependencies: see [project.optional-dependencies] in pyproject.toml
$(VENV)/.installed-for-tests: requirements-test.txt $(VENV)/.installed
	@echo "Installing what the tests need"
	@$(PIP) install -r requirements-test.txt
	@$(PIP) install --no-deps "grad-cam>=1.5.5"
	@touch $@

$(VENV)/.installed-for-mutation: $(VENV)/.installed-for-tests
	@$(PIP) install "mutmut>=3.8,<4"
	@touch $@

tests/js/node_modules/.installed: tests/js/package-lock.json
	@npm --prefix tests/js ci --no-audit --no-fund --loglevel=error
	@touch $@
