"""Many at once, in virtual time: nothing is lost or mixed up, nobody is forgotten, few run dry."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from pretence import Costs, Listener, Stage, no_memory, sound

from vivavoce.engine.qwen3.pace import FRAME_S, Pace
from vivavoce.engine.qwen3.pages import PAGE
from vivavoce.engine.qwen3.playback import Playback
from vivavoce.errors import SynthesisFailed

if TYPE_CHECKING:
    from collections.abc import Callable

QUICK = Costs(step=0.005, row=0.0005, prompt_row=0.00002, decode=0.002)


def whole_sound(listener: Listener, owner: int) -> list[float]:
    """Return all that a listener should have heard, pauses included."""
    expected = []
    for number, segment in enumerate(listener.request.segments):
        length = int(segment.text.split()[2])
        expected += [sound(owner, number, frame) for frame in range(length)]
        pause = [0.0] * round(segment.pause_s / FRAME_S)
        if pause:  # it begins where the sound ended, and is silent long before its second frame
            pause[0] = expected[-1]
        expected += pause
    return expected


def played_without_a_gap(listener: Listener) -> bool:
    return listener.report is not None and listener.report.underruns == 0


# A thousand schedules


@pytest.mark.parametrize("block", range(20))
def test_a_thousand_random_schedules(block: int) -> None:
    for seed in range(50 * block, 50 * (block + 1)):
        _play(random.Random(seed))


def _play(rng: random.Random) -> None:
    pages = rng.choice((40, 60, 200, 2000))
    costs = Costs(
        step=rng.choice((0.002, 0.01, 0.05, 0.2)),
        row=rng.choice((0.0, 0.0005, 0.01)),
        prompt_row=rng.choice((0.00002, 0.001)),
        decode=rng.choice((0.001, 0.02)),
    )
    stage = Stage(rows=rng.randint(1, 8), pages=pages, costs=costs, ahead=rng.choice((0, 1)))
    troubled = rng.random() < 0.2
    if troubled:
        stage.batch.fails = lambda kind, many: rng.random() < 0.02
    events: list[tuple[float, Callable[[], None]]] = []
    written: dict[Listener, int] = {}
    for _ in range(rng.randint(1, 14)):
        at_s = rng.uniform(0, 4)
        kind = rng.choice(("one", "one", "many", "whole", "slow", "left", "written"))
        events.append((at_s, lambda kind=kind: _come(stage, kind, rng, events, written)))
    while events or stage.loop.has_work:
        events.sort(key=lambda event: event[0])
        while events and (events[0][0] <= stage.clock.now_s or not stage.loop.has_work):
            at_s, happens = events.pop(0)
            stage.clock.now_s = max(stage.clock.now_s, at_s)
            happens()
        if stage.loop.has_work:
            stage.loop.once()
        assert stage.clock.now_s < 3000, "somebody is never served"

    assert not stage.loop.turns
    assert not stage.batch.here  # all rows and pages are back
    for owner, listener in enumerate(stage.listeners):
        assert listener.is_over, (owner, listener.request)
        expected = written.get(listener)
        every = (
            whole_sound(listener, owner)
            if expected is None
            else [sound(owner, 0, frame) for frame in range(expected)]
        )
        if listener.cancelled.is_set():
            assert listener.heard == every[: len(listener.heard)]
        elif listener.error is not None:
            assert no_memory(listener)
            assert troubled
            assert listener.heard == every[: len(listener.heard)]
        else:
            assert listener.heard == every


def _come(
    stage: Stage,
    kind: str,
    rng: random.Random,
    events: list[tuple[float, Callable[[], None]]],
    written: dict[Listener, int],
) -> None:
    now_s = stage.clock.now_s
    rows = rng.choice((5, 20, 200))
    frames = [rng.randint(1, 60) for _ in range(rng.randint(2, 4) if kind == "many" else 1)]
    more = {"whole": kind == "whole", "slow": kind == "slow", "live": kind == "written"}
    if kind == "written" and stage.batch.pages < 60:
        more["live"] = False  # an open text may need more
    listener = stage.ask(*frames, rows=rows, pause_s=FRAME_S * rng.randint(0, 2), **more)

    def read() -> None:
        listener.kept = 0
        if not listener.is_over:
            events.append((stage.clock.now_s + rng.uniform(0.1, 3), read))

    if kind == "slow":
        read()
    if kind == "left":
        at_s = now_s + rng.uniform(0, 3)
        events.append((at_s, listener.cancelled.set))
    if more["live"]:
        written[listener] = frames[0]
        words = rng.randint(2, frames[0] + 3)
        text = listener.text
        assert text is not None
        for _ in range(words):
            now_s += rng.choice((0.0, 0.01, 0.5))
            events.append((now_s, lambda: text.push("word ")))
        events.append((now_s + 0.1, text.finish))


# Playing without a gap


def test_who_listens_alone_hears_no_gap_and_the_first_frame_at_once() -> None:
    stage = Stage(costs=QUICK)
    alone = stage.ask(200)
    stage.run()
    assert played_without_a_gap(alone)
    assert alone.first_after_s < 0.02
    assert alone.chunk_frames[:5] == [1, 2, 4, 8, 12]


@pytest.mark.parametrize("together", [True, False], ids=["all at once", "one after the other"])
def test_however_many_come_nobody_who_listens_hears_a_gap(together: bool) -> None:
    """A machine that can serve some twenty; sixty come."""
    stage = Stage(rows=64, pages=4000, costs=Costs(step=0.01, row=0.002, decode=0.001))
    for _ in range(60):
        stage.ask(150)
        if not together:
            stage.run(until_s=stage.clock.now_s + 0.05)
    stage.run()
    assert 8 < stage.batch.most_here < 35
    assert all(played_without_a_gap(listener) for listener in stage.listeners)
    firsts = [listener.chunks_at_s[0] for listener in stage.listeners]
    assert firsts == sorted(firsts)  # who comes first is served first


def test_where_nobody_can_be_served_in_time_several_are_served_all_the_same() -> None:
    stage = Stage(rows=8, costs=Costs(step=0.15, row=0.01))
    listeners = [stage.ask(50) for _ in range(6)]
    stage.run()
    assert stage.batch.most_here == 6
    for listener in listeners:
        assert listener.report is not None
        assert 0 < listener.report.underruns < 50


def test_on_a_machine_that_is_just_quick_enough_chunks_come_before_they_are_full() -> None:
    stage = Stage(costs=Costs(step=0.055, row=0.0, decode=0.005))
    listener = stage.ask(150)
    stage.run()
    assert played_without_a_gap(listener)
    assert listener.chunk_frames[:3] == [1, 1, 1]
    assert listener.chunk_frames[-2] > 4


def test_who_is_not_heard_before_the_end_waits_for_those_who_are() -> None:
    stage = Stage(rows=16, pages=4000, costs=Costs(step=0.02, row=0.02, decode=0.001))
    batch = [stage.ask(400, whole=True) for _ in range(4)]
    stage.run(until_s=1.0)
    listeners = [stage.ask(100) for _ in range(2)]
    stage.run()
    assert all(played_without_a_gap(listener) for listener in listeners)
    assert all(listener.first_after_s < 0.5 for listener in listeners)
    assert all(listener.report is not None for listener in batch)


def test_an_endless_row_of_listeners_does_not_keep_the_others_out() -> None:
    stage = Stage(rows=4, pages=4000, costs=Costs(step=0.02, row=0.012, decode=0.001))
    for _ in range(3):
        stage.ask(60)
    patient = stage.ask(30, whole=True)
    while not patient.is_over:
        stage.run(until_s=stage.clock.now_s + 0.5)
        stage.ask(60)
        assert stage.clock.now_s < 120


def test_at_the_edge_of_what_can_be_served_few_chunks_come_late() -> None:
    """As many come, at random moments, as can be spoken to, where each chunk's sound is a lot."""
    costs = Costs(step=0.0105, row=0.0021, prompt_row=0.00004, decode=0.02)
    chunks = late = 0
    for seed in range(5):
        rng = random.Random(seed)
        stage = Stage(rows=16, pages=4000, costs=costs)
        at_s = 0.0
        for _ in range(48):
            at_s += rng.expovariate(4)
            stage.run(until_s=at_s)
            stage.clock.now_s = max(stage.clock.now_s, at_s)
            stage.ask(50)
        stage.run()
        chunks += sum(len(listener.chunks_at_s) for listener in stage.listeners)
        late += sum(listener.report.underruns for listener in stage.listeners if listener.report)
    assert late < chunks / 80


