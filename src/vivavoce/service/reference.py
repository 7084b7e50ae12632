"""A reference clip, uploaded to clone a voice from: from a file's bytes to samples worth cloning.

The file is decoded in a process of its own (`vivavoce.audio.clip`), so that the worst one can do
is to waste a little time. Here that process is started, timed and ended, and the sound is judged:
long enough, short enough, not silent.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import structlog

from vivavoce.audio.clip import CLIP_HZ, TOO_LONG_STATUS, UNREADABLE_STATUS
from vivavoce.errors import EngineUnavailable, InvalidRequest, VivavoceError
from vivavoce.worker.process import check_files_left, spawn

if TYPE_CHECKING:
    from subprocess import Popen

    from vivavoce.types import Samples

log = structlog.get_logger("vivavoce.reference")

SILENCE_AFTER_S = 0.5
"""Appended to every clip. An engine goes on from the end of what it is given: where that is in
the middle of a sound, the clone begins with the rest of the reference's last phoneme."""

AUDIBLE = 10 ** (-50 / 20)
"""-50 dBFS: a whisper close to the microphone is well above it, a quiet room below."""
AUDIBLE_S = 0.3

_FRAME_S = 0.02
_DECODERS = 2
_COMMAND = (sys.executable, "-P", "-m", "vivavoce.audio.clip")  # -P: nothing from this folder


@dataclass(frozen=True, slots=True)
class ReferenceLimits:
    """How long a clip may be, and how long its decoding may take."""

    min_s: float = 1.0
    max_s: float = 60.0
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class ReferenceClip:
    """Mono samples at 24 kHz, shape [n], with `SILENCE_AFTER_S` of silence at their end.

    `duration_s` is that of the clip as it was uploaded, without the silence.
    """

    samples: Samples
    duration_s: float


class ReferenceReader:
    """Reads clips, two at a time; others wait for their turn.

    `command` is the program that decodes; it is given the greatest length in seconds, and whether
    to cut what is longer.
    """

    def __init__(self, limits: ReferenceLimits, command: tuple[str, ...] = _COMMAND) -> None:
        self._limits = limits
        self._command = command
        self._turns = asyncio.Semaphore(_DECODERS)

    async def read(self, content: bytes) -> ReferenceClip:
        """Decode a file's bytes and check the sound. Cancelling it ends the decoding.

        Raises:
            InvalidRequest: no audio (`audio_unreadable`), `audio_too_short`, `audio_too_long`, or
                nothing to be heard (`audio_silent`).
            EngineUnavailable: the machine has no room for one more process now.
        """
        samples = await self._read(content, f"{self._limits.max_s:g}")
        return ReferenceClip(with_silence(samples), len(samples) / CLIP_HZ)

    async def decode(self, content: bytes, most_s: float) -> Samples:
        """Return a file's samples, shape [n], those of about the first `most_s`, not judged.

        Raises:
            InvalidRequest: no audio (`audio_unreadable`).
            EngineUnavailable: the machine has no room for one more process now.
        """
        return await self._read(content, f"{most_s:g}", "cut")

    async def _read(self, content: bytes, *limit: str) -> Samples:
        """Decode when it is its turn, and tell of it in the log; judge what may not be cut."""
        if not content:
            raise _refusal("audio_unreadable", "The file is empty. Upload a clip of the voice.")
        outcome, duration_s, decode_s = "abandoned", 0.0, 0.0
        try:
            async with self._turns:
                started = time.monotonic()
                try:
                    samples = await self._decode(content, limit)
                finally:
                    decode_s = time.monotonic() - started
            duration_s = len(samples) / CLIP_HZ
            if "cut" not in limit:
                self._judge(samples, duration_s)
            outcome = "read"
            return samples
        except VivavoceError as exc:
            outcome = exc.code
            raise
        finally:
            log.info(
                "reference",
                outcome=outcome,
                clip_s=round(duration_s, 3),
                decode_ms=round(decode_s * 1000, 1),
            )

    async def _decode(self, content: bytes, limit: tuple[str, ...]) -> Samples:
        """Have the program decode the bytes; afterwards it is gone, whatever happened."""
        process = self._start(limit)
        talk = asyncio.create_task(asyncio.to_thread(process.communicate, content))
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                out, err = await asyncio.shield(talk)
        except TimeoutError:
            raise _gave_up(f"took longer than {self._limits.timeout_s:g} s") from None
        finally:
            process.kill()
            await asyncio.wait({talk})
        if process.returncode == 0:
            return np.frombuffer(out, "<f4").astype(np.float32, copy=False)
        last_line = (err.decode(errors="replace").splitlines() or [""])[-1]
        if process.returncode == TOO_LONG_STATUS:
            raise _refusal("audio_too_long", last_line)
        if process.returncode == UNREADABLE_STATUS:
            raise _refusal("audio_unreadable", last_line)
        raise _gave_up(f"ended with status {process.returncode}", last_line)

    def _start(self, limit: tuple[str, ...]) -> Popen[bytes]:
        # It multiplies no matrices; a thread per core would cost it its address space.
        env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        try:
            check_files_left()
            return spawn((*self._command, *limit), env, heard=True)
        except OSError as exc:
            raise _no_process(exc) from None

    def _judge(self, samples: Samples, duration_s: float) -> None:
        """Raise InvalidRequest if nobody's voice can be learned from the samples, shape [n]."""
        if duration_s < self._limits.min_s:
            raise _refusal(
                "audio_too_short",
                f"The clip is {duration_s:.2f} s long; at least {self._limits.min_s:g} s are "
                "needed. Upload a longer one.",
            )
        audible_s = _audible_s(samples)
        if audible_s < AUDIBLE_S:
            raise _refusal(
                "audio_silent",
                f"Of the clip's {duration_s:.1f} s, {audible_s:.2f} s can be heard. Upload one in "
                "which somebody speaks, or make it louder.",
            )


def with_silence(samples: Samples) -> Samples:
    """Return the samples, shape [n], and `SILENCE_AFTER_S` of silence."""
    return np.concatenate([samples, np.zeros(round(SILENCE_AFTER_S * CLIP_HZ), np.float32)])


def _audible_s(samples: Samples) -> float:
    """Return how much of the samples, shape [n], is more than room noise, in seconds."""
    length = round(_FRAME_S * CLIP_HZ)
    frames = samples[: len(samples) // length * length].reshape(-1, length)
    swing = np.ptp(frames, axis=1) / 2  # unlike the peak, blind to a constant offset
    return float(np.count_nonzero(swing > AUDIBLE) * _FRAME_S)


def _gave_up(reason: str, last_line: str = "") -> InvalidRequest:
    """Tell the operator what became of the decoder, and return what the user is told."""
    log.warning("reference decoder failed", reason=reason, error=last_line[:200])
    return _refusal(
        "audio_unreadable",
        "The file could not be decoded within the time and memory a clip may take. "
        "Export it again, as 16-bit WAV.",
    )


def _no_process(reason: OSError) -> EngineUnavailable:
    return EngineUnavailable(
        f"The program that decodes clips could not be started: {reason.strerror}. Send the request "
        "again later, or have the operator look why the machine has no room for it."
    )


def _refusal(code: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, param="file", code=code)
