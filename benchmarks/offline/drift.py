"""`python -m benchmarks.offline.drift`: what fewer bits change, how fast they are and how big.

Each kind of weights has a process of its own. The one with whole weights, in torch, speaks; the
others are led along its codes, and their logits compared with its. Random weights have nearly flat
logits, so that the likeliest code changes sooner than with trained ones.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import torch

from benchmarks.offline import checkpoint
from benchmarks.offline.child import peak_mib
from benchmarks.offline.plan import LANGUAGE, SPEAKER, TEXT
from benchmarks.online.machine import facts
from vivavoce.engine.qwen3 import generation
from vivavoce.engine.qwen3.device import place
from vivavoce.engine.qwen3.generation import Controls, Generation
from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.engine.qwen3.pages import pages_for
from vivavoce.engine.qwen3.prompt import PromptText
from vivavoce.engine.qwen3.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("none", "int8", "int4")
BATCHES = (1, 2, 4, 8)
_TIMED_FRAMES, _WARM_FRAMES = 16, 3
_CPU = torch.device("cpu")
_DRAWN = Controls(seed=5)
_GREEDY = Controls(talker=Sampling(do_sample=False), predictor=Sampling(do_sample=False))


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.offline.drift", description=__doc__)
    parser.add_argument("--frames", type=int, default=50, help="so many are compared")
    folder = Path(tempfile.gettempdir(), "vivavoce-offline")
    parser.add_argument("--folder", type=Path, default=folder, help="keeps a checkpoint of 2.5 GB")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to write the result")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    model = checkpoint.make(given.folder)
    if given.child:
        print(json.dumps(_measure(model, *given.child, given.frames)))
        return
    now = datetime.now(UTC).isoformat(timespec="seconds")
    result: dict[str, Any] = {"taken_at": now, **facts(), "frames": given.frames}
    del result["packages"]
    with tempfile.TemporaryDirectory() as made:
        for kind in KINDS:
            command = [sys.executable, "-m", "benchmarks.offline.drift", "--child", kind, made]
            command += ["--frames", str(given.frames), "--folder", str(given.folder)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            told = json.loads(done.stdout.splitlines()[-1])
            result[kind] = told | (_compare(Path(made), kind) if kind != "none" else {})
            print(kind, json.dumps(result[kind], indent=1), flush=True)
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


def _measure(folder: Path, quantize: str, made: str, frames: int) -> dict[str, Any]:
    """Write codes and logits to the folder `made`; return times and sizes."""
    began = time.perf_counter()
    bits = place("cpu", "auto", quantize).weight_bits
    model = Qwen3TTS.load(folder, _CPU, torch.float32, weight_bits=bits)
    told: dict[str, Any] = {"load_s": round(time.perf_counter() - began, 2)}
    told["load_peak_mib"] = peak_mib(_CPU)
    for batch in BATCHES:
        step = _stepper(
            model, [Controls(seed) for seed in range(batch)], _WARM_FRAMES + _TIMED_FRAMES
        )
        taken = []
        for _ in range(_WARM_FRAMES + _TIMED_FRAMES):
            began = time.perf_counter()
            step()
            taken.append(1000 * (time.perf_counter() - began))
        middle = median(taken[_WARM_FRAMES:])
        told[f"b{batch}"] = {
            "frame_ms": round(middle, 1),
            "best_frame_ms": round(min(taken), 1),
            "frames_per_s": round(1000 * batch / middle, 2),
        }
    told["peak_mib"] = peak_mib(_CPU)
    drawn = Path(made, "drawn.npy")
    if not drawn.exists():
        step = _stepper(model, [_DRAWN], frames)
        np.save(drawn, torch.cat([step() for _ in range(frames)]).numpy())
    first, rest = _follow(model, torch.from_numpy(np.load(drawn)))
    step = _stepper(model, [_GREEDY], frames)
    greedy = torch.cat([step() for _ in range(frames)])
    np.savez(Path(made, quantize), first=first, rest=rest, greedy=greedy.numpy())
    return told


def _stepper(model: Qwen3TTS, controls: list[Controls], frames: int) -> Callable[[], torch.Tensor]:
    """Return what makes the next frame of as many sequences as there are controls."""
    prompt = model.prompts.build(PromptText(TEXT, LANGUAGE, SPEAKER))
    pages = len(controls) * pages_for(len(prompt.rows) + frames)
    steps = Generation(model.talker, model.prompts.pad_row(), len(controls), pages)
    sequences = steps.join([prompt] * len(controls), controls, frames)
    return lambda: steps.step(sequences)


def _follow(model: Qwen3TTS, codes: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits of the first book [frames, V] and of the others [frames * 15, V].

    Every draw gives the next of codes [frames, 16].
    """
    seen: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    heads = ([model.talker.codec_head], list(model.talker.code_predictor.lm_head))
    hooks = [
        head.register_forward_hook(lambda _m, _x, y, logits=logits: logits.append(y[0]))
        for logits, modules in zip(seen, heads, strict=True)
        for head in modules
    ]
    with mock.patch.object(generation, "draw", side_effect=codes.flatten()[:, None].unbind()):
        step = _stepper(model, [_DRAWN], len(codes))
        for _ in codes:
            step()
    for hook in hooks:
        hook.remove()
    first, rest = (torch.stack(logits).numpy() for logits in seen)
    return first, rest


def _compare(made: Path, kind: str) -> dict[str, Any]:
    """Return how far a kind's logits and greedy codes are from those of whole weights."""
    with np.load(made / "none.npz") as whole, np.load(made / f"{kind}.npz") as file:
        same = whole["greedy"] == file["greedy"]
        books = {name: _distance(file[name], whole[name]) for name in ("first", "rest")}
    before = same.all(axis=1).argmin() if not same.all() else len(same)
    return {**books, "greedy_same": float(same.mean()), "greedy_frames_before": int(before)}


def _distance(logits: np.ndarray, whole: np.ndarray) -> dict[str, float]:
    """Return the relative error, how often the likeliest code is the same, the mean divergence."""
    found, expected = (x - np.logaddexp.reduce(x, axis=-1, keepdims=True) for x in (logits, whole))
    divergence = (np.exp(expected) * (expected - found)).sum(axis=-1).mean()
    return {
        "error": round(float(np.linalg.norm(logits - whole) / np.linalg.norm(whole)), 5),
        "same_top": round(float((logits.argmax(-1) == whole.argmax(-1)).mean()), 4),
        "kl_nats": float(f"{divergence:.3g}"),
    }


if __name__ == "__main__":
    main()
