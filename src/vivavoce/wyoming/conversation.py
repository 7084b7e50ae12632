"""One Wyoming client's connection: events in, speech out as it is made."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import structlog

from vivavoce.audio.formats import PCM_SAMPLE_RATE_HZ
from vivavoce.errors import InvalidRequest, VivavoceError
from vivavoce.service.order import SpeechOrder
from vivavoce.text.segment import PARAGRAPH_PAUSE_S, SENTENCE_PAUSE_S
from vivavoce.wyoming.info import describe
from vivavoce.wyoming.protocol import Event, Silent, WyomingLimits, read_event, write_event
from vivavoce.wyoming.utterance import Utterance

if TYPE_CHECKING:
    from vivavoce.service.speech import SpeechService

log = structlog.get_logger("vivavoce.wyoming")

_MAX_WAITING = 16
"""Texts that one connection may have waiting; each is bounded itself."""
_LINGER_S = 2.0
_BYTES_PER_SAMPLE = 2
_AUDIO = {"rate": PCM_SAMPLE_RATE_HZ, "width": _BYTES_PER_SAMPLE, "channels": 1}


class Conversation:
    """Answers one client: what it asks for is spoken in turn, until it leaves."""

    def __init__(
        self,
        service: SpeechService,
        limits: WyomingLimits,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._service = service
        self._limits = limits
        self._reader = reader
        self._writer = writer
        self._wanted: asyncio.Queue[Utterance] = asyncio.Queue()
        self._open: Utterance | None = None
        self._unspoken = 0
        self._last = False

    @property
    def busy(self) -> bool:
        """Whether an answer is owed."""
        return self._unspoken > 0

    def end_soon(self) -> None:
        """End once what was asked for is spoken."""
        self._last = True

    async def run(self) -> None:
        """Serve until the client leaves, or something fails: then an `error` event is the last."""
        try:
            await self._serve()
        except VivavoceError as exc:
            log.info("answer refused or cut", code=exc.code, reason=exc.message)
            await self._refuse(exc)
        except ConnectionError:
            pass  # it has left
        except TimeoutError:
            log.warning("answer cut", code="slow_reader", reason="The client took nothing of it.")
            self._writer.transport.abort()
        finally:
            self._writer.close()

    async def _serve(self) -> None:
        """Read and speak side by side; the end of either is the other's as well."""
        tasks = [
            asyncio.create_task(self._read()),
            asyncio.create_task(self._speak_in_turn()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _read(self) -> None:
        """Take events until the client leaves."""
        while (event := await self._next()) is not None:
            match event.type:
                case "describe":
                    await self._send("info", describe(self._service.models.default.info))
                case "ping":
                    await self._send("pong", event.data)
                case "synthesize" if self._open is None:  # else it repeats what came in pieces
                    self._want(event.data, streamed=False)
                case "synthesize-start":
                    self._end_open()
                    self._open = self._want(event.data, streamed=True)
                case "synthesize-chunk" if self._open is not None:
                    self._open.add(event.data)
                case "synthesize-stop":
                    self._end_open()

    async def _next(self) -> Event | None:
        """Return the next event; None when the client has left, or owes us one for too long."""
        while True:
            try:
                return await read_event(self._reader, self._limits)
            except Silent:
                if not self.busy or self._open is not None:
                    return None

    def _want(self, data: dict[str, Any], *, streamed: bool) -> Utterance:
        if self._unspoken >= _MAX_WAITING:
            raise InvalidRequest(
                f"{self._unspoken} texts wait on this connection. Send more when they are spoken.",
                code="too_many_texts",
            )
        languages = self._service.models.default.info.capabilities.languages
        limit = self._limits.max_input_chars
        utterance = Utterance(data, languages, limit, streamed=streamed)
        if not streamed:
            utterance.add(data)
            utterance.end()
        self._unspoken += 1
        self._wanted.put_nowait(utterance)
        return utterance

    def _end_open(self) -> None:
        if self._open is not None:
            self._open.end()
            self._open = None

    async def _speak_in_turn(self) -> None:
        while not (self._last and not self.busy):
            utterance = await self._wanted.get()
            with structlog.contextvars.bound_contextvars(request_id=f"wyo_{secrets.token_hex(12)}"):
                await self._speak(utterance)
            self._unspoken -= 1

    async def _speak(self, utterance: Utterance) -> None:
        """Speak the parts of a text as one stream of audio.

        Raises:
            VivavoceError: it failed, before or in the middle of it.
        """
        before = ""
        async with aclosing(utterance.parts()) as parts:
            async for text in parts:
                order = SpeechOrder(
                    text, voice=utterance.voice, language=utterance.language, format="pcm"
                )
                speech = await self._service.begin(order)
                try:
                    if not before:
                        await self._send("audio-start", {**_AUDIO, "timestamp": 0})
                    else:
                        await self._send("audio-chunk", _AUDIO, self._pause(before))
                    async with aclosing(speech.parts()) as audio:
                        async for samples in audio:
                            await self._send("audio-chunk", _AUDIO, samples)
                finally:
                    await speech.close()
                before = text
        await self._send("audio-stop", {"timestamp": None})
        if utterance.streamed:
            await self._send("synthesize-stopped", {})

    def _pause(self, before: str) -> bytes:
        """Return the silence after a part, as it would be within one."""
        if before.count("\n", len(before.rstrip())) > 1:
            pause_s = PARAGRAPH_PAUSE_S
        elif self._service.models.default.info.capabilities.joins_sentences:
            pause_s = 0.0
        else:
            pause_s = SENTENCE_PAUSE_S
        return bytes(_BYTES_PER_SAMPLE * round(pause_s * PCM_SAMPLE_RATE_HZ))

    async def _send(self, kind: str, data: dict[str, Any], payload: bytes = b"") -> None:
        await write_event(self._writer, Event(kind, data, payload), self._limits.send_timeout_s)

    async def _refuse(self, exc: VivavoceError) -> None:
        """Send the error, and read on until the client has seen it: a reset would overtake it."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            await self._send("error", {"text": exc.message, "code": exc.code})
            self._writer.write_eof()
            async with asyncio.timeout(_LINGER_S):
                while await self._reader.read(65536):
                    pass
