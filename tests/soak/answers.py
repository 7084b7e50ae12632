"""Requests as clients send them, and what came back: all of it, the beginning, or an error."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from soak.ledger import Wrong

if TYPE_CHECKING:
    from collections.abc import Mapping

    from soak.ledger import Ledger

SPEECH = "/v1/audio/speech"
EVENTS = "/v1/audio/speech/stream"
PCM = "/v1/audio/speech/stream/pcm"
CLONE = "/v1/audio/speech/clone"

_FOR_A_KILL = ("worker_died", "engine_unavailable")


@dataclass(slots=True)
class Answer:
    """What came of a request. `cut`: the connection ended before the answer did."""

    began_at: float
    ended_at: float = 0.0
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: bool = False

    @property
    def seed(self) -> int:
        """The seed it was made with."""
        return int(self.headers["x-vivavoce-seed"])


async def ask(
    client: httpx.AsyncClient,
    path: str,
    *,
    leave_after_bytes: int | None = None,
    pause_s: float = 0.0,
    first_pause_s: float = 0.0,
    **request: Any,
) -> Answer:
    """Post a request (httpx's arguments) and read the answer, or so many bytes of it.

    `pause_s` passes between two reads, `first_pause_s` before the second one.
    """
    answer = Answer(time.monotonic())
    body = bytearray()
    try:
        async with client.stream("POST", path, **request) as response:
            answer.status, answer.headers = response.status_code, response.headers
            async for chunk in response.aiter_raw():
                if not body:
                    await asyncio.sleep(first_pause_s)
                body += chunk
                if leave_after_bytes is not None and len(body) >= leave_after_bytes:
                    break
                if pause_s:
                    await asyncio.sleep(pause_s)
    except (httpx.RemoteProtocolError, httpx.ReadError):
        if not answer.status:
            raise Wrong(f"no answer to POST {path}: the connection was closed instead") from None
        answer.cut = True
    answer.body = bytes(body)
    answer.ended_at = time.monotonic()
    return answer


def honest_failure(answer: Answer, ledger: Ledger) -> str | None:
    """Return what an answer that is no audio tells, if it is true; None if it is audio, whole.

    Raises:
        Wrong: it is an error that nothing accounts for.
    """
    if answer.cut:
        return _because_of_a_kill("cut", answer, ledger)
    if answer.status == 200:
        return None
    code = error_of(answer)["code"]
    if answer.status == 503 and code == "server_full":
        if not answer.headers["retry-after"].isdigit():
            raise Wrong("server_full came without a number in Retry-After")
        return str(code)
    if answer.status == 503 and code in _FOR_A_KILL:
        return _because_of_a_kill(str(code), answer, ledger)
    raise Wrong(f"unaccountable status {answer.status}: {answer.body[:300]!r}")


def error_of(answer: Answer) -> dict[str, Any]:
    """Return the error an answer holds.

    Raises:
        Wrong: it is not in OpenAI's shape.
    """
    try:
        error = json.loads(answer.body)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]
        assert answer.headers["x-request-id"]
        assert answer.headers["x-should-retry"] in ("true", "false")
    except (ValueError, TypeError, KeyError, AssertionError) as exc:
        raise Wrong(
            f"status {answer.status} is not in OpenAI's shape ({exc!r}): {answer.body[:300]!r}"
        ) from None
    return dict(error)


def audio_of_events(answer: Answer, ledger: Ledger) -> tuple[bytes, str | None]:
    """Return the audio that OpenAI's events carried; one that failed was cut, and is not for here.

    Raises:
        Wrong: the events are not as they must be.
    """
    *events, rest = answer.body.split(b"\n\n")
    if rest or not all(event.startswith(b"data: ") for event in events):
        raise Wrong(f"not events: {answer.body[:200]!r}")
    told = [json.loads(event.removeprefix(b"data: ")) for event in events]
    audio = b"".join(
        base64.b64decode(event["audio"])
        for event in told[:-1]
        if event["type"] == "speech.audio.delta"
    )
    if told[-1]["type"] != "speech.audio.done" or "usage" not in told[-1]:
        raise Wrong(f"the last event is {told[-1]}")
    return audio, None


def audio_of_plain_events(answer: Answer, ledger: Ledger) -> tuple[bytes, str | None]:
    """Return the samples that plain events carried, and the failure they ended with, if any.

    Raises:
        Wrong: the events are not as they must be.
    """
    *events, rest = answer.body.split(b"\n\n")
    if rest or not all(event.startswith(b"data: ") for event in events):
        raise Wrong(f"not events: {answer.body[:200]!r}")
    *parts, last = [event.removeprefix(b"data: ") for event in events]
    audio = b"".join(base64.b64decode(part, validate=True) for part in parts)
    if last.startswith(b"[ERROR] "):
        return audio, _because_of_a_kill("error_event", answer, ledger)
    if last != b"[DONE]":
        raise Wrong(f"the last event is {last[:200]!r}")
    return audio, None


def _because_of_a_kill(what: str, answer: Answer, ledger: Ledger) -> str:
    if not ledger.excused(answer.began_at, answer.ended_at):
        raise Wrong(f"{what} although no worker was killed: {answer.body[-300:]!r}")
    return what
