"""From an order to its HTTP answer: whole, as bytes while they are made, or as events."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import structlog
from starlette.responses import Response

from vivavoce.api.errors import AnswerCut, error_body
from vivavoce.api.gone import CLIENT_CLOSED_REQUEST, ClientGone, unless_gone
from vivavoce.errors import InvalidRequest, VivavoceError
from vivavoce.service.record import timing
from vivavoce.service.speech import CacheResult
from vivavoce.types import Timestamps

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fastapi import Request
    from starlette.types import Receive, Scope, Send

    from vivavoce.api.schemas import SpeechFields
    from vivavoce.service.order import SpeechOrder
    from vivavoce.service.speech import Speech, SpeechService
    from vivavoce.types import TimedSegment

log = structlog.get_logger("vivavoce.api")

_MAX_IGNORED_NAMES = 20


def wants_whole(request: Request, body: SpeechFields) -> bool:
    """Tell whether the answer is sent only when it is complete."""
    # HTTP/1.0 ends a body by closing: there half an answer would look like a whole one.
    old = request.scope["http_version"] == "1.0"
    return body.stream_format == "audio" and (body.stream is False or old)


async def answer(
    request: Request,
    service: SpeechService,
    order: SpeechOrder,
    body: SpeechFields,
    send_timeout_s: float,
) -> Response:
    """Return the answer to an order; its first bytes are made, or all of them.

    Raises:
        VivavoceError: it failed before that, or with a whole answer at any time.
    """
    if order.timestamps is not Timestamps.NONE and body.stream_format == "audio":
        raise InvalidRequest(
            "There is no place for timestamps in audio. Send stream_format sse, or the request to "
            "/v1/audio/speech/timestamps.",
            param="timestamps",
        )
    order = replace(order, traceparent=request.headers.get("traceparent"))
    try:
        speech = await unless_gone(request.receive, service.begin(order))
        if speech.complete and _has_it(request, speech):
            await speech.close("unchanged")
            return Response(status_code=304, headers=answer_headers(speech, body))
        if order.whole or (speech.complete and body.stream_format == "audio"):
            whole = await unless_gone(request.receive, speech.whole())
            content_type = speech.format.content_type
            return Response(whole, media_type=content_type, headers=answer_headers(speech, body))
    except ClientGone:
        log.info("client gone before its answer began")
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    headers = answer_headers(speech, body)
    if body.stream_format == "sse":
        return Streamed(speech, _events(speech), "text/event-stream", headers, send_timeout_s)
    content_type = speech.format.content_type
    return Streamed(speech, speech.parts(), content_type, headers, send_timeout_s)


def _has_it(request: Request, speech: Speech) -> bool:
    """Tell whether the client has this very audio already, by its If-None-Match."""
    known = request.headers.get("if-none-match", "")
    return _etag(speech) in (tag.strip() for tag in known.split(","))


def _etag(speech: Speech) -> str:
    # Weak: the sizes in a streamed file's header are not those of a whole one's.
    return f'W/"{speech.tag}"'


class Streamed(Response):
    """Sends parts as they come; stops the work when the client goes, cuts the connection on error.

    A client that takes nothing for `send_timeout_s` is gone as well: it holds what others wait for.

    Ending such an answer normally would pass half of it off as the whole.
    """

    def __init__(
        self,
        speech: Speech,
        parts: AsyncGenerator[bytes],
        content_type: str,
        headers: dict[str, str],
        send_timeout_s: float,
    ) -> None:
        self._send_timeout_s = send_timeout_s
        self._speech = speech
        self._parts = parts
        self.status_code = 200
        self.background = None
        self.init_headers({**headers, "content-type": content_type})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        try:
            await unless_gone(receive, self._send(send))
        except ClientGone:
            log.info("client gone in the middle of its answer")
        except TimeoutError:
            log.warning("answer cut", code="slow_reader", reason="The client took nothing of it.")
            raise AnswerCut("slow_reader") from None
        except VivavoceError as exc:
            log.error("answer cut", code=exc.code, reason=exc.message)
            raise AnswerCut(exc.code) from exc
        finally:
            await self._speech.close()

    async def _send(self, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": self.raw_headers},
        )
        async with aclosing(self._parts) as parts:
            async for part in parts:
                async with asyncio.timeout(self._send_timeout_s):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _events(speech: Speech) -> AsyncGenerator[bytes]:
    """Yield server-sent events; a failure is the last one, in a form OpenAI's readers raise.

    It is raised after that: readers that pass over events they do not know notice the cut.
    """
    told = 0
    try:
        async with aclosing(speech.parts()) as parts:
            async for part in parts:
                audio = base64.b64encode(part).decode("ascii")
                yield _event({"type": "speech.audio.delta", "audio": audio})
                for event in _times(speech.made.timed, told):
                    yield event
                    told += 1
    except VivavoceError as exc:
        yield _event({"type": "speech.audio.error", **error_body(exc)})
        raise
    for event in _times(speech.made.timed, told):
        yield event
    usage = speech.made.report.usage
    counted = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    yield _event({"type": "speech.audio.done", "usage": counted})


def _times(timed: list[TimedSegment], told: int) -> list[bytes]:
    """Return an event for each segment after the first `told`."""
    return [
        _event({"type": "speech.audio.timestamps", **timed_json([segment], told + number)})
        for number, segment in enumerate(timed[told:])
    ]


def timed_json(timed: list[TimedSegment], first_id: int = 0) -> dict[str, Any]:
    """Return times as OpenAI's transcriptions tell them; `words` only where words are timed."""
    segments = [
        {"id": number, "start": part.start_s, "end": part.end_s, "text": part.text}
        for number, part in enumerate(timed, first_id)
    ]
    words = [
        {"word": word.text, "start": word.start_s, "end": word.end_s}
        for part in timed
        for word in part.words
    ]
    return {"segments": segments, **({"words": words} if words else {})}


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, separators=(",", ":")).encode("ascii") + b"\n\n"


def answer_headers(speech: Speech, body: SpeechFields) -> dict[str, str]:
    """Return what an answer's headers tell of it."""
    cached = speech.cache is not CacheResult.OFF
    headers = {
        "cache-control": "private, no-cache" if cached else "no-store",
        "x-cache": speech.cache,
        "etag": _etag(speech),
        "server-timing": ", ".join(f"{name};dur={ms:g}" for name, ms in timing(speech).items()),
        "x-accel-buffering": "no",
        "x-vivavoce-model": speech.model.id,
        "x-vivavoce-voice": quote(speech.plan.voice),
        "x-vivavoce-seed": str(speech.made.seed),
        "x-vivavoce-sample-rate": str(speech.plan.sample_rate_hz),
    }
    if speech.format.name == "pcm":
        headers |= {
            "x-pcm-sample-rate": str(speech.plan.sample_rate_hz),
            "x-pcm-bit-depth": "16",
            "x-pcm-channels": "1",
        }
    made = speech.made
    if made.clip_s is not None:
        headers["x-vivavoce-reference-seconds"] = f"{made.clip_s:.3f}"
        headers["x-voice-cache"] = "hit" if made.voice_cached else "miss"
    if made.report.faults:
        headers["x-vivavoce-retries"] = str(len(made.report.faults))
    ignored = [*speech.plan.ignored, *(body.model_extra or {})][:_MAX_IGNORED_NAMES]
    if ignored:
        headers["x-vivavoce-ignored"] = ", ".join(
            quote(name[:60], errors="replace") for name in ignored
        )
    return headers
