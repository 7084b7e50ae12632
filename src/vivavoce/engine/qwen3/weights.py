"""Reading a checkpoint's tensors, strictly, straight to where they are used.

Modules are made on the meta device, without memory; each tensor is then read from the memory-mapped
safetensors file into place, in the dtype wanted. One that needs no change stays mapped: the system
reads it when it is used. One that its module computes with in another layout is laid so as it is
read; the file's own is not kept. A tensor that is missing, left over or of another shape is an
error that names it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from vivavoce.errors import EngineUnavailable

if TYPE_CHECKING:
    from pathlib import Path


class Relaid(nn.Module, ABC):
    """A module that computes with its own parameters laid otherwise than the file has them.

    Its constructor makes them in the file's shapes, which are checked.
    """

    @abstractmethod
    def lay(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """Return what becomes of its parameter `name`, in memory that is not the tensor's."""


def load_weights(
    module: nn.Module, path: Path, prefix: str, device: torch.device, dtype: torch.dtype | None
) -> set[str]:
    """Fill `module`, made on the meta device, with the tensors of `path` under `prefix`.

    They get the `dtype` given; without one they keep their own. Returns the names used. Parameters
    become plain, without gradients.

    Raises:
        EngineUnavailable: the file cannot be read, or a tensor is missing or misshapen.
    """
    used: set[str] = set()
    try:
        with safe_open(path, framework="pt") as file:
            there = set(file.keys())
            for name, parameter in list(module.named_parameters()):
                full = prefix + name
                if full not in there:
                    raise EngineUnavailable(
                        f"{path} has no tensor {full}. The checkpoint is incomplete, or of another "
                        "model than its config.json says: download it again."
                    )
                shape = tuple(file.get_slice(full).get_shape())
                if shape != tuple(parameter.shape):
                    raise EngineUnavailable(
                        f"{path}: tensor {full} has the shape {list(shape)}, but by config.json it "
                        f"must have {list(parameter.shape)}. Download the checkpoint again."
                    )
                tensor = file.get_tensor(full)
                wanted = dtype or tensor.dtype
                owner, _, last = name.rpartition(".")
                place = module.get_submodule(owner)
                relaid = isinstance(place, Relaid)
                if relaid or tensor.dtype != wanted or device.type != "cpu":
                    tensor = _copy(path, full, device, wanted)
                if relaid:
                    tensor = place.lay(last, tensor)
                setattr(place, last, nn.Parameter(tensor, requires_grad=False))
                used.add(full)
    except (OSError, SafetensorError) as exc:
        raise EngineUnavailable(
            f"Cannot read {path}: {exc}. The file is missing, cut short or damaged: download it "
            "again."
        ) from None
    return used


def check_leftovers(path: Path, used: set[str], unread: str | None = None) -> None:
    """Make sure that every tensor of the file was used, but for those under the prefix `unread`.

    Raises:
        EngineUnavailable: some were not; the message names the first.
    """
    with safe_open(path, framework="pt") as file:
        unknown = sorted(
            name
            for name in set(file.keys()) - used
            if unread is None or not name.startswith(unread)
        )
    if unknown:
        raise EngineUnavailable(
            f"{path} has {len(unknown)} tensors that vivavoce does not know, such as {unknown[0]}. "
            "Use a released Qwen3-TTS 12 Hz checkpoint, or a newer vivavoce."
        )


def _copy(path: Path, name: str, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return a tensor that is not the file's own.

    The file is opened for it alone: until a mapped file is closed, all that was read of it counts
    as this process's memory.
    """
    with safe_open(path, framework="pt", device=str(device)) as file:
        return file.get_tensor(name).to(dtype)
