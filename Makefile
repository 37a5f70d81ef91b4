# Two commands do everything: `make demo` and `make test`. Each makes its own virtual environment.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo serve test lint clean

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

test: lint
	$(BIN)/python -m pytest -n 2  # most of the time is spent in other processes and at their deadlines

clean:
	rm -rf $(VENV) out .cache
