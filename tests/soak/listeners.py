"""Clients that hear their answer to its end. Each returns how that went, or raises `Wrong`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from soak import texts
from soak.answers import (
    CLONE,
    EVENTS,
    PCM,
    SPEECH,
    Answer,
    ask,
    audio_of_events,
    audio_of_plain_events,
    honest_failure,
)
from soak.bad_input import clip
from soak.ledger import Wrong
from soak.oracle import Wish
from soak.plan import MAX_RUNNING, MAX_WAITING
from soak.visit import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak.ledger import Ledger
    from soak.visit import Visit

_CLIPS = tuple(clip(1.2, pitch_hz) for pitch_hz in (110, 150, 190, 230))


async def stream(visit: Visit) -> str:
    """Listen to a stream to its end."""
    wish = visit.wish()
    return visit.judge(wish, await visit.ask(SPEECH, wish))


async def whole(visit: Visit) -> str:
    """Have a whole answer sent; its length must be the declared one."""
    wish = visit.wish()
    answer = await visit.ask(SPEECH, wish, stream=False)
    if answer.status == 200 and not answer.cut:
        declared = int(answer.headers["content-length"])
        if declared != len(answer.body):
            raise Wrong(f"a whole answer declares {declared} bytes and has {len(answer.body)}")
    return visit.judge(wish, answer)


async def events(visit: Visit) -> str:
    """Listen to OpenAI's events."""
    wish = visit.wish("pcm")
    answer = await visit.ask(SPEECH, wish, stream_format="sse")
    return _judge_events(visit, wish, answer, audio_of_events)


async def plain_events(visit: Visit) -> str:
    """Listen to plain events of PCM."""
    wish = visit.wish("pcm")
    return _judge_events(visit, wish, await visit.ask(EVENTS, wish), audio_of_plain_events)


async def newcomer(visit: Visit) -> str:
    """Ask for what no cache has."""
    wish = Wish(texts.paragraph(visit.rng), seed=7)
    return visit.judge(wish, await visit.ask(SPEECH, wish, cache=False))


async def plain_pcm(visit: Visit) -> str:
    """Listen to PCM from the route that has nothing else."""
    wish = visit.wish("pcm")
    return visit.judge(wish, await visit.ask(PCM, wish))


def _judge_events(
    visit: Visit,
    wish: Wish,
    answer: Answer,
    audio_of: Callable[[Answer, Ledger], tuple[bytes, str | None]],
) -> str:
    failure = honest_failure(answer, visit.house.ledger)
    if failure is not None:
        return failure
    audio, failure = audio_of(answer, visit.house.ledger)
    if failure is not None:
        return failure
    visit.house.oracle.check(wish, answer.seed, audio)
    return "right"


async def known(visit: Visit) -> str:
    """Ask for the same twice, the second time telling what is there already."""
    wish = visit.wish("mp3")
    first = await visit.ask(SPEECH, wish)
    outcome = visit.judge(wish, first)
    if outcome != "right":
        return outcome
    headers = {"if-none-match": first.headers["etag"]}
    second = await ask(visit.house.client, SPEECH, json=wish.fields(), headers=headers)
    if second.status != 304:  # it has been forgotten meanwhile
        return visit.judge(wish, second)
    if second.body:
        raise Wrong(f"a 304 came with {len(second.body)} bytes")
    return "not_modified"


async def clone(visit: Visit) -> str:
    """Have a text spoken in the voice of a clip."""
    rng = visit.rng
    wish = Wish(visit.house.stock.draw(rng), seed=7, clip=rng.choice(_CLIPS))
    assert wish.clip is not None
    fields = {name: str(value) for name, value in wish.fields().items()}
    files = {"file": ("clip.wav", wish.clip)}
    answer = await ask(visit.house.client, CLONE, data=fields, files=files)
    return visit.judge(wish, answer)


async def slow(visit: Visit) -> str:
    """Listen to the end, taking a little at a time."""
    wish = visit.long_wish(700)
    async with visit.house.narrow_client() as client:
        answer = await ask(client, SPEECH, pause_s=0.02, json=wish.fields())
    return visit.judge(wish, answer)


async def crowd(visit: Visit) -> tuple[str, ...]:
    """Come with more than can be served or may wait: some are refused, at once."""
    wishes = [visit.long_wish(60) for _ in range(MAX_RUNNING + MAX_WAITING + 3)]
    told = visit.switches("interval_s=0.01")
    answers = await asyncio.gather(
        *(visit.ask(SPEECH, wish, cache=False, **told) for wish in wishes)
    )
    return tuple(visit.judge(*pair) for pair in zip(wishes, answers, strict=True))


async def chorus(visit: Visit) -> tuple[str, ...]:
    """Ask three at once for a text that is new: one makes it, all hear it."""
    wish = Wish(texts.paragraph(visit.rng), format=visit.rng.choice(FORMATS))
    told = visit.switches("interval_s=0.01")
    answers = await asyncio.gather(*(visit.ask(SPEECH, wish, **told) for _ in range(3)))
    outcomes = tuple(visit.judge(wish, answer) for answer in answers)
    if set(outcomes) == {"right"} and len({answer.seed for answer in answers}) != 1:
        raise Wrong(f"three that asked for {wish} at once got different speeches")
    return outcomes
