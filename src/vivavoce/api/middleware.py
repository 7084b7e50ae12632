"""What happens to every request on its way in: an id, a tidy path, a limit, a line in the log.

Plain ASGI, because Starlette's `BaseHTTPMiddleware` stands between a stream and its client.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING

import structlog

from vivavoce.api.errors import AnswerCut, error_response, unforeseen
from vivavoce.errors import BodyTooLarge, BodyTooSlow, ShuttingDown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("vivavoce.http")


_SLOW_LINE_BYTES_S = 50_000


class RequestContext:
    """Gives each request an id (answered as `x-request-id`, in every log line) and logs its end.

    What nothing below foresaw is answered here, or cuts the answer if that has begun; so is a
    request that outlasts the server. A trailing slash is removed: clients that add one would lose
    their body to a redirect.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection's request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Whoever runs the application may have an id for the request already.
        request_id = scope.get("vivavoce.request_id") or f"req_{secrets.token_hex(12)}"
        started = time.monotonic()
        status = 0
        if len(scope["path"]) > 1:
            scope["path"] = scope["path"].rstrip("/") or "/"

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except asyncio.CancelledError:
                # The server's end is near; nothing else cancels a request from outside.
                if not status:
                    await error_response(_out_of_time())(scope, receive, send_with_id)
                raise
            except Exception as exc:
                if not isinstance(exc, AnswerCut):
                    log.exception("unforeseen error", path=scope["path"])
                if status:
                    raise AnswerCut from exc
                await unforeseen()(scope, receive, send_with_id)
            finally:
                # An answer of speech has a line of its own, and probes would drown all else.
                told = log.debug if 200 <= status < 400 else log.info
                told(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    total_ms=round((time.monotonic() - started) * 1000, 1),
                )


def _out_of_time() -> ShuttingDown:
    return ShuttingDown(
        "The server is shutting down, and the answer was not made in the time that was left for "
        "it. Send the request again, to another server or later."
    )


class BodyLimit:
    """Refuses bodies over a limit, by their declared length or while they are read, and slow ones.

    `uploads` gives paths (with or without `/v1`) a limit of their own. A body may take
    `timeout_s`, and as much longer as its declared length needs on a slow line.
    """

    def __init__(
        self, app: ASGIApp, max_bytes: int, uploads: Mapping[str, int], timeout_s: float
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._uploads = uploads
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection's request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix("/v1")
        max_bytes = self._uploads.get(path, self._max_bytes)
        setting = "MAX_UPLOAD_BYTES" if path in self._uploads else "MAX_BODY_BYTES"
        too_large = BodyTooLarge(
            f"The body is larger than {max_bytes} bytes. Send less at a time, or have the "
            f"operator raise {setting}."
        )
        declared = dict(scope["headers"]).get(b"content-length", b"")
        length = int(declared) if declared.isdigit() else 0
        if length > max_bytes:
            await error_response(too_large)(scope, receive, send)
            return
        received, complete = 0, False
        deadline = asyncio.get_running_loop().time() + self._timeout_s + length / _SLOW_LINE_BYTES_S

        async def receive_within_limit() -> Message:
            nonlocal received, complete
            if complete:  # what comes now is no body: it may take as long as it likes
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise BodyTooSlow(
                    f"Of the body {received} bytes came in {self._timeout_s:g} s, and not its end. "
                    "Send it at once, or have the operator raise RECEIVE_TIMEOUT."
                ) from None
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > max_bytes:
                raise too_large
            return message

        await self._app(scope, receive_within_limit, send)
