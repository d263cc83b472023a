#!/usr/bin/env python3
"""A fresh Debian server in a virtual machine, with systemd, cgroup v2 and real users, to try the set-up as a customer would.

    box.py build            make the disk image once (about a minute)
    box.py up [--keep]      boot a fresh copy of it, or the same disk again (software emulation; about a minute)
    box.py run 'COMMAND'    run a command as root inside; its exit status is ours
    box.py put SRC DST      copy a file or folder in          box.py get SRC DST   copy one out
    box.py shell            an interactive shell              box.py reboot        restart, until it answers again
    box.py kill             cut its power                     box.py down          throw the copy away

Environment: BOX_SUITE (bookworm), BOX_DIR (/var/tmp/bmm-box), BOX_MEMORY (3072 MiB), BOX_SSH_PORT (2222), BOX_HTTP_PORT (8180),
BOX_HTTPS_PORT (8443). Needs root and, from Debian: mmdebstrap qemu-system-x86 qemu-utils e2fsprogs openssh-client.
The box reaches the network as this host does; its ports 22, 80 and 443 are published on this host's loopback only.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

SUITE = os.environ.get("BOX_SUITE", "bookworm")
DIR = Path(os.environ.get("BOX_DIR", "/var/tmp/bmm-box"))
MEMORY = os.environ.get("BOX_MEMORY", "3072")
PORTS = {
    22: os.environ.get("BOX_SSH_PORT", "2222"),
    80: os.environ.get("BOX_HTTP_PORT", "8180"),
    443: os.environ.get("BOX_HTTPS_PORT", "8443"),
}
IMAGE, KERNEL, INITRD = (DIR / f"{SUITE}.{kind}" for kind in ("img", "vmlinuz", "initrd"))
DISK, KEY, PID, CONSOLE = DIR / "run.qcow2", DIR / "key", DIR / "qemu.pid", DIR / "console.log"
# What a provider's image has; neither make nor git nor podman are among it.
PACKAGES = (
    "linux-image-cloud-amd64 systemd-sysv libpam-systemd dbus udev kmod iproute2 openssh-server ca-certificates "
    "curl sudo procps less cron tzdata netbase python3-minimal"
)
FILES = {
    "etc/hostname": "box\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 box\n::1 localhost\n",
    "etc/fstab": "/dev/vda / ext4 rw,relatime 0 1\n",
    "etc/systemd/network/10-all.network": "[Match]\nName=e*\n[Network]\nDHCP=yes\n",
    "etc/resolv.conf": "nameserver 10.0.2.3\n",
}
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
SSH_OPTIONS = (
    *("-i", str(KEY), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    *("-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5", "-o", "ServerAliveInterval=15"),
)
BOOT_SECONDS = 300.0


def main(arguments: list[str]) -> int:
    match arguments:
        case ["build"]:
            build()
        case ["up"]:
            up(keep=False)
        case ["up", "--keep"]:
            up(keep=True)
        case ["run", *words] if words:
            return subprocess.run(ssh(" ".join(words))).returncode
        case ["shell"]:
            return subprocess.run(ssh("exec bash -l", "-t")).returncode
        case ["put", source, target]:
            copy(source, f"root@127.0.0.1:{target}")
        case ["get", source, target]:
            copy(f"root@127.0.0.1:{source}", target)
        case ["reboot"]:
            reboot()
        case ["kill"]:
            cut_power()
        case ["down"]:
            cut_power()
            DISK.unlink(missing_ok=True)
        case _:
            print(__doc__)
            return 2
    return 0


def build() -> None:
    if IMAGE.exists():
        return
    DIR.mkdir(parents=True, exist_ok=True)
    if not KEY.exists():
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KEY)
    root = DIR / "root"
    shutil.rmtree(root, ignore_errors=True)
    call("mmdebstrap", "--variant=important", f"--include={','.join(PACKAGES.split())}", SUITE, root, *sources())
    settle(root)
    for kind, target in (("vmlinuz", KERNEL), ("initrd.img", INITRD)):
        shutil.copy(next((root / "boot").glob(f"{kind}-*")), target)
    partial = IMAGE.with_suffix(".partial")
    call("truncate", "-s", "12G", partial)
    call("mke2fs", "-q", "-t", "ext4", "-d", root, partial)
    partial.rename(IMAGE)
    shutil.rmtree(root)


def sources() -> list[str]:
    """For the host's own suite its own apt sources; for another one mmdebstrap's default."""
    own = Path("/etc/apt/sources.list.d/debian.sources")
    return [str(own)] if f"VERSION_CODENAME={SUITE}" in Path("/etc/os-release").read_text() and own.exists() else []


def settle(root: Path) -> None:
    for name, content in FILES.items():
        write(root / name, content)
    write(root / "root/.ssh/authorized_keys", KEY.with_suffix(".pub").read_text(), mode=0o600)
    call("chroot", root, "systemctl", "enable", "-q", "systemd-networkd", "ssh")
    # The box is to trust what this host trusts: a registry may be behind a certificate of the house.
    shutil.copy(CA_BUNDLE, root / CA_BUNDLE.relative_to("/"))
    local = Path("/usr/local/share/ca-certificates")
    if local.is_dir():
        shutil.copytree(local, root / local.relative_to("/"), dirs_exist_ok=True)
    names = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    write(root / "etc/environment", "".join(f"{name}={CA_BUNDLE}\n" for name in names))


def write(path: Path, content: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(content)
    path.chmod(mode)


def up(*, keep: bool) -> None:
    build()
    if is_running():
        return
    if not (keep and DISK.exists()):
        DISK.unlink(missing_ok=True)
        call("qemu-img", "create", "-q", "-f", "qcow2", "-b", IMAGE, "-F", "raw", DISK)
    forwards = ",".join(f"hostfwd=tcp:127.0.0.1:{host}-:{guest}" for guest, host in PORTS.items())
    call(
        "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", MEMORY,
        "-kernel", KERNEL, "-initrd", INITRD, "-append", "root=/dev/vda rw console=ttyS0 quiet",
        "-drive", f"file={DISK},if=virtio,format=qcow2", "-nic", f"user,model=virtio-net-pci,{forwards}", "-device", "virtio-rng-pci",
        "-display", "none", "-serial", f"file:{CONSOLE}", "-monitor", "none", "-daemonize", "-pidfile", PID,
    )  # fmt: skip
    wait_for_boot(other_than="")


def reboot() -> None:
    before = boot_id()
    subprocess.run(ssh("systemctl reboot"), capture_output=True)
    wait_for_boot(other_than=before)


def wait_for_boot(*, other_than: str) -> None:
    deadline = time.monotonic() + BOOT_SECONDS
    while boot_id() in ("", other_than):
        if time.monotonic() > deadline:
            sys.exit(f"error: the box did not answer within {BOOT_SECONDS:.0f} s; its console is in {CONSOLE}")
        time.sleep(2)


def boot_id() -> str:
    """Which boot answers; empty while none does."""
    return subprocess.run(ssh("cat /proc/sys/kernel/random/boot_id"), capture_output=True, text=True).stdout.strip()


def ssh(command: str, *options: str) -> list[str]:
    return ["ssh", *SSH_OPTIONS, "-p", PORTS[22], *options, "root@127.0.0.1", command]


def copy(source: str, target: str) -> None:
    call("scp", "-q", "-r", *SSH_OPTIONS, "-P", PORTS[22], source, target)


def is_running() -> bool:
    try:
        os.kill(int(PID.read_text()), 0)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return False
    return True


def cut_power() -> None:
    if is_running():
        os.kill(int(PID.read_text()), signal.SIGKILL)
        while is_running():
            time.sleep(0.2)
    PID.unlink(missing_ok=True)


def call(*command: str | Path) -> None:
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        sys.exit(f"error: {command[0]} is missing; run: apt-get install mmdebstrap qemu-system-x86 qemu-utils e2fsprogs openssh-client")
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {command[0]} ended with {error.returncode}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
