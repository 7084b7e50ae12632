"""What is heard of one request, on the server's end: chunks as they come, and how it ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from vivavoce.errors import VivavoceError
from vivavoce.types import AudioChunk, SpeechReport, VoicePrompt

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Spoken:
    """The audio of one request: its chunks as they come, and afterwards how it went."""

    def __init__(self, chunks: AsyncGenerator[AudioChunk]) -> None:
        self.chunks = chunks
        self.report = SpeechReport()


Event = AudioChunk | SpeechReport | VoicePrompt | VivavoceError


class Conversation:
    """What the worker says of one request, in order."""

    def __init__(self, id: int) -> None:
        self.id = id
        self.over = False
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    def put(self, event: Event) -> None:
        """Say what comes next."""
        self._events.put_nowait(event)

    async def next(self) -> AudioChunk | SpeechReport | VoicePrompt:
        """Return the next event; raise it if it is an error."""
        event = await self._events.get()
        self.over = not isinstance(event, AudioChunk)
        if isinstance(event, VivavoceError):
            raise event
        return event
