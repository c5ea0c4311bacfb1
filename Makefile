.DEFAULT_GOAL := help
.PHONY: help setup lab test check format notebooks serve bench calibrate docs lock clean
SHELL := /bin/sh
BIN := .venv/bin
UV := $(shell command -v uv || echo .uv/bin/uv)

# nbconvert would link scripts of outside servers into the pages.
OFFLINE_PAGE := --HTMLExporter.require_js_url= --HTMLExporter.mathjax_url=

# Copies of publishers' files beside the checkout are used where nothing else is said.
ifndef CITYLAB_MIRROR
ifneq ($(wildcard ../shared/data/.),)
export CITYLAB_MIRROR := $(abspath ../shared/data)
endif
endif

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "make %-10s %s\n", $$1, $$2 }'

setup: ## make or refresh .venv (the other targets do this by themselves)
	@sh setup.sh

lab: ## open JupyterLab and the dashboards
	@sh setup.sh lab

test: ## run the tests
	@sh setup.sh test

check: setup ## style, import rules, types, declarations of the data
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/citylab validate

format: setup ## rewrite the code in the house style
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

notebooks: setup ## run every notebook and render it to build/notebooks
	@find notebooks -name '*.ipynb' ! -path '*/.ipynb_checkpoints/*' | LC_ALL=C sort | while read -r notebook; do \
		folder=build/$$(dirname "$$notebook"); mkdir -p "$$folder"; \
		$(BIN)/jupyter nbconvert --to html --execute $(OFFLINE_PAGE) --output-dir "$$folder" "$$notebook" || exit 1; \
	done

serve: setup ## serve the dashboards
	$(BIN)/citylab serve

bench: setup ## measure ours and a peer on the same work
	$(BIN)/python -m benchmarks

calibrate: setup ## run the slow statistical proofs
	$(BIN)/python -m calibration

docs: setup ## write the reference pages
	$(BIN)/python -m citylab.catalog.pages

lock: setup ## resolve all dependencies anew
	$(UV) lock --upgrade
	$(UV) export --frozen --offline --all-extras --all-groups --no-emit-project --no-header --quiet -o requirements.lock

clean: ## remove what can be made again (not .venv)
	rm -rf build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . \( -path ./.venv -o -path ./.uv -o -path ./.git \) -prune -o \
		-type d \( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +
