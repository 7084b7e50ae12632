"""What was expected of every ratio, and why: written from reading both sides, before any was taken.

Those of `.decode` were written anew when the codec came to multiply tap by tap, before that was
measured beside the official package. Printed beside the result. A prediction that missed stays as
it is: the miss is what is learnt. They are for a CPU of two cores that streams some 20 GB/s and has
no matrix unit for bf16.
"""

from __future__ import annotations

from typing import NamedTuple


class Prediction(NamedTuple):
    """vivavoce over the official package, below 1 is less; and the reason for it."""

    ratio: float
    reason: str


_WEIGHTS = "6.6 GB of weights a frame are the same 0.35 s for both; "
_HALF = "3.3 GB of weights a frame, at half the speed that fp32 has; "
_CONVOLUTIONS = "a product of matrices for each tap instead of convolutions; "
_PEAK = "the pages of a mapped file count here; they are dropped once they are converted"

PREDICTIONS: dict[str, Prediction] = {
    "fp32.load.time": Prediction(0.5, "no init, no second model class, encoder left on disk"),
    "fp32.load.peak": Prediction(0.78, "3.6 + 0.5 + 0.2 GB here; there 1.2 GB of mapped pages too"),
    "fp32.load.anon": Prediction(0.88, "0.2 GB of encoder and 0.3 GB of libraries are not there"),
    "bf16.load.time": Prediction(0.5, "as fp32"),
    "bf16.load.peak": Prediction(0.8, "1.8 + 0.3 + 0.2 GB here; there encoder and libraries too"),
    "bf16.load.anon": Prediction(0.85, "the same without what is mapped"),
    "server.load.time": Prediction(0.5, "as bf16; the codec is not converted"),
    "server.load.peak": Prediction(0.88, "as bf16, and 0.23 GB for the codec in fp32"),
    "server.load.anon": Prediction(0.95, "as bf16, and 0.23 GB for the codec in fp32"),
    "fp32.b1.greedy.generate": Prediction(
        0.85, _WEIGHTS + "103 layers cost 1.0 ms of small steps here, 1.3 there, and 16 generate()s"
    ),
    "fp32.b1.sampled.generate": Prediction(0.86, "as greedy; noise by counter costs 1 ms a frame"),
    "fp32.b4.greedy.generate": Prediction(0.9, _WEIGHTS + "the small steps weigh less beside it"),
    "fp32.b4.sampled.generate": Prediction(0.91, "as greedy; noise by counter costs 3 ms a frame"),
    "bf16.b1.greedy.generate": Prediction(0.85, _HALF + "the small steps as in fp32"),
    "bf16.b1.sampled.generate": Prediction(0.86, "as greedy; noise by counter costs 1 ms a frame"),
    "bf16.b4.sampled.generate": Prediction(0.94, "as greedy; noise by counter costs 3 ms a frame"),
    "fp32.b1.sampled.1thread.generate": Prediction(0.92, "0.6 s for weights, nothing to wait for"),
    "server.b1.sampled.generate": Prediction(0.86, "as bf16: the codec is not in it"),
    "fp32.b1.greedy.decode": Prediction(
        0.85, _CONVOLUTIONS + "codebooks are divided once, at load"
    ),
    "fp32.b1.sampled.decode": Prediction(0.85, "as greedy: only the codes differ"),
    "fp32.b4.greedy.decode": Prediction(0.85, _CONVOLUTIONS + "the codebooks weigh less"),
    "fp32.b4.sampled.decode": Prediction(0.85, "as greedy: only the codes differ"),
    "bf16.b1.greedy.decode": Prediction(0.3, _CONVOLUTIONS + "they take longer in bf16"),
    "bf16.b1.sampled.decode": Prediction(0.3, "as greedy: only the codes differ"),
    "bf16.b4.sampled.decode": Prediction(0.3, "as greedy: only the codes differ"),
    "fp32.b1.sampled.1thread.decode": Prediction(0.85, _CONVOLUTIONS + "on one core"),
    "server.b1.sampled.decode": Prediction(
        0.02, "fp32 convolutions take a third of bf16's time; chunks of 1 and 2 frames lose some"
    ),
    "fp32.b1.greedy.both": Prediction(0.87, "0.45 s of 0.85 and 0.06 s of 0.97"),
    "fp32.b1.sampled.both": Prediction(0.88, "as greedy"),
    "fp32.b4.greedy.both": Prediction(0.93, "0.55 s of 0.9 and 0.24 s of 0.98"),
    "fp32.b4.sampled.both": Prediction(0.93, "as greedy"),
    "bf16.b1.greedy.both": Prediction(0.89, "0.45 s of 0.85 and 0.2 s of 0.98"),
    "bf16.b1.sampled.both": Prediction(0.9, "as greedy"),
    "bf16.b4.sampled.both": Prediction(0.96, "as greedy"),
    "fp32.b1.sampled.1thread.both": Prediction(0.93, "0.95 s of 0.92 and 0.12 s of 0.98"),
    "server.b1.sampled.both": Prediction(0.78, "0.45 s of 0.86 and 0.2 s of 0.6"),
    "fp32.b1.greedy.cpu": Prediction(0.87, "two threads all the time: as the time"),
    "fp32.b1.sampled.cpu": Prediction(0.88, "as the time"),
    "fp32.b4.greedy.cpu": Prediction(0.93, "as the time"),
    "fp32.b4.sampled.cpu": Prediction(0.93, "as the time"),
    "bf16.b1.greedy.cpu": Prediction(0.89, "as the time"),
    "bf16.b1.sampled.cpu": Prediction(0.9, "as the time"),
    "bf16.b4.sampled.cpu": Prediction(0.96, "as the time"),
    "fp32.b1.sampled.1thread.cpu": Prediction(0.93, "as the time"),
    "server.b1.sampled.cpu": Prediction(0.78, "as the time"),
    "fp32.b1.greedy.peak": Prediction(0.8, _PEAK),
    "fp32.b1.sampled.peak": Prediction(0.8, _PEAK),
    "fp32.b4.greedy.peak": Prediction(0.82, "as alone; decoding four at once takes 0.3 GB of each"),
    "fp32.b4.sampled.peak": Prediction(0.82, "as greedy"),
    "bf16.b1.greedy.peak": Prediction(0.8, "as after loading; decoding takes 0.1 GB"),
    "bf16.b1.sampled.peak": Prediction(0.8, "as greedy"),
    "bf16.b4.sampled.peak": Prediction(0.82, "as greedy"),
    "fp32.b1.sampled.1thread.peak": Prediction(0.8, _PEAK),
    "server.b1.sampled.peak": Prediction(0.88, "as after loading"),
    "fp32.b1.greedy.anon": Prediction(0.88, "as after loading"),
    "fp32.b1.sampled.anon": Prediction(0.88, "as after loading"),
    "fp32.b4.greedy.anon": Prediction(0.89, "as after loading"),
    "fp32.b4.sampled.anon": Prediction(0.89, "as after loading"),
    "bf16.b1.greedy.anon": Prediction(0.85, "as after loading"),
    "bf16.b1.sampled.anon": Prediction(0.85, "as after loading"),
    "bf16.b4.sampled.anon": Prediction(0.87, "as after loading"),
    "fp32.b1.sampled.1thread.anon": Prediction(0.88, "as after loading"),
    "server.b1.sampled.anon": Prediction(0.93, "as after loading"),
    "int8.load.time": Prediction(0.8, "0.55 GB of weights rounded, 2 s; no fp32 copies written"),
    "int8.load.peak": Prediction(0.27, "weights twice for a moment, 1.1 GB; tables stay on disk"),
    "int8.load.anon": Prediction(0.3, "0.6 GB of weights, 0.2 of codec, 0.2 of libraries"),
    "int4.load.time": Prediction(0.8, "as int8"),
    "int4.load.peak": Prediction(0.27, "as int8: the talker's weights are the same"),
    "int4.load.anon": Prediction(0.28, "as int8, less 0.04 GB"),
    "int8.b1.sampled.generate": Prediction(
        0.18, "1.7 GB of weights a frame at 20 GB/s, 85 ms; 15 for choosing and small steps"
    ),
    "int8.b4.sampled.generate": Prediction(
        0.22, "rows are multiplied one after the other: it is no longer a matter of reading"
    ),
    "int4.b1.sampled.generate": Prediction(0.14, "1.1 GB a frame, 60 ms; 15 as int8"),
    "int4.b4.sampled.generate": Prediction(0.18, "as int8, with less in the predictor"),
    "int8.b1.sampled.decode": Prediction(0.7, "as the server in fp32"),
    "int8.b1.sampled.both": Prediction(0.24, "110 ms of 610 and 55 of 80"),
    "int8.b1.sampled.cpu": Prediction(0.24, "as the time: waiting threads sleep"),
    "int8.b1.sampled.peak": Prediction(0.35, "as after loading; decoding takes 0.2 GB"),
    "int8.b1.sampled.anon": Prediction(0.32, "as after loading"),
    "int8.b4.sampled.decode": Prediction(0.8, "as the server in fp32"),
    "int8.b4.sampled.both": Prediction(0.36, "270 ms of 1220 and 310 of 390"),
    "int8.b4.sampled.cpu": Prediction(0.36, "as the time: waiting threads sleep"),
    "int8.b4.sampled.peak": Prediction(0.4, "as after loading; decoding takes 0.3 GB"),
    "int8.b4.sampled.anon": Prediction(0.35, "as after loading"),
    "int4.b1.sampled.decode": Prediction(0.7, "as the server in fp32"),
    "int4.b1.sampled.both": Prediction(0.21, "90 ms of 610 and 55 of 80"),
    "int4.b1.sampled.cpu": Prediction(0.21, "as the time: waiting threads sleep"),
    "int4.b1.sampled.peak": Prediction(0.35, "as after loading; decoding takes 0.2 GB"),
    "int4.b1.sampled.anon": Prediction(0.32, "as after loading"),
    "int4.b4.sampled.decode": Prediction(0.8, "as the server in fp32"),
    "int4.b4.sampled.both": Prediction(0.33, "220 ms of 1220 and 310 of 390"),
    "int4.b4.sampled.cpu": Prediction(0.33, "as the time: waiting threads sleep"),
    "int4.b4.sampled.peak": Prediction(0.4, "as after loading; decoding takes 0.3 GB"),
    "int4.b4.sampled.anon": Prediction(0.35, "as after loading"),
}
