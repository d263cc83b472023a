"""The checks say nothing against what is made of documents that many people will bring."""

from pathlib import Path

import pytest

from bmm.checks.spec import check_spec
from bmm.sources import compile_openapi
from tests.known.test_known_documents import ALL, Document, compiled, packages

__all__ = ["packages"]
SHOP = Path(__file__).resolve().parents[1] / "documents/shop.yaml"


@pytest.mark.parametrize("document", ALL, ids=[each.path for each in ALL])
def test_no_alarm_over(document: Document) -> None:
    assert [str(each) for each in check_spec(compiled(document).spec)] == []


def test_no_alarm_over_the_shop() -> None:
    assert check_spec(compile_openapi(SHOP.read_bytes(), location=None).spec) == []
