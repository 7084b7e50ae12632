"""What is heard of one request, on the server's end: chunks as they come, and how it ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from vivavoce.errors import VivavoceError
from vivavoce.types import AudioChunk, SpeechReport, VoicePrompt

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable


class Spoken:
    """The audio of one request: its chunks as they come, and afterwards how it went.

    Of one that is live, `push` hands on more of its text, and `finish` says that that was all.
    """

    def __init__(self, chunks: AsyncGenerator[AudioChunk]) -> None:
        self.chunks = chunks
        self.report = SpeechReport()
        self._unsent = ""
        self._finished = False
        self._send: Callable[[str, bool], None] | None = None

    def push(self, text: str) -> None:
        """Add to the text; before iteration too."""
        self._hand_on(text, False)

    def finish(self) -> None:
        """Say that no more text will come."""
        self._hand_on("", True)

    def begin(self, send: Callable[[str, bool], None]) -> None:
        """Have text sent from now on, beginning with what there is already."""
        self._send = send
        if self._unsent or self._finished:
            send(self._unsent, self._finished)

    def _hand_on(self, text: str, last: bool) -> None:
        if self._send is not None:
            self._send(text, last)
        else:
            self._unsent, self._finished = self._unsent + text, last


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
