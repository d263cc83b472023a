"""kill -9 at any moment: awake servers answer on, builds end in one final state, every call is counted, no orphan is left."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import httpx2
import pytest

from bmm.app import companions
from bmm.cli.parts.client import Client, server_target
from bmm.core.build import Build
from bmm.http.shapes import Accepted
from bmm.servers import detached
from tests.real.appliance import ROOT, Box, call, rpc
from tests.waiting import eventually

STEPS = ("queued", "checking", "bundling", "trial", "publishing")


def test_awake_servers_answer_on_while_the_appliance_is_killed_and_restarted(fresh_box: Box) -> None:
    box = fresh_box
    box.serve()
    url = box.deploy("shop", box.spec("listProducts"))
    token = box.token("shop")
    before = {one["Id"] for one in box.containers()}
    outcomes: Counter[str] = Counter()
    stop = threading.Event()

    def hammer() -> None:
        while not stop.is_set():
            outcomes["failed" if call(url, token, "listProducts").get("isError") else "ok"] += 1

    threads = [threading.Thread(target=hammer) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    box.kill()
    at_kill = outcomes.total()
    eventually(lambda: outcomes.total() > at_kill + 20, what="calls while nothing of the appliance runs")
    box.serve()
    at_restart = outcomes.total()
    eventually(lambda: outcomes.total() > at_restart + 20, what="calls after the restart")
    box.stop()
    box.serve()
    stop.set()
    for thread in threads:
        thread.join(90)
    assert outcomes["failed"] == 0
    eventually(lambda: len_calls(box) == outcomes.total(), what="every call counted")
    assert {one["Id"] for one in box.containers()} == before


@pytest.mark.parametrize("step", STEPS)
def test_a_build_killed_in_any_step_ends_in_one_final_state(fresh_box: Box, step: str) -> None:
    box = fresh_box
    box.serve()
    url = box.deploy("shop", box.spec("listProducts"))
    token = box.token("shop")
    spec = json.dumps(box.spec("listProducts", "getProduct")).encode()
    build_id = Client(box.config).post(server_target("shop", "builds"), spec, Accepted).build_id
    with_step = (
        event for event, data in Client(box.config).events(f"/api/builds/{build_id}/events") if json.loads(data).get("step") == step
    )
    next(with_step)
    box.kill()
    assert rpc(url, token, "tools/list").status_code == 200
    box.serve()

    def build() -> Build:
        return box.api(f"/api/builds/{build_id}", Build)

    eventually(lambda: build().status.is_final, seconds=90, what="a final state")
    assert build().status == "live", build().error
    assert len(rpc(url, token, "tools/list").json()["result"]["tools"]) == 2
    eventually(lambda: len(box.containers()) == 1, seconds=90, what="one container and no orphan")
    eventually(lambda: leftovers(box) == [1, 1, 1], what="no leftovers on disk")


def test_a_container_that_dies_comes_back_and_requests_wait_for_it(fresh_box: Box) -> None:
    box = fresh_box
    box.serve()
    url = box.deploy("shop", box.spec("listProducts"))
    token = box.token("shop")
    (container,) = box.containers()
    subprocess.run(("podman", "kill", container["Names"][0]), check=True, capture_output=True, timeout=60)
    assert rpc(url, token, "tools/list").status_code == 200
    assert [one["Id"] for one in box.containers()] != [container["Id"]]


@pytest.mark.parametrize("name", ["hold", "egress", "caddy"])
def test_a_companion_that_dies_comes_back(fresh_box: Box, name: str) -> None:
    box = fresh_box
    box.serve()
    url = box.deploy("shop", box.spec("listProducts"))
    token = box.token("shop")
    program = next(one for one in companions(box.config) if one.name == name)
    pid = detached.find(program, run=box.config.run)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    def answers_again() -> bool:
        try:
            return detached.find(program, run=box.config.run) not in (None, pid) and not call(url, token, "listProducts").get("isError")
        except (AssertionError, httpx2.HTTPError):
            return False

    eventually(answers_again, seconds=90, what=f"{name} at work again")


def test_two_appliances_cannot_share_a_folder(fresh_box: Box) -> None:
    fresh_box.serve()
    second = fresh_box.bmm("serve", check=False)
    assert second.returncode == 2
    assert "Another `bmm serve`" in second.stderr


def len_calls(box: Box) -> int:
    return sum(one["calls_24h"] for one in json.loads(box.bmm("ps", "--json").stdout))


def leftovers(box: Box) -> list[int]:
    """How many control folders, event files and rules there are."""
    return [
        len([path for path in (box.data / folder).iterdir() if not path.name.startswith(".")]) for folder in ("control", "events", "egress")
    ]


def test_who_follows_a_draft_when_the_appliance_ends_leaves_no_trace_in_its_log(fresh_box: Box) -> None:
    fresh_box.environ["BMM_MODEL_BASE_URL"] = "http://127.0.0.1:9"
    fresh_box.serve()
    words = (sys.executable, "-m", "bmm", "new", "List users")
    with subprocess.Popen(words, env=fresh_box.environ, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as following:
        assert following.stdout is not None
        assert any("waiting" in line for line in following.stdout)
        fresh_box.stop()
        following.kill()
    said = fresh_box.log.read_text()
    assert "Traceback" not in said
    assert "uvicorn" not in said
