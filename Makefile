# Every target makes the virtual environment on first use: a fresh machine needs python3 (3.11 or newer) and make only.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo serve test test-all torture openapi audit sbom lint bench chromium

demo: $(VENV)/installed
	$(BIN)/haja demo

serve: $(VENV)/installed
	$(BIN)/haja serve

# What a change needs to be trusted, in minutes. Two at a time: a test that waits leaves its core to the other.
test: $(VENV)/installed-dev chromium
	$(BIN)/python -m pytest -m "not long and not torture" --numprocesses 2 --dist worksteal

# Everything there is: both databases in full, Ray, the short forms of torture, browsers, the interface as every role. A
# file each: Ray's clusters and the machines made of namespaces stand no second one beside them.
test-all: $(VENV)/installed-dev chromium
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --durations 20

# For the tests of the pages, which say so and skip where it cannot be had.
chromium:
	@command -v chromium >/dev/null \
		|| { [ "$$(id -u)" = 0 ] && apt-get update --quiet && apt-get install --yes --no-install-recommends chromium; } \
		|| echo "There is no chromium and apt-get may not install it: the browser tests skip."

# The long form of the tests that break things: more runs, more faults, more files; prints the figures of each.
torture: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m torture --torture --numprocesses 2 --dist worksteal -rfEsP --durations 0

# The interface as it is committed; a test says when it has changed.
openapi: $(VENV)/installed
	$(BIN)/haja openapi > docs/openapi.json

# Known vulnerabilities in the parts of the image. It asks the package index, and fails where that cannot say.
audit: build/runtime/installed
	$(BIN)/pip-audit --strict --progress-spinner off --path build/runtime/lib/python3*/site-packages

# The parts of the image, as CycloneDX, validated.
sbom: build/runtime/installed
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --validate -o sbom.json build/runtime

# What runs and nothing else: the development environment holds tools that nobody ships.
build/runtime/installed: pyproject.toml $(VENV)/installed-dev
	rm -rf build/runtime
	$(PYTHON) -m venv --without-pip build/runtime
	$(BIN)/python -m pip --python build/runtime install --quiet --disable-pip-version-check '.[scale]'
	touch $@

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks.run

# What answers on a CPU; torch comes with the tools, or by pip install '.[gpu]'.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@
