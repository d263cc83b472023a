"""`bmm eval --build` on real components: what the model drafts goes live, is measured, and is gone afterwards."""

import json
from pathlib import Path

from tests.flow.drafted import SPEC, TWO
from tests.model_server import KEY, ModelServer, submitting
from tests.real.appliance import Box

KEYED = SPEC | {
    "secrets": [{"key": "API_KEY", "hint": "a key"}],
    "tools": [each | {"auth": [[{"type": "bearer", "secret": "API_KEY"}]]} for each in TWO["tools"]],
}


def test_prompts_go_live_and_leave_nothing_behind(fresh_box: Box, tmp_path: Path) -> None:
    (tmp_path / "some.json").write_text(json.dumps([{"name": "plain", "prompt": "users"}, {"name": "keyed", "prompt": "users and orders"}]))
    with ModelServer(submitting(SPEC), submitting(KEYED)) as model:
        fresh_box.environ |= {"BMM_MODEL_KEY": KEY, "BMM_MODEL_BASE_URL": model.url}
        fresh_box.serve()
        found = json.loads(fresh_box.bmm("eval", str(tmp_path), "--build", "--least", "1", "--json", seconds=120).stdout)
    assert [(row["name"], row["outcome"], row["deviations"]) for row in found["prompts"]] == [("plain", "live", []), ("keyed", "live", [])]
    assert 0 < found["summary"]["median_live_ms"] < 30_000
    assert fresh_box.bmm("ps").stdout.count("eval-") == 0
    assert fresh_box.containers() == []
