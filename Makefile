# `make demo` and `make test` do everything; `make check` is the quick part of it. Each makes its own virtual environment.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# By files and in their order: what a module's tests share, such as a community's processes, is made once; the files of
# many short tests (zkp) come last, and all workers end at the same time. Three for two cores: tests of processes wait.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
# Where an environment forbids compiled files, every process that a test starts would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo serve check test test-deep lint compiled docs figures coverage constraints clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	# torch first and by version: a plain `torch` drags in gigabytes of CUDA.
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --constraint constraints.txt -e '.[dev,docs]'
	touch $@

demo: $(VENV)/.installed  ## the main job on the 17 real homes, end to end
	$(BIN)/wattproof demo

serve: $(VENV)/.installed  ## look around what the demo made
	$(BIN)/wattproof serve

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

compiled: $(VENV)/.installed  ## what processes of the tests would each compile for themselves in a fresh checkout
	$(BIN)/python -m tests.support.compiled

check: $(VENV)/.installed  ## before each commit: lint, types, every test that starts no process and is quick
	$(MAKE) --jobs=2 lint compiled  # mypy keeps one core busy: the other is free
	$(PYTEST) -m 'not process and not slow'

test: $(VENV)/.installed  ## all tests, with real Flower processes and a real EVM
	$(MAKE) --jobs=2 lint compiled
	$(PYTEST)

test-deep: $(VENV)/.installed  ## laws on at least twenty times the examples, others in each run
	$(PYTEST) -m 'not process' --hypothesis-profile=deep

docs: $(VENV)/.installed  ## the documentation site, strictly: out/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	! grep -rEl '<(link|script|img|iframe)[^>]*(src|href)="?https?://' out/site --include='*.html'  # nothing is fetched at view time

figures: $(VENV)/.installed  ## the figures and pictures of README and docs, from what was last measured (out/)
	$(BIN)/python -m bench.figures

coverage: $(VENV)/.installed  ## what the tests that start no process reach, with a floor
	$(PYTEST) -m 'not process' -p pytest_cov --cov --cov-report=term:skip-covered

constraints:  ## constraints.txt anew, from the newest versions that pyproject.toml allows
	$(PYTHON) -m venv .cache/fresh
	.cache/fresh/bin/pip install --quiet torch==2.13.0
	.cache/fresh/bin/pip install --quiet -e '.[dev,docs]'
	(head -2 constraints.txt; .cache/fresh/bin/pip freeze --exclude-editable | sed 's|+cpu||') > .cache/constraints.txt
	mv .cache/constraints.txt constraints.txt
	rm -rf .cache/fresh

clean:
	rm -rf $(VENV) out .cache
