"""The worker process: imports one engine, loads it when told to, and speaks what it is told to.

The main thread reads messages; each request runs on a thread of its own, which iterates the
engine's stream and waits when its listener is a window behind. The process ends when it is told
to, or when the server's end of its standard input closes: it never outlives the server, however
that ended. An engine that breaks down is the end of its process, and the next one gets a clean
device.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

import numpy as np
import zmq

from vivavoce.engine import registry
from vivavoce.errors import EngineUnavailable, VivavoceError
from vivavoce.worker import messages as msg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vivavoce.engine.base import Engine, SpeechStream
    from vivavoce.types import SpeechRequest

HEARTBEAT_S = 1.0


def run(endpoint: str, engine_name: str) -> None:
    """Connect to the server's socket and serve until told to stop."""
    threading.Thread(
        target=_exit_with_parent, args=(endpoint,), name="parent-watch", daemon=True
    ).start()
    try:
        registry.prepare(engine_name)
    except Exception:  # a load meets it again, and answers for it
        traceback.print_exc(file=sys.stderr)
    context = zmq.Context()
    wire = Wire(context, endpoint)
    wire.send(msg.Hello(os.getpid()))
    engine = _load(wire)
    status = 0
    if engine is not None:
        host = Host(engine, wire)
        host.serve()
        if host.broken:
            status = 1  # and its engine cannot be closed: what it waits for may never end
        else:
            engine.close()
    wire.close()
    context.term()
    # Not by returning: threads still inside native code abort an interpreter that shuts down.
    os._exit(status)


def _exit_with_parent(endpoint: str) -> None:
    # Not through sys.stdin: its lock would hang the interpreter's exit.
    while os.read(0, 4096):
        pass
    socket_path = endpoint.removeprefix("ipc://")
    with contextlib.suppress(OSError):  # nobody else is left to clear it away
        os.unlink(socket_path)
        os.rmdir(os.path.dirname(socket_path))
    os._exit(0)


def _load(wire: Wire) -> Engine | None:
    message, _ = wire.receive()
    if not isinstance(message, msg.Load):
        return None
    started = time.monotonic()
    code = None
    try:
        if message.engine not in registry.ENGINE_NAMES:
            known = ", ".join(registry.ENGINE_NAMES)
            raise EngineUnavailable(f"There is no engine {message.engine!r}. There are: {known}.")
        engine = registry.load(
            message.engine, message.options, lambda progress: wire.send_now(msg.Loading(progress))
        )
    except VivavoceError as exc:
        reason, code = exc.message, exc.code
    except Exception as exc:
        traceback.print_exc(file=sys.stderr)
        reason = f"Loading the {message.engine} engine raised {exc!r}."
    else:
        wire.send(msg.Ready(time.monotonic() - started))
        return engine
    wire.send(msg.LoadFailed(reason, code))
    wire.receive()  # stay until told to stop: an end of its own could be noticed before the reason
    return None


