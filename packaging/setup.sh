#!/bin/sh
# setup.sh [bench | test | box]: makes a Debian 12, Debian 13 or Ubuntu 24.04 machine able to run bmm from this tree, as root or with sudo.
# `box` is for the virtual machine of packaging/box.py only. Says what it changes; changes nothing when everything is there. Nothing it leaves behind needs root at run time.
set -eu
. "$(dirname "$0")/common.sh"

# runc and crun: neither works on every host, and the appliance chooses.
PACKAGES='podman runc crun uidmap caddy python3 python3-venv ca-certificates make git curl'

main() {
    case ${1:-} in
        box)
            PACKAGES='mmdebstrap qemu-system-x86 qemu-utils e2fsprogs openssh-client'
            install_packages
            return
            ;;
        bench)
            export BMM_VENV=bench
            PACKAGES="$PACKAGES postgresql"
            ;;
        test)
            with_node=yes
            PACKAGES="$PACKAGES postgresql mariadb-server-core mariadb-client-core"
            ;;
    esac
    install_packages
    make_user
    locate
    give_ids /etc/subuid --add-subuids
    give_ids /etc/subgid --add-subgids
    make_folders
    mirror_tree
    if [ "$(runtime_inputs)" != "$(cat "$BMM_SHARED/runtime/.inputs" 2>/dev/null)" ]; then
        refresh_lists
    fi
    as_user packaging/prepare.sh "$venv" "${with_node:+$node}" "$launcher" "$BMM_SHARED/runtime" "$(runtime_inputs)"
}

install_packages() {
    if has_systemd; then PACKAGES="$PACKAGES dbus-user-session"; fi
    if [ "${BMM_VENV:-dev}" = bench ]; then PACKAGES="$PACKAGES wrk"; fi
    missing=
    for package in $PACKAGES; do
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
            *' installed') ;;
            *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    say "installing$missing"
    refresh_lists
    case $missing in *' postgresql'*) without_cluster ;; esac
    case $missing in *' caddy'*) without_caddy_unit apt_install $missing ;; *) apt_install $missing ;; esac
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" >&2
}

refreshed=
refresh_lists() {
    [ -z "$refreshed" ] || return 0
    refreshed=yes
    say 'reading the package lists'
    as_root apt-get -q -o DPkg::Lock::Timeout=300 update >&2
}

# Debian's package starts a web server on port 80. bmm runs Caddy itself, so the unit stays off unless it was there before us.
without_caddy_unit() {
    if has_systemd; then as_root systemctl mask -q caddy.service; fi
    "$@"
    if has_systemd; then
        as_root systemctl unmask -q caddy.service
        as_root systemctl disable -q caddy.service
    fi
}

# The tests start databases of their own. Without a cluster Debian's package has nothing to start; what an administrator has decided stays.
without_cluster() {
    settings=/etc/postgresql-common/createcluster.conf
    if [ ! -e "$settings" ]; then
        apt_install postgresql-common
        as_root sed -i 's/^#*create_main_cluster *=.*/create_main_cluster = false/' "$settings"
    fi
}

make_user() {
    if ! id -u "$BMM_USER" >/dev/null 2>&1; then
        say "creating the user $BMM_USER"
        useradd --create-home --shell /bin/bash "$BMM_USER"
    fi
}

give_ids() { # FILE OPTION: a range of 65536 subordinate ids, above all that are given already
    [ -e "$1" ] || as_root touch "$1"
    ! grep -qE "^($BMM_USER|$BMM_UID):" "$1" 2>/dev/null || return 0
    first=$(awk -F: '{ if ($2 + $3 > top) top = $2 + $3 } END { print (top > 100000 ? top : 100000) }' "$1")
    say "giving $BMM_USER ids $first-$((first + 65535)) in $1"
    as_root usermod "$2" "$first-$((first + 65535))" "$BMM_USER"
}

make_folders() {
    owned_folder "$BMM_SHARED" 0755
    if has_systemd; then
        [ -e "/var/lib/systemd/linger/$BMM_USER" ] || as_root loginctl enable-linger "$BMM_USER"
        wait_for "$BMM_RUN/bus"
    elif [ ! -d "$BMM_RUN" ]; then
        as_root install -d -m 0755 /run/user
        owned_folder "$BMM_RUN" 0700
    fi
}

owned_folder() {
    [ -d "$1" ] || as_root install -d -m "$2" -o "$BMM_USER" -g "$(id -g "$BMM_USER")" "$1"
}

# Containers get limits only through the user's own systemd; the bus says that it is up.
wait_for() {
    waited=0
    until [ -S "$1" ]; do
        [ "$waited" -lt 60 ] || die "$1 did not appear; is dbus-user-session installed and user@$BMM_UID.service running?"
        sleep 1
        waited=$((waited + 1))
    done
}

mirror_tree() {
    [ "$source" != "$BMM_TREE" ] || return 0
    "$PYTHON" -I "$BMM_TREE/packaging/mirror.py" send "$BMM_TREE" |
        as_user "$PYTHON" -I -c "$(cat "$BMM_TREE/packaging/mirror.py")" receive "$source"
}

as_user() { "$BMM_TREE/packaging/as-user.sh" "$@"; }

# The shared runtime is built again when its recipe, its lock, the trust of this machine or its Python changed.
runtime_inputs() {
    cd "$BMM_TREE"
    {
        cat packaging/runtime.py requirements/runtime.txt /etc/ssl/certs/ca-certificates.crt
        dpkg-query -W -f '${Package} ${Version}\n' libc6 'libssl3*' 'libpython3*-minimal' 2>/dev/null
    } | short_hash
}

main "$@"
