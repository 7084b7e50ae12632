"""A model is loaded when somebody needs it, once for all, and gives everything back afterwards."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest

from clients import (
    Listener,
    active,
    at_once,
    counted,
    error,
    get,
    logged,
    order,
    post,
    speak,
    until,
    worker_of,
)
from conftest import running_server
from expected import fake_pcm
from workers import has_ended

# A server whose model has failed to load, or is preloaded, is not ready: a proxy asks it nothing.
pytestmark = pytest.mark.direct

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server

LOAD, UNLOAD = "/v1/models/fake/load", "/v1/models/fake/unload"


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that makes loads fail while it exists."""
    return tmp_path_factory.mktemp("faults") / "load-fails"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, faults: Path) -> Iterator[Server]:
    switches = {"load_s": 0.2, "load_fails": str(faults), "gpu_bytes": 3_000_000_000}
    with running_server(
        tmp_path_factory.mktemp("life"), ENGINE="fake", VIVAVOCE_FAKE=json.dumps(switches)
    ) as server:
        yield server


@pytest.fixture(autouse=True)
def _unloaded(server: Server) -> None:
    assert post(server, UNLOAD).json()["state"] == "absent"


def loads(server: Server) -> int:
    return len(logged(server, "model loading"))


def state(server: Server) -> str:
    return get(server, "/health").json()["models"][0]["state"]


def test_fifty_first_requests_load_it_once(server: Server) -> None:
    before = loads(server)
    bodies = [order(input=f"This is request number {n}.") for n in range(50)]
    with at_once(server, bodies) as asked:
        pass
    for body, answer in zip(bodies, asked, strict=True):
        assert answer.result().content == fake_pcm(body["input"])
    assert loads(server) == before + 1


def test_loading_and_unloading_by_hand(server: Server) -> None:
    loaded = post(server, LOAD)
    assert loaded.json() == {"id": "fake", "object": "model", "state": "ready"}
    health = get(server, "/health").json()
    assert health["model_loaded"] is True
    pid = worker_of(server)["pid"]
    until(lambda: get(server, "/health").json()["gpu_allocated_mb"] == 3000)
    assert post(server, LOAD).status_code == 200
    assert worker_of(server)["pid"] == pid  # it was loaded already

    assert post(server, UNLOAD).json() == {"id": "fake", "object": "model", "state": "absent"}
    assert has_ended(pid)
    health = get(server, "/health").json()
    assert (health["model_loaded"], health["gpu_allocated_mb"]) == (False, 0)
    assert post(server, UNLOAD).status_code == 200
    assert counted(server, 'model_loaded{model="fake"}') == 0


