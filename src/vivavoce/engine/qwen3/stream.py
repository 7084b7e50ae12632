"""One request between the thread that makes its audio and the one that iterates it."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from vivavoce.engine.base import SpeechStream
from vivavoce.engine.qwen3.live import LiveText
from vivavoce.types import AudioChunk, SpeechReport, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from vivavoce.types import SpeechRequest


class QwenStream(SpeechStream):
    """A request's chunks. Work begins when somebody asks for the first.

    `submit` hands the stream to the runner; `wake` tells it that something has changed.
    """

    def __init__(
        self,
        request: SpeechRequest,
        submit: Callable[[QwenStream], None],
        wake: Callable[[], None],
    ) -> None:
        self.request = request
        self.text = LiveText(wake) if request.live else None
        self.cancelled = threading.Event()
        self._submit = submit
        self._wake = wake
        self._begun = False
        self._over = False
        self._events: queue.SimpleQueue[tuple[AudioChunk, SpeechReport] | SpeechReport | Exception]
        self._events = queue.SimpleQueue()
        self._report = SpeechReport()
        self._lock = threading.Lock()
        self._unread_samples = 0

    def __next__(self) -> AudioChunk:
        if not self._begun and not self.cancelled.is_set():
            self._begun = True
            self._submit(self)
        if self._over or self.cancelled.is_set():
            raise StopIteration
        event = self._events.get()
        if self.cancelled.is_set():
            self._over = True
            raise StopIteration
        if isinstance(event, tuple):
            chunk, self._report = event
            with self._lock:
                self._unread_samples -= len(chunk.samples)
            self._wake()
            return chunk
        self._over = True
        if isinstance(event, Exception):
            raise event
        self._report = event
        raise StopIteration

    def push(self, text: str) -> None:
        """See `SpeechStream.push`."""
        if self.text is None:
            super().push(text)
        else:
            self.text.push(text)

    def finish(self) -> None:
        """See `SpeechStream.finish`."""
        if self.text is None:
            super().finish()
        else:
            self.text.finish()

    def cancel(self) -> None:
        """See `SpeechStream.cancel`."""
        self.cancelled.set()
        self._events.put(self._report)
        self._wake()

    @property
    def usage(self) -> Usage:
        """See `SpeechStream.usage`: rows of the prompts in, frames out."""
        return self._report.usage

    @property
    def report(self) -> SpeechReport:
        """See `SpeechStream.report`."""
        return self._report

    @property
    def unread_samples(self) -> int:
        """How much is made that nobody has taken yet."""
        with self._lock:
            return self._unread_samples

    def put(self, chunk: AudioChunk, report: SpeechReport) -> None:
        """Hand over a chunk, and how it went up to it."""
        with self._lock:
            self._unread_samples += len(chunk.samples)
        self._events.put((chunk, report))

    def end(self, report: SpeechReport) -> None:
        """Say that all was spoken."""
        self._events.put(report)

    def fail(self, error: Exception) -> None:
        """Say that no more will come, and why."""
        self._events.put(error)
