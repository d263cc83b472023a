"""A deployed server's container, looked at from inside (a process of the same user beside the guard) and from outside (kernel, podman, disk)."""

import base64
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bmm.config import Config
from bmm.servers import host, limits, plan
from bmm.servers.control import HOSTS
from tests.real.appliance import KEY, Box, call
from tests.real.container import Container, addresses_of_this_host, deploy

ENVIRONMENT = {"HOME": "/tmp", "HOSTNAME": "server", "LANG": "C.UTF-8", "PYTHONPATH": "/opt/bmm"}
KERNEL_FILESYSTEMS = {"proc", "sysfs", "tmpfs", "devpts", "cgroup", "cgroup2", "devtmpfs"}
KERNELS = ("/proc", "/sys", "/dev", "/tmp")
NAMESPACES = ("ipc", "mnt", "net", "pid", "user", "uts")


@pytest.fixture(scope="module")
def one(box: Box) -> Container:
    """A server that may reach the shop and, by TLS, a name that leads back to this machine."""
    container = deploy(box, "one", {"name": "localhost", "port": box.port})
    assert not call(container.url, container.token, "listProducts").get("isError")  # so it holds the key and has a way out
    return container


@pytest.fixture(scope="module")
def two(box: Box) -> Container:
    return deploy(box, "two")


