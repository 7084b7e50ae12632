"""What goes wrong on a device, told from torch's exceptions: no memory now, or nothing works again.

torch has a class for some of it and only a text for the rest, which differs between its versions;
onnxruntime, where it computes, has only texts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

import torch

from vivavoce.engine.base import EngineBroken
from vivavoce.errors import OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "failed to allocate memory",
    "not enough memory",
    "alloc_failed",
)
_LOST = (
    "cuda error",
    "device-side assert",
    "unspecified launch failure",
    "illegal memory access",
    "device lost",
    "cudnn_status_execution_failed",
    "cudnn_status_internal_error",
)


def is_out_of_memory(exc: Exception) -> bool:
    """Tell whether memory, of the card or the machine, did not suffice."""
    return isinstance(exc, MemoryError | torch.OutOfMemoryError) or _says(exc, _NO_MEMORY)


def is_fatal(exc: Exception) -> bool:
    """Tell whether the device is lost: to this process all that follows will fail as well."""
    if is_out_of_memory(exc):
        return False
    lost: type[Exception] | None = getattr(torch, "AcceleratorError", None)  # from torch 2.8 on
    return (lost is not None and isinstance(exc, lost)) or _says(exc, _LOST)


def short_of(exc: Exception) -> str:
    """Return how much memory was asked for in vain, as a parenthesis behind a space; or nothing."""
    found = re.search(r"tried to allocate ([\d.]+ \w+)", str(exc), re.IGNORECASE)
    return f" ({found[1]} more were needed)" if found else ""


def attempt(work: Callable[[], T]) -> T:
    """Return what `work` returns.

    Raises:
        OutOfMemory: there was no memory for it. Nothing of what it had allocated is held any more.
        EngineBroken: the device is lost.
    """
    try:
        return work()
    except Exception as exc:
        if is_fatal(exc):
            raise EngineBroken(first_line(exc)) from exc
        if not is_out_of_memory(exc):
            raise
        short = short_of(exc)
    # Raised out here: what is raised while another is handled keeps that one, and with it the
    # tensors of all that it interrupted.
    raise OutOfMemory(
        f"There is no memory for this now{short}. Send it again when other requests have ended; if "
        "that does not help, use a smaller model."
    )


def attempt_twice(work: Callable[[], T]) -> T:
    """Return what `work`, which may be repeated, returns; if need be after freeing all it can.

    Raises:
        OutOfMemory, EngineBroken: as `attempt`.
    """
    try:
        return attempt(work)
    except OutOfMemory:
        pass
    torch.cuda.empty_cache()
    return attempt(work)


def first_line(exc: Exception) -> str:
    """Return what an exception says without torch's advice on debugging."""
    return str(exc).partition("\n")[0].rstrip(".") or type(exc).__name__


def _says(exc: Exception, phrases: tuple[str, ...]) -> bool:
    # Of these alone: others may quote a text that somebody wants to be spoken.
    theirs = isinstance(exc, RuntimeError) or type(exc).__module__.startswith("onnxruntime.")
    text = str(exc).lower()
    return theirs and any(phrase in text for phrase in phrases)