# The first sound


MEASURED = Costs(step=0.0075, row=0.0015, prompt_row=0.00003, decode=0.008)
"""Of a tiny model on two cores."""


def test_who_comes_after_a_long_speech_alone_is_not_kept_outside() -> None:
    """Nothing is as yet in hand of who came first: 80 ms are enough for a round of all four."""
    stage = Stage(costs=MEASURED)
    for _ in range(4):  # what company costs is learnt, and not forgotten while somebody is alone
        stage.ask(20, rows=70)
    stage.run()
    stage.ask(500, rows=70)
    stage.run()
    first = stage.ask(60, rows=70)
    stage.loop.once()
    others = [stage.ask(60, rows=70) for _ in range(3)]
    stage.run()
    assert first.first_after_s < 0.02
    assert all(other.first_after_s < 0.035 for other in others)
    assert all(played_without_a_gap(listener) for listener in stage.listeners)


def test_the_first_sound_comes_before_that_of_who_has_enough() -> None:
    stage = Stage(costs=Costs(step=0.02, row=0.0, prompt_row=0.0, decode=0.02))
    stage.ask(200)
    stage.run(until_s=0.5)
    for _ in range(12):  # whether or not a chunk of the other's is full when the newcomer comes
        newcomer = stage.ask(5)
        while not newcomer.is_over:
            stage.loop.once()
        assert newcomer.first_after_s == pytest.approx(0.04)
    stage.run()
    assert all(played_without_a_gap(listener) for listener in stage.listeners)


