"""So many answers at a time, so many that wait, and an honest no to all others."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from clients import (
    Listener,
    active,
    at_once,
    at_rest,
    counted,
    error,
    get,
    load_of,
    logged,
    order,
    speak,
    until,
)
from conftest import running_server
from expected import fake_pcm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    import httpx

    from conftest import Server

RUNNING, WAITING = 2, 3


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that makes two answers at a time, lets three wait, and remembers answers."""
    with running_server(
        tmp_path_factory.mktemp("small"),
        ENGINE="fake",
        MAX_CONCURRENT_REQUESTS=str(RUNNING),
        MAX_QUEUE_DEPTH=str(WAITING),
        AUDIO_CACHE_MAX="16",
    ) as server:
        yield server
        assert at_rest(server)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def numbered(number: int, instructions: str, **fields: object) -> dict:
    return order(instructions, input=f"This is request number {number}.", **fields)


@contextmanager
def full(server: Server, gate: Path) -> Iterator[list[Future[httpx.Response]]]:
    """Have a server as many requests as it takes, until the gate opens: then all are answered."""
    bodies = [numbered(n, f"gate={gate} after=0", cache=False) for n in range(RUNNING + WAITING)]
    with at_once(server, bodies) as asked:
        try:
            until(lambda: load_of(server) == (RUNNING, WAITING))
            yield asked
        finally:
            gate.touch()
    for number, answer in enumerate(asked):
        text = numbered(number, "")["input"]
        assert answer.result().content == fake_pcm(text)


def test_of_twenty_at_once_five_are_answered_and_fifteen_refused_at_once(
    small: Server, gate: Path
) -> None:
    refused_before = counted(small, "queue_refused_total")
    bodies = [numbered(n, f"gate={gate} after=0", stream=n % 2 == 0) for n in range(20)]
    with at_once(small, bodies) as asked:
        try:
            refused: set[Future[httpx.Response]] = set()
            while len(refused) < 15:  # and while nothing else is answered
                done, _ = wait(set(asked) - refused, 10, FIRST_COMPLETED)
                assert done, "who is refused is made to wait"
                refused |= done
            assert load_of(small) == (RUNNING, WAITING)
            until(lambda: active(small) == RUNNING)
        finally:
            gate.touch()
    for answer in refused:
        assert answer.result().status_code == 503
        found = error(answer.result())
        assert (found["type"], found["code"]) == ("server_error", "server_full")
        assert "2 answers are being made and 3 requests wait" in found["message"]
        assert "MAX_QUEUE_DEPTH" in found["message"]
        assert 1 <= int(answer.result().headers["retry-after"]) <= 30
        assert answer.result().headers["x-should-retry"] == "true"
    answered = set(asked) - refused
    assert [answer.result().status_code for answer in answered] == [200] * 5
    until(lambda: at_rest(small))
    assert counted(small, "queue_refused_total") == refused_before + 15


def test_a_full_server_is_alive_and_ready(small: Server, gate: Path) -> None:
    with full(small, gate), at_once(small, [numbered(n, "") for n in range(50)]) as refused:
        for path in ("/health", "/ready", "/metrics", "/v1/models", "/v1/audio/voices"):
            assert get(small, path).status_code == 200
        assert {answer.result().status_code for answer in refused} == {503}
        assert get(small, "/ready").json()["ready"] is True


def test_what_cannot_be_is_refused_as_such_though_the_server_is_full(
    small: Server, gate: Path
) -> None:
    with full(small, gate):
        assert speak(small, voice="nobody").status_code == 400
        assert speak(small, model="gpt-9").status_code == 404


def test_what_is_remembered_needs_no_turn(small: Server, gate: Path) -> None:
    first = speak(small, input="Say it again.")
    with full(small, gate):
        again = speak(small, input="Say it again.")
        assert again.headers["x-cache"] == "hit"
        assert again.content == first.content
        assert speak(small, input="Say something new.").status_code == 503


def test_who_joins_needs_no_turn(small: Server, tmp_path: Path, gate: Path) -> None:
    """A request like one that waits for its turn is answered with it."""
    own = tmp_path / "own"
    alike = [order(f"gate={own} after=0")] * 3
    with at_once(small, [numbered(n, f"gate={gate} after=0") for n in range(RUNNING)]) as held:
        until(lambda: load_of(small) == (RUNNING, 0))
        with at_once(small, alike) as asked:
            until(lambda: load_of(small) == (RUNNING, 1))
            own.touch()
            gate.touch()
    assert [answer.result().content for answer in asked] == [fake_pcm()] * 3
    assert {answer.result().status_code for answer in held} == {200}


def test_a_short_text_does_not_wait_for_a_long_one(small: Server, gate: Path) -> None:
    with Listener(small, order(f"gate={gate} after=1")) as long:
        assert long.answer().status == 200
        for number in range(10):
            assert speak(small, input=f"Short, {number}.").status_code == 200
        gate.touch()
        assert long.rest() == fake_pcm()


def test_who_listens_goes_before_who_waits_for_the_whole_but_not_for_ever(
    tmp_path: Path, gate: Path
) -> None:
    limits = {"MAX_CONCURRENT_REQUESTS": "1", "MAX_QUEUE_DEPTH": "8"}
    # Texts are told apart in the log by their length; wholes are the odd ones.
    wanted = [11, 13, 20, 22, 24, 26, 28]
    with running_server(tmp_path, ENGINE="fake", **limits) as server, ExitStack() as stack:
        holds = stack.enter_context(Listener(server, order(f"gate={gate} after=1")))
        assert holds.answer().status == 200
        for waiting, chars in enumerate(wanted, 1):
            body = order("interval_s=0.02", input="x" * chars, stream=chars % 2 == 0)
            stack.enter_context(Listener(server, body))
            until(lambda waiting=waiting: load_of(server) == (1, waiting))
        gate.touch()
        until(lambda: at_rest(server))
        served = [line["chars"] for line in logged(server, "speech")]
    assert served[1:] == [20, 22, 24, 11, 26, 28, 13]
