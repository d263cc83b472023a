"""Every line counts once: torn lines, a kill between reading and noting, lines longer than a chunk, files that cannot be read."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bmm.core.server import Container, Server
from bmm.servers import events
from bmm.servers.events import Collector
from bmm.store import calls, servers
from bmm.store.db import Stale, Store
from runner.contract import CallEvent, LogEvent
from tests.unit.store import rows


class Story:
    """A server with one container and the descriptor its guard appends to."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "bmm.db")
        rows.organisation(self.store)
        self.server: Server = rows.server(self.store)
        self.file = folder / "events" / "one.jsonl"
        self.container: Container = rows.container(self.store, self.server, self.file)
        self.descriptor = events.create(self.file)
        self.collector = Collector(self.store)

    def write(self, *lines: bytes) -> None:
        os.write(self.descriptor, b"".join(lines))

    def counted(self) -> list[str]:
        return sorted(call.id for call in self.store.all(calls.recent(self.server.id, 1000)))

    def offset(self) -> int:
        return self.store.all(servers.open_containers())[0].event_offset


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    one = Story(tmp_path)
    yield one
    os.close(one.descriptor)
    one.store.close()


def called(number: int) -> bytes:
    event = CallEvent(id=f"c{number:04}", at="2026-11-21T03:00:00.000000Z", tool="t", ok=True, ms=1.0, version=1)
    return msgspec.json.encode(event) + b"\n"


def said(message: str) -> bytes:
    return msgspec.json.encode(LogEvent(at="2026-11-21T03:00:00.000000Z", level="info", message=message)) + b"\n"


def test_lines_are_stored_once_however_often_they_are_read(story: Story) -> None:
    story.write(called(1), said("hello"), called(2))
    story.collector.collect()
    story.collector.collect()
    assert story.counted() == ["c0001", "c0002"]
    assert [line.message for line in story.store.all(calls.lines_after(story.server.id, 0, 10))] == ["hello"]


def test_a_torn_line_waits_for_its_end(story: Story) -> None:
    line = called(1)
    story.write(line[:20])
    story.collector.collect()
    assert (story.counted(), story.offset()) == ([], 0)
    story.write(line[20:])
    story.collector.collect()
    assert story.counted() == ["c0001"]


def test_a_spoiled_line_costs_itself_only(story: Story) -> None:
    story.write(called(1), b'{"half\n', b"\n", b"\xff\xfe\n", called(2))
    story.collector.collect()
    assert story.counted() == ["c0001", "c0002"]


def test_a_kill_before_the_offset_was_noted_counts_nothing_twice(story: Story) -> None:
    story.write(called(1), said("hello"))
    story.collector.collect()
    end = story.offset()
    # As if the same bytes were read by a process that had looked at the row before.
    with pytest.raises(Stale):
        story.store.apply(
            calls.insert_logs([LogEvent(at="2026-11-21T03:00:00Z", level="info", message="hello")], server_id=story.server.id, version=1),
            calls.advance(story.container.id, start=0, end=end),
        )
    assert len(story.store.all(calls.lines_after(story.server.id, 0, 10))) == 1


def test_a_new_process_goes_on_where_the_last_one_was(story: Story) -> None:
    story.write(called(1))
    story.collector.collect()
    story.write(called(2))
    Collector(story.store).read_to_end(story.container.id)
    assert story.counted() == ["c0001", "c0002"]


def test_what_was_read_gives_its_space_back_and_the_writer_goes_on(story: Story) -> None:
    for number in range(2000):
        story.write(called(number))
    full = story.file.stat().st_blocks
    story.collector.collect()
    story.write(called(2000))
    story.collector.collect()
    assert len(story.counted()) == 1000
    assert story.store.all(servers.overview(rows.ORG, rows.T0))[0].calls_24h == 2001
    assert story.file.stat().st_blocks < full / 4


def test_a_line_longer_than_a_chunk_holds_nothing_up(story: Story) -> None:
    story.write(said("x" * (3 << 20)), called(1))
    story.collector.collect()
    assert story.counted() == ["c0001"]


def test_a_file_that_cannot_be_read_holds_no_other_up(story: Story, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    rows.container(story.store, story.server, tmp_path / "folder")
    rows.container(story.store, story.server, tmp_path / "gone")
    story.write(called(1))
    story.collector.collect()
    assert story.counted() == ["c0001"]
