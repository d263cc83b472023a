"""Builds the runtime that all containers share: a small /usr of Debian's Python and the locked wheels, and the skeleton it is mounted in.

    python3 packaging/runtime.py --to DIR

DIR/<id>/usr is mounted read-only at /usr, DIR/<id>/rootfs is the root file system with the mount points; DIR/current names the newest
complete one. Needs apt's package lists and no root. Interrupted, it starts again; what is visible is always complete.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_FILE = Path(__file__).resolve().parent.parent / "requirements" / "runtime.txt"
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
PYTHON = Path("/usr/bin/python3")
# With -f python3 inside; OpenSSL's built-in default on Debian, so every library finds it without an environment variable.
CA_IN_RUNTIME = "lib/ssl/cert.pem"

# What Debian's packages name as dependencies and the runtime leaves out, with what would use it.
UNWANTED_PACKAGES = re.compile(
    r"media-types|mime-support|mailcap|tzdata|debconf.*|perl.*|libperl.*|dpkg|tar|install-info|gcc-\d+-base"  # scripts, mail types
    r"|libdb[\d.]+.*|libgdbm.*|libncurses.*|libtinfo.*|readline-common|libreadline.*"  # dbm, curses, readline
    r"|libnsl.*|libtirpc.*|libgssapi.*|libkrb5.*|libk5.*|libcom-err.*|libkeyutils.*|libselinux.*"  # nis
    r"|libc-bin|libidn2.*|libnss-.*"
)
# Folders and files of the standard library that a server never imports, relative to lib/python3.X.
UNWANTED_MODULES = (
    "test", "idlelib", "ensurepip", "distutils", "lib2to3", "tkinter", "turtledemo", "turtle.py", "pydoc_data", "venv", "curses", "dbm",
    "config-*", "sitecustomize.py", "_sysconfigdata_*d_*", "unittest/test", "ctypes/test", "sqlite3/test", "EXTERNALLY-MANAGED", "*.orig",
    *(f"lib-dynload/{name}.*" for name in (
        "_curses", "_curses_panel", "_dbm", "_gdbm", "nis", "readline", "_tkinter", "ossaudiodev", "_ctypes_test", "_test*", "_xx*", "xx*",
    )),
)  # fmt: skip
# Debugging aids of the C library, loaded only by LD_PRELOAD or a debugger.
UNWANTED_LIBRARIES = ("libmemusage.*", "libpcprofile.*", "libthread_db.*", "libc_malloc_debug.*", "libnsl.*", "libnss_*", "libBroken*")

FOLDERS = (
    "usr", "app", "control", "egress", "opt/bmm", "tmp", "proc", "sys", "dev/pts", "dev/shm", "dev/mqueue", "etc", "run",
)  # fmt: skip
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64", "etc/mtab": "/proc/mounts"}
# Podman binds its own files over these and cannot create them: the root of the container's user namespace does not own the skeleton.
FILES = {
    "etc/passwd": "root:x:0:0::/:/nonexistent\nserver:x:10:10::/tmp:/nonexistent\n",
    "etc/group": "root:x:0:\nserver:x:10:\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/hostname": "server\n",
    "etc/resolv.conf": "",
    "run/.containerenv": "",
}


class BuildError(Exception):
    """The runtime cannot be built here; the sentence says what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the runtime that all containers share.")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="where it is kept")
    to: Path = parser.parse_args().to
    os.umask(0o022)
    try:
        to.mkdir(parents=True, exist_ok=True)
        with only_one(to / ".lock"):
            print(build(to.resolve()))
    except (BuildError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def build(to: Path) -> str:
    """Make `to/current` the runtime for today's packages and lock; returns a line for the reader."""
    started = time.monotonic()
    packages = wanted_packages()
    name = identity(packages)
    if not (to / name).exists():
        for left_over in to.glob(".partial-*"):
            shutil.rmtree(left_over)
        partial = to / f".partial-{name}"
        # Kept when interrupted; named, so that no older version of a package is unpacked with a newer.
        assemble(partial, packages, downloads=to / f".downloads-{name}")
        partial.rename(to / name)
        for folder in to.glob(".downloads-*"):
            shutil.rmtree(folder)
    point(to / "current", name)
    return f"runtime {name}: {megabytes(to / name)} MB, {time.monotonic() - started:.1f} s"


def assemble(target: Path, packages: dict[str, str], *, downloads: Path) -> None:
    usr, scratch = target / "usr", target / "scratch"
    unpack(download(packages, downloads), scratch)
    keep_what_runs(scratch, usr)
    shutil.rmtree(scratch)
    install_wheels(usr / "lib/python3/dist-packages", scratch)
    prune(usr)
    trust = usr / CA_IN_RUNTIME
    trust.parent.mkdir(parents=True)
    shutil.copyfile(CA_BUNDLE, trust)
    shutil.rmtree(scratch)
    make_readable(usr)
    compile_and_try(usr)
    make_skeleton(target / "rootfs")


def wanted_packages() -> dict[str, str]:
    """Package name to the hash of its archive: Python and all it depends on, less what is unwanted."""
    version = python_version()
    found: set[str] = set()
    ahead = {f"python{version}-minimal", f"libpython{version}-stdlib", "libgcc-s1", "libstdc++6"}
    while ahead:
        found |= ahead
        ahead = {name for name in dependencies(ahead) if not UNWANTED_PACKAGES.fullmatch(name)} - found
    hashes = dict(re.findall(r"^Package: (\S+)$.*?^SHA256: ([0-9a-f]{64})$", apt("show", "--no-all-versions", *sorted(found)), re.M | re.S))
    if missing := sorted(found - set(hashes)):
        raise BuildError(f"apt knows no package {', '.join(missing)}; run: apt-get update")
    return hashes


def dependencies(packages: set[str]) -> set[str]:
    quiet = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    return set(re.findall(r"^ *\|?(?:Pre)?Depends: ([a-z0-9][a-z0-9.+-]*)$", apt("depends", *quiet, *sorted(packages)), re.M))


def apt(*arguments: str) -> str:
    done = subprocess.run(["apt-cache", *arguments], capture_output=True, text=True, timeout=60, env=os.environ | {"LC_ALL": "C"})
    if done.returncode != 0:
        raise BuildError(f"apt-cache {arguments[0]}: {done.stderr.strip().splitlines()[-1:]}; run: apt-get update")
    return done.stdout


def identity(packages: dict[str, str]) -> str:
    """What went in decides the name; the same input gives the same name, whatever the day."""
    digest = hashlib.sha256()
    for part in (Path(__file__).read_bytes(), LOCK_FILE.read_bytes(), CA_BUNDLE.read_bytes(), repr(sorted(packages.items())).encode()):
        digest.update(hashlib.sha256(part).digest())
    return f"py{python_version()}-{digest.hexdigest()[:12]}"


def python_version() -> str:
    return run(PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()


def download(packages: dict[str, str], folder: Path) -> list[Path]:
    folder.mkdir(exist_ok=True)
    run("apt-get", "download", "-q", *sorted(packages), cwd=folder, timeout=600)
    return sorted(folder.glob("*.deb"))


def unpack(archives: list[Path], target: Path) -> None:
    target.mkdir(parents=True)
    for archive in archives:
        run("dpkg-deb", "-x", archive, target)


def keep_what_runs(unpacked: Path, usr: Path) -> None:
    """Move the interpreter, its library and the shared libraries; programs, documentation and settings stay behind."""
    version, triplet = python_version(), sysconfig.get_config_var("MULTIARCH")
    wanted = re.compile(rf"bin/python{version}|lib/python{re.escape(version)}/.+|lib/{triplet}/[^/]+\.so[^/]*|lib(64)?/ld-[^/]+")
    for path in sorted(unpacked.rglob("*")):
        # Debian 12 still ships the C library under /lib: everything belongs under /usr.
        name = str(path.relative_to(unpacked)).removeprefix("usr/")
        if wanted.fullmatch(name) and (path.is_symlink() or path.is_file()):
            place = usr / name
            place.parent.mkdir(parents=True, exist_ok=True)
            path.rename(place)
    (usr / "bin/python3").symlink_to(f"python{version}")
    (usr / "sbin").mkdir()


def install_wheels(target: Path, scratch: Path) -> None:
    """The scratch environment has Debian's own interpreter, so pip picks wheels of the right ABI; pip itself stays outside."""
    run(PYTHON, "-m", "venv", scratch, timeout=120)
    flags = ["--require-hashes", "--only-binary=:all:", "--no-compile", "--disable-pip-version-check", "--no-input", "-q"]
    run(scratch / "bin/python", "-m", "pip", "install", *flags, "--target", target, "-r", LOCK_FILE, timeout=900)
    for name in ("bin", "*/tests", "*/test", "*/__pycache__"):
        for path in target.glob(name):
            shutil.rmtree(path)


def prune(usr: Path) -> None:
    library = usr / f"lib/python{python_version()}"
    triplet = usr / "lib" / str(sysconfig.get_config_var("MULTIARCH"))
    unwanted = [path for name in UNWANTED_MODULES for path in library.glob(name)]
    unwanted += [path for name in UNWANTED_LIBRARIES for path in triplet.glob(name)]
    unwanted += [path for path in usr.rglob("*") if path.is_symlink() and not leads_inside(path, usr)]
    for path in unwanted:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def leads_inside(link: Path, usr: Path) -> bool:
    # Mounted at /usr, an absolute /lib/… is a path of the skeleton: the loader's own link is such a one.
    text = str(link.readlink())
    place = usr / re.sub(r"^/(usr/)?", "", text) if text.startswith("/") else link.parent / text
    return place.exists() and place.resolve().is_relative_to(usr)


def make_readable(usr: Path) -> None:
    """A container's users are nobody's on this host: all they have is what others may do. The loader is what the kernel runs first."""
    for path in [usr, *usr.rglob("*")]:
        if not path.is_symlink():
            runs = path.parent == usr / "bin" or path.name.startswith("ld-linux")
            path.chmod(0o755 if path.is_dir() or runs else 0o644)


def compile_and_try(usr: Path) -> None:
    """Compile with the runtime's own interpreter and libraries, then import every module that could lack a shared library."""
    version, triplet = python_version(), sysconfig.get_config_var("MULTIARCH")
    loader = next(path for path in (usr / "lib" / str(triplet)).glob("ld-linux-*"))
    python = [loader, "--library-path", usr / "lib" / str(triplet), usr / f"bin/python{version}", "-s"]
    alone = {"PYTHONHOME": str(usr), "PATH": "/nonexistent", "LC_ALL": "C.UTF-8"}
    # The files never change once mounted, so the hash is not checked again; -s and -p record the paths as the container sees them.
    options = ["-q", "-j0", "--invalidation-mode=unchecked-hash", "-s", usr.parent, "-p", "/"]
    run(*python, "-m", "compileall", *options, usr / "lib", env=alone, timeout=300)
    run(*python, "-B", "-c", TRY, usr, env=alone, timeout=120)


TRY = """
import importlib, pathlib, sys
usr = pathlib.Path(sys.argv[1])
assert pathlib.Path(sys.prefix) == usr, sys.prefix
sys.path.append(str(usr / "lib/python3/dist-packages"))
for path in usr.glob("lib/python3.*/lib-dynload/*.so"):
    importlib.import_module(path.name.split(".")[0])
for path in usr.glob("lib/python3/dist-packages/*"):
    if path.suffix not in (".dist-info", ".pth") and path.name != "__pycache__":
        importlib.import_module(path.name.split(".")[0])
import ssl
assert ssl.create_default_context(cafile=str(usr / "lib/ssl/cert.pem")).cert_store_stats()["x509_ca"] > 0
"""


def make_skeleton(root: Path) -> None:
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    # runc gives the tmpfs that it mounts here the mode of the folder below, whatever --tmpfs says.
    (root / "tmp").chmod(0o1777)
    for name, content in FILES.items():
        (root / name).write_text(content)
    for name, aim in LINKS.items():
        (root / name).symlink_to(aim)


def point(link: Path, name: str) -> None:
    """Swap the link in one step: whoever reads it sees the old or the new runtime."""
    if link.is_symlink() and str(link.readlink()) == name:
        return
    fresh = link.with_name(f".{link.name}-{os.getpid()}")
    fresh.symlink_to(name)
    fresh.replace(link)


def megabytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*")) // 1_000_000


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(*command: object, cwd: Path | None = None, env: dict[str, str] | None = None, timeout: float = 60) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=env, timeout=timeout, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(words)[:200]} ended with {done.returncode}:\n{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
