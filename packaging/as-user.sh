#!/bin/sh
# as-user.sh [--here] COMMAND…: run a command as the user who runs bmm, in a clean environment, in the source tree (--here: where we are).
set -eu
. "$(dirname "$0")/common.sh"

# What a machine says about its package registries and its trust, and what a person says about this run.
PASSED='^\(PIP_[A-Z_]*\|UV_[A-Z_]*\|SSL_CERT_[A-Z]*\|[A-Z_]*CA_BUNDLE\|NODE_EXTRA_CA_CERTS\|npm_config_[a-z_]*\|NPM_CONFIG_[A-Z_]*\|[a-zA-Z]*_proxy\|[A-Z]*_PROXY\|BMM_[A-Z_]*\|PYTEST_ADDOPTS\|ANTHROPIC_[A-Z_]*\|CI\|TERM\|LANG\|LC_ALL\|TZ\|DEBIAN_FRONTEND\)=.*'
# What a person says to one command of `bin/bmm`: the editor, passwords of databases, secrets for `bmm call` and `bmm dev` by their names.
SAID='^\(VISUAL\|EDITOR\|MYSQL_PWD\|PGPASSWORD\|[A-Z][A-Z0-9_]*_\(KEY\|TOKEN\|SECRET\|PASSWORD\|USERNAME\|CERTIFICATE\)\)=.*'

main() {
    locate
    folder=$source instead=$source said= named=
    if [ "$1" = --here ]; then
        shift
        folder=$PWD instead=/
        for word in "$@"; do
            case $word in /* | -) ;; *) if [ -f "$word" ] || [ -f "$word/spec.json" ]; then named=$word; fi ;; esac
        done
        said="s/$SAID/\1/p"
    fi
    for name in $(env | sed -n -e "s/$PASSED/\1/p" -e "$said"); do
        eval "set -- \"\$name=\${$name-}\" \"\$@\""
    done
    set -- HOME="$BMM_HOME" USER="$BMM_USER" LOGNAME="$BMM_USER" SHELL=/bin/sh XDG_RUNTIME_DIR="$BMM_RUN" \
        PATH="$launcher:$venv/bin:$node/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        BMM_RUNTIME_DIR="${BMM_RUNTIME_DIR:-$BMM_SHARED/runtime}" BMM_NODE="$node/node_modules" \
        PYTHONPATH="$source" "$@"
    if [ -S "$BMM_RUN/bus" ]; then set -- DBUS_SESSION_BUS_ADDRESS="unix:path=$BMM_RUN/bus" "$@"; fi
    if [ "$(id -u)" != "$BMM_UID" ]; then
        cd /
        exec setpriv --reuid="$BMM_UID" --regid="$(id -g "$BMM_USER")" --init-groups -- sh -c "$IN_FOLDER" sh "$folder" "$instead" "$named" env -i "$@"
    fi
    exec sh -c "$IN_FOLDER" sh "$folder" "$instead" "$named" env -i "$@"
}

# A person's own folder may be closed to this user: what is named in it cannot be read, and nothing is written to another place instead.
IN_FOLDER='cd "$1" 2>/dev/null || {
    [ -z "$3" ] || { echo "error: $3 cannot be read: $(id -un) may not enter $1; work in a folder open to all, or send a file to standard input (-)" >&2; exit 2; }
    cd "$2" 2>/dev/null || cd /
}; shift 3; exec "$@"'

main "$@"
