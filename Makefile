# Everything a person types. Each target first makes the machine able to do it (a second when it already is).
#   make demo [DOC=FILE_OR_URL]   the whole path, shown step by step
#   make test [PYTEST='-k name']  linter, types, every test
#   make check                    the quick part of it
#   make run                      the appliance in the foreground, on http://localhost:8080
#   make conformance              the official MCP conformance suite, TypeScript client and Inspector against a deployed server (part of make test)
#   make fuzz [FUZZ='--seed N --requests M']   10,000 requests that no honest client sends
#   make bench                    figures beside FastMCP's
#   make bench-openapi [OPENAPI='--documents 100 --requests 20']   thousands of public documents, beside FastMCP

RUN := packaging/as-user.sh
PYTEST ?=
OPENAPI ?=
FUZZ ?=

.PHONY: setup demo run test conformance fuzz check bench bench-openapi lock test-box clean

setup:
	@packaging/setup.sh

demo: setup
	@$(RUN) python packaging/demo.py $(if $(DOC),"$$(packaging/lend.sh '$(DOC)')")

run: setup
	@$(RUN) bmm serve

test:
	@packaging/setup.sh test
	@$(RUN) ruff check
	@$(RUN) mypy
	@$(RUN) python -m pytest -n 2 --dist loadfile $(PYTEST)

check:
	@packaging/setup.sh test
	@$(RUN) ruff check
	@$(RUN) mypy
	@$(RUN) python -m pytest -q tests/unit tests/flow $(PYTEST)

conformance:
	@packaging/setup.sh test
	@$(RUN) python -m pytest tests/conformance

fuzz:
	@packaging/setup.sh test
	@$(RUN) python -m tests.fuzz.campaign $(FUZZ)

bench:
	@packaging/setup.sh bench
	@BMM_VENV=bench $(RUN) python packaging/bench.py

bench-openapi:
	@packaging/setup.sh bench
	@BMM_VENV=bench $(RUN) python packaging/bench_openapi.py $(OPENAPI)

lock:
	@packaging/lock.sh

# A virtual machine with systemd and cgroup v2, as a customer's; emulated, so allow half an hour. Needs root.
test-box:
	packaging/setup.sh box
	packaging/box.py up
	/usr/bin/python3 packaging/mirror.py send . | packaging/box.py run 'rm -rf bmm && mkdir bmm && tar -x -C bmm'
	packaging/box.py run 'apt-get -qq update && apt-get -qq install -y --no-install-recommends make && make -C bmm demo'

clean:
	@packaging/clean.sh
