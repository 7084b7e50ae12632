"""Running the application: a socket, uvicorn, and a clear word when it listens."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import uvicorn

from vivavoce.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host:port`.

    Raises:
        SettingsError: the port is in use, or the address is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as exc:
        raise SettingsError(
            f"Cannot listen on HOST={host} PORT={port}: {exc.strerror or exc}. "
            "Is a server running there already? Choose another address or port."
        ) from None


def run(
    app: FastAPI,
    listener: socket.socket,
    shutdown_timeout_s: int,
    on_listening: Callable[[str, int], None],
) -> None:
    """Serve until SIGINT or SIGTERM, then let running answers finish for so long."""
    config = uvicorn.Config(
        app,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=shutdown_timeout_s,
    )
    server = _Announced(config, lambda: on_listening(*listener.getsockname()[:2]))
    # uvicorn raises the signal that stopped it once more when it is done; a stop is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listener])


class _Announced(uvicorn.Server):
    """Calls back once it accepts connections."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_listening()
