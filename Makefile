# How to work on the project; `make` alone lists the targets. Needs GNU make and python3 >= 3.11, nothing else.

VENV := .venv
BIN := $(VENV)/bin
PYTHON_FILES := $(wildcard headgate tests tools benchmarks)
EXAMPLE ?= cafe
IMAGE ?=
CHART ?=
CHECK ?=
ARGS ?=
SERVE ?=

.DEFAULT_GOAL := help

##@ Try it

.PHONY: install
install: $(VENV)/.installed ## Install Headgate and its embedded nginx as .venv/bin/headgate

.PHONY: demo
demo: install ## Serve an example without a cluster; CHECK=1 checks the answers and ends, EXAMPLE=rewrite takes another
	@$(BIN)/python tools/demo.py $(if $(filter-out 0 false no,$(CHECK)),--check) $(ARGS) $(EXAMPLE)

##@ Change it

.PHONY: test
test: dev ## Run all tests that need no cluster; ARGS="-k name" is passed to pytest
	$(BIN)/pytest -m "not e2e" $(ARGS)

.PHONY: nightly
nightly: dev ## Try 30,000 hostile values on all settings and fields, and ten times the made-up objects (minutes); SEED=2 takes other values
	HEADGATE_SETTING_VALUES=160 HEADGATE_SETTING_SEED=$(or $(SEED),1) HEADGATE_EXAMPLES=10 \
	  $(BIN)/pytest tests/properties tests/k8s tests/unit/settings/test_hostile.py $(ARGS)
	HEADGATE_EXAMPLES=2 $(BIN)/pytest tests/nginx tests/live -k wheel $(ARGS)
	HEADGATE_EXAMPLES=2 $(BIN)/pytest -n 0 tests/oidc/test_keycloak.py $(ARGS)
	HEADGATE_EXAMPLES=2 $(BIN)/pytest -n 0 tests/live/test_live_jwt.py -k mutated $(ARGS)
	HEADGATE_EXAMPLES=170 $(BIN)/pytest -s -n 0 tests/nginx/test_nginx_live_endurance.py \
	  tests/routes/test_chaos.py tests/routes/test_reference.py $(ARGS)

.PHONY: lua-nginx
lua-nginx: ## Unpack the image's nginx with its Lua module into build/nginx-lua, for tests of the live data plane (Debian, Ubuntu)
	tools/lua_nginx.sh

.PHONY: check
check: lint types lua imports spelling docs-check links ## Run every check that is not a test

.PHONY: lint
lint: dev ## Look for mistakes and unformatted code (ruff)
	$(BIN)/ruff check $(PYTHON_FILES)
	$(BIN)/ruff format --check $(PYTHON_FILES)

.PHONY: types
types: dev ## Check types (mypy, strict)
	$(BIN)/mypy

.PHONY: lua
lua: ## Look for mistakes in the Lua modules, where luacheck is installed
	@if command -v luacheck >/dev/null; then luacheck --quiet headgate/nginx/lua; \
	else echo "lua: skipped, because luacheck is not installed (sudo apt-get install lua-check)"; fi

.PHONY: imports
imports: dev ## Check who imports whom (import-linter)
	$(BIN)/lint-imports

.PHONY: spelling
spelling: dev ## Check spelling (codespell)
	$(BIN)/codespell

.PHONY: docs-check
docs-check: dev ## Check that everything generated (reference and manual pages, RBAC, dashboard, alerts, CRI messages) is up to date
	$(BIN)/python tools/docs.py --check
	$(BIN)/python tools/man.py --check
	$(BIN)/python tools/rbac.py --check
	$(BIN)/python tools/crds.py --check
	$(BIN)/python tools/chart.py --check
	$(BIN)/python tools/board.py --check
	$(BIN)/python tools/cri.py --check
	$(BIN)/python tools/version.py --check

.PHONY: links
links: dev ## Check the links between the Markdown files
	$(BIN)/python tools/links.py

.PHONY: fmt
fmt: dev ## Format code and mend what ruff can
	$(BIN)/ruff check --fix $(PYTHON_FILES)
	$(BIN)/ruff format $(PYTHON_FILES)

