"""On a GPU: what the processor makes, in fp32 and bf16. Skipped where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from speaking import speaking_checkpoint
from vivavoce.engine.qwen3.engine import Qwen3Engine
from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.types import Samples, SamplingControls, Segment, SpeechRequest

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

GREEDY = SamplingControls(temperature=0)


def spoken(kind: str, need: str, device: str, dtype: str = "fp32", **more: object) -> Samples:
    options = {
        "model": str(speaking_checkpoint(kind)),
        "need": need,
        "device": device,
        "dtype": dtype,
        "runaway_guard": False,
    }
    engine = Qwen3Engine.load(options, lambda progress: None)
    try:
        voice = "vivian" if need == "preset" else ""
        if need == "clone":
            clip = (0.3 * np.sin(0.03 * np.arange(48000))).astype(np.float32)
            more["reference"] = engine.listen(clip, "One two three.")
        request = SpeechRequest((Segment("Hello there."),), voice, 3, max_new_tokens=20, **more)
        return np.concatenate([chunk.samples for chunk in engine.speak(request)])
    finally:
        engine.close()


@pytest.mark.parametrize(("kind", "need"), [("custom_voice", "preset"), ("base", "clone")])
@pytest.mark.parametrize("sampling", [GREEDY, SamplingControls()], ids=["greedy", "drawn"])
def test_the_gpu_speaks_as_the_processor_does(
    kind: str, need: str, sampling: SamplingControls
) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    cpu, gpu = (spoken(kind, need, device, sampling=sampling) for device in ("cpu", "cuda"))
    assert len(cpu) == len(gpu)
    assert np.abs(cpu - gpu).max() < 1e-3


@pytest.mark.parametrize(("kind", "need"), [("custom_voice", "preset"), ("base", "clone")])
def test_in_half_precision_it_speaks_too(kind: str, need: str) -> None:
    sound = spoken(kind, need, "cuda", "bf16")
    assert len(sound) % 1920 == 0
    assert np.abs(sound).max() > 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_are_the_same_there(dtype: torch.dtype) -> None:
    folder = Path(speaking_checkpoint("base"))
    cpu, gpu = (
        Qwen3TTS.load(folder, torch.device(device), dtype, torch.float32)
        for device in ("cpu", "cuda")
    )
    for part in ("talker", "codec_decoder", "codec_encoder", "speaker_encoder"):
        here, there = (dict(getattr(model, part).named_parameters()) for model in (cpu, gpu))
        assert here.keys() == there.keys()
        for name, tensor in there.items():
            assert tensor.is_cuda
            # What is laid anew is computed there, some of it by other formulas.
            torch.testing.assert_close(tensor.cpu(), here[name], rtol=1e-6, atol=0)
