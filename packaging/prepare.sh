#!/bin/sh
# prepare.sh VENV LAUNCHER RUNTIME INPUTS: the part of the set-up that is done as the user who runs bmm, in the source tree. Called by setup.sh.
set -eu
venv=$1 launcher=$2 runtime=$3 inputs=$4
lock=requirements/${BMM_VENV:-dev}.txt

main() {
    mkdir -p "$HOME/.cache/bmm"
    exec 9>"$HOME/.cache/bmm/lock"
    flock 9
    choose_storage
    make_venv
    make_launcher
    make_runtime
}

say() { printf 'setup: %s\n' "$*" >&2; }

# For a new user Podman may choose vfs, which copies whole layers; a store that exists keeps its driver.
choose_storage() {
    settings=$HOME/.config/containers/storage.conf
    if [ ! -e "$settings" ] && [ ! -e "$HOME/.local/share/containers/storage" ]; then
        say 'choosing the overlay driver for podman'
        mkdir -p "$(dirname "$settings")"
        printf '[storage]\ndriver = "overlay"\n' >"$settings"
    fi
}

make_venv() {
    [ ! -e "$venv/.complete" ] || return 0
    say "installing Python packages from $lock"
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-input --require-hashes --only-binary=:all: -r "$lock"
    touch "$venv/.complete"
}

make_launcher() {
    [ ! -x "$launcher/bmm" ] || return 0
    mkdir -p "$launcher"
    cat >"$launcher/.bmm" <<EOF
#!/bin/sh
export PYTHONPATH="$PWD" BMM_RUNTIME_DIR="\${BMM_RUNTIME_DIR:-$runtime}" PATH="$venv/bin:\$PATH"
exec "$venv/bin/python" -m bmm "\$@"
EOF
    chmod +x "$launcher/.bmm"
    mv "$launcher/.bmm" "$launcher/bmm"
}

make_runtime() {
    [ "$(cat "$runtime/.inputs" 2>/dev/null)" != "$inputs" ] || return 0
    say 'building the runtime of the containers'
    /usr/bin/python3 packaging/runtime.py --to "$runtime" >&2
    printf '%s\n' "$inputs" >"$runtime/.inputs"
}

main
