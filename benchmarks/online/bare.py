"""The other peer: the same engine and the same encoder as a plain function, with no server.

An answer is made on one thread, step after step, and sent nowhere. A server's time minus this is
what the server adds; it can be less than nothing where the server encodes beside the engine.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vivavoce.engine import registry
from vivavoce.factory import build_service
from vivavoce.service.audio_path import AudioPath
from vivavoce.service.order import SpeechOrder
from vivavoce.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vivavoce.engine.base import Engine

_SLICE_S = 0.5  # as the service cuts long chunks; the bytes do not depend on it


@dataclass(frozen=True, slots=True)
class Made:
    """An answer's bytes as they came out, and the seconds until the first and the last."""

    first_byte_s: float
    total_s: float
    parts: list[bytes]


class Bare:
    """A loaded engine, and orders turned into bytes by it. Texts are prepared outside the clock."""

    def __init__(self, engine: str) -> None:
        self._engine: Engine = registry.load(engine)
        self._service = build_service(Settings.model_construct(engine=engine))

    def speak(
        self, text: str, format_name: str, seed: int, instructions: str | None = None
    ) -> Made:
        """Make one answer, as the server would."""
        order = SpeechOrder(text, format=format_name, seed=seed, instructions=instructions)
        plan = self._service.check(order)
        rate_hz = self._engine.info.capabilities.sample_rate_hz
        length = round(_SLICE_S * rate_hz)
        parts: list[bytes] = []
        first_s = 0.0
        began = time.perf_counter()
        path = AudioPath(format_name, rate_hz, plan.sample_rate_hz, 1.0)
        for chunk in self._engine.speak(plan.request):
            for start in range(0, len(chunk.samples), length):
                if data := path.feed(chunk.samples[start : start + length], chunk.segment):
                    first_s = first_s or time.perf_counter() - began
                    parts.append(data)
        parts.append(path.flush())
        total_s = time.perf_counter() - began
        return Made(first_s, total_s, parts)

    def at_once(
        self, text: str, format_name: str, seeds: Sequence[int], concurrency: int
    ) -> tuple[list[Made], float]:
        """Make an answer for each seed on so many threads; return them and the seconds for all."""
        with ThreadPoolExecutor(concurrency) as pool:
            began = time.perf_counter()
            made = list(pool.map(lambda seed: self.speak(text, format_name, seed), seeds))
            return made, time.perf_counter() - began
