"""Answers shared by replicas: found by all of them, and no server's fault becomes a request's."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import redis
import uvloop
from fakeredis import TcpFakeServer
from structlog.testing import capture_logs

from vivavoce.errors import SettingsError
from vivavoce.service.cache.breaker import FAILURES, FIRST_PAUSE_S, LONGEST_PAUSE_S
from vivavoce.service.cache.entry import CachedAudio, pack
from vivavoce.service.cache.shared import (
    GET_TIMEOUT_S,
    MAX_VALUE_BYTES,
    PREFIX,
    PUT_TIMEOUT_S,
    SharedTier,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
EVERY_LOOP = pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])

PATIENT_S = 10.0
"""For tests that are about something else than time, on a machine that is busy."""
SECRET = "hunter2-canary"


def run(main: Coroutine[Any, Any, Any], loop: Callable[[], Any] = LOOPS[0]) -> Any:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)


def key(n: int) -> str:
    return hashlib.sha256(str(n).encode()).hexdigest()


def entry(n: int) -> CachedAudio:
    return CachedAudio(f"audio {n}".encode(), n, n / 2, n + 1, n + 2)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def tier_of(
    port: int,
    *,
    scheme: str = "redis",
    host: str = "127.0.0.1",
    more: str = "",
    ttl_s: int = 60,
    get_timeout_s: float = PATIENT_S,
    put_timeout_s: float = PATIENT_S,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[SharedTier]:
    url = f"{scheme}://{host}:{port}{more}"
    tier = SharedTier(
        url, ttl_s, get_timeout_s=get_timeout_s, put_timeout_s=put_timeout_s, clock=clock
    )
    try:
        yield tier
    finally:
        await tier.close()


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    """Serve on another thread; yields the port."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Real(TcpFakeServer):
    """A server that works."""

    request_queue_size = 100

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port))


@pytest.fixture
def real() -> Iterator[int]:
    with serving(Real()) as port:
        yield port


@contextmanager
def looking_into(port: int) -> Iterator[redis.Redis]:
    """Another client of the same server: what is really there."""
    with redis.Redis(host="127.0.0.1", port=port, protocol=2) as client:
        yield client


class Stub(socketserver.ThreadingTCPServer):
    """Accepts; answers each command with the same bytes, or never."""

    block_on_close = True
    request_queue_size = 100

    def __init__(self, answer: bytes = b"") -> None:
        super().__init__(("127.0.0.1", 0), _StubHandler)
        self.answer = answer
        self.accepted: list[Any] = []
        """Addresses of those who connected, in order."""
        self.heard = b""

    def process_request(self, request: Any, client_address: Any) -> None:
        self.accepted.append(client_address)
        super().process_request(request, client_address)


class _StubHandler(socketserver.BaseRequestHandler):
    server: Stub

    def handle(self) -> None:
        try:
            while heard := self.request.recv(65536):
                self.server.heard += heard
                if self.server.answer == b"close":
                    return
                commands = len(re.findall(rb"\*\d+\r\n", heard))
                self.request.sendall(self.server.answer * commands)
        except OSError:  # the client has left
            pass


@pytest.fixture
def silent() -> Iterator[Stub]:
    stub = Stub()
    with serving(stub):
        yield stub


def port_of(stub: Stub) -> int:
    return stub.server_address[1]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - it comes true on another thread
            await asyncio.sleep(0.001)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


# Shared


@EVERY_LOOP
def test_what_one_replica_makes_the_others_have(real: int, loop: Callable[[], Any]) -> None:
    async def main() -> None:
        valkey = tier_of(real, scheme="valkey", more="/0")
        async with tier_of(real, ttl_s=1234) as one, valkey as other:
            assert await other.get(key(1)) is None
            await one.put(key(1), entry(1))
            assert await other.get(key(1)) == entry(1)
            assert await other.get(key(2)) is None

    with capture_logs() as log:
        run(main(), loop)
    assert log == []
    with looking_into(real) as client:
        (name,) = client.keys("*")
        assert name.decode() == f"vivavoce:audio:2:{key(1)}"
        assert 1200 < client.ttl(name) <= 1234


