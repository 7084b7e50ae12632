"""The end of a server: what has begun is finished, nothing is begun, and it does not take long."""

from __future__ import annotations

import json
import signal
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from clients import SPEECH, Listener, active, get, load_of, order, until
from conftest import running_server
from expected import fake_pcm
from workers import has_ended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server

pytestmark = pytest.mark.direct

PROMPTLY_S = 10
"""Even on a machine out of breath. What would have to be waited for takes far longer."""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def held(gate: Path, **fields: object) -> dict:
    return order(f"gate={gate} after=1", **fields)


@contextmanager
def half_sent(server: Server, body: bytes) -> Iterator[HTTPConnection]:
    """Send a request but for its body, which the server waits for."""
    connection = HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", SPEECH)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    assert connection.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    yield connection
    connection.close()


def stop(server: Server, number: int = signal.SIGTERM) -> None:
    """Tell a server to stop, and wait until whoever asks sees that it takes no more requests."""
    server.process.send_signal(number)
    until(lambda: not ready(server))


def ready(server: Server) -> bool:
    try:
        answer = get(server, "/ready")
    except httpx.TransportError:  # it does not listen any more
        return False
    assert answer.status_code == 200 or answer.json()["reason"] == "The server is shutting down."
    return answer.status_code == 200


def listens(server: Server) -> bool:
    try:
        get(server, "/health")
    except httpx.TransportError:
        return False
    return True


def check_refused(answer: HTTPResponse) -> None:
    assert answer.status == 503
    assert json.loads(answer.read())["error"]["code"] == "shutting_down"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["x-should-retry"] == "true"


def ends_promptly(server: Server, *children: psutil.Process) -> bool:
    """Tell whether it ends with status 0, and leaves no process behind."""
    status = server.process.wait(PROMPTLY_S)
    until(lambda: all(has_ended(child.pid) for child in children))
    return status == 0


def children(server: Server) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children(recursive=True)


def test_what_has_begun_is_finished_and_nothing_new_is_begun(tmp_path: Path, gate: Path) -> None:
    body = json.dumps(order()).encode()
    with (
        running_server(tmp_path, ENGINE="fake", MAX_CONCURRENT_REQUESTS="3") as server,
        Listener(server, held(gate)) as stream,
        Listener(server, held(gate, stream=False, seed=8)) as whole,
        Listener(server, held(gate, stream_format="sse")) as events,
        half_sent(server, body) as late,
    ):
        until(lambda: active(server) == 3)
        with Listener(server, order(seed=9)) as waiting:
            until(lambda: load_of(server) == (3, 1))
            processes = children(server)
            stop(server)
            late.send(body)
            check_refused(late.getresponse())
            assert server.process.poll() is None
            gate.touch()
            assert stream.rest() == fake_pcm()
            assert whole.answer().status == 200
            assert whole.rest() == fake_pcm(seed=8)
            assert b"speech.audio.done" in events.rest()
            assert waiting.rest() == fake_pcm(seed=9)  # it was taken before the stop
        assert ends_promptly(server, *processes)


def test_what_outlasts_its_time_is_cut_and_not_ended(tmp_path: Path, gate: Path) -> None:
    with (
        running_server(tmp_path, ENGINE="fake", SHUTDOWN_TIMEOUT="1") as server,
        Listener(server, held(gate)) as stream,
        Listener(server, held(gate, stream=False)) as whole,
    ):
        assert stream.answer().status == 200
        until(lambda: active(server) == 2)
        processes = children(server)
        stop(server)
        with pytest.raises(IncompleteRead):
            stream.rest()
        check_refused(whole.answer())
        assert ends_promptly(server, *processes)
        assert "Traceback" not in server.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_twice_it_waits_for_nobody(tmp_path: Path, gate: Path, number: int) -> None:
    with (
        running_server(tmp_path, ENGINE="fake", SHUTDOWN_TIMEOUT="600") as server,
        Listener(server, held(gate)) as stream,
    ):
        assert stream.answer().status == 200
        processes = children(server)
        stop(server, number)
        server.process.send_signal(number)
        with pytest.raises(IncompleteRead):
            stream.rest()
        assert ends_promptly(server, *processes)


def test_a_proxy_is_given_time_to_notice(tmp_path: Path, gate: Path) -> None:
    with (
        running_server(tmp_path, ENGINE="fake", SHUTDOWN_DELAY="2") as server,
        Listener(server, held(gate)) as before,
    ):
        assert before.answer().status == 200
        stop(server)
        assert get(server, "/health").json()["draining"]
        with Listener(server, held(gate, seed=8)) as late:  # taken although it is not ready
            assert late.answer().status == 200
            until(lambda: not listens(server))
            gate.touch()
            assert before.rest() == fake_pcm()
            assert late.rest() == fake_pcm(seed=8)
        assert ends_promptly(server)


def test_told_twice_it_gives_no_time_to_notice(tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake", SHUTDOWN_DELAY="600") as server:
        stop(server)
        server.process.send_signal(signal.SIGTERM)
        assert ends_promptly(server)


def test_a_load_is_not_waited_for(tmp_path: Path) -> None:
    switches = json.dumps({"load_s": 600})
    with running_server(tmp_path, ENGINE="fake", PRELOAD="true", VIVAVOCE_FAKE=switches) as server:
        until(lambda: get(server, "/health").json()["models"][0]["loading"])
        processes = children(server)
        stop(server)
        assert ends_promptly(server, *processes)


def test_who_waits_for_a_load_is_waited_for_as_long_as_others(tmp_path: Path) -> None:
    switches = json.dumps({"load_s": 600})
    limits = {"SHUTDOWN_TIMEOUT": "1", "VIVAVOCE_FAKE": switches}
    with (
        running_server(tmp_path, ENGINE="fake", **limits) as server,
        Listener(server, order()) as waiting,
    ):
        until(lambda: get(server, "/health").json()["models"][0]["loading"])
        processes = children(server)
        stop(server)
        check_refused(waiting.answer())
        assert ends_promptly(server, *processes)


def test_an_engine_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with (
        running_server(tmp_path, ENGINE="fake", SHUTDOWN_TIMEOUT="1") as server,
        Listener(server, order("hang_after=1")) as stream,
    ):
        assert stream.answer().status == 200
        processes = children(server)
        stop(server)
        assert ends_promptly(server, *processes)
