"""Random checkpoints whose speech never ends: in the true shape of 0.6B, and a tiny one."""

from __future__ import annotations

import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

_TESTS = Path(__file__).parents[2] / "tests/engine/qwen3"
_END_TOKEN = 2150
_HEAD = "talker.codec_head.weight"


def make(folder: Path) -> Path:
    """Return the folder, in `folder`, of one in the true shape of 0.6B CustomVoice.

    It is written once, 2.5 GB, in about a minute. Its end token never wins: its score is always 0,
    and fifty others have more. So all that is spoken has the length asked for, on both sides and
    without a word to either.
    """
    return _make(folder / "0.6b-custom-voice", "TRUE_0B6")


def tiny(folder: Path) -> Path:
    """Return the folder, in `folder`, of one with every part of a genuine one, but 20 MB small."""
    return _make(folder / "tiny-custom-voice", "TINY")


def _make(done: Path, shape: str) -> Path:
    if str(_TESTS) not in sys.path:
        sys.path.append(str(_TESTS))
    import checkpoints

    if done.exists():
        return done
    done.parent.mkdir(parents=True, exist_ok=True)
    making = done.parent / "making"
    checkpoints.make_checkpoint(making, "custom_voice", getattr(checkpoints, shape))
    weights = making / "model.safetensors"
    tensors = load_file(weights)
    tensors[_HEAD][_END_TOKEN] = 0
    save_file(tensors, making / "patched.safetensors", {"format": "pt"})
    (making / "patched.safetensors").replace(weights)
    return making.rename(done)
