"""An engine that makes tones instead of speech: same request, same samples, on any machine.

It exists for tests and benchmarks, of vivavoce and of whatever talks to it (`ENGINE=fake`). After
segments there is silence as long as their pauses. Its `instructions` are switches, so a test can
have any fault through the ordinary API:

    interval_s=0.08     one chunk per 80 ms, as a GPU would
    gate=PATH after=1   make 1 chunk, then wait until PATH exists
    fail_after=2        raise after 2 chunks
    oom_after=2         no memory for this request after 2 chunks
    die_after=2         the process ends after 2 chunks
    broken_after=2      the engine breaks down after 2 chunks
    hang_after=2        never return, deaf to `cancel`, after 2 chunks
    chunks=500          exactly 500 chunks per segment
    endless=1           chunks until it is cancelled
    silent=1            nothing but zeros
    nan=1               samples that are not numbers
    empty=1             no chunks at all

What goes wrong before there is a request is its load options' affair. A server under test passes it
none, so they may also stand in the environment: VIVAVOCE_FAKE, a JSON object.

    load_s              seconds that a load takes, telling how far it is
    load_fails          path of a file: while it exists, loads fail
    load_oom            path of a file: while it exists, loads run out of memory
    gpu_bytes           how much of a GPU's memory it claims to hold
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from vivavoce.engine.base import Engine, EngineBroken, GeneratedSpeech
from vivavoce.errors import EngineUnavailable, OutOfMemory, SynthesisFailed
from vivavoce.types import (
    AudioChunk,
    Capabilities,
    LoadProgress,
    ModelInfo,
    Samples,
    Voice,
    VoicePrompt,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from vivavoce.types import Segment, SpeechRequest

_NONE: dict[str, object] = {}
SAMPLE_RATE_HZ = 24000
CHUNK_SAMPLES = 1920
CHARS_PER_CHUNK = 2
ENVIRONMENT = "VIVAVOCE_FAKE"
_POLL_S = 0.005
_LOAD_STEPS = 20


def describe(options: Mapping[str, object] = _NONE) -> ModelInfo:
    """See `vivavoce.engine.registry.describe`. No option changes it."""
    openai = [
        "alloy",
        "ash",
        "ballad",
        "coral",
        "echo",
        "fable",
        "onyx",
        "nova",
        "sage",
        "shimmer",
        "verse",
        "marin",
        "cedar",
    ]
    return ModelInfo(
        id="fake",
        engine="fake",
        owner="vivavoce",
        capabilities=Capabilities(
            sample_rate_hz=SAMPLE_RATE_HZ,
            languages=("en", "zh"),
            instructions=True,
            blends=True,
        ),
        voices=(
            Voice("sine", "Sine", ("en", "zh"), "A sine tone", tuple(openai)),
            Voice("square", "Square", ("en", "zh"), "A square tone"),
        ),
    )


def tone(segment: Segment, voice: str, seed: int, n_samples: int) -> Samples:
    """Return the tone that stands for a segment: its pitch is a function of all that is given."""
    digest = hashlib.sha256(f"{voice}|{seed}|{segment.text}".encode()).digest()
    frequency_hz = 200.0 + int.from_bytes(digest[:2], "big") % 600
    phase = 2 * np.pi * frequency_hz / SAMPLE_RATE_HZ * np.arange(n_samples, dtype=np.float64)
    wave = np.sign(np.sin(phase)) if voice == "square" else np.sin(phase)
    return (0.3 * wave).astype(np.float32)


class FakeEngine(Engine):
    """See the module. Usage: characters in, chunks out."""

    def __init__(self, gpu_bytes: int = 0) -> None:
        self.info = describe()
        self._gpu_bytes = gpu_bytes
        self._broken: str | None = None

    @classmethod
    def load(
        cls, options: Mapping[str, object], on_progress: Callable[[LoadProgress], None]
    ) -> Self:
        """See `Engine.load`, and the module."""
        given = {**json.loads(os.environ.get(ENVIRONMENT, "{}")), **options}
        for step in range(_LOAD_STEPS if "load_s" in given else 0):
            on_progress(LoadProgress("tuning", step, _LOAD_STEPS))
            time.sleep(float(given["load_s"]) / _LOAD_STEPS)
        if "load_fails" in given and Path(given["load_fails"]).exists():
            raise EngineUnavailable(f"The fake engine does not load: {given['load_fails']} exists.")
        if "load_oom" in given and Path(given["load_oom"]).exists():
            raise OutOfMemory(f"The fake engine does not fit: {given['load_oom']} exists.")
        return cls(int(given.get("gpu_bytes", 0)))

    @property
    def gpu_bytes(self) -> int:
        """See `Engine.gpu_bytes`."""
        return self._gpu_bytes

    @property
    def broken(self) -> str | None:
        """See `Engine.broken`."""
        return self._broken

    def speak(self, request: SpeechRequest) -> GeneratedSpeech:
        """See `Engine.speak`."""
        return GeneratedSpeech(lambda stream: self._generate(request, stream))

    def listen(self, samples: Samples, transcript: str | None) -> VoicePrompt:
        """See `Engine.listen`. The voice is a digest of the clip."""
        speaker = hashlib.sha256(samples.tobytes()).digest()
        return VoicePrompt(speaker, speaker if transcript else None, transcript)

    def close(self) -> None:
        """Nothing is held."""

    def _generate(self, request: SpeechRequest, stream: GeneratedSpeech) -> Iterator[AudioChunk]:
        try:
            yield from _generate(request, stream)
        except EngineBroken as exc:
            self._broken = str(exc)
            raise


def _generate(request: SpeechRequest, stream: GeneratedSpeech) -> Iterator[AudioChunk]:
    switches = dict(
        part.split("=", 1) for part in (request.instructions or "").split() if "=" in part
    )
    made = 0
    voice = request.voice or repr(request.blend or (request.reference, request.instructions))
    if switches.get("empty"):
        return
    for index, segment in enumerate(request.segments):
        stream.count(input_tokens=len(segment.text))
        chunks = int(switches.get("chunks", max(1, len(segment.text) // CHARS_PER_CHUNK)))
        wave = tone(segment, voice, request.seed, chunks * CHUNK_SAMPLES)
        if switches.get("silent"):
            wave[:] = 0
        if switches.get("nan"):
            wave[:] = np.nan
        starts = range(0, len(wave), CHUNK_SAMPLES)
        for start in itertools.cycle(starts) if switches.get("endless") else starts:
            _misbehave(switches, made, stream)
            stream.count(output_tokens=1)
            made += 1
            yield AudioChunk(wave[start : start + CHUNK_SAMPLES], index)
        if segment.pause_s:
            yield AudioChunk(np.zeros(round(segment.pause_s * SAMPLE_RATE_HZ), np.float32), index)


def _misbehave(switches: dict[str, str], made: int, stream: GeneratedSpeech) -> None:
    """Do what the switches ask for before the next chunk."""
    stream.check()
    if "interval_s" in switches:
        stream.wait(float(switches["interval_s"]))
    if "gate" in switches and made == int(switches.get("after", 1)):
        while not Path(switches["gate"]).exists():
            stream.wait(_POLL_S)
    if made == int(switches.get("fail_after", -1)):
        raise SynthesisFailed("The fake engine was told to fail here.")
    if made == int(switches.get("oom_after", -1)):
        raise OutOfMemory("The fake engine was told to have no memory here.")
    if made == int(switches.get("die_after", -1)):
        os._exit(9)
    if made == int(switches.get("broken_after", -1)):
        raise EngineBroken("it was told to, here")
    if made == int(switches.get("hang_after", -1)):
        threading.Event().wait()
