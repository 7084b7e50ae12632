"""Running the application: uvicorn, and a clear word when it listens."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from vivavoce.api.sockets import clear_away

_MAX_MESSAGE_BYTES = 1 << 20
"""Of what a WebSocket's client sends at once."""
_TICKS_PER_LOOK = 10
"""uvicorn ticks ten times a second."""

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from fastapi import FastAPI

    from vivavoce.api.tls import Certificate


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """How long is waited, in seconds: for a client, for its next request, for the last answers.

    A connection whose request has not begun after `client_s` is closed, as is one to be closed
    whose client takes nothing for so long; one that was answered is kept for `keep_alive_s`.
    """

    client_s: float
    keep_alive_s: int
    shutdown_s: int


def run(
    app: FastAPI,
    listener: socket.socket,
    certificate: Certificate | None,
    limits: ServerLimits,
    *,
    on_listening: Callable[[], None],
    on_stopping: Callable[[], None],
) -> None:
    """Serve until SIGINT or SIGTERM, then let running answers finish for so long.

    A second signal ends them at once.
    """
    config = uvicorn.Config(
        app,
        loop="auto",  # as is the protocol: uvloop and httptools where they are installed
        http=type("Protocol", (_ImpatientProtocol,), {"client_timeout_s": limits.client_s}),
        ssl_context_factory=(lambda *_: certificate.context) if certificate else None,
        lifespan="on",
        ws_max_size=_MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # audio is as small as it gets
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=limits.keep_alive_s,
        timeout_graceful_shutdown=limits.shutdown_s,
    )
    server = _Server(config, certificate, on_listening, on_stopping)
    # uvicorn raises the signal that stopped it once more when it is done; a stop is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    path = listener.getsockname() if listener.family == socket.AF_UNIX else None
    made = os.lstat(path) if path else None
    try:
        server.run(sockets=[listener])
    finally:
        if path and made:
            clear_away(path, made)


class _Server(uvicorn.Server):
    """Calls back once it accepts connections, and when it is told to stop.

    Looks after connections that do not come to their end by themselves, and after the certificate.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        certificate: Certificate | None,
        on_listening: Callable[[], None],
        on_stopping: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._certificate = certificate
        self._on_listening = on_listening
        self._on_stopping = on_stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_listening()

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_LOOK == 0:
            for connection in list(self.server_state.connections):
                if isinstance(connection, _ImpatientProtocol):
                    connection.abort_if_stuck()
            if self._certificate is not None:
                self._certificate.renew()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self.force_exit = True
        self._on_stopping()
        super().handle_exit(sig, frame)


class _ImpatientProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's HTTP protocol, but for requests that never come to their end.

    uvicorn itself waits for ever: for a head, for the rest of a body whose request was answered
    before it was read, and for a client to take the rest of an answer after which the connection is
    to be closed. The time for a body that is being read is the application's affair, as is that for
    an answer that is being sent.
    """

    client_timeout_s: float
    _timer: asyncio.TimerHandle | None = None
    _arriving = False
    _unsent_bytes = 0
    _stuck_since_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._begin_to_wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arriving = True
        self._begin_to_wait()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._arriving = False
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._arriving:  # the rest of its body, or the head of the next
            self._begin_to_wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def abort_if_stuck(self) -> None:
        unsent_bytes = self.transport.get_write_buffer_size()
        now_s = asyncio.get_running_loop().time()
        if not self.transport.is_closing() or unsent_bytes != self._unsent_bytes:
            self._unsent_bytes, self._stuck_since_s = unsent_bytes, now_s
        elif unsent_bytes and now_s - self._stuck_since_s > self.client_timeout_s:
            self.transport.abort()

    def _begin_to_wait(self) -> None:
        self._stop_waiting()
        self._timer = asyncio.get_running_loop().call_later(self.client_timeout_s, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
