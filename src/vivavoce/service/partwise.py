"""An answer whose text is read part by part: long, or still being written."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from vivavoce.service.order import prepare_text
from vivavoce.service.synthesis import Synthesis
from vivavoce.text.passages import passages
from vivavoce.text.reading import TextFormat
from vivavoce.text.script import has_words
from vivavoce.text.segment import PARAGRAPH_PAUSE_S, SENTENCE_PAUSE_S
from vivavoce.types import SpeechReport, Timestamps, Usage
from vivavoce.worker.conversation import Spoken

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from vivavoce.service.deadline import Deadline
    from vivavoce.service.order import SpeechOrder
    from vivavoce.service.plan import Plan
    from vivavoce.service.synthesis import Studio
    from vivavoce.text.pronounce import Rule
    from vivavoce.types import AudioChunk, Segment, SpeechRequest
    from vivavoce.worker.handle import WorkerHandle

LONG_CHARS = 5000
"""Above this a text is read in passages: until it was all read, nobody would hear anything."""

Part = tuple["Segment", ...]


class PartwiseSynthesis(Synthesis):
    """The making of an answer, one part of its text after the other."""

    def __init__(self, plan: Plan, studio: Studio, rules: tuple[Rule, ...]) -> None:
        super().__init__(plan, studio)
        self._rules = rules
        self._report = SpeechReport()

    @abstractmethod
    def _parts(self, deadline: Deadline) -> AsyncGenerator[Part]:
        """Yield the parts as they are known."""

    def _say(self, worker: WorkerHandle, request: SpeechRequest, deadline: Deadline) -> Spoken:
        self._spoken = Spoken(self._chunks(worker, request, deadline))
        return self._spoken

    async def _chunks(
        self, worker: WorkerHandle, request: SpeechRequest, deadline: Deadline
    ) -> AsyncGenerator[AudioChunk]:
        number = 0
        async with aclosing(self._parts(deadline)) as parts:
            async for segments in parts:
                spoken = worker.speak(replace(request, segments=segments))
                async with aclosing(spoken.chunks) as chunks:
                    async for chunk in chunks:
                        yield replace(chunk, segment=number + chunk.segment)
                self._count(spoken.report)
                number += len(segments)

    def _prepare(self, text: str) -> Part:
        """Return the segments of a part.

        Raises:
            InvalidRequest: the model cannot read it.
        """
        plan = self.plan
        order = replace(plan.order, text=text)
        info = plan.model.info
        return prepare_text(order, plan.language, plan.voice, info, self._rules).segments

    def _count(self, new: SpeechReport) -> None:
        old = self._report
        self._report = self._spoken.report = SpeechReport(
            Usage(
                old.usage.input_tokens + new.usage.input_tokens,
                old.usage.output_tokens + new.usage.output_tokens,
            ),
            (*old.faults, *new.faults),
            new.codes_per_s,
            old.underruns + new.underruns,
        )


class LongSynthesis(PartwiseSynthesis):
    """The making of an answer to a long text: a passage is read while the one before is spoken."""

    async def _parts(self, deadline: Deadline) -> AsyncGenerator[Part]:
        can = self.plan.model.info.capabilities
        within_s = 0.0 if can.joins_sentences else SENTENCE_PAUSE_S
        rest = passages(self.plan.order.text)
        ahead = asyncio.create_task(asyncio.to_thread(self._next, rest, within_s))
        try:
            while segments := await ahead:
                ahead = asyncio.create_task(asyncio.to_thread(self._next, rest, within_s))
                yield segments
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    def _next(self, rest: Iterator[tuple[str, bool]], within_s: float) -> Part:
        """Return the next passage that has words in it; nothing at the end."""
        for text, paragraph in rest:
            if has_words(text):
                *others, last = self._prepare(text)
                pause_s = PARAGRAPH_PAUSE_S if paragraph else within_s
                return (*others, replace(last, pause_s=max(last.pause_s, pause_s)))
        return ()


def is_long(order: SpeechOrder) -> bool:
    """Tell whether a text is better read in passages, and can be: without marks that reach far."""
    marked = order.text_format in (TextFormat.SSML, TextFormat.TAGS)
    whole = marked or order.timestamps is not Timestamps.NONE
    return len(order.text) > LONG_CHARS and not whole
