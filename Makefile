# The front door. Each target does all its own set-up; a second run does only what is missing.
PYTHON ?= python3
RUN := .venv/bin/python
PORT ?= 8000
PEOPLE ?= 1000000
SEED ?= 7

.PHONY: help setup demo test lint bench accuracy conformance docs crash fuzz scale clean

help:  ## what there is to do
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup:  ## virtual environment, dependencies, definitions; leaves .venv/bin/jiankang
	@$(PYTHON) tools/setup.py

demo: setup  ## load real input, start the server, print its address and what to try
	@$(RUN) -m jiankang.cli demo --port $(PORT)

test: setup  ## all tests
	@$(RUN) -m pytest

lint: setup  ## style, types, import contracts
	@.venv/bin/ruff check src tests tools bench
	@.venv/bin/ruff format --check src tests tools bench
	@.venv/bin/mypy
	@.venv/bin/lint-imports

bench: setup  ## every figure of docs/performance.md beside its floor; PEOPLE=… SEED=… for the index of persons
	@$(RUN) bench/run.py $(ARGS)
ifeq ($(ARGS),)
	@$(RUN) bench/identity.py --people $(PEOPLE) --seed $(SEED)
	@$(RUN) bench/batch.py --seed $(SEED)
	@$(RUN) bench/exchange.py --seed $(SEED)
	@$(RUN) bench/imaging.py
	@cd bench && ../$(RUN) subscriptions.py
endif

accuracy: setup  ## who is taken for whom, on a population with truth; ARGS="--seed 8 --mix hard --causes 10"
	@$(RUN) -m tools.accuracy $(ARGS)

conformance: setup  ## public suites as a table
	@$(RUN) tools/conformance.py

docs: setup  ## write the reference pages again
	@$(RUN) tools/reference.py
	@$(RUN) tools/guide.py

crash: setup  ## long rounds of kill -9
	@JIANKANG_CRASH_ROUNDS=20 $(RUN) -m pytest tests/crash

fuzz: setup  ## long property tests
	@HYPOTHESIS_PROFILE=long $(RUN) -m pytest -m slow

scale: setup  ## plans and figures at millions of resources
	@$(RUN) bench/scale.py $(ARGS)

clean:  ## take away what was made here
	rm -rf .venv node_modules .jiankang src/jiankang/fhir/definitions/compiled src/jiankang/fhir/guides/built src/jiankang/ui/static
