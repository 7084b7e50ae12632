"""The simulation of capacity: its arithmetic, and all of it at toy size beside a real server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from benchmarks.capacity import __main__ as capacity
from benchmarks.capacity import check, need
from benchmarks.capacity.fleet import serve
from benchmarks.capacity.replica import Listener
from benchmarks.capacity.times import Times, read
from benchmarks.streams.listener import Heard

from speaking import speaking_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

FRAME_S = 0.08
QUICK = Times(
    enter_s=0.001,
    prompt_s=0.002,
    row_s=0.0001,
    prompt_rows=21,
    step_s=((1, 0.010), (16, 0.025)),
    decode_s=((1, 1, 0.002), (1, 12, 0.013), (16, 1, 0.017), (16, 12, 0.182)),
    door_s=0.004,
)


def alone(times: Times, frames: int) -> Listener:
    return check.foretold(times, [3.0], frames)[0]


def test_one_alone_takes_what_its_operations_take() -> None:
    heard = alone(QUICK, 3)
    # door, prompt of 20 rows, a frame and its sound; then two frames and theirs.
    first_s = 0.004 + 0.001 + 0.002 + 20 * 0.0001 + 0.010 + 0.002
    assert heard.chunks[0] == (pytest.approx(first_s), pytest.approx(FRAME_S))
    assert heard.chunks[1] == (pytest.approx(first_s + 2 * 0.010 + 0.003), pytest.approx(0.16))
    assert len(heard.chunks) == 2


def test_all_that_was_asked_for_is_heard_whatever_the_crowd() -> None:
    listeners = [Listener(0.01 * number, 10 + number) for number in range(60)]
    serve(listeners, QUICK, 2, seats=4, most_open=192)
    for listener in listeners:
        audio_s = sum(audio_s for _, audio_s in listener.chunks)
        assert audio_s == pytest.approx(listener.frames * FRAME_S)
        came_s = [came_s for came_s, _ in listener.chunks]
        assert came_s == sorted(came_s)


def test_who_would_be_one_too_many_is_refused() -> None:
    listeners = [Listener(0.0, 10) for _ in range(7)]
    serve(listeners, QUICK, 2, seats=4, most_open=3)
    assert [one.refused for one in listeners] == [False] * 6 + [True]
    assert not listeners[-1].chunks


def test_each_goes_where_the_fewest_are() -> None:
    two = [Listener(0.0, 20), Listener(0.0, 20)]
    serve(two, QUICK, 2, seats=4, most_open=192)
    assert [one.chunks for one in two] == [two[0].chunks] * 2
    assert two[0].chunks[-1][0] == pytest.approx(
        alone(QUICK, 20).chunks[-1][0]
    )  # as if nobody else were there


def test_a_slow_server_leaves_gaps_and_a_quick_one_none() -> None:
    slow = QUICK.beside(factor=10.0, door_s=0.0)
    demand = need.Demand(1, 20)
    assert need.served(demand, QUICK, 1).dry == 0
    assert need.served(demand, slow, 1).dry > 0


def test_the_smallest_fleet_is_found() -> None:
    demand = need.Demand(60, 25, answers=4)
    found = need.fewest(demand, QUICK, 64)
    assert found is not None
    assert found.pleases(demand)
    assert found.replicas > 1
    assert not need.served(demand, QUICK, found.replicas - 1).pleases(demand)
    assert need.fewest(demand, QUICK, found.replicas - 1) is None


def test_factor_and_door_are_found_again() -> None:
    true = QUICK.beside(factor=1.3, door_s=0.006)
    frames = 30

    def heard(moments_s: list[float]) -> list[Heard]:
        told = check.foretold(true, moments_s, frames)
        return [Heard(one.asked_at_s, tuple(one.chunks)) for one in told]

    found = check.adjusted(QUICK, heard([0.0]), [heard([0.0] * 4)], frames)
    assert found.factor == pytest.approx(1.3, rel=0.01)
    assert found.door_s == pytest.approx(0.006, abs=0.0005)


def test_between_and_beyond_what_was_measured() -> None:
    assert QUICK.step(1) == pytest.approx(0.010)
    assert QUICK.step(6) == pytest.approx(0.015)
    assert QUICK.step(31) == pytest.approx(0.040)
    assert QUICK.decode(1, 6) == pytest.approx(0.007)


def test_a_million_characters() -> None:
    assert need.price_of_a_million(2.0, 1000.0) == pytest.approx(2.0 / 3.6)


@pytest.mark.parametrize("ratio", [0.8, 1.2])
def test_a_miss_is_told(ratio: float) -> None:
    near = {"took": {"foretold": 1.0, "measured": 1.0, "ratio": 1.1}}
    far = {"took": {"foretold": 1.0, "measured": 1.0, "ratio": ratio}}
    assert capacity.holds({"1": near})
    assert not capacity.holds({"1": near, "2": far})


def test_all_of_it_beside_a_real_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(speaking_checkpoint("custom_voice", ends=False))
    where = tmp_path / "it.json"
    monkeypatch.setattr("sys.argv", ["capacity", "--quick", "--model", model, "--json", str(where)])
    capacity.main()

    result = json.loads(where.read_text())
    times = read(where)
    assert 0 < times.step(1) < 1
    assert times.factor > 0
    assert {name for name, _ in result["check"]["2"].items()} == {"first_audio", "took", "audio"}
    assert {row["listeners"] for row in result["needs"]} == {1, 2}
    assert "Is it right?" in capsys.readouterr().out
