"""Speaking faster or slower at the same pitch, while the audio is still being made."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from vivavoce.types import Samples

_BLOCK_S = 0.04
_TAIL_S = 0.4
_NOTHING: Samples = np.zeros(0, np.float32)


class Stretch:
    """Changes tempo by `speed` (0.25 to 4.0) with FFmpeg's `atempo` (WSOLA), pitch kept.

    The filter looks at how its input was cut, and swallows a few milliseconds at the end. So it is
    always given blocks of the same length, whatever it was fed, and silence after the last sample;
    its output is cut to `round(n_in / speed)` samples. Hence streamed and whole are the same
    samples, and the duration is exact.
    """

    def __init__(self, speed: float, sample_rate_hz: int) -> None:
        import av
        from av.filter import Graph

        self._av = av
        self._speed = speed
        self._rate = sample_rate_hz
        self._block = round(_BLOCK_S * sample_rate_hz)
        self._waiting = _NOTHING
        self._n_in = 0
        self._n_out = 0
        self._position = 0
        self._graph = Graph()
        self._source = self._graph.add_abuffer(
            sample_rate=sample_rate_hz,
            format="flt",
            layout="mono",
            time_base=Fraction(1, sample_rate_hz),
        )
        node: Any = self._source
        for factor in _factors(speed):
            tempo = self._graph.add("atempo", f"{factor:.9g}")
            node.link_to(tempo)
            node = tempo
        self._sink = self._graph.add("abuffersink")
        node.link_to(self._sink)
        self._graph.configure()

    def feed(self, samples: Samples) -> Samples:
        """Take samples, shape [n]; return those that are ready, shape [m], m >= 0."""
        self._n_in += len(samples)
        return self._emit(self._run(samples))

    def flush(self) -> Samples:
        """Return the rest. Nothing may be fed afterwards."""
        padding = math.ceil(len(self._waiting) / self._block) * self._block - len(self._waiting)
        tail = np.zeros(padding + round(_TAIL_S * self._rate * max(1.0, self._speed)), np.float32)
        last = np.concatenate((self._run(tail), self._end()))
        missing = round(self._n_in / self._speed) - self._n_out
        return self._emit(np.pad(last, (0, max(0, missing - len(last)))))

    def _emit(self, samples: Samples) -> Samples:
        """Let no more out than the input so far stands for."""
        allowed = samples[: round(self._n_in / self._speed) - self._n_out]
        self._n_out += len(allowed)
        return allowed

    def _run(self, samples: Samples) -> Samples:
        self._waiting = np.concatenate((self._waiting, samples))
        ready: list[Samples] = []
        while len(self._waiting) >= self._block:
            block, self._waiting = self._waiting[: self._block], self._waiting[self._block :]
            frame = self._av.AudioFrame.from_ndarray(block[np.newaxis], format="flt", layout="mono")
            frame.sample_rate = self._rate
            frame.time_base = Fraction(1, self._rate)
            frame.pts = self._position
            self._position += self._block
            self._source.push(frame)
            ready += self._pull()
        return np.concatenate(ready) if ready else _NOTHING

    def _end(self) -> Samples:
        self._source.push(None)
        ready = self._pull()
        return np.concatenate(ready) if ready else _NOTHING

    def _pull(self) -> list[Samples]:
        ready: list[Samples] = []
        while True:
            try:
                frame: Any = self._sink.pull()
            except (self._av.error.BlockingIOError, self._av.error.EOFError):
                return ready
            ready.append(frame.to_ndarray()[0])


def _factors(speed: float) -> list[float]:
    """Split a speed into steps of 0.5 to 2.0: beyond those atempo skips samples."""
    steps = max(1, math.ceil(abs(math.log2(speed)) - 1e-9))
    return [speed ** (1 / steps)] * steps
