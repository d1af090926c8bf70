# Two commands matter: `make demo` shows the node at work, `make test` proves it. Both do all of their own set-up.

PYTHON := .venv/bin/python
# A test process more than processors, for tests wait much; four at the most: each may run a broker, an archive and a
# database of its own.
WORKERS ?= $(shell nproc | awk '{ print ($$1 > 3) ? 4 : $$1 + 1 }')
# A file's tests stay in one process, so that they share its servers and at most WORKERS nodes run at a time.
# Files go out in the order of collection (acceptance first): the long ones start early and unit tests fill the gaps.
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# pytest keeps the test modules that it has compiled, whatever the environment says of compiling: without them each
# process compiles all of them anew.
KEEPING := PYTHONDONTWRITEBYTECODE=

DIST ?= dist

.DEFAULT_GOAL := help
.PHONY: help setup everything counterparts demo viewer test unit check bench faults sbom dist bundle clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo: setup ## a CT study in, findings out: the whole path on this machine; DEMO=brain shows a T1 series of a head
	@$(PYTHON) -m console.demo $(if $(filter brain,$(DEMO)),--brain) $(if $(MODELS),--models $(MODELS)) \
	  $(if $(CONFIG),--config $(CONFIG)) $(STUDY)

viewer: setup ## what `make demo` found, in a radiologist's viewer (OHIF) on this machine
	@scripts/counterparts --ohif
	@.venv/bin/dicom-node viewer

test: counterparts everything check ## everything: checks, then unit, contract and acceptance tests
	@$(KEEPING) $(PYTHON) -m pytest $(PARALLEL)

unit: setup ## the unit tests alone: no network, no servers
	@$(KEEPING) $(PYTHON) -m pytest $(PARALLEL) tests/unit

check: setup ## lint, format, types and the contracts between rooms
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports --no-logo

bench: counterparts everything ## the benchmarks, beside other receivers and senders; takes minutes
	@$(PYTHON) -m benchmarks

faults: counterparts everything ## a million changed inputs, 200,000 mutated data sets, 30,000 mutated associations, 50 disks through one, outages of a minute; 15 minutes and more
	@DICOM_NODE_FAULTS_INPUTS=1000000 DICOM_NODE_FAULTS_HEADERS=200000 DICOM_NODE_FAULTS_ASSOCIATIONS=30000 \
	  DICOM_NODE_FAULTS_DISKS=50 DICOM_NODE_FAULTS_REQUESTS=200 DICOM_NODE_OUTAGE_SECONDS=60 \
	  $(KEEPING) $(PYTHON) -m pytest -s -n 0 $(addprefix tests/acceptance/test_,fuzz.py mutations.py small_disk.py outages.py) \
	  tests/contract/test_api_fuzz.py

dist: setup ## the wheel in dist/, and the list of what it needs with the digest of each file
	@$(PYTHON) -m hatchling build -t wheel -d $(DIST)
	@$$(scripts/setup --uv) export --frozen --quiet --no-dev --no-emit-project --extra node -o $(DIST)/requirements.txt

bundle: setup ## one file to install from without a network, in dist/; EXTRAS="node monai", MODELS=FOLDER for more
	@scripts/bundle $(DIST)

sbom: ## what each image holds, as CycloneDX, in build/sbom
	@scripts/sbom

setup: ## the Python environment, from uv.lock
	@scripts/setup

everything: ## the same with every engine, PyTorch and the training pipeline (about 3 GB to download)
	@scripts/setup --all

counterparts: ## the programs that the tests run against (Orthanc, DCMTK, Kafka, ...)
	@scripts/counterparts || { [ "$$CI" != true ] && echo "counterparts: tests that need them are skipped"; }

clean: ## remove what can be made again; keeps .venv and .counterparts
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo-data
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
