"""The shared runtime and the seccomp profile, tried from inside a container with the flags every server gets."""

import errno
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bmm import config
from bmm.servers import host, plan, seccomp

Python = Callable[[str], str]


def test_every_wheel_imports_and_https_trusts_what_the_operator_trusts(python: Python) -> None:
    answer = python("""
        import cryptography.hazmat.primitives.asymmetric.rsa, httptools, jsonschema_rs, msgspec, uvloop
        import ssl
        context = ssl.create_default_context()
        print(ssl.get_default_verify_paths().cafile, len(context.get_ca_certs()) > 0)
    """)
    assert answer == "/usr/lib/ssl/cert.pem True"


def test_there_is_a_python_and_no_other_program(python: Python) -> None:
    programs, *shells = json.loads(
        python("""
        import json, os
        places = [os.path.join(folder, name) for folder, _, names in os.walk("/usr") for name in names]
        programs = [place for place in places if os.access(place, os.X_OK)]
        print(json.dumps([programs, os.path.exists("/bin/sh"), os.listdir("/sbin")]))
    """)
    )
    assert [name for name in programs if not os.path.basename(name).startswith(("python3", "ld-linux-"))] == []
    assert shells == [False, []]


def test_modules_come_compiled_and_name_their_place_in_the_container(python: Python) -> None:
    answer = python("""
        import json, os, uvloop
        for module, function in ((json, json.loads), (uvloop, uvloop.run)):
            print(os.path.exists(module.__cached__), function.__code__.co_filename == module.__file__)
    """)
    assert answer.split() == ["True"] * 4


def test_a_container_starts_within_seconds(python: Python, capsys: pytest.CaptureFixture[str]) -> None:
    python("pass")
    started = time.monotonic()
    python("pass")
    took = time.monotonic() - started
    with capsys.disabled():
        print(f"\n[podman run, python, exit: {took * 1000:.0f} ms]")
    assert took < 10


def test_the_process_has_no_privileges_and_a_filter(python: Python) -> None:
    lines = dict(line.split(":\t", 1) for line in python("print(open('/proc/self/status').read())").splitlines())
    assert lines["Uid"].split() == ["10"] * 4
    assert {key: lines[key] for key in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")} == {
        "CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2",
    }  # fmt: skip


def test_only_tmp_can_be_written(python: Python) -> None:
    answer = python("""
        import os
        def writes(folder):
            try:
                open(os.path.join(folder, "x"), "w").close()
                return True
            except OSError:
                return False
        print(sorted(f for f in ["/", *("/" + name for name in os.listdir("/")), "/opt/bmm", "/usr/lib"] if os.path.isdir(f) and writes(f)))
    """)
    assert answer == "['/tmp']"


CALLS = {
    "unshare": (272, 0x10000000), "setns": (308, 3, 0), "mount": (165, 0, 0, 0, 0, 0), "ptrace": (101, 0, 0, 0, 0), "bpf": (321, 0, 0, 0),
    "keyctl": (250, 0, 0, 0), "userfaultfd": (323, 0), "perf_event_open": (298, 0, 0, 0, 0, 0), "io_uring_setup": (425, 8, 0),
    "open_tree": (428, -100, 0, 0), "process_vm_readv": (310, 1, 0, 0, 0, 0), "chroot": (161, 0), "splice": (275, 0, 0, 0, 0, 0, 0),
}  # fmt: skip


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the call numbers are those of x86-64")
def test_dangerous_system_calls_are_refused_before_the_kernel_looks_at_them(python: Python) -> None:
    answer = python(f"""
        import ctypes, json
        libc = ctypes.CDLL(None, use_errno=True)
        def call(*arguments):
            return ctypes.get_errno() if libc.syscall(*map(ctypes.c_long, arguments)) == -1 else 0
        calls = {CALLS!r} | {{"clone into a user namespace": (56, 0x10000011, 0, 0, 0, 0), "clone3": (435, 0, 0), "no such call": (999,)}}
        print(json.dumps({{name: call(*arguments) for name, arguments in calls.items()}}))
    """)
    expected = dict.fromkeys(CALLS, errno.EPERM)
    assert json.loads(answer) == expected | dict.fromkeys(("clone into a user namespace", "clone3", "no such call"), errno.ENOSYS)


