"""On a GPU: graphs replay what is launched directly, bit for bit; codes are the eager loop's."""

from __future__ import annotations

import threading
from functools import cache

import numpy as np
import pytest
import torch

from speaking import speaking_checkpoint
from vivavoce.engine.qwen3.batch import Batch
from vivavoce.engine.qwen3.device import DTYPES
from vivavoce.engine.qwen3.engine import Qwen3Engine
from vivavoce.engine.qwen3.generation import Controls, Generation, Sequence
from vivavoce.engine.qwen3.graphs.cuda import CudaDriver
from vivavoce.engine.qwen3.graphs.graphed import GraphOptions
from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.engine.qwen3.ops import choose
from vivavoce.engine.qwen3.prompt import PromptText
from vivavoce.engine.qwen3.sampling import Sampling
from vivavoce.types import Samples, Segment, SpeechRequest

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

DEVICE = torch.device("cuda", 0)
WORDS = ("Hello there, speak to the one voice.", "Two of three", "Hm.")
GREEDY = Controls(talker=Sampling(do_sample=False), predictor=Sampling(do_sample=False))
CONTROLS = (GREEDY, Controls(seed=2**40 + 7), Controls(5, Sampling(top_p=0.8)))
FRAMES = 40
ROWS = 4
MUCH = 2**31


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    torch.set_float32_matmul_precision("highest")


@cache
def model(dtype: str) -> Qwen3TTS:
    folder = speaking_checkpoint("custom_voice", ends=False)
    return Qwen3TTS.load(folder, DEVICE, DTYPES[dtype], torch.float32)


def batch_of(dtype: str, ops: str, most_bytes: int, told: list[str] | None = None) -> Batch:
    told = [] if told is None else told
    operations = choose.load(ops)
    options = GraphOptions(CudaDriver(DEVICE), operations, most_bytes, told.append)
    batch = Batch(model(dtype), ROWS, 80, options)
    assert batch.ahead, told
    return batch


def enter(batch: Batch, words: str, controls: Controls) -> Sequence:
    text = PromptText(words, "english", "ryan")
    with batch.stream:
        one = batch.enter(batch.build(text), text, controls, FRAMES)
        batch.prefill([(one, one.rows_left)])
    return one


def codes_of(batch: Batch, count: int = 3) -> list[list[list[int]]]:
    """Return FRAMES frames of so many, each begun before the last is read."""
    ones = [enter(batch, *each) for each in zip(WORDS[:count], CONTROLS, strict=False)]
    batch.capture_first()
    begun = [batch.step(ones)]
    made = []
    for _ in range(FRAMES - 1):
        while batch.wants_graphs:
            batch.capture()
        begun.append(batch.step(ones))
        made.append(begun.pop(0).read())
    made.append(begun.pop().read())
    return made


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("ops", [choose.PLAIN, choose.TRITON])
def test_a_graph_replays_what_is_launched_directly(dtype: str, ops: str) -> None:
    launched, replayed = (batch_of(dtype, ops, most) for most in (0, MUCH))
    assert codes_of(launched) == codes_of(replayed)
    assert replayed._graphed is not None
    assert replayed._graphed.frames.graphs.captured
    for name in ("embedded", "seen"):
        one, other = (getattr(each._generation, name)[:3] for each in (launched, replayed))
        assert torch.equal(one, other)


@pytest.mark.parametrize("ops", [choose.PLAIN, choose.TRITON])
def test_in_fp32_the_codes_are_those_of_the_eager_loop(ops: str) -> None:
    m = model("fp32")
    steps = Generation(m.talker, m.prompts.pad_row(), ROWS, 80)
    prompts = [m.prompts.build(PromptText(words, "english", "ryan")) for words in WORDS]
    ones = steps.join(prompts, CONTROLS, FRAMES)
    expected = [steps.step(ones).tolist() for _ in range(FRAMES)]
    assert codes_of(batch_of("fp32", ops, MUCH)) == expected


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_with_triton_a_row_is_the_same_alone_and_in_company(dtype: str) -> None:
    together = codes_of(batch_of(dtype, choose.TRITON, MUCH))
    alone = codes_of(batch_of(dtype, choose.TRITON, MUCH), count=1)
    assert [frame[0] for frame in together] == [frame[0] for frame in alone]


def test_sound_in_chunks_is_the_sound_of_the_whole() -> None:
    batch = batch_of("fp32", choose.PLAIN, MUCH)
    frames = [frame[0] for frame in codes_of(batch)]
    one = enter(batch, WORDS[0], GREEDY)
    parts, done = [], 0
    for length in (1, 2, 4, 8, 12, 3, 1):
        parts += batch.decode([one], [frames[done : done + length]])
        while batch.wants_graphs:
            batch.capture()
        done += length
    with torch.inference_mode():
        decoder = model("fp32").codec_decoder
        codes = torch.tensor(frames[:done], device=DEVICE).T[None]
        whole = decoder(codes, decoder.start(1))[0][0].cpu().numpy()
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-3)


def test_what_other_threads_do_with_the_card_does_not_disturb_a_capture() -> None:
    told: list[str] = []
    batch = batch_of("bf16", choose.PLAIN, MUCH, told)
    ends = threading.Event()

    def pin() -> None:
        while not ends.is_set():
            torch.zeros(2**20).pin_memory().to(DEVICE, non_blocking=True)

    others = [threading.Thread(target=pin) for _ in range(2)]
    for other in others:
        other.start()
    try:
        made = codes_of(batch)
    finally:
        ends.set()
        for other in others:
            other.join()
    assert not told
    assert made == codes_of(batch_of("bf16", choose.PLAIN, 0))


def spoken(*, graphs: bool, whole: bool) -> Samples:
    options = {
        "model": str(speaking_checkpoint("custom_voice")),
        "need": "preset",
        "device": "cuda:0",
        "dtype": "fp32",
        "cuda_graphs": graphs,
        "runaway_guard": False,
    }
    engine = Qwen3Engine.load(options, lambda progress: None)
    try:
        segments = (Segment("Hello there."), Segment("And again."))
        request = SpeechRequest(segments, "vivian", 3, max_new_tokens=60, whole=whole)
        return np.concatenate([chunk.samples for chunk in engine.speak(request)])
    finally:
        engine.close()


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "streamed"])
def test_an_engine_with_graphs_speaks_as_one_without(whole: bool) -> None:
    with_graphs, without = (spoken(graphs=graphs, whole=whole) for graphs in (True, False))
    assert len(with_graphs) == len(without)
    assert np.abs(with_graphs - without).max() < 1e-3
