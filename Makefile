.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
PACKAGES := contracts infra/servicekit services/funding services/payouts services/updates services/notifier
# Each of hundreds of processes would compile all of our source anew, a fifth of its start.
unexport PYTHONDONTWRITEBYTECODE
LOCKED := build funding payouts updates notifier surroundings development stranger

help: ## Print what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: venv ## Play the whole story on real parts: refunds, a paid stage, an update told to everybody
	@$(PYTHON) -m infra.demo demo $(ARGUMENTS)

up: venv ## Start everything, keep it running, print the addresses
	@$(PYTHON) -m infra.demo up

down: venv ## Stop what `make up` started
	@$(PYTHON) -m infra.demo down

story: venv ## Print every fact of a campaign and where it stands (CAMPAIGN=id)
	@[ -n "$(CAMPAIGN)" ] || { echo "say which: make story CAMPAIGN=id" >&2; exit 64; }
	@$(PYTHON) -m infra.story $(ARGUMENTS) -- "$(CAMPAIGN)"

test: check ## Check everything and run what one waits for while working, on real Kafka and MongoDB
	@$(PYTHON) -m tests $(ARGUMENTS)

test-all: check ## Check everything and run every test, on real Kafka, MongoDB and containers
	@$(PYTHON) -m tests --all $(ARGUMENTS)

explore: venv ## Try the property tests with examples that nobody has tried (SEED=n: those of a round again)
	@$(PYTHON) -m tests.explore $(if $(SEED),--seed $(SEED)) $(ARGUMENTS)

chaos: venv ## Break everything under load by the plan of a seed (SEED=17), then check all money and notices
	@$(PYTHON) -m tests.chaos $(if $(SEED),--seed $(SEED)) $(ARGUMENTS)

bench: venv ## Measure the hot paths beside the raw limit of the same bytes
	@$(PYTHON) -m infra.bench $(ARGUMENTS)

check: venv ## Style, types, layers, generated files
	@$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check . && $(PYTHON) -m mypy
	@.venv/bin/lint-imports && $(PYTHON) -m contracts.tools --check
	@$(PYTHON) -m tests.access --check

contracts: venv ## Write all generated files of the contracts
	@$(PYTHON) -m contracts.tools

access: venv ## Write the page of who may call what
	@$(PYTHON) -m tests.access

images: venv ## Build all container images, the base made of Debian's packages where it cannot be pulled
	@$(PYTHON) -m infra.docker build $(ARGUMENTS)

rows: venv ## Print the product's rows and traps, their tests and results
	@$(PYTHON) -m tests.rows

lock: venv ## Pin requirements/*.in with hashes into requirements/*.txt
	@for name in $(LOCKED); do .venv/bin/uv pip compile -q --generate-hashes --no-header --python-version 3.11 requirements/$$name.in -o requirements/$$name.txt || exit 1; done

venv: .venv/stamp ## Make the virtual environment from pinned, hashed requirements
.venv/stamp: requirements/development.txt $(PACKAGES:%=%/pyproject.toml)
	@python3 -m venv .venv || { echo "no venv: apt-get install -y python3-venv" >&2; exit 1; }
	@$(PYTHON) -m pip install -q --disable-pip-version-check --require-hashes -r requirements/development.txt
	@$(PYTHON) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation $(PACKAGES:%=-e %) && touch $@

clean: ## Stop the native stack and delete the environment and its state
	@[ ! -x $(PYTHON) ] || $(PYTHON) -m infra.native wipe
	@rm -rf .venv .sosst
.PHONY: help demo up down story test test-all explore chaos bench check contracts access images rows lock venv clean
