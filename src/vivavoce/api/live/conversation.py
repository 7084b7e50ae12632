"""One client's socket: events in, utterances spoken in turn, until it leaves."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import structlog
from starlette.websockets import WebSocketDisconnect

from vivavoce.api.live import events
from vivavoce.errors import InvalidRequest, VivavoceError
from vivavoce.service.live import WrittenText
from vivavoce.service.record import timing

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from vivavoce.api.limits import ApiLimits
    from vivavoce.service.speech import Speech, SpeechService

log = structlog.get_logger("vivavoce.live")

_MAX_WAITING = 64
"""Utterances that one client may have waiting."""


@dataclass(slots=True, eq=False)
class _Utterance:
    settings: events.Settings
    simple: events.Simple | None = None
    failed: bool = False
    text: WrittenText = field(default_factory=WrittenText)
    id: str = field(default_factory=lambda: f"resp_{secrets.token_hex(12)}")


class Conversation:
    """See the module. Belongs to one event loop."""

    def __init__(self, socket: WebSocket, service: SpeechService, limits: ApiLimits) -> None:
        self._socket = socket
        self._service = service
        self._limits = limits
        self._settings = events.Settings.initial()
        self._id = f"sess_{secrets.token_hex(12)}"
        self._waiting: deque[_Utterance] = deque()
        self._open: _Utterance | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._last = False
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Serve until the client leaves, or is silent too long, or has had all it asked for."""
        await self._tell("session.created")
        reading = asyncio.create_task(self._read(), name="live-read")
        speaking = asyncio.create_task(self._speak_in_turn(), name="live-speak")
        try:
            done, _ = await asyncio.wait({reading, speaking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, speaking):
                task.cancel()
            await asyncio.gather(reading, speaking, return_exceptions=True)
        for task in done:
            task.result()

    # What comes in

    async def _read(self) -> None:
        while True:
            message = await self._next_message()
            try:
                event = events.parse(message, self._settings)
                await self._handle(event)
            except VivavoceError as exc:
                await self._send(events.error_event(exc, _event_id(message)))

    async def _next_message(self) -> str:
        """Return the client's next message.

        Raises:
            WebSocketDisconnect: it has left.
            TimeoutError: it says nothing, and nothing is owed to it.
        """
        message = None
        while message is None:
            try:
                async with asyncio.timeout(self._limits.live_timeout_s):
                    message = await self._socket.receive()
            except TimeoutError:
                if not self._waiting or self._waiting[0] is self._open:
                    raise
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text = message.get("text")
        if text is None:
            text = (message.get("bytes") or b"").decode("utf-8", "replace")
        return str(text)

    async def _handle(self, event: events.ClientEvent) -> None:
        match event:
            case events.Update(settings):
                self._settings = settings
                await self._tell("session.updated")
            case events.Append(text):
                self._append(text)
            case events.Flush():
                self._finish_open()
            case events.End():
                self._finish_open()
                self._last = True
                self._news.set()
            case events.Cancel():
                await self._cancel()
            case events.Simple(text, settings):
                self._finish_open()
                self._append(text, _Utterance(settings, event))
                self._finish_open()

    def _append(self, text: str, utterance: _Utterance | None = None) -> None:
        if self._open is None:
            if len(self._waiting) >= _MAX_WAITING:
                raise InvalidRequest(
                    f"{_MAX_WAITING} utterances wait to be spoken, and no more are taken. Wait for "
                    "speech.audio.done, or cancel.",
                    code="too_many_utterances",
                )
            self._open = utterance or _Utterance(self._settings)
            self._waiting.append(self._open)
            self._news.set()
        if self._open.failed:
            return  # the rest of what could not be spoken
        self._check_length(text)
        self._open.text.append(text)

    def _check_length(self, text: str) -> None:
        unread = 0 if self._open is None else self._open.text.unread_chars
        if unread + len(text) > self._limits.max_input_chars:
            raise InvalidRequest(
                f"More than {self._limits.max_input_chars} characters of an utterance would wait "
                "to be spoken. Send them more slowly, or have the operator raise MAX_INPUT_CHARS.",
                param="text",
                code="string_above_max_length",
            )

    def _finish_open(self) -> None:
        if self._open is not None:
            self._open.text.finish()
            self._open = None

    async def _cancel(self) -> None:
        """Be silent at once: also with what has not begun."""
        self._finish_open()
        given_up = list(self._waiting)
        self._waiting.clear()
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.gather(self._speaking, return_exceptions=True)
        for utterance in given_up:
            await self._done(utterance, None, "cancelled")

    # What goes out

    async def _speak_in_turn(self) -> None:
        while True:
            while not self._waiting:
                if self._last:
                    return
                self._news.clear()
                await self._news.wait()
            utterance = self._waiting[0]
            self._speaking = asyncio.create_task(self._speak(utterance), name="live-utterance")
            try:
                await self._speaking
            except asyncio.CancelledError:
                own = asyncio.current_task()
                if own is not None and own.cancelling():
                    self._speaking.cancel()
                    await asyncio.gather(self._speaking, return_exceptions=True)
                    raise
            finally:
                self._speaking = None
            if self._waiting and self._waiting[0] is utterance:  # else it was given up
                self._waiting.popleft()

    async def _speak(self, utterance: _Utterance) -> None:
        try:
            order = utterance.settings.body.order(whole=False)
            if utterance.simple is None:
                speech = await self._service.begin_live(order, utterance.text)
            else:
                speech = await self._service.begin(replace(order, text=utterance.simple.text))
            await self._send_audio(utterance, speech)
        except VivavoceError as exc:
            log.info("answer refused or cut", code=exc.code, reason=exc.message)
            await self._fail(utterance, exc)
        else:
            await self._done(utterance, speech, "completed")

    async def _send_audio(self, utterance: _Utterance, speech: Speech) -> None:
        async with aclosing(speech.parts()) as parts:
            async for part in parts:
                if utterance.settings.delivery == "binary":
                    await self._send_bytes(part)
                    continue
                audio = base64.b64encode(part).decode("ascii")
                await self._send(
                    {"type": "speech.audio.delta", "response_id": utterance.id, "audio": audio}
                )

    async def _fail(self, utterance: _Utterance, exc: VivavoceError) -> None:
        utterance.failed = True
        event = events.error_event(exc)
        if utterance.simple:
            event = {"event": "error", "error": event["error"]}
        await self._send({**event, "response_id": utterance.id})

    async def _done(self, utterance: _Utterance, speech: Speech | None, status: str) -> None:
        if utterance.simple:
            await self._send({"event": "done" if status == "completed" else status})
            return
        event: dict[str, Any] = {
            "type": "speech.audio.done",
            "response_id": utterance.id,
            "status": status,
        }
        if speech is not None:
            usage = speech.made.report.usage
            event |= {
                "usage": {
                    "input_tokens": usage.input_tokens,
                    "output_tokens": usage.output_tokens,
                    "total_tokens": usage.total_tokens,
                },
                "duration_s": round(speech.made.duration_s, 3),
                "times_ms": timing(speech),
                "seed": speech.made.seed,
                "ignored": [*speech.plan.ignored, *utterance.settings.ignored],
            }
        await self._send(event)

    async def _tell(self, kind: str) -> None:
        await self._send({"type": kind, "session": {"id": self._id, **self._settings.described()}})

    async def _send(self, event: dict[str, Any]) -> None:
        text = json.dumps({"event_id": f"event_{secrets.token_hex(8)}", **event})
        async with asyncio.timeout(self._limits.send_timeout_s), self._sending:
            await self._socket.send_text(text)

    async def _send_bytes(self, data: bytes) -> None:
        async with asyncio.timeout(self._limits.send_timeout_s), self._sending:
            await self._socket.send_bytes(data)


def _event_id(message: str) -> object:
    """Return the id that the client gave to a message, to be told which one failed."""
    try:
        found = json.loads(message).get("event_id")
    except (ValueError, AttributeError):
        return None
    return found[:100] if isinstance(found, str) else None
