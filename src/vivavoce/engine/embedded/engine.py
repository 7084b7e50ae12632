"""hibari-tts behind the engine protocol: one sentence at a time, levelled, evenly spaced."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np

from vivavoce.engine.base import Engine, GeneratedSpeech
from vivavoce.engine.embedded.catalog import SAMPLE_RATE_HZ, describe
from vivavoce.engine.embedded.network import (
    FRAME_SAMPLES,
    WordSpans,
    load_hibari,
    speak,
    word_spans,
)
from vivavoce.engine.embedded.turns import Turns
from vivavoce.errors import EngineUnavailable, SynthesisFailed
from vivavoce.types import AudioChunk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vivavoce.types import Samples, Segment, SpeechRequest

_GAIN = 2.0  # the voice peaks at 0.44: 6 dB quieter than other speech
_PEAK = 0.98
_MAX_PHONEMES = 400  # of what the network speaks well in one go
_AUDIBLE = 0.004  # -48 dBFS after gain: below the quietest consonant
_LEAD_S = 0.03
_TAIL_S = 0.08


class EmbeddedEngine(Engine):
    """Usage: phonemes in, frames of 12.5 ms out.

    Computes on one thread per core at most: the network gains nothing from more within a sentence.
    """

    @classmethod
    def prepare(cls) -> None:
        """See `Engine.prepare`."""
        # Wheels of onnxruntime from 1.29 on write a device id and report home unless this is set
        # before their import.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import hibari

        assert hibari

    def __init__(self) -> None:
        try:
            self.prepare()
            self._hibari = load_hibari()
        except ImportError as exc:
            raise EngineUnavailable(
                f"The embedded voice needs hibari-tts and onnxruntime, but {exc}. "
                "Install them with: pip install hibari-tts onnxruntime"
            ) from exc
        self.info = describe()
        self._turns = Turns(os.cpu_count() or 1)
        # The first sentence through the network is slow (lazily loaded tables): not the user's.
        speak(self._hibari, self._hibari.ids(self._hibari.g2p("Ready.")), np.random.default_rng(0))

    def speak(self, request: SpeechRequest) -> GeneratedSpeech:
        """See `Engine.speak`."""
        return GeneratedSpeech(lambda stream: self._generate(request, stream))

    def close(self) -> None:
        """Nothing outlives the process."""

    def _generate(self, request: SpeechRequest, stream: GeneratedSpeech) -> Iterator[AudioChunk]:
        heard_by = time.monotonic()
        for index, segment in enumerate(request.segments):
            with self._turns.take(heard_by):
                stream.check()
                samples, words = self._speak(segment, request.seed + index, stream)
            heard_by += len(samples) / SAMPLE_RATE_HZ
            yield AudioChunk(samples, index, words if request.word_times else ())

    def _speak(
        self, segment: Segment, seed: int, stream: GeneratedSpeech
    ) -> tuple[Samples, WordSpans]:
        parts = []
        words: WordSpans = ()
        pieces = self._phonemes(segment.text)
        for phonemes in pieces:
            stream.check()
            ids = self._hibari.ids(phonemes)
            wave, ends = speak(self._hibari, ids, np.random.default_rng(seed))
            stream.count(input_tokens=len(ids), output_tokens=len(wave) // FRAME_SAMPLES)
            parts.append(wave)
            if len(pieces) == 1 and len(ends) == len(ids) == len(phonemes) + 2:
                words = word_spans(phonemes, [0, *ends.tolist()])
        wave = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        peak = float(np.abs(wave).max(initial=0.0))
        spoken, cut = _trim(wave * np.float32(min(_GAIN, _PEAK / max(peak, 1e-9))))
        if not len(spoken):
            raise SynthesisFailed(
                f"The embedded voice made no sound for {segment.text[:80]!r}. "
                "Reword it, or leave it out."
            )
        pause = np.zeros(round(segment.pause_s * SAMPLE_RATE_HZ), np.float32)
        inside = tuple(
            (min(max(0, start - cut), len(spoken)), min(max(0, end - cut), len(spoken)))
            for start, end in words
        )
        return np.concatenate((spoken, pause)), inside

    def _phonemes(self, text: str) -> list[str]:
        """Return what is spoken in one go.

        A segment is a sentence already. `phonemize` would end it again after "U.S." or "Inc.", with
        0.75 s of silence; it is for what is too long for the network.
        """
        whole: str = self._hibari.g2p(text)
        return [whole] if len(whole) <= _MAX_PHONEMES else self._hibari.phonemize(text)


def _trim(samples: Samples) -> tuple[Samples, int]:
    """Cut the near-silence around a sentence (0.3 s before, 0.45 s after) to a short margin.

    Pauses are then the segment's own, and the first sound is heard a quarter of a second sooner.
    Returned with it is how many samples went from its beginning.
    """
    audible = np.flatnonzero(np.abs(samples) > _AUDIBLE)
    if not len(audible):
        return samples[:0], 0
    start = max(0, int(audible[0]) - round(_LEAD_S * SAMPLE_RATE_HZ))
    end = min(len(samples), int(audible[-1]) + round(_TAIL_S * SAMPLE_RATE_HZ))
    trimmed = samples[start:end].copy()
    fade = min(len(trimmed), round(0.005 * SAMPLE_RATE_HZ))
    ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
    trimmed[:fade] *= ramp
    trimmed[len(trimmed) - fade :] *= ramp[::-1]
    return trimmed, start
