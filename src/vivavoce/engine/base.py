"""What every engine promises. See `fake` for the smallest complete one."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Self

from vivavoce.errors import SynthesisFailed
from vivavoce.types import AudioChunk, SpeechReport, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from vivavoce.types import LoadProgress, ModelInfo, Samples, SpeechRequest, VoicePrompt

Options = dict[str, str | int | float | bool | None]
"""What an engine is loaded with, by name; each engine documents its own."""


class SpeechStream(ABC):
    """The audio of one request, chunk by chunk, as it is made.

    One thread iterates. `cancel` may be called from any other, any number of times; iteration then
    ends within one step of the engine, without an error. Chunks come in the order of the segments.
    """

    def __iter__(self) -> Self:
        return self

    @abstractmethod
    def __next__(self) -> AudioChunk:
        """Block until the next chunk is made.

        Raises:
            StopIteration: everything was spoken, or the stream was cancelled.
            SynthesisFailed: the engine cannot speak this; the stream is over.
            OutOfMemory: there is no memory for it now; the stream is over.
            EngineBroken: see `Engine.broken`.
        """

    def push(self, text: str) -> None:
        """Add to the text of a request that is `live`; from any thread, and before iteration too.

        Raises:
            SynthesisFailed: this engine speaks no text that is still being written.
        """
        raise SynthesisFailed("This model speaks only texts that are complete.")

    def finish(self) -> None:
        """Say that no more text will come; until then speech does not end. See `push`."""
        raise SynthesisFailed("This model speaks only texts that are complete.")

    @abstractmethod
    def cancel(self) -> None:
        """Stop making audio nobody wants; frees what the request holds."""

    @property
    @abstractmethod
    def usage(self) -> Usage:
        """The cost so far; final once iteration has ended."""

    @property
    def report(self) -> SpeechReport:
        """How it went so far; final once iteration has ended."""
        return SpeechReport(self.usage)


class Engine(ABC):
    """A loaded model. Its methods are safe to call from several threads at once."""

    info: ModelInfo

    @classmethod
    def prepare(cls) -> None:
        """Import what the engine is made of, and load nothing; may raise ImportError."""
        import_module(cls.__module__)

    @classmethod
    def load(
        cls, options: Mapping[str, object], on_progress: Callable[[LoadProgress], None]
    ) -> Self:
        """Return the engine, loaded; may take long, and tells how far it is.

        Raises:
            EngineUnavailable: something is missing; the message names the remedy.
            OutOfMemory: it does not fit into memory now.
        """
        return cls()

    @abstractmethod
    def speak(self, request: SpeechRequest) -> SpeechStream:
        """Begin to speak. Returns at once; the work is done as the stream is iterated.

        The same request gives the same samples, whoever else is being served; to the last bit, or
        where arithmetic depends on how much is computed together, to its rounding.
        """

    @property
    def steps(self) -> int:
        """Grows with every step of work: a sign of life between one chunk and the next.

        Stays 0 in engines whose chunks follow each other closely.
        """
        return 0

    @property
    def gpu_bytes(self) -> int:
        """How much of a GPU's memory it holds; 0 in engines that use none."""
        return 0

    @property
    def broken(self) -> str | None:
        """Why nothing works any more, and only a new process can help; None while all is well.

        Completes "the process broke down: ...". Whoever waits for the engine meets `EngineBroken`.
        """
        return None

    def listen(self, samples: Samples, transcript: str | None) -> VoicePrompt:
        """Return the voice of a clip, samples [n] at 24 kHz; with its words, in its context too.

        Raises:
            SynthesisFailed: this engine cannot, or not this clip.
            OutOfMemory: there is no memory for it now.
            EngineBroken: see `Engine.broken`.
        """
        raise SynthesisFailed(f"Model {self.info.id} cannot clone voices.")

    @abstractmethod
    def close(self) -> None:
        """Free everything. Nothing may be asked of the engine or its streams afterwards."""


class EngineBroken(Exception):
    """Not for users: what the engine's streams and methods raise once it is `broken`."""


class Cancelled(Exception):
    """Not an error: how the work inside a `GeneratedSpeech` learns that it may stop."""


class GeneratedSpeech(SpeechStream):
    """A stream whose work is a generator, run by the thread that iterates.

    `generate` receives the stream itself: it calls `check()` between steps, which raises
    `Cancelled` when it may stop, and `count(...)` to report usage.
    """

    def __init__(self, generate: Callable[[GeneratedSpeech], Iterator[AudioChunk]]) -> None:
        self._cancelled = threading.Event()
        self._usage = Usage()
        self._chunks = generate(self)

    def __next__(self) -> AudioChunk:
        try:
            self.check()
            return next(self._chunks)
        except Cancelled:
            raise StopIteration from None

    def cancel(self) -> None:
        """See `SpeechStream.cancel`."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise `Cancelled` if the stream was cancelled."""
        if self._cancelled.is_set():
            raise Cancelled

    def wait(self, timeout_s: float) -> None:
        """Wait, but no longer than until the stream is cancelled, which raises `Cancelled`."""
        self._cancelled.wait(timeout_s)
        self.check()

    def count(self, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """Add to the usage."""
        self._usage = Usage(
            self._usage.input_tokens + input_tokens, self._usage.output_tokens + output_tokens
        )

    @property
    def usage(self) -> Usage:
        """See `SpeechStream.usage`."""
        return self._usage
