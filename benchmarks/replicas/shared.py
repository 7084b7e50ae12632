"""What the shared cache saves, and what it costs while its server hangs or is gone."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING

from clients import logged, speak, until
from conftest import Server, running_server
from redis_server import RedisServer, running_redis

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.online.figures import Figures

_new_texts = (f"Sentence number {n} is as long as what people have spoken." for n in count(1))


def measure(folder: Path, figures: Figures, *, quick: bool) -> None:
    """Start a Redis and three servers of the embedded voice, two of which share it."""
    rounds = 5 if quick else 50
    places = [folder / name for name in ("redis", "alone", "one", "other")]
    for place in places:
        place.mkdir()
    usual = {"ENGINE": "embedded", "AUDIO_CACHE_MAX": "1000", "PRELOAD": "true"}
    with running_redis(places[0]) as redis:
        sharing = {**usual, "AUDIO_CACHE_URL": redis.url}
        with (
            running_server(places[1], **usual) as alone,
            running_server(places[2], **sharing) as one,
            running_server(places[3], **sharing) as other,
        ):
            for server in (alone, one, other):
                _took_ms(server, next(_new_texts), "miss")
            _working(figures, redis, alone, one, other, rounds)
            for how in ("hangs", "gone"):
                _failing(figures, redis, one, how, rounds)
                until(lambda: "audio cache works again" in one.log, 70)
                one.log_lines.clear()


def _working(
    figures: Figures, redis: RedisServer, alone: Server, one: Server, other: Server, rounds: int
) -> None:
    for _ in range(rounds):
        text, keys = next(_new_texts), redis.keys()
        figures.add("shared.none.miss", "ms", _took_ms(alone, text, "miss"))
        figures.add("shared.works.miss", "ms", _took_ms(one, text, "miss"))
        until(lambda keys=keys: redis.keys() > keys)
        figures.add("shared.works.hit", "ms", _took_ms(other, text, "hit"))
        figures.add("shared.works.memory", "ms", _took_ms(other, text, "hit"))


def _failing(figures: Figures, redis: RedisServer, one: Server, how: str, rounds: int) -> None:
    if how == "hangs":
        redis.hang()
    else:
        redis.kill()
    for n in range(rounds):
        noticed = "noticing" if n < 5 else "left_alone"  # after five failures it is not asked
        took_ms = _took_ms(one, next(_new_texts), "miss")
        figures.add(f"shared.{how}.{noticed}", "ms", took_ms)
    figures.add(f"shared.{how}.log_lines", "lines", len(logged(one, "audio cache fails")))
    began = time.monotonic()
    if how == "hangs":
        redis.go_on()
    else:
        redis.start()
    while not logged(one, "audio cache works again"):
        _took_ms(one, next(_new_texts), "miss")
    figures.add(f"shared.{how}.used_again", "s", time.monotonic() - began)


def _took_ms(server: Server, text: str, cache: str) -> float:
    began = time.perf_counter()
    answer = speak(
        server, input=text, voice="heart", response_format="mp3", seed=None, stream=False
    )
    took_s = time.perf_counter() - began
    if (answer.status_code, answer.headers["x-cache"]) != (200, cache):
        raise RuntimeError(f"{answer.status_code}, {answer.headers}: {cache} was due")
    return took_s * 1000
