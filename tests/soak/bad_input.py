"""Requests that cannot be honoured, and with which status each must be refused."""

from __future__ import annotations

import io
import json
import wave
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from soak.answers import CLONE, EVENTS, PCM, SPEECH
from soak.plan import MAX_BODY_BYTES, MAX_UPLOAD_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Bad:
    """A request (httpx's arguments) and the status it must get."""

    status: int
    path: str
    request: dict[str, Any] = field(default_factory=dict)
    chunked_bytes: int = 0

    def arguments(self) -> dict[str, Any]:
        """Return what to send: with `chunked_bytes`, so many in chunks, of no declared length."""
        if not self.chunked_bytes:
            return self.request
        return {**self.request, "content": _chunks(self.chunked_bytes)}


async def _chunks(total_bytes: int) -> AsyncIterator[bytes]:
    for _ in range(total_bytes // 10_000):
        yield b" " * 10_000


def clip(seconds: float, pitch_hz: float, loudness: float = 0.3) -> bytes:
    """Return a WAV of 8 kHz with a tone in it."""
    t = np.arange(round(seconds * 8000)) / 8000
    samples = (loudness * np.sin(2 * np.pi * pitch_hz * t) * 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(samples.tobytes())
    return file.getvalue()


def _fields(status: int = 400, path: str = SPEECH, **fields: Any) -> Bad:
    return Bad(status, path, {"json": {"input": "Hello there.", **fields}})


def _raw(status: int, content: bytes, path: str = SPEECH, **headers: str) -> Bad:
    return Bad(status, path, {"content": content, "headers": {**_JSON, **headers}})


def _form(status: int, content: bytes | None, text: str = "Hello there.") -> Bad:
    files = {"other": ("x", b"x")} if content is None else {"file": ("clip.wav", content)}
    return Bad(status, CLONE, {"files": files, "data": {"input": text}})


QUICK = (
    _fields(input=""),
    _fields(input="... --- !!!"),
    _fields(input="a\0b"),
    _fields(input="x" * 5000),
    _fields(input=5),
    _fields(speed=9),
    _fields(speed="fast", path=PCM),
    _fields(response_format="mp4"),
    _fields(voice="nobody"),
    _fields(voice="../../etc/passwd", path=EVENTS),
    _fields(language="klingon"),
    _fields(seed=-1),
    _fields(sample_rate=12345, response_format="pcm"),
    _fields(404, model="gpt-9"),
    _fields(404, "/v1/audio/nothing"),
    _fields(405, "/health"),
    _raw(400, b""),
    _raw(400, b'{"input": "Hello."'),
    _raw(400, b'{"input": "\xff"}', EVENTS),
    _raw(400, b"[]", PCM),
    _raw(415, json.dumps({"input": "Hello."}).encode(), **{"content-type": "text/plain"}),
    _raw(415, json.dumps({"input": "Hello."}).encode(), **{"content-encoding": "gzip"}),
    _raw(413, b" " * (2 * MAX_BODY_BYTES)),
    Bad(413, SPEECH, {"headers": _JSON}, chunked_bytes=2 * MAX_BODY_BYTES),
    _raw(415, b"{}", CLONE),
    _form(400, None),
    _form(400, b"x", text=""),
    _form(413, b" " * (2 * MAX_UPLOAD_BYTES)),
)
CLIPS = (
    _form(400, b""),
    _form(400, b"no sound at all " * 100),
    _form(400, clip(0.3, 200)),
    _form(400, clip(2.0, 200, loudness=0.0)),
)
"""Clips that only decoding tells from good ones: each costs a process. For engines that clone."""
