"""What is done once in a process, so that no request waits for it: before a load, and after it.

The first use of each kernel, shape and library costs a CUDA device time. A processor has next to
nothing of the kind, so there nothing is warmed up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from vivavoce.engine.qwen3.generation import Controls
from vivavoce.engine.qwen3.piece import CHUNK_FRAMES
from vivavoce.engine.qwen3.prompt import PromptText

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.batch import Batch

_SENTENCE = "The quick brown fox jumps over the lazy dog. "
_TEXTS = ("Ready.", _SENTENCE, 8 * _SENTENCE)
"""From the shortest to what is about the longest piece that a text is cut into."""

_FRAMES = 9


def prepare(device: torch.device, *, tf32: bool, cudnn_benchmark: bool) -> None:
    """Choose how this process computes on a CUDA device; the processor has no such choice.

    `tf32`: matrices and convolutions in fp32 are multiplied with 10 bits of fraction. Said in
    either case, since torch's own choice differs between the two. `cudnn_benchmark`: each new shape
    of a convolution is computed in every way there is, and the fastest kept.
    """
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = cudnn_benchmark


def pays(device: torch.device) -> bool:
    """Tell whether `warm_up` saves the first listener more than a moment there."""
    return device.type == "cuda"


def warm_up(batch: Batch) -> None:
    """Capture the first graphs. Speak for nobody: short and long texts, alone and together, chunks
    of every size.

    Changes nothing that is heard later. By the thread that is to speak: libraries keep things for
    each.
    """
    batch.capture_first()
    together = []
    for words in _TEXTS:
        text = PromptText(words)
        prompt = batch.build(text)
        together.append(batch.enter(prompt, text, Controls(), _FRAMES))
        batch.prefill([(together[-1], together[-1].rows_left)])
        for _ in range(_FRAMES // len(_TEXTS)):
            batch.step(together).read()
    for frames in CHUNK_FRAMES:
        batch.decode(together[:1], [[[0] * 16] * frames])
    for one in together:
        batch.leave(one)
