"""What the front door itself refuses."""

import httpx2
import pytest

from tests.real.appliance import Box


@pytest.mark.parametrize("size", [5 << 20, 20 << 20])
def test_a_body_that_is_too_large_is_refused_in_words(box: Box, size: int) -> None:
    url = box.deploy("large", box.spec("listProducts"))
    headers = {"Authorization": f"Bearer {box.token('large')}", "Content-Type": "application/json"}
    answer = httpx2.post(url, content=b" " * size, headers=headers, timeout=30)
    assert answer.status_code == 413
    assert "error" in answer.json()
