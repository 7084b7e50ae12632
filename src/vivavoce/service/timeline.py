"""When each segment of an answer is heard, and each word, worked out while it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vivavoce.audio.join import SPREAD_S
from vivavoce.service.word_times import end_at_pauses, guess_words
from vivavoce.text.words import words_of
from vivavoce.types import TimedSegment, TimedWord, Timestamps

if TYPE_CHECKING:
    from vivavoce.types import AudioChunk, Samples, SpeechRequest


class Timeline:
    """Counts an engine's samples; `ended` has the segments that are complete.

    A segment begins with its first sample and ends before its pause. Both are exact: what the way
    to the listener does to time, a tempo and a beginning that is cut off, is the same all along.
    """

    def __init__(
        self, request: SpeechRequest, wanted: Timestamps, rate_hz: int, speed: float
    ) -> None:
        self.ended: list[TimedSegment] = []
        self._segments = request.segments
        self._words = wanted is Timestamps.WORD
        self._rate_hz = rate_hz
        self._speed = speed
        self._segment: int | None = None
        self._start = self._heard = self._zeros = 0
        self._spans: tuple[tuple[int, int], ...] = ()
        self._samples: list[Samples] = []

    def wait(self, samples: int) -> None:
        """Take silence before the first segment."""
        self._heard += samples

    def hear(self, chunk: AudioChunk, cut_samples: int) -> None:
        """Take the next chunk; `cut_samples` were cut off the answer's beginning so far."""
        if chunk.segment != self._segment:
            self._end_segment(cut_samples)
            self._segment, self._start, self._zeros = chunk.segment, self._heard, 0
            self._spans, self._samples = chunk.words, []
        sounding = np.flatnonzero(chunk.samples)
        if len(sounding):
            self._zeros = len(chunk.samples) - 1 - int(sounding[-1])
        else:
            self._zeros += len(chunk.samples)
        self._heard += len(chunk.samples)
        if self._words:
            self._samples.append(chunk.samples)

    def end(self, cut_samples: int, duration_s: float) -> None:
        """Complete the last segment; the answer lasts `duration_s`, however that came about."""
        self._end_segment(cut_samples, duration_s)

    def _end_segment(self, cut_samples: int, limit_s: float = float("inf")) -> None:
        if self._segment is None:
            return
        segment = self._segments[self._segment]
        pause = round(segment.pause_s * self._rate_hz)
        if self._zeros < pause - round(SPREAD_S * self._rate_hz):
            pause = self._zeros  # the engine was stopped before it came to the pause
        length = self._heard - self._start - pause

        def at(sample: int) -> float:
            offset = self._start - cut_samples + min(sample, length)
            return min(limit_s, round(max(0, offset) / self._rate_hz / self._speed, 6))

        words = self._timed_words(segment.text, length)
        self.ended.append(
            TimedSegment(
                segment.text,
                at(0),
                at(length),
                tuple(TimedWord(text, at(start), at(end)) for text, (start, end) in words),
            )
        )

    def _timed_words(self, text: str, length: int) -> list[tuple[str, tuple[int, int]]]:
        if not self._words:
            return []
        words, samples = words_of(text), np.concatenate(self._samples)[:length]
        if len(self._spans) == len(words):
            spans = end_at_pauses(self._spans, samples, self._rate_hz)
        else:
            spans = guess_words(words, samples, self._rate_hz)
        return list(zip(words, spans, strict=True))
