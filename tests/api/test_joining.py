"""Those who want the same at the same time hear it together: it is made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clients import Listener, active, at_once, at_rest, counted, get, logged, order, speak, until
from conftest import running_server
from expected import fake_pcm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server

ALIKE = 100


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(
        tmp_path_factory.mktemp("joining"), ENGINE="fake", AUDIO_CACHE_MAX="50"
    ) as server:
        yield server
        until(lambda: at_rest(server))


def test_a_hundred_alike_at_once_are_made_once(server: Server, tmp_path: Path) -> None:
    """They join while it is made; the first leaves in the middle and disturbs nobody."""
    gate = tmp_path / "gate"
    body = order(f"gate={gate} after=2")
    listeners = []
    try:
        for _ in range(ALIKE):
            listeners.append(Listener(server, body))
        heads = [listener.answer() for listener in listeners]  # each has first bytes
        assert [head.status for head in heads] == [200] * ALIKE
        how = [head.headers["x-cache"] for head in heads]
        assert sorted(how) == ["joined"] * (ALIKE - 1) + ["miss"]
        assert get(server, "/health").json()["running"] == 1
        assert active(server) == 1
        listeners.pop(how.index("miss")).leave()
        until(lambda: logged(server, "speech", cache="miss", outcome="cancelled"))
        gate.touch()
        heard = {listener.rest() for listener in listeners}
    finally:
        for listener in listeners:
            listener.leave()
    assert heard == {fake_pcm()}
    assert counted(server, 'audio_cache_total{result="joined"}') == ALIKE - 1


def test_when_all_have_left_it_is_not_made_any_more(server: Server, tmp_path: Path) -> None:
    body = order(f"gate={tmp_path / 'never'} after=2", input="Nobody hears the end of this.")
    with Listener(server, body) as one, Listener(server, body) as other:
        assert {one.answer().headers["x-cache"], other.answer().headers["x-cache"]} == {
            *("miss", "joined")
        }
    until(lambda: get(server, "/health").json()["running"] == 0)
    assert active(server) == 0


def test_a_failure_is_everybodys_and_is_not_remembered(server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    body = order(f"gate={gate} after=1 fail_after=1", stream=False)
    with Listener(server, body) as one, Listener(server, body) as other:
        until(lambda: active(server) == 1)
        gate.touch()
        assert one.answer().status == other.answer().status == 500
    assert speak(server, body["instructions"], stream=False).status_code == 500


def test_wholes_are_made_together_as_well(server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    whole = order(f"gate={gate} after=3", stream=False, response_format="wav")
    with at_once(server, [whole] * 10) as asked:
        until(lambda: active(server) == 1)
        gate.touch()
    answers = [answer.result() for answer in asked]
    assert {answer.content[44:] for answer in answers} == {fake_pcm()}
    assert {len(answer.content) for answer in answers} == {
        int.from_bytes(answers[0].content[4:8], "little") + 8
    }
    how = [answer.headers["x-cache"] for answer in answers]
    assert how.count("miss") == 1
    assert set(how) <= {"miss", "joined", "hit"}


def test_what_is_not_to_be_remembered_is_made_for_each(server: Server, tmp_path: Path) -> None:
    body = order(f"gate={tmp_path / 'gate'} after=1", cache=False)
    with Listener(server, body) as one, Listener(server, body) as other:
        assert {one.answer().headers["x-cache"], other.answer().headers["x-cache"]} == {"off"}
        assert active(server) == 2
