# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

# The Python that creates the virtual environment
PYTHON ?= python3
# The port that the demo listens on
PORT ?= 8000

export PORT MFA LOGIN DATABASE_URI POSTGRESQL_URI ONLY CI CHROMIUM

# setuptools warns about what an editable installation is
pip = PYTHONWARNINGS=ignore .venv/bin/python -m pip install --quiet \
	--disable-pip-version-check

.PHONY: help demo code test bench lint clean

help:
	@echo "make demo   serve a demonstration on http://localhost:$(PORT)"
	@echo "            PORT=8000           listen on another port"
	@echo "            DATABASE_URI=...    use the server at postgresql://..."
	@echo "            MFA=1               ask a code after the password"
	@echo "make code   print the code of a user of the demonstration"
	@echo "            LOGIN=name          its login"
	@echo "make test   run all the tests"
	@echo "            ONLY=pattern        run those whose name matches"
	@echo "            POSTGRESQL_URI=...  use the server at postgresql://..."
	@echo "            CI=true             fail when PostgreSQL or a browser is missing"
	@echo "make bench  run the benchmarks on PostgreSQL"
	@echo "            ONLY=pattern        run those whose name matches"
	@echo "            POSTGRESQL_URI=...  use the server at postgresql://..."
	@echo "make lint   check the style of the code"
	@echo "make clean  remove all that the others made"

demo: .venv/.demo var/sao/custom.css
	@.venv/bin/python scripts/demo.py

code: .venv/.demo
	@.venv/bin/python scripts/demo_code.py

test: .venv/.test var/sao/custom.css var/provider/package-lock.json
	@.venv/bin/python scripts/test.py

bench: .venv/.test
	@.venv/bin/python scripts/bench.py

lint: .venv/.test
	@.venv/bin/python -m flake8

# Only a finished step leaves its stamp, so a killed one is done again
.venv/.created:
	@echo "Creating .venv..."
	@$(PYTHON) scripts/make_venv.py .venv
	@touch $@

.venv/.demo: setup.cfg pyproject.toml .venv/.created
	@echo "Installing..."
	@$(pip) --editable '.[demo,postgresql]'
	@touch $@

.venv/.test: setup.cfg pyproject.toml .venv/.created
	@echo "Installing what the tests need..."
	@$(pip) --editable '.[test,postgresql]'
	@touch $@

var/sao: | .venv/.created
	@.venv/bin/python scripts/fetch_client.py

var/sao/custom.css: client/custom.css | var/sao
	@cp $< $@

var/provider/package-lock.json: tests/provider/package-lock.json | .venv/.created
	@.venv/bin/python scripts/fetch_provider.py
	@touch $@

clean:
	@test ! -x .venv/bin/python || .venv/bin/python scripts/test.py --clean
	rm -rf .venv build dist var early_access.egg-info
	find modules scripts tests -name __pycache__ -prune -exec rm -rf {} +
