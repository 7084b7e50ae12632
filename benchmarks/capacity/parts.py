"""`python -m benchmarks.capacity.parts FOLDER`: what each operation takes, as one line of JSON.

A process of its own with a worker's environment, and nobody else on the machine. The operations are
those of `Batch`, called as the loop calls them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmarks.capacity.times import Times, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from vivavoce.engine.qwen3.batch import Batch
    from vivavoce.engine.qwen3.generation import Sequence
    from vivavoce.engine.qwen3.prompt import PromptText

T = TypeVar("T")

_ROOT = Path(__file__).parents[2]
_PAGES = 400
_ROWS = 16
_LONGEST = 400
"""Frames."""
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""Beside a model that takes all cores of a processor its server and clients have none, and how long
everything takes is chance. On a GPU, too, they have cores of their own."""
_WARM_UP = 2
_SPLIT = 8
"""Rows of a prompt that are read first, to tell the cost of a call from that of a row."""


def measure(folder: Path, *, text: str, counts: tuple[int, ...], repeats: int) -> Times:
    """Return the times of a checkpoint here, taken in a process of its own.

    Raises:
        RuntimeError: that failed; the message has its last words.
    """
    from vivavoce.worker.process import ENVIRONMENT

    job = json.dumps({"folder": str(folder), "text": text, "counts": counts, "repeats": repeats})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.capacity.parts", job],
        cwd=_ROOT,
        env={**ENVIRONMENT, **os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"measuring {folder} ended with {done.returncode}:\n{done.stderr[-2000:]}"
        )
    return read(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure what the argument names."""
    import torch

    from vivavoce.engine.qwen3.batch import Batch
    from vivavoce.engine.qwen3.device import place
    from vivavoce.engine.qwen3.model import Qwen3TTS
    from vivavoce.engine.qwen3.prompt import PromptText

    job = json.loads(sys.argv[1])
    placed = place("auto", "auto", "auto")
    model = Qwen3TTS.load(
        Path(job["folder"]),
        placed.device,
        placed.dtype,
        torch.float32,
        attention=placed.attention,
        weight_bits=placed.weight_bits,
    )
    batch = Batch(model, _ROWS, _PAGES)
    text = PromptText(job["text"], speaker="vivian")
    print(json.dumps(_take(batch, text, job["counts"], job["repeats"]).as_json()))


def _take(batch: Batch, text: PromptText, counts: list[int], repeats: int) -> Times:
    from vivavoce.engine.qwen3.generation import Controls
    from vivavoce.engine.qwen3.piece import CHUNK_FRAMES

    def enter(number: int) -> Sequence:
        return batch.enter(batch.build(text), text, Controls(number), _LONGEST)

    one = enter(0)  # from now on the prompt's beginning is known, as in a server that has spoken
    batch.prefill([(one, one.rows_left)])
    batch.leave(one)
    rows = _SPLIT
    entered, calls, wholes = [], [], []
    for number in range(repeats + _WARM_UP):
        took_s, one = _timed(partial(enter, number))
        rows = one.rows_left
        calls.append(_timed(partial(batch.prefill, [(one, _SPLIT)]))[0])
        batch.leave(one)
        one = enter(number)
        wholes.append(_timed(partial(batch.prefill, [(one, rows)]))[0])
        batch.leave(one)
        entered.append(took_s)
    call_s, whole_s = (statistics.median(took[_WARM_UP:]) for took in (calls, wholes))
    row_s = max(whole_s - call_s, 0.0) / max(rows - _SPLIT, 1)
    steps, decodes = [], []
    for count in counts:
        here = [enter(number) for number in range(count)]
        batch.prefill([(one, one.rows_left) for one in here])
        codes = batch.step(here).read()
        took = [_timed(lambda here=here: batch.step(here).read())[0] for _ in range(repeats)]
        steps.append((count, statistics.median(took)))
        for frames in CHUNK_FRAMES:
            piece = [[each] * frames for each in codes]
            took = [_timed(partial(batch.decode, here, piece))[0] for _ in range(repeats)]
            decodes.append((count, frames, statistics.median(took)))
        for one in here:
            batch.leave(one)
    return Times(
        enter_s=statistics.median(entered[_WARM_UP:]),
        prompt_s=max(whole_s - row_s * rows, 0.0),
        row_s=row_s,
        prompt_rows=rows + 1,
        step_s=tuple(steps),
        decode_s=tuple(decodes),
    )


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


if __name__ == "__main__":
    main()
