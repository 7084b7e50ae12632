"""The Wyoming server: a socket, its conversations, and their end when the server stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import structlog

from vivavoce.wyoming.conversation import Conversation
from vivavoce.wyoming.protocol import MAX_LINE_BYTES, WyomingLimits

if TYPE_CHECKING:
    import socket

    from vivavoce.service.speech import SpeechService

log = structlog.get_logger("vivavoce.wyoming")


class WyomingServer:
    """Serves in the event loop in which it is entered, until it is left.

    Told to stop it takes no more connections, and what is being spoken has `shutdown_timeout_s` to
    finish; told so again it ends at once.
    """

    def __init__(
        self,
        service: SpeechService,
        listener: socket.socket,
        limits: WyomingLimits,
        shutdown_timeout_s: float,
    ) -> None:
        self._service = service
        self._listener = listener
        self._limits = limits
        self._shutdown_timeout_s = shutdown_timeout_s
        self._conversations: dict[asyncio.Task[None], Conversation] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._deadline: float | None = None

    async def __aenter__(self) -> Self:
        """Begin to serve."""
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(
            self._serve, sock=self._listener, limit=MAX_LINE_BYTES
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and wait until all has ended."""
        if self._deadline is None:
            self._stop()
        assert self._loop is not None
        assert self._deadline is not None
        if self._conversations:
            left_s = max(0.0, self._deadline - self._loop.time())
            await asyncio.wait(set(self._conversations), timeout=left_s)
        self._end_all()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    def stop(self) -> None:
        """Tell it to stop. May be called from a signal handler."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._end_all()
            return
        self._deadline = asyncio.get_running_loop().time() + self._shutdown_timeout_s
        self._server.close()
        for task, conversation in self._conversations.items():
            if conversation.busy:
                conversation.end_soon()
            else:
                task.cancel()

    def _end_all(self) -> None:
        for task in self._conversations:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        conversation = Conversation(self._service, self._limits, reader, writer)
        self._conversations[task] = conversation
        try:
            await conversation.run()
        except asyncio.CancelledError:
            pass  # the server's end; asyncio would report it as a failure
        except Exception:
            log.exception("unforeseen error")
        finally:
            self._conversations.pop(task, None)
