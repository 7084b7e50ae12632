"""Where and in which numbers the model computes. As a program: what this machine has, as JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import torch

from vivavoce.engine.qwen3 import attention
from vivavoce.errors import EngineUnavailable

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_WEIGHT_BITS = {"none": None, "int8": 8, "int4": 4}


@dataclass(frozen=True, slots=True)
class Placement:
    """A device, the numbers of talker and predictor, and the implementation of attention.

    `weight_bits`: of how many bits their weights are to be made for onnxruntime; None for torch.
    """

    device: torch.device
    dtype: torch.dtype
    attention: str
    weight_bits: int | None = None


def place(device: str, dtype: str, quantize: str = "auto") -> Placement:
    """Return what the settings `device` (auto, cpu, cuda, cuda:N), `dtype`, `quantize` mean here.

    Raises:
        EngineUnavailable: there is no such device, or nothing is quantized on it.
    """
    chosen = _device(device)
    if dtype != "auto":
        numbers = DTYPES[dtype]
    else:
        fits = chosen.type == "cuda" and torch.cuda.is_bf16_supported()
        numbers = torch.bfloat16 if fits else torch.float32
    bits = _weight_bits(quantize, chosen, dtype)
    return Placement(chosen, numbers, attention.choose(chosen, numbers), bits)


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


def _weight_bits(quantize: str, device: torch.device, dtype: str) -> int | None:
    if quantize == "auto":  # who names numbers wants just those
        return 8 if device.type == "cpu" and dtype == "auto" else None
    bits = _WEIGHT_BITS[quantize]
    if bits is not None and device.type != "cpu":
        raise EngineUnavailable(
            f"QUANTIZE={quantize} is for DEVICE=cpu, but the device is {device}. Use QUANTIZE=none "
            "or auto, or DEVICE=cpu."
        )
    if bits is not None and dtype == "bf16":
        raise EngineUnavailable(
            f"QUANTIZE={quantize} computes with fp32 what is not a weight, but DTYPE is bf16. Use "
            "DTYPE=auto, or QUANTIZE=none."
        )
    return bits


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