def test_a_model_in_use_is_not_unloaded(server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Listener(server, order(f"gate={gate} after=1")) as listener:
        listener.answer()
        refused = post(server, UNLOAD)
        assert refused.status_code == 409
        assert error(refused)["code"] == "model_in_use"
        assert "Model fake is in use" in error(refused)["message"]
        assert refused.headers["x-should-retry"] == "false"
        gate.touch()
        assert listener.rest() == fake_pcm()
    until(lambda: post(server, UNLOAD).status_code == 200)


@pytest.mark.parametrize("what", ["load", "unload"])
def test_a_model_that_there_is_not(server: Server, what: str) -> None:
    answer = post(server, f"/v1/models/nobody/nothing/{what}")
    assert answer.status_code == 404
    assert error(answer)["code"] == "model_not_found"


def test_while_it_loads_it_tells_how_far_it_is(server: Server) -> None:
    with at_once(server, [order()]) as asked:
        until(lambda: get(server, "/health").json()["models"][0]["loading"])
        assert state(server) == "starting"
        assert get(server, "/ready").status_code == 200  # the request is served, only later
    assert asked[0].result().status_code == 200
    assert state(server) == "ready"


def test_a_load_that_fails_is_told_to_all_and_tried_again_ever_later(
    server: Server, faults: Path
) -> None:
    before = loads(server)
    faults.touch()
    try:
        with at_once(server, [order(seed=n) for n in range(10)]) as asked:
            pass
        for answer in asked:
            assert answer.result().status_code == 503
            assert error(answer.result())["code"] == "engine_unavailable"
            assert "load-fails exists" in error(answer.result())["message"]
        assert loads(server) == before + 1
        assert get(server, "/ready").status_code == 503
        assert "load-fails exists" in get(server, "/ready").json()["reason"]
        assert speak(server).status_code == 503  # tried again at once
        assert loads(server) == before + 2
        # And now not so soon: the pauses double, so even a slow machine is caught by one of them.
        attempts = before + 2
        refused = speak(server)
        while loads(server) > attempts:
            attempts, refused = loads(server), speak(server)
        assert refused.status_code == 503
        assert f"{attempts - before} times in a row" in error(refused)["message"]
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert refused.headers["x-should-retry"] == "true"
    finally:
        faults.unlink()
    until(lambda: speak(server).status_code == 200, 2 * int(refused.headers["retry-after"]) + 10)
    assert loads(server) == attempts + 1
    assert get(server, "/ready").status_code == 200


def test_requests_and_unloads_at_the_same_time_lose_nothing(server: Server) -> None:
    """Whoever comes while it is unloaded waits for the next load."""
    unloads = 0

    def unload_and_load() -> None:
        nonlocal unloads
        while unloads < 5:
            status = post(server, UNLOAD).status_code
            assert status in (200, 409)
            unloads += status == 200
            assert post(server, LOAD).status_code == 200

    def talk(number: int) -> None:
        while not unloading.done():
            text = f"This is listener number {number}."
            answer = speak(server, input=text, stream=number % 2 == 0)
            assert answer.status_code == 200
            assert answer.content == fake_pcm(text)

    with ThreadPoolExecutor(4) as threads:
        unloading = threads.submit(unload_and_load)
        talking = [threads.submit(talk, number) for number in range(3)]
    for task in (unloading, *talking):
        task.result()


def test_an_idle_model_gives_everything_back_by_itself(tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake", IDLE_TIMEOUT="1") as server:
        with Listener(server, order("interval_s=0.2 chunks=8", input="Slowly.")) as listener:
            pid = None
            assert listener.answer().status == 200
            pid = worker_of(server)["pid"]
            began = time.monotonic()
            assert len(listener.rest()) == 8 * 3840
            assert time.monotonic() - began > 1  # longer than that, but not idle
            assert worker_of(server)["pid"] == pid
        until(lambda: has_ended(pid))
        until(lambda: state(server) == "absent")
        assert psutil.Process(server.process.pid).children() == []
        until(lambda: logged(server, "model unloaded", reason="idle"))
        assert get(server, "/ready").json() == {"ready": True, "model": "fake", "state": "absent"}
        assert speak(server).content == fake_pcm()
        assert worker_of(server)["pid"] != pid


def test_preloaded_it_is_ready_when_the_server_says_so(tmp_path: Path) -> None:
    switches = json.dumps({"load_s": 1})
    with running_server(
        tmp_path, ENGINE="fake", PRELOAD="true", STANDBY="true", VIVAVOCE_FAKE=switches
    ) as server:
        loading = get(server, "/ready")
        assert loading.status_code == 503
        assert loading.json() == {"ready": False, "reason": "Model fake is being loaded."}
        assert get(server, "/health").status_code == 200
        until(lambda: get(server, "/ready").status_code == 200)
        assert state(server) == "ready"
        assert active(server) == 0
        # What STANDBY promises: the next load finds a process that has its imports done.
        until(lambda: get(server, "/health").json()["standby"])
        waiting = get(server, "/health").json()["standby"]["pid"]
        post(server, UNLOAD)
        assert post(server, LOAD).status_code == 200
        assert worker_of(server)["pid"] == waiting
