"""Many at once: each answer belongs to its request, and one fault stays one fault."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import httpx
import pytest

from conftest import running_server
from expected import fake_pcm

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Server

AT_ONCE = 64


def fields(number: int, **extra: object) -> dict:
    return {
        "input": f"This is request number {number}, and no other. It has two sentences.",
        "voice": ("sine", "square")[number % 2],
        "response_format": "pcm",
        "seed": number,
        "stream": number % 3 != 0,
        **extra,
    }


async def ask_all(server: Server, bodies: list[dict]) -> list[httpx.Response | Exception]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.url, timeout=90, limits=limits) as client:
        asked = [client.post("/v1/audio/speech", json=body) for body in bodies]
        return await asyncio.gather(*asked, return_exceptions=True)


def test_64_answers_belong_to_their_requests(fake_server: Server) -> None:
    bodies = [fields(number) for number in range(AT_ONCE)]
    answers = asyncio.run(ask_all(fake_server, bodies))
    for body, answer in zip(bodies, answers, strict=True):
        assert isinstance(answer, httpx.Response)
        assert answer.content == fake_pcm(body["input"], body["voice"], body["seed"])


def test_the_embedded_voice_gives_64_at_once_what_it_gives_each_alone(
    voice_server: Server,
) -> None:
    bodies = [{**fields(number), "voice": "heart"} for number in range(AT_ONCE)]
    together = asyncio.run(ask_all(voice_server, bodies))
    with voice_server.client() as client:
        for body, answer in list(zip(bodies, together, strict=True))[::16]:
            assert isinstance(answer, httpx.Response)
            alone = client.post("/v1/audio/speech", json=body)
            assert answer.content == alone.content


def test_kill_9_of_the_worker_fails_its_requests_and_no_later_ones(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with running_server(tmp_path, ENGINE="fake") as server:

        async def kill_in_the_middle() -> list[httpx.Response | Exception]:
            held = [fields(n, instructions=f"gate={gate} after=2") for n in range(AT_ONCE)]
            asked = asyncio.create_task(ask_all(server, held))
            async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
                worker = None
                while worker is None or worker["active_requests"] < AT_ONCE:
                    health = await client.get("/health")
                    worker = health.json()["models"][0]["worker"]
                os.kill(worker["pid"], signal.SIGKILL)
            return await asked

        lost = asyncio.run(kill_in_the_middle())
        for number, answer in enumerate(lost):
            if isinstance(answer, httpx.RemoteProtocolError):
                assert fields(number)["stream"], "only a stream can have begun"
                continue
            assert isinstance(answer, httpx.Response)
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "worker_died"
            assert "killed by signal 9" in answer.json()["error"]["message"]
        following = asyncio.run(ask_all(server, [fields(n) for n in range(AT_ONCE)]))
        for number, answer in enumerate(following):
            body = fields(number)
            assert isinstance(answer, httpx.Response)
            assert answer.content == fake_pcm(body["input"], body["voice"], body["seed"])
        assert server.log.count('"event": "worker died"') == 1


@pytest.mark.parametrize("fault", ["fail_after=1", "empty=1"])
def test_one_bad_request_does_not_touch_its_neighbours(fake_server: Server, fault: str) -> None:
    bodies = [fields(number) for number in range(16)]
    bodies[5]["instructions"] = fault
    bodies[5]["stream"] = False
    answers = asyncio.run(ask_all(fake_server, bodies))
    for number, (body, answer) in enumerate(zip(bodies, answers, strict=True)):
        assert isinstance(answer, httpx.Response)
        if number == 5:
            assert answer.status_code == 500
        else:
            assert answer.content == fake_pcm(body["input"], body["voice"], body["seed"])
