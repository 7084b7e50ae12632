"""Where and in which numbers the model computes. As a program: what this machine has, as JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import torch

from vivavoce.engine.qwen3 import attention
from vivavoce.errors import EngineUnavailable

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Placement:
    """A device, the numbers of talker and predictor, and the implementation of attention."""

    device: torch.device
    dtype: torch.dtype
    attention: str


def place(device: str, dtype: str) -> Placement:
    """Return what the settings `device` (auto, cpu, cuda, cuda:N) and `dtype` mean here.

    Raises:
        EngineUnavailable: there is no such device.
    """
    chosen = _device(device)
    if dtype != "auto":
        numbers = DTYPES[dtype]
    else:
        fits = chosen.type == "cuda" and torch.cuda.is_bf16_supported()
        numbers = torch.bfloat16 if fits else torch.float32
    return Placement(chosen, numbers, attention.choose(chosen, numbers))


def _device(name: str) -> torch.device:
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = int(name.partition(":")[2] or 0)
    if index >= count:
        has = f"torch {torch.__version__} sees {count} CUDA devices"
        raise EngineUnavailable(
            f"DEVICE is {name}, but {has}. Use DEVICE=auto or cpu, or install a torch that fits "
            "the card and its driver: https://pytorch.org/get-started"
        )
    return torch.device("cuda", index)


def main() -> None:
    """Print what the settings given as arguments mean on this machine."""
    try:
        placed = place(*sys.argv[1:])
    except EngineUnavailable as exc:
        print(json.dumps({"error": exc.message}))  # noqa: T201
        return
    name = torch.cuda.get_device_name(placed.device) if placed.device.type == "cuda" else "CPU"
    numbers = next(name for name, dtype in DTYPES.items() if dtype is placed.dtype)
    described = {
        "torch": torch.__version__,
        "device": str(placed.device),
        "name": name,
        "dtype": numbers,
        "attention": placed.attention,
    }
    print(json.dumps(described))  # noqa: T201


if __name__ == "__main__":
    main()
