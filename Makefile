# `make demo` and `make test` do everything; `make check` is the quick part of it. Each makes its own virtual environment.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n 2

.PHONY: demo serve check test test-deep lint clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	# torch first and by version: a plain `torch` drags in gigabytes of CUDA.
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet -e '.[dev]'
	touch $@

demo: $(VENV)/.installed  ## the main job on the 17 real homes, end to end
	$(BIN)/wattproof demo

serve: $(VENV)/.installed  ## look around what the demo made
	$(BIN)/wattproof serve

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint  ## before each commit: lint, types, every test that starts no process
	$(PYTEST) -m 'not process'

test: lint  ## all tests, with real Flower processes and a real EVM
	$(PYTEST)

test-deep: $(VENV)/.installed  ## laws on twenty times the examples, others in each run
	$(PYTEST) -m 'not process' --hypothesis-profile=deep

clean:
	rm -rf $(VENV) out .cache