class Wire:
    """The socket. Any thread may send; one thread receives, and does the sending for all."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
        self._socket = context.socket(zmq.PAIR)
        self._socket.setsockopt(zmq.LINGER, 1000)
        self._socket.connect(endpoint)
        self._loading = threading.Lock()
        self._outbox: queue.SimpleQueue[tuple[bytes | memoryview, ...]] = queue.SimpleQueue()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._wake_read, zmq.POLLIN)

    def send(self, message: msg.FromWorker, payload: bytes | memoryview | None = None) -> None:
        """Queue a message; it leaves at once if the receiving thread waits."""
        head = msg.encode(message)
        self._outbox.put((head,) if payload is None else (head, payload))
        with contextlib.suppress(BlockingIOError):  # the pipe is full of wake-ups already
            os.write(self._wake_write, b"\0")

    def send_now(self, message: msg.FromWorker) -> None:
        """Send a message from any thread, while nobody receives: during a load."""
        with self._loading:
            self._socket.send(msg.encode(message))

    def receive(self) -> tuple[msg.ToWorker, bytes]:
        """Wait for a message and its payload; meanwhile, send what other threads queue."""
        while True:
            self._flush()
            ready = dict(self._poller.poll())
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
            if self._socket in ready:
                head, *payload = self._socket.recv_multipart()
                return msg.decode_to_worker(head), payload[0] if payload else b""

    def close(self) -> None:
        """Send what is queued and close."""
        self._flush()
        self._socket.close()

    def _flush(self) -> None:
        while True:
            try:
                frames = self._outbox.get_nowait()
            except queue.Empty:
                return
            self._socket.send_multipart(frames)


class Host:
    """The requests of one engine, and its pulse. `broken` tells whether it can serve no more."""

    def __init__(self, engine: Engine, wire: Wire) -> None:
        self.broken = False
        self._engine = engine
        self._wire = wire
        self._running: dict[int, Running] = {}
        self._progress = Progress(engine)

    def serve(self) -> None:
        """Handle messages until `Stop`."""
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        while True:
            message, payload = self._wire.receive()
            match message:
                case msg.Speak(id, request, window):
                    self._begin(id, request, window)
                case msg.More(id, text, last):
                    if (listener := self._running.get(id)) is not None:
                        self._hear_more(listener, text, last=last)
                case msg.Credit(id, samples):
                    if (listener := self._running.get(id)) is not None:
                        listener.acknowledge(samples)
                case msg.Cancel(id):
                    if (listener := self._running.pop(id, None)) is not None:
                        listener.cancel()
                case msg.Listen(id, transcript):
                    threading.Thread(
                        target=self._listen,
                        args=(id, payload, transcript),
                        name=f"listen-{id}",
                        daemon=True,
                    ).start()
                case msg.Stop():
                    return
                case _:
                    raise AssertionError("the server sent a message out of order")

    def _begin(self, id: int, request: SpeechRequest, window_samples: int) -> None:
        try:
            stream = self._engine.speak(request)
        except Exception as exc:
            self._fail(id, exc)
            return
        self._running[id] = running = Running(stream, window_samples, open=request.live)
        threading.Thread(
            target=self._speak, args=(id, running), name=f"speak-{id}", daemon=True
        ).start()

    def _hear_more(self, running: Running, text: str, *, last: bool) -> None:
        running.stream.push(text)
        if last:
            running.open = False
            self._progress.note()  # the silence until now was not the engine's
            running.stream.finish()

    def _speak(self, id: int, running: Running) -> None:
        try:
            while True:
                with self._progress.waiting(running):
                    chunk = next(running.stream, None)
                if chunk is None:
                    break
                payload = chunk.samples.data.cast("B")
                self._wire.send(msg.Chunk(id, chunk.segment, chunk.words), payload)
                if not running.spend(len(chunk.samples)):
                    return
            if not running.cancelled:
                self._wire.send(msg.Done(id, running.stream.report))
        except Exception as exc:
            self._fail(id, exc)
        finally:
            self._running.pop(id, None)

    def _listen(self, id: int, clip: bytes, transcript: str | None) -> None:
        try:
            with self._progress.waiting():
                prompt = self._engine.listen(np.frombuffer(clip, np.float32), transcript)
        except Exception as exc:
            self._fail(id, exc)
        else:
            self._wire.send(msg.Heard(id, prompt))

    def _fail(self, id: int, exc: Exception) -> None:
        if self.broken:
            return  # the server fails all requests, in its own words
        code = None
        if isinstance(exc, VivavoceError):
            message, code = exc.message, exc.code
        else:
            traceback.print_exception(exc, file=sys.stderr)
            message = f"The engine raised {type(exc).__name__}: {exc}"
        if not self._is_broken():
            self._wire.send(msg.Failed(id, message, code))

    def _is_broken(self) -> bool:
        """Tell whether the engine is, and the server so, who says `Stop` then.

        Not an end of its own: that could be noticed before the reason.
        """
        reason = self._engine.broken
        if reason is not None and not self.broken:
            self.broken = True
            self._wire.send(msg.Broken(reason))
        return self.broken

    def _beat(self) -> None:
        while not self._is_broken():
            self._wire.send(
                msg.Heartbeat(
                    active=len(self._running),
                    stalled_s=self._progress.stalled_s(),
                    memory_bytes=resident_bytes(),
                    gpu_bytes=self._engine.gpu_bytes,
                )
            )
            time.sleep(HEARTBEAT_S)


class Running:
    """One request: its stream, and how much its listener has not taken yet.

    `open`: more of its text may come, so that it may wait for that instead of the engine.
    """

    def __init__(self, stream: SpeechStream, window_samples: int, *, open: bool) -> None:
        self.stream = stream
        self.open = open
        self.cancelled = False
        self._left = window_samples
        self._changed = threading.Condition()

    def spend(self, samples: int) -> bool:
        """Note samples as sent; wait until the window is open again. False once cancelled."""
        with self._changed:
            self._left -= samples
            self._changed.wait_for(lambda: self._left > 0 or self.cancelled)
            return not self.cancelled

    def acknowledge(self, samples: int) -> None:
        """Open the window by this much."""
        with self._changed:
            self._left += samples
            self._changed.notify()

    def cancel(self) -> None:
        """Stop the stream and whoever waits for its window."""
        with self._changed:
            self.cancelled = True
            self._changed.notify()
        self.stream.cancel()


class Progress:
    """Whether the engine moves: any chunk or step is progress for all who wait for one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._steps = 0
        self._lock = threading.Lock()
        self._waiting: list[Running | None] = []
        self._last = time.monotonic()

    @contextlib.contextmanager
    def waiting(self, running: Running | None = None) -> Iterator[None]:
        """Wait for the engine in this thread: for a request's next chunk, or for something else."""
        with self._lock:
            if not self._waiting:
                self._last = time.monotonic()
            self._waiting.append(running)
        try:
            yield
        finally:
            with self._lock:
                self._waiting.remove(running)
                self._last = time.monotonic()

    def note(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self._last = time.monotonic()

    def stalled_s(self) -> float:
        """Seconds since the engine last did anything, if anybody waits for it, and not for text."""
        with self._lock:
            if self._steps != (steps := self._engine.steps):
                self._steps = steps
                self._last = time.monotonic()
            waits = any(running is None or not running.open for running in self._waiting)
            return time.monotonic() - self._last if waits else 0.0


def resident_bytes() -> int:
    """Return this process's resident memory; 0 where the system does not tell (no /proc)."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
