"""What a deployed server can and cannot reach, tried by a process of the same user in its container."""

import contextlib
import os
import socket
from pathlib import Path

import pytest

from tests.real.appliance import Box, call
from tests.real.container import Container, addresses_of_this_host, deploy


@pytest.fixture(scope="module")
def one(box: Box) -> Container:
    """A server that may reach the shop and, by TLS, a name that leads back to this machine."""
    container = deploy(box, "one", {"name": "localhost", "port": box.port})
    assert not call(container.url, container.token, "listProducts").get("isError")  # so it holds the key and has a way out
    return container


@pytest.fixture(scope="module")
def two(box: Box) -> Container:
    return deploy(box, "two")


def test_there_is_no_network_but_loopback(one: Container) -> None:
    devices, routes, v6 = one.inside(
        """
        lines = open("/proc/net/dev").read().splitlines()[2:]
        answer = [line.split(":")[0].strip() for line in lines], open("/proc/net/route").read().splitlines()[1:], [
            line.split()[-1] for line in open("/proc/net/ipv6_route").read().splitlines()]
        """
    )
    assert devices == ["lo"]
    assert [route for route in routes if route.strip()] == []
    assert set(v6) <= {"lo"}
    assert one.inside("answer = sorted(os.listdir('/sys/class/net'))") == ["lo"]


def test_no_address_of_anything_can_be_reached(box: Box, one: Container) -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere, socket.socket(socket.AF_UNIX) as abstract:
        port = everywhere.getsockname()[1]
        abstract.bind("")
        abstract.listen(1)
        lan = sorted(addresses_of_this_host())
        local = [("127.0.0.1", box.port), ("127.0.0.1", box.shop_port), ("127.0.0.1", port), ("::1", box.port)]
        remote = [*((address, port) for address in lan), ("169.254.169.254", 80), ("10.0.2.2", port), ("1.1.1.1", 443), ("8.8.8.8", 53)]
        for address, number in (*local[:3], *((one, port) for one in lan if ":" not in one)):
            socket.create_connection((address, number), 30).close()  # from the host it is there
        answer = one.inside(
            """
            def reaches(kind, address, family=None):
                with socket.socket(family or (socket.AF_INET6 if ":" in address[0] else socket.AF_INET), kind) as s:
                    s.settimeout(3)
                    try:
                        s.connect(address)
                        return "reached"
                    except OSError as error:
                        return errno.errorcode.get(error.errno, str(error))
            def resolves(name):
                try:
                    return socket.getaddrinfo(name, 443)
                except socket.gaierror as error:
                    return "unknown"
            tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
            answer = {
                "local": [reaches(tcp, tuple(a)) for a in given["local"]],
                "remote": [reaches(tcp, tuple(a)) for a in given["remote"]],
                "datagrams": [reaches(udp, ("8.8.8.8", 53)), reaches(udp, ("2001:4860:4860::8888", 53))],
                "names": [resolves(name) for name in ("shop.test", "example.com", "host.containers.internal", given["host"])],
                "abstract": reaches(tcp, bytes.fromhex(given["abstract"]), socket.AF_UNIX),
            }
            """,
            local=local,
            remote=remote,
            host=socket.gethostname(),
            abstract=abstract.getsockname().hex(),
        )
    assert answer["local"] == ["ECONNREFUSED"] * len(local)
    assert answer["remote"] == ["ENETUNREACH"] * len(remote)
    assert answer["datagrams"] == ["ENETUNREACH"] * 2
    assert answer["names"] == ["unknown"] * 4
    assert answer["abstract"] == "ECONNREFUSED"


