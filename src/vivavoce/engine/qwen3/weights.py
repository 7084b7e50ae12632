"""A checkpoint's tensors, strictly, straight to where they are used.

Modules are made on the meta device, without memory; each tensor then comes from the safetensors
file into place, in the dtype wanted. On the processor one that needs no change stays mapped: the
system reads it when it is used. All others are read into memory, see `filling.py`. One that its
module computes with in another layout is laid so as it is read. A tensor that is missing, left over
or of another shape is an error that names it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from vivavoce.engine.qwen3.filling import Wanted, fill
from vivavoce.engine.qwen3.tensors import Stored, TensorFile
from vivavoce.errors import EngineUnavailable

if TYPE_CHECKING:
    from pathlib import Path


class Relaid(nn.Module, ABC):
    """A module that computes with its own parameters laid otherwise than the file has them.

    Its constructor makes them in the file's shapes, which are checked.
    """

    @abstractmethod
    def lay(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """Return what becomes of its parameter `name`, in memory that is not the tensor's.

        By any thread.
        """


def load_weights(
    module: nn.Module, path: Path, prefix: str, device: torch.device, dtype: torch.dtype | None
) -> set[str]:
    """Fill `module`, made on the meta device, with the tensors of `path` under `prefix`.

    They get the `dtype` given; without one they keep their own, and so do tables whose numbers are
    shorter: what is looked up is converted row by row. Returns the names used. Parameters become
    plain, without gradients. Those that were read share one memory, given back with the last.

    Raises:
        EngineUnavailable: the file cannot be read, or a tensor is missing or misshapen.
    """
    read: list[tuple[nn.Module, str]] = []
    wanted: list[Wanted] = []
    used: set[str] = set()
    with TensorFile(path) as file:
        for name, parameter in list(module.named_parameters()):
            used.add(prefix + name)
            stored = _find(file, prefix + name, parameter.shape)
            owner, _, last = name.rpartition(".")
            place = module.get_submodule(owner)
            numbers = _numbers(place, stored, dtype)
            if isinstance(place, Relaid):
                wanted.append(Wanted(stored, numbers, partial(place.lay, last)))
            elif device.type == "cpu" and numbers == stored.dtype and file.can_map(stored):
                _put(place, last, file.mapped(stored))
                continue
            else:
                wanted.append(Wanted(stored, numbers))
            read.append((place, last))
        for (place, last), tensor in zip(read, fill(file, wanted, device), strict=True):
            _put(place, last, tensor)
    return used


def check_leftovers(path: Path, used: set[str], unread: str | None = None) -> None:
    """Make sure that every tensor of the file was used, but for those under the prefix `unread`.

    Raises:
        EngineUnavailable: some were not; the message names the first.
    """
    with TensorFile(path) as file:
        unknown = sorted(
            name
            for name in file.tensors.keys() - used
            if unread is None or not name.startswith(unread)
        )
    if unknown:
        raise EngineUnavailable(
            f"{path} has {len(unknown)} tensors that vivavoce does not know, such as {unknown[0]}. "
            "Use a released Qwen3-TTS 12 Hz checkpoint, or a newer vivavoce."
        )


def _find(file: TensorFile, name: str, shape: torch.Size) -> Stored:
    stored = file.tensors.get(name)
    if stored is None:
        raise EngineUnavailable(
            f"{file.path} has no tensor {name}. The checkpoint is incomplete, or of another model "
            "than its config.json says: download it again."
        )
    if stored.shape != tuple(shape):
        raise EngineUnavailable(
            f"{file.path}: tensor {name} has the shape {list(stored.shape)}, but by config.json it "
            f"must have {list(shape)}. Download the checkpoint again."
        )
    return stored


def _numbers(place: nn.Module, stored: Stored, dtype: torch.dtype | None) -> torch.dtype:
    if dtype is None:
        return stored.dtype
    is_short_table = isinstance(place, nn.Embedding) and stored.dtype.itemsize < dtype.itemsize
    return stored.dtype if is_short_table else dtype


def _put(place: nn.Module, name: str, tensor: torch.Tensor) -> None:
    setattr(place, name, nn.Parameter(tensor, requires_grad=False))
