"""A safetensors file: which tensors it has, and where. Its header is read once.

The format: the header's length in 8 bytes, the header in JSON, the tensors' bytes, little-endian.
Source: the format's description, https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch

from vivavoce.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
}
_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor of a file: its numbers, and at which byte of the file they begin."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.begin + self.count * self.dtype.itemsize


class TensorFile:
    """An open file, to be closed; what was mapped of it stays. `tensors` are known by names.

    Raises:
        EngineUnavailable: it cannot be read, or its header and its size do not agree.
    """

    tensors: Mapping[str, Stored]

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mapping: mmap.mmap | None = None
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as exc:
            raise self._unreadable(exc.strerror) from None
        try:
            self.tensors = self._read_header()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def can_map(self, stored: Stored) -> bool:
        """Tell whether a tensor can be used where it lies: the format does not align them."""
        return stored.count > 0 and stored.begin % stored.dtype.itemsize == 0

    def mapped(self, stored: Stored) -> torch.Tensor:
        """Return a tensor, see `can_map`, whose memory is the file's: read when it is used.

        To write into it changes no file.

        Raises:
            EngineUnavailable: the file has become shorter.
        """
        if self._mapping is None:
            self._mapping = mmap.mmap(self._file, 0, access=mmap.ACCESS_COPY)
        if stored.end > len(self._mapping):
            raise self._unreadable(f"it ends after {len(self._mapping)} bytes")
        numbers = torch.frombuffer(
            self._mapping, dtype=stored.dtype, count=stored.count, offset=stored.begin
        )
        return numbers.view(stored.shape)

    def read(self, begin: int, into: memoryview) -> None:
        """Fill memory with the bytes from `begin` on. By any thread; others can run meanwhile.

        Raises:
            EngineUnavailable: there are not so many, or the device failed.
        """
        done = 0
        while done < len(into):
            try:
                got = os.preadv(self._file, [into[done:]], begin + done)
            except OSError as exc:
                raise self._unreadable(exc.strerror) from None
            if got == 0:
                raise self._unreadable(f"it ends after {begin + done} bytes")
            done += got

    def _read_header(self) -> dict[str, Stored]:
        size = os.fstat(self._file).st_size
        if size < _LENGTH_BYTES:
            raise self._unreadable(f"it has {size} bytes")
        length = int.from_bytes(self._bytes(0, _LENGTH_BYTES), "little")
        data = _LENGTH_BYTES + length
        if data > size:
            raise self._unreadable(f"its header is to have {length} bytes, but all are {size}")
        try:
            header = json.loads(self._bytes(_LENGTH_BYTES, length))
            header.pop("__metadata__", None)
            tensors = {name: _stored(entry, data) for name, entry in header.items()}
        except (ValueError, TypeError, LookupError, AttributeError) as exc:
            raise self._unreadable(f"its header is no table of tensors ({exc!r})") from None
        end = max((stored.end for stored in tensors.values()), default=data)
        if end != size:
            raise self._unreadable(f"it has {size} bytes, but its tensors need {end}")
        return tensors

    def _bytes(self, begin: int, count: int) -> bytes:
        memory = bytearray(count)
        self.read(begin, memoryview(memory))
        return bytes(memory)

    def _unreadable(self, why: str | None) -> EngineUnavailable:
        return EngineUnavailable(
            f"Cannot read {self.path}: {why}. The file is missing, cut short or damaged: download "
            "it again."
        )


def _stored(entry: Any, data: int) -> Stored:
    """Return what an entry of a header means; `data` is where the tensors' bytes begin."""
    begin, end = entry["data_offsets"]
    stored = Stored(_DTYPES[entry["dtype"]], tuple(entry["shape"]), data + begin)
    if begin < 0 or any(length < 0 for length in stored.shape) or stored.end != data + end:
        raise ValueError(f"{entry} contradicts itself")
    return stored
