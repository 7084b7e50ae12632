"""Which other servers of these weights could be measured here; of the others, why not."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

_NO_URL = "start it, and give its address with --url: the client is the same for every server"


def not_taken() -> dict[str, Any]:
    """Return, for each peer, why this run says nothing of it."""
    return {
        "qwen-tts": {
            "taken": False,
            "reason": "has no server and does not stream; benchmarks/offline measures it",
        },
        "faster-qwen3-tts": {"taken": False, "reason": _faster()},
        "others": {"taken": False, "reason": _NO_URL},
    }


def _faster() -> str:
    if find_spec("faster_qwen3_tts") is None:
        return "the package faster_qwen3_tts is not installed; it needs a CUDA device"
    if not _has_cuda():
        return "it needs a CUDA device, and there is none"
    return _NO_URL


def _has_cuda() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()
