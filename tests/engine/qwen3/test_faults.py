"""torch's exceptions are understood, and what they interrupted is let go."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

from speaking import speaking_checkpoint
from vivavoce.engine.base import EngineBroken
from vivavoce.engine.qwen3 import faults
from vivavoce.engine.qwen3.engine import Qwen3Engine
from vivavoce.errors import OutOfMemory, SynthesisFailed

if TYPE_CHECKING:
    from collections.abc import Callable

CARD_IS_FULL = torch.OutOfMemoryError(
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 23.6 GiB of "
    "which 12.5 MiB is free."
)


def raising(exc: Exception) -> Callable[[], None]:
    def work() -> None:
        raise exc

    return work


@pytest.mark.parametrize(
    "exc",
    [
        CARD_IS_FULL,
        MemoryError(),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to "),
        RuntimeException("Failed to allocate memory for requested buffer of size 4096"),
    ],
    ids=repr,
)
def test_no_memory(exc: Exception) -> None:
    assert faults.is_out_of_memory(exc)
    with pytest.raises(OutOfMemory, match="Send it again"):
        faults.attempt(raising(exc))


def test_what_torch_itself_says_when_the_machine_is_too_small() -> None:
    with pytest.raises(OutOfMemory, match=r"\(4000000000000000 bytes more were needed\)"):
        faults.attempt_twice(lambda: torch.empty(10**15))


def test_how_much_was_needed_is_told_and_no_more() -> None:
    with pytest.raises(OutOfMemory) as caught:
        faults.attempt(raising(CARD_IS_FULL))
    assert "(20.00 MiB more were needed)" in caught.value.message
    assert "GPU 0" not in caught.value.message


@pytest.mark.parametrize(
    "exc",
    [
        RuntimeError("CUDA error: device-side assert triggered\nCompile with `TORCH_USE_CUDA_DSA`"),
        RuntimeError("CUDA error: unspecified launch failure"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        getattr(torch, "AcceleratorError", RuntimeError)("CUDA error: unknown error\nadvice"),
    ],
    ids=repr,
)
def test_a_lost_device(exc: Exception) -> None:
    with pytest.raises(EngineBroken) as caught:
        faults.attempt_twice(raising(exc))
    assert str(caught.value) == str(exc).partition("\n")[0]


@pytest.mark.parametrize(
    "exc",
    [
        RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
        ValueError("CUDA error: not one"),
        SynthesisFailed("Out of memory, said the text."),
    ],
    ids=repr,
)
def test_anything_else_is_what_it_is(exc: Exception) -> None:
    with pytest.raises(type(exc)) as caught:
        faults.attempt_twice(raising(exc))
    assert caught.value is exc


class Tensors:
    """What work had allocated when it was interrupted."""


def test_what_was_interrupted_holds_nothing_while_it_is_tried_again() -> None:
    held: list[weakref.ref[Tensors]] = []

    def work() -> str:
        if held:
            assert held[0]() is None
            return "done"
        tensors = Tensors()
        held.append(weakref.ref(tensors))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    assert faults.attempt_twice(work) == "done"


def test_a_failure_holds_nothing_while_it_is_handed_about() -> None:
    held: list[weakref.ref[Tensors]] = []

    def work() -> None:
        tensors = Tensors()
        held.append(weakref.ref(tensors))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(OutOfMemory) as caught:
        faults.attempt_twice(work)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert [ref() for ref in held] == [None, None]


def test_a_checkpoint_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise CARD_IS_FULL

    monkeypatch.setattr("vivavoce.engine.qwen3.engine.Qwen3TTS.load", load)
    model = str(speaking_checkpoint("custom_voice"))
    with pytest.raises(OutOfMemory, match="tiny-custom-voice does not fit into memory now") as it:
        Qwen3Engine.load({"model": model, "need": "preset", "device": "cpu"}, lambda progress: None)
    assert "20.00 MiB" in it.value.message
