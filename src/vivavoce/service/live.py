"""Speech of a text that is still being written: pieces in, in any sizes; one answer out."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from vivavoce.errors import InvalidRequest
from vivavoce.service.partwise import PartwiseSynthesis
from vivavoce.text.arriving import ArrivingText, part_end, without_marks
from vivavoce.text.clean import speakable
from vivavoce.text.reading import TextFormat
from vivavoce.text.script import has_words
from vivavoce.text.segment import SENTENCE_PAUSE_S
from vivavoce.types import AudioChunk

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from vivavoce.service.deadline import Deadline
    from vivavoce.service.order import SpeechOrder
    from vivavoce.service.partwise import Part
    from vivavoce.service.plan import Plan
    from vivavoce.service.synthesis import Studio
    from vivavoce.text.pronounce import Rule
    from vivavoce.types import SpeechRequest
    from vivavoce.worker.conversation import Spoken
    from vivavoce.worker.handle import WorkerHandle


class WrittenText:
    """A text on its way. Belongs to one event loop; one reads it, once."""

    def __init__(self) -> None:
        self.unread_chars = 0
        self.finished = False
        self._has_words = False
        self._news: asyncio.Queue[str | None] = asyncio.Queue()
        self._decided = asyncio.Event()

    def append(self, text: str) -> None:
        """Add to it."""
        assert not self.finished
        text = speakable(text)
        if text:
            self.unread_chars += len(text)
            self._news.put_nowait(text)
            if has_words(text):
                self._has_words = True
                self._decided.set()

    def finish(self) -> None:
        """Say that this was all."""
        if not self.finished:
            self.finished = True
            self._news.put_nowait(None)
            self._decided.set()

    async def until_words(self) -> None:
        """Wait until there is something to speak.

        Raises:
            InvalidRequest: there will be nothing.
        """
        await self._decided.wait()
        if not self._has_words:
            raise InvalidRequest(
                "There is nothing to speak in the text: it has no letters and no digits. Send "
                "words.",
                param="text",
                code="nothing_to_speak",
            )

    async def next(self) -> str | None:
        """Return what was written since the last time, as soon as there is any; None at the end."""
        text = await self._news.get()
        while text is not None and not self._news.empty():
            more = self._news.get_nowait()
            if more is None:
                self._news.put_nowait(None)
                break
            text += more
        self.unread_chars -= len(text or "")
        return text


class LiveSynthesis(PartwiseSynthesis):
    """The making of an answer to a text that is still being written.

    An engine that can is given each word as it comes; another, or one for whom words are to be
    written otherwise, whole sentences. While nothing has been written there is nothing to do, and
    no limit in time.
    """

    def __init__(
        self, plan: Plan, studio: Studio, text: WrittenText, rules: tuple[Rule, ...]
    ) -> None:
        super().__init__(plan, studio, rules)
        self._text = text
        self._pending = ""
        self._ended = False

    async def _chunks(
        self, worker: WorkerHandle, request: SpeechRequest, deadline: Deadline
    ) -> AsyncGenerator[AudioChunk]:
        live = self.plan.model.info.capabilities.live
        as_written = not self._rules and not self.plan.order.normalize
        say = self._as_it_comes if live and as_written else super()._chunks
        async with aclosing(say(worker, request, deadline)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _as_it_comes(
        self, worker: WorkerHandle, request: SpeechRequest, deadline: Deadline
    ) -> AsyncGenerator[AudioChunk]:
        """One open request after the other, each as long as a voice keeps its breath."""
        number = 0
        while await self._has_more(deadline):
            spoken = worker.speak(replace(request, live=True))
            feeding = asyncio.create_task(self._feed(spoken))
            try:
                async with aclosing(spoken.chunks) as chunks:
                    while True:
                        # It may be waiting for text. That the engine moves is the worker's affair.
                        with deadline.paused(afresh=True):
                            chunk = await anext(chunks, None)
                        if chunk is None:
                            break
                        yield AudioChunk(chunk.samples, number)
            finally:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)
            self._count(spoken.report)
            number += 1

    async def _has_more(self, deadline: Deadline) -> bool:
        """Wait until there is something to speak; False if nothing more comes."""
        while not has_words(self._pending):
            if self._ended:
                return False
            with deadline.paused(afresh=True):
                await self._read()
        self._pending = self._pending.lstrip()
        return True

    async def _read(self) -> None:
        piece = await self._text.next()
        self._ended = piece is None
        if piece is not None:
            markdown = self.plan.order.text_format is TextFormat.MARKDOWN
            self._pending += without_marks(piece) if markdown else piece

    async def _feed(self, spoken: Spoken) -> None:
        """Hand on what there is and what comes, until a part is over."""
        said = 0
        while True:
            at = part_end(self._pending, said, self.plan.model.info.capabilities.segment_chars)
            here = len(self._pending) if at is None else at
            spoken.push(self._pending[:here])
            self._pending = self._pending[here:]
            said += here
            if at is not None or self._ended:
                break
            await self._read()
        spoken.finish()

    async def _parts(self, deadline: Deadline) -> AsyncGenerator[Part]:
        """Yield whole sentences."""
        arriving = ArrivingText(self.plan.model.info.capabilities.languages)
        last = False
        while not last:
            with deadline.paused(afresh=True):
                piece = await self._text.next()
            last = piece is None
            said = arriving.flush() if piece is None else arriving.feed(piece)
            if has_words(said):
                *others, end = self._prepare(said)
                # If it is not the last, more follows.
                yield (*others, end if last else replace(end, pause_s=SENTENCE_PAUSE_S))


def refuse_markup(order: SpeechOrder) -> None:
    """Make sure that a text can be read while it is being written.

    Raises:
        InvalidRequest: it is to have marks that are understood only when all of it is there.
    """
    if order.text_format in (TextFormat.SSML, TextFormat.TAGS):
        raise InvalidRequest(
            f"text_format {order.text_format} is not read in a text that is still being written. "
            "Send the text as a whole, or as markdown or plain.",
            param="text_format",
        )
