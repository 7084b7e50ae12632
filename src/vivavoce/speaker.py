"""The server's pipeline inside a program: the same texts, voices and settings, without HTTP.

A `Speaker` has an event loop on a thread of its own, which owns the service; whoever calls hands
it a coroutine and waits. So it serves any number of threads, also those that run an event loop.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import difflib
import os
import threading
import warnings
from collections.abc import AsyncGenerator, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any, Self, TypeVar, Unpack

from vivavoce import log
from vivavoce.errors import InvalidRequest, SettingsError, ShuttingDown, VivavoceError
from vivavoce.factory import build_service
from vivavoce.service.order import SpeechOrder
from vivavoce.service.speech import Speech, SpeechService
from vivavoce.settings import Settings, load_settings
from vivavoce.wishes import Wishes, in_our_words, order_of

_T = TypeVar("_T")


class Speaker:
    """Speaks until it is closed. Its model is loaded by the first text, and unloaded when idle.

    `settings` are the server's by their names in lower case, such as `idle_timeout=0`; those not
    given come from the environment and `.env`. Any number of threads may use it.

    Raises:
        SettingsError: a setting is unknown or impossible.
        EngineUnavailable: the settings name a checkpoint that is not there.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = _load(settings)
        log.leave_to_the_program()
        self._process = os.getpid()
        # Entered again by the same thread where the garbage collector ends a stream meanwhile.
        self._lock = threading.RLock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        started: Future[SpeechService] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(started,), name="vivavoce", daemon=True
        )
        self._thread.start()
        try:
            self._service = started.result()
        except BaseException:
            self._closed = True
            self._thread.join()
            raise
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stream(self, text: str, **wishes: Unpack[Wishes]) -> SpeechStream:
        """Return the speech as it is made. Returns with its first bytes; closing it ends the work.

        Raises:
            InvalidRequest: a wish cannot be fulfilled.
            VivavoceError: it failed otherwise; iterating raises it too, if it fails later.
        """
        return self._stream(text, wishes)

    def speak(self, text: str, **wishes: Unpack[Wishes]) -> bytes:
        """Return the whole speech, with exact sizes where the format has a place for them.

        Raises:
            VivavoceError: as `stream`.
        """
        return self._speak(text, wishes)

    def load(self) -> None:
        """Load the default model now, rather than with the first text.

        Raises:
            EngineUnavailable: it could not be loaded.
        """
        self._call(self._service.models.default.load())

    def close(self) -> None:
        """End it and its model's process; whatever it still speaks fails."""
        if os.getpid() != self._process:
            return  # its thread stayed in the other process
        with self._lock:
            if not self._closed:
                self._closed = True
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        atexit.unregister(self.close)

    def _stream(self, text: str, wishes: Wishes) -> SpeechStream:
        order = order_of(text, wishes, self.settings.max_input_chars, whole=False)
        speech = self._call(self._service.begin(order))
        _tell_ignored(speech)
        return SpeechStream(self, speech)

    def _speak(self, text: str, wishes: Wishes) -> bytes:
        order = order_of(text, wishes, self.settings.max_input_chars, whole=True)
        speech, whole = self._call(self._whole(order))
        _tell_ignored(speech)
        return whole

    async def _whole(self, order: SpeechOrder) -> tuple[Speech, bytes]:
        speech = await self._service.begin(order)
        return speech, await speech.whole()

    def _run(self, started: Future[SpeechService]) -> None:
        """Be the thread. No `asyncio.run`: it starts one more, which Python refuses at its end."""
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._serve(started))
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    async def _serve(self, started: Future[SpeechService]) -> None:
        try:
            service = build_service(self.settings)
            service.start(preload=self.settings.preload)
        except BaseException as exc:
            started.set_exception(exc)
            return
        started.set_result(service)
        await self._stop.wait()
        await service.close()

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Have the thread do it, and wait. Whatever ends the waiting ends the work."""
        future = self._submit(work)
        try:
            return future.result()
        except CancelledError:
            raise ShuttingDown("The speaker was closed while it spoke.") from None
        except InvalidRequest as exc:
            raise in_our_words(exc) from None
        except BaseException:
            future.cancel()
            raise

    def _submit(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        try:
            if os.getpid() != self._process:
                raise VivavoceError(
                    "This process was forked from the one in which the speaker was made, and has "
                    "no part of it. Make a vivavoce.Speaker() in this process, or start it afresh "
                    "(multiprocessing's spawn)."
                )
            with self._lock:  # before the thread is told to stop, or not at all
                if self._closed:
                    raise ShuttingDown("The speaker is closed. Make a new vivavoce.Speaker().")
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        except VivavoceError:
            work.close()
            raise


class SpeechStream(Iterator[bytes]):
    """A speech as it is made: its bytes, piece by piece, and what was decided about it.

    It is ended by its last piece, by `close`, by the end of a `with`, or when nobody has it.
    """

    def __init__(self, speaker: Speaker, speech: Speech) -> None:
        self.model: str = speech.model.id
        self.voice: str = speech.plan.voice
        self.seed: int = speech.made.seed
        self.sample_rate: int = speech.plan.sample_rate_hz
        self.ignored: tuple[str, ...] = speech.plan.ignored
        self._speaker = speaker
        self._speech = speech
        self._parts = speech.parts()
        self._turn = threading.Lock()
        self._reading: asyncio.Task[Any] | None = None
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __next__(self) -> bytes:
        with self._turn:
            if self._ended:
                raise StopIteration
            try:
                part = self._speaker._call(self._read())
            except BaseException:
                if self._ended:  # by another thread
                    raise StopIteration from None
                self._drop()  # Ctrl-C ends only the waiting
                raise
            if part is None:
                self._ended = True
                raise StopIteration
            return part

    def close(self) -> None:
        """End the work, if it goes on. What was not iterated yet will not come."""
        if not self._ended:
            self._ended = True
            with contextlib.suppress(VivavoceError):  # nothing is left of it, or not here
                self._speaker._call(self._leave())

    def __del__(self) -> None:
        if not getattr(self, "_ended", True):
            self._drop()

    def _drop(self) -> None:
        """End the work and do not wait: this may be any thread, the speaker's own included."""
        self._ended = True
        with contextlib.suppress(VivavoceError):
            self._speaker._submit(_end(self._speech, self._parts))

    async def _read(self) -> bytes | None:
        if self._ended:
            return None
        self._reading = asyncio.current_task()
        try:
            return await anext(self._parts, None)
        finally:
            self._reading = None

    async def _leave(self) -> None:
        # Who reads is known for certain only here, on the thread that everything is done by.
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        await _end(self._speech, self._parts)


