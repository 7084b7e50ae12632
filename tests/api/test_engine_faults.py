"""Whatever becomes of an engine: honest errors, a new process, and no storm of restarts."""

from __future__ import annotations

import json
import os
import signal
from http.client import IncompleteRead
from typing import TYPE_CHECKING

import pytest

from clients import (
    Listener,
    active,
    at_once,
    at_rest,
    error,
    get,
    logged,
    order,
    speak,
    until,
    worker_of,
)
from conftest import running_server
from expected import fake_pcm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from conftest import Server


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a file `oom` makes loads run out of memory."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, faults: Path) -> Iterator[Server]:
    """A server that replaces an engine that is still for a second and a half."""
    with running_server(
        tmp_path_factory.mktemp("engine"),
        ENGINE="fake",
        WORKER_TIMEOUT="1.5",
        VIVAVOCE_FAKE=json.dumps({"load_oom": str(faults / "oom")}),
    ) as server:
        yield server
        until(lambda: at_rest(server))
        assert not logged(server, "unforeseen error")


@pytest.fixture
def pid(server: Server) -> int:
    """The worker's process id; it is there, and has served."""
    assert speak(server).content == fake_pcm()
    return worker_of(server)["pid"]


def refused(answer: httpx.Response, status: int, code: str, *, again: bool) -> str:
    """Check a refusal; return its message."""
    assert answer.status_code == status
    assert error(answer)["code"] == code
    assert answer.headers["x-should-retry"] == str(again).lower()
    assert ("retry-after" in answer.headers) == again
    return error(answer)["message"]


# One request's trouble


@pytest.mark.parametrize("stream", [True, False])
def test_no_memory_for_one_is_its_own_trouble(
    server: Server, pid: int, tmp_path: Path, stream: bool
) -> None:
    gate = tmp_path / "gate"
    bodies = [order(f"gate={gate} after=1", seed=seed, cache=False) for seed in range(7)]
    with at_once(server, bodies) as others:
        until(lambda: active(server) == 7)
        refused(speak(server, "oom_after=0", stream=stream), 503, "out_of_memory", again=True)
        gate.touch()
    for seed, other in enumerate(others):
        assert other.result().content == fake_pcm(seed=seed)
    assert worker_of(server)["pid"] == pid


def test_no_memory_in_the_middle_cuts_one_stream(server: Server, pid: int) -> None:
    with Listener(server, order("interval_s=0.05 oom_after=3")) as listener:
        assert listener.answer().status == 200
        with pytest.raises(IncompleteRead):
            listener.rest()
    assert worker_of(server)["pid"] == pid


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
def test_samples_that_are_no_numbers_are_never_sent(
    server: Server, pid: int, stream_format: str
) -> None:
    answer = speak(server, "nan=1", stream_format=stream_format)
    assert "not numbers" in refused(answer, 500, "synthesis_failed", again=False)
    assert worker_of(server)["pid"] == pid


def test_speech_without_an_end_ends_with_its_listener(server: Server, pid: int) -> None:
    with Listener(server, order("endless=1 interval_s=0.01")) as listener:
        answer = listener.answer()
        assert len(answer.read(100_000)) == 100_000
    until(lambda: at_rest(server))
    assert worker_of(server)["pid"] == pid


# The engine's trouble


def test_an_engine_that_hangs_is_replaced_and_its_requests_told(server: Server, pid: int) -> None:
    with at_once(server, [order("hang_after=0", seed=seed) for seed in range(3)]) as asked:
        pass
    for answer in asked:
        assert "made no progress" in refused(answer.result(), 503, "worker_died", again=True)
    assert speak(server).content == fake_pcm()
    assert worker_of(server)["pid"] != pid


@pytest.mark.parametrize("fault", ["broken_after=2", "die_after=2"])
def test_an_engine_that_breaks_down_takes_its_requests_along_and_no_later_ones(
    server: Server, pid: int, tmp_path: Path, fault: str
) -> None:
    """So does a GPU that is lost: no request can go on, and a new process gets a clean one."""
    gate = tmp_path / "gate"
    loads_before = len(logged(server, "model loading"))
    waiting = [order(f"gate={tmp_path / 'never'} after=1", seed=n, stream=False) for n in (1, 2)]
    with (
        at_once(server, [*waiting, order(f"gate={gate} after=2 {fault}", stream=False)]) as asked,
        Listener(server, order(f"gate={tmp_path / 'never'} after=1")) as stream,
    ):
        assert stream.answer().status == 200
        until(lambda: active(server) == 4)
        gate.touch()
        with pytest.raises(IncompleteRead):
            stream.rest()
    for answer in asked:
        message = refused(answer.result(), 503, "worker_died", again=True)
        assert ("broke down" in message) == (fault == "broken_after=2")
    # Nobody asks: nothing is loaded.
    assert len(logged(server, "model loading")) == loads_before
    assert get(server, "/health").status_code == get(server, "/ready").status_code == 200
    assert speak(server).content == fake_pcm()
    assert worker_of(server)["pid"] != pid


def test_the_machine_kills_it(server: Server, pid: int) -> None:
    """As a machine short of memory does: without asking."""
    with Listener(server, order("endless=1 interval_s=0.01")) as listener:
        assert listener.answer().status == 200
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(IncompleteRead):
            listener.rest()
    assert speak(server).content == fake_pcm()


def test_an_engine_that_dies_whenever_it_is_used_is_left_alone_for_a_while(
    server: Server, pid: int
) -> None:
    assert speak(server, "die_after=0").status_code == 503  # it had served before: no reproach
    loads_before = len(logged(server, "model loading"))
    last = speak(server, "die_after=0")
    while "in a row" not in error(last)["message"]:
        assert last.status_code == 503
        assert len(logged(server, "model loading")) <= loads_before + 8, "it has no patience"
        last = speak(server, "die_after=0")
    message = refused(last, 503, "engine_unavailable", again=True)
    assert "died as soon as it was used" in message
    pause_s = int(last.headers["retry-after"])
    assert 1 <= pause_s <= 30
    until(lambda: speak(server).status_code == 200, pause_s + 10)
    # It has served: the next death is the first again.
    assert speak(server, "die_after=0").status_code == 503
    assert speak(server).status_code == 200


def test_a_model_that_does_not_fit_is_an_honest_503(server: Server, pid: int, faults: Path) -> None:
    (faults / "oom").touch()
    os.kill(pid, signal.SIGKILL)
    until(lambda: worker_of(server) is None)
    message = refused(speak(server), 503, "out_of_memory", again=True)
    assert "oom exists" in message
    unready = get(server, "/ready")
    assert unready.status_code == 503
    assert unready.json()["reason"] == message
    assert get(server, "/health").status_code == 200
    (faults / "oom").unlink()
    assert speak(server).content == fake_pcm()
    assert get(server, "/ready").status_code == 200