def test_many_requests_at_once(real: int) -> None:
    """More than there are connections: they wait for each other, and none is a failure."""

    async def main() -> None:
        async with tier_of(real) as tier:
            await asyncio.gather(*(tier.put(key(n), entry(n)) for n in range(20)))
            found = await asyncio.gather(*(tier.get(key(n % 25)) for n in range(150)))
            assert found == [entry(n % 25) if n % 25 < 20 else None for n in range(150)]

    with capture_logs() as log:
        run(main())
    assert log == []


def test_an_answer_that_is_too_long_is_not_sent(silent: Stub) -> None:
    async def main() -> None:
        async with tier_of(port_of(silent)) as tier:
            await tier.put(key(1), CachedAudio(bytes(MAX_VALUE_BYTES + 1), 1, 1.0, 1, 1))

    run(main())
    assert silent.accepted == []


def test_clear_removes_what_is_ours_and_nothing_else(real: int) -> None:
    ours = {f"{PREFIX}{key(n)}": b"x" for n in range(700)}  # more than one look finds
    others = {"vivavoce:audio:0:x", "vivavoce:other", "somebody:else"}
    with looking_into(real) as client:
        client.mset({**ours, **dict.fromkeys(others, b"x")})

    async def main() -> None:
        async with tier_of(real) as tier:
            assert await tier.clear() == 700
            assert await tier.clear() == 0

    run(main())
    with looking_into(real) as client:
        assert {name.decode() for name in client.keys("*")} == others


# A server that lies


@pytest.mark.parametrize(
    "value",
    [b"", b"x", pack(entry(1))[:-1], pack(entry(1))[:-1] + b"x", b"VVAUDIO\x02" + bytes(90)],
    ids=["empty", "short", "truncated", "altered", "another version"],
)
def test_altered_values_are_misses_and_go(real: int, value: bytes) -> None:
    with looking_into(real) as client:
        client.mset({PREFIX + key(n): value for n in (1, 2)})

    async def main() -> None:
        async with tier_of(real) as tier:
            assert [await tier.get(key(n)) for n in (1, 2)] == [None, None]
            await tier.put(key(1), entry(1))
            assert await tier.get(key(1)) == entry(1)

    with capture_logs() as log:
        run(main())
    assert [line["reason"] for line in log] == ["a value was truncated or altered; it is removed"]
    with looking_into(real) as client:
        assert [name.decode() for name in client.keys("*")] == [PREFIX + key(1)]


def test_a_value_of_another_kind_is_a_miss(real: int) -> None:
    with looking_into(real) as client:
        client.rpush(PREFIX + key(1), b"a list")

    async def main() -> None:
        async with tier_of(real) as tier:
            assert await tier.get(key(1)) is None
        async with tier_of(real) as tier:  # this server hangs up after an error
            await tier.put(key(1), entry(1))
            assert await tier.get(key(1)) == entry(1)

    with capture_logs() as log:
        run(main())
    assert [line["reason"] for line in log] == ["ResponseError"]


