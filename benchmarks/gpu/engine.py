"""The process that measures one way to make frames: `python -m benchmarks.gpu.engine JOB`.

It drives the engine's batch as its loop does: a frame is begun before the last one is read. The
result is the last line printed.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.offline.child import now
from vivavoce.engine.qwen3.batch import Batch
from vivavoce.engine.qwen3.device import DTYPES
from vivavoce.engine.qwen3.generation import Controls
from vivavoce.engine.qwen3.graphs.graphed import GraphOptions
from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.engine.qwen3.ops import choose
from vivavoce.engine.qwen3.pages import pages_for
from vivavoce.engine.qwen3.prompt import PromptText

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.generation import Sequence

_TEXT = PromptText("Hello there, speak to the one voice.", "english", "ryan")
_MOST_GRAPH_BYTES = 2**31


@dataclass(frozen=True, slots=True)
class Job:
    """What one process is to do, in plain values."""

    folder: str
    device: str
    dtype: str
    way: str
    rows: list[int]
    frames: int
    warm_frames: int


class Measured:
    """A batch that is measured."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._device = torch.device(job.device)
        model = Qwen3TTS.load(
            Path(job.folder), self._device, DTYPES[job.dtype], torch.float32, as_from_folder=True
        )
        rows = max(job.rows)
        self._positions = 64 + job.frames + 2 * job.warm_frames
        pages = rows * pages_for(2 * self._positions)
        self._batch = Batch(model, rows, pages, self._options())
        if job.way != "eager":
            assert self._batch.ahead, "the program of a frame does not run here"

    def _options(self) -> GraphOptions | None:
        if self._job.way == "eager":
            return None
        from vivavoce.engine.qwen3.graphs.cuda import CudaDriver

        ops = choose.PLAIN if self._job.way == "graph.plain" else choose.TRITON
        most_bytes = 0 if self._job.way == "launched" else _MOST_GRAPH_BYTES
        return GraphOptions(CudaDriver(self._device), choose.load(ops), most_bytes)

    def figures(self) -> dict[str, float]:
        """Return the milliseconds of everything."""
        found: dict[str, float] = {}
        for rows in self._job.rows:
            found |= {f"b{rows}.{name}": value for name, value in self._of(rows).items()}
        if self._device.type == "cuda":
            found["reserved_mib"] = torch.cuda.memory_reserved(self._device) / 2**20
        return found

    def _of(self, rows: int) -> dict[str, float]:
        batch, job = self._batch, self._job
        first = self._first_audio()  # the first of its kind pays for what is done once
        self._capture()
        first = min(first, self._first_audio())
        ones = [self._enter(seed) for seed in range(rows)]
        self._speak(ones, job.warm_frames)
        self._capture()
        began = now(self._device)
        frames = self._speak(ones, job.frames)
        frame_s = (now(self._device) - began) / job.frames
        found = {"first_audio": 1000 * first, "frame": 1000 * frame_s}
        for length in (1, 12):
            part = [[each[row] for each in frames[-1:]] * length for row in range(rows)]
            batch.decode(ones, part)
            self._capture()
            began = now(self._device)
            batch.decode(ones, part)
            found[f"sound{length}"] = 1000 * (now(self._device) - began)
        for one in ones:
            batch.leave(one)
        return found

    def _first_audio(self) -> float:
        began = time.perf_counter()
        one = self._enter(7)
        frame = self._batch.step([one]).read()
        self._batch.decode([one], [frame])
        took_s = time.perf_counter() - began
        self._batch.leave(one)
        return took_s

    def _enter(self, seed: int) -> Sequence:
        batch = self._batch
        with batch.stream:
            prompt = batch.build(_TEXT)
            one = batch.enter(prompt, _TEXT, Controls(seed), self._positions)
            if one.rows_left:
                batch.prefill([(one, one.rows_left)])
        return one

    def _speak(self, ones: list[Sequence], frames: int) -> list[list[list[int]]]:
        begun, made = [], []
        for _ in range(frames):
            begun.append(self._batch.step(ones))
            if len(begun) > self._batch.ahead:
                made.append(begun.pop(0).read())
        made += [one.read() for one in begun]
        return made

    def _capture(self) -> None:
        while self._batch.wants_graphs:
            self._batch.capture()


def main() -> None:
    """Load, measure, print."""
    job = Job(**json.loads(sys.argv[1]))
    told: dict[str, Any] = {"figures": Measured(job).figures(), "torch": torch.__version__}
    if job.device.startswith("cuda"):
        told["card"] = torch.cuda.get_device_name(torch.device(job.device))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
