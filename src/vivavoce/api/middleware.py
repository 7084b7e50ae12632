"""What happens to every request on its way in: an id, a tidy path, a limit, a line in the log.

Plain ASGI, because Starlette's `BaseHTTPMiddleware` stands between a stream and its client.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

import structlog

from vivavoce.api.errors import AnswerCut, error_response, unforeseen
from vivavoce.errors import BodyTooLarge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("vivavoce.http")


class RequestContext:
    """Gives each request an id (answered as `x-request-id`, in every log line) and logs its end.

    What nothing below foresaw is answered here, or cuts the answer if that has begun. A trailing
    slash is removed: clients that add one would lose their body to a redirect.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection's request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"req_{secrets.token_hex(12)}"
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
            except Exception as exc:
                if not isinstance(exc, AnswerCut):
                    log.exception("unforeseen error", path=scope["path"])
                if status:
                    raise AnswerCut from exc
                await unforeseen()(scope, receive, send_with_id)
            finally:
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    total_ms=round((time.monotonic() - started) * 1000, 1),
                )


class BodyLimit:
    """Refuses bodies over a limit, by their declared length or while they are read.

    `uploads` gives paths (with or without `/v1`) a limit of their own.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, uploads: Mapping[str, int]) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._uploads = uploads

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
        if declared.isdigit() and int(declared) > max_bytes:
            await error_response(too_large)(scope, receive, send)
            return
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > max_bytes:
                raise too_large
            return message

        await self._app(scope, receive_within_limit, send)
