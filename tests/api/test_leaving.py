"""Who leaves, at whatever stage, is not worked for any more, and nothing is left of them."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from clients import Listener, active, at_rest, get, load_of, order, post, speak, until, worker_of
from conftest import running_server
from expected import fake_pcm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that makes two answers at once, and loads slowly."""
    with running_server(
        tmp_path_factory.mktemp("leaving"),
        ENGINE="fake",
        MAX_CONCURRENT_REQUESTS="2",
        VIVAVOCE_FAKE=json.dumps({"load_s": 0.5}),
    ) as server:
        yield server


def leave_queued(server: Server, never: Path, **how: bool) -> None:
    with ExitStack() as stack:
        for seed in (1, 2):
            holds = Listener(server, order(f"gate={never} after=1", seed=seed, cache=False))
            stack.enter_context(holds).answer()
        # If it is spoken all the same, that ends the worker.
        with Listener(server, order("die_after=0", **how)):
            until(lambda: load_of(server) == (2, 1))
        until(lambda: load_of(server) == (2, 0))


def leave_loading(server: Server, never: Path, **how: bool) -> None:
    until(lambda: post(server, "/v1/models/fake/unload").status_code == 200)
    with Listener(server, order(f"gate={never} after=0", **how)):
        until(lambda: get(server, "/health").json()["models"][0]["state"] == "starting")
    until(lambda: load_of(server) == (0, 0))
    until(lambda: get(server, "/health").json()["models"][0]["state"] == "ready")


def leave_before_the_first_byte(server: Server, never: Path, **how: bool) -> None:
    with Listener(server, order(f"gate={never} after=0", **how)):
        until(lambda: active(server) == 1)


def leave_half_made(server: Server, never: Path, **how: bool) -> None:
    with Listener(server, order(f"gate={never} after=5", **how)) as listener:
        if how["stream"]:
            assert listener.answer().status == 200
        until(lambda: active(server) == 1)


STAGES = (leave_queued, leave_loading, leave_before_the_first_byte, leave_half_made)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("leave", STAGES)
def test_who_leaves_frees_what_they_had(
    server: Server, tmp_path: Path, leave: object, stream: bool
) -> None:
    speak(server)
    pid = worker_of(server)["pid"]
    leave(server, tmp_path / "never", stream=stream)
    until(lambda: (*load_of(server), active(server)) == (0, 0, 0))
    assert (worker_of(server)["pid"] == pid) == (leave is not leave_loading)
    until(lambda: at_rest(server))
    assert speak(server).content == fake_pcm()