def test_no_socket_of_the_appliance_is_in_sight(box: Box, one: Container, two: Container) -> None:
    paths = [str(path) for path in box.run.rglob("*.sock") if path.is_socket()]
    paths += [f"/egress/../{name}.sock" for name in ("admin", "caddy", "hold", "web", "egress")]
    paths += [f"/egress/../{two.name}/0.sock", f"/run/user/{os.getuid()}/podman/podman.sock", "/run/podman/podman.sock", "/var/run/docker.sock"]
    assert {"admin.sock", "caddy.sock", "hold.sock", "web.sock", "egress.sock", "one.sock", "two.sock"} <= {Path(path).name for path in paths}
    with socket.socket(socket.AF_UNIX) as there:
        there.connect(str(box.run / "caddy.sock"))
    answer = one.inside(
        """
        def reaches(path):
            with socket.socket(socket.AF_UNIX) as s:
                try:
                    s.connect(path)
                    return "reached"
                except OSError as error:
                    return errno.errorcode[error.errno]
        answer = {path: reaches(path) for path in given["paths"] + ["/egress/0.sock"]}
        """,
        paths=paths,
    )
    assert answer.pop("/egress/0.sock") == "reached"
    assert answer == dict.fromkeys(paths, "ENOENT")


def test_the_ways_out_are_read_only(one: Container) -> None:
    answer = one.inside(
        """
        def tries(act, *arguments):
            try:
                act(*arguments)
                return "done"
            except OSError as error:
                return errno.errorcode[error.errno]
        with socket.socket(socket.AF_UNIX) as s:
            answer = [
                tries(os.unlink, "/egress/0.sock"), tries(os.rename, "/egress/0.sock", "/egress/1.sock"), tries(os.chmod, "/egress/0.sock", 0),
                tries(os.symlink, "/x", "/egress/2.sock"), tries(s.bind, "/egress/2.sock"),
            ]
        """
    )
    assert answer == ["EROFS"] * 5


def test_a_way_out_leads_to_its_own_name_only(box: Box, one: Container) -> None:
    right, wrong, raw = one.inside(
        """
        def asks(host, target="/openapi.yaml"):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(60)
                s.connect("/egress/0.sock")
                s.sendall(f"GET {target} HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n".encode())
                return s.makefile("rb").read().decode("latin-1").splitlines()[:2]
        answer = asks(given["shop"]), asks("evil.test"), asks(given["other"])
        """,
        shop=f"shop.test:{box.shop_port}",
        other=f"127.0.0.1:{box.port}",
    )
    assert right[0] == "HTTP/1.1 200 OK"
    for refused in (wrong, raw):
        assert refused == ["HTTP/1.1 403 Forbidden", "X-Bmm-Egress: wrong_name"]


def test_by_tls_neither_another_name_nor_a_name_of_this_machine_is_reached(one: Container) -> None:
    answer = one.inside(
        """
        import ssl
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        def greets(name):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(60)
                s.connect("/egress/1.sock")
                try:
                    context.wrap_socket(s, server_hostname=name).close()
                    return "connected"
                except ssl.SSLError as error:
                    return error.reason
        def says(first):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(60)
                s.connect("/egress/1.sock")
                s.sendall(first)
                return s.makefile("rb").read().decode("latin-1").splitlines()[1:2]
        answer = [greets("localhost"), greets("evil.test"), greets(None), says(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")]
        """
    )
    assert answer == [
        "TLSV1_ALERT_ACCESS_DENIED",  # its own name, which leads to loopback without an operator's exception
        "TLSV1_UNRECOGNIZED_NAME",
        "TLSV1_UNRECOGNIZED_NAME",
        ["X-Bmm-Egress: not_allowed"],
    ]


def test_a_removed_server_loses_its_way_out_and_what_is_open_is_cut(box: Box) -> None:
    gone = deploy(box, "gone")
    path = box.run / "out" / gone.name / "0.sock"
    with socket.socket(socket.AF_UNIX) as tunnel, tunnel.makefile("rb") as answer:
        tunnel.settimeout(60)
        tunnel.connect(str(path))
        request = f"GET /openapi.yaml HTTP/1.1\r\nHost: shop.test:{box.shop_port}\r\n\r\n".encode()
        tunnel.sendall(request)
        assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
        box.bmm("rm", "gone")
        with contextlib.suppress(ConnectionResetError):
            answer.read()  # returns only when the gateway has closed
    assert not path.exists()
    assert not (box.data / "egress" / f"{gone.name}.json").exists()
    assert not Path(f"/proc/{gone.pid}").exists()
