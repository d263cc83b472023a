# Who runs bmm on this machine and where his things are; sourced by the other scripts, does nothing itself.
# As root everything runs as an ordinary user of its own, because Podman is only used rootless; otherwise as whoever calls.

if [ "$(id -u)" = 0 ]; then BMM_USER=bmm-dev; else BMM_USER=$(id -un); fi
BMM_TREE=$(cd "$(dirname "$0")/.." && pwd -P)
# Debian's own interpreter: the wheels must fit the Python that is unpacked for the containers, and a user's may be in a private home.
PYTHON=/usr/bin/python3

short_hash() { sha256sum | cut -c1-12; }

locate() { # after the user exists
    BMM_UID=$(id -u "$BMM_USER" 2>/dev/null) || die "there is no user $BMM_USER yet; run: make setup"
    BMM_HOME=$(getent passwd "$BMM_USER" | cut -d: -f6)
    BMM_CACHE=$BMM_HOME/.cache/bmm
    # Outside the home: every folder above a container's root must be passable for the container's user ids, which are nobody's here.
    BMM_SHARED=/var/cache/bmm-$BMM_USER
    BMM_RUN=/run/user/$BMM_UID
    BMM_LOCK=$BMM_TREE/requirements/${BMM_VENV:-dev}.txt
    venv=$BMM_CACHE/venv-${BMM_VENV:-dev}-$("$PYTHON" --version | cat - "$BMM_LOCK" | short_hash)
    node=$BMM_CACHE/node-$(cat "$BMM_TREE"/packaging/node/package*.json | short_hash)
    place=$(printf %s "$BMM_TREE" | short_hash)
    # In place where the user may write; otherwise in a copy.
    if [ "$(id -u)" != 0 ] && [ -w "$BMM_TREE" ]; then source=$BMM_TREE; else source=$BMM_CACHE/src-$place; fi
    launcher=$BMM_CACHE/bin-$place
}

has_systemd() { [ -d /run/systemd/system ]; }

say() { printf 'setup: %s\n' "$*" >&2; }

die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo -- "$@"
    else die "this needs root once: install sudo, or run it as root"
    fi
}
