"""Servers that were not measured, to see what follows if they were so fast. Nothing is claimed.

The shape is that of a GPU, where reading the weights is most of a frame: many cost little more than
one. The second is what a program of separate kernel launches comes to, the first what one graph per
frame is hoped to.
"""

from __future__ import annotations

from benchmarks.capacity.times import Times


def _gpu(frame_s: float, each_s: float) -> Times:
    """Return times with a frame of one in `frame_s`, and `each_s` for each beside it."""
    return Times(
        enter_s=0.0005,
        prompt_s=0.004,
        row_s=0.00003,
        prompt_rows=64,
        step_s=((1, frame_s), (16, frame_s + 15 * each_s)),
        decode_s=tuple(
            (count, frames, 0.0015 + 0.00015 * count * frames)
            for count in (1, 16)
            for frames in (1, 12)
        ),
        door_s=0.004,
    )


ASSUMED = {
    "a frame in 4 ms": _gpu(0.004, 0.0001),
    "a frame in 20 ms": _gpu(0.020, 0.0003),
}
