"""A server with two devices: a worker on each, one queue for both, and one survives the other."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from clients import at_once, error, get, load_of, order, speak, until
from conftest import running_server
from expected import fake_pcm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two devices that makes four answers at a time and lets one wait."""
    with running_server(
        tmp_path_factory.mktemp("two"),
        ENGINE="fake",
        DEVICES="cuda:0,cuda:1",
        PRELOAD="true",
        MAX_CONCURRENT_REQUESTS="4",
        MAX_QUEUE_DEPTH="1",
    ) as server:
        until(lambda: len(workers(server)) == 2)
        yield server


def workers(server: Server) -> list[dict]:
    return get(server, "/health").json()["models"][0]["workers"]


def served(server: Server) -> list[int]:
    return [worker["active_requests"] for worker in workers(server)]


def test_both_serve_alike_and_the_queue_is_one(two: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    bodies = [order(f"gate={gate} after=0", seed=n, cache=False) for n in range(5)]
    with at_once(two, bodies) as asked:
        try:
            until(lambda: load_of(two) == (4, 1))
            until(lambda: served(two) == [2, 2])
            refused = speak(two, seed=9)
            assert refused.status_code == 503
            assert error(refused)["code"] == "server_full"
        finally:
            gate.touch()
    for seed, answer in enumerate(asked):
        assert answer.result().content == fake_pcm(seed=seed)


def test_one_is_killed_and_the_other_goes_on(two: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    bodies = [order(f"gate={gate} after=0", seed=n, cache=False) for n in range(2)]
    with at_once(two, bodies) as asked:
        try:
            until(lambda: served(two) == [1, 1])
            os.kill(workers(two)[0]["pid"], signal.SIGKILL)
            until(lambda: len(workers(two)) == 1)
            assert speak(two, seed=7).content == fake_pcm(seed=7)
        finally:
            gate.touch()
    codes = sorted(answer.result().status_code for answer in asked)
    assert codes == [200, 503]
    until(lambda: len(workers(two)) == 2)  # another one has joined
    assert get(two, "/ready").json()["ready"] is True
