"""The route: how a socket is opened and closed."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING

import structlog
from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from vivavoce.api.live.conversation import Conversation

if TYPE_CHECKING:
    from vivavoce.api.limits import ApiLimits
    from vivavoce.service.speech import SpeechService

log = structlog.get_logger("vivavoce.live")

_NORMAL, _GOING_AWAY, _ERROR = 1000, 1001, 1011
_REALTIME = "realtime"
"""OpenAI's browser clients offer it beside the key; who offers it expects it chosen."""


def live_router(service: SpeechService, limits: ApiLimits) -> APIRouter:
    """Return the route, bound to a service."""
    router = APIRouter()

    @router.websocket("/audio/speech/ws")
    async def live(socket: WebSocket) -> None:
        offered = socket.scope.get("subprotocols", ())
        await socket.accept(_REALTIME if _REALTIME in offered else None)
        with structlog.contextvars.bound_contextvars(request_id=f"req_{secrets.token_hex(12)}"):
            await _serve(socket, Conversation(socket, service, limits))

    return router


async def _serve(socket: WebSocket, conversation: Conversation) -> None:
    code, reason = _NORMAL, ""
    try:
        await conversation.run()
    except WebSocketDisconnect:
        return
    except TimeoutError:
        code, reason = _GOING_AWAY, "Nothing was said, or nothing taken, for too long."
        log.info("socket closed", reason=reason)
    except asyncio.CancelledError:
        code, reason = _GOING_AWAY, "The server is shutting down."
        raise
    except Exception:
        code, reason = _ERROR, "An unforeseen error: see the server's log."
        log.exception("unforeseen error", path=socket.url.path)
    finally:
        if socket.client_state is WebSocketState.CONNECTED:
            await _close(socket, code, reason)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):  # it was quicker
        await socket.close(code, reason)
