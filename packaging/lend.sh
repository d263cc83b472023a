#!/bin/sh
# lend.sh FILE: print a path of this file that the user who runs bmm can read; what is no file (an address, "-") is printed as it is.
set -eu
. "$(dirname "$0")/common.sh"
locate
if [ -f "$1" ]; then
    copy=$BMM_CACHE/lent/$(basename "$1")
    "$(dirname "$0")/as-user.sh" sh -c 'mkdir -p "$(dirname "$1")" && cat >"$1"' sh "$copy" <"$1"
    printf '%s\n' "$copy"
else
    printf '%s\n' "$1"
fi
