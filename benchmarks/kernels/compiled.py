"""Compile the kernels without a card, and read from the machine code what they take.

As a program, `python -m benchmarks.kernels.compiled`: all kernels and sizes, for all architectures
or those given (90, say). It fails if a kernel takes more than its budget.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from benchmarks.kernels.budget import ARCHITECTURES, BUDGETS
from benchmarks.kernels.cases import Case, Tensors, cases
from benchmarks.kernels.sizes import LARGE, SMALL, Model
from vivavoce.engine.qwen3.ops import kernels

_READER = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
_DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True, slots=True)
class Taken:
    """What one kernel takes in one case; `code` are Triton's stages by name, the last is cubin."""

    kernel: str
    case: str
    architecture: int
    warps: int
    registers: int
    spilled: int
    shared: int
    code: Any

    @property
    def within(self) -> bool:
        """Whether it keeps to its budget."""
        budget = BUDGETS[self.kernel]
        return (
            self.registers <= budget.registers
            and self.spilled <= budget.spilled
            and self.shared <= budget.shared
        )


class _Absent:
    """What Triton asks a card's driver for, of a card that is not there."""

    def __init__(self, architecture: int) -> None:
        self._architecture = architecture

    def get_current_device(self) -> int:
        return self._architecture

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self._architecture, 32)


@contextmanager
def _compiling_only(architecture: int) -> Iterator[list[Any]]:
    """Have launches compile for an architecture and do no more; gives what was compiled."""
    made: list[Any] = []
    run, active = JITFunction.run, driver._active

    def compile_only(self: Any, *args: Any, grid: Any, warmup: bool, **options: Any) -> Any:
        made.append(run(self, *args, grid=grid, warmup=True, **options))
        return made[-1]

    JITFunction.run = compile_only
    driver.set_active(_Absent(architecture))
    try:
        yield made
    finally:
        JITFunction.run = run
        driver._active = active


def compile_case(case: Case, architecture: int) -> list[Taken]:
    """Return what a case's kernels take; its tensors are on the device "meta"."""
    with _compiling_only(architecture) as made:
        case.call(kernels)
    return [_taken(case.name, architecture, one) for one in made]


def _taken(case: str, architecture: int, compiled: Any) -> Taken:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.asm["cubin"])
        file.flush()
        command = [str(_READER), "--dump-resource-usage", file.name]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
    figures = dict(re.findall(r"\b(REG|STACK|LOCAL):(\d+)", said.stdout + said.stderr))
    return Taken(
        kernel=compiled.metadata.name,
        case=case,
        architecture=architecture,
        warps=compiled.metadata.num_warps,
        registers=int(figures["REG"]),
        spilled=int(figures["STACK"]) + int(figures["LOCAL"]),
        shared=compiled.metadata.shared,
        code=compiled.asm,
    )


def compile_model(
    model: Model, rows: int, dtype: str, architecture: int, only: str = ""
) -> Iterator[Taken]:
    """Yield what all kernels take at a model's sizes; `only` those whose case starts so."""
    for case in cases(model, rows, Tensors("meta", _DTYPES[dtype])):
        if case.name.startswith(only):
            yield from compile_case(case, architecture)


def worst(all_taken: Iterable[Taken]) -> dict[str, tuple[int, int, int]]:
    """Return the most registers, spilled and shared bytes of each kernel."""
    most: dict[str, tuple[int, int, int]] = {}
    for one in all_taken:
        before = most.get(one.kernel, (0, 0, 0))
        own = one.registers, one.spilled, one.shared
        most[one.kernel] = tuple(map(max, before, own))  # type: ignore[assignment]
    return most


def main() -> None:
    """Run."""
    found, over = [], []
    for architecture in map(int, sys.argv[1:]) if sys.argv[1:] else ARCHITECTURES:
        for model in (SMALL, LARGE):
            for dtype in _DTYPES:
                for rows in (1, 32):
                    for one in compile_model(model, rows, dtype, architecture):
                        found.append(one)
                        mark = "" if one.within else "  OVER BUDGET"
                        over += [one] if mark else []
                        print(
                            f"sm_{architecture} {model.name} {dtype} {rows:2} {one.case:26} "
                            f"{one.kernel:14} {one.registers:3} registers, {one.spilled} spilled, "
                            f"{one.shared:6} shared{mark}",
                            flush=True,
                        )
    for kernel, (registers, spilled, shared) in worst(found).items():
        print(f"{kernel:14} at most {registers:3} registers, {spilled} spilled, {shared:6} shared")
    sys.exit(1 if over else 0)


if __name__ == "__main__":
    main()
