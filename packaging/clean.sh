#!/bin/sh
# Removes what the other scripts put on this machine, but for system packages and the user: caches, environments, copies, the runtime.
set -eu
. "$(dirname "$0")/common.sh"
if id -u "$BMM_USER" >/dev/null 2>&1; then
    locate
    "$(dirname "$0")/as-user.sh" rm -rf "$BMM_CACHE" "$BMM_SHARED/runtime"
fi
cd "$BMM_TREE"
rm -rf .mypy_cache .ruff_cache .pytest_cache
find . -name __pycache__ -type d -prune -exec rm -rf {} +
