"""An answer has its time. Who waits longer is told so, and no more is made for them."""

from __future__ import annotations

import json
from http.client import IncompleteRead
from typing import TYPE_CHECKING

import httpx
import pytest

from clients import (
    SPEECH,
    Listener,
    active,
    at_once,
    at_rest,
    counted,
    error,
    load_of,
    order,
    speak,
    until,
    worker_of,
)
from conftest import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server

LIMIT_S = 1


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives an answer one second, makes one at a time, and loads for longer."""
    with running_server(
        tmp_path_factory.mktemp("hasty"),
        ENGINE="fake",
        REQUEST_TIMEOUT=str(LIMIT_S),
        MAX_CONCURRENT_REQUESTS="1",
        VIVAVOCE_FAKE=json.dumps({"load_s": 1.5 * LIMIT_S}),
    ) as server:
        yield server
        until(lambda: at_rest(server))


def test_loading_does_not_count(hasty: Server) -> None:
    answer = speak(hasty)
    assert answer.status_code == 200
    load_ms = next(part for part in answer.headers["server-timing"].split(", ") if "load" in part)
    assert float(load_ms.removeprefix("load;dur=")) > 1000 * LIMIT_S


@pytest.mark.parametrize("stage", ["before the first byte", "of a whole answer"])
def test_an_answer_that_is_not_made_in_time_is_a_504(
    hasty: Server, tmp_path: Path, stage: str
) -> None:
    after = 0 if stage == "before the first byte" else 5
    before = counted(hasty, 'speech_total{model="fake",outcome="request_timed_out"}')
    answer = speak(hasty, f"gate={tmp_path / 'never'} after={after}", stream=after == 0)
    assert answer.status_code == 504
    assert error(answer)["code"] == "request_timed_out"
    assert "1 s" in error(answer)["message"]
    assert "REQUEST_TIMEOUT" in error(answer)["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert load_of(hasty) == (0, 0)
    assert active(hasty) == 0
    assert counted(hasty, 'speech_total{model="fake",outcome="request_timed_out"}') == before + 1


def test_a_stream_that_pauses_for_longer_is_cut(hasty: Server, tmp_path: Path) -> None:
    with Listener(hasty, order(f"gate={tmp_path / 'never'} after=2")) as listener:
        assert listener.answer().status == 200
        with pytest.raises(IncompleteRead):
            listener.rest()


def test_events_that_pause_for_longer_end_with_the_error(hasty: Server, tmp_path: Path) -> None:
    wanted = order(f"gate={tmp_path / 'never'} after=2", stream_format="sse")
    received = ""
    with (
        pytest.raises(httpx.RemoteProtocolError),
        httpx.stream("POST", hasty.url + SPEECH, json=wanted, timeout=30) as answer,
    ):
        for part in answer.iter_text():
            received += part
    last = json.loads(received.strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["type"] == "speech.audio.error"
    assert last["error"]["code"] == "request_timed_out"


def test_a_stream_may_take_longer_than_that_and_a_whole_may_not(hasty: Server) -> None:
    slowly = "interval_s=0.3 chunks=5"
    assert speak(hasty, slowly, input="Slowly.").status_code == 200
    assert speak(hasty, slowly, input="Slowly.", stream=False).status_code == 504


def test_who_waits_too_long_for_a_turn_is_refused_and_never_served(
    hasty: Server, tmp_path: Path
) -> None:
    speak(hasty)
    pid = worker_of(hasty)["pid"]
    # As long as it makes sound nothing is too slow about it; nobody has to hear it.
    with Listener(hasty, order("endless=1 interval_s=0.1")) as holds:
        assert holds.answer().status == 200
        with at_once(hasty, [order("die_after=0", stream=s) for s in (True, False)]) as asked:
            until(lambda: load_of(hasty) == (1, 2))
        for answer in asked:
            assert answer.result().status_code == 503
            assert error(answer.result())["code"] == "server_full"
            assert "full for 1 s" in error(answer.result())["message"]
            assert int(answer.result().headers["retry-after"]) >= 1
        assert load_of(hasty) == (1, 0)
    assert speak(hasty).status_code == 200
    assert worker_of(hasty)["pid"] == pid  # else one of them was spoken
