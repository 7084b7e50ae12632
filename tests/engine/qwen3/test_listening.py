"""A reference clip in the engine: the codec's state after it, the voice made of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from speaking import speaking_checkpoint
from vivavoce.engine.qwen3.engine import Qwen3Engine
from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.errors import SynthesisFailed
from vivavoce.types import Samples, Segment, SpeechRequest


def buzz(seconds: float) -> Samples:
    t = np.arange(round(seconds * 24000)) / 24000
    return (0.3 * np.sign(np.sin(2 * np.pi * 120 * t))).astype(np.float32)


@pytest.mark.parametrize("frames", [1, 5, 11, 12, 13, 40, 150])
@torch.inference_mode()
def test_priming_the_codec_leaves_the_state_that_decoding_leaves(frames: int) -> None:
    folder = speaking_checkpoint("custom_voice")
    decoder = Qwen3TTS.load(folder, torch.device("cpu"), torch.float32).codec_decoder
    random = np.random.RandomState(frames)
    before, after = (torch.from_numpy(random.randint(0, 2048, (2, 16, n))) for n in (frames, 10))
    _, decoded = decoder(before, decoder.start(2))
    primed = decoder.prime(before)
    assert torch.equal(primed.frames, decoded.frames)
    expected, _ = decoder(after, decoded)
    heard, _ = decoder(after, primed)
    assert expected.abs().max() > 0.1
    assert (heard - expected).abs().max() < 1e-5


def test_a_voice_is_the_same_however_often_it_is_heard() -> None:
    options = {"model": str(speaking_checkpoint("base")), "need": "clone", "device": "cpu"}
    engine = Qwen3Engine.load(options, lambda progress: None)
    try:
        before = engine.steps
        timbre, context = engine.listen(buzz(2), None), engine.listen(buzz(2), "One two.")
        assert engine.steps > before + 10  # a long clip is no hang
        assert engine.listen(buzz(2), "One two.") == context
        assert timbre.codes is None
        assert context.speaker == timbre.speaker
        assert context.codes is not None
        codes = np.frombuffer(context.codes, "<i2").reshape(-1, 16)
        assert len(codes) == 25
        assert codes.min() >= 0
        assert codes.max() < 2048
        for voice in (timbre, context):
            request = SpeechRequest((Segment("Hello."),), "", 1, reference=voice, max_new_tokens=4)
            assert sum(len(chunk.samples) for chunk in engine.speak(request)) == 3 * 1920
    finally:
        engine.close()


def test_a_checkpoint_without_ears_says_so() -> None:
    options = {"model": str(speaking_checkpoint("custom_voice")), "need": "preset", "device": "cpu"}
    engine = Qwen3Engine.load(options, lambda progress: None)
    try:
        with pytest.raises(SynthesisFailed, match="cannot clone"):
            engine.listen(buzz(1), None)
    finally:
        engine.close()
