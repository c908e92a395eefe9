#!/bin/sh
# Renew the locks. uv comes into a throw-away environment: nothing else needs it.
set -eu
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
.venv/bin/python -m venv "$tools"
"$tools/bin/pip" install -q --disable-pip-version-check uv
compile() {
    "$tools/bin/uv" pip compile -q --universal --generate-hashes --no-header \
        --no-emit-index-url --no-emit-find-links --upgrade "$@"
}
compile --all-extras --group dev pyproject.toml -o requirements/all.txt
compile --all-extras -c requirements/all.txt pyproject.toml -o requirements/run.txt
compile --group build -c requirements/all.txt -o requirements/build.txt
compile --group fuzz -o requirements/fuzz.txt
compile --group docs -c requirements/all.txt -o requirements/docs.txt
