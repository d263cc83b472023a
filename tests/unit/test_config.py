"""Where settings come from, and which are refused with what to write instead."""

from pathlib import Path

import pytest

from bmm.config import load
from bmm.errors import BadInput

HOME = {"HOME": "/home/ann", "XDG_RUNTIME_DIR": "/run/user/1000", "BMM_CONFIG": "/nonexistent"}


def test_the_environment_wins_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "bmm.toml"
    file.write_text('memory_mb = 256\npids = 32\negress_plain_http = ["a.test:80"]\n')
    config = load(HOME | {"BMM_CONFIG": str(file), "BMM_PIDS": "48"})
    assert (config.memory_mb, config.pids, config.egress_plain_http) == (256, 48, ("a.test:80",))
    assert (config.data, config.run) == (Path("/home/ann/.local/share/bmm"), Path("/run/user/1000/bmm"))


def test_the_longest_run_dir_still_takes_the_longest_slug() -> None:
    run = "/" + "r" * 30
    assert len(f"{load(HOME | {'BMM_RUN_DIR': run}).run}/parked/{'s' * 63}.sock") <= 107
    with pytest.raises(BadInput, match="too long"):
        load(HOME | {"BMM_RUN_DIR": run + "r"})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PUBLIC_URL", "http://localhost:8080/", "must be an origin"),
        ("PUBLIC_URL", "http://localhost:port", "must be an origin"),
        ("PUBLIC_URL", "https://ann:pw@example.com", "must be an origin"),
        ("PUBLIC_URL", "http://example.com", "plain http"),
        ("PUBLIC_URL", "ftp://localhost", "must be an origin"),
        ("LISTEN", "8080", "an address and a port"),
        ("LISTEN", "127.0.0.1:0", "an address and a port"),
        ("LISTEN", "127.0.0.1:http", "an address and a port"),
        ("DATA_DIR", "data", "absolute path"),
        ("DATA_DIR", "/srv/a:b", "without a colon"),
        ("RUNTIME_DIR", "./runtime", "absolute path"),
        ("MEMORY_MB", "lots", "must be JSON"),
        ("MEMORY_MB", "1", "wrong"),
        ("EGRESS_EXCEPTIONS", '{"shop.test:80": "localhost"}', "IP address"),
        ("EGRESS_EXCEPTIONS", '{"shop.test": "127.0.0.1"}', "name:port"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(name: str, value: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        load(HOME | {f"BMM_{name}": value})


@pytest.mark.parametrize(
    "url", ["http://localhost:8080", "http://127.0.0.1", "http://[::1]:8080", "http://[::1]", "https://mcp.example.com"]
)
def test_origins_are_taken(url: str) -> None:
    assert load(HOME | {"BMM_PUBLIC_URL": url}).public_url == url


@pytest.mark.parametrize("content", [b"memory_mb = ", b"memory = 5", b"\xff\xfe"])
def test_a_bad_file_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bmm.toml"
    file.write_bytes(content)
    with pytest.raises(BadInput, match=r"bmm\.toml"):
        load(HOME | {"BMM_CONFIG": str(file)})


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load(HOME | {"BMM_CONFIG": str(tmp_path)})
