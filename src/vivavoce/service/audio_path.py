"""The one path from an engine's samples to an answer's bytes, for streams and wholes alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from vivavoce.audio.encode import open_encoder
from vivavoce.audio.gain import Gain
from vivavoce.audio.join import Join
from vivavoce.audio.level import Level
from vivavoce.audio.resample import Resample
from vivavoce.audio.stretch import Stretch
from vivavoce.audio.trim import Trim
from vivavoce.errors import SynthesisFailed

if TYPE_CHECKING:
    from vivavoce.types import Samples

SILENCE = 1e-4
"""-80 dBFS: no engine that says anything stays below it."""


class _Stage(Protocol):
    def feed(self, samples: Samples) -> Samples: ...
    def flush(self) -> Samples: ...


class AudioPath:
    """Join, trim, gain, stretch, resample, level, encode, each only where needed.

    Not thread-safe; one per answer.

    Nothing comes out before something audible went in, so that a silent answer can still fail
    with a proper status.
    """

    def __init__(
        self,
        format_name: str,
        engine_rate_hz: int,
        rate_hz: int,
        speed: float,
        *,
        trim: bool = False,
        gain_db: float = 0.0,
    ) -> None:
        self._join = Join(engine_rate_hz)
        self._trim = Trim(engine_rate_hz) if trim else None
        self._stages: list[_Stage] = [] if self._trim is None else [self._trim]
        if gain_db:
            self._stages.append(Gain(gain_db))
        if speed != 1.0:
            self._stages.append(Stretch(speed, engine_rate_hz))
        if rate_hz != engine_rate_hz:
            self._stages.append(Resample(engine_rate_hz, rate_hz))
        self._encoder = open_encoder(format_name, rate_hz)
        self._writes_integers = format_name in ("pcm", "wav")
        self._rate_hz = rate_hz
        self._held: list[bytes] = []
        self._audible = False
        self._samples_out = 0

    def level(self, gain_db: float) -> None:
        """Make it louder by so much, without clipping. To be called before anything is fed."""
        # Last, because resampling moves peaks.
        self._stages.append(Level(gain_db, self._rate_hz))

    @property
    def quick(self) -> bool:
        """Whether it is cheaper to do at once than to hand to a thread."""
        return not self._stages and self._writes_integers

    @property
    def cut_samples(self) -> int:
        """How many of the engine's samples were cut from the beginning."""
        return 0 if self._trim is None else self._trim.cut

    @property
    def duration_s(self) -> float:
        """Seconds of audio encoded so far."""
        return self._samples_out / self._rate_hz

    def feed(self, samples: Samples, segment: int) -> bytes:
        """Take samples of the engine, shape [n], of a segment; return the bytes that are ready.

        Raises:
            SynthesisFailed: a sample is not a number.
        """
        peak = float(np.abs(samples).max(initial=0.0))
        if not np.isfinite(peak):
            raise SynthesisFailed("The engine made samples that are not numbers.")
        self._audible = self._audible or peak > SILENCE
        samples = self._join.feed(samples, segment)
        for stage in self._stages:
            samples = stage.feed(samples)
        return self._release(self._encode(samples))

    def flush(self) -> bytes:
        """Return the rest.

        Raises:
            SynthesisFailed: all of it was silence.
        """
        rest = []
        for index, stage in enumerate(self._stages):
            samples = stage.flush()
            for later in self._stages[index + 1 :]:
                samples = later.feed(samples)
            rest.append(self._encode(samples))
        if not self._audible or not self._samples_out:  # all may have been trimmed
            raise SynthesisFailed(
                "The engine made no sound for this text. Reword it, or try another voice."
            )
        return self._release(b"".join(rest) + self._encoder.flush())

    def seal(self, head: bytearray, total_bytes: int) -> None:
        """Put exact sizes into the first bytes of a finished whole answer."""
        self._encoder.seal(head, total_bytes)

    def _encode(self, samples: Samples) -> bytes:
        self._samples_out += len(samples)
        return self._encoder.feed(samples) if len(samples) else b""

    def _release(self, data: bytes) -> bytes:
        self._held.append(data)
        if not self._audible:
            return b""
        released = b"".join(self._held)
        self._held.clear()
        return released
