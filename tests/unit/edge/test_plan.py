"""Where Caddy is to listen, looked at before it starts."""

import socket

import pytest

from bmm.config import Config
from bmm.edge.plan import refuse_taken
from bmm.errors import Conflict


def test_a_port_on_which_somebody_listens_is_refused_even_if_they_would_share_it() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match=f"on 127.0.0.1 port {port}: another program listens there"):
            refuse_taken(Config(listen=f"127.0.0.1:{port}", data_dir="/nonexistent", run_dir="/nonexistent"))


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(Conflict, match=r"192\.0\.2\.1 port 8080: no network of this machine"):
        refuse_taken(Config(listen="192.0.2.1:8080", data_dir="/nonexistent", run_dir="/nonexistent"))
