# `make demo`, `make view` and `make test` set themselves up in .venv; nothing but Python and make is
# needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PAGE := src/tracekit/_viewer/page/index.html
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python

# Most of the tests wait for other processes, so there are more of them at a time than cores.
PARALLEL ?= -n 4 --dist loadfile
PYTEST = $(BIN)/python -m pytest

.PHONY: demo view test coverage check lint types layers docs bench pictures leaks nox clean page page-check

demo: $(VENV)/ready-demo
	$(BIN)/python -m examples.user_service.demo

# The viewer with the example service and visitors of it. Other ports: make view ARGS="--port 5319"
view: $(VENV)/ready-demo $(PAGE)
	$(BIN)/python -m examples.user_service.view $(ARGS)

test: $(VENV)/ready-test
	$(PYTEST) $(PARALLEL) $(TEST)

# Which lines the tests do not reach.
coverage: $(VENV)/ready-test
	$(BIN)/coverage erase
	$(MAKE) test PYTEST="$(BIN)/coverage run -m pytest"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: lint types layers docs

lint: $(VENV)/ready-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python .ci/words.py

types: $(VENV)/ready-check
	$(BIN)/mypy
	$(BIN)/pyright

layers: $(VENV)/ready-check
	$(BIN)/lint-imports

docs: $(VENV)/ready-check
	$(BIN)/mkdocs build --strict --quiet --site-dir site

# The viewer's page, with the machine's Node or PyPI's.
page: $(VENV)/ready
	$(BIN)/python web/build.py

$(PAGE): $(VENV)/ready $(shell find web/src web/scripts -type f) web/package-lock.json
	$(BIN)/python web/build.py

# TypeScript, Biome and the unit tests of the page.
page-check: $(VENV)/ready
	$(BIN)/python web/build.py check test

# On the Python of .venv. With the peers, and on several: make bench PYTHONS="3.10 3.13"
ifdef PYTHONS
bench: $(VENV)/ready-check
	$(BIN)/nox --session $(PYTHONS:%=bench-%) -- $(BENCH)
else
bench: $(VENV)/ready-test
	$(BIN)/python -m bench $(BENCH)
endif

# The pictures of README and docs: what the programs print, and the viewer in headless Chromium.
pictures: page $(VENV)/ready-test
	$(BIN)/python -m examples.user_service.picture docs/images/tree.svg
	$(BIN)/python -m tests.viewer.pictures

leaks: $(VENV)/ready-test
	TRACEKIT_LEAK_SPANS=1000000 $(BIN)/python -m pytest -q tests/test_leaks.py -k test_spans

nox: $(VENV)/ready-check
	$(BIN)/nox $(SESSIONS)

clean:
	rm -rf $(VENV) .nox site .coverage .coverage.*

$(VENV)/ready:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	touch $@

$(VENV)/ready-demo: $(VENV)/ready pyproject.toml
	$(INSTALL) --editable '.[examples,viewer]'
	touch $@

$(VENV)/ready-test: $(VENV)/ready pyproject.toml
	$(INSTALL) --editable '.[examples,viewer]' --group test --group engines
	touch $@

$(VENV)/ready-check: $(VENV)/ready pyproject.toml
	$(INSTALL) --editable '.[examples,viewer]' --group test --group engines --group lint --group docs --group nox
	touch $@
