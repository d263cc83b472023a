"""A file is kept under the digest of its content or not at all, and what nobody used is forgotten."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from bmm.errors import BadInput
from bmm.servers.uploads import MOST_BYTES, path_of, receive

DIGEST = hashlib.sha256(b"rows and more").hexdigest()


def upload(data: Path, digest: str, pieces: Iterable[bytes]) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for each in pieces:
            yield each

    asyncio.run(receive(data, digest, chunks()))


def test_a_file_is_kept_for_every_user_to_read(tmp_path: Path) -> None:
    for _ in range(2):
        upload(tmp_path, DIGEST, (b"rows ", b"and more"))
    kept = path_of(tmp_path, DIGEST)
    assert (kept.read_bytes(), kept.stat().st_mode & 0o777) == (b"rows and more", 0o644)
    assert [path.name for path in kept.parent.iterdir()] == [DIGEST]


@pytest.mark.parametrize(
    ("digest", "pieces", "said"),
    [
        ("../../etc/passwd", (b"x",), "named by the SHA-256"),
        (DIGEST.upper(), (b"rows and more",), "named by the SHA-256"),
        (DIGEST, (b"rows",), "another SHA-256"),
        (DIGEST, [bytes(1024 * 1024)] * (MOST_BYTES // 1024**2 + 1), "larger than 64 MiB"),
    ],
)
def test_anything_else_is_refused_and_leaves_nothing(digest: str, pieces: Iterable[bytes], said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=said):
        upload(tmp_path, digest, pieces)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_was_not_used_within_a_day_is_forgotten_and_a_second_upload_counts_anew(tmp_path: Path) -> None:
    upload(tmp_path, DIGEST, (b"rows and more",))
    other = hashlib.sha256(b"x").hexdigest()
    long_ago = time.time() - 25 * 3600
    os.utime(path_of(tmp_path, DIGEST), (long_ago, long_ago))
    upload(tmp_path, other, (b"x",))
    assert not path_of(tmp_path, DIGEST).exists()
    os.utime(path_of(tmp_path, other), (long_ago + 2 * 3600, long_ago + 2 * 3600))
    upload(tmp_path, other, (b"x",))
    assert path_of(tmp_path, other).stat().st_mtime > time.time() - 3600
