"""One gateway runs at a time, and only its own user may tell it something."""

import os
import socket
import subprocess

from tests.unit.egress.gateways import Gateway


def test_only_one_gateway_runs_and_its_control_socket_is_private(gateway: Gateway) -> None:
    again = subprocess.run(gateway.program.command, capture_output=True, timeout=60, check=False, env={"PYTHONPATH": os.getcwd()})
    assert again.returncode == 1
    assert b"already_running" in again.stderr
    assert (gateway.run / "egress.sock").stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as garbage:
        garbage.settimeout(20)
        garbage.connect(str(gateway.run / "egress.sock"))
        garbage.sendall(b'{"do":"rm -rf"}\n')
        assert garbage.recv(10) == b""
    assert gateway.control.status().pid == gateway.pid
