"""Whether a checkpoint's folder is whole: no file missing, none cut short, no byte changed.

What the files say is not looked at: `config.py` and `weights.py` do that.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vivavoce.errors import EngineUnavailable

REQUIRED_FILES = (
    "config.json",
    "generation_config.json",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "model.safetensors",
    "speech_tokenizer/config.json",
    "speech_tokenizer/model.safetensors",
)
_BLOCK_BYTES = 1 << 23
_MAX_HEADER_BYTES = 100_000_000  # the format's own limit
_GIT_SHA1_DIGITS = 40
_SHA256_DIGITS = 64


@dataclass(frozen=True, slots=True)
class Transfer:
    """How far a download or a check has come, in bytes."""

    done_bytes: int
    total_bytes: int


OnProgress = Callable[[Transfer], None]


class Damaged(EngineUnavailable):
    """A file is missing, cut short or changed: `file` in the checkpoint's folder, and `what`."""

    def __init__(self, file: Path, what: str, remedy: str) -> None:
        super().__init__(f"{file} {what}. {remedy}")
        self.file = file
        self.what = what


def verify(folder: Path, on_progress: OnProgress) -> None:
    """Check that every file a checkpoint needs is in its folder, as it was released.

    In the hub's cache a file's name says what its content must hash to; that reads every byte, and
    `on_progress` is told how many are read. Elsewhere only lengths can be checked.

    Raises:
        Damaged: a file is not as it should be; the message names it and the remedy.
        EngineUnavailable: a file cannot be read.
    """
    remedy = _remedy(folder)
    try:
        for name in REQUIRED_FILES:
            _check_length(folder / name, remedy)
        _check_content([folder / name for name in REQUIRED_FILES], remedy, on_progress)
    except OSError as exc:
        raise EngineUnavailable(
            f"Cannot read {exc.filename}: {exc.strerror}. Make it readable, or download it again."
        ) from None


def discard(file: Path) -> bool:
    """Delete a damaged file of the hub's cache, and the blob behind it; False if it is not one."""
    if file.is_symlink() and _promised_hash(file) is None:
        return False  # a link that the hub's library did not make
    while file.is_symlink():  # a blob can be a link itself, to one shared by several checkpoints
        target = file.parent / os.readlink(file)
        file.unlink()
        file = target
    file.unlink(missing_ok=True)
    return True


def _check_length(path: Path, remedy: str) -> None:
    if not path.is_file():
        raise Damaged(path, "is missing", remedy)
    size = path.stat().st_size
    if path.suffix != ".safetensors":
        if size == 0:
            raise Damaged(path, "is empty", remedy)
        return
    with path.open("rb") as file:
        header_size = int.from_bytes(file.read(8), "little")
        if header_size > min(size - 8, _MAX_HEADER_BYTES):
            raise Damaged(path, f"is cut short or no safetensors file ({size} bytes)", remedy)
        header = file.read(header_size)
    try:
        tensors = json.loads(header)
        tensors.pop("__metadata__", None)
        end = max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
        expected = 8 + header_size + end
    except (ValueError, TypeError, LookupError, AttributeError):
        raise Damaged(path, "has a damaged table of tensors", remedy) from None
    if size != expected:
        raise Damaged(path, f"has {size} bytes, but its tensors need {expected}", remedy)


def _check_content(paths: list[Path], remedy: str, on_progress: OnProgress) -> None:
    promised = {path: name for path in paths if (name := _promised_hash(path)) is not None}
    total = sum(path.stat().st_size for path in promised)
    done = 0
    for path, name in promised.items():
        size = path.stat().st_size
        if len(name) == _SHA256_DIGITS:
            digest = hashlib.sha256()
        else:
            digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)  # git's name for it
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
                done += len(block)
                on_progress(Transfer(done, total))
        if digest.hexdigest() != name:
            raise Damaged(path, "is damaged: its content does not match its hash", remedy)


def _promised_hash(path: Path) -> str | None:
    """Return the hash that a file of the hub's cache is named by, if it is one.

    Only the first link counts: a blob may be a link too, to a file named by another kind of hash.
    """
    if not path.is_symlink():
        return None
    blob = Path(os.readlink(path))
    named = re.fullmatch(rf"[0-9a-f]{{{_GIT_SHA1_DIGITS}}}|[0-9a-f]{{{_SHA256_DIGITS}}}", blob.name)
    return blob.name if named and blob.parent.name == "blobs" else None


def _remedy(folder: Path) -> str:
    repository = folder.parent.parent.name
    if folder.parent.name == "snapshots" and repository.startswith("models--"):
        model = repository.removeprefix("models--").replace("--", "/")
        return f"To download it again, run: vivavoce pull {model}"
    return "Copy or download it again."
