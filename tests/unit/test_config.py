"""Where settings come from, and which are refused with what to write instead."""

from argparse import Namespace
from pathlib import Path

import pytest

from bmm.cli import config as show
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
        ("MODEL_BASE_URL", "api.example.com", "model_base_url is"),
        ("MODEL_BASE_URL", "https://ann:pw@api.example.com", "model_base_url is"),
        ("MODEL_KEY", "sk-ant-1 sk-ant-2", "copy it again"),
        ("MODEL_KEY", "sk-ant-1\n", "copy it again"),
        ("MODEL_EFFORT", "much", "wrong"),
        ("MODEL_DAILY_USD", "-1", "wrong"),
        ("MODEL_PRICES", '{"m": {"input": 1}}', "output"),
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


def test_a_file_in_a_closed_folder_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    with pytest.raises(BadInput, match=r"bmm\.toml cannot be read: Permission denied"):
        load(HOME | {"BMM_CONFIG": str(closed / "bmm.toml")})


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load(HOME | {"BMM_CONFIG": str(tmp_path)})


ANTHROPIC = {"ANTHROPIC_API_KEY": "sk-ant-environment"}


def test_the_key_of_the_environment_is_for_its_own_service_only() -> None:
    assert load(HOME | ANTHROPIC).model_key == "sk-ant-environment"
    assert load(HOME | ANTHROPIC | {"BMM_MODEL_KEY": "sk-mine"}).model_key == "sk-mine"
    assert load(HOME | ANTHROPIC | {"BMM_MODEL_BASE_URL": "https://models.example.com"}).model_key == ""


def test_a_key_does_not_cross_the_network_readable() -> None:
    plain = {"BMM_MODEL_BASE_URL": "http://gpu.example.com:8000"}
    assert load(HOME | plain).model_base_url == "http://gpu.example.com:8000"
    with pytest.raises(BadInput, match="plain http") as caught:
        load(HOME | plain | {"BMM_MODEL_KEY": "sk-mine"})
    assert "sk-mine" not in caught.value.user_message
    assert load(HOME | {"BMM_MODEL_BASE_URL": "http://127.0.0.1:11434", "BMM_MODEL_KEY": "sk-mine"}).model_key == "sk-mine"


def test_the_key_is_never_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BMM_CONFIG", "/nonexistent")
    config = load(HOME | {"BMM_MODEL_KEY": "sk-mine"})
    for as_json in (False, True):
        show.run(Namespace(json=as_json), config)
    print(config, repr(config))
    printed = capsys.readouterr().out
    assert "sk-mine" not in printed
    assert printed.count("(set)") == 4
