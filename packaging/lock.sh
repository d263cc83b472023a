#!/bin/sh
# Writes requirements/*.txt: exact versions with hashes for every platform, and no address of any registry.
set -eu
cd "$(dirname "$0")/.."

tool=${XDG_CACHE_HOME:-$HOME/.cache}/bmm/uv
[ -x "$tool/bin/uv" ] || { /usr/bin/python3 -m venv "$tool" && "$tool/bin/pip" install -q uv; }

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
! grep -nE '://|^--' requirements/*.txt || { echo 'error: a lock names an address' >&2; exit 1; }
