"""Tiny random Qwen3-TTS checkpoints that end by themselves, as trained ones do."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from checkpoints import TINY, make_checkpoint
from safetensors.torch import load_file, save_file

_EOS = 2150
_EAGERNESS = 3.0
"""How much the end token's row is scaled: speech of random weights then lasts 1 to 3 s."""


@cache
def speaking_checkpoint(kind: str, *, ends: bool = True) -> Path:
    """Return the folder of a checkpoint of that kind; with `ends` false it never ends."""
    folder = make_checkpoint(Path(mkdtemp()) / f"tiny-{kind.replace('_', '-')}", kind, TINY, 1)
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["talker.codec_head.weight"][_EOS] *= _EAGERNESS if ends else 0.0
    save_file(tensors, path)
    return folder
