"""Two servers, one real Valkey or Redis between them: shared answers, and what if it fails."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import httpx
import pytest

from clients import counted, get, logged, post, speak, until
from conftest import running_server
from recordings import recording
from redis_server import PROGRAM, running_redis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Server
    from redis_server import RedisServer

pytestmark = [
    pytest.mark.scale,
    pytest.mark.skipif(PROGRAM is None, reason="no valkey-server or redis-server is installed"),
]

VOICES = "/v1/audio/voices"
_new_texts = (f"Sentence number {n}, which nobody has said before." for n in count(1))


@dataclass
class Two:
    """Two servers that share voices and answers."""

    one: Server
    other: Server
    redis: RedisServer

    def shared(self) -> bool:
        """Have one say something new; tell whether the other has it without making it."""
        text = next(_new_texts)
        keys = self.redis.keys()
        assert speak(self.one, input=text).headers["x-cache"] == "miss"
        until(lambda: self.redis.keys() > keys)  # nobody else waits for it to be sent there
        return speak(self.other, input=text).headers["x-cache"] == "hit"


@pytest.fixture
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder = tmp_path_factory.mktemp("shared")
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis(folder))
        settings = {
            "ENGINE": "fake",
            "AUDIO_CACHE_MAX": "100",
            "AUDIO_CACHE_URL": redis.url,
            "DATA_DIR": str(folder / "data"),
        }
        servers = [
            stack.enter_context(running_server(tmp_path_factory.mktemp(name), **settings))
            for name in ("one", "other")
        ]
        yield Two(*servers, redis)
        assert not any("Traceback" in server.log for server in servers)


def failures(server: Server, doing: str) -> float:
    return counted(server, f'audio_cache_failures_total{{doing="{doing}",tier="shared"}}')


def test_what_one_has_said_the_other_has(two: Two) -> None:
    first = speak(two.one, response_format="mp3")
    assert first.headers["x-cache"] == "miss"
    until(lambda: two.redis.keys() == 1)
    again = speak(two.other, response_format="mp3")
    assert again.headers["x-cache"] == "hit"
    assert again.content == first.content
    assert again.headers["x-vivavoce-seed"] == first.headers["x-vivavoce-seed"]
    assert get(two.other, "/health").json()["models"][0]["worker"] is None  # nothing was made
    assert post(two.one, "/v1/cache/clear").json()["audio_cleared"] == 1
    assert two.redis.keys() == 0


def test_a_voice_saved_with_one_speaks_with_the_other_and_shares_its_answers(two: Two) -> None:
    saved = httpx.post(
        two.one.url + VOICES,
        files={"audio_sample": ("a.wav", recording())},
        data={"name": "Ada"},
        timeout=60,
    )
    assert saved.status_code == 200, saved.text
    assert "Ada" in [voice["name"] for voice in get(two.other, VOICES).json()["voices"]]
    first = speak(two.other, voice="Ada")
    assert (first.status_code, first.headers["x-cache"]) == (200, "miss")
    until(lambda: two.redis.keys() == 1)
    again = speak(two.one, voice="Ada")
    assert (again.headers["x-cache"], again.content) == ("hit", first.content)
    httpx.delete(f"{two.other.url}{VOICES}/{saved.json()['id']}")
    assert speak(two.one, voice="Ada").status_code == 400


@dataclass
class Load:
    """Clients that go on asking both servers for something new."""

    answers: list[tuple[int, float]] = field(default_factory=list)
    """Status and seconds of each."""
    _stopped: threading.Event = field(default_factory=threading.Event)

    def ask(self, server: Server, number: int) -> None:
        for n in count():
            if self._stopped.is_set():
                return
            began = time.monotonic()
            answer = speak(server, input=f"Client {number} says this for time {n}.", stream=False)
            self.answers.append((answer.status_code, time.monotonic() - began))

    def stop(self) -> None:
        self._stopped.set()

    def more(self, number: int) -> None:
        """Wait until so many more are answered."""
        enough = len(self.answers) + number
        until(lambda: len(self.answers) >= enough, 30)


@contextmanager
def under_load(two: Two) -> Iterator[Load]:
    load = Load()
    askers = [
        threading.Thread(target=load.ask, args=(server, number))
        for number, server in enumerate((two.one, two.other) * 2)
    ]
    for asker in askers:
        asker.start()
    try:
        yield load
    finally:
        load.stop()
        for asker in askers:
            asker.join()


@pytest.mark.parametrize("how", ["hangs", "is gone"])
def test_a_shared_cache_that_fails_under_load_is_told_counted_and_used_again(
    two: Two, how: str
) -> None:
    assert two.shared()
    with under_load(two) as load:
        load.more(50)
        if how == "hangs":
            two.redis.hang()
        else:
            two.redis.kill()
        for server in (two.one, two.other):
            until(lambda server=server: logged(server, "audio cache fails"))
        load.more(200)
        assert failures(two.one, "get") + failures(two.one, "put") >= 1
        if how == "hangs":
            two.redis.go_on()
        else:
            two.redis.start()
        for server in (two.one, two.other):  # each has let it be for a while
            until(lambda server=server: logged(server, "audio cache works again"), 40)
        load.more(50)
    assert {status for status, _ in load.answers} == {200}
    assert max(took_s for _, took_s in load.answers) < 5
    until(two.shared)
    for server in (two.one, two.other):
        told = [(line["doing"], line["reason"]) for line in logged(server, "audio cache fails")]
        assert len(told) == len(set(told)) <= 3  # a kind of failure is told once
        refusals = failures(server, "get") + failures(server, "put")
        assert len(told) <= refusals < 60  # of hundreds of requests: the others did not ask it
