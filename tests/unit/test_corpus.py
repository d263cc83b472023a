"""The public documents that tests and benchmarks read: only as published, only into the cache."""

import io
import tarfile
from base64 import b64encode
from hashlib import sha512
from pathlib import Path

import pytest

from tests import corpus

GOOD = {"package/api/a.json": b"{}", "package/api/sub/b.yaml": b"a: 1", "package/api/readme.md": b"#", "package/other/c.json": b"{}"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    corpus.cache().mkdir(parents=True)
    return corpus.cache()


def published(cache: Path, members: dict[str, bytes]) -> corpus.Package:
    """A package that was fetched before."""
    file = cache / "some-docs-1.0.0.tgz"
    with tarfile.open(file, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    digest = b64encode(sha512(file.read_bytes()).digest()).decode()
    return corpus.Package(name="@some/docs", version="1.0.0", sha512=digest, root="api")


def test_only_documents_below_the_root_are_unpacked(cache: Path) -> None:
    package = published(cache, GOOD)
    found = [str(each.relative_to(corpus.folder(package))) for each in corpus.every_document(package)]
    assert found == ["a.json", "sub/b.yaml"]
    assert corpus.document(package, "a.json") == b"{}"


def test_one_document_is_unpacked_alone(cache: Path) -> None:
    package = published(cache, GOOD)
    assert corpus.document(package, "sub/b.yaml") == b"a: 1"
    assert [each.name for each in corpus.folder(package).rglob("*") if each.is_file()] == ["b.yaml"]


def test_a_member_cannot_leave_the_folder(cache: Path) -> None:
    package = published(cache, {"package/api/../../../escaped.json": b"{}", "/package/api/absolute.json": b"{}", **GOOD})
    assert len(corpus.every_document(package)) == 2
    assert list(cache.parent.rglob("escaped.json")) == list(cache.parent.rglob("absolute.json")) == []


def test_a_package_that_is_not_as_published_is_refused_with_what_to_do(cache: Path) -> None:
    package = published(cache, GOOD)
    (cache / "some-docs-1.0.0.tgz").write_bytes(b"something else")
    with pytest.raises(corpus.CorpusMissing, match=r"is not @some/docs@1\.0\.0 .* remove it and run"):
        corpus.document(package, "a.json")


def test_without_npm_the_sentence_says_what_installs_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    package = corpus.Package(name="absent", version="1.0.0", sha512="", root="")
    with pytest.raises(corpus.CorpusMissing, match="`make setup` installs it"):
        corpus.document(package, "a.json")


def test_a_sample_is_always_the_same_and_a_larger_one_holds_it() -> None:
    root = Path("/documents")
    every = [root / f"{number}.json" for number in range(100)]
    few = corpus.sample(every, 10, root=root)
    assert few == corpus.sample(reversed(every), 10, root=root)
    assert set(few) < set(corpus.sample(every, 20, root=root))
