"""The making of one answer: which time counts, and what is left when somebody leaves."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scripted import model_named
from virtual import in_virtual_time
from vivavoce.errors import RequestTimedOut, ServerFull
from vivavoce.service.admission import Admission
from vivavoce.service.cache.audio import AudioCache
from vivavoce.service.cache.memory import MemoryCache
from vivavoce.service.metrics import Metrics
from vivavoce.service.models import Models
from vivavoce.service.order import SpeechOrder
from vivavoce.service.record import Recorder
from vivavoce.service.reference import ReferenceLimits, ReferenceReader
from vivavoce.service.room import Room
from vivavoce.service.speech import SpeechService
from vivavoce.service.synthesis import Studio, Synthesis
from vivavoce.service.voice_cache import VoiceCache
from vivavoce.service.voice_store import VoiceStore
from vivavoce.service.voices import Voices
from vivavoce.service.workers import Workers
from vivavoce.worker.handle import WorkerLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from scripted import Script

LIMIT_S = 10.0


class AtOnce(Executor):
    """Does it where it is asked to: threads have no place in virtual time."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def new_service() -> SpeechService:
    metrics = Metrics()
    workers = Workers("fake", WorkerLimits())
    studio = Studio(
        Admission(1, 5),
        AudioCache(MemoryCache(10, 10**6)),
        VoiceCache(1),
        VoiceStore(Path("/nonexistent")),
        ReferenceReader(ReferenceLimits()),
        metrics,
        LIMIT_S,
        AtOnce(),
    )
    models = Models(model_named("m", Room(1), workers, metrics))
    return SpeechService(models, Voices({}), studio, workers, Recorder(metrics))


def order(format: str = "mp3", *, whole: bool = False) -> SpeechOrder:
    return SpeechOrder("Hello there.", format=format, whole=whole)


async def make(service: SpeechService, order: SpeechOrder, pause_s: float = 0.0) -> int:
    """Make an answer for a listener who pauses after each part; return how many there were."""
    parts = 0

    async def emit(part: bytes) -> None:
        nonlocal parts
        parts += 1
        await asyncio.sleep(pause_s)

    await Synthesis(service.check(order), service.studio).run(emit)
    return parts


# Which time counts


@pytest.mark.parametrize("whole", [False, True])
def test_an_engine_that_takes_too_long_is_given_up(script: Script, whole: bool) -> None:
    script.chunk_s = LIMIT_S + 1

    async def main() -> None:
        service = new_service()
        with pytest.raises(RequestTimedOut, match=r"not made within 10 s.*REQUEST_TIMEOUT"):
            await make(service, order(whole=whole))
        assert script.made[0].users == 0
        assert service.studio.admission.running == 0
        await service.models.close()

    in_virtual_time(main())


def test_who_listens_gives_it_time_anew_with_each_part(script: Script) -> None:
    script.chunks, script.chunk_s = 10, LIMIT_S - 1

    async def main() -> None:
        service = new_service()
        assert await make(service, order("pcm")) == 10
        with pytest.raises(RequestTimedOut):
            await make(service, order("pcm", whole=True))
        await service.models.close()

    in_virtual_time(main())


def test_a_load_does_not_count(script: Script) -> None:
    script.load_s = 10 * LIMIT_S

    async def main() -> None:
        service = new_service()
        assert await make(service, order(whole=True)) > 0
        await service.models.close()

    in_virtual_time(main())


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("format", ["mp3", "pcm"])
def test_a_listeners_pauses_do_not_count_not_even_the_last(
    script: Script, format: str, whole: bool
) -> None:
    async def main() -> None:
        service = new_service()
        assert await make(service, order(format, whole=whole), pause_s=10 * LIMIT_S) > 0
        await service.models.close()

    in_virtual_time(main())


def test_to_wait_too_long_for_a_turn_is_to_find_the_server_full(script: Script) -> None:
    async def main() -> None:
        service = new_service()
        async with service.studio.admission.slot(live=True):
            with pytest.raises(ServerFull, match="The server was full for 10 s"):
                await make(service, order())
        assert await make(service, order()) > 0
        await service.models.close()

    in_virtual_time(main())


# Leaving


@pytest.mark.parametrize("parts_taken", [1, 2])
def test_who_closes_the_answer_ends_the_work_at_once(script: Script, parts_taken: int) -> None:
    async def main() -> None:
        service = new_service()
        speech = await service.begin(order("pcm"))
        parts = speech.parts()
        for _ in range(parts_taken):
            await anext(parts)
        assert service.studio.admission.running == 1
        assert script.made[0].users == 1
        await parts.aclose()
        assert service.studio.admission.running == 0
        assert script.made[0].users == 0
        await service.models.close()

    in_virtual_time(main())


@pytest.mark.parametrize("stage", ["queue", "load", "speech"])
def test_who_gives_up_before_the_first_byte_leaves_nothing(script: Script, stage: str) -> None:
    async def main() -> None:
        service = new_service()
        if stage == "queue":
            other = await service.begin(order("wav"))
        asking = asyncio.create_task(service.begin(order("pcm")))
        await asyncio.sleep(1.5 if stage == "speech" else 0.5)
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()
        assert service.studio.admission.waiting == 0
        assert service.studio.admission.running == (stage == "queue")
        if stage == "queue":
            await other.whole()
        assert all(worker.users == 0 for worker in script.made)
        assert len(await (await service.begin(order("pcm"))).whole()) > 0
        await service.models.close()
        assert not script.left

    in_virtual_time(main())
