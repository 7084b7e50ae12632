"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_HEAD_BYTES = 64  # no format has sizes further in than this


@contextmanager
def half_a_file(output: Path) -> Iterator[BinaryIO]:
    """Yield a file that becomes `output` if all goes well: half of it never bears the whole's name.

    Raises:
        OSError: it cannot be written.
    """
    partial = output.with_name(output.name + ".part")
    try:
        with partial.open("w+b") as file:
            yield file
        os.replace(partial, output)
    finally:
        partial.unlink(missing_ok=True)


def seal(file: BinaryIO, write_sizes: Callable[[bytearray, int], None]) -> None:
    """Have the exact sizes written into the head of a complete file."""
    size = file.tell()
    file.seek(0)
    head = bytearray(file.read(_HEAD_BYTES))
    write_sizes(head, size)
    file.seek(0)
    file.write(head)