.PHONY: generate
generate: dev ## Write what is generated: the reference and manual pages, RBAC, dashboard and alerts of deploy/ and the chart, the CRI messages
	$(BIN)/python tools/docs.py
	$(BIN)/python tools/man.py
	$(BIN)/python tools/rbac.py
	$(BIN)/python tools/crds.py
	$(BIN)/python tools/chart.py
	$(BIN)/python tools/board.py
	$(BIN)/python tools/cri.py
	$(BIN)/python tools/version.py

.PHONY: docs
docs: dev ## Build the documentation as a site in build/site; SERVE=1 serves it on localhost and follows your edits
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs $(if $(filter-out 0 false no,$(SERVE)),serve,build) $(ARGS)

.PHONY: update
update: dev ## Rewrite the expected files of the cases and the chart; read the diff afterwards
	$(BIN)/pytest tests/test_cases.py tests/fields tests/rules tests/explain/test_transcripts.py tests/comparing tests/troubleshooting tests/chart --update $(ARGS)

.PHONY: board-picture
board-picture: dev ## Draw docs/observability.png from a run of five minutes that a Prometheus scrapes (needs prometheus)
	$(BIN)/python tools/picture.py --seconds 300 $(ARGS)

.PHONY: sizes
sizes: dev ## Print sizes of files and functions per package
	@$(BIN)/python tools/sizes.py

.PHONY: bench
bench: dev ## Run the benchmarks and print their tables (minutes)
	@set -e; for bench in $(wildcard benchmarks/*.py); do echo "== $$bench"; $(BIN)/python "$$bench" $(ARGS); done

.PHONY: e2e
e2e: dev ## Run the tests against the API server that KUBECONFIG names
	@test -n "$$KUBECONFIG" || { echo "make e2e: set KUBECONFIG to a cluster that may be filled with test objects" >&2; exit 1; }
	$(BIN)/pytest -m e2e -n 0 $(ARGS)

##@ Ship it

.PHONY: image
image: install ## Build the container image with docker, podman or buildah; IMAGE=name, ARGS="--option" for the build
	@$(BIN)/python tools/image.py build $(IMAGE) $(ARGS)

.PHONY: sbom
sbom: dev ## Write what is in the image to build/sbom.json (CycloneDX)
	@mkdir -p build
	@$(BIN)/python tools/image.py sbom $(IMAGE) >build/sbom.json && echo "build/sbom.json is written"

.PHONY: lock
lock: dev ## Take the newest Python dependencies for the image (image/requirements.txt)
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-annotate --python-version 3.13 \
	  --only-binary :all: --custom-compile-command "make lock" --output-file image/requirements.txt pyproject.toml

.PHONY: changelog
changelog: install ## Print the changes since the last release; RELEASE=1.2.0 moves them into CHANGELOG.md
	@$(BIN)/python tools/changelog.py $(RELEASE)

.PHONY: release-check
release-check: dev ## Check that this version can be released, print the tag and how to publish it; IMAGE=name, CHART=oci://…
	@$(BIN)/python tools/release.py check --image "$(IMAGE)" --chart "$(CHART)"

.PHONY: package
package: dev ## Write the chart and the manifests into build/release, for the image of a registry; IMAGE=name
	@$(BIN)/python tools/release.py package --image "$(IMAGE)"

.PHONY: clean
clean: ## Remove the virtual environment and everything else that was generated here
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(PYTHON_FILES) -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z][a-z0-9 -]*:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

# The development set contains the runtime set; stamps make a second call instant.
.PHONY: dev
dev: $(VENV)/.installed-dev

$(VENV)/.installed: pyproject.toml tools/setup.sh
	@test -e $(VENV)/.installed-dev && extras=nginx,dev || extras=nginx; tools/setup.sh $$extras
	@touch $@

$(VENV)/.installed-dev: pyproject.toml tools/setup.sh
	@tools/setup.sh nginx,dev
	@touch $(VENV)/.installed $@
