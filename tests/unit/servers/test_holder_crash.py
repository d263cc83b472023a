"""What a killed holder leaves behind, and who may talk to one."""

import os
import select
import socket
import subprocess

import pytest

from bmm.errors import NotReachable
from bmm.servers.holder import is_peer
from bmm.servers.sockets import NameLost, StillHeld
from tests.unit.servers.holding import Running, crash, dial, identity


def test_after_a_crash_stale_names_are_bound_anew(holder: Running) -> None:
    holder.sockets.open("shop").close()
    holder.sockets.publish("shop")
    crash(holder)
    with pytest.raises(ConnectionRefusedError):
        dial(holder.public("shop"))
    with pytest.raises(NotReachable):
        holder.sockets.list()
    holder.start()
    assert holder.sockets.list() == ()
    with holder.sockets.open("shop"):
        assert not holder.public("shop").exists()
        holder.sockets.publish("shop")
        dial(holder.public("shop")).close()


def test_after_a_crash_a_container_that_still_listens_is_reported_and_not_cut_off(holder: Running) -> None:
    container = holder.sockets.open("shop")
    holder.sockets.publish("shop")
    crash(holder)
    holder.start()
    with pytest.raises(StillHeld):
        holder.sockets.open("shop")
    with pytest.raises(StillHeld):
        holder.sockets.forget("shop")
    for _ in range(3):  # the probe's own connections
        accepted, _ = container.accept()
        accepted.close()
        if not select.select([container], [], [], 0)[0]:
            break
    with dial(holder.public("shop")):
        accepted, _ = container.accept()
        accepted.close()
    before = identity(container)
    container.close()
    with holder.sockets.open("shop") as fresh:
        assert identity(fresh) != before
    holder.sockets.publish("shop")
    dial(holder.public("shop")).close()


def test_a_name_that_was_removed_from_outside_is_healed_by_opening(holder: Running) -> None:
    with holder.sockets.open("shop") as first:
        before = identity(first)
    holder.sockets.publish("shop")
    holder.public("shop").unlink()
    assert holder.sockets.published() == frozenset()
    holder.sockets.park("shop")
    with pytest.raises(NameLost):
        holder.sockets.publish("shop")
    with holder.sockets.open("shop") as second:
        assert identity(second) != before
    holder.sockets.publish("shop")
    dial(holder.public("shop")).close()


def test_another_user_is_no_peer() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert is_peer(one, os.getuid())
        assert not is_peer(one, os.getuid() + 1)


def test_another_user_gets_no_answer_even_where_the_file_lets_it_in(holder: Running) -> None:
    holder.run.chmod(0o755)
    (holder.run / "hold.sock").chmod(0o666)
    code = (
        "import socket,sys; s=socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(20); s.connect(sys.argv[1]);"
        's.send(b\'{"do":"list"}\'); print(s.recv(100))'
    )
    command = ["/usr/bin/python3", "-c", code, str(holder.run / "hold.sock")]
    if os.getuid() != 0:
        # One of our subordinate ids is another user to everybody else.
        command = ["podman", "unshare", "setpriv", "--reuid=5", "--regid=5", "--clear-groups", *command]
    user = 65534 if os.getuid() == 0 else None
    asked = subprocess.run(command, user=user, capture_output=True, timeout=60, check=False)
    assert b"sockets" not in asked.stdout
    assert asked.stdout == b"b''\n" or b"ConnectionResetError" in asked.stderr or b"BrokenPipeError" in asked.stderr, asked
