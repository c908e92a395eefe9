# What README names. `make demo` and `make test` install all they need themselves.
.DEFAULT_GOAL := help
BIN := .venv/bin
CHECKED := onboarding attestation hw ownership-vouchers tests

.PHONY: help demo test docs man reference lint types layers unit coverage databases e2e-boot docs-commands e2e-compose e2e-kube e2e-systemd fuzz schemathesis interop bench bench-evidence bench-device bench-reconcile bench-console lock setup setup-test clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

setup: ## Install system packages and the locked Python environment
	@sh requirements/setup.sh demo

setup-test:
	@sh requirements/setup.sh test

demo: setup ## Run the whole way from factory to attested workload, with its refusals
	@$(BIN)/vouchgate demo $(DEMO_ARGS)

test: setup-test lint types layers docs unit ## Run every check that can run on this machine

lint: ## Format and lint
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/ruff check $(CHECKED)

types: ## Check types, strictly
	$(BIN)/mypy $(CHECKED)

layers: ## Check who imports whom
	$(BIN)/lint-imports

# A process for each core that there is for us, four at most; with one core, this one.
PROCESSES := $(shell nproc | awk '{ print $$1 < 2 ? 0 : $$1 < 4 ? $$1 : 4 }')
# A file's tests stay in one process, which shares its servers; the long files come first.
SPREAD = -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

unit: ## Run the tests
	$(BIN)/pytest $(SPREAD) $(PYTEST_ARGS)

coverage: setup-test ## Run the tests, and tell what they reach; a third more of processor time
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(SPREAD) $(PYTEST_ARGS)
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report --format=total | sed 's/.*/coverage: & % of lines and branches/'

databases: setup-test ## Run on PostgreSQL, too, what `make test` runs on SQLite first
	DATABASES=both $(BIN)/pytest -q $(SPREAD) -m sqlite_first -k postgresql $(PYTEST_ARGS)

e2e-boot: ## Boot a machine with UEFI and a TPM, attest it, change its boot, see it refused
	@sh requirements/boot.sh || echo "vouchgate: packages are missing, see why the test is skipped"
	E2E_BOOT=1 $(BIN)/pytest -q tests/boot $(PYTEST_ARGS)

docs: setup ## Build the documentation as a site into build/site, strictly
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/docs.txt
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q -f docs/site/mkdocs.yml

man: setup ## Write a manual page for each command into build/man (MANPATH=build/man)
	@$(BIN)/vouchgate manual build/man/man1

reference: setup ## Write the reference of settings from the classes of settings
	@$(BIN)/python -m tests.reference

SECONDS := 300
fuzz: setup ## Fuzz all that reads a peer's bytes, for SECONDS=300 in all
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r requirements/fuzz.txt || true
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(FUZZ_ARGS)

schemathesis: setup ## Try each service against its OpenAPI document, SECONDS=300 each
	@$(BIN)/python -m tests.openapi --seconds $(SECONDS) $(SCHEMATHESIS_ARGS)

e2e-systemd: setup ## Start, break and stop the systemd units under a systemd of their own
	@$(BIN)/python -m tests.systemd

docs-commands: setup ## Type what the guides have that takes minutes: an hour, GUIDES_ARGS=--full hours
	@$(BIN)/python -m tests.guides $(GUIDES_ARGS)

e2e-compose: ## Bring compose.yaml up in a docker of its own, and try all of it
	@sh requirements/setup.sh compose || echo "vouchgate: packages are missing, see why it is skipped"
	@$(BIN)/python -m tests.compose $(COMPOSE_ARGS)

e2e-kube: ## Play the pods of docs/examples/kube with podman, and try them
	@sh requirements/setup.sh compose && sh requirements/setup.sh kube || echo "vouchgate: packages are missing, see why it is skipped"
	@$(BIN)/python -m tests.kube $(COMPOSE_ARGS)

interop: setup-test ## Try other FDO implementations, and all of conformance; writes docs/interop.md
	INTEROP=full INTEROP_REPORT=docs/interop.md $(BIN)/pytest -q tests/interop tests/conformance $(PYTEST_ARGS)

bench: setup ## Measure DI, TO1, TO2 and voucher import; writes build/bench.json
	@$(BIN)/python -m tests.bench $(BENCH_ARGS)

bench-evidence: setup ## Measure appraisals, IMA lists, and both channels; adds to build/bench.json
	@$(BIN)/python -m tests.bench.evidence $(BENCH_ARGS)

bench-device: setup ## Measure from TO2 to release, and the device agent's memory; adds to build/bench.json
	@$(BIN)/python -m tests.bench.device $(BENCH_ARGS)

bench-reconcile: setup ## Measure a look at 10,000 push agents; adds to build/bench.json
	@$(BIN)/python -m tests.bench.reconcile $(BENCH_ARGS)

bench-console: setup-test ## Measure the console's pages; writes build/bench-console.json
	@$(BIN)/python -m tests.bench.console $(BENCH_ARGS)

lock: setup ## Renew requirements/*.txt from pyproject.toml
	@sh requirements/lock.sh

clean: ## Remove what the targets made
	rm -rf .venv build .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