NONSENSE = {
    "empty lines": b"\r\n",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "bytes": bytes(range(256)) + b"\r\n",
    "OK to everything": b"+OK\r\n",
    "numbers": b":1\r\n" * 3,
    "nothing": b"$-1\r\n",
    "a negative length": b"$-7\r\n",
    "a length that never comes": b"$9999999999\r\nx",
    "nested without end": b"*1\r\n" * 5000,
    "a huge list": b"*999999999\r\n",
    "an error": b"-ERR no\r\n",
    "out of memory": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "loading": b"-LOADING Redis is loading the dataset in memory\r\n",
    "moved": b"-MOVED 3999 127.0.0.1:6381\r\n",
    "a new protocol's push": b">2\r\n+x\r\n+y\r\n",
    "the end": b"close",
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_a_miss(answer: bytes) -> None:
    stub = Stub(answer)

    async def main() -> None:
        async with tier_of(port_of(stub), get_timeout_s=0.2, put_timeout_s=0.2) as tier:
            for n in range(3):
                assert await tier.get(key(n)) is None
            await tier.put(key(1), entry(1))

    with serving(stub), capture_logs() as log:
        run(main())
    assert stub.accepted
    told = [(line["doing"], line["reason"]) for line in log if line["log_level"] == "warning"]
    assert len(told) == len(set(told))


# A server that is slow, or not there


@EVERY_LOOP
def test_a_server_that_never_answers_costs_50_ms(silent: Stub, loop: Callable[[], Any]) -> None:
    async def main() -> list[float]:
        # What the address says must not raise the limit.
        more = "/0?socket_timeout=30&socket_connect_timeout=30&retry_on_timeout=true"
        async with tier_of(port_of(silent), more=more, get_timeout_s=GET_TIMEOUT_S) as tier:
            took_s = []
            for n in range(FAILURES):
                started_s = time.monotonic()
                assert await tier.get(key(n)) is None
                took_s.append(time.monotonic() - started_s)
        return took_s

    with capture_logs() as log:
        took_s = run(main(), loop)
    assert 0.045 < min(took_s) < 0.075  # the quickest: this machine may be busy
    assert silent.heard  # it was asked
    assert [(line["doing"], line["reason"]) for line in log] == [("get", "TimeoutError")]


def test_nothing_takes_long_with_a_server_that_never_answers(silent: Stub) -> None:
    async def main() -> None:
        async with tier_of(port_of(silent), put_timeout_s=PUT_TIMEOUT_S) as tier:
            async with asyncio.timeout(4):
                await asyncio.gather(tier.put(key(1), entry(1)), tier.clear())

    with capture_logs() as log:
        run(main())
    assert {(line["doing"], line["reason"]) for line in log} == {
        ("put", "TimeoutError"),
        ("clear", "TimeoutError"),
    }


def test_nothing_is_tried_twice() -> None:
    stub = Stub(b"close")

    async def main() -> None:
        async with tier_of(port_of(stub), more="/0?retry_on_timeout=true") as tier:
            assert await tier.get(key(1)) is None
            await tier.put(key(1), entry(1))

    with serving(stub), capture_logs():
        run(main())
    assert len(stub.accepted) == 2


def test_a_server_that_is_not_there_is_a_miss_told_once() -> None:
    async def main() -> None:
        async with tier_of(closed_port()) as tier:
            for n in range(FAILURES):
                assert await tier.get(key(n)) is None
                await tier.put(key(n), entry(n))
            assert await tier.clear() == 0

    with capture_logs() as log:
        run(main())
    assert [line["doing"] for line in log] == ["get", "put", "clear"]
    assert all(line["reason"].startswith("ConnectionError") for line in log)
    assert "refused" in log[0]["reason"] or "Connect call failed" in log[0]["reason"]


def test_a_host_without_an_address_is_a_miss() -> None:
    async def main() -> None:
        async with tier_of(6379, host="nobody.invalid") as tier:
            assert await tier.get(key(1)) is None

    with capture_logs() as log:
        run(main())
    assert len(log) == 1


def test_a_failing_server_is_left_alone_then_tried_by_one(silent: Stub) -> None:
    clock = Clock()

    async def main() -> None:
        async with tier_of(port_of(silent), get_timeout_s=0.02, clock=clock) as tier:

            async def asked_by(count: int) -> int:
                """How many of so many requests at once go to the server."""
                silent.accepted.clear()
                await asyncio.gather(*(tier.get(key(n)) for n in range(count)))
                # All that were begun have been accepted by the time that a later one is.
                with socket.create_connection(("127.0.0.1", port_of(silent))) as last:
                    await until(lambda: last.getsockname() in silent.accepted)
                return len(silent.accepted) - 1

            for _ in range(FAILURES):
                assert await asked_by(1) == 1
            assert await asked_by(10) == 0
            pause_s = FIRST_PAUSE_S
            for _ in range(6):
                clock.now_s += pause_s - 0.01
                assert await asked_by(10) == 0
                clock.now_s += 0.02
                assert await asked_by(10) == 1
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            assert pause_s == LONGEST_PAUSE_S

    with capture_logs():
        run(main())


def test_a_trial_that_is_abandoned_is_made_by_the_next(silent: Stub) -> None:
    clock = Clock()

    async def main() -> None:
        async with tier_of(port_of(silent), get_timeout_s=0.02, clock=clock) as tier:
            for n in range(FAILURES):
                await tier.get(key(n))
            await until(lambda: len(silent.accepted) == FAILURES)
            clock.now_s += FIRST_PAUSE_S
            for trial in (1, 2):
                abandoned = asyncio.create_task(tier.put(key(1), entry(1)))
                await until(lambda trial=trial: len(silent.accepted) == FAILURES + trial)
                abandoned.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await abandoned

    with capture_logs():
        run(main())


def test_a_server_that_comes_back_is_used_again_and_told() -> None:
    clock = Clock()
    port = closed_port()

    async def main() -> None:
        async with tier_of(port, clock=clock) as tier:
            for n in range(2 * FAILURES):
                assert await tier.get(key(n)) is None
            with serving(Real(port)):
                assert await tier.get(key(1)) is None  # still left alone
                clock.now_s += FIRST_PAUSE_S
                await tier.put(key(1), entry(1))
                assert await tier.get(key(1)) == entry(1)

    with capture_logs() as log:
        run(main())
    told = [(line["event"], line["doing"]) for line in log]
    assert told == [("audio cache fails", "get"), ("audio cache works again", "get")]


@EVERY_LOOP
def test_a_restart_between_two_requests_is_no_failure(loop: Callable[[], Any]) -> None:
    async def main() -> None:
        before = ExitStack()
        port = before.enter_context(serving(Real()))
        async with tier_of(port) as tier:
            await tier.put(key(1), entry(1))
            await asyncio.to_thread(before.close)
            with serving(Real(port)):
                await tier.put(key(2), entry(2))
                assert await tier.get(key(2)) == entry(2)

    with capture_logs() as log:
        run(main(), loop)
    assert log == []


# Settings


@pytest.mark.parametrize(
    "answer",
    [
        b"-WRONGPASS invalid username-password pair or user is disabled.\r\n",
        f"-ERR unknown command 'AUTH', with args beginning with: '{SECRET}'\r\n".encode(),
        f"${len(SECRET)}\r\n{SECRET}\r\n".encode(),
        f"{SECRET}\r\n".encode(),
        f"+{SECRET}\r\n".encode(),
    ],
    ids=["refused", "told in an error", "told", "told against the protocol", "a status"],
)
def test_the_password_is_sent_and_never_logged(
    answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    stub = Stub(answer)
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with tier_of(
            port_of(stub), host=f"somebody:{SECRET}@127.0.0.1", get_timeout_s=0.2
        ) as tier:
            for n in range(2):
                await tier.get(key(n))
                await tier.put(key(n), entry(n))
            await tier.clear()
            assert SECRET not in repr(tier)

    with serving(stub), capture_logs() as log:
        run(main())
    assert SECRET.encode() in stub.heard
    assert log
    assert SECRET not in repr(log) + caplog.text


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}/x@127.0.0.1:6379",
        f"redis://:12/{SECRET}@127.0.0.1:6379",
        f"redis://:12#{SECRET}@127.0.0.1:6379",
        f"redis://:12?{SECRET}@127.0.0.1:6379",
        f"valkey://:{SECRET}@127.0.0.1:port",
        f"redis://:{SECRET}@127.0.0.1:99999",
        f"redis://:{SECRET}@127.0.0.1/first",
        f"redis://:{SECRET}@127.0.0.1/0?no_such_option=1",
        f"redis://:{SECRET}@127.0.0.1/0?db=first",
        f"rediss://:{SECRET}@127.0.0.1/0?ssl_cert_reqs=maybe",
        f"http://:{SECRET}@127.0.0.1",
    ],
)
def test_an_address_that_cannot_be_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        SharedTier(url, 60)
    assert refused.value.message.startswith("AUDIO_CACHE_URL is no address")
    assert "%2F" in refused.value.message
    assert SECRET not in refused.value.message
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1",
        "rediss://user:p%2Fw%40@host.example:6380/15",
        "valkeys://:secret@[::1]:6379/0?ssl_cert_reqs=none",
        "unix:///run/valkey.sock?db=1",
        "redis://h/0?decode_responses=true&protocol=3",
    ],
)
def test_addresses_that_can_be_are_accepted_and_nobody_is_asked(url: str) -> None:
    SharedTier(url, 60)


def test_options_of_the_address_do_not_change_what_is_stored(real: int) -> None:
    async def main() -> None:
        async with tier_of(
            real, more="/0?decode_responses=true&protocol=3&encoding=utf-16"
        ) as tier:
            data = CachedAudio(bytes(range(256)), 1, 1.0, 1, 1)
            await tier.put(key(1), data)
            assert await tier.get(key(1)) == data

    run(main())


def test_without_the_package_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(SettingsError, match=r"AUDIO_CACHE_URL needs .* 'vivavoce\[redis\]'"):
        SharedTier("redis://127.0.0.1", 60)


def test_the_package_is_imported_only_by_who_needs_it() -> None:
    code = "import sys, vivavoce.service.cache.shared; sys.exit('redis' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
