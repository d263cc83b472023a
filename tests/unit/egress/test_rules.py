"""The rules' file: whole or not at all, and whatever is wrong with it allows nothing."""

from pathlib import Path

import pytest

from bmm.egress.limits import Meter
from bmm.egress.rules import EgressEntry, EgressRules, fingerprint, read_rules, remove_rules, write_rules

SHOP = EgressEntry(index=0, name="shop.test", port=443)


def test_rules_are_read_as_they_were_written(tmp_path: Path) -> None:
    first = EgressRules(server_id="srv_1", entries=(SHOP,))
    second = EgressRules(server_id="srv_1", container_id="ctr_2", entries=(EgressEntry(index=7, name="a.b", port=1, plain=True, address="::1"),))
    write_rules(tmp_path, first)
    write_rules(tmp_path, second)
    assert read_rules(tmp_path) == ({"srv_1": first, "ctr_2": second}, {})
    assert (second.key, second.account) == ("ctr_2", "srv_1")
    remove_rules(tmp_path, "srv_1")
    remove_rules(tmp_path, "srv_1")
    assert read_rules(tmp_path) == ({"ctr_2": second}, {})
    assert [path.name for path in (tmp_path / "egress").iterdir()] == ["ctr_2.json"]


def test_no_folder_allows_nothing(tmp_path: Path) -> None:
    assert read_rules(tmp_path) == ({}, {})
    assert fingerprint(tmp_path) == frozenset()


def test_every_replacement_is_noticed_even_within_one_tick_of_the_clock(tmp_path: Path) -> None:
    seen = set()
    for port in range(1, 20):
        write_rules(tmp_path, EgressRules(server_id="srv_1", entries=(EgressEntry(index=0, name="shop.test", port=port),)))
        seen.add(fingerprint(tmp_path))
    assert len(seen) == 19


@pytest.mark.parametrize("document", [
    "", "[]", "{", '{"server_id":"srv_1"}', '{"server_id":"other","entries":[]}', '{"entries":[]}',
    '{"server_id":"srv_1","entries":[],"unknown":1}', "[" * 5000,
    *(f'{{"server_id":"srv_1","entries":[{{"index":0,"port":443,"name":"{name}"}}]}}' for name in (
        "1.2.3.4", "127.1", "2130706433", "0x7f.1", "[::1]", "::1", "SHOP.test", "shop.test.", "shop..test", "*.shop.test", "shop.test\\n",
        "shop.test\\u0000.evil", "sh\u00f6p.test", "a b", "", "-a.test", "a" * 64, "fe80::1%eth0", "user@shop.test", "shop.test/x",
    )),
    *(f'{{"server_id":"srv_1","entries":[{{"index":0,"name":"shop.test","port":{port}}}]}}' for port in (0, -1, 65536, '"443"')),
    '{"server_id":"srv_1","entries":[{"index":0,"name":"a.b","port":1},{"index":0,"name":"c.d","port":1}]}',
    '{"server_id":"srv_1","entries":[{"index":0,"name":"a.b","port":1,"address":"localhost"}]}',
    '{"server_id":"srv_1","entries":[{"index":0,"name":"a.b","port":1,"address":"127.1"}]}',
])  # fmt: skip
def test_a_file_that_is_wrong_in_any_way_allows_nothing_and_is_reported(document: str, tmp_path: Path) -> None:
    write_rules(tmp_path, EgressRules(server_id="srv_2", entries=(SHOP,)))
    (tmp_path / "egress/srv_1.json").write_text(document)
    rules, wrong = read_rules(tmp_path)
    assert set(rules) == {"srv_2"}
    assert set(wrong) == {"srv_1.json"}


def test_connections_are_limited_at_once_and_per_second() -> None:
    meter = Meter(EgressRules(server_id="srv_1", entries=(), max_connections=60, new_per_second=10, burst=50), now=0.0)
    assert [meter.admit(0.0) for _ in range(50)] == [None] * 50
    assert meter.admit(0.0) == "more than 10 new connections per second"
    assert [meter.admit(1.0) for _ in range(10)] == [None] * 10
    assert meter.admit(60.0) == "60 connections are open"
    meter.open -= 1
    assert meter.admit(60.0) is None


def test_the_bytes_of_a_day_run_out_and_come_back_the_next_day() -> None:
    from datetime import date

    meter = Meter(EgressRules(server_id="srv_1", entries=(), max_bytes_per_day=100), now=0.0)
    meter.turn_day(date(2026, 11, 21))
    meter.count(up=60)
    assert not meter.is_spent
    meter.count(down=40)
    assert meter.admit(0.0) == "the bytes of this day are used up"
    meter.turn_day(date(2026, 11, 21))
    assert meter.is_spent
    meter.turn_day(date(2026, 11, 22))
    assert meter.admit(0.0) is None
    assert (meter.up, meter.down) == (60, 40)
