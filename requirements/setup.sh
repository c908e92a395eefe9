#!/bin/sh
# Make this checkout runnable: system packages by apt, then .venv from the locks.
# Usage: requirements/setup.sh [demo|test|boot|compose|kube]. Safe to run again; does only what is missing.
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-demo}

packages() {
    sed -e 's/#.*//' requirements/system.txt requirements/system-build.txt
    if [ "$purpose" != demo ]; then sed -e 's/#.*//' "requirements/system-$purpose.txt"; fi
}

missing_packages() {
    for name in $(packages); do
        # Any docker will do; Debian's would take the place of another one.
        if [ "$name" = docker.io ] && command -v dockerd >/dev/null 2>&1; then continue; fi
        # trixie renamed some libraries with a t64 suffix; either one will do.
        for candidate in "$name" "${name}t64"; do
            if dpkg-query -W -f '${Status}' "$candidate" 2>/dev/null | grep -q 'ok installed'; then
                continue 2
            fi
        done
        echo "$name"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "vouchgate: no apt here; please install the equivalents of:" $(packages) >&2
        command -v swtpm >/dev/null 2>&1 || exit 1
        return 0
    fi
    wanted=$(missing_packages)
    [ -n "$wanted" ] || return 0
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null 2>&1; then
        echo "vouchgate: run as root, or install these packages first:" $wanted >&2
        exit 1
    fi
    echo "vouchgate: installing" $wanted
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends $wanted >/dev/null
}

find_python() {
    # The system's own first: it is kept up to date, and built to be fast.
    for candidate in ${PYTHON:-} /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    echo "vouchgate: no Python 3.11 or newer with venv found" >&2
    return 1
}

install_python_environment() {
    stamp=$(cat requirements/build.txt requirements/all.txt pyproject.toml requirements/setup.sh | sha256sum | cut -d' ' -f1)
    if [ -x .venv/bin/vouchgate ] && [ "$(cat .venv/.locked 2>/dev/null)" = "$stamp" ]; then
        return 0
    fi
    if [ ! -x .venv/bin/python ]; then
        python=$(find_python)
        "$python" -m venv .venv
    fi
    echo "vouchgate: filling .venv with $(.venv/bin/python --version)"
    # No build isolation: what builds tpm2-pytss is pinned with hashes like the rest.
    .venv/bin/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/build.txt
    .venv/bin/pip install -q --disable-pip-version-check --no-deps --no-build-isolation --require-hashes -r requirements/all.txt
    .venv/bin/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
    echo "$stamp" >.venv/.locked
}

if [ "${VOUCHGATE_SETUP_LOCKED:-}" != 1 ] && command -v flock >/dev/null 2>&1; then
    VOUCHGATE_SETUP_LOCKED=1 exec flock requirements/setup.sh sh requirements/setup.sh "$purpose"
fi
install_packages
install_python_environment