def test_only_unix_tcp_and_udp_sockets_exist(python: Python) -> None:
    answer = python("""
        import json, socket
        def opens(*arguments):
            try:
                socket.socket(*arguments).close()
                return 0
            except OSError as error:
                return error.errno
        S, D, R = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW
        print(json.dumps([
            [opens(socket.AF_UNIX, S), opens(socket.AF_INET, S), opens(socket.AF_INET6, D), opens(socket.AF_INET, S, socket.IPPROTO_TCP)],
            [opens(socket.AF_NETLINK, R), opens(40, S), opens(socket.AF_PACKET, R), opens(38, 5)],
            [opens(socket.AF_INET, S, 262), opens(socket.AF_INET, S, 132)],
        ]))
    """)
    usual, other_families, other_protocols = json.loads(answer)
    assert usual == [0, 0, 0, 0]
    assert other_families == [errno.EAFNOSUPPORT] * 4  # netlink, vsock, packet, alg
    assert other_protocols == [errno.ENOSYS] * 2  # MPTCP, SCTP


def test_what_a_server_does_all_day_works(python: Python) -> None:
    answer = python("""
        import asyncio, concurrent.futures, multiprocessing, os, socket, sqlite3, ssl, subprocess, sys, tempfile, threading, uvloop, zlib
        async def everything():
            server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 443)
            reader, _ = await asyncio.open_connection("localhost", 443)
            assert await reader.read() == b""
            server.close()
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(1)", stdout=subprocess.PIPE)
            assert (await child.communicate())[0] == b"1\\n"
            assert await asyncio.to_thread(threading.get_ident)
        asyncio.run(everything())
        uvloop.run(everything())
        if (pid := os.fork()) == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        with tempfile.TemporaryDirectory() as folder:
            db = sqlite3.connect(folder + "/x.db")
            assert db.execute("pragma journal_mode=wal").fetchone() == ("wal",)
            db.execute("create table t (a)")
            db.close()
        with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
            assert pool.submit(pow, 2, 3).result() == 8
        print("all of it")
    """)
    assert answer == "all of it"


@pytest.fixture(scope="session")
def facts() -> host.HostFacts:
    """Fails, naming the command that installs it, where podman or the runtime is missing."""
    return host.probe(config.load())


@pytest.fixture
def python(facts: host.HostFacts, tmp_path: Path) -> Python:
    """Run a piece of code in a container of its own and get what it prints."""
    line = run_line(facts, tmp_path)

    def run(code: str) -> str:
        script = tmp_path / "app/script.py"
        script.write_text(f"if __name__ == '__main__':\n    if True:\n{code}\n" if code.startswith("\n") else code)
        done = subprocess.run([*line, "/usr/bin/python3", "-P", "-s", "/app/script.py"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def run_line(facts: host.HostFacts, folder: Path) -> list[str]:
    """The line of a real server up to its command, in the foreground and without the descriptors."""
    for name in ("code", "app", "control", "egress"):
        (folder / name).mkdir()
    (folder / "control/hosts").write_text("127.0.0.1 localhost\n")
    (folder / "seccomp.json").write_text(json.dumps(seccomp.profile()))
    runtime = (config.load().runtime / "current").resolve()
    words = plan.run_line(
        plan.ContainerPlan(
            id=f"bmm-test-{os.getpid()}", labels=(), podman="podman", oci_runtime=facts.oci_runtime, rootfs=str(runtime / "rootfs"),
            usr=str(runtime / "usr"), code=str(folder / "code"), bundle=str(folder / "app"), control=str(folder / "control"),
            egress=str(folder / "egress"), seccomp=str(folder / "seccomp.json"), stderr=str(folder / "stderr"), uid_block=0,
            limits=plan.Limits(memory_mb=256, cpus=1.0, pids=64) if facts.limits_enforced else None,
        )
    )  # fmt: skip
    kept = [word for word in words if word != "--detach" and not word.startswith("--preserve-fds")]
    return kept[: kept.index("--rootfs") + 2]
