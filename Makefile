# What the commands do stands in README.md.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := run
.PHONY: run test faults bench lint typecheck audit check install install-dev clean

# Settings come from the environment or .env. EMBEDDED lets `setup` make the keys.
run: install
	@exec env EMBEDDED=1 $(PY) -m webapp.supervisor

test: install-dev
	@deploy/debian-packages.sh postgresql redis-server chromium dcmtk dicom3tools
	$(PY) -m pytest -n 2 --dist loadfile $(ARGS)

# Every fault, where `make test` has a handful.
faults: install-dev
	@deploy/debian-packages.sh postgresql redis-server
	$(PY) -m pytest -n 2 --dist loadfile -m faults tests/faults $(ARGS)

# Side by side with what others do; a table, and docs/performance.svg.
bench:
	@deploy/install.sh "$(PYTHON)" .venv-bench bench/requirements.txt
	@deploy/debian-packages.sh postgresql redis-server dcmtk
	.venv-bench/bin/python -m bench.end_to_end --plot docs/performance.svg $(ARGS)

lint: install-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

typecheck: install-dev
	$(PY) -m mypy

# Fails where what is installed is not what is pinned; known vulnerabilities where they can be asked.
audit: install-dev
	@deploy/audit.sh "$(PYTHON)" "$(VENV)"

check: lint typecheck audit test

install:
	@deploy/install.sh "$(PYTHON)" "$(VENV)" requirements.txt

install-dev: install
	@deploy/install.sh "$(PYTHON)" "$(VENV)" requirements-dev.txt

clean:
	rm -rf $(VENV) .venv-bench static/dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
