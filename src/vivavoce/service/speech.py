"""The use case: somebody gives text and gets speech. Every route and the command line come here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from vivavoce.errors import ShuttingDown, SynthesisFailed, VivavoceError
from vivavoce.service.broadcast import Broadcast
from vivavoce.service.live import LiveSynthesis, refuse_markup
from vivavoce.service.order import check_letters
from vivavoce.service.partwise import LongSynthesis, is_long
from vivavoce.service.plan import CacheRules, Plan, make_plan
from vivavoce.service.pronunciations import Pronunciations
from vivavoce.service.synthesis import Made, Synthesis
from vivavoce.text.detect import make_ready

if TYPE_CHECKING:
    from vivavoce.audio.formats import AudioFormat
    from vivavoce.service.live import WrittenText
    from vivavoce.service.models import Models
    from vivavoce.service.order import SpeechOrder
    from vivavoce.service.record import Recorder
    from vivavoce.service.synthesis import Studio
    from vivavoce.service.voices import Voices
    from vivavoce.service.workers import Workers
    from vivavoce.types import ModelInfo

_LONG_TEXT_CHARS = 1000
_SLICE_BYTES = 48_000
"""A kept answer is handed out in pieces as well: a second of PCM, and an even number."""


class CacheResult(StrEnum):
    """What the cache of finished audio did for a request."""

    HIT = "hit"
    JOINED = "joined"
    MISS = "miss"
    OFF = "off"


@dataclass(slots=True)
class Speech:
    """An answer in the making: what was decided, and its bytes as they come.

    Iterate `parts()` or await `whole()`, once. `made` is final afterwards. `first_audio_s` and
    `total_s` count from the order.
    """

    plan: Plan
    made: Made
    ordered_at: float
    recorder: Recorder
    joined: bool = False
    first_audio_s: float | None = None
    total_s: float | None = None
    _first: bytes = b""
    _rest: AsyncGenerator[bytes] | None = None
    _ended: bool = False

    @property
    def model(self) -> ModelInfo:
        """The model that speaks."""
        return self.plan.model.info

    @property
    def format(self) -> AudioFormat:
        """The format of the bytes."""
        return self.plan.format

    @property
    def cache(self) -> CacheResult:
        """What the cache did for it."""
        if self.made.found:
            return CacheResult.HIT
        if self.joined:
            return CacheResult.JOINED
        return CacheResult.MISS if self.plan.cached else CacheResult.OFF

    @property
    def tag(self) -> str:
        """The same for all answers whose samples are the same: key and seed."""
        return f"{self.plan.key[:32]}-{self.made.seed:x}"

    async def parts(self) -> AsyncGenerator[bytes]:
        """Yield the bytes as they are made. Closing it early stops the work.

        Raises:
            WorkerDied, SynthesisFailed, RequestTimedOut: what came so far is not the whole answer.
        """
        outcome = "cancelled"
        try:
            async with AsyncExitStack() as stack:
                if self._rest is not None:  # closed even if nobody comes so far
                    await stack.enter_async_context(aclosing(self._rest))
                for start in range(0, len(self._first), _SLICE_BYTES):
                    yield self._first[start : start + _SLICE_BYTES]
                if self._rest is not None:
                    async for part in self._rest:
                        yield part
            outcome = "spoken"
        except VivavoceError as exc:
            outcome = exc.code
            raise
        except Exception:
            outcome = "error"
            raise
        finally:
            self._end(outcome)

    @property
    def complete(self) -> bool:
        """Whether all its bytes are at hand already, with exact sizes."""
        return self.made.found

    async def whole(self) -> bytes:
        """Return all bytes, with exact sizes where the format has a place for them."""
        whole = bytearray()
        async with aclosing(self.parts()) as parts:
            async for part in parts:
                whole += part
        self.made.seal(whole, len(whole))
        return bytes(whole)

    async def close(self, outcome: str = "cancelled") -> None:
        """Stop the work of a speech that nobody will iterate."""
        if self._rest is not None:
            await self._rest.aclose()
        self._end(outcome)

    def _end(self, outcome: str) -> None:
        """Log and count it, once."""
        if self._ended:
            return
        self._ended = True
        self.total_s = time.monotonic() - self.ordered_at
        self.recorder.record(self, outcome)


class SpeechService:
    """Turns orders into speech: from the cache, along with others who want the same, or new."""

    def __init__(
        self,
        models: Models,
        voices: Voices,
        studio: Studio,
        workers: Workers,
        recorder: Recorder,
        cache_rules: CacheRules | None = None,
        usual_loudness_lufs: float | None = None,
        pronunciations: Pronunciations | None = None,
    ) -> None:
        self.models = models
        self.voices = voices
        self.studio = studio
        self.workers = workers
        self.metrics = studio.metrics
        self.leaving = False
        self.draining = False
        self.preloading: asyncio.Task[None] | None = None
        self._recorder = recorder
        self.pronunciations = pronunciations or Pronunciations()
        self._cache_rules = cache_rules or CacheRules()
        self._usual_loudness_lufs = usual_loudness_lufs
        self._under_way: dict[tuple[str, bool], tuple[Made, Broadcast]] = {}

    def start(self, *, preload: bool = False) -> None:
        """Begin what is to be ready before the first request; nothing waits for it."""
        languages = self.models.default.info.capabilities.languages
        asyncio.get_running_loop().run_in_executor(None, make_ready, languages)
        if preload:
            self.preloading = asyncio.create_task(self._preload(), name="preload")
        else:
            self.workers.refill()

    def check(self, order: SpeechOrder, *, written: bool = True) -> Plan:
        """Decide everything that can be decided without an engine. Quick; wakes nothing.

        Not `written`, its text is still to come.

        Raises:
            InvalidRequest: the order cannot be fulfilled as it is.
        """
        return make_plan(
            order,
            self.models,
            self.voices,
            self._cache_rules,
            self._usual_loudness_lufs,
            self.pronunciations.rules,
            written=written,
        )

    async def plan(self, order: SpeechOrder) -> Plan:
        """Return `check` of an order; while a long text is prepared others are served."""
        if len(order.text) > _LONG_TEXT_CHARS:
            return await asyncio.to_thread(self.check, order)
        return self.check(order)

    async def begin(self, order: SpeechOrder) -> Speech:
        """Return a speech whose first bytes are made, so that what can fail early has not.

        Cancelling it cancels the work, if nobody else waits for the same.

        Raises:
            InvalidRequest: the order cannot be fulfilled as it is.
            ShuttingDown, ServerFull: it is not the time for it.
            EngineUnavailable: no engine could be started.
            WorkerDied, SynthesisFailed, RequestTimedOut: it ended before its first byte.
        """
        ordered_at = self._open()
        if is_long(order):
            return await self._begin_long(order, ordered_at)
        plan = await self.plan(order)
        return self._kept(plan, ordered_at) or await self._listen(plan, ordered_at)

    async def begin_live(self, order: SpeechOrder, text: WrittenText) -> Speech:
        """Return a speech of a text that is still being written, once its first bytes are made.

        The order has no text of its own. Cancelling it cancels the work.

        Raises:
            InvalidRequest: the order cannot be fulfilled as it is, or there was nothing to speak.
            ShuttingDown, ServerFull, EngineUnavailable, WorkerDied, SynthesisFailed,
            RequestTimedOut: as `begin`.
        """
        refuse_markup(order)
        plan = self.check(replace(order, text="", cache=False), written=False)
        await text.until_words()
        ordered_at = self._open()
        synthesis = LiveSynthesis(plan, self.studio, text, self.pronunciations.rules)
        broadcast = Broadcast(synthesis.run, 0)
        return await self._hear(Speech(plan, synthesis.made, ordered_at, self._recorder), broadcast)

    async def _begin_long(self, order: SpeechOrder, ordered_at: float) -> Speech:
        """Begin before all of it is read; so it is too late for the cache."""
        plan = self.check(replace(order, cache=False), written=False)
        check_letters(order.text, plan.model.info)
        if order.cache:
            plan = replace(plan, ignored=(*plan.ignored, "cache"))
        synthesis = LongSynthesis(plan, self.studio, self.pronunciations.rules)
        broadcast = Broadcast(synthesis.run, 0)
        return await self._hear(Speech(plan, synthesis.made, ordered_at, self._recorder), broadcast)

    def _open(self) -> float:
        """Return the time of an order, if any are taken."""
        if self.draining:
            raise ShuttingDown("The server is shutting down and takes no more requests.")
        return time.monotonic()

    def leave(self) -> None:
        """Be unready from now on; requests are still taken."""
        self.leaving = True

    def drain(self) -> None:
        """Take no more requests; those under way go on."""
        self.leaving = self.draining = True

    async def close(self) -> None:
        """End all workers. Nothing may be asked for afterwards."""
        self.drain()
        if self.preloading is not None:
            self.preloading.cancel()
            await asyncio.gather(self.preloading, return_exceptions=True)
        await self.models.close()
        await self.workers.close()
        await self.studio.audio_cache.close()
        self.studio.close()
        await self._recorder.close()

    def _kept(self, plan: Plan, ordered_at: float) -> Speech | None:
        """Return a speech from the cache's memory: full queues and absent models do not matter."""
        entry = self.studio.audio_cache.get(plan.key) if plan.cached else None
        if entry is None:
            return None
        speech = Speech(plan, Made.of(entry), ordered_at, self._recorder, _first=entry.data)
        speech.first_audio_s = time.monotonic() - ordered_at
        return speech

    async def _listen(self, plan: Plan, ordered_at: float) -> Speech:
        """Return a speech whose first bytes are made, for this request or another like it."""
        made, broadcast, joined = self._find_or_make(plan)
        return await self._hear(Speech(plan, made, ordered_at, self._recorder, joined), broadcast)

    async def _hear(self, speech: Speech, broadcast: Broadcast) -> Speech:
        """Return a speech that is being made, with its first bytes."""
        speech._rest = broadcast.listen()
        outcome = "cancelled"
        try:
            speech._first = await anext(speech._rest)
        except StopAsyncIteration:
            outcome = SynthesisFailed.code
            raise SynthesisFailed("The engine made no sound for this text. Reword it.") from None
        except VivavoceError as exc:
            outcome = exc.code
            raise
        except Exception:
            outcome = "error"
            raise
        finally:
            if not speech._first:
                speech._end(outcome)
        speech.first_audio_s = time.monotonic() - speech.ordered_at
        return speech

    def _find_or_make(self, plan: Plan) -> tuple[Made, Broadcast, bool]:
        """Return an answer that is being made, and whether another request had begun it."""
        if not plan.cached:
            synthesis = Synthesis(plan, self.studio)
            return synthesis.made, Broadcast(synthesis.run, 0), False
        # Whole answers are made without haste: their segments may be made again.
        wanted = (plan.key, plan.live)
        if (found := self._under_way.get(wanted)) is not None and found[1].joinable:
            return *found, True
        synthesis = Synthesis(plan, self.studio)
        broadcast = Broadcast(synthesis.run, self.studio.audio_cache.largest_bytes)
        self._under_way[wanted] = (synthesis.made, broadcast)
        broadcast.on_end(lambda: self._forget(wanted, broadcast))
        return synthesis.made, broadcast, False

    def _forget(self, wanted: tuple[str, bool], broadcast: Broadcast) -> None:
        found = self._under_way.get(wanted)
        if found is not None and found[1] is broadcast:
            del self._under_way[wanted]

    async def _preload(self) -> None:
        """Load the default model. If that fails the log tells; the first request tries again."""
        try:
            await self.models.default.load()
        except VivavoceError:
            self.workers.refill()
