"""What the server and a worker say to each other, as MessagePack over a local socket.

    server → worker   Load, Speak, More, Credit, Cancel, Listen, Stop
    worker → server   Hello, Loading, Ready, LoadFailed, Chunk, Done, Heard, Failed, Heartbeat,
                      Broken

A `Chunk` and a `Listen` are followed by a second frame: the samples, float32 little-endian. Every
`Speak` is answered by any number of `Chunk`s and one `Done` or `Failed`; a cancelled one by
neither, or by what was already on its way. A `Listen` is answered by `Heard` or `Failed`.
"""

from __future__ import annotations

import msgspec

from vivavoce.engine.base import Options
from vivavoce.types import LoadProgress, SpeechReport, SpeechRequest, VoicePrompt


class Message(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Base of all messages."""


class Load(Message, frozen=True):
    """Load this engine with these options. Sent once."""

    engine: str
    options: Options


class Speak(Message, frozen=True):
    """Begin request `id`; at most `window_samples` of it may be unacknowledged at a time."""

    id: int
    request: SpeechRequest
    window_samples: int


class More(Message, frozen=True):
    """More of the text of `id`, which is live; with `last` that is all of it."""

    id: int
    text: str
    last: bool


class Credit(Message, frozen=True):
    """The listener of `id` has taken this many samples; as many more may be sent."""

    id: int
    samples: int


class Cancel(Message, frozen=True):
    """Nobody listens to `id` any more."""

    id: int


class Listen(Message, frozen=True):
    """Make a voice of a clip; the samples are the next frame. `id` is shared with `Speak`."""

    id: int
    transcript: str | None


class Stop(Message, frozen=True):
    """Close the engine and end the process."""


class Hello(Message, frozen=True):
    """The process is up, its imports done, nothing loaded."""

    pid: int


class Loading(Message, frozen=True):
    """The load has come further."""

    progress: LoadProgress


class Ready(Message, frozen=True):
    """The engine is loaded."""

    load_s: float


class LoadFailed(Message, frozen=True):
    """The engine could not be loaded; the process waits for its end."""

    message: str
    code: str | None = None


class Chunk(Message, frozen=True):
    """Audio of `id`, as `AudioChunk` has it; the samples are the next frame."""

    id: int
    segment: int
    words: tuple[tuple[int, int], ...] = ()


class Done(Message, frozen=True):
    """Everything of `id` was sent."""

    id: int
    report: SpeechReport


class Heard(Message, frozen=True):
    """The voice of a clip."""

    id: int
    prompt: VoicePrompt


class Failed(Message, frozen=True):
    """The engine gave up on `id`."""

    id: int
    message: str
    code: str | None = None


class Heartbeat(Message, frozen=True):
    """Sent every second.

    `stalled_s` is how long requests have waited for the engine with nothing coming from it at all;
    0 while it is idle or working. `memory_bytes` is the process's resident memory, `gpu_bytes` what
    it holds of a GPU's.
    """

    active: int
    stalled_s: float
    memory_bytes: int
    gpu_bytes: int


class Broken(Message, frozen=True):
    """The engine can do nothing more, nor answer its requests; `Stop` ends the process."""

    reason: str


ToWorker = Load | Speak | More | Credit | Cancel | Listen | Stop
FromWorker = (
    Hello | Loading | Ready | LoadFailed | Chunk | Done | Heard | Failed | Heartbeat | Broken
)

encode = msgspec.msgpack.Encoder().encode
decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_from_worker = msgspec.msgpack.Decoder(FromWorker).decode