async def _end(speech: Speech, parts: AsyncGenerator[bytes]) -> None:
    with contextlib.suppress(RuntimeError):  # it is just being cancelled, which ends it as well
        await parts.aclose()
    await speech.close()  # which closing the parts does not, if nobody had asked for the first


def stream(text: str, **wishes: Unpack[Wishes]) -> SpeechStream:
    """Return the speech as it is made, by a speaker that all such calls share.

    Raises:
        VivavoceError: as `Speaker` and `Speaker.stream`.
    """
    return _shared()._stream(text, wishes)


def speak(text: str, **wishes: Unpack[Wishes]) -> bytes:
    """Return the whole speech, by a speaker that all such calls share.

    Raises:
        VivavoceError: as `Speaker` and `Speaker.speak`.
    """
    return _shared()._speak(text, wishes)


_shared_speaker: Speaker | None = None
_sharing = threading.Lock()


def _shared() -> Speaker:
    global _shared_speaker
    with _sharing:
        if _shared_speaker is None:
            _shared_speaker = Speaker()
        return _shared_speaker


def _load(given: dict[str, Any]) -> Settings:
    fields = {str(info.alias).lower(): name for name, info in Settings.model_fields.items()}
    for name in given.keys() - fields.keys():
        close = difflib.get_close_matches(name.lower(), fields, n=1, cutoff=0.6)
        hint = f"Did you mean {close[0]}?" if close else "docs/settings.md lists them all."
        raise SettingsError(f"There is no setting {name}. {hint}")
    return load_settings(**{fields[name]: value for name, value in given.items()})


def _tell_ignored(speech: Speech) -> None:
    for wish in speech.plan.ignored:
        told = f"{speech.model.id} knows no {wish}: they are ignored."
        warnings.warn(told, stacklevel=4)
