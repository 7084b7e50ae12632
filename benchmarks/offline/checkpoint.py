"""The checkpoint that both sides load: random weights in the true shape of 0.6B CustomVoice."""

from __future__ import annotations

import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

_TESTS = Path(__file__).parents[2] / "tests/engine/qwen3"
_END_TOKEN = 2150
_HEAD = "talker.codec_head.weight"


def make(folder: Path) -> Path:
    """Return the checkpoint's folder in `folder`; written once, 2.5 GB, in about a minute.

    Its end token never wins: its score is always 0, and fifty others have more. So all that is
    spoken has the length asked for, on both sides and without a word to either.
    """
    sys.path.append(str(_TESTS))
    from checkpoints import TRUE_0B6, make_checkpoint

    done = folder / "0.6b-custom-voice"
    if done.exists():
        return done
    folder.mkdir(parents=True, exist_ok=True)
    making = folder / "making"
    make_checkpoint(making, "custom_voice", TRUE_0B6)
    weights = making / "model.safetensors"
    tensors = load_file(weights)
    tensors[_HEAD][_END_TOKEN] = 0
    save_file(tensors, making / "patched.safetensors", {"format": "pt"})
    (making / "patched.safetensors").replace(weights)
    return making.rename(done)
