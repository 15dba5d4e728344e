# From a clone to a land-cover map: `make demo`. Everything else is explained by `make help`.

# The first Python that is new enough; `make setup PYTHON=/path/to/python` takes another.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BROWSER := app/geo_xmodal_app/static/lib

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench app qgis-plugin

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(INSTALLED) $(BROWSER)/.installed ## create .venv and install the package with all that its tests need

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "geo_xmodal needs Python 3.11 or newer: make setup PYTHON=/path/to/python3.11" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing geo_xmodal into $(VENV) (PyTorch is large: this takes minutes the first time)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[app,test]'
	@touch $@

# A machine without npm, or without internet, has everything but the map viewer.
$(BROWSER)/.installed: app/package.json
	@if ! command -v npm >/dev/null; then \
		echo "npm is not installed: the web app will show maps as still pictures; install Node.js and run make setup again" >&2; \
	elif npm install --prefix app --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel=error >/dev/null; then \
		mkdir -p $(BROWSER) && cd app/node_modules && \
		cp ol/dist/ol.js ol/ol.css geotiff/dist-browser/geotiff.js proj4/dist/proj4.js ../../$(BROWSER)/ && \
		cp ol/LICENSE.md ../../$(BROWSER)/ol.LICENSE && cp geotiff/LICENSE ../../$(BROWSER)/geotiff.LICENSE && \
		cp proj4/LICENSE.md ../../$(BROWSER)/proj4.LICENSE && touch ../../$@; \
	else \
		echo "npm could not fetch the browser's libraries: the web app will show maps as still pictures; run make setup again" >&2; \
	fi

demo: setup ## train on two sensors, map with one, measure: sample scene berlin
	@$(BIN)/python scripts/demo.py

test: setup ## run every test, three at a time
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

lint: setup ## check style, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: setup ## time it, as ratios in one run: correlation objectives, mapping
	@$(BIN)/python -m tests.benchmarks.bench_correlation ratios
	@$(BIN)/python -m tests.benchmarks.bench_correlation study
	@$(BIN)/python -m tests.benchmarks.bench_mapping --folder build/bench
	@$(BIN)/python -m tests.benchmarks.bench_peers --size 1024 --folder build/bench
	@$(BIN)/python -m tests.benchmarks.bench_scaling workers --size 1024 --folder build/bench

app: setup ## the web app, in your browser
	@$(BIN)/geo-xmodal serve --open

qgis-plugin: ## the QGIS plugin as a zip in dist/
	@$(PYTHON) app/qgis/build.py
