# make run    set up, start everything, print the address and the logins
# make test   set up and run every test on SQLite, and on PostgreSQL + Valkey those that meet the database, but in no browser
# make fast   the fast tests on SQLite
# make check  lint, types, import rules, message catalogues, deployment check, migration drift
# make pictures  the pictures of the documentation, taken anew in Chromium
# make openapi   the description of the REST API, docs/openapi.yml
# make messages  the strings of the source into the message catalogues, and these compiled

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest --durations=10
export HF_HUB_OFFLINE = 1

.PHONY: run test fast check lint messages pictures openapi

run: $(STAMP)
	@exec $(BIN)/python -m config.launch

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Whetstone needs Python 3.11 or newer; name one: PYTHON=python3.11 make run" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt '.[dev,syntax]'
	@touch $@

test: $(STAMP)
	@echo "== SQLite, filesystem broker"
	$(PYTEST) -n 2 -m "not faults and not postgres"
	$(PYTEST) -m faults
	@echo "== PostgreSQL, Valkey"
	$(BIN)/python -m tests.servers $(PYTEST) -n 2 -m "not faults and not browser"
	$(BIN)/python -m tests.servers $(PYTEST) -m faults

fast: $(STAMP)
	$(PYTEST) -n 2 -m "not faults and not postgres and not browser and not slow"

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m config.messages --check
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py spectacular --validate --fail-on-warn | diff -u docs/openapi.yml -
	WHETSTONE_ENV=production ALLOWED_HOSTS=whetstone.example SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(60))') \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

messages: $(STAMP)
	$(BIN)/python -m config.messages

openapi: $(STAMP)
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yml

pictures: $(STAMP)
	PICTURES=docs/images $(PYTEST) -q tests/browser/test_pictures.py
