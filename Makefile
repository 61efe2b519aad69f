# Every job of the project, for people and for CI alike. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)

# No tool reports home.
export MLFLOW_DISABLE_TELEMETRY := true
export BENTOML_DO_NOT_TRACK := True
export DVC_NO_ANALYTICS := 1
export GX_ANALYTICS_ENABLED := false
export UV_PROJECT_ENVIRONMENT := .venv
# Debian keeps haproxy and debootstrap where an ordinary user does not look.
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/var/bin:$(PATH):/usr/sbin:/sbin

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/synced ## make .venv with everything the project needs

.venv/synced: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $$($(PYTHON) --version) is too old; expected Python 3.11 or newer; next: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 3; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(UV) || command -v $(UV) >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(UV) sync --locked --all-extras --compile-bytecode --python $(BIN)/python
	@touch $@

.PHONY: run
run: setup ## train on the real flights, judge and register the model
	dvc repro
	slipway register --allow-dirty

.PHONY: test
test: setup ## the fast tests, unit and integration: about two minutes
	pytest -n 2 -m "not long and not image and not nightly" --cov --cov-report=term tests/unit tests/integration

# What a tier needs beside Python, git and make: tools/packages.txt.
TOOLS := long-tools image-tools nightly-tools e2e-tools
.PHONY: $(TOOLS)
long-tools: ## install what the long tests need, on Debian as root
image-tools: ## install what builds, runs and serves images, on Debian as root
nightly-tools: ## install what the nightly tests need, on Debian as root
e2e-tools: ## install what the end-to-end tests need beside kubectl, on Debian as root
$(TOOLS): %-tools:
	@tools/packages install $*

.PHONY: test-long
test-long: setup manifest-tools long-tools fuzz-packages ## the integration tests that take minutes
	pytest -n 2 --reruns 1 -rR --rerun-show-tracebacks -m "long and not image and not nightly" tests/unit tests/integration

.PHONY: test-nightly
test-nightly: setup manifest-tools nightly-tools ## whole workflows, the whole stack, every store lost, a kill at every step
	pytest -m nightly tests/integration

.PHONY: e2e
e2e: setup e2e-tools ## a fresh clone and its README, then releases on the cluster of KUBECONFIG with its REGISTRY; SLIPWAY_E2E=all: every page too
	pytest -n 2 --dist loadgroup -x --reruns 1 -rR --rerun-show-tracebacks -m "not alone and not nightly" tests/e2e
	pytest -x --reruns 1 -rR --rerun-show-tracebacks -m "(alone or nightly)$(if $(filter all,$(SLIPWAY_E2E)),, and not nightly)" tests/e2e

# libFuzzer for Python, beside .venv: it measures what it runs, and nothing else needs it.
.PHONY: fuzz-packages
fuzz-packages: setup ## put the fuzzer into var/fuzz
	@mkdir -p var/fuzz && uv export --quiet --locked --only-group fuzz -o var/fuzz/requirements.txt
	@cmp --quiet var/fuzz/requirements.txt var/fuzz/installed.txt || { \
	  uv pip install --no-config --quiet --python $(BIN)/python --target var/fuzz/packages --require-hashes -r var/fuzz/requirements.txt && \
	  mv var/fuzz/requirements.txt var/fuzz/installed.txt; }

SECONDS ?= 60
TARGETS ?= connection bodies spool contract
.PHONY: fuzz
fuzz: fuzz-packages ## fuzz each reader of the server for SECONDS=60; TARGETS="connection bodies spool contract"
	for target in $(TARGETS); do PYTHONPATH=.:var/fuzz/packages python -m tests.fuzz $$target -max_total_time=$(SECONDS); done

MINUTES ?= 60
.PHONY: soak
soak: setup ## run the server at half capacity with faults at random for MINUTES=60; SEED= repeats one
	python -m tests.soak $(MINUTES) $(SEED)

.PHONY: test-image
test-image: setup image-tools ## build the image, run it locked down, package a version
	pytest --reruns 1 -rR --rerun-show-tracebacks -m image tests/integration

# Go of the machine where it is new enough for tools/go.mod, else from its wheel.
.PHONY: manifest-tools
manifest-tools: setup ## build kustomize, kubeconform, actionlint and compose-spec into var/bin, at the versions of tools/go.mod
	@for tool in kustomize kubeconform actionlint compose-spec; do command -v $$tool >/dev/null || test -x var/bin/$$tool || missing=1; done; \
	  test -n "$${missing:-}" || exit 0; \
	  (cd tools && go list -m) >/dev/null 2>&1 || wheel="$(UV) run --quiet --isolated --locked --no-default-groups --only-group go"; \
	  mkdir -p var/bin && GOBIN=$(CURDIR)/var/bin $${wheel:-} go -C tools install tool && mv $(CURDIR)/var/bin/cmd $(CURDIR)/var/bin/compose-spec

