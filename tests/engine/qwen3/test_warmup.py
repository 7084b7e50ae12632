"""Warming up: nothing of it is heard, and it is done where it is worth its time."""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import cache

import numpy as np
import pytest
import torch

from speaking import speaking_checkpoint
from vivavoce.engine.qwen3 import warmup
from vivavoce.engine.qwen3.engine import Qwen3Engine
from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.errors import OutOfMemory
from vivavoce.types import Samples, Segment, SpeechRequest

SPEAK = """
import sys
from vivavoce.engine import registry
from vivavoce.types import Segment, SpeechRequest

def packages():
    return {name.partition(".")[0] for name in sys.modules}

registry.prepare("qwen3")
before = packages()
options = {"model": sys.argv[1], "need": "preset", "device": "cpu", "quantize": "none"}
engine = registry.load("qwen3", options)
assert next(engine.speak(SpeechRequest((Segment("Hello."),), "vivian", 1)), None)
print(*(packages() - before))
engine.close()
"""


def test_nobody_waits_for_imports() -> None:
    model = str(speaking_checkpoint("custom_voice"))
    done = subprocess.run(
        [sys.executable, "-c", SPEAK, model], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


@pytest.fixture
def _read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load each checkpoint once: if warming up changed anything in it, others would notice."""
    read = Qwen3TTS.load
    seen = cache(lambda folder: read(folder, torch.device("cpu"), torch.float32))
    monkeypatch.setattr(Qwen3TTS, "load", lambda folder, *_, **__: seen(folder))


def load(kind: str, need: str, stages: list[str], **more: object) -> Qwen3Engine:
    model = str(speaking_checkpoint(kind))
    options = {"model": model, "need": need, "device": "cpu", "quantize": "none"}
    return Qwen3Engine.load(options | more, lambda progress: stages.append(progress.stage))


def spoken(engine: Qwen3Engine, need: str) -> Samples:
    reference = None
    if need == "clone":
        clip = (0.3 * np.sin(0.03 * np.arange(24000))).astype(np.float32)
        reference = engine.listen(clip, "One two.")
    request = SpeechRequest(
        (Segment("Hello."),),
        "vivian" if need == "preset" else "",
        3,
        reference=reference,
        max_new_tokens=6,
    )
    return np.concatenate([chunk.samples for chunk in engine.speak(request)])


@pytest.mark.parametrize(("kind", "need"), [("custom_voice", "preset"), ("base", "clone")])
def test_it_changes_no_sample(kind: str, need: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stages: list[str] = []
    cold = load(kind, need, stages)
    assert stages[-1] == "taking memory"  # on a processor nothing is warmed up
    expected = spoken(cold, need)
    cold.close()
    monkeypatch.setattr(warmup, "pays", lambda device: True)
    warm = load(kind, need, stages := [])
    assert stages[-2:] == ["taking memory", "warming up"]
    np.testing.assert_allclose(spoken(warm, need), expected, atol=1e-4)
    warm.close()
    load(kind, need, stages := [], warmup=False).close()
    assert stages[-1] == "taking memory"


@pytest.mark.usefixtures("_read_once")
def test_without_the_memory_for_it_the_load_fails_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def warm_up(model: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(warmup, "pays", lambda device: True)
    monkeypatch.setattr(warmup, "warm_up", warm_up)
    before = threading.active_count()
    with pytest.raises(OutOfMemory):
        load("custom_voice", "preset", [])
    assert threading.active_count() == before


def test_how_a_card_computes_is_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn, "allow_tf32", cudnn.allow_tf32)
    monkeypatch.setattr(cudnn, "benchmark", cudnn.benchmark)
    before = torch.get_float32_matmul_precision()
    try:
        for chosen in (True, False):
            warmup.prepare(torch.device("cuda"), tf32=chosen, cudnn_benchmark=chosen)
            now = (torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark)
            assert now == ("high" if chosen else "highest", chosen, chosen)
            warmup.prepare(torch.device("cpu"), tf32=not chosen, cudnn_benchmark=not chosen)
            assert (cudnn.allow_tf32, cudnn.benchmark) == (chosen, chosen)
    finally:
        torch.set_float32_matmul_precision(before)
