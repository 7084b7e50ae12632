"""What this machine has, found out without an inference library."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from importlib.util import find_spec


@cache
def nvidia_gpus() -> tuple[str, ...]:
    """Return name and memory of each NVIDIA GPU, as its driver tells; empty without one."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ()
    query = [command, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        listed = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in listed.stdout.splitlines() if line.strip())


def has_nvidia_gpu() -> bool:
    """Tell whether there is an NVIDIA GPU."""
    return bool(nvidia_gpus())


def has_torch() -> bool:
    """Tell whether what Qwen3-TTS runs on is installed."""
    return all(find_spec(name) is not None for name in ("torch", "tokenizers"))