.PHONY: check-manifests
check-manifests: setup manifest-tools ## build every environment, check it against schemas and policy
	@rm -rf var/manifests
	python -m registry.policy gitops --output var/manifests
	@kustomize build gitops/argocd -o var/manifests/argocd.yaml
	@for folder in gitops/platform/*/; do test -f "$$folder/kustomization.yaml" || continue; \
	  kustomize build "$$folder" -o "var/manifests/platform-$$(basename "$$folder").yaml"; done
	tools/kubeconform var/manifests

LIKE ?= flight-delay
.PHONY: model
model: setup ## give the model NAME manifests of its own, made from those of LIKE
	@test -n "$(NAME)" || { echo "error: NAME is not set; next: make model NAME=my-model" >&2; exit 3; }
	@python tools/add_model.py "$(NAME)" "$(LIKE)"

.PHONY: cluster
cluster: ## make a kind cluster with Argo CD, Argo Rollouts and a registry (needs Docker and kind)
	tools/kind-cluster

.PHONY: promoter-image
promoter-image: setup ## build the promoter's image as TAG=name from BASE=image@digest; BUILD_OPTIONS=--tls-verify=false for a local registry
	rm -rf var/promoter && mkdir -p var/promoter/application
	uv export --quiet --locked --no-emit-project --no-default-groups --extra registry --extra promoter -o var/promoter/requirements.txt
	uv pip install --no-config --quiet --python $(BIN)/python --target var/promoter/packages --require-hashes -r var/promoter/requirements.txt
	cp -r slipway registry var/promoter/application/
	find var/promoter -name __pycache__ -prune -exec rm -rf {} +
	buildah bud --isolation chroot $(BUILD_OPTIONS) --build-arg BASE=$(BASE) -f registry/release/promoter/image/Containerfile -t $(TAG) var/promoter

.PHONY: bento
bento: setup ## write the Bento of an exported version in MODEL=folder, for bentoml containerize
	rm -rf var/bento && mkdir -p var/bento
	cp -r $(MODEL) var/bento/model
	uv export --quiet --locked --no-emit-project --no-default-groups --extra serving --extra bento -o var/bento/requirements.txt
	bentoml build

.PHONY: check
check: setup check-workflows ## format, lint, types, import contracts, workflows
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	uv lock --check

.PHONY: format
format: setup ## format the code and mend what ruff can mend
	ruff format .
	ruff check --fix .

.PHONY: hooks
hooks: setup ## check each commit before it is made
	pre-commit install

.PHONY: clean
clean: ## remove what can be made again; var/ with its registry stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* htmlcov dist

.PHONY: libraries
libraries: setup ## write training/libraries.txt anew after uv.lock has changed
	python -m training.libraries

.PHONY: docs
docs: setup ## build the site of docs/ into var/site; a link that leads nowhere ends it
	@rm -rf var/site
	sphinx-build --quiet --fresh-env --fail-on-warning --keep-going --builder html --doctree-dir var/doctrees docs var/site
	python tools/check_site.py var/site

.PHONY: docs-reference
docs-reference: setup ## write the pages of docs/reference that are made from the code
	python -m tools.reference

.PHONY: bench-serving
bench-serving: setup ## compare the server with its peers (needs wrk and two free cores)
	python -W ignore benchmarks/serving/compare.py

.PHONY: mlflow
mlflow: setup ## open MLflow's UI on the embedded store, http://127.0.0.1:5000
	@mkdir -p var/mlflow
	mlflow server --host 127.0.0.1 --port 5000 --workers 1 --backend-store-uri sqlite:///$(CURDIR)/var/mlflow/mlflow.db --default-artifact-root file://$(CURDIR)/var/mlflow/artifacts

.PHONY: up
up: setup ## every server of the stack on this machine, without containers
	slipway stack up

.PHONY: down
down: setup ## stop what `make up` started; its data stays
	slipway stack down

.PHONY: secrets
secrets: setup ## make the passwords of compose.yaml, under var/compose
	slipway stack secrets

BASE ?= docker.io/library/python:3.11-slim-bookworm
.PHONY: compose-images
compose-images: ## build the images of compose.yaml with buildah, BASE= another base image
	buildah bud --layers --build-arg BASE=$(BASE) --target dev -t localhost/slipway-dev:dev -f deploy/compose/Containerfile $(BUILD_OPTIONS) .
	buildah bud --layers --build-arg BASE=$(BASE) --target debian -t localhost/slipway-dev:debian -f deploy/compose/Containerfile $(BUILD_OPTIONS) .

.PHONY: compose-lock
compose-lock: ## write compose.yaml's images with the digests that their registries give, to var/compose/images.env
	@mkdir -p var/compose
	@sed -nE 's/.*\$$\{([A-Z0-9_]+_IMAGE):-(docker\.io[^}]+)\}.*/\1 \2/p' compose.yaml | while read -r name image; do \
	  digest=$$(skopeo inspect --no-tags --format '{{.Digest}}' "docker://$$image"); echo "$$name=$$image@$$digest"; \
	done > var/compose/images.env.part
	@mv var/compose/images.env.part var/compose/images.env
	@cat var/compose/images.env


include .github/delivery.mk