# Prompts


def test_a_long_prompt_is_read_in_parts_while_somebody_listens() -> None:
    stage = Stage(rows=4, pages=2000, costs=Costs(step=0.01, prompt_row=0.001, decode=0.001))
    listener = stage.ask(200)
    stage.run(until_s=0.3)
    late = stage.ask(20, rows=3000)
    stage.run()
    assert played_without_a_gap(listener)
    assert late.report is not None
    parts = [rows for _, rows in stage.batch.prefills[1:]]
    assert sum(parts) == 2999
    assert max(parts) <= 256


def test_a_long_prompt_is_read_at_once_where_nobody_would_notice() -> None:
    stage = Stage(pages=2000)
    stage.ask(20, rows=3000)
    stage.run()
    assert [rows for _, rows in stage.batch.prefills] == [2999]


def test_those_who_come_together_have_their_prompts_read_together() -> None:
    stage = Stage(pages=2000)
    for _ in range(4):
        stage.ask(20, rows=30)
    stage.run()
    assert [rows for _, rows in stage.batch.prefills] == [4 * 29]


# Room


@pytest.mark.parametrize(("during", "count"), [("enter", 3), ("prefill", 1)])
def test_who_comes_a_moment_after_another_shares_the_first_frame(during: str, count: int) -> None:
    """Else all but the first would wait for a whole round, and then for its next chunk."""
    stage = Stage(costs=QUICK)
    late: list[Listener] = []

    def come(kind: str, many: int) -> bool:
        if kind == during and len(late) < count:
            late.append(stage.ask(20))
        return False

    stage.batch.fails = come
    first = stage.ask(20)
    stage.loop.once()
    assert [len(one.heard) for one in (first, *late)] == [1] * (1 + count)
    stage.batch.fails = lambda kind, many: False
    stage.run()
    assert all(len(one.heard) == 20 for one in stage.listeners)


def test_where_pages_are_short_one_waits_for_the_other() -> None:
    stage = Stage(rows=8, pages=5)  # of 320 positions
    first, second = stage.ask(180), stage.ask(180)
    stage.run()
    assert stage.batch.most_here == 1
    assert first.chunks_at_s[-1] < second.chunks_at_s[0]


def test_who_needs_more_than_there_is_is_told_and_holds_nobody_up() -> None:
    stage = Stage(rows=8, pages=5)
    first, second = stage.ask(180, rows=5 * PAGE), stage.ask(180)
    stage.run()
    assert isinstance(first.error, SynthesisFailed)
    assert "501 positions" in str(first.error)
    assert "320" in str(first.error)
    assert second.report is not None


