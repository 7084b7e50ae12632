"""`python -m benchmarks.kernels`: time each kernel beside plain torch on a card; write JSON.

Without a card, `--toy` computes all of it at toy sizes in Triton's interpreter, in fp32 (it has no
bf16 that one could compare), and times nothing.
See docs/kernels.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_RESULTS = Path(__file__).parents[1] / "results"
_BATCHES = (1, 2, 4, 8, 16, 32)
_REPEATS = 15


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__)
    parser.add_argument("--toy", action="store_true", help="toy sizes, no card, no times")
    parser.add_argument("--dtype", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--batches", type=int, nargs="+", default=list(_BATCHES), metavar="N")
    parser.add_argument("--only", default="", metavar="PREFIX", help="cases whose name starts so")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to write the result")
    given = parser.parse_args()
    if given.toy:
        os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported
        given.dtype = "fp32"

    import torch

    if not given.toy and not torch.cuda.is_available():
        sys.exit("This needs a CUDA card: torch sees none. With --toy it runs without.")
    now = datetime.now(UTC)
    path = given.json or _RESULTS / f"kernels-{now:%Y-%m-%d}.json"
    about = _about(given.toy, given.dtype) | {"taken_at": now.isoformat(timespec="seconds")}
    rows: list[dict[str, Any]] = []
    for row in _measure(given, about):
        rows.append(row)
        print(_line(row), flush=True)
        # So that an early end keeps what there is.
        path.write_text(json.dumps(about | {"cases": rows}, indent=1) + "\n")
    print(f"written to {path}")


def _about(toy: bool, dtype: str) -> dict[str, Any]:
    import torch
    import triton

    from benchmarks.online.machine import facts

    card = None if toy else torch.cuda.get_device_name()
    versions = {"torch": torch.__version__, "triton": triton.__version__}
    return facts() | {"card": card, "dtype": dtype} | versions


def _measure(given: argparse.Namespace, about: dict[str, Any]) -> Iterator[dict[str, Any]]:
    import torch

    from benchmarks.kernels.cases import Tensors, cases
    from benchmarks.kernels.sizes import LARGE, SMALL, TOY
    from benchmarks.kernels.timing import Card

    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[given.dtype]
    torch.backends.cuda.matmul.allow_tf32 = False
    card = None if given.toy else Card(_REPEATS)
    roof = card.read_gb_per_s() if card else None
    about["read_gb_per_s"] = roof and round(roof)
    for model in (TOY,) if given.toy else (SMALL, LARGE):
        for batch in given.batches:
            torch.manual_seed(0)
            for case in cases(model, batch, Tensors("cpu" if given.toy else "cuda", dtype)):
                if case.name.startswith(given.only):
                    told = {"model": model.name, "case": case.name, "batch": batch}
                    yield told | _compare(case, card, roof)


def _compare(case: Any, card: Any, roof: float | None) -> dict[str, Any]:
    from vivavoce.engine.qwen3.ops import kernels, plain

    row = {"calls": case.calls, "bytes": case.moved, "differs": _differs(case, kernels, plain)}
    if card is None:
        return row
    theirs, ours = (card.time_us(lambda ops=ops: case.call(ops)) for ops in (plain, kernels))
    speed = case.moved / 1e3 / ours if ours else None
    return row | {
        "plain_us": round(theirs, 2),
        "kernel_us": round(ours, 2),
        "gb_per_s": speed and round(speed),
        "share_of_read": speed and roof and round(speed / roof, 3),
    }


def _differs(case: Any, kernels: Any, plain: Any) -> float:
    """Return the largest difference from plain torch, in parts of its largest number."""
    ours, theirs = case.call(kernels), case.call(plain)
    pairs = zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]
    return max(
        ((own.double() - other.double()).abs().max() / other.double().abs().max()).item()
        for own, other in pairs
    )


def _line(row: dict[str, Any]) -> str:
    line = f"{row['model']:5} {row['batch']:3} {row['case']:28} differs {row['differs']:.1e}"
    if "kernel_us" in row:
        line += f"  plain {row['plain_us']:8.1f} us  kernel {row['kernel_us']:8.1f} us"
        line += f"  {row['gb_per_s']} GB/s"
    return line


if __name__ == "__main__":
    main()
