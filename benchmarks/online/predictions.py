"""What was expected of every figure, and why: written from reading the code, before any was taken.

Printed beside the result. A prediction that missed stays as it is: the miss is what is learnt.
They are for two cores of a 2.6 GHz server; another machine shifts them all alike.
"""

from __future__ import annotations

from typing import NamedTuple


class Prediction(NamedTuple):
    """A median in the figure's own unit, and the reason for it."""

    value: float
    reason: str


PREDICTIONS: dict[str, Prediction] = {
    "start": Prediction(0.9, "imports: typer, fastapi, pydantic, numpy, zmq, uvicorn; no engine"),
    "first_byte.cold.mp3": Prediction(
        1500, "python and zmq 0.25 s, hibari's load 1.2 s, one sentence 0.05 s"
    ),
    "first_byte.warm.pcm": Prediction(45, "2.6 s of audio at 0.016 of real time, 3 ms around it"),
    "first_byte.warm.mp3": Prediction(47, "as pcm; opening the encoder, encoding its first 0.5 s"),
    "first_byte.warm.opus": Prediction(47, "as mp3"),
    "first_byte.warm.pcm.bare": Prediction(42, "2.6 s of audio at 0.016 of real time"),
    "first_byte.warm.mp3.bare": Prediction(44, "as pcm, and the first half second encoded"),
    "first_byte.warm.opus.bare": Prediction(44, "as mp3"),
    "realtime.short.bare": Prediction(0.021, "synthesis 0.016, mp3 0.005, one after the other"),
    "realtime.short.c1": Prediction(0.022, "as bare: one sentence is not encoded until it is made"),
    "realtime.short.c2": Prediction(0.026, "a core each; client and encoder share them"),
    "realtime.short.c4": Prediction(0.050, "two turns at once, two waiting"),
    "realtime.short.c8": Prediction(0.100, "two turns at once, six waiting"),
    "realtime.short.c1.audio": Prediction(45, "1 / 0.022"),
    "realtime.short.c2.audio": Prediction(75, "2 / 0.026"),
    "realtime.short.c4.audio": Prediction(80, "both cores are busy from 2 on"),
    "realtime.short.c8.audio": Prediction(80, "both cores are busy from 2 on"),
    "realtime.short.c1.audio.ratio": Prediction(0.95, "0.021 / 0.022"),
    "realtime.short.c2.audio.ratio": Prediction(0.95, "the same work; the server also sends it"),
    "realtime.short.c4.audio.ratio": Prediction(0.95, "as with 2"),
    "realtime.short.c8.audio.ratio": Prediction(0.95, "as with 2"),
    "realtime.long.bare": Prediction(0.020, "synthesis 0.015, mp3 0.005"),
    "realtime.long.c1": Prediction(0.017, "encoding runs beside the next sentence's synthesis"),
    "realtime.long.c2": Prediction(0.021, "synthesis on both cores, encoding takes from it"),
    "realtime.long.c4": Prediction(0.041, "both cores are busy from 2 on"),
    "realtime.long.c8": Prediction(0.082, "both cores are busy from 2 on"),
    "realtime.long.c1.audio": Prediction(58, "1 / 0.017"),
    "realtime.long.c2.audio": Prediction(95, "2 / 0.021"),
    "realtime.long.c4.audio": Prediction(97, "both cores are busy from 2 on"),
    "realtime.long.c8.audio": Prediction(97, "both cores are busy from 2 on"),
    "realtime.long.c1.first_byte": Prediction(110, "a first sentence of about 6 s of audio"),
    "realtime.long.c2.first_byte": Prediction(130, "as alone: a turn is free for each"),
    "realtime.long.c4.first_byte": Prediction(240, "whoever has sent nothing goes first"),
    "realtime.long.c8.first_byte": Prediction(480, "whoever has sent nothing goes first"),
    "realtime.long.c1.audio.ratio": Prediction(1.18, "0.020 / 0.017"),
    "realtime.long.c2.audio.ratio": Prediction(1.05, "two interpreters share what one does here"),
    "realtime.long.c4.audio.ratio": Prediction(1.05, "as with 2"),
    "realtime.long.c8.audio.ratio": Prediction(1.05, "as with 2"),
    "cached.miss": Prediction(62, "as first_byte.warm, and the rest of the encoding; httpx"),
    "cached.miss.server": Prediction(58, "the same without the client"),
    "cached.hit": Prediction(2.5, "httpx 1 ms, uvicorn and FastAPI 0.7 ms, the server's own time"),
    "cached.hit.server": Prediction(0.6, "cleaning and cutting the text, one hash, one look-up"),
    "overhead.pcm.bare": Prediction(1.4, "42,240 sines 0.7 ms, 22 conversions of 30 us"),
    "overhead.mp3.bare": Prediction(9.0, "as pcm; 1.76 s of mp3 at 200 times real time"),
    "overhead.pcm.server": Prediction(6.4, "1.4 + 5"),
    "overhead.mp3.server": Prediction(14.0, "9 + 5"),
    "overhead.pcm.added": Prediction(
        5.0, "22 chunks, each through zmq, a queue, an executor and send: 0.2 ms; 0.7 ms for all"
    ),
    "overhead.mp3.added": Prediction(5.0, "as pcm"),
    "overhead.pcm.first_byte_added": Prediction(2.0, "parsing, zmq both ways, a thread, one part"),
    "overhead.mp3.first_byte_added": Prediction(2.5, "as pcm"),
    "overhead.pcm.plain": Prediction(1.2, "22 parts from memory, pydantic, uvicorn"),
    "overhead.mp3.plain": Prediction(1.2, "as pcm"),
    "overhead.pcm.ratio": Prediction(5.3, "6.4 / 1.2"),
    "overhead.mp3.ratio": Prediction(11.7, "14 / 1.2"),
    "throughput.pcm.server": Prediction(150, "the event loop's 6 ms a request"),
    "throughput.mp3.server": Prediction(110, "two cores share 15 ms a request, client included"),
    "throughput.pcm.plain": Prediction(900, "one loop's 0.8 ms; the client has the other core"),
    "throughput.mp3.plain": Prediction(900, "as pcm"),
    "throughput.pcm.ratio": Prediction(0.17, "150 / 900"),
    "throughput.mp3.ratio": Prediction(0.12, "110 / 900"),
    "streams.pcm.cpu_ms_per_s": Prediction(6.5, "3.8 and 2.7"),
    "streams.mp3.cpu_ms_per_s": Prediction(18.5, "15.8 and 2.7"),
    "streams.pcm.cpu_ms_per_s.server": Prediction(
        3.8, "12.5 chunks of 0.28 ms: as at once, and a wake-up of its own; 3 ms for the request"
    ),
    "streams.mp3.cpu_ms_per_s.server": Prediction(
        15.8, "as pcm; mp3 at 100 times real time, 12.5 trips to a thread of 0.15 ms"
    ),
    "streams.pcm.cpu_ms_per_s.worker": Prediction(2.7, "12.5 timers, sines, messages of 0.2 ms"),
    "streams.mp3.cpu_ms_per_s.worker": Prediction(2.7, "as pcm"),
    "streams.pcm.cpu_ms_per_s.client": Prediction(0.5, "12.5 small reads of 40 us"),
    "streams.mp3.cpu_ms_per_s.client": Prediction(0.5, "as pcm"),
    "streams.pcm.cpu_ms_per_s.plain": Prediction(1.3, "12.5 of a timer and a send, 0.1 ms"),
    "streams.mp3.cpu_ms_per_s.plain": Prediction(1.3, "as pcm"),
    "streams.pcm.cpu_ms_per_s.ratio": Prediction(2.9, "3.8 / 1.3"),
    "streams.mp3.cpu_ms_per_s.ratio": Prediction(12.0, "15.8 / 1.3"),
    "streams.pcm.jitter_ms": Prediction(0.3, "the fake engine's own work between two waits"),
    "streams.mp3.jitter_ms": Prediction(0.4, "as pcm"),
    "streams.pcm.jitter_ms.p99": Prediction(4.0, "the loop is a quarter busy; 64 threads"),
    "streams.mp3.jitter_ms.p99": Prediction(15.0, "encoding fills half the machine"),
    "streams.pcm.jitter_ms.plain": Prediction(0.0, "a fixed schedule"),
    "streams.mp3.jitter_ms.plain": Prediction(0.0, "a fixed schedule"),
    "streams.pcm.jitter_ms.plain.p99": Prediction(1.5, "one loop, a tenth busy"),
    "streams.mp3.jitter_ms.plain.p99": Prediction(1.5, "as pcm"),
    "client.cpu": Prediction(0.4, "23 small reads in Python, one send"),
    "memory.plain.rss": Prediction(53, "uvicorn and fastapi alone, by an earlier measurement"),
    "memory.server.idle.rss": Prediction(74, "plain, and numpy, zmq, typer, structlog, sentencex"),
    "memory.server.idle.pss": Prediction(67, "less libpython and libc, shared with the benchmark"),
    "memory.server.served.rss": Prediction(102, "av 16 MiB, codecs and threads' arenas 12 MiB"),
    "memory.server.served.pss": Prediction(92, "shares numpy with the worker as well"),
    "memory.server.unloaded.rss": Prediction(101, "the worker's end frees its queue, no more"),
    "memory.server.unloaded.pss": Prediction(96, "nobody shares numpy and zmq any more"),
    "memory.worker.rss": Prediction(200, "onnxruntime, numpy, 8 MiB of weights, a lexicon, arenas"),
    "memory.worker.pss": Prediction(187, "less what it shares with the server"),
}