def test_who_leaves_while_waiting_for_room_is_forgotten() -> None:
    stage = Stage(rows=8, pages=5)
    first, second, third = (stage.ask(180) for _ in range(3))
    stage.run(until_s=0.2)
    second.cancelled.set()
    stage.run()
    assert second.heard == []
    assert first.report is not None
    assert third.report is not None


# Texts that are still being written


def test_a_text_that_stops_for_a_while_costs_no_work_and_does_not_end() -> None:
    stage = Stage(costs=QUICK)
    listener = stage.ask(30, live=True)
    assert listener.text is not None
    stage.run()
    assert not stage.loop.has_work  # there is too little of it to begin
    assert stage.batch.here == []
    listener.text.push("one two three four five ")
    stage.run()
    heard = len(listener.heard)
    assert 0 < heard < 10  # what there was text for, to the last frame
    stage.clock.now_s += 60
    assert not stage.loop.has_work
    listener.text.push("six seven eight ")
    stage.run()
    assert len(listener.heard) == heard + 3
    listener.text.finish()
    stage.run()
    assert listener.heard == [sound(0, 0, frame) for frame in range(30)]
    assert played_without_a_gap(listener)  # none of ours


def test_who_waits_for_text_holds_nobody_up() -> None:
    stage = Stage(rows=8, costs=QUICK)
    writer = stage.ask(30, live=True)
    assert writer.text is not None
    writer.text.push("one two three four five ")
    stage.run()
    stage.clock.now_s += 0.2  # its sound is about to run out
    others = [stage.ask(100) for _ in range(5)]
    stage.run()
    assert all(played_without_a_gap(other) for other in others)
    writer.cancelled.set()
    stage.run()
    assert stage.batch.here == []


def test_a_text_of_nothing_is_nothing() -> None:
    stage = Stage()
    listener = stage.ask(3, live=True)
    listener.text = type(listener.text)(lambda: None)  # type: ignore[misc]
    stage.run()
    listener.text.finish()
    stage.run()
    assert listener.heard == []
    assert listener.report is not None


# The parts


def test_a_gap_is_counted_once_and_playing_goes_on_from_there() -> None:
    playback = Playback(0.0, whole=False)
    playback.hear(0.08, 1.0)
    assert playback.runs_out_at_s == pytest.approx(1.08)
    playback.hear(0.16, 1.5)
    assert playback.underruns == 1
    assert playback.runs_out_at_s == pytest.approx(1.66)
    playback.hear(0.16, 1.6)
    assert playback.underruns == 1


def test_a_gap_that_a_slow_reader_makes_is_not_ours() -> None:
    stage = Stage(costs=QUICK)
    reader = stage.ask(150, 30, slow=True)  # 12 s in hand: the second segment waits for the reader
    stage.run()
    assert len(reader.heard) == 150
    stage.clock.now_s += 60
    reader.kept = 0
    stage.run()
    assert len(reader.heard) == 180
    assert played_without_a_gap(reader)


def test_nobody_is_held_up_for_who_ran_dry_until_there_is_something_to_keep() -> None:
    playback = Playback(0.0, whole=False)
    playback.hear(0.08, 1.0)
    assert playback.is_protected(1.05, 0.1)
    assert not playback.is_protected(1.2, 0.1)
    playback.hear(0.08, 1.2)
    assert not playback.is_protected(1.21, 0.1)
    playback.hear(0.40, 1.22)
    assert playback.is_protected(1.23, 0.1)
    assert playback.is_protected(1.6, 0.1)


def test_the_pace_of_more_is_told_from_that_of_fewer() -> None:
    pace = Pace()
    for _ in range(20):
        pace.add(1, 0.012)
    assert pace.predict(4) == pytest.approx(0.048)  # until more is known
    for count in (2, 3, 4, 5, 6):
        pace.add(count, 0.010 + 0.002 * count)
    assert pace.predict(20) == pytest.approx(0.05, rel=0.05)


def test_what_company_costs_is_remembered_while_there_is_none() -> None:
    pace = Pace()
    for count in (1, 2, 3, 4):
        pace.add(count, 0.010 + 0.002 * count)
    for _ in range(1000):
        pace.add(1, 0.024)  # all has become slower
    assert pace.predict(4) == pytest.approx(0.030, rel=0.01)
    for _ in range(1000):
        pace.add(1, 0.001)  # and quick: each costs no more than the first
    assert pace.predict(4) == pytest.approx(0.004, rel=0.01)
