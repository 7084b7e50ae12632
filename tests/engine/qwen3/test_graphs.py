"""Frames and sound made as graphs are those that are made without, on a device that is late."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from late import LateDriver
from ours import GREEDY, generation_of, model

from vivavoce.engine.qwen3.batch import Batch
from vivavoce.engine.qwen3.generation import Controls
from vivavoce.engine.qwen3.graphs.graphed import GraphOptions
from vivavoce.engine.qwen3.ops import plain
from vivavoce.engine.qwen3.prompt import PromptText
from vivavoce.engine.qwen3.sampling import Sampling

TEXTS = ("Hello there, speak to the one voice.", "Two of three", "Hm.")
DRAWN = Controls(seed=2**40 + 7)
NARROW = Controls(5, Sampling(top_p=0.8), Sampling(top_p=0.9, top_k=0), repetition_penalty=1.3)
CONTROLS = (GREEDY, DRAWN, NARROW)


def graphed(shape: str, driver: LateDriver, *, rows: int = 4, most_bytes: int = 2**30) -> Batch:
    told: list[str] = []
    options = GraphOptions(driver, plain, most_bytes, told.append)
    batch = Batch(model("custom_voice", shape), rows, 80, options)
    batch.told = told  # type: ignore[attr-defined]
    return batch


def text(words: str) -> PromptText:
    return PromptText(words, "english", "ryan")


def expected(shape: str, words: str, controls: Controls, frames: int) -> list[list[int]]:
    m = model("custom_voice", shape)
    steps = generation_of(m)
    one = steps.join([m.prompts.build(text(words))], [controls], frames)
    return [steps.step(one)[0].tolist() for _ in range(frames)]


def enter(batch: Batch, words: str, controls: Controls, frames: int = 40):
    wanted = text(words)
    one = batch.enter(batch.build(wanted), wanted, controls, frames)
    if one.rows_left:
        batch.prefill([(one, one.rows_left)])
    return one


def capture_all(batch: Batch) -> None:
    while batch.wants_graphs:
        batch.capture()


@pytest.mark.parametrize("shape", ["tiny", "projected"])
@pytest.mark.parametrize("captured", [False, True], ids=["launched", "replayed"])
def test_the_program_makes_the_codes_of_the_eager_loop(shape: str, captured: bool) -> None:
    driver = LateDriver(1)
    batch = graphed(shape, driver)
    ones = [enter(batch, *each) for each in zip(TEXTS, CONTROLS, strict=True)]
    made = [batch.step(ones).read()]
    if captured:
        capture_all(batch)
    flights = [batch.step(ones)]
    for _ in range(18):
        flights.append(batch.step(ones))
        made.append(flights.pop(0).read())
    assert bool(driver.replays) == captured
    for index, each in enumerate(zip(TEXTS, CONTROLS, strict=True)):
        assert [frame[index] for frame in made] == expected(shape, *each, 19)