def status_of(text: str) -> dict[str, str]:
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def test_the_kernel_holds_every_process_to_no_privileges_and_a_filter(one: Container) -> None:
    guard = status_of(Path(f"/proc/{one.pid}/status").read_text())
    beside = status_of(one.inside("answer = open('/proc/self/status').read()"))
    for status in (guard, beside):
        assert {status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert one.inside("answer = open('/proc/1/status').read()").count("Uid:\t10\t10\t10\t10\n") == 1
    assert beside["Uid"].split() == ["10"] * 4
    assert beside["Gid"].split() == ["10"] * 4


def test_its_users_are_nobody_on_the_host_and_nobody_elses(one: Container, two: Container) -> None:
    blocks = []
    for container in (one, two):
        status = status_of(Path(f"/proc/{container.pid}/status").read_text())
        (uid,) = set(status["Uid"].split())
        assert status["Gid"].split() == [uid] * 4
        assert int(uid) not in (0, os.getuid())
        lowest = int(uid) - plan.GUARD_UID
        blocks.append(range(lowest, lowest + plan.UIDS_PER_SERVER))
        for kind in ("uid", "gid"):
            # One range and nothing else: inside it begins at 0; where it begins outside is what the status above says.
            inside, _, count = container.as_engine(f"answer = [int(word) for word in open(f'/proc/{{pid}}/{kind}_map').read().split()]")
            assert (inside, count) == (0, plan.UIDS_PER_SERVER)
    assert not set(blocks[0]) & set(blocks[1])
    assert os.getuid() not in {*blocks[0], *blocks[1]}


def test_every_namespace_is_its_own(one: Container, two: Container) -> None:
    read = f"answer = {{name: os.readlink(f'/proc/{{pid}}/ns/{{name}}') for name in {NAMESPACES}}}"
    host_side = {name: os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES}
    first, second = one.as_engine(read), two.as_engine(read)
    assert one.inside(read.replace("{pid}", "self")) == first, "a process beside the guard sees what the guard sees"
    for name in NAMESPACES:
        assert len({host_side[name], first[name], second[name]}) == 3, name


def test_the_guard_is_process_1_and_shows_its_memory_to_nobody(one: Container) -> None:
    places = ["environ", "maps", "smaps", "auxv", "mem", "fd", "fdinfo", "root", "cwd", "syscall"]
    answer = one.inside(
        """
        def reads(path):
            try:
                os.listdir(path) if os.path.basename(path) in ("fd", "fdinfo", "root", "cwd") else open(path, "rb").read(1)
                return "read"
            except OSError as error:
                return errno.errorcode[error.errno]
        answer = [{name: reads(f"/proc/{pid}/{name}") for name in given["places"]} for pid in (1, "self")]
        """,
        places=places,
    )
    guard, own = answer
    assert guard == dict.fromkeys(places, "EACCES")
    # What is refused above is open where a process is not guarded; at address 0 there is nothing to read.
    assert own == dict.fromkeys(places, "read") | {"mem": "EIO"}
    with pytest.raises(PermissionError):
        Path(f"/proc/{one.pid}/environ").read_bytes()


def test_it_sees_only_its_own_processes(one: Container) -> None:
    lines = one.inside(
        """
        answer = {int(n): open(f"/proc/{n}/cmdline").read().split(chr(0))[:6] for n in os.listdir("/proc") if n.isdigit()}
        answer = [answer.pop(1), list(answer) == [os.getpid()]]
        """
    )
    assert lines == [["/usr/bin/python3", "-P", "-s", "-m", "runner", "guard"], True]


def test_its_name_and_hosts_tell_nothing_of_the_host(one: Container) -> None:
    names, files = one.inside(
        """
        names = [socket.gethostname(), os.uname().nodename, open("/proc/sys/kernel/hostname").read().strip()]
        answer = names, {name: open(f"/etc/{name}").read() for name in sorted(os.listdir("/etc")) if name != "mtab"}
        """
    )
    assert names == ["server"] * 3
    assert sorted(files) == ["group", "hostname", "hosts", "passwd", "resolv.conf"]
    assert (files["hosts"], files["hostname"].strip(), files["resolv.conf"]) == (HOSTS, "server", "")
    own = {socket.gethostname(), os.environ["USER"], *addresses_of_this_host()}
    assert not [word for word in own for content in files.values() if word in content.split()]


def test_its_environment_is_exactly_this(one: Container) -> None:
    guard = one.as_engine("answer = open(f'/proc/{pid}/environ').read()")
    assert dict(pair.split("=", 1) for pair in guard.split("\0") if pair) == ENVIRONMENT
    assert one.inside("answer = dict(os.environ)") == ENVIRONMENT
    assert set(one.inspect()["Config"]["Env"]) == {f"{key}={value}" for key, value in ENVIRONMENT.items()}


def test_a_secret_is_in_no_file_environment_or_command_line(box: Box, one: Container) -> None:
    forms = {KEY.encode(), base64.b64encode(KEY.encode()).rstrip(b"="), KEY.encode().hex().encode()}
    inspected = one.inspect()
    places = [box.data, box.run, Path(inspected["StaticDir"]), Path(inspected["OCIConfigPath"]).parent, Path(inspected["PidFile"]).parent]
    read = list(files_below(*places))
    assert {"bmm.db", "config.json", "spec.json", "serve.log"} <= {path.name for path, _ in read}
    assert not [path for path, content in read if any(form in content for form in forms)]
    assert not any(form.decode() in json.dumps(inspected) for form in forms)
    seen = 0
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                content = (process / name).read_bytes()
            except OSError:
                continue  # another user's, or gone
            seen += 1
            assert b"shop.py" in content or not any(form in content for form in forms), process
    assert seen > 10


def test_the_secret_memory_is_closed_and_the_neighbour_inherits_nothing(one: Container) -> None:
    held = one.as_engine("answer = {n: os.readlink(f'/proc/{pid}/fd/{n}') for n in os.listdir(f'/proc/{pid}/fd')}")
    assert not [path for path in held.values() if "memfd" in path], held
    assert held["4"].endswith(f"/events/{one.name}.jsonl"), "the list is the guard's"
    assert one.inside("answer = [n for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}')]") == ["0", "1", "2"]


def test_nothing_but_scratch_memory_can_be_written(one: Container) -> None:
    answer = one.inside(
        """
        def creates(folder):
            path = os.path.join(folder, "probe")
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                os.unlink(path)
                return True
            except OSError:
                return False
        walked = [(folder, names) for folder, inside, names in os.walk("/") if not (folder == "/" and inside.remove("proc"))]
        files = [os.path.join(folder, name) for folder, names in walked for name in names]
        answer = {
            "walked": len(walked),
            "folders": sorted(folder for folder, _ in walked if creates(folder)),
            "files": [file for file in files if os.path.isfile(file) and os.access(file, os.W_OK)],
            "settings": [file for file in ("/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/1/oom_score_adj")
                         if os.access(file, os.W_OK)],
        }
        """
    )
    assert answer.pop("walked") > 50
    assert answer == {"folders": ["/dev/shm", "/tmp"], "files": [], "settings": []}


@pytest.mark.parametrize(("folder", "megabytes"), [("/tmp", 16), ("/dev/shm", 1)])
def test_scratch_memory_is_bounded_and_runs_no_program(one: Container, folder: str, megabytes: int) -> None:
    written, why, run = one.inside(
        """
        import shutil
        program, filler = given["folder"] + "/program", given["folder"] + "/filler"
        with open(program, "wb") as file:
            file.write(b"#!/usr/bin/python3\\n")
        os.chmod(program, 0o755)
        try:
            os.execve(program, [program], {})
        except OSError as error:
            run = errno.errorcode[error.errno]
        os.unlink(program)
        written, why = 0, None
        fd = os.open(filler, os.O_CREAT | os.O_WRONLY)
        try:
            while written < 64 << 20:
                written += os.write(fd, bytes(1 << 18))
        except OSError as error:
            why = errno.errorcode[error.errno]
        os.close(fd)
        os.unlink(filler)
        answer = written, why, run
        """,
        folder=folder,
    )
    assert why == "ENOSPC"
    assert 0.9 * (megabytes << 20) <= written <= megabytes << 20
    assert run == "EACCES"


def test_what_is_mounted_is_exactly_what_it_needs(box: Box, one: Container) -> None:
    mounts = {}
    for line in one.inside("answer = open('/proc/self/mountinfo').read().splitlines()"):
        before, _, after = line.partition(" - ")
        _, _, _, source, target, options = before.split()[:6]
        mounts[target] = (after.split()[0], source, set(options.split(",")))
    assert {kind for target, (kind, _, _) in mounts.items() if target.startswith(KERNELS)} <= KERNEL_FILESYSTEMS
    real = {target: (source, options) for target, (_, source, options) in mounts.items() if not target.startswith(KERNELS)}
    engine = {"/etc/hostname", "/etc/passwd", "/etc/group", "/run/.containerenv"}
    assert set(real) - engine == {"/", "/usr", "/opt/bmm", "/app", "/control", "/etc/hosts", "/egress"}
    assert not [target for target, (_, options) in real.items() if "ro" not in options]
    assert real["/control"][0].endswith(f"/control/{one.name}")
    assert real["/egress"][0].endswith(f"/out/{one.name}")
    files = one.inside("answer = {name: sorted(os.listdir(name)) for name in ('/', '/control', '/app', '/egress', '/opt/bmm', '/run')}")
    assert files == {
        "/": ["app", "bin", "control", "dev", "egress", "etc", "lib", "lib64", "opt", "proc", "run", "sbin", "sys", "tmp", "usr"],
        "/control": ["hosts", "jwks.json", "manifest.json", "policy.json", "stderr.log"],
        "/app": ["spec.json"],
        "/egress": ["0.sock", "1.sock"],
        "/opt/bmm": ["runner"],
        "/run": [".containerenv"],
    }


def test_there_is_no_shell_and_no_other_program(one: Container) -> None:
    for shell in ("/bin/sh", "sh", "bash", "/usr/bin/env"):
        done = subprocess.run(("podman", "exec", one.name, shell, "-c", "true"), capture_output=True, text=True, timeout=60)
        assert done.returncode in (126, 127), done.stderr
    assert one.inside("import subprocess; answer = subprocess.call([sys.executable, '-c', 'pass'])") == 0, "programs can be started"
    programs = one.inside(
        """
        places = [os.path.join(folder, name) for folder, _, names in os.walk("/usr/bin") for name in names]
        answer = sorted({os.path.basename(os.path.realpath(place)) for place in places})
        """
    )
    assert [name for name in programs if not name.startswith("python3")] == []


def test_limits_are_in_force_or_the_operator_is_told(box: Box, one: Container) -> None:
    facts = host.probe(box.config)
    if facts.limits_enforced:
        config: Config = box.config
        asked = plan.Limits(memory_mb=config.memory_mb, cpus=config.cpus, pids=config.pids)
        found = limits.in_force(one.pid)
        assert found is not None
        assert limits.differences(asked, found) == []
    else:
        assert facts.why in box.log.read_text()


def test_without_limits_nothing_runs_unless_the_operator_allows_it(fresh_box: Box) -> None:
    facts = host.probe(fresh_box.config)
    if facts.limits_enforced:  # then by a podman that drops one of them without a word, as podman has done
        careless = fresh_box.data / "podman"
        careless.write_text('#!/bin/bash\nfor word; do [[ $word == --memory* ]] || kept+=("$word"); done\nexec podman "${kept[@]}"\n')
        careless.chmod(0o755)
        fresh_box.environ["BMM_PODMAN"] = str(careless)
    else:
        fresh_box.environ["BMM_ALLOW_UNENFORCED_LIMITS"] = "false"
    fresh_box.serve()
    spec = fresh_box.spec("listProducts")
    fresh_box.bmm("secret", "set", "loose", spec["secrets"][0]["key"], stdin=KEY.encode())
    refused = fresh_box.bmm("deploy", "-", "--slug", "loose", stdin=json.dumps(spec).encode(), check=False)
    assert refused.returncode != 0
    assert ("memory: asked" if facts.limits_enforced else facts.why) in refused.stdout + refused.stderr
    assert fresh_box.containers() == []


def files_below(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                yield path, path.read_bytes()
